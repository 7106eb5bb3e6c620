// Convolutions and pools: windows that slide over the last axes, multiplied or reduced.

import { sameDim } from "../graph/node.js";
import { reduceIdentity } from "../scalar/evaluate.js";
import { Activation } from "./activation.js";
import { TensorError } from "./core.js";
import { contract, contractionType } from "./linear.js";
import type { Tensor } from "./tensor.js";

/** One number for every spatial axis, or one for each. */
export type PerAxis = number | readonly number[];

export interface ConvolutionOptions {
  /** Places from window to window; default 1. */
  readonly stride?: PerAxis;
  /** Zeros before and after each axis; default 0. */
  readonly padding?: PerAxis;
  /** Places from element to element of a window; default 1. */
  readonly dilation?: PerAxis;
  /** Parts of the channels that are convolved on their own; default 1. */
  readonly groups?: number;
}

export interface PoolOptions {
  /** Places from window to window; default the window's size. */
  readonly stride?: PerAxis;
  /** Places before and after each axis: -infinity for the largest, 0 for the mean. */
  readonly padding?: PerAxis;
}

export interface MaxPoolOptions extends PoolOptions {
  readonly dilation?: PerAxis;
}

export interface AveragePoolOptions extends PoolOptions {
  /** Whether padded places count in the mean; default true. */
  readonly countIncludePad?: boolean;
}

export abstract class Convolution extends Activation {
  /** this [b, c, l], weight [o, c / groups, k], bias [o]: [b, o, windows]. The batch axis may be missing. */
  conv1d(weight: Tensor, bias?: Tensor, options?: ConvolutionOptions): Tensor {
    return this.convolve("conv1d", 1, weight, bias, options);
  }
  /** this [b, c, h, w], weight [o, c / groups, kh, kw], bias [o]: [b, o, oh, ow]. The batch axis may be missing. */
  conv2d(weight: Tensor, bias?: Tensor, options?: ConvolutionOptions): Tensor {
    return this.convolve("conv2d", 2, weight, bias, options);
  }
  /** this [b, c, d, h, w], weight [o, c / groups, kd, kh, kw], bias [o]: [b, o, od, oh, ow]. */
  conv3d(weight: Tensor, bias?: Tensor, options?: ConvolutionOptions): Tensor {
    return this.convolve("conv3d", 3, weight, bias, options);
  }

  private convolve(
    operation: string,
    rank: number,
    weight: Tensor,
    bias: Tensor | undefined,
    { stride = 1, padding = 0, dilation = 1, groups = 1 }: ConvolutionOptions = {},
  ): Tensor {
    if (this.ndim === rank + 1) {
      const one = this.unsqueeze(0) as Convolution;
      return one.convolve(operation, rank, weight, bias, { stride, padding, dilation, groups }).squeeze(0);
    }
    checkConvolution(operation, rank, this.self, weight, bias, groups);
    const [outputs, inside, ...kernel] = weight.sizes;
    const dtype = contractionType(operation, this.self, weight);
    const image = this.padded(rank, padding, 0);
    const split: Convolution = image.reshape([image.shape[0], groups, 1, inside, ...image.shape.slice(2)]);
    const windows = split.windows(operation, rank, kernel, stride, dilation);
    const filters = weight.reshape([
      1,
      groups,
      outputs / groups,
      inside,
      ...kernel.flatMap((size) => [1, size]),
    ]);
    // [b, g, 1, c/g, oh, kh, ow, kw] x [1, g, o/g, c/g, 1, kh, 1, kw]: summed, the places that stay are in order.
    const axes = [3, ...kernel.map((_, i) => 5 + 2 * i)];
    const total = contract(windows, filters, dtype, axes).flatten(1, 2);
    const result =
      bias === undefined
        ? total
        : total.add(bias.cast(total.dtype).reshape([outputs, ...kernel.map(() => 1)]));
    return result.cast(dtype);
  }

  /** Largest of each window of the last axis; see maxPool2d. */
  maxPool1d(size: PerAxis, options?: MaxPoolOptions): Tensor {
    return this.maxPool("maxPool1d", 1, size, options);
  }
  /** Largest of each window [kh, kw] of the last two axes: [.., h, w] gives [.., oh, ow]. */
  maxPool2d(size: PerAxis, options?: MaxPoolOptions): Tensor {
    return this.maxPool("maxPool2d", 2, size, options);
  }
  private maxPool(
    operation: string,
    rank: number,
    size: PerAxis,
    { stride = size, padding = 0, dilation = 1 }: MaxPoolOptions = {},
  ): Tensor {
    const kernel = perAxis(operation, "size", size, rank);
    checkPadding(operation, kernel, perAxis(operation, "padding", padding, rank));
    const lowest = Number(reduceIdentity("max", this.dtype));
    const windows = this.padded(rank, padding, lowest).windows(operation, rank, kernel, stride, dilation);
    return windows.max(kernel.map((_, i) => windows.ndim - 1 - 2 * i));
  }

  /** Mean of each window of the last axis; see avgPool2d. */
  avgPool1d(size: PerAxis, options?: AveragePoolOptions): Tensor {
    return this.averagePool("avgPool1d", 1, size, options);
  }
  /** Mean of each window [kh, kw] of the last two axes: [.., h, w] gives [.., oh, ow]. */
  avgPool2d(size: PerAxis, options?: AveragePoolOptions): Tensor {
    return this.averagePool("avgPool2d", 2, size, options);
  }
  private averagePool(
    operation: string,
    rank: number,
    size: PerAxis,
    { stride = size, padding = 0, countIncludePad = true }: AveragePoolOptions = {},
  ): Tensor {
    const kernel = perAxis(operation, "size", size, rank);
    checkPadding(operation, kernel, perAxis(operation, "padding", padding, rank));
    const total = (x: Convolution): Tensor => {
      const windows = x.padded(rank, padding, 0).windows(operation, rank, kernel, stride, 1);
      return windows.sum(kernel.map((_, i) => windows.ndim - 1 - 2 * i));
    };
    const x = this.toFloats();
    if (countIncludePad) return total(x).div(kernel.reduce((n, k) => n * k, 1));
    return total(x).div(total(x.onesLike()));
  }

  // --- windows -----------------------------------------------------------------------------------------------------

  /** The last `rank` axes with `value` before and after. */
  private padded(rank: number, padding: PerAxis, value: number): Convolution {
    const around = perAxis("padding", "padding", padding, rank);
    if (around.every((n) => n === 0)) return this;
    const lead = new Array<[number, number]>(this.ndim - rank).fill([0, 0]);
    return this.pad([...lead, ...around.map((n): [number, number] => [n, n])], { value });
  }

  /** Each of the last `rank` axes as two: the windows, and the places in a window. */
  private windows(
    operation: string,
    rank: number,
    kernel: readonly number[],
    stride: PerAxis,
    dilation: PerAxis,
  ): Tensor {
    const steps = perAxis(operation, "stride", stride, rank);
    const gaps = perAxis(operation, "dilation", dilation, rank);
    const lead = this.ndim - rank;
    let result = this.self;
    kernel.forEach((size, i) => {
      const span = gaps[i] * (size - 1) + 1;
      if (span > result.sizeAt(lead + i)) {
        throw new TensorError(
          `${operation}: a window of ${span} does not fit axis ${lead + i - result.ndim} of padded ${this}`,
        );
      }
      result = result.unfold(lead + i, size, steps[i], gaps[i]);
    });
    const order = [
      ...Array.from({ length: lead }, (_, i) => i),
      ...kernel.flatMap((_, i) => [lead + i, lead + rank + i]),
    ];
    return result.permute(order);
  }
}

/** One positive integer (or 0 for padding) for each of `rank` axes. */
function perAxis(operation: string, what: string, value: PerAxis, rank: number): readonly number[] {
  const list = typeof value === "number" ? new Array<number>(rank).fill(value) : value;
  const least = what === "padding" ? 0 : 1;
  if (list.length !== rank || list.some((n) => !Number.isInteger(n) || n < least)) {
    throw new TensorError(
      `${operation}: ${what} must be an integer of at least ${least}, or ${rank} of them, got ${value}`,
    );
  }
  return list;
}

function checkPadding(operation: string, kernel: readonly number[], padding: readonly number[]): void {
  if (padding.some((n, i) => 2 * n > kernel[i])) {
    throw new TensorError(
      `${operation}: padding [${padding}] may be at most half of the window [${kernel}]; others see no element`,
    );
  }
}

function checkConvolution(
  operation: string,
  rank: number,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  groups: number,
): void {
  const axes = ["d", "h", "w"].slice(-rank).join(", ");
  if (x.ndim !== rank + 2 || weight.ndim !== rank + 2) {
    throw new TensorError(
      `${operation}: needs [b, c, ${axes}] and a weight [o, c, ${axes}], got ${x}, ${weight}`,
    );
  }
  const [outputs, inside] = weight.sizes;
  if (!Number.isInteger(groups) || groups < 1 || outputs % groups !== 0 || x.shape[1] !== inside * groups) {
    throw new TensorError(
      `${operation}: ${x} in ${groups} groups does not fit ${weight}: it should have ${inside * groups} channels, ` +
        `and ${outputs} outputs should divide by the groups`,
    );
  }
  if (bias !== undefined && (bias.ndim !== 1 || !sameDim(bias.shape[0], outputs)))
    throw new TensorError(`${operation}: the bias should be [${outputs}], got ${bias}`);
}
