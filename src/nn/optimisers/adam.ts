// Adam and its kin: steps along a running mean of gradients over the root of a running mean of their squares.

import { Tensor } from "../../tensor/tensor.js";
import {
  average,
  correction,
  Optimiser,
  type OptimiserOptions,
  type Parameters,
  type Rule,
  shrunk,
  type Update,
  withDecay,
} from "./optimiser.js";

export interface AdamOptions extends OptimiserOptions {
  /** Shares of the old means of gradients and of their squares; default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the root; default 1e-8, of LAMB 1e-6. */
  readonly eps?: number;
}

export interface DecayOptions extends AdamOptions {
  /** Whether weight decay shrinks the weights, as AdamW has it, instead of being part of the gradient. */
  readonly decoupledWeightDecay?: boolean;
}

const BETAS = [0.9, 0.999] as const;

/** Keeps the two means. */
abstract class Moments<O extends AdamOptions> extends Optimiser<O> {
  private readonly means = this.state();
  private readonly squares = this.state();

  protected mean({ place }: Update, slope: Tensor, beta: number): Tensor {
    return this.put(this.means[place], average(this.means[place], slope, beta));
  }
  protected square({ place }: Update, slope: Tensor, beta: number): Tensor {
    return this.put(this.squares[place], average(this.squares[place], slope.square(), beta));
  }
}

export interface AdamVariantOptions extends AdamOptions {
  /** Divides by the largest root so far (Reddi, Kale and Kumar, 2018). */
  readonly amsgrad?: boolean;
}

/**
 * Adam (Kingma and Ba, 2014); its weight decay is part of the gradient.
 *
 * @example
 * const weight = Tensor.from([1.5]).requiresGrad_();
 * const optimiser = new nn.Adam([weight], { lr: 0.25 });
 * weight.square().sum().backward();
 * optimiser.step();
 * weight; // => [1.25]
 */
export class Adam extends Moments<AdamVariantOptions> {
  private readonly largest: readonly Tensor[];
  protected readonly decoupled: boolean = false;

  constructor(parameters: Parameters<AdamVariantOptions>, options: AdamVariantOptions = {}) {
    super(parameters, { lr: 1e-3, ...options });
    this.largest = this.stateIf(({ amsgrad = false }) => amsgrad);
  }

  protected begin(rate: number | Tensor, options: AdamVariantOptions): Rule {
    const { betas: [beta1, beta2] = BETAS, eps = 1e-8, amsgrad = false, weightDecay } = options;
    const step = this.steps.add(1);
    // Computed once, not for every weight.
    const size = correction(step, beta1).reciprocal().mul(rate).contiguous();
    const root = correction(step, beta2).rsqrt().contiguous();
    return (update) => {
      const { value, place } = update;
      const slope = this.decoupled ? update.gradient : withDecay(update, weightDecay);
      const mean = this.mean(update, slope, beta1);
      let square = this.square(update, slope, beta2);
      if (amsgrad) square = this.put(this.largest[place], this.largest[place].maximum(square));
      const move = mean.div(square.sqrt().mul(root).add(eps)).mul(size);
      return (this.decoupled ? shrunk(value, rate, weightDecay) : value).sub(move);
    };
  }
}

/**
 * Adam whose weight decay (default 0.01) shrinks the weights themselves (Loshchilov and Hutter, 2017).
 *
 * @example
 * const layer = new nn.Linear(3, 2);
 * const optimiser = new nn.AdamW(
 *   [{ parameters: [layer.weight] }, { parameters: [layer.bias], weightDecay: 0 }],
 *   { lr: 1e-3, weightDecay: 0.1 },
 * );
 * optimiser.parameters.length; // => 2
 */
export class AdamW extends Adam {
  protected override readonly decoupled = true;

  constructor(parameters: Parameters<AdamVariantOptions>, options: AdamVariantOptions = {}) {
    super(parameters, { weightDecay: 0.01, ...options });
  }
}

export interface NAdamOptions extends DecayOptions {
  /** How fast the momentum's share grows; default 0.004. */
  readonly momentumDecay?: number;
}

/** Adam with Nesterov's momentum (Dozat, 2016), its share growing as in PyTorch. */
export class NAdam extends Moments<NAdamOptions> {
  /** The product of the shares so far. */
  private readonly product = Tensor.ones([], { dtype: this.rateType });

  constructor(parameters: Parameters<NAdamOptions>, options: NAdamOptions = {}) {
    super(parameters, { lr: 2e-3, ...options });
  }

  protected begin(rate: number | Tensor, options: NAdamOptions): Rule {
    const { betas: [beta1, beta2] = BETAS, eps = 1e-8, weightDecay, momentumDecay = 4e-3 } = options;
    const { decoupledWeightDecay = false } = options;
    const step = this.steps.add(1);
    const shareAt = (t: Tensor): Tensor =>
      t
        .mul(momentumDecay * Math.log(0.96))
        .exp()
        .mul(-0.5 * beta1)
        .add(beta1);
    const [now, next] = [shareAt(step), shareAt(step.add(1))];
    const product = this.put(this.product, this.product.mul(now));
    const ofGradient = now.rsub(1).div(product.rsub(1)).mul(rate).contiguous();
    const ofMean = next.div(product.mul(next).rsub(1)).mul(rate).contiguous();
    const root = correction(step, beta2).rsqrt().contiguous();
    return (update) => {
      const slope = decoupledWeightDecay ? update.gradient : withDecay(update, weightDecay);
      const value = decoupledWeightDecay ? shrunk(update.value, rate, weightDecay) : update.value;
      const mean = this.mean(update, slope, beta1);
      const scale = this.square(update, slope, beta2).sqrt().mul(root).add(eps);
      return value.sub(slope.mul(ofGradient).add(mean.mul(ofMean)).div(scale));
    };
  }
}

/** Adam that follows the mean alone until the squares can be trusted (Liu and others, 2019). */
export class RAdam extends Moments<DecayOptions> {
  constructor(parameters: Parameters<DecayOptions>, options: DecayOptions = {}) {
    super(parameters, { lr: 1e-3, ...options });
  }

  protected begin(rate: number | Tensor, options: DecayOptions): Rule {
    const { betas: [beta1, beta2] = BETAS, eps = 1e-8, weightDecay, decoupledWeightDecay = false } = options;
    const step = this.steps.add(1);
    const [corrected1, corrected2] = [correction(step, beta1), correction(step, beta2)];
    const size = corrected1.reciprocal().mul(rate).contiguous();
    // Length of the average that the squares are, now and in the end.
    const end = 2 / (1 - beta2) - 1;
    const length = step.mul(2).mul(corrected2.rsub(1)).div(corrected2).rsub(end);
    const sure = length.gt(5);
    const trusted = sure.where(length, 6);
    const rectified = trusted
      .sub(4)
      .mul(trusted.sub(2))
      .div(trusted)
      .mul(end / ((end - 4) * (end - 2)));
    const factor = rectified.mul(corrected2).sqrt().contiguous();
    return (update) => {
      const slope = decoupledWeightDecay ? update.gradient : withDecay(update, weightDecay);
      const value = decoupledWeightDecay ? shrunk(update.value, rate, weightDecay) : update.value;
      const mean = this.mean(update, slope, beta1).mul(size);
      const scale = this.square(update, slope, beta2).sqrt().add(eps);
      return value.sub(mean.mul(sure.where(factor.div(scale), 1)));
    };
  }
}

/** Adam by the largest gradient so far instead of the mean square (Kingma and Ba, 2014). */
export class Adamax extends Optimiser<AdamOptions> {
  private readonly means = this.state();
  private readonly largest = this.state();

  constructor(parameters: Parameters<AdamOptions>, options: AdamOptions = {}) {
    super(parameters, { lr: 2e-3, ...options });
  }

  protected begin(rate: number | Tensor, options: AdamOptions): Rule {
    const { betas: [beta1, beta2] = BETAS, eps = 1e-8, weightDecay } = options;
    const size = correction(this.steps.add(1), beta1).reciprocal().mul(rate).contiguous();
    return (update) => {
      const { value, place } = update;
      const slope = withDecay(update, weightDecay);
      const [means, largest] = [this.means[place], this.largest[place]];
      const mean = this.put(means, average(means, slope, beta1));
      const scale = this.put(largest, largest.mul(beta2).maximum(slope.abs().add(eps)));
      return value.sub(mean.div(scale).mul(size));
    };
  }
}

/**
 * Adam whose steps are in proportion to the length of each layer's weights, for large batches (You and others, 2019);
 * weight decay shrinks the weights within the step.
 */
export class LAMB extends Moments<AdamOptions> {
  constructor(parameters: Parameters<AdamOptions>, options: AdamOptions = {}) {
    super(parameters, { lr: 1e-3, ...options });
  }

  protected begin(rate: number | Tensor, options: AdamOptions): Rule {
    const { betas: [beta1, beta2] = BETAS, eps = 1e-6, weightDecay = 0 } = options;
    const step = this.steps.add(1);
    const size = correction(step, beta1).reciprocal().contiguous();
    const root = correction(step, beta2).rsqrt().contiguous();
    return (update) => {
      const { value, gradient } = update;
      const mean = this.mean(update, gradient, beta1).mul(size);
      const scale = this.square(update, gradient, beta2).sqrt().mul(root).add(eps);
      const move = withDecay({ ...update, gradient: mean.div(scale) }, weightDecay);
      const [length, reach] = [value.norm(), move.norm()];
      const trust = length.gt(0).logicalAnd(reach.gt(0)).where(length.div(reach), 1);
      return value.sub(move.mul(trust).mul(rate));
    };
  }
}
