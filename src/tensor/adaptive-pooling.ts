// Pools whose result has a wanted size: adaptive ones, by windows of whatever size that takes, and fractional ones, by
// windows at random places.

import { iota, sameDim } from "../graph/node.js";
import { type PerAxis, perAxis } from "./convolution.js";
import { TensorError } from "./core.js";
import {
  type AdaptiveSize,
  checkSpatial,
  elementAxes,
  lowest,
  Pooling,
  type ValuesAndIndices,
  type WindowPlaces,
} from "./pooling.js";
import { uniformNode } from "./random-bits.js";
import { accumulationType } from "./reduction.js";
import type { Tensor } from "./tensor.js";

/** The size of the result is given, or its ratio to the input's (rounded down). */
export interface FractionalPoolOptions {
  readonly outputSize?: PerAxis;
  readonly outputRatio?: PerAxis;
  /** Numbers in [0, 1) for each channel and axis, [b, c, 2] or [b, c, 3], instead of ones drawn now. */
  readonly randomSamples?: Tensor;
}

export abstract class AdaptivePooling extends Pooling {
  /**
   * Mean of windows of the last axis that make it `size` long; see adaptiveAvgPool2d.
   *
   * @example Tensor.from([[1, 2, 3, 4]]).adaptiveAvgPool1d(2); // => [[1.5, 3.5]]
   */
  adaptiveAvgPool1d(size: AdaptiveSize): Tensor {
    return this.adaptiveMean("adaptiveAvgPool1d", adaptiveSizes(this.self, 1, size));
  }
  /**
   * Means of oh x ow windows that cover the last two axes: [.., h, w] gives [.., oh, ow]. Window i of n over a length is
   * floor(i length / n) to ceil((i + 1) length / n). A size of null stays as it is; one number counts for all axes.
   *
   * @example
   * Tensor.ones([1, 3, 7, 5]).adaptiveAvgPool2d([2, null]).shape; // => [1, 3, 2, 5]
   */
  adaptiveAvgPool2d(size: AdaptiveSize): Tensor {
    return this.adaptiveMean("adaptiveAvgPool2d", adaptiveSizes(this.self, 2, size));
  }
  /** Means of windows that cover the last three axes; see adaptiveAvgPool2d. */
  adaptiveAvgPool3d(size: AdaptiveSize): Tensor {
    return this.adaptiveMean("adaptiveAvgPool3d", adaptiveSizes(this.self, 3, size));
  }
  protected adaptiveMean(operation: string, sizes: readonly number[]): Tensor {
    checkAdaptive(operation, this.self, sizes);
    const { dtype } = this.toFloats();
    const wide: AdaptivePooling = this.cast(accumulationType(dtype));
    const axes = elementAxes(this.ndim, sizes.length);
    const { windows, places, counts } = wide.adaptiveWindows(sizes, 0);
    const total = windows.sum(axes);
    const mean = counts.reduce<Tensor>((sum, count, i) => {
      if (typeof count === "number") return sum.div(count);
      return sum.div(count.reshape(places.map((_, k) => (k === i ? sizes[i] : 1))).cast(sum.dtype));
    }, total);
    return mean.cast(dtype);
  }

  /** Largest of windows of the last axis that make it `size` long; see adaptiveAvgPool2d for the windows. */
  adaptiveMaxPool1d(size: AdaptiveSize): Tensor {
    return this.adaptiveLargest("adaptiveMaxPool1d", adaptiveSizes(this.self, 1, size)).values;
  }
  /** Largest of oh x ow windows that cover the last two axes; see adaptiveAvgPool2d for the windows. */
  adaptiveMaxPool2d(size: AdaptiveSize): Tensor {
    return this.adaptiveLargest("adaptiveMaxPool2d", adaptiveSizes(this.self, 2, size)).values;
  }
  /** Largest of windows that cover the last three axes; see adaptiveAvgPool2d for the windows. */
  adaptiveMaxPool3d(size: AdaptiveSize): Tensor {
    return this.adaptiveLargest("adaptiveMaxPool3d", adaptiveSizes(this.self, 3, size)).values;
  }
  /** adaptiveMaxPool1d and the place of each largest; see maxPool2dWithIndices. */
  adaptiveMaxPool1dWithIndices(size: AdaptiveSize): ValuesAndIndices {
    return this.adaptiveLargest("adaptiveMaxPool1dWithIndices", adaptiveSizes(this.self, 1, size));
  }
  /** adaptiveMaxPool2d and the place of each largest; see maxPool2dWithIndices. */
  adaptiveMaxPool2dWithIndices(size: AdaptiveSize): ValuesAndIndices {
    return this.adaptiveLargest("adaptiveMaxPool2dWithIndices", adaptiveSizes(this.self, 2, size));
  }
  /** adaptiveMaxPool3d and the place of each largest; see maxPool2dWithIndices. */
  adaptiveMaxPool3dWithIndices(size: AdaptiveSize): ValuesAndIndices {
    return this.adaptiveLargest("adaptiveMaxPool3dWithIndices", adaptiveSizes(this.self, 3, size));
  }
  private adaptiveLargest(operation: string, sizes: readonly number[]): ValuesAndIndices {
    checkAdaptive(operation, this.self, sizes);
    const { windows, places } = this.adaptiveWindows(sizes, lowest(this.self));
    return (windows as AdaptivePooling).largest(places, this.sizes.slice(-sizes.length));
  }

  /**
   * The last axes as windows [.., oh, kh, ow, kw]. Where sizes do not divide, windows differ in size: all are as long as
   * the longest, and hold `fill` behind their end.
   */
  private adaptiveWindows(
    sizes: readonly number[],
    fill: number,
  ): { windows: Tensor; places: WindowPlaces[]; counts: (number | Tensor)[] } {
    const rank = sizes.length;
    let windows = this.self;
    const counts: (number | Tensor)[] = [];
    const places = sizes.map((count, i): WindowPlaces => {
      const length = this.sizeAt(i - rank);
      // The axes before it are already two each.
      const axis = this.ndim - rank + 2 * i;
      const table = (j: 0 | 1, size: number): Tensor => this.wrap(iota([count, size], j));
      if (length % count === 0) {
        const size = length / count;
        counts.push(size);
        windows = windows.unflatten(axis, [count, size]);
        return { place: table(0, size).mul(size).add(table(1, size)), inside: undefined };
      }
      const starts = Array.from({ length: count }, (_, k) => Math.floor((k * length) / count));
      const ends = starts.map((_, k) => Math.ceil(((k + 1) * length) / count));
      const size = Math.max(...ends.map((end, k) => end - starts[k]));
      // 64 bits only where the products need them.
      const wide = (count + 1) * length < 2 ** 31 ? "int32" : "int64";
      const bound = (k: Tensor, up: number): Tensor =>
        k.cast(wide).mul(length).add(up).idiv(count).cast("int32");
      const from = bound(table(0, size), 0);
      const to = bound(table(0, size).add(1), count - 1);
      const place = from.add(table(1, size));
      const inside = place.lt(to);
      counts.push(to.sub(from).narrow(1, 0, 1));
      const taken = windows
        .indexSelect(axis, inside.where(place, 0).flatten())
        .unflatten(axis, [count, size]);
      const shape = taken.shape.map((_, k) => (k === axis ? count : k === axis + 1 ? size : 1));
      windows = inside.reshape(shape).where(taken, fill).cast(this.dtype);
      return { place, inside };
    });
    return { windows, places, counts };
  }

  // --- windows at random places ------------------------------------------------------------------------------------

  /** Largest of windows at random places; see fractionalMaxPool2dWithIndices. */
  fractionalMaxPool2d(size: PerAxis, options: FractionalPoolOptions): Tensor {
    return this.fractional("fractionalMaxPool2d", 2, size, options).values;
  }
  /** Largest of windows at random places; see fractionalMaxPool2dWithIndices. */
  fractionalMaxPool3d(size: PerAxis, options: FractionalPoolOptions): Tensor {
    return this.fractional("fractionalMaxPool3d", 3, size, options).values;
  }
  /**
   * Largest of windows [kh, kw] of [b, c, h, w] whose steps are random but of a mean that gives the wanted size (Graham,
   * 2014), and the place of each; see maxPool2dWithIndices. The batch axis may be missing.
   */
  fractionalMaxPool2dWithIndices(size: PerAxis, options: FractionalPoolOptions): ValuesAndIndices {
    return this.fractional("fractionalMaxPool2dWithIndices", 2, size, options);
  }
  /** As fractionalMaxPool2dWithIndices, of [b, c, d, h, w]. */
  fractionalMaxPool3dWithIndices(size: PerAxis, options: FractionalPoolOptions): ValuesAndIndices {
    return this.fractional("fractionalMaxPool3dWithIndices", 3, size, options);
  }
  private fractional(
    operation: string,
    rank: number,
    size: PerAxis,
    options: FractionalPoolOptions,
  ): ValuesAndIndices {
    if (this.ndim === rank + 1) {
      const one: AdaptivePooling = this.unsqueeze(0);
      const { values, indices } = one.fractional(operation, rank, size, options);
      return { values: values.squeeze(0), indices: indices.squeeze(0) };
    }
    const kernel = perAxis(operation, "size", size, rank);
    const counts = fractionalSizes(operation, this.self, kernel, options);
    const shape = [...this.shape.slice(0, 2), rank];
    const dtype = accumulationType(this.toFloats().dtype);
    const drawn = options.randomSamples ?? this.wrap(uniformNode(shape, dtype, 0));
    if (drawn.ndim !== 3 || drawn.shape.some((d, i) => !sameDim(d, shape[i])))
      throw new TensorError(
        `${operation}: randomSamples should be [b, c, ${rank}] for ${this}, got ${drawn}`,
      );
    // Once for all elements of a channel.
    const samples = drawn.cast(dtype).contiguous();
    let windows = this.self;
    const places = kernel.map((k, i): WindowPlaces => {
      const [length, count] = [this.sizeAt(2 + i), counts[i]];
      // As PyTorch has it, planes have the sample for rows last, and volumes that for columns.
      const sample = samples.narrow(2, rank === 2 ? 1 - i : i, 1).unsqueeze(-1);
      const window = this.wrap(iota([1, 1, count, 1], 2));
      const step = count > 1 ? (length - k) / (count - 1) : 0;
      const start = window.add(sample).mul(step).int().sub(sample.mul(step).int());
      const place = window
        .eq(count - 1)
        .where(length - k, start)
        .add(this.wrap(iota([1, 1, 1, k], 3)))
        .contiguous();
      const at = 2 + 2 * i;
      const laid = place.reshape(windows.shape.map((d, j) => (j < 2 ? d : j === at ? count * k : 1)));
      windows = windows.takeAlongAxis(laid, at).unflatten(at, [count, k]);
      return { place, inside: undefined };
    });
    return (windows as AdaptivePooling).largest(places, this.sizes.slice(2));
  }
}

function adaptiveSizes(x: Tensor, rank: number, size: AdaptiveSize): number[] {
  const list = typeof size === "number" ? new Array<number>(rank).fill(size) : size;
  return list.map((n, i) => n ?? x.sizeAt(i - list.length));
}

function checkAdaptive(operation: string, x: Tensor, sizes: readonly number[]): void {
  checkSpatial(operation, x, sizes.length);
  if (
    sizes.some((n) => !Number.isInteger(n) || n < 1) ||
    sizes.some((_, i) => x.sizeAt(i - sizes.length) === 0)
  )
    throw new TensorError(`${operation}: ${x} cannot be pooled to sizes [${sizes}]: all must be at least 1`);
}

function fractionalSizes(
  operation: string,
  x: Tensor,
  kernel: readonly number[],
  { outputSize, outputRatio }: FractionalPoolOptions,
): readonly number[] {
  const rank = kernel.length;
  const given = outputSize ?? outputRatio;
  if (x.ndim !== rank + 2 || given === undefined || (outputSize !== undefined && outputRatio !== undefined))
    throw new TensorError(
      `${operation}: needs [b, c, ..] with ${rank} axes behind and either outputSize or outputRatio, got ${x}`,
    );
  const list = typeof given === "number" ? new Array<number>(rank).fill(given) : given;
  const sizes = outputSize !== undefined ? list : list.map((ratio, i) => Math.floor(x.sizeAt(2 + i) * ratio));
  const fits = sizes.every((n, i) => Number.isInteger(n) && n >= 1 && n + kernel[i] - 1 <= x.sizeAt(2 + i));
  if (sizes.length !== rank || !fits)
    throw new TensorError(`${operation}: ${x} cannot give [${sizes}] windows of [${kernel}]`);
  return sizes;
}
