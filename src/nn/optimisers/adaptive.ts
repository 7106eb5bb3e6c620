// Optimisers with a step length for each weight by the squares of its gradients: Adagrad, Adadelta, RMSprop, Adafactor.

import { Tensor } from "../../tensor/tensor.js";
import { accumulationType } from "../../tensor/reduction.js";
import { epsilonOf } from "../../scalar/dtype.js";
import {
  average,
  Optimiser,
  type OptimiserOptions,
  type Parameters,
  type Rule,
  shrunk,
  withDecay,
} from "./optimiser.js";

export interface AdagradOptions extends OptimiserOptions {
  /** How fast the learning rate falls: rate / (1 + steps * lrDecay). */
  readonly lrDecay?: number;
  /** What the sums of squares start from. */
  readonly initialAccumulator?: number;
  readonly eps?: number;
}

/**
 * Divides by the root of the sum of all squares so far (Duchi, Hazan and Singer, 2011).
 *
 * @example
 * const weight = Tensor.from([1.5]).requiresGrad_();
 * weight.square().sum().backward();
 * new nn.Adagrad([weight], { lr: 0.25 }).step();
 * weight; // => [1.25]
 */
export class Adagrad extends Optimiser<AdagradOptions> {
  private readonly sums: readonly Tensor[];

  constructor(parameters: Parameters<AdagradOptions>, options: AdagradOptions = {}) {
    super(parameters, { lr: 1e-2, ...options });
    this.sums = this.state(options.initialAccumulator ?? 0);
  }

  protected begin(rate: number | Tensor, { lrDecay = 0, eps = 1e-10, weightDecay }: AdagradOptions): Rule {
    const size = lrDecay === 0 ? rate : this.steps.mul(lrDecay).add(1).reciprocal().mul(rate).contiguous();
    return (update) => {
      const slope = withDecay(update, weightDecay);
      const sums = this.sums[update.place];
      const sum = this.put(sums, sums.add(slope.square()));
      return update.value.sub(slope.div(sum.sqrt().add(eps)).mul(size));
    };
  }
}

export interface AdadeltaOptions extends OptimiserOptions {
  /** Share of the old means; default 0.9. */
  readonly rho?: number;
  readonly eps?: number;
}

/** Steps in proportion to the steps before them, over the root of the mean square (Zeiler, 2012). */
export class Adadelta extends Optimiser<AdadeltaOptions> {
  private readonly squares = this.state();
  private readonly moves = this.state();

  constructor(parameters: Parameters<AdadeltaOptions>, options: AdadeltaOptions = {}) {
    super(parameters, { lr: 1, ...options });
  }

  protected begin(rate: number | Tensor, { rho = 0.9, eps = 1e-6, weightDecay }: AdadeltaOptions): Rule {
    return (update) => {
      const slope = withDecay(update, weightDecay);
      const [squares, moves] = [this.squares[update.place], this.moves[update.place]];
      const square = this.put(squares, average(squares, slope.square(), rho));
      const move = moves.add(eps).sqrt().div(square.add(eps).sqrt()).mul(slope);
      this.put(moves, average(moves, move.square(), rho));
      return update.value.sub(move.mul(rate));
    };
  }
}

export interface RMSpropOptions extends OptimiserOptions {
  /** Share of the old mean square; default 0.99. */
  readonly alpha?: number;
  readonly eps?: number;
  readonly momentum?: number;
  /** Divides by the deviation of gradients instead of their root mean square. */
  readonly centered?: boolean;
}

/**
 * Divides by the root of the running mean square (Tieleman and Hinton, 2012).
 *
 * @example
 * const weight = Tensor.from([1.5]).requiresGrad_();
 * weight.square().sum().backward();
 * new nn.RMSprop([weight], { lr: 0.1, alpha: 0.75 }).step();
 * weight; // => [1.3]
 */
export class RMSprop extends Optimiser<RMSpropOptions> {
  private readonly squares = this.state();
  private readonly means: readonly Tensor[];
  private readonly momenta: readonly Tensor[];

  constructor(parameters: Parameters<RMSpropOptions>, options: RMSpropOptions = {}) {
    super(parameters, { lr: 1e-2, ...options });
    this.means = this.stateIf(({ centered = false }) => centered);
    this.momenta = this.stateIf(({ momentum = 0 }) => momentum !== 0);
  }

  protected begin(rate: number | Tensor, options: RMSpropOptions): Rule {
    const { alpha = 0.99, eps = 1e-8, momentum = 0, centered = false, weightDecay } = options;
    return (update) => {
      const { value, place } = update;
      const slope = withDecay(update, weightDecay);
      let square = this.put(this.squares[place], average(this.squares[place], slope.square(), alpha));
      if (centered) {
        const mean = this.put(this.means[place], average(this.means[place], slope, alpha));
        square = square.sub(mean.square());
      }
      const move = slope.div(square.sqrt().add(eps));
      if (momentum === 0) return value.sub(move.mul(rate));
      const state = this.momenta[place];
      return value.sub(this.put(state, state.mul(momentum).add(move)).mul(rate));
    };
  }
}

export interface AdafactorOptions extends OptimiserOptions {
  /** The share of a new square at step t is t^beta2Decay; default -0.8. */
  readonly beta2Decay?: number;
  /** Least mean square, default the dtype's smallest step above 1; and least size of weights, default 0.001. */
  readonly eps?: readonly [number | undefined, number];
  /** Largest root mean square of a step before it is scaled; default 1. */
  readonly clipThreshold?: number;
}

/**
 * Squares of a matrix's gradient kept as one mean for each row and each column (Shazeer and Stern, 2018), with PyTorch's
 * defaults; weight decay shrinks the weights.
 */
export class Adafactor extends Optimiser<AdafactorOptions> {
  private readonly rows: readonly Tensor[];
  private readonly columns: readonly Tensor[];

  constructor(parameters: Parameters<AdafactorOptions>, options: AdafactorOptions = {}) {
    super(parameters, { lr: 1e-2, ...options });
    const zeros = (x: Tensor, axis: number): Tensor => {
      const shape = x.sizes.map((d, i) => (x.ndim > 1 && i === x.ndim + axis ? 1 : d));
      return Tensor.zeros(shape, { dtype: accumulationType(x.dtype) });
    };
    // Of vectors the squares themselves are kept, as rows.
    this.rows = this.parameters.map((x) => zeros(x, -1));
    this.columns = this.parameters.map((x) => (x.ndim > 1 ? zeros(x, -2) : Tensor.zeros([])));
  }

  protected begin(rate: number | Tensor, options: AdafactorOptions): Rule {
    const { beta2Decay = -0.8, eps = [undefined, 1e-3], clipThreshold = 1, weightDecay } = options;
    const step = this.steps.add(1);
    const share = step.pow(beta2Decay).contiguous();
    const size = step.rsqrt().minimum(rate).contiguous();
    const follow = (state: Tensor, value: Tensor): Tensor =>
      this.put(state, state.add(value.sub(state).mul(share)));
    return ({ value, gradient, place }) => {
      const least = eps[0] ?? epsilonOf(this.parameters[place].dtype);
      const scale = rootMeanSquare(value).maximum(eps[1]).mul(size);
      const square = gradient.square();
      let mean: Tensor;
      if (gradient.ndim > 1) {
        const row = follow(this.rows[place], square.mean(-1, { keepdim: true }));
        const column = follow(this.columns[place], square.mean(-2, { keepdim: true }));
        mean = row.mul(column).div(row.mean(-2, { keepdim: true }).maximum(least));
      } else mean = follow(this.rows[place], square);
      const move = mean
        .maximum(least * least)
        .rsqrt()
        .mul(gradient);
      const excess = rootMeanSquare(move).div(clipThreshold).maximum(1);
      return shrunk(value, rate, weightDecay).sub(move.mul(scale.div(excess)));
    };
  }
}

const rootMeanSquare = (x: Tensor): Tensor => x.square().mean().sqrt();
