// Losses of numbers: distances from a target, likelihoods under a distribution, and margins.

import { sameShape } from "../graph/node.js";
import { ClassLoss } from "./class-loss.js";
import { TensorError } from "./core.js";
import {
  checkTarget,
  type LossOptions,
  type LossReduction,
  reduceLoss,
  reduceScaled,
  reduceWeighted,
  type WeightedLossOptions,
} from "./loss-reduction.js";
import { atLeast } from "./products.js";
import type { Tensor } from "./tensor.js";

export interface LogitsLossOptions extends WeightedLossOptions {
  /** A factor for the positive targets; broadcasts to them. */
  readonly posWeight?: Tensor;
}

export interface KlDivLossOptions {
  /** "batchmean" divides the sum by the batch (axis 0), as the mathematical definition has it. */
  readonly reduction?: LossReduction | "batchmean";
  /** Whether the target holds logarithms too. */
  readonly logTarget?: boolean;
}

export interface PoissonNllLossOptions extends LossOptions {
  /** Whether this holds logarithms of rates (the default) or rates. */
  readonly logInput?: boolean;
  /** Whether log(target!) is added, by Stirling's formula, where the target is above 1. */
  readonly full?: boolean;
  /** Added to a rate before its logarithm; default 1e-8. */
  readonly eps?: number;
}

export interface GaussianNllLossOptions extends LossOptions {
  /** Whether the constant log(2 pi) / 2 is added. */
  readonly full?: boolean;
  /** The least variance; default 1e-6. Gradients pass as if there were none. */
  readonly eps?: number;
}

export interface MarginLossOptions extends LossOptions {
  readonly margin?: number;
}

export interface TripletMarginLossOptions extends MarginLossOptions {
  /** The power of the norm; default 2. */
  readonly p?: number;
  /** Added to every difference; default 1e-6. */
  readonly eps?: number;
  /** Whether the negative's distance is taken from the positive where that is nearer. */
  readonly swap?: boolean;
}

export interface TripletMarginWithDistanceLossOptions extends MarginLossOptions {
  /** The distance of two tensors; default pairwiseDistance. */
  readonly distance?: (x: Tensor, y: Tensor) => Tensor;
  readonly swap?: boolean;
}

export abstract class Loss extends ClassLoss {
  /**
   * (this - target)^2; with a weight the mean is the weighted one.
   *
   * @example Tensor.from([1, 3]).mseLoss(Tensor.from([0, 0])); // => 5
   */
  mseLoss(target: Tensor, options: WeightedLossOptions = {}): Tensor {
    return reduceWeighted(this.sub(target).square(), options);
  }
  /** |this - target|; with a weight the mean is the weighted one. */
  l1Loss(target: Tensor, options: WeightedLossOptions = {}): Tensor {
    return reduceWeighted(this.sub(target).abs(), options);
  }
  /** Quadratic below a distance of beta, linear above, divided by beta. */
  smoothL1Loss(
    target: Tensor,
    { beta = 1, reduction }: LossOptions & { readonly beta?: number } = {},
  ): Tensor {
    if (!(beta >= 0)) throw new TensorError(`smoothL1Loss: beta must be at least 0, got ${beta}`);
    return beta === 0
      ? this.l1Loss(target, { reduction })
      : reduceLoss(huber(this.sub(target), beta).div(beta), reduction);
  }
  /**
   * Quadratic below a distance of delta, linear above.
   *
   * @example
   * Tensor.from([0.5, 3]).huberLoss(Tensor.from([0, 0]), { reduction: "none" }); // => [0.125, 2.5]
   */
  huberLoss(
    target: Tensor,
    { delta = 1, ...options }: WeightedLossOptions & { readonly delta?: number } = {},
  ): Tensor {
    if (!(delta > 0)) throw new TensorError(`huberLoss: delta must be above 0, got ${delta}`);
    return reduceScaled(huber(this.sub(target), delta), options);
  }

  // --- likelihoods -------------------------------------------------------------------------------------------------

  /**
   * -(target log(this) + (1 - target) log(1 - this)) of probabilities and targets in [0, 1]; logarithms are at least
   * -100. The slope is (this - target) / max(this (1 - this), 1e-12): finite at 0 and 1 too.
   */
  binaryCrossEntropy(target: Tensor, options: WeightedLossOptions = {}): Tensor {
    checkTarget("binaryCrossEntropy", this.self, target);
    const x = this.toFloats();
    // Where a logarithm would be vertical, a parabola of PyTorch's slope stands in; its value is taken off again.
    const edge = x.mul(x.rsub(1)).lt(1e-12);
    const inner = edge.where(0.5, x);
    const crossEntropy = (yes: Tensor, no: Tensor): Tensor =>
      target.mul(yes).add(target.rsub(1).mul(no)).neg();
    const fixed = x.detach();
    const value = crossEntropy(fixed.log().clamp(-100), fixed.rsub(1).log().clamp(-100));
    const parabola = x.sub(target.detach()).square().mul(0.5e12);
    const atEdge = value.add(parabola.sub(parabola.detach()));
    return reduceScaled(edge.where(atEdge, crossEntropy(inner.log(), inner.rsub(1).log())), options);
  }
  /**
   * binaryCrossEntropy of sigmoid(this), safe for large scores; `posWeight` scales the positive targets.
   *
   * @example
   * Tensor.from([0, 100]).binaryCrossEntropyWithLogits(Tensor.from([1, 1])); // => 0.3466
   */
  binaryCrossEntropyWithLogits(target: Tensor, { posWeight, ...options }: LogitsLossOptions = {}): Tensor {
    checkTarget("binaryCrossEntropyWithLogits", this.self, target);
    const x = this.toFloats();
    const tail = x.neg().softplus();
    const scaled = posWeight === undefined ? tail : target.mul(posWeight.sub(1)).add(1).mul(tail);
    return reduceScaled(target.rsub(1).mul(x).add(scaled), options);
  }
  /**
   * Kullback and Leibler's divergence, target * (log(target) - this), of log probabilities; with `logTarget` the target
   * holds logarithms too.
   *
   * @example
   * const [p, q] = [Tensor.from([0.5, 0.5]), Tensor.from([0.25, 0.75])];
   * p.log().klDivLoss(q, { reduction: "sum" }); // => 0.1308
   */
  klDivLoss(target: Tensor, { reduction = "mean", logTarget = false }: KlDivLossOptions = {}): Tensor {
    let loss: Tensor;
    if (logTarget) loss = target.exp().mul(target.sub(this.self));
    else {
      const present = target.gt(0);
      loss = present.where(target.mul(present.where(target, 1).log()), 0).sub(target.mul(this.self));
    }
    if (reduction !== "batchmean") return reduceLoss(loss, reduction);
    return loss.sum().div(this.ndim === 0 ? 1 : this.sizeAt(0));
  }
  /** Of counts drawn from Poisson distributions whose rates' logarithms (or rates) this holds: rate - target log(rate). */
  poissonNllLoss(
    target: Tensor,
    { logInput = true, full = false, eps = 1e-8, reduction }: PoissonNllLossOptions = {},
  ): Tensor {
    const x = this.toFloats();
    const loss = logInput ? x.exp().sub(target.mul(x)) : x.sub(target.mul(x.add(eps).log()));
    if (!full) return reduceLoss(loss, reduction);
    const counts = target.gt(1);
    const t = counts.where(target, 1);
    const stirling = t
      .mul(t.log())
      .sub(t)
      .add(t.mul(2 * Math.PI).log().mul(0.5)); // biome-ignore format: one term a line
    return reduceLoss(loss.add(counts.where(stirling, 0)), reduction);
  }
  /**
   * Of targets drawn from normal distributions with these means and `variance`: a number, or a tensor of this shape, of
   * this shape without the last axis, or with a last axis of 1.
   */
  gaussianNllLoss(
    target: Tensor,
    variance: Tensor | number,
    { full = false, eps = 1e-6, reduction }: GaussianNllLossOptions = {},
  ): Tensor {
    const x = this.toFloats();
    const given = typeof variance === "number" ? x.fullLike(variance) : variance;
    const spread = sameShape(given.shape, x.shape.slice(0, -1)) && x.ndim > 0 ? given.unsqueeze(-1) : given;
    const fits =
      spread.ndim === x.ndim && spread.shape.every((d, i) => sameShape([d], [x.shape[i]]) || (i === x.ndim - 1 && d === 1)); // biome-ignore format: one rule
    if (!fits) throw new TensorError(`gaussianNllLoss: the variance ${variance} does not fit ${this}`);
    const least = atLeast(spread, eps);
    const loss = least.log().add(x.sub(target).square().div(least)).mul(0.5);
    return reduceLoss(full ? loss.add(0.5 * Math.log(2 * Math.PI)) : loss, reduction);
  }

  // --- margins -----------------------------------------------------------------------------------------------------

  /** this where the target is 1, max(0, margin - this) where it is -1. */
  hingeEmbeddingLoss(target: Tensor, { margin = 1, reduction }: MarginLossOptions = {}): Tensor {
    const near = target.ne(-1).where(this.self, 0);
    const far = target.ne(1).where(this.rsub(margin).clamp(0), 0);
    return reduceLoss(near.add(far), reduction);
  }
  /**
   * max(0, margin - target * (this - other)): a target of 1 wants this to be the larger, -1 the smaller.
   *
   * @example
   * Tensor.from([2, 1]).marginRankingLoss(Tensor.from([1, 2]), Tensor.from([1, 1])); // => 0.5
   */
  marginRankingLoss(
    other: Tensor,
    target: Tensor,
    { margin = 0, reduction }: MarginLossOptions = {},
  ): Tensor {
    return reduceLoss(target.neg().mul(this.sub(other)).add(margin).clamp(0), reduction);
  }
  /** log(1 + exp(-target * this)) of targets 1 and -1. */
  softMarginLoss(target: Tensor, { reduction }: LossOptions = {}): Tensor {
    return reduceLoss(target.neg().mul(this.toFloats()).softplus(), reduction);
  }
  /**
   * 1 - cosine of this and other, [.., width], where the target [..] is 1; max(0, cosine - margin) where it is -1.
   */
  cosineEmbeddingLoss(
    other: Tensor,
    target: Tensor,
    { margin = 0, reduction }: MarginLossOptions = {},
  ): Tensor {
    if (this.ndim === 0) throw new TensorError(`cosineEmbeddingLoss: ${this} is no vector`);
    checkTarget("cosineEmbeddingLoss", this.self, target, this.shape.slice(0, -1));
    const x = this.toFloats();
    const size = (y: Tensor): Tensor => y.square().sum(-1).add(1e-12);
    const cosine = x
      .mul(other)
      .sum(-1)
      .div(size(x).mul(size(other)).sqrt());
    const near = target.eq(1).where(cosine.rsub(1), 0);
    const far = target.eq(-1).where(cosine.sub(margin).clamp(0), 0);
    return reduceLoss(near.add(far), reduction);
  }
  /**
   * max(0, margin + distance to the positive - distance to the negative), of this as anchor; all are [.., width].
   *
   * @example
   * Tensor.zeros([1, 2]).tripletMarginLoss(Tensor.zeros([1, 2]), Tensor.from([[3, 4]])); // => 0
   */
  tripletMarginLoss(
    positive: Tensor,
    negative: Tensor,
    { p, eps, ...options }: TripletMarginLossOptions = {},
  ): Tensor {
    const distance = (x: Tensor, y: Tensor): Tensor => x.pairwiseDistance(y, { p, eps });
    return this.tripletMarginWithDistanceLoss(positive, negative, { ...options, distance });
  }
  /** tripletMarginLoss with a distance of one's own. */
  tripletMarginWithDistanceLoss(
    positive: Tensor,
    negative: Tensor,
    {
      distance = (x, y) => x.pairwiseDistance(y),
      margin = 1,
      swap = false,
      reduction,
    }: TripletMarginWithDistanceLossOptions = {},
  ): Tensor {
    const near = distance(this.self, positive);
    const away = distance(this.self, negative);
    const far = swap ? away.minimum(distance(positive, negative)) : away;
    return reduceLoss(near.sub(far).add(margin).clamp(0), reduction);
  }
}

function huber(difference: Tensor, delta: number): Tensor {
  const size = difference.abs();
  const near = difference.square().mul(0.5);
  return size.lt(delta).where(near, size.sub(0.5 * delta).mul(delta));
}
