// Layers that normalise.

import { Tensor } from "../tensor/tensor.js";

export interface NormLayerOptions {
  /** Added to the variance. */
  readonly eps?: number;
  /** Whether there are a weight and a bias; default true. */
  readonly affine?: boolean;
}

export interface BatchNormOptions extends NormLayerOptions {
  /** Share of the batch's statistics in the running ones; default 0.1. */
  readonly momentum?: number;
}

const ones = (shape: readonly number[]): Tensor => Tensor.ones(shape).requiresGrad_();
const zeros = (shape: readonly number[]): Tensor => Tensor.zeros(shape).requiresGrad_();

/**
 * Each channel (axis 1) brought to mean 0 and variance 1: in training by the batch's statistics, which the running ones
 * follow; else by the running ones.
 */
abstract class BatchNorm {
  training = true;
  /** [channels] */
  weight: Tensor | undefined;
  /** [channels] */
  bias: Tensor | undefined;
  /** [channels]; assigned in training. */
  runningMean: Tensor;
  /** [channels], without bias; assigned in training. */
  runningVar: Tensor;
  protected readonly eps: number;
  protected readonly momentum: number;
  protected abstract readonly ranks: readonly number[];

  constructor(channels: number, { eps = 1e-5, momentum = 0.1, affine = true }: BatchNormOptions = {}) {
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine ? ones([channels]) : undefined;
    this.bias = affine ? zeros([channels]) : undefined;
    this.runningMean = Tensor.zeros([channels]);
    this.runningVar = Tensor.ones([channels]);
  }

  forward(x: Tensor): Tensor {
    if (!this.ranks.includes(x.ndim))
      throw new Error(`${this.constructor.name}: ${x} should have ${this.ranks.join(" or ")} axes`);
    const { weight, bias, eps, momentum } = this;
    if (!this.training) return x.batchNorm(this.runningMean, this.runningVar, { weight, bias, eps });
    const axes = x.shape.map((_, i) => i).filter((axis) => axis !== 1);
    const count = axes.reduce((n, axis) => n * x.sizeAt(axis), 1);
    const wide = x.dtype === "float64" ? x : x.float32();
    const mean = wide.mean(axes);
    const variance = wide.var(axes, { correction: 0 });
    const follow = (running: Tensor, value: Tensor): void => {
      running.assign(running.mul(1 - momentum).add(value.detach().cast(running.dtype).mul(momentum)));
    };
    follow(this.runningMean, mean);
    follow(this.runningVar, variance.mul(count / Math.max(1, count - 1)));
    return x.batchNorm(mean, variance, { weight, bias, eps });
  }
}

/** Of [batch, channels] or [batch, channels, length]. */
export class BatchNorm1d extends BatchNorm {
  protected readonly ranks = [2, 3];
}

/** Of [batch, channels, height, width]. */
export class BatchNorm2d extends BatchNorm {
  protected readonly ranks = [4];
}

/** Mean 0 and variance 1 over the last axes, whose sizes are `shape`. */
export class LayerNorm {
  weight: Tensor | undefined;
  bias: Tensor | undefined;
  readonly shape: readonly number[];
  private readonly eps: number;

  constructor(
    shape: number | readonly number[],
    { eps = 1e-5, affine = true, bias = true }: NormLayerOptions & { readonly bias?: boolean } = {},
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

/** Root of the mean square 1 over the last axes, whose sizes are `shape`. */
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

/** Mean 0 and variance 1 over each of `groups` parts of the channels (axis 1). */
export class GroupNorm {
  /** [channels] */
  weight: Tensor | undefined;
  /** [channels] */
  bias: Tensor | undefined;
  private readonly eps: number;

  constructor(
    readonly groups: number,
    channels: number,
    { eps = 1e-5, affine = true }: NormLayerOptions = {},
  ) {
    if (channels % groups !== 0)
      throw new Error(`GroupNorm: ${channels} channels do not divide into ${groups} groups`);
    this.eps = eps;
    this.weight = affine ? ones([channels]) : undefined;
    this.bias = affine ? zeros([channels]) : undefined;
  }

  forward(x: Tensor): Tensor {
    return x.groupNorm(this.groups, { weight: this.weight, bias: this.bias, eps: this.eps });
  }
}
