// Pools: the largest, mean or norm of windows of the last axes.

import { constNode, iota, sameDim } from "../graph/node.js";
import { isFloat } from "../scalar/dtype.js";
import { reduceIdentity } from "../scalar/evaluate.js";
import { type Around, Convolution, paddingPairs, type PerAxis, perAxis } from "./convolution.js";
import { TensorError } from "./core.js";
import { accumulationType } from "./reduction.js";
import type { Tensor } from "./tensor.js";

export interface PoolOptions {
  /** Places from window to window; default the window's size. */
  readonly stride?: PerAxis;
  /** Places before and after each axis, at most half a window: -infinity for the largest, 0 for the mean. */
  readonly padding?: Around;
  /** Whether a last window may reach over the end; default false. */
  readonly ceilMode?: boolean;
}

export interface MaxPoolOptions extends PoolOptions {
  /** Places from element to element of a window; default 1. */
  readonly dilation?: PerAxis;
}

export interface AveragePoolOptions extends PoolOptions {
  /** Whether padded places count in the mean; default true. */
  readonly countIncludePad?: boolean;
  /** What sums are divided by instead of the count. */
  readonly divisorOverride?: number;
}

export interface NormPoolOptions {
  readonly stride?: PerAxis;
  readonly ceilMode?: boolean;
}

export interface UnpoolOptions {
  readonly stride?: PerAxis;
  readonly padding?: PerAxis;
  /** Sizes of the spatial axes of the result; default those that the windows just cover. */
  readonly outputSize?: readonly number[];
}

/** Sizes of the result, null for those that stay. */
export type AdaptiveSize = number | readonly (number | null)[];

/** The largest of each window, and where it lies among the elements of the spatial axes, flattened (int32). */
export interface ValuesAndIndices {
  readonly values: Tensor;
  readonly indices: Tensor;
}

/** The windows of one axis: `count` of `size` elements, the first starting `before` places outside. */
interface AxisWindows {
  readonly size: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
  /** Places after the axis that belong to the padding. */
  readonly after: number;
  /** Places after the axis that the windows reach, if any. */
  readonly reach: number;
  readonly count: number;
  readonly length: number;
}

/** Of windows [.., oh, kh, ow, kw]: per axis the place [.., count, size] of each element, and whether it is one. */
export interface WindowPlaces {
  readonly place: Tensor;
  readonly inside: Tensor | undefined;
}

export abstract class Pooling extends Convolution {
  // --- largest -----------------------------------------------------------------------------------------------------

  /** Largest of each window of the last axis; see maxPool2d. */
  maxPool1d(size: PerAxis, options?: MaxPoolOptions): Tensor {
    return this.maxPool("maxPool1d", 1, size, options);
  }
  /**
   * Largest of each window [kh, kw] of the last two axes: [.., h, w] gives [.., oh, ow]. A NaN is largest. Equal
   * elements share the gradient evenly (PyTorch gives it to the first).
   *
   * @example Tensor.arange(4).reshape([1, 1, 2, 2]).maxPool2d(2); // => [[[[3]]]]
   */
  maxPool2d(size: PerAxis, options?: MaxPoolOptions): Tensor {
    return this.maxPool("maxPool2d", 2, size, options);
  }
  /** Largest of each window of the last three axes; see maxPool2d. */
  maxPool3d(size: PerAxis, options?: MaxPoolOptions): Tensor {
    return this.maxPool("maxPool3d", 3, size, options);
  }
  private maxPool(operation: string, rank: number, size: PerAxis, options: MaxPoolOptions = {}): Tensor {
    const plan = planWindows(operation, this.self, rank, size, options);
    return this.pooledWindows(operation, plan, lowest(this.self)).max(elementAxes(this.ndim, rank));
  }

  /** maxPool1d and the place of each largest; see maxPool2dWithIndices. */
  maxPool1dWithIndices(size: PerAxis, options?: MaxPoolOptions): ValuesAndIndices {
    return this.maxPoolPlaces("maxPool1dWithIndices", 1, size, options);
  }
  /**
   * maxPool2d and the place (row * w + column, int32) of each largest, the first of equals.
   *
   * @example
   * const { values, indices } = Tensor.from([[[[1, 9], [3, 4]]]]).maxPool2dWithIndices(2);
   * indices; // => [[[[1]]]]
   */
  maxPool2dWithIndices(size: PerAxis, options?: MaxPoolOptions): ValuesAndIndices {
    return this.maxPoolPlaces("maxPool2dWithIndices", 2, size, options);
  }
  /** maxPool3d and the place of each largest; see maxPool2dWithIndices. */
  maxPool3dWithIndices(size: PerAxis, options?: MaxPoolOptions): ValuesAndIndices {
    return this.maxPoolPlaces("maxPool3dWithIndices", 3, size, options);
  }
  private maxPoolPlaces(
    operation: string,
    rank: number,
    size: PerAxis,
    options: MaxPoolOptions = {},
  ): ValuesAndIndices {
    const plan = planWindows(operation, this.self, rank, size, options);
    const windows: Pooling = this.pooledWindows(operation, plan, lowest(this.self));
    const places = plan.map((axis): WindowPlaces => {
      const [window, element] = [0, 1].map((i) => this.wrap(iota([axis.count, axis.size], i)));
      const place = window.mul(axis.stride).add(element.mul(axis.dilation)).sub(axis.before);
      return { place, inside: place.ge(0).logicalAnd(place.lt(axis.length)) };
    });
    return windows.largest(places, this.sizes.slice(-rank));
  }

  /** Of this as windows [.., oh, kh, ow, kw]: the largest, and the first place that has it. */
  protected largest(places: readonly WindowPlaces[], lengths: readonly number[]): ValuesAndIndices {
    const rank = places.length;
    const axes = elementAxes(this.ndim - rank, rank);
    const values = this.max(axes);
    const best = this.detach().max(axes, { keepdim: true });
    let hit = this.detach().eq(best);
    if (isFloat(this.dtype)) hit = hit.logicalOr(this.detach().isnan());
    const around = (x: Tensor, i: number): Tensor =>
      x.reshape([
        ...x.shape.slice(0, -2),
        ...places.flatMap((_, k) => (k === i ? x.shape.slice(-2) : [1, 1])),
      ]);
    const flat = places
      .map(({ place }, i) => around(place, i).mul(lengths.slice(i + 1).reduce((n, d) => n * d, 1)))
      .reduce((sum, term) => sum.add(term));
    places.forEach(({ inside }, i) => {
      if (inside !== undefined) hit = hit.logicalAnd(around(inside, i));
    });
    const none = lengths.reduce((n, d) => n * d, 1) - 1;
    return { values, indices: hit.where(flat, none).min(axes) };
  }

  /**
   * The inverse of maxPool1dWithIndices; see maxUnpool2d.
   *
   * @example
   * Tensor.from([[5, 7]]).maxUnpool1d(Tensor.from([[1, 3]], { dtype: "int32" }), 2); // => [[0, 5, 0, 7]]
   */
  maxUnpool1d(indices: Tensor, size: PerAxis, options?: UnpoolOptions): Tensor {
    return this.maxUnpool("maxUnpool1d", 1, indices, size, options);
  }
  /**
   * The inverse of maxPool2dWithIndices: this [.., oh, ow] put at the places that `indices` (of the same shape) name in
   * [.., h, w], zeros elsewhere. Of several that name one place, as windows that overlap do, the last stays.
   */
  maxUnpool2d(indices: Tensor, size: PerAxis, options?: UnpoolOptions): Tensor {
    return this.maxUnpool("maxUnpool2d", 2, indices, size, options);
  }
  /** The inverse of maxPool3dWithIndices; see maxUnpool2d. */
  maxUnpool3d(indices: Tensor, size: PerAxis, options?: UnpoolOptions): Tensor {
    return this.maxUnpool("maxUnpool3d", 3, indices, size, options);
  }
  private maxUnpool(
    operation: string,
    rank: number,
    indices: Tensor,
    size: PerAxis,
    { stride = size, padding = 0, outputSize }: UnpoolOptions = {},
  ): Tensor {
    const kernel = perAxis(operation, "size", size, rank);
    const steps = perAxis(operation, "stride", stride, rank);
    const around = paddingPairs(operation, padding, rank);
    if (indices.ndim !== this.ndim || indices.shape.some((d, i) => !sameDim(d, this.shape[i])))
      throw new TensorError(`${operation}: the indices should have the shape of ${this}, got ${indices}`);
    checkSpatial(operation, this.self, rank);
    const covered = kernel.map(
      (k, i) => (this.sizeAt(i - rank) - 1) * steps[i] - around[i][0] - around[i][1] + k,
    );
    const lengths = outputSize ?? covered;
    if (lengths.length !== rank || lengths.some((n, i) => Math.abs(n - covered[i]) >= steps[i])) {
      throw new TensorError(
        `${operation}: outputSize [${lengths}] must have ${rank} sizes less than a stride from [${covered}]`,
      );
    }
    const lead = this.shape.slice(0, -rank);
    const [values, places] = [this.self, indices].map((x) => x.flatten(-rank));
    const empty = this.wrap(constNode(0, this.dtype, [...lead, lengths.reduce((n, d) => n * d, 1)]));
    return empty.scatter(-1, places, values).reshape([...lead, ...lengths]);
  }

  // --- mean and norm -----------------------------------------------------------------------------------------------

  /**
   * Mean of each window of the last axis; see avgPool2d.
   *
   * @example Tensor.from([[1, 3, 5, 7]]).avgPool1d(2); // => [[2, 6]]
   */
  avgPool1d(size: PerAxis, options?: AveragePoolOptions): Tensor {
    return this.averagePool("avgPool1d", 1, size, options);
  }
  /** Mean of each window [kh, kw] of the last two axes: [.., h, w] gives [.., oh, ow], in floats. */
  avgPool2d(size: PerAxis, options?: AveragePoolOptions): Tensor {
    return this.averagePool("avgPool2d", 2, size, options);
  }
  /** Mean of each window of the last three axes; see avgPool2d. */
  avgPool3d(size: PerAxis, options?: AveragePoolOptions): Tensor {
    return this.averagePool("avgPool3d", 3, size, options);
  }
  private averagePool(
    operation: string,
    rank: number,
    size: PerAxis,
    { countIncludePad = true, divisorOverride, ...options }: AveragePoolOptions = {},
  ): Tensor {
    if (divisorOverride === 0) throw new TensorError(`${operation}: divisorOverride must not be 0`);
    const { dtype } = this.toFloats();
    const plan = planWindows(operation, this.self, rank, size, options);
    const wide: Pooling = this.cast(accumulationType(dtype));
    const total = wide.pooledWindows(operation, plan, 0).sum(elementAxes(this.ndim, rank));
    const mean =
      divisorOverride === undefined
        ? this.dividedByCounts(total, plan, countIncludePad)
        : total.div(divisorOverride);
    return mean.cast(dtype);
  }

  /** Sums of windows divided by how many elements, or also places of the padding, each has. */
  private dividedByCounts(total: Tensor, plan: readonly AxisWindows[], padding: boolean): Tensor {
    const even = plan.every(
      ({ before, after, reach }) => reach <= (padding ? after : 0) && (padding || before === 0),
    );
    if (even) return total.div(plan.reduce((n, { size }) => n * size, 1));
    const counts = plan.map(({ size, stride, before, after, count, length }, i) => {
      const start = this.wrap(iota([count], 0))
        .mul(stride)
        .sub(before);
      const end = start.add(size).minimum(padding ? length + after : length);
      const held = end.sub(padding ? start : start.maximum(0));
      return held.reshape(plan.map((_, k) => (k === i ? count : 1)));
    });
    return total.div(counts.reduce((product, count) => product.mul(count)).cast(total.dtype));
  }

  /**
   * (sum x^p)^(1/p) of each window of the last axis; see lpPool2d.
   *
   * @example
   * Tensor.from([[3, 4]]).lpPool1d(2, 2); // => [[5]]
   */
  lpPool1d(p: number, size: PerAxis, options?: NormPoolOptions): Tensor {
    return this.normPool("lpPool1d", 1, p, size, options);
  }
  /**
   * (sum x^p)^(1/p) of each window [kh, kw] of the last two axes. The sum of a window cut by the end (ceilMode) counts
   * as if it were whole, as in PyTorch. Where the sum is 0 the gradient is 0.
   */
  lpPool2d(p: number, size: PerAxis, options?: NormPoolOptions): Tensor {
    return this.normPool("lpPool2d", 2, p, size, options);
  }
  /** (sum x^p)^(1/p) of each window of the last three axes; see lpPool2d. */
  lpPool3d(p: number, size: PerAxis, options?: NormPoolOptions): Tensor {
    return this.normPool("lpPool3d", 3, p, size, options);
  }
  private normPool(
    operation: string,
    rank: number,
    p: number,
    size: PerAxis,
    { stride, ceilMode }: NormPoolOptions = {},
  ): Tensor {
    if (!Number.isFinite(p) || p === 0)
      throw new TensorError(`${operation}: p must be finite and not 0, got ${p}`);
    const { dtype } = this.toFloats();
    const powers: Pooling = this.cast(accumulationType(dtype)).pow(p);
    const elements = perAxis(operation, "size", size, rank).reduce((n, k) => n * k, 1);
    const total = powers.averagePool(operation, rank, size, { stride, ceilMode }).mul(elements);
    const none = total.eq(0);
    return none.where(0, none.where(1, total).pow(1 / p)).cast(dtype);
  }

  // --- windows -----------------------------------------------------------------------------------------------------

  /** The last axes as windows [.., oh, kh, ow, kw] after a plan, with `fill` around the elements. */
  private pooledWindows(operation: string, plan: readonly AxisWindows[], fill: number): Tensor {
    const around = plan.map(({ before, after, reach }): readonly [number, number] => [
      before,
      Math.max(after, reach),
    ]);
    const [kernel, stride, dilation] = (["size", "stride", "dilation"] as const).map((key) =>
      plan.map((axis) => axis[key]),
    );
    const image = this.padded(around, fill) as Pooling;
    return image.windows(operation, kernel, stride, dilation);
  }
}

export const lowest = (x: Tensor): number => Number(reduceIdentity("max", x.dtype));

/** Of windows of `rank` axes of a tensor with `ndim` axes, [.., oh, kh, ow, kw]: the axes of their elements. */
export const elementAxes = (ndim: number, rank: number): number[] =>
  Array.from({ length: rank }, (_, i) => ndim - rank + 2 * i + 1);

function planWindows(
  operation: string,
  x: Tensor,
  rank: number,
  size: PerAxis,
  { stride = size, padding = 0, dilation = 1, ceilMode = false }: MaxPoolOptions,
): AxisWindows[] {
  const kernel = perAxis(operation, "size", size, rank);
  const steps = perAxis(operation, "stride", stride, rank);
  const gaps = perAxis(operation, "dilation", dilation, rank);
  const around = paddingPairs(operation, padding, rank);
  checkSpatial(operation, x, rank);
  return kernel.map((k, i) => {
    const length = x.sizeAt(i - rank);
    const [before, after] = around[i];
    const span = gaps[i] * (k - 1) + 1;
    if (2 * before > k || 2 * after > k) {
      throw new TensorError(
        `${operation}: padding [${around}] may be at most half of the window [${kernel}]; others see no element`,
      );
    }
    const room = length + before + after - span;
    if (room < 0) {
      throw new TensorError(`${operation}: a window of ${span} does not fit axis ${i - rank} of padded ${x}`);
    }
    let count = (ceilMode ? Math.ceil(room / steps[i]) : Math.floor(room / steps[i])) + 1;
    // The last window must start in the input or in the padding before it.
    if (ceilMode && (count - 1) * steps[i] >= length + before) count--;
    const reach = Math.max(0, (count - 1) * steps[i] + span - length - before);
    return { size: k, stride: steps[i], dilation: gaps[i], before, after, reach, count, length };
  });
}

export function checkSpatial(operation: string, x: Tensor, rank: number): void {
  if (x.ndim < rank) throw new TensorError(`${operation}: ${x} has no ${rank} axes to pool`);
}
