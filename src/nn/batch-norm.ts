// Layers that normalise channels by statistics of what they see, and may follow those statistics for later use.

import { Tensor } from "../tensor/tensor.js";
import { checkSizes, ones, zeros } from "./weights.js";

export interface NormLayerOptions {
  /** Added to the variance. */
  readonly eps?: number;
  /** Whether there are a weight and a bias. */
  readonly affine?: boolean;
}

export interface BatchNormOptions extends NormLayerOptions {
  /** Share of new statistics in the running ones; default 0.1. null takes the mean over all batches so far. */
  readonly momentum?: number | null;
  /** Whether running statistics are kept, and used outside of training. */
  readonly trackRunningStats?: boolean;
}

/** Weights and running statistics of layers whose channels are axis 1. */
abstract class ChannelNorm {
  training = true;
  /** [channels] */
  weight: Tensor | undefined;
  /** [channels] */
  bias: Tensor | undefined;
  /** [channels]; assigned in training. */
  runningMean: Tensor | undefined;
  /** [channels], without bias; assigned in training. */
  runningVar: Tensor | undefined;
  /** Batches seen, an int64 scalar; assigned in training. */
  numBatchesTracked: Tensor | undefined;
  protected readonly eps: number;
  private readonly momentum: number | null;

  constructor(
    readonly channels: number,
    { eps = 1e-5, momentum = 0.1, affine, trackRunningStats }: BatchNormOptions,
  ) {
    checkSizes(this.constructor.name, { channels });
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine === true ? ones([channels]) : undefined;
    this.bias = affine === true ? zeros([channels]) : undefined;
    if (trackRunningStats !== true) return;
    this.runningMean = Tensor.zeros([channels]);
    this.runningVar = Tensor.ones([channels]);
    this.numBatchesTracked = Tensor.zeros([], { dtype: "int64" });
  }

  /** Normalised by the running statistics; undefined if those of x are wanted. */
  protected byRunning(x: Tensor): Tensor | undefined {
    const { runningMean, runningVar, weight, bias, eps } = this;
    if (this.training || runningMean === undefined || runningVar === undefined) return undefined;
    return x.batchNorm(runningMean, runningVar, { weight, bias, eps });
  }

  /** Moves the running statistics, in training. Both are [channels]; the variance has no bias. */
  protected follow(mean: Tensor, variance: Tensor): void {
    const { runningMean, runningVar, numBatchesTracked, momentum } = this;
    if (!this.training || runningMean === undefined || runningVar === undefined) return;
    numBatchesTracked?.assign(numBatchesTracked.add(1));
    const share = momentum ?? numBatchesTracked!.cast("float32").reciprocal();
    const rest = typeof share === "number" ? 1 - share : share.rsub(1);
    for (const [running, value] of [[runningMean, mean], [runningVar, variance]] as const) // biome-ignore format: pairs
      running.assign(
        running.mul(rest).add(value.detach().cast(running.dtype).mul(share)).cast(running.dtype),
      );
  }

  protected checkShape(x: Tensor, ranks: readonly number[], channelAxis: number): void {
    const { channels } = this;
    if (!ranks.includes(x.ndim) || x.shape[channelAxis] !== channels) {
      throw new Error(
        `${this.constructor.name}: ${x} should have ${ranks.join(" or ")} axes, and ${channels} channels ` +
          `(axis ${channelAxis})`,
      );
    }
  }
}

const wide = (x: Tensor): Tensor => (x.dtype === "float64" ? x : x.float32());

/**
 * Each channel (axis 1) brought to mean 0 and variance 1: in training by the batch's statistics, which the running ones
 * follow; else by the running ones.
 */
abstract class BatchNorm extends ChannelNorm {
  protected abstract readonly ranks: readonly number[];

  constructor(
    channels: number,
    { affine = true, trackRunningStats = true, ...options }: BatchNormOptions = {},
  ) {
    super(channels, { affine, trackRunningStats, ...options });
  }

  forward(x: Tensor): Tensor {
    this.checkShape(x, this.ranks, 1);
    const known = this.byRunning(x);
    if (known !== undefined) return known;
    const axes = x.shape.map((_, i) => i).filter((axis) => axis !== 1);
    const count = axes.reduce((n, axis) => n * x.sizeAt(axis), 1);
    if (this.training && count === 1)
      throw new Error(
        `${this.constructor.name}: training needs more than one value for each channel, got ${x}`,
      );
    const mean = wide(x).mean(axes);
    const variance = wide(x).var(axes, { correction: 0 });
    this.follow(mean, variance.mul(count / Math.max(1, count - 1)));
    const { weight, bias, eps } = this;
    return x.batchNorm(mean, variance, { weight, bias, eps });
  }
}

/**
 * Of [batch, channels] or [batch, channels, length].
 *
 * @example
 * const norm = new nn.BatchNorm1d(2);
 * norm.forward(Tensor.from([[0, 1], [2, 5]])); // => [[-1, -1], [1, 1]]
 * norm.runningMean; // => [0.1, 0.3]
 */
export class BatchNorm1d extends BatchNorm {
  protected readonly ranks = [2, 3];
}

/**
 * Of [batch, channels, height, width].
 *
 * @example
 * new nn.BatchNorm2d(3).forward(Tensor.randn([2, 3, 4, 4])).shape; // => [2, 3, 4, 4]
 */
export class BatchNorm2d extends BatchNorm {
  protected readonly ranks = [4];
}

/** Of [batch, channels, depth, height, width]. */
export class BatchNorm3d extends BatchNorm {
  protected readonly ranks = [5];
}

/**
 * Each channel of each batch entry brought to mean 0 and variance 1. Without weights and running statistics unless asked
 * for; with running ones, those normalise outside of training.
 */
abstract class InstanceNorm extends ChannelNorm {
  /** Number of axes without batch and channels. */
  protected abstract readonly spatial: number;

  constructor(
    channels: number,
    { affine = false, trackRunningStats = false, ...options }: BatchNormOptions = {},
  ) {
    super(channels, { affine, trackRunningStats, ...options });
  }

  forward(x: Tensor): Tensor {
    const { spatial } = this;
    this.checkShape(x, [spatial + 1, spatial + 2], Math.max(0, x.ndim - spatial - 1));
    return x.ndim === spatial + 1 ? this.batched(x.unsqueeze(0)).squeeze(0) : this.batched(x);
  }

  private batched(x: Tensor): Tensor {
    const known = this.byRunning(x);
    if (known !== undefined) return known;
    const count = x.sizes.slice(2).reduce((n, d) => n * d, 1);
    if (this.training && count === 1)
      throw new Error(
        `${this.constructor.name}: training needs more than one place for each channel, got ${x}`,
      );
    if (this.training && this.runningMean !== undefined) {
      const axes = x.shape.slice(2).map((_, i) => i + 2);
      this.follow(wide(x).mean(axes).mean(0), wide(x).var(axes).mean(0));
    }
    const { weight, bias, eps } = this;
    return x.instanceNorm({ weight, bias, eps });
  }
}

/**
 * Of [batch, channels, length]; the batch may be missing.
 *
 * @example
 * new nn.InstanceNorm1d(1).forward(Tensor.from([[[1, 3]]])); // => [[[-1, 1]]]
 */
export class InstanceNorm1d extends InstanceNorm {
  protected readonly spatial = 1;
}

/** Of [batch, channels, height, width]; the batch may be missing. */
export class InstanceNorm2d extends InstanceNorm {
  protected readonly spatial = 2;
}

/** Of [batch, channels, depth, height, width]; the batch may be missing. */
export class InstanceNorm3d extends InstanceNorm {
  protected readonly spatial = 3;
}
