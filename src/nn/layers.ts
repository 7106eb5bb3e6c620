// Layers with weights, and those that only join others. Weights start as PyTorch's do.

import type { ConvolutionOptions, PerAxis } from "../tensor/convolution.js";
import { Tensor } from "../tensor/tensor.js";
import { apply, type Layer } from "./module.js";

export interface LayerOptions {
  /** Whether there is a bias; default true. */
  readonly bias?: boolean;
}

/** A weight [outputs, inputs, window..] and a bias, uniform in +-1 / sqrt(inputs of an output). */
function startWeights(shape: readonly number[], bias: boolean): [Tensor, Tensor | undefined] {
  const bound = 1 / Math.sqrt(shape.slice(1).reduce((n, d) => n * d, 1));
  const weight = Tensor.uniform(shape, -bound, bound).requiresGrad_();
  return [weight, bias ? Tensor.uniform([shape[0]], -bound, bound).requiresGrad_() : undefined];
}

/** x [.., inputs] to [.., outputs]. */
export class Linear {
  /** [outputs, inputs] */
  weight: Tensor;
  /** [outputs] */
  bias: Tensor | undefined;

  constructor(inputs: number, outputs: number, { bias = true }: LayerOptions = {}) {
    [this.weight, this.bias] = startWeights([outputs, inputs], bias);
  }

  forward(x: Tensor): Tensor {
    return x.linear(this.weight, this.bias);
  }
}

export interface ConvOptions extends ConvolutionOptions, LayerOptions {}

abstract class Conv {
  /** [outputs, inputs / groups, window..] */
  weight: Tensor;
  /** [outputs] */
  bias: Tensor | undefined;

  constructor(
    rank: number,
    inputs: number,
    outputs: number,
    size: PerAxis,
    protected readonly options: ConvOptions,
  ) {
    const { groups = 1, bias = true } = options;
    if (inputs % groups !== 0 || outputs % groups !== 0)
      throw new Error(`Conv: ${inputs} inputs and ${outputs} outputs do not divide into ${groups} groups`);
    const window = typeof size === "number" ? new Array<number>(rank).fill(size) : size;
    [this.weight, this.bias] = startWeights([outputs, inputs / groups, ...window], bias);
  }
}

/** x [batch, inputs, length] to [batch, outputs, windows]. */
export class Conv1d extends Conv {
  constructor(inputs: number, outputs: number, size: PerAxis, options: ConvOptions = {}) {
    super(1, inputs, outputs, size, options);
  }
  forward(x: Tensor): Tensor {
    return x.conv1d(this.weight, this.bias, this.options);
  }
}

/** x [batch, inputs, height, width] to [batch, outputs, windows down, windows across]. */
export class Conv2d extends Conv {
  constructor(inputs: number, outputs: number, size: PerAxis, options: ConvOptions = {}) {
    super(2, inputs, outputs, size, options);
  }
  forward(x: Tensor): Tensor {
    return x.conv2d(this.weight, this.bias, this.options);
  }
}

/** Integers [..] to rows of a table, [.., width]. */
export class Embedding {
  /** [rows, width] */
  weight: Tensor;

  constructor(rows: number, width: number) {
    this.weight = Tensor.randn([rows, width]).requiresGrad_();
  }

  forward(index: Tensor): Tensor {
    return index.embedding(this.weight);
  }
}

/** In training, zero with probability p, else divided by 1 - p. */
export class Dropout {
  training = true;

  constructor(readonly p = 0.5) {}

  forward(x: Tensor): Tensor {
    return x.dropout(this.p, { training: this.training });
  }
}

/** Functions and layers, one after the other. */
export class Sequential {
  readonly layers: readonly Layer[];

  constructor(...layers: readonly Layer[]) {
    this.layers = layers;
  }

  forward(x: Tensor): Tensor {
    return this.layers.reduce((y, layer) => apply(layer, y), x);
  }
}
