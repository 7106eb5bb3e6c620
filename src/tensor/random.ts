// What is random about a tensor: draws by its elements as probabilities, and masks that drop some of them.

import { type DType, isFloat } from "../scalar/dtype.js";
import { Assignment } from "./assignment.js";
import { TensorError } from "./core.js";
import { bitsOfSeed, exponentialNode, uniformNode } from "./random-bits.js";
import type { Tensor } from "./tensor.js";

/** What selu tends to far below 0: what alphaDropout puts in place of what it drops. */
const SELU_FLOOR = -1.7580993408473766;

export interface DrawOptions {
  /** Draws of their own, the same each time; else those that manualSeed starts. */
  readonly seed?: number;
}

export interface DropoutOptions {
  /** Nothing is dropped unless true, the default. */
  readonly training?: boolean;
}

export interface MultinomialOptions extends DrawOptions {
  /** Whether a place may be drawn more than once; default false. */
  readonly replacement?: boolean;
}

const drawType = (dtype: DType): DType => (dtype === "float64" ? dtype : "float32");

function checkProbability(operation: string, p: number): void {
  if (!(p >= 0 && p <= 1)) throw new TensorError(`${operation}: the probability must be in [0, 1], got ${p}`);
}

export abstract class Random extends Assignment {
  /**
   * True with the probability this holds, for each element.
   *
   * @example
   * Tensor.from([0, 1]).bernoulli(); // => [false, true]
   */
  bernoulli({ seed }: DrawOptions = {}): Tensor {
    const x = this.toFloats();
    return this.wrap(uniformNode(x.shape, drawType(x.dtype), 0, bitsOfSeed(seed))).lt(x);
  }
  /**
   * Places (int32) drawn with probabilities in proportion to these weights, of each row of [places] or [rows, places].
   * Without replacement no place comes twice; a row must then have as many weights above 0 as are drawn.
   *
   * @example
   * Tensor.from([0, 0, 3]).multinomial(2, { replacement: true }); // => [2, 2]
   */
  multinomial(count: number, { replacement = false, seed }: MultinomialOptions = {}): Tensor {
    const places = this.ndim === 0 ? 0 : this.sizeAt(-1);
    if (this.ndim < 1 || this.ndim > 2 || !isFloat(this.dtype))
      throw new TensorError(`multinomial: needs float weights of one or two axes, got ${this}`);
    if (!Number.isInteger(count) || count < 1 || (!replacement && count > places))
      throw new TensorError(`multinomial: cannot draw ${count} of ${places} places of ${this}`);
    const weights = this.detach().cast(drawType(this.dtype));
    const bits = bitsOfSeed(seed);
    if (!replacement) {
      // The first to arrive, if each takes a time that is exponential with its weight as rate.
      const times = this.wrap(exponentialNode(weights.shape, weights.dtype, bits)).div(weights);
      const never = weights.gt(0).where(times, Number.POSITIVE_INFINITY);
      return never.topk(count, { axis: -1, largest: false }).indices;
    }
    const shape = [...weights.shape.slice(0, -1), count];
    const bounds = weights.cumsum(-1).contiguous();
    const share = this.wrap(uniformNode(shape, weights.dtype, 0, bits));
    const goal = share.mul(bounds.narrow(-1, places - 1, 1));
    // The number of bounds up to the goal, found by halving steps.
    let found = goal.mul(0).cast("int32");
    for (let step = 2 ** Math.floor(Math.log2(places)); step >= 1; step /= 2) {
      const bound = bounds.gather(-1, found.add(step - 1).minimum(places - 1));
      const further = bound.le(goal).logicalAnd(found.add(step).lt(places));
      found = further.where(found.add(step), found).contiguous();
    }
    return found;
  }

  /**
   * Zero with probability p, else this / (1 - p); unchanged if not `training`.
   *
   * @example
   * const dropped = Tensor.ones([100]).dropout(0.5);
   * dropped.isin(Tensor.from([0, 2])).all(); // => true
   */
  dropout(p = 0.5, { training = true }: DropoutOptions = {}): Tensor {
    checkProbability("dropout", p);
    return training ? this.dropped(p, this.shape) : this.self;
  }
  /** As dropout, of whole channels: all places behind the first two axes, [batch, channels, ..]. */
  featureDropout(p = 0.5, { training = true }: DropoutOptions = {}): Tensor {
    return this.channelDropout("featureDropout", p, training, this.ndim - 2);
  }
  /** Whole channels of [channels, length] or [batch, channels, length] are dropped. */
  dropout1d(p = 0.5, { training = true }: DropoutOptions = {}): Tensor {
    return this.channelDropout("dropout1d", p, training, 1);
  }
  /**
   * Whole channels of [channels, height, width] or [batch, channels, height, width] are dropped.
   *
   * @example
   * Tensor.ones([4, 8, 2, 2]).dropout2d(0.5).var([2, 3]).sum(); // => 0
   */
  dropout2d(p = 0.5, { training = true }: DropoutOptions = {}): Tensor {
    return this.channelDropout("dropout2d", p, training, 2);
  }
  /** Whole channels of [channels, depth, height, width], or of batches of these, are dropped. */
  dropout3d(p = 0.5, { training = true }: DropoutOptions = {}): Tensor {
    return this.channelDropout("dropout3d", p, training, 3);
  }
  private channelDropout(operation: string, p: number, training: boolean, window: number): Tensor {
    checkProbability(operation, p);
    const lead = this.ndim - window;
    if (window < 0 || lead < 1 || lead > 2) {
      throw new TensorError(`${operation}: needs channels and ${Math.max(0, window)} more axes, got ${this}`);
    }
    const channels = this.shape.map((d, axis) => (axis < lead ? d : 1));
    return training ? this.dropped(p, channels) : this.self;
  }
  private dropped(p: number, shape: Tensor["shape"]): Tensor {
    if (p === 0) return this.self;
    if (p === 1) return this.mul(0);
    const kept = this.wrap(uniformNode(shape, "float32", 0)).ge(p);
    return kept.where(this.toFloats().mul(1 / (1 - p)), 0);
  }
  /**
   * What is dropped becomes what selu tends to far below 0, and all is scaled so that mean 0 and variance 1 stay
   * (Klambauer and others, "Self-Normalizing Neural Networks", 2017).
   */
  alphaDropout(p = 0.5, { training = true }: DropoutOptions = {}): Tensor {
    checkProbability("alphaDropout", p);
    return training ? this.alphaDropped(p, this.shape) : this.self;
  }
  /** As alphaDropout, of whole channels. */
  featureAlphaDropout(p = 0.5, { training = true }: DropoutOptions = {}): Tensor {
    checkProbability("featureAlphaDropout", p);
    const channels = this.shape.map((d, axis) => (axis < 2 ? d : 1));
    return training ? this.alphaDropped(p, channels) : this.self;
  }
  private alphaDropped(p: number, shape: Tensor["shape"]): Tensor {
    if (p === 0) return this.self;
    if (p === 1) return this.mul(0);
    const scale = 1 / Math.sqrt((1 - p) * (1 + p * SELU_FLOOR ** 2));
    const kept = this.wrap(uniformNode(shape, "float32", 0)).ge(p);
    const x = this.toFloats();
    return kept
      .where(x.mul(scale), SELU_FLOOR * scale)
      .sub(SELU_FLOOR * scale * p)
      .cast(x.dtype);
  }
}
