// Optimisers that follow a running gradient: SGD, LARS, Lion, Muon, and Rprop, which follows signs.

import { Tensor } from "../../tensor/tensor.js";
import {
  average,
  Optimiser,
  type OptimiserOptions,
  type Parameters,
  type Rule,
  shrunk,
  withDecay,
} from "./optimiser.js";

export interface SGDOptions extends OptimiserOptions {
  readonly momentum?: number;
  /** Share by which a gradient enters the momentum less. */
  readonly dampening?: number;
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent, with PyTorch's momentum; weight decay is part of the gradient.
 *
 * @example
 * const weight = Tensor.from([1.5]).requiresGrad_();
 * const optimiser = new nn.SGD([weight], { lr: 0.25, momentum: 0.9 });
 * weight.square().sum().backward();
 * optimiser.step();
 * weight; // => [0.75]
 */
export class SGD extends Optimiser<SGDOptions> {
  private readonly momenta: readonly Tensor[];

  constructor(parameters: Parameters<SGDOptions>, options: SGDOptions = {}) {
    super(parameters, { lr: 1e-3, ...options });
    const { momentum = 0, dampening = 0, nesterov = false } = options;
    if (nesterov && (momentum <= 0 || dampening !== 0))
      throw new Error("SGD: nesterov needs a momentum and no dampening");
    this.momenta = this.stateIf((own) => (own.momentum ?? 0) !== 0);
  }

  protected begin(rate: number | Tensor, options: SGDOptions): Rule {
    const { momentum = 0, dampening = 0, nesterov = false, weightDecay } = options;
    // The first gradient enters the momentum whole.
    const share = dampening === 0 ? 1 : this.steps.eq(0).where(1, 1 - dampening);
    return (update) => {
      const { value, place } = update;
      const slope = withDecay(update, weightDecay);
      if (momentum === 0) return value.sub(slope.mul(rate));
      const state = this.momenta[place];
      const speed = this.put(state, state.mul(momentum).add(slope.mul(share)));
      return value.sub((nesterov ? slope.add(speed.mul(momentum)) : speed).mul(rate));
    };
  }
}

export interface LARSOptions extends OptimiserOptions {
  readonly momentum?: number;
  /** Length of a step relative to that of the weights; default 0.001. */
  readonly trust?: number;
  readonly eps?: number;
}

/**
 * SGD whose steps are in proportion to the length of each layer's weights, for large batches (You, Gitman and Ginsburg,
 * 2017); weight decay is part of the gradient.
 */
export class LARS extends Optimiser<LARSOptions> {
  private readonly momenta = this.state();

  constructor(parameters: Parameters<LARSOptions>, options: LARSOptions = {}) {
    super(parameters, { lr: 1e-1, ...options });
  }

  protected begin(rate: number | Tensor, options: LARSOptions): Rule {
    const { momentum = 0.9, trust = 1e-3, eps = 1e-8, weightDecay = 0 } = options;
    return (update) => {
      const { value, gradient, place } = update;
      const [length, steepness] = [value.norm(), gradient.norm()];
      const ratio = length.mul(trust).div(steepness.add(length.mul(weightDecay)).add(eps));
      const local = length.gt(0).logicalAnd(steepness.gt(0)).where(ratio, 1);
      const state = this.momenta[place];
      const slope = withDecay(update, weightDecay).mul(local).mul(rate);
      return value.sub(this.put(state, state.mul(momentum).add(slope)));
    };
  }
}

export interface LionOptions extends OptimiserOptions {
  /** Shares of the old momentum: in the step, and in the new momentum; default [0.9, 0.99]. */
  readonly betas?: readonly [number, number];
}

/**
 * Steps of one length along the sign of a momentum (Chen and others, 2023); weight decay shrinks the weights.
 *
 * @example
 * const weight = Tensor.from([1.5]).requiresGrad_();
 * weight.square().sum().backward();
 * new nn.Lion([weight], { lr: 0.25 }).step();
 * weight; // => [1.25]
 */
export class Lion extends Optimiser<LionOptions> {
  private readonly momenta = this.state();

  constructor(parameters: Parameters<LionOptions>, options: LionOptions = {}) {
    super(parameters, { lr: 1e-4, ...options });
  }

  protected begin(
    rate: number | Tensor,
    { betas: [step, keep] = [0.9, 0.99], weightDecay }: LionOptions,
  ): Rule {
    return ({ value, gradient, place }) => {
      const state = this.momenta[place];
      const direction = average(state, gradient, step).sign();
      this.put(state, average(state, gradient, keep));
      return shrunk(value, rate, weightDecay).sub(direction.mul(rate));
    };
  }
}

export interface MuonOptions extends OptimiserOptions {
  readonly momentum?: number;
  readonly nesterov?: boolean;
  /** Steps of the iteration that makes a momentum orthogonal; default 5. */
  readonly iterations?: number;
  /** Added to the length by which a momentum is divided first; default 1e-7. */
  readonly eps?: number;
}

/** Of a quintic whose repeated application brings singular values in (0, 1] near to 1 (Jordan and others, 2024). */
const QUINTIC = [3.4445, -4.775, 2.0315] as const;

/**
 * Steps along momenta made orthogonal (Jordan and others, 2024), for weights that are matrices; others belong to AdamW.
 * Weight decay (default 0.1) shrinks the weights. The iteration runs in float32.
 *
 * @example
 * const weight = Tensor.randn([4, 4]).requiresGrad_();
 * weight.square().sum().backward();
 * new nn.Muon([weight], { lr: 0.02 }).step();
 */
export class Muon extends Optimiser<MuonOptions> {
  private readonly momenta = this.state();

  constructor(parameters: Parameters<MuonOptions>, options: MuonOptions = {}) {
    super(parameters, { lr: 1e-3, ...options });
    for (const x of this.parameters)
      if (x.ndim !== 2) throw new Error(`Muon: ${x} is no matrix; give it to AdamW instead`);
  }

  protected begin(rate: number | Tensor, options: MuonOptions): Rule {
    const { momentum = 0.95, nesterov = true, iterations = 5, eps = 1e-7, weightDecay = 0.1 } = options;
    return ({ value, gradient, place }) => {
      const state = this.momenta[place];
      const speed = this.put(state, average(state, gradient, momentum));
      const direction = orthogonal(nesterov ? average(speed, gradient, momentum) : speed, iterations, eps);
      const [rows, columns] = value.sizes;
      // Tall matrices have longer steps, so that outputs change alike.
      const move = direction.mul(Math.sqrt(Math.max(1, rows / columns)));
      return shrunk(value, rate, weightDecay).sub(move.mul(rate));
    };
  }
}

/** A matrix with the same singular vectors, and singular values near 1. */
function orthogonal(x: Tensor, iterations: number, eps: number): Tensor {
  const [rows, columns] = x.sizes;
  const tall = rows > columns;
  const [a, b, c] = QUINTIC;
  let y = (tall ? x.T : x).div(x.norm().maximum(eps));
  for (let i = 0; i < iterations; i++) {
    // a y + b (y y^T) y + c (y y^T)^2 y
    const square = y.matmul(y.T);
    y = y.mul(a).add(square.mul(b).add(square.matmul(square).mul(c)).matmul(y));
  }
  return tall ? y.T : y;
}

export interface RpropOptions extends OptimiserOptions {
  /** Factors of a step's length where the sign of a gradient changed, and where it stayed; default [0.5, 1.2]. */
  readonly etas?: readonly [number, number];
  /** Bounds of a step's length; default [1e-6, 50]. */
  readonly stepSizes?: readonly [number, number];
}

/** Each weight with a step length of its own, by the signs of whole gradients (Riedmiller and Braun, 1993). */
export class Rprop extends Optimiser<RpropOptions> {
  private readonly before = this.state();
  private readonly lengths = this.state();

  constructor(parameters: Parameters<RpropOptions>, options: RpropOptions = {}) {
    super(parameters, { lr: 1e-2, ...options });
  }

  protected begin(rate: number | Tensor, options: RpropOptions): Rule {
    const { etas: [shorter, longer] = [0.5, 1.2], stepSizes: [least, most] = [1e-6, 50] } = options;
    const first = this.steps.eq(0);
    return ({ value, gradient, place }) => {
      const [before, lengths] = [this.before[place], this.lengths[place]];
      const product = gradient.mul(before);
      const turned = product.lt(0);
      const factor = turned.where(shorter, product.gt(0).where(longer, 1));
      const length = first.where(Tensor.ones([], { dtype: value.dtype }).mul(rate), lengths).mul(factor);
      const step = this.put(lengths, length.clamp(least, most));
      // After a turn the weight waits for one step.
      const slope = this.put(before, turned.where(0, gradient));
      return value.sub(slope.sign().mul(step));
    };
  }
}
