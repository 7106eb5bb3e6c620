// Normalisation: values brought to mean 0 and variance 1 (or to norm 1) over some axes, then scaled and shifted.
// Statistics are taken in float32 at least.

import { printShape, type Shape, sameShape } from "../graph/node.js";
import { epsilonOf } from "../scalar/dtype.js";
import { Resampling } from "./resampling.js";
import { TensorError } from "./core.js";
import { accumulationType } from "./reduction.js";
import type { Tensor } from "./tensor.js";

export interface NormOptions {
  readonly weight?: Tensor;
  readonly bias?: Tensor;
  /** Added to the variance; default 1e-5. */
  readonly eps?: number;
}

export interface RmsNormOptions {
  readonly weight?: Tensor;
  /** Added to the mean square; default the dtype's smallest step above 1. */
  readonly eps?: number;
}

export interface LocalResponseNormOptions {
  /** Factor of the mean square; default 1e-4. */
  readonly alpha?: number;
  /** The power; default 0.75. */
  readonly beta?: number;
  /** Added to the mean square; default 1. */
  readonly k?: number;
}

export abstract class Normalisation extends Resampling {
  /**
   * Normalises over the last axes, of sizes `shape`; weight and bias have that shape.
   *
   * @example Tensor.from([[1, 3]]).layerNorm([2]); // => [[-1, 1]]
   */
  layerNorm(shape: Shape, { weight, bias, eps = 1e-5 }: NormOptions = {}): Tensor {
    const axes = this.lastAxes("layerNorm", shape, [weight, bias]);
    return scaleAndShift(normalised(this.wide(), axes, eps), weight, bias).cast(this.toFloats().dtype);
  }

  /**
   * Divides by the root of the mean square over the last axes, of sizes `shape`; weight has that shape.
   *
   * @example
   * Tensor.from([3, 3]).rmsNorm([2]); // => [1, 1]
   */
  rmsNorm(shape: Shape, { weight, eps = epsilonOf(this.toFloats().dtype) }: RmsNormOptions = {}): Tensor {
    const axes = this.lastAxes("rmsNorm", shape, [weight]);
    const x = this.wide();
    const result = x.mul(x.square().mean(axes, { keepdim: true }).add(eps).rsqrt());
    return scaleAndShift(result, weight, undefined).cast(this.toFloats().dtype);
  }

  /**
   * (this - mean) / sqrt(variance + eps) * weight + bias with given statistics; all are [channels], the channels being
   * axis 1 of this.
   *
   * @example
   * Tensor.from([[1, 10]]).batchNorm(Tensor.from([0, 10]), Tensor.from([1, 4]), { eps: 0 }); // => [[1, 0]]
   */
  batchNorm(mean: Tensor, variance: Tensor, { weight, bias, eps = 1e-5 }: NormOptions = {}): Tensor {
    const channels = this.shape[1];
    for (const x of [mean, variance, weight, bias]) {
      if (x !== undefined && !sameShape(x.shape, [channels]))
        throw new TensorError(
          `batchNorm: ${this} needs statistics, weight and bias of [${channels}], got ${x}`,
        );
    }
    const x = this.wide();
    const place = (y: Tensor): Tensor =>
      y.cast(x.dtype).reshape([channels, ...this.shape.slice(2).map(() => 1)]);
    const factor = variance.cast(x.dtype).add(eps).rsqrt();
    const scale = place(weight === undefined ? factor : factor.mul(weight.cast(x.dtype)));
    const result = x.sub(place(mean)).mul(scale);
    return (bias === undefined ? result : result.add(place(bias))).cast(this.toFloats().dtype);
  }

  /**
   * Normalises each of `groups` parts of the channels (axis 1) of each batch entry; weight and bias are [channels].
   *
   * @example
   * Tensor.from([[[1, 3], [0, 0], [5, 5], [5, 7]]]).groupNorm(2).shape; // => [1, 4, 2]
   */
  groupNorm(groups: number, { weight, bias, eps = 1e-5 }: NormOptions = {}): Tensor {
    const channels = this.ndim < 2 ? 0 : this.sizeAt(1);
    if (channels === 0 || channels % groups !== 0)
      throw new TensorError(`groupNorm: the channels (axis 1) of ${this} do not make ${groups} groups`);
    // [batch, groups, channels of a group, ..]: no axes are merged, so that no place must be taken apart again.
    const split = [groups, channels / groups];
    const axes = this.shape.slice(1).map((_, i) => i + 2);
    const place = (x: Tensor | undefined) => x?.reshape([...split, ...this.shape.slice(2).map(() => 1)]);
    return scaleAndShift(normalised(this.wide().unflatten(1, split), axes, eps), place(weight), place(bias))
      .flatten(1, 2)
      .cast(this.toFloats().dtype);
  }

  /** Normalises each channel (axis 1) of each batch entry. */
  instanceNorm(options?: NormOptions): Tensor {
    return this.groupNorm(this.sizeAt(1), options);
  }

  /**
   * Divided by (k + alpha * mean square)^beta, the mean being over `size` neighbouring channels (axis 1), of which those
   * outside count as 0 (Krizhevsky and others, 2012).
   */
  localResponseNorm(
    size: number,
    { alpha = 1e-4, beta = 0.75, k = 1 }: LocalResponseNormOptions = {},
  ): Tensor {
    if (this.ndim < 2 || !Number.isInteger(size) || size < 1)
      throw new TensorError(
        `localResponseNorm: needs [batch, channels, ..] and a positive size, got ${this} and ${size}`,
      );
    const x = this.wide();
    const before = Math.floor(size / 2);
    const around = this.shape.map((_, axis): [number, number] =>
      axis === 1 ? [before, size - 1 - before] : [0, 0],
    );
    const square = x.square().pad(around).unfold(1, size, 1).mean(-1);
    return x.div(square.mul(alpha).add(k).pow(beta)).cast(this.toFloats().dtype);
  }

  /**
   * Divided by its norm along an axis, of at least eps.
   *
   * @example Tensor.from([[3, 4]]).normalize(); // => [[0.6, 0.8]]
   */
  normalize({ p = 2, axis = 1, eps = 1e-12 }: { p?: number; axis?: number; eps?: number } = {}): Tensor {
    return this.div(this.norm(p, axis, { keepdim: true }).clamp(eps));
  }

  private wide(): Tensor {
    return this.cast(accumulationType(this.toFloats().dtype));
  }

  private lastAxes(operation: string, shape: Shape, given: readonly (Tensor | undefined)[]): number[] {
    const lead = this.ndim - shape.length;
    if (shape.length === 0 || lead < 0 || !sameShape(this.shape.slice(lead), shape)) {
      throw new TensorError(`${operation}: the last axes of ${this} are not ${printShape(shape)}`);
    }
    for (const x of given) {
      if (x !== undefined && !sameShape(x.shape, shape))
        throw new TensorError(`${operation}: weight and bias should be ${printShape(shape)}, got ${x}`);
    }
    return shape.map((_, i) => lead + i);
  }
}

/** Mean 0 and variance 1 over axes; the mean is taken off first, so that nothing cancels. */
function normalised(x: Tensor, axes: readonly number[], eps: number): Tensor {
  const centred = x.sub(x.mean(axes, { keepdim: true }));
  return centred.mul(centred.square().mean(axes, { keepdim: true }).add(eps).rsqrt());
}

function scaleAndShift(x: Tensor, weight: Tensor | undefined, bias: Tensor | undefined): Tensor {
  const scaled = weight === undefined ? x : x.mul(weight.cast(x.dtype));
  return bias === undefined ? scaled : scaled.add(bias.cast(x.dtype));
}
