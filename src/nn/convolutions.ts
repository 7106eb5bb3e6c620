// Convolutions with weights, and their transposes.

import type { ConvolutionOptions, ConvolutionTransposeOptions, PerAxis } from "../tensor/convolution.js";
import type { Tensor } from "../tensor/tensor.js";
import { checkSizes, type LayerOptions, startWeights, uniform } from "./weights.js";

export interface ConvOptions extends ConvolutionOptions, LayerOptions {
  /** What stands around the image; default "zeros". */
  readonly paddingMode?: "zeros" | "reflect" | "replicate" | "circular";
}

export interface ConvTransposeOptions extends ConvolutionTransposeOptions, LayerOptions {}

const spread = (size: PerAxis, rank: number): readonly number[] =>
  typeof size === "number" ? new Array<number>(rank).fill(size) : size;

function checkGroups(layer: string, inputs: number, outputs: number, groups: number): void {
  checkSizes(layer, { inputs, outputs, groups });
  if (inputs % groups !== 0 || outputs % groups !== 0)
    throw new Error(`${layer}: ${inputs} inputs and ${outputs} outputs do not divide into ${groups} groups`);
}

abstract class Conv {
  /** [outputs, inputs / groups, window..] */
  weight: Tensor;
  /** [outputs] */
  bias: Tensor | undefined;
  /** What the image is padded with before, if not zeros; [before, after] of each of its last axes. */
  private readonly border: readonly (readonly [number, number])[];
  protected readonly options: ConvolutionOptions;

  constructor(
    private readonly rank: number,
    readonly inputs: number,
    outputs: number,
    size: PerAxis,
    { bias = true, paddingMode = "zeros", ...options }: ConvOptions,
  ) {
    const { groups = 1, padding = 0, dilation = 1 } = options;
    checkGroups(this.constructor.name, inputs, outputs, groups);
    const window = spread(size, rank);
    [this.weight, this.bias] = startWeights([outputs, inputs / groups, ...window], bias);
    this.mode = paddingMode;
    this.options = paddingMode === "zeros" ? options : { ...options, padding: 0 };
    this.border = paddingMode === "zeros" ? [] : bordersOf(window, padding, spread(dilation, rank));
  }
  private readonly mode: "zeros" | "reflect" | "replicate" | "circular";

  /** The image with what the padding mode puts around it. */
  protected image(x: Tensor): Tensor {
    const { rank, inputs } = this;
    if (x.ndim < rank + 1 || x.ndim > rank + 2 || x.shape[x.ndim - rank - 1] !== inputs) {
      const axes = ["depth", "height", "width"].slice(-rank).join(", ");
      throw new Error(`${this.constructor.name}: ${x} should be [batch, ${inputs}, ${axes}]`);
    }
    if (this.mode === "zeros" || this.border.every(([before, after]) => before + after === 0)) return x;
    const lead = x.shape.slice(0, -rank).map((): readonly [number, number] => [0, 0]);
    return x.pad([...lead, ...this.border], { mode: this.mode });
  }
}

function bordersOf(
  window: readonly number[],
  padding: NonNullable<ConvolutionOptions["padding"]>,
  dilation: readonly number[],
): (readonly [number, number])[] {
  return window.map((size, i) => {
    const around = dilation[i] * (size - 1);
    if (padding === "same") return [Math.floor(around / 2), Math.ceil(around / 2)];
    if (padding === "valid") return [0, 0];
    const own = typeof padding === "number" ? padding : padding[i];
    return typeof own === "number" ? [own, own] : own;
  });
}

/**
 * x [batch, inputs, length] to [batch, outputs, windows]; the batch may be missing.
 *
 * @example
 * new nn.Conv1d(3, 8, 5, { padding: "same" }).forward(Tensor.ones([2, 3, 20])).shape; // => [2, 8, 20]
 */
export class Conv1d extends Conv {
  constructor(inputs: number, outputs: number, size: PerAxis, options: ConvOptions = {}) {
    super(1, inputs, outputs, size, options);
  }
  forward(x: Tensor): Tensor {
    return this.image(x).conv1d(this.weight, this.bias, this.options);
  }
}

/**
 * x [batch, inputs, height, width] to [batch, outputs, windows down, windows across]; the batch may be missing.
 *
 * @example
 * new nn.Conv2d(3, 8, 3, { stride: 2, padding: 1 }).forward(Tensor.ones([2, 3, 32, 32])).shape; // => [2, 8, 16, 16]
 */
export class Conv2d extends Conv {
  constructor(inputs: number, outputs: number, size: PerAxis, options: ConvOptions = {}) {
    super(2, inputs, outputs, size, options);
  }
  forward(x: Tensor): Tensor {
    return this.image(x).conv2d(this.weight, this.bias, this.options);
  }
}

/**
 * x [batch, inputs, depth, height, width] to [batch, outputs, windows of each axis..]; the batch may be missing.
 *
 * @example
 * new nn.Conv3d(1, 2, 3).forward(Tensor.ones([1, 1, 5, 5, 5])).shape; // => [1, 2, 3, 3, 3]
 */
export class Conv3d extends Conv {
  constructor(inputs: number, outputs: number, size: PerAxis, options: ConvOptions = {}) {
    super(3, inputs, outputs, size, options);
  }
  forward(x: Tensor): Tensor {
    return this.image(x).conv3d(this.weight, this.bias, this.options);
  }
}

abstract class ConvTranspose {
  /** [inputs, outputs / groups, window..] */
  weight: Tensor;
  /** [outputs] */
  bias: Tensor | undefined;
  protected readonly options: ConvolutionTransposeOptions;

  constructor(
    rank: number,
    inputs: number,
    outputs: number,
    size: PerAxis,
    { bias = true, ...options }: ConvTransposeOptions,
  ) {
    const { groups = 1 } = options;
    checkGroups(this.constructor.name, inputs, outputs, groups);
    const window = spread(size, rank);
    const shape = [inputs, outputs / groups, ...window];
    const bound = 1 / Math.sqrt(shape.slice(1).reduce((n, d) => n * d, 1));
    this.weight = uniform(shape, bound);
    this.bias = bias ? uniform([outputs], bound) : undefined;
    this.options = options;
  }
}

/** The adjoint of Conv1d: x [batch, inputs, windows] to [batch, outputs, length]. */
export class ConvTranspose1d extends ConvTranspose {
  constructor(inputs: number, outputs: number, size: PerAxis, options: ConvTransposeOptions = {}) {
    super(1, inputs, outputs, size, options);
  }
  forward(x: Tensor): Tensor {
    return x.convTranspose1d(this.weight, this.bias, this.options);
  }
}

/**
 * The adjoint of Conv2d: x [batch, inputs, windows down, windows across] to [batch, outputs, height, width].
 *
 * @example
 * new nn.ConvTranspose2d(8, 3, 2, { stride: 2 }).forward(Tensor.ones([2, 8, 4, 4])).shape; // => [2, 3, 8, 8]
 */
export class ConvTranspose2d extends ConvTranspose {
  constructor(inputs: number, outputs: number, size: PerAxis, options: ConvTransposeOptions = {}) {
    super(2, inputs, outputs, size, options);
  }
  forward(x: Tensor): Tensor {
    return x.convTranspose2d(this.weight, this.bias, this.options);
  }
}

/** The adjoint of Conv3d. */
export class ConvTranspose3d extends ConvTranspose {
  constructor(inputs: number, outputs: number, size: PerAxis, options: ConvTransposeOptions = {}) {
    super(3, inputs, outputs, size, options);
  }
  forward(x: Tensor): Tensor {
    return x.convTranspose3d(this.weight, this.bias, this.options);
  }
}
