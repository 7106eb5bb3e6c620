// Loss functions. Labels pick their class by comparison with a position, not by gathering: so the pick, and its
// gradient, are part of the same loop as the softmax.

import { iota, sameShape } from "../graph/node.js";
import { isFloat, isUnsigned } from "../scalar/dtype.js";
import { TensorError } from "./core.js";
import { Normalisation } from "./normalisation.js";
import { accumulationType } from "./reduction.js";
import type { Tensor } from "./tensor.js";

/** How the losses become one: their mean (the default), their sum, or not at all. */
export type LossReduction = "mean" | "sum" | "none";

export interface LossOptions {
  readonly reduction?: LossReduction;
}

export interface ClassLossOptions extends LossOptions {
  /** A weight for each class, [classes]. */
  readonly weight?: Tensor;
  /** Labels of this value count for nothing; default -100. */
  readonly ignoreIndex?: number;
}

export interface CrossEntropyOptions extends ClassLossOptions {
  /** How much of the probability is spread over all classes. */
  readonly labelSmoothing?: number;
}

export abstract class Loss extends Normalisation {
  /**
   * Cross entropy of scores [batch, classes, ..] (or [classes]) and labels: integers of that shape without the classes,
   * or probabilities of that shape. A label that is no class costs nothing.
   */
  crossEntropy(
    target: Tensor,
    { weight, ignoreIndex = -100, labelSmoothing = 0, reduction = "mean" }: CrossEntropyOptions = {},
  ): Tensor {
    const dtype = this.toFloats().dtype;
    const axis = this.ndim === 1 ? 0 : 1;
    const wide = this.cast(accumulationType(dtype));
    if (isFloat(target.dtype)) {
      return ofProbabilities(wide, target, axis, weight, labelSmoothing, reduction).cast(dtype);
    }
    const labels = this.labels("crossEntropy", target, axis, ignoreIndex);
    if (weight === undefined && labelSmoothing === 0) {
      // log(sum(exp(x))) - x[label]: a gradient of one softmax and one comparison.
      const x = wide.sub(wide.max(axis, { keepdim: true }).detach());
      const loss = x.exp().sum(axis).log().sub(labels.pick(x));
      return labels.reduce(loss, undefined, reduction).cast(dtype);
    }
    const logs = weighted(wide.logSoftmax(axis), weight, axis);
    const loss = labels.pick(logs).neg();
    const spread = logs.mean(axis).neg();
    const mixed = labelSmoothing === 0 ? loss : loss.mul(1 - labelSmoothing).add(spread.mul(labelSmoothing));
    return labels.reduce(mixed, weight, reduction).cast(dtype);
  }

  /** Negative log likelihood: this holds logarithms of probabilities, [batch, classes, ..]; labels as crossEntropy. */
  nllLoss(target: Tensor, { weight, ignoreIndex = -100, reduction = "mean" }: ClassLossOptions = {}): Tensor {
    const axis = this.ndim === 1 ? 0 : 1;
    const labels = this.labels("nllLoss", target, axis, ignoreIndex);
    return labels.reduce(labels.pick(weighted(this.self, weight, axis)).neg(), weight, reduction);
  }

  private labels(operation: string, target: Tensor, axis: number, ignoreIndex: number): Labels {
    const shape = this.shape.filter((_, i) => i !== axis);
    if (!sameShape(target.shape, shape) || target.dtype === "bool") {
      throw new TensorError(`${operation}: ${this} needs integer labels [${shape}], got ${target}`);
    }
    const index = target.cast("int32");
    const places = this.wrap(iota(this.shape, axis));
    // Unsigned labels can be no negative number: nothing to look for.
    const never = ignoreIndex < 0 && isUnsigned(target.dtype);
    return new Labels(places.eq(index.unsqueeze(axis)), never ? undefined : target.ne(ignoreIndex), axis);
  }

  /** (this - target)^2. */
  mseLoss(target: Tensor, { reduction }: LossOptions = {}): Tensor {
    return reduceLoss(this.sub(target).square(), reduction);
  }
  /** |this - target|. */
  l1Loss(target: Tensor, { reduction }: LossOptions = {}): Tensor {
    return reduceLoss(this.sub(target).abs(), reduction);
  }
  /** Quadratic below a distance of beta, linear above, divided by beta. */
  smoothL1Loss(
    target: Tensor,
    { beta = 1, reduction }: LossOptions & { readonly beta?: number } = {},
  ): Tensor {
    return beta === 0
      ? this.l1Loss(target, { reduction })
      : reduceLoss(huber(this.sub(target), beta).div(beta), reduction);
  }
  /** Quadratic below a distance of delta, linear above. */
  huberLoss(
    target: Tensor,
    { delta = 1, reduction }: LossOptions & { readonly delta?: number } = {},
  ): Tensor {
    return reduceLoss(huber(this.sub(target), delta), reduction);
  }
  /** Of probabilities and targets in [0, 1]; logarithms are at least -100. */
  binaryCrossEntropy(
    target: Tensor,
    { weight, reduction }: LossOptions & { readonly weight?: Tensor } = {},
  ): Tensor {
    const x = this.toFloats();
    const yes = target.mul(x.log().clamp(-100));
    const no = target.rsub(1).mul(x.rsub(1).log().clamp(-100));
    const loss = yes.add(no).neg();
    return reduceLoss(weight === undefined ? loss : loss.mul(weight), reduction);
  }
  /** binaryCrossEntropy of sigmoid(this), safe for large scores; `posWeight` scales the positive targets. */
  binaryCrossEntropyWithLogits(
    target: Tensor,
    {
      weight,
      posWeight,
      reduction,
    }: LossOptions & { readonly weight?: Tensor; readonly posWeight?: Tensor } = {},
  ): Tensor {
    const x = this.toFloats();
    const tail = x.neg().softplus();
    const scaled = posWeight === undefined ? tail : target.mul(posWeight.sub(1)).add(1).mul(tail);
    const loss = target.rsub(1).mul(x).add(scaled);
    return reduceLoss(weight === undefined ? loss : loss.mul(weight), reduction);
  }
  /**
   * target * (log(target) - this) of log probabilities; with `logTarget` the target holds logarithms too. "batchMean"
   * divides the sum by the batch (axis 0), as the mathematical definition has it.
   */
  klDivLoss(
    target: Tensor,
    {
      reduction = "mean",
      logTarget = false,
    }: { readonly reduction?: LossReduction | "batchMean"; readonly logTarget?: boolean } = {},
  ): Tensor {
    let loss: Tensor;
    if (logTarget) loss = target.exp().mul(target.sub(this.self));
    else {
      const present = target.gt(0);
      loss = present.where(target.mul(present.where(target, 1).log()), 0).sub(target.mul(this.self));
    }
    if (reduction !== "batchMean") return reduceLoss(loss, reduction);
    return loss.sum().div(this.ndim === 0 ? 1 : this.sizeAt(0));
  }
}

/** Integer labels, ready to pick the class they name. */
class Labels {
  constructor(
    /** Where the class is the label. */
    private readonly match: Tensor,
    /** Where the label counts; undefined if it always does. */
    private readonly counted: Tensor | undefined,
    private readonly axis: number,
  ) {}

  /** The value at the label's class; 0 if there is none. */
  pick(x: Tensor): Tensor {
    return this.match.where(x, 0).sum(this.axis);
  }

  reduce(losses: Tensor, weight: Tensor | undefined, reduction: LossReduction): Tensor {
    const kept = this.counted === undefined ? losses : this.counted.where(losses, 0);
    if (reduction !== "mean" || (weight === undefined && this.counted === undefined))
      return reduceLoss(kept, reduction);
    const { counted, match, axis } = this;
    let shares: Tensor;
    if (weight === undefined) shares = counted!.cast(losses.dtype);
    else {
      const each = match.where(alongAxis(weight.cast(losses.dtype), match.ndim, axis), 0).sum(axis);
      shares = counted === undefined ? each : counted.where(each, 0);
    }
    return kept.sum().div(shares.sum());
  }
}

function ofProbabilities(
  x: Tensor,
  target: Tensor,
  axis: number,
  weight: Tensor | undefined,
  smoothing: number,
  reduction: LossReduction,
): Tensor {
  if (!sameShape(target.shape, x.shape))
    throw new TensorError(`crossEntropy: probabilities should be [${x.shape}], got ${target}`);
  const classes = x.sizeAt(axis);
  const smooth = smoothing === 0 ? target : target.mul(1 - smoothing).add(smoothing / classes);
  const losses = smooth
    .mul(weighted(x.logSoftmax(axis), weight, axis))
    .sum(axis)
    .neg();
  return reduceLoss(losses, reduction);
}

/** A tensor of one axis laid along `axis`. */
function alongAxis(x: Tensor, rank: number, axis: number): Tensor {
  return x.reshape([x.shape[0], ...new Array<number>(rank - axis - 1).fill(1)]);
}

function weighted(x: Tensor, weight: Tensor | undefined, axis: number): Tensor {
  if (weight === undefined) return x;
  if (!sameShape(weight.shape, [x.shape[axis]]))
    throw new TensorError(`the weight of classes should be [${x.shape[axis]}], got ${weight}`);
  return x.mul(alongAxis(weight.cast(x.dtype), x.ndim, axis));
}

function huber(difference: Tensor, delta: number): Tensor {
  const size = difference.abs();
  const near = difference.square().mul(0.5);
  return size.lt(delta).where(near, size.sub(0.5 * delta).mul(delta));
}

function reduceLoss(losses: Tensor, reduction: LossReduction = "mean"): Tensor {
  if (reduction === "none") return losses;
  return reduction === "sum" ? losses.sum() : losses.mean();
}
