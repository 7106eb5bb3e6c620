// Layers that normalise each sample by itself and keep no statistics.

import type { LocalResponseNormOptions } from "../tensor/normalisation.js";
import type { Tensor } from "../tensor/tensor.js";
import type { NormLayerOptions } from "./batch-norm.js";
import { checkAxisSize, checkSizes, type LayerOptions, ones, zeros } from "./weights.js";

/**
 * Mean 0 and variance 1 over the last axes, whose sizes are `shape`.
 *
 * @example
 * new nn.LayerNorm(2).forward(Tensor.from([[1, 3]])); // => [[-1, 1]]
 */
export class LayerNorm {
  weight: Tensor | undefined;
  bias: Tensor | undefined;
  readonly shape: readonly number[];
  private readonly eps: number;

  constructor(
    shape: number | readonly number[],
    { eps = 1e-5, affine = true, bias = true }: NormLayerOptions & LayerOptions = {},
  ) {
    this.shape = typeof shape === "number" ? [shape] : shape;
    this.eps = eps;
    this.weight = affine ? ones(this.shape) : undefined;
    this.bias = affine && bias ? zeros(this.shape) : undefined;
  }

  forward(x: Tensor): Tensor {
    return x.layerNorm(this.shape, { weight: this.weight, bias: this.bias, eps: this.eps });
  }
}

/**
 * Root of the mean square 1 over the last axes, whose sizes are `shape`.
 *
 * @example
 * new nn.RMSNorm(2).forward(Tensor.from([[3, 3]])); // => [[1, 1]]
 */
export class RMSNorm {
  weight: Tensor | undefined;
  readonly shape: readonly number[];
  private readonly eps: number | undefined;

  constructor(shape: number | readonly number[], { eps, affine = true }: NormLayerOptions = {}) {
    this.shape = typeof shape === "number" ? [shape] : shape;
    this.eps = eps;
    this.weight = affine ? ones(this.shape) : undefined;
  }

  forward(x: Tensor): Tensor {
    return x.rmsNorm(this.shape, { weight: this.weight, eps: this.eps });
  }
}

/**
 * Mean 0 and variance 1 over each of `groups` parts of the channels (axis 1).
 *
 * @example
 * new nn.GroupNorm(2, 4).forward(Tensor.randn([1, 4, 3])).shape; // => [1, 4, 3]
 */
export class GroupNorm {
  /** [channels] */
  weight: Tensor | undefined;
  /** [channels] */
  bias: Tensor | undefined;
  private readonly eps: number;

  constructor(
    readonly groups: number,
    readonly channels: number,
    { eps = 1e-5, affine = true }: NormLayerOptions = {},
  ) {
    checkSizes("GroupNorm", { groups, channels });
    if (channels % groups !== 0)
      throw new Error(`GroupNorm: ${channels} channels do not divide into ${groups} groups`);
    this.eps = eps;
    this.weight = affine ? ones([channels]) : undefined;
    this.bias = affine ? zeros([channels]) : undefined;
  }

  forward(x: Tensor): Tensor {
    checkAxisSize("GroupNorm", x, 1, this.channels, "channels");
    return x.groupNorm(this.groups, { weight: this.weight, bias: this.bias, eps: this.eps });
  }
}

/** Divided by a power of the mean square of `size` neighbouring channels (axis 1); see Tensor.localResponseNorm. */
export class LocalResponseNorm {
  constructor(
    readonly size: number,
    private readonly options: LocalResponseNormOptions = {},
  ) {
    checkSizes("LocalResponseNorm", { size });
  }

  forward(x: Tensor): Tensor {
    return x.localResponseNorm(this.size, this.options);
  }
}
