// Layers that drop elements or channels in training, and do nothing else.

import { Tensor } from "../tensor/tensor.js";

abstract class DropoutLayer {
  training = true;

  constructor(readonly p = 0.5) {
    if (!(p >= 0 && p <= 1))
      throw new Error(`${this.constructor.name}: the probability must be in [0, 1], got ${p}`);
  }

  forward(x: Tensor): Tensor {
    return this.training && this.p > 0 ? this.drop(x) : x;
  }

  protected abstract drop(x: Tensor): Tensor;
}

/** In training, zero with probability p, else divided by 1 - p. */
export class Dropout extends DropoutLayer {
  protected drop(x: Tensor): Tensor {
    return x.dropout(this.p);
  }
}

/** True with probability 1 - p for each channel, [batch, channels, 1..]. */
function keptChannels(layer: string, x: Tensor, spatial: number, p: number): Tensor {
  if (x.ndim < spatial + 1 || x.ndim > spatial + 2)
    throw new Error(`${layer}: ${x} should have ${spatial + 1} or ${spatial + 2} axes`);
  const shape = x.shape.map((d, axis) => (axis < x.ndim - spatial ? d : 1));
  return Tensor.full(shape, 1 - p, { dtype: "float32" }).bernoulli();
}

/** Whole channels zero in training, the others divided by 1 - p (Tompson and others, 2015). */
abstract class ChannelDropout extends DropoutLayer {
  protected abstract readonly spatial: number;

  protected drop(x: Tensor): Tensor {
    const kept = keptChannels(this.constructor.name, x, this.spatial, this.p);
    return this.p === 1 ? x.mul(0) : kept.where(x.mul(1 / (1 - this.p)), 0);
  }
}

/** Of [batch, channels, length]; the batch may be missing. */
export class Dropout1d extends ChannelDropout {
  protected readonly spatial = 1;
}
/** Of [batch, channels, height, width]; the batch may be missing. */
export class Dropout2d extends ChannelDropout {
  protected readonly spatial = 2;
}
/** Of [batch, channels, depth, height, width]; the batch may be missing. */
export class Dropout3d extends ChannelDropout {
  protected readonly spatial = 3;
}

/** What selu comes to far below 0. */
const FLOOR = -1.7580993408473766;

/** Dropped to selu's floor, then scaled and shifted so that mean 0 and variance 1 stay (Klambauer and others, 2017). */
function alphaDrop(x: Tensor, kept: Tensor, p: number): Tensor {
  if (p === 1) return x.mul(0);
  const scale = 1 / Math.sqrt((1 - p) * (1 + p * FLOOR ** 2));
  return kept.where(x, FLOOR).mul(scale).add(-scale * FLOOR * p); // biome-ignore format: one step
}

/** Dropout for networks with selu: single elements. */
export class AlphaDropout extends DropoutLayer {
  protected drop(x: Tensor): Tensor {
    return alphaDrop(x, Tensor.full(x.shape, 1 - this.p, { dtype: "float32" }).bernoulli(), this.p);
  }
}

/** Dropout for networks with selu: whole channels of [batch, channels, ..]. */
export class FeatureAlphaDropout extends DropoutLayer {
  protected drop(x: Tensor): Tensor {
    return alphaDrop(x, keptChannels("FeatureAlphaDropout", x, Math.max(0, x.ndim - 2), this.p), this.p);
  }
}
