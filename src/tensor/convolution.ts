// Convolutions, their transposes, and the windows both stand on: parts that slide over the last axes of a tensor.

import { contiguous, derived, type Dim, expand, mulDim, sameDim, shear } from "../graph/node.js";
import { Activation } from "./activation.js";
import { TensorError } from "./core.js";
import { contract, contractionType, factor } from "./linear.js";
import type { Tensor } from "./tensor.js";
import { convolveInTiles, paysInTiles, type TiledConvolution } from "./winograd.js";

/** One number for every spatial axis, or one for each. */
export type PerAxis = number | readonly number[];

/** Places around each spatial axis: one number for all, or for each axis one number or [before, after]. */
export type Around = number | readonly (number | readonly [number, number])[];

export interface WindowOptions {
  /** Places from window to window; default 1. */
  readonly stride?: PerAxis;
  /** Zeros before and after each axis; default 0. */
  readonly padding?: Around;
  /** Places from element to element of a window; default 1. */
  readonly dilation?: PerAxis;
}

export interface ConvolutionOptions extends Omit<WindowOptions, "padding"> {
  /**
   * Zeros before and after each axis; default 0, also called "valid". With "same" and stride 1 the result is as long
   * as the input; an odd number of zeros puts one more after it.
   */
  readonly padding?: Around | "same" | "valid";
  /** Parts of the channels that are convolved on their own; default 1. */
  readonly groups?: number;
  /**
   * Half the multiplications for float32 kernels of three rows and stride 1 in two or three axes, where channels and
   * places are many (Winograd's F(4, 3) along the first axis); default false. Errors become half as large again, whole
   * numbers are no longer summed exactly, and an infinity makes NaN of up to four rows around it.
   */
  readonly winograd?: boolean;
}

export interface ConvolutionTransposeOptions extends WindowOptions {
  /** Places added after each axis of the result; default 0. */
  readonly outputPadding?: PerAxis;
  /** Parts of the channels that are convolved on their own; default 1. */
  readonly groups?: number;
}

type Pair = readonly [number, number];

export abstract class Convolution extends Activation {
  /**
   * this [b, c, l], weight [o, c / groups, k], bias [o]: [b, o, windows]. The batch axis may be missing.
   *
   * @example
   * const x = Tensor.from([[[1, 2, 3, 4]]]);
   * x.conv1d(Tensor.from([[[1, 0, -1]]])); // => [[[-2, -2]]]
   * x.conv1d(Tensor.from([[[1, 0, -1]]]), undefined, { padding: 1, stride: 2 }); // => [[[-2, -2]]]
   */
  conv1d(weight: Tensor, bias?: Tensor, options?: ConvolutionOptions): Tensor {
    return this.convolve("conv1d", 1, weight, bias, options);
  }
  /**
   * this [b, c, h, w], weight [o, c / groups, kh, kw], bias [o]: [b, o, oh, ow]. The batch axis may be missing.
   *
   * @example
   * const [x, weight] = [Tensor.ones([1, 3, 8, 8]), Tensor.ones([4, 3, 3, 3])];
   * x.conv2d(weight, undefined, { padding: "same" }).shape; // => [1, 4, 8, 8]
   */
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
    options: ConvolutionOptions = {},
  ): Tensor {
    if (this.ndim === rank + 1) {
      const one: Convolution = this.unsqueeze(0);
      return one.convolve(operation, rank, weight, bias, options).squeeze(0);
    }
    const { stride = 1, dilation = 1, groups = 1, winograd = false } = options;
    checkConvolution(operation, rank, this.self, weight, groups, { transposed: false });
    const [outputs, inside, ...kernel] = weight.sizes;
    checkBias(operation, bias, outputs);
    const dtype = contractionType(operation, this.self, weight);
    const padding = convolutionPadding(operation, kernel, options);
    const values: Convolution = factor(this.self, dtype);
    const filter = factor(weight, dtype);
    const image = values.padded(padding, 0);
    const strides = perAxis(operation, "stride", stride, rank);
    const dilations = perAxis(operation, "dilation", dilation, rank);
    checkFit(operation, image, kernel, dilations);
    if (winograd && dtype === "float32") {
      const tiled: TiledConvolution = {
        image: image.reshape([image.shape[0], groups, inside, ...image.shape.slice(2)]),
        filters: filter.reshape([groups, outputs / groups, inside, ...kernel]),
        strides,
        dilations,
      };
      if (paysInTiles(tiled)) return plusBias(convolveInTiles(tiled).flatten(1, 2), bias, 1);
    }
    const split: Convolution = image.reshape([image.shape[0], groups, 1, inside, ...image.shape.slice(2)]);
    const windows = split.windows(operation, kernel, strides, dilations);
    const filters = filter.reshape([
      1,
      groups,
      outputs / groups,
      inside,
      ...kernel.flatMap((size) => [1, size]),
    ]);
    // [b, g, 1, c/g, oh, kh, ow, kw] x [1, g, o/g, c/g, 1, kh, 1, kw]: summed, the places that stay are in order.
    const axes = [3, ...kernel.map((_, i) => 5 + 2 * i)];
    const total = contract(windows, filters, axes).flatten(1, 2);
    return plusBias(total, bias, 1).cast(dtype);
  }

  // --- transposed --------------------------------------------------------------------------------------------------

  /**
   * The adjoint of conv1d: this [b, c, l], weight [c, o / groups, k], bias [o]: [b, o, length], of length
   * (l - 1) stride - padding + dilation (k - 1) + 1 + outputPadding. The batch axis may be missing.
   *
   * @example
   * Tensor.from([[[1, 2]]]).convTranspose1d(Tensor.from([[[1, 1]]]), undefined, { stride: 2 }); // => [[[1, 1, 2, 2]]]
   */
  convTranspose1d(weight: Tensor, bias?: Tensor, options?: ConvolutionTransposeOptions): Tensor {
    return this.convolveTransposed("convTranspose1d", 1, weight, bias, options);
  }
  /**
   * The adjoint of conv2d: this [b, c, h, w], weight [c, o / groups, kh, kw], bias [o]; see convTranspose1d.
   *
   * @example
   * const [x, weight] = [Tensor.ones([1, 3, 8, 8]), Tensor.ones([3, 4, 2, 2])];
   * x.convTranspose2d(weight, undefined, { stride: 2 }).shape; // => [1, 4, 16, 16]
   */
  convTranspose2d(weight: Tensor, bias?: Tensor, options?: ConvolutionTransposeOptions): Tensor {
    return this.convolveTransposed("convTranspose2d", 2, weight, bias, options);
  }
  /** The adjoint of conv3d: this [b, c, d, h, w], weight [c, o / groups, kd, kh, kw]; see convTranspose1d. */
  convTranspose3d(weight: Tensor, bias?: Tensor, options?: ConvolutionTransposeOptions): Tensor {
    return this.convolveTransposed("convTranspose3d", 3, weight, bias, options);
  }

  /**
   * Places of the result that lie a stride apart meet the same elements of the kernel: a convolution of stride 1 with
   * a kernel split into `stride` phases an axis gives a block of the result each, and the blocks lie side by side.
   */
  private convolveTransposed(
    operation: string,
    rank: number,
    weight: Tensor,
    bias: Tensor | undefined,
    options: ConvolutionTransposeOptions = {},
  ): Tensor {
    if (this.ndim === rank + 1) {
      const one: Convolution = this.unsqueeze(0);
      return one.convolveTransposed(operation, rank, weight, bias, options).squeeze(0);
    }
    const { outputPadding = 0, groups = 1 } = options;
    checkConvolution(operation, rank, this.self, weight, groups, { transposed: true });
    const [channels, inside, ...kernel] = weight.sizes;
    const outputs = inside * groups;
    checkBias(operation, bias, outputs);
    const dtype = contractionType(operation, this.self, weight);
    const { strides, dilations, padding } = windowNumbers(operation, rank, options);
    const extra = perAxis(operation, "outputPadding", outputPadding, rank);
    const lengths = kernel.map((size, i) => {
      if (extra[i] >= Math.max(strides[i], dilations[i])) {
        throw new TensorError(
          `${operation}: outputPadding [${extra}] must be smaller than the stride or the dilation`,
        );
      }
      const span = dilations[i] * (size - 1) + 1;
      const length = (this.sizeAt(2 + i) - 1) * strides[i] - padding[i][0] - padding[i][1] + span + extra[i];
      if (length < 1)
        throw new TensorError(`${operation}: nothing is left of ${this} with padding [${padding}]`);
      return length;
    });
    const plans = kernel.map((size, i) =>
      planAxis(size, strides[i], dilations[i], padding[i][0], lengths[i]),
    );
    // [b, g, 1, c/g, m, 1, j, ..] x [1, g, o/g, c/g, 1, r, j, ..]: [b, g, o/g, m, r, ..]
    let image: Tensor = factor(this.self, dtype).reshape([
      this.shape[0],
      groups,
      1,
      channels / groups,
      ...plans.flatMap((_, i): Dim[] => [this.shape[2 + i], 1, 1]),
    ]);
    let filters: Tensor = factor(weight, dtype)
      .reshape([groups, channels / groups, inside, ...kernel])
      .transpose(1, 2);
    plans.forEach((plan, i) => {
      image = image.slid(4 + 3 * i, 6 + 3 * i, plan);
      filters = inPhases(filters, 3 + 2 * i, plan);
    });
    const shaped = filters
      .reshape([1, ...filters.shape.slice(0, 3), ...plans.flatMap(({ taps, phases }) => [1, taps, phases])])
      .permute([0, 1, 2, 3, ...plans.flatMap((_, i) => [4 + 3 * i, 6 + 3 * i, 5 + 3 * i])]);
    const axes = [3, ...plans.map((_, i) => 6 + 3 * i)];
    const total = contract(image, shaped, axes).flatten(1, 2);
    return joinPhases(plusBias(total, bias, 1).cast(dtype), 2, plans, lengths);
  }

  // --- windows as columns ------------------------------------------------------------------------------------------

  /**
   * The windows of the last axes as columns (PyTorch's F.unfold): [b, c, h, w] gives [b, c kh kw, windows]. The batch
   * axis may be missing. There are as many spatial axes as `kernel` has sizes; one number means two.
   *
   * @example
   * Tensor.arange(9).reshape([1, 1, 3, 3]).im2col([2, 2]).shape; // => [1, 4, 4]
   */
  im2col(kernel: PerAxis, options: WindowOptions = {}): Tensor {
    const rank = typeof kernel === "number" ? 2 : kernel.length;
    if (this.ndim === rank + 1) return this.unsqueeze(0).im2col(kernel, options).squeeze(0);
    if (this.ndim !== rank + 2)
      throw new TensorError(`im2col: needs [b, c, ..] with ${rank} axes behind, got ${this}`);
    const sizes = perAxis("im2col", "kernel", kernel, rank);
    const { strides, dilations, padding } = windowNumbers("im2col", rank, options);
    const windows = this.padded(padding, 0).windows("im2col", sizes, strides, dilations);
    const [places, counts] = [1, 0].map((k) => sizes.map((_, i) => 2 + 2 * i + k));
    const columns = windows.permute([0, 1, ...places, ...counts]);
    return columns.flatten(2 + rank).flatten(1, 1 + rank);
  }

  /**
   * Adds up windows given as columns (PyTorch's F.fold), the adjoint of im2col: [b, c kh kw, windows] gives
   * [b, c, ...outputSize]. The batch axis may be missing.
   */
  col2im(outputSize: readonly number[], kernel: PerAxis, options: WindowOptions = {}): Tensor {
    if (this.ndim === 2) return this.unsqueeze(0).col2im(outputSize, kernel, options).squeeze(0);
    const rank = outputSize.length;
    const sizes = perAxis("col2im", "kernel", kernel, rank);
    const { strides, dilations, padding } = windowNumbers("col2im", rank, options);
    const counts = sizes.map((size, i) => {
      const room = outputSize[i] + padding[i][0] + padding[i][1] - dilations[i] * (size - 1) - 1;
      return Math.floor(room / strides[i]) + 1;
    });
    const [elements, windows] = [sizes, counts].map((list) => list.reduce((n, k) => n * k, 1));
    if (this.ndim !== 3 || this.sizeAt(1) % elements !== 0 || !sameDim(this.shape[2], windows)) {
      throw new TensorError(
        `col2im: ${this} should be [b, c * ${elements}, ${windows}] for an output [b, c, ${outputSize.join(", ")}]`,
      );
    }
    const plans = sizes.map((size, i) =>
      planAxis(size, strides[i], dilations[i], padding[i][0], outputSize[i]),
    );
    const channels = this.sizeAt(1) / elements;
    // [b, c, (j, r).., m..], slid along the j, then [b, c, (m, r, j)..]
    let columns: Tensor = this.reshape([this.shape[0], channels, ...sizes, ...counts]);
    plans.forEach((plan, i) => {
      columns = inPhases(columns, 2 + 2 * i, plan);
    });
    plans.forEach((plan, i) => {
      columns = columns.slid(2 + 2 * rank + i, 2 + 2 * i, plan);
    });
    const order = plans.flatMap((_, i) => [2 + 2 * rank + i, 3 + 2 * i, 2 + 2 * i]);
    const total = columns.permute([0, 1, ...order]).sum(plans.map((_, i) => 4 + 3 * i));
    return joinPhases(total.cast(this.dtype), 2, plans, outputSize);
  }

  // --- windows -----------------------------------------------------------------------------------------------------

  /** The last axes with `value` before and after. */
  protected padded(padding: readonly Pair[], value: number): Tensor {
    if (padding.every(([before, after]) => before === 0 && after === 0)) return this.self;
    const lead = new Array<Pair>(this.ndim - padding.length).fill([0, 0]);
    return this.pad([...lead, ...padding], { value });
  }

  /** Each of the last axes, one for each size of the kernel, as two: the windows, and the places in a window. */
  protected windows(
    operation: string,
    kernel: readonly number[],
    stride: PerAxis,
    dilation: PerAxis,
  ): Tensor {
    const rank = kernel.length;
    const steps = perAxis(operation, "stride", stride, rank);
    const gaps = perAxis(operation, "dilation", dilation, rank);
    const lead = this.ndim - rank;
    checkFit(operation, this.self, kernel, gaps);
    let result = this.self;
    kernel.forEach((size, i) => {
      result =
        steps[i] > 1 && size > 1 && size !== steps[i] && gaps[i] === 1
          ? (result as Convolution).stridedWindows(lead + i, size, steps[i])
          : result.unfold(lead + i, size, steps[i], gaps[i]);
    });
    const order = [
      ...Array.from({ length: lead }, (_, i) => i),
      ...kernel.flatMap((_, i) => [lead + i, lead + rank + i]),
    ];
    return result.permute(order);
  }

  /**
   * unfold of windows that overlap, in steps: element k of window i is element k % step of block i + k // step. The
   * address is the same, and the adjoint of blocks is free of the quotients that an adjoint of steps has.
   */
  private stridedWindows(axis: number, size: number, step: number): Tensor {
    const length = this.sizeAt(axis);
    const count = Math.floor((length - size) / step) + 1;
    const taps = Math.ceil(size / step);
    const blocks = count + taps - 1;
    const last = this.ndim;
    const missing = blocks * step - length;
    const whole: Convolution =
      missing > 0
        ? this.pad(this.shape.map((_, i): Pair => (i === axis ? [0, missing] : [0, 0])))
        : this.narrow(axis, 0, blocks * step);
    const split = whole.unflatten(axis, [blocks, step]);
    // The gradient is stored in blocks, before it becomes one axis again.
    const kept: Convolution = this.wrap(derived(split.node, [split.node], (g) => [contiguous(g)]));
    // [.., blocks, phases, .., taps]
    const ready: Convolution = kept.unsqueeze(last + 1);
    return ready
      .slid(axis, last + 1, { taps, factor: -1, start: 0, blocks: count })
      .movedim(axis + 1, last + 1)
      .flatten(last)
      .narrow(last, 0, size);
  }

  /** The axis slid along axis `by`, which has the size 1 or that of the plan's taps; see AxisPlan. */
  private slid(axis: number, by: number, { taps, factor, start, blocks }: Slide): Tensor {
    const wide = this.shape.map((d, i) => (i === by ? taps : d));
    return this.wrap(shear(expand(this.node, wide), axis, by, -factor, start, blocks));
  }
}

/** Refuses windows that reach beyond the last axes of an image. */
function checkFit(
  operation: string,
  image: Tensor,
  kernel: readonly number[],
  gaps: readonly number[],
): void {
  for (const [i, size] of kernel.entries()) {
    const [span, axis] = [gaps[i] * (size - 1) + 1, i - kernel.length];
    if (span > image.sizeAt(axis))
      throw new TensorError(`${operation}: a window of ${span} does not fit axis ${axis} of padded ${image}`);
  }
}

// ---------------------------------------------------------------------------------------------------------------
// One axis of a transposed convolution

/** out[m, j] = in[m - factor j + start], j < taps, m < blocks. */
interface Slide {
  readonly taps: number;
  readonly factor: number;
  readonly start: number;
  readonly blocks: number;
}

/**
 * out[phases m + r] = sum over j < taps of in[m - factor j + start] kernel[phases j + r], m < blocks, where the kernel
 * has `front` zeros before it, gaps of zeros between its elements, and zeros after it up to whole phases.
 */
interface AxisPlan extends Slide {
  readonly phases: number;
  readonly front: number;
  /** Places from element to element of the kernel. */
  readonly gap: number;
}

function planAxis(size: number, stride: number, dilation: number, before: number, length: number): AxisPlan {
  if (stride === 1) {
    // The input itself slides by the dilation: no zeros are needed.
    return { taps: size, phases: 1, factor: dilation, start: before, blocks: length, front: 0, gap: 1 };
  }
  const start = Math.ceil(before / stride);
  const front = start * stride - before;
  const taps = Math.ceil((front + dilation * (size - 1) + 1) / stride);
  const blocks = Math.ceil(length / stride);
  return { taps, phases: stride, factor: 1, start, blocks, front, gap: dilation };
}

/** An axis of a kernel as two: taps and phases. */
function inPhases(kernel: Tensor, axis: number, { taps, phases, front, gap }: AxisPlan): Tensor {
  const around = (x: Tensor, at: number, before: number, after: number): Tensor =>
    x.pad(x.shape.map((_, i): Pair => (i === at ? [before, after] : [0, 0])));
  let spread = kernel;
  if (gap > 1) {
    const apart = around(kernel.unsqueeze(axis + 1), axis + 1, 0, gap - 1).flatten(axis, axis + 1);
    spread = apart.narrow(axis, 0, apart.sizeAt(axis) - gap + 1);
  }
  const whole = around(spread, axis, front, taps * phases - front - spread.sizeAt(axis));
  return whole.unflatten(axis, [taps, phases]);
}

/**
 * Pairs of axes [blocks, phases] from `axis` on as one each, cut to the lengths. Stored before: what is computed from
 * the result asks for quotients of its places, which must not get into the sums.
 */
function joinPhases(x: Tensor, axis: number, plans: readonly AxisPlan[], lengths: readonly number[]): Tensor {
  const lead = x.shape.slice(0, axis);
  const stored = plans.some(({ phases }) => phases > 1) ? x.contiguous() : x;
  const joined = stored.reshape([...lead, ...plans.map(({ blocks, phases }) => blocks * phases)]);
  return joined.shrink([...lead.map(() => undefined), ...lengths.map((n): Pair => [0, n])]);
}

// ---------------------------------------------------------------------------------------------------------------
// Arguments

/** One positive integer (or 0 for padding) for each of `rank` axes. */
export function perAxis(operation: string, what: string, value: PerAxis, rank: number): readonly number[] {
  const list = typeof value === "number" ? new Array<number>(rank).fill(value) : value;
  const least = what === "outputPadding" ? 0 : 1;
  if (list.length !== rank || list.some((n) => !Number.isInteger(n) || n < least)) {
    throw new TensorError(
      `${operation}: ${what} must be an integer of at least ${least}, or ${rank} of them, got ${value}`,
    );
  }
  return list;
}

/** [before, after] for each of `rank` axes. */
export function paddingPairs(operation: string, padding: Around, rank: number): readonly Pair[] {
  const list = typeof padding === "number" ? new Array<number>(rank).fill(padding) : padding;
  const pairs = list.map((side): Pair => (typeof side === "number" ? [side, side] : side));
  const fits = pairs.every((pair) => pair.length === 2 && pair.every((n) => Number.isInteger(n) && n >= 0));
  if (pairs.length !== rank || !fits) {
    throw new TensorError(
      `${operation}: padding must be an integer of at least 0, or ${rank} of them or of pairs [before, after], got ` +
        JSON.stringify(padding),
    );
  }
  return pairs;
}

function windowNumbers(
  operation: string,
  rank: number,
  { stride = 1, padding = 0, dilation = 1 }: WindowOptions,
): { strides: readonly number[]; dilations: readonly number[]; padding: readonly Pair[] } {
  return {
    strides: perAxis(operation, "stride", stride, rank),
    dilations: perAxis(operation, "dilation", dilation, rank),
    padding: paddingPairs(operation, padding, rank),
  };
}

function convolutionPadding(
  operation: string,
  kernel: readonly number[],
  { stride = 1, padding = 0, dilation = 1 }: ConvolutionOptions,
): readonly Pair[] {
  if (padding === "valid") return kernel.map((): Pair => [0, 0]);
  if (padding !== "same") return paddingPairs(operation, padding, kernel.length);
  if (perAxis(operation, "stride", stride, kernel.length).some((n) => n !== 1))
    throw new TensorError(`${operation}: padding "same" needs stride 1, got ${stride}`);
  const gaps = perAxis(operation, "dilation", dilation, kernel.length);
  return kernel.map((size, i): Pair => {
    const total = gaps[i] * (size - 1);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  });
}

function checkConvolution(
  operation: string,
  rank: number,
  x: Tensor,
  weight: Tensor,
  groups: number,
  { transposed }: { transposed: boolean },
): void {
  const axes = ["d", "h", "w"].slice(-rank).join(", ");
  if (x.ndim !== rank + 2 || weight.ndim !== rank + 2) {
    throw new TensorError(
      `${operation}: needs [b, c, ${axes}] and a weight [${transposed ? "c, o" : "o, c"}, ${axes}], got ${x}, ${weight}`,
    );
  }
  const [first, inside] = weight.sizes;
  const channels = transposed ? first : mulDim(inside, groups);
  if (!Number.isInteger(groups) || groups < 1 || first % groups !== 0 || !sameDim(x.shape[1], channels)) {
    throw new TensorError(
      `${operation}: ${x} in ${groups} groups does not fit ${weight}: it should have ${channels} channels, ` +
        `and ${first} ${transposed ? "channels" : "outputs"} should divide by the groups`,
    );
  }
}

function checkBias(operation: string, bias: Tensor | undefined, outputs: number): void {
  if (bias !== undefined && (bias.ndim !== 1 || !sameDim(bias.shape[0], outputs)))
    throw new TensorError(`${operation}: the bias should be [${outputs}], got ${bias}`);
}

/** With a bias laid along `axis`, in the dtype of the sum. */
function plusBias(total: Tensor, bias: Tensor | undefined, axis: number): Tensor {
  if (bias === undefined) return total;
  const shape = total.shape.map((_, i) => (i === axis ? bias.shape[0] : 1));
  return total.add(bias.cast(total.dtype).reshape(shape));
}
