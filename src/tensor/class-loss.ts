// Losses of labels: classes that integers name. Labels pick their class by comparison with a position, not by gathering:
// so the pick, and its gradient, are part of the same loop as the softmax.

import { iota, printShape, sameShape } from "../graph/node.js";
import { isFloat, isInteger, isUnsigned } from "../scalar/dtype.js";
import { TensorError } from "./core.js";
import { SequenceLoss } from "./ctc.js";
import {
  checkTarget,
  type LossOptions,
  type LossReduction,
  reduceLoss,
  reduceScaled,
} from "./loss-reduction.js";
import { accumulationType } from "./reduction.js";
import type { Tensor } from "./tensor.js";

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

export interface MultiMarginLossOptions extends LossOptions {
  /** 1 or 2: the power of what falls short of the margin. */
  readonly p?: number;
  readonly margin?: number;
  /** A weight for each class, [classes]. */
  readonly weight?: Tensor;
}

export abstract class ClassLoss extends SequenceLoss {
  /**
   * Cross entropy of scores [batch, classes, ..] (or [classes]) and labels: integers of that shape without the classes,
   * or probabilities of that shape. A label that is no class costs nothing.
   *
   * @example Tensor.from([[0, 0]]).crossEntropy(Tensor.from([1], { dtype: "int32" })); // => 0.6931
   */
  crossEntropy(
    target: Tensor,
    { weight, ignoreIndex = -100, labelSmoothing = 0, reduction = "mean" }: CrossEntropyOptions = {},
  ): Tensor {
    if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
      throw new TensorError(`crossEntropy: labelSmoothing must be in [0, 1], got ${labelSmoothing}`);
    const dtype = this.toFloats().dtype;
    const axis = this.classAxis("crossEntropy");
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

  /**
   * Negative log likelihood: this holds logarithms of probabilities, [batch, classes, ..]; labels as crossEntropy.
   *
   * @example
   * Tensor.from([[-1, -2], [-3, -4]]).nllLoss(Tensor.arange(2)); // => 2.5
   */
  nllLoss(target: Tensor, { weight, ignoreIndex = -100, reduction = "mean" }: ClassLossOptions = {}): Tensor {
    const axis = this.classAxis("nllLoss");
    const labels = this.labels("nllLoss", target, axis, ignoreIndex);
    return labels.reduce(labels.pick(weighted(this.self, weight, axis)).neg(), weight, reduction);
  }

  /**
   * Multi-class hinge loss of scores [batch, classes] (or [classes]) and labels [batch]: the mean over the classes of
   * max(0, margin - score of the label + score)^p, the label's own class apart.
   */
  multiMarginLoss(
    target: Tensor,
    { p = 1, margin = 1, weight, reduction }: MultiMarginLossOptions = {},
  ): Tensor {
    if (p !== 1 && p !== 2) throw new TensorError(`multiMarginLoss: p must be 1 or 2, got ${p}`);
    if (this.ndim < 1 || this.ndim > 2)
      throw new TensorError(`multiMarginLoss: needs scores [batch, classes] or [classes], got ${this}`);
    const labels = this.labels("multiMarginLoss", target, this.ndim - 1, -100);
    const own = labels.pick(this.self).unsqueeze(-1);
    const short = this.sub(own).add(margin).relu();
    const others = labels.match.where(0, p === 1 ? short : short.square());
    const losses = others.sum(-1).div(this.sizeAt(-1));
    if (weight === undefined) return reduceLoss(losses, reduction);
    checkClassWeight(this.self, weight, this.ndim - 1);
    return reduceScaled(losses, { weight: labels.pick(weight.expand(this.shape)), reduction });
  }

  /**
   * Hinge loss of scores [batch, classes] (or [classes]) and several labels each: integers of the same shape, those from
   * the first negative one on do not count. The sum over labels and classes that are no labels of
   * max(0, 1 - (score of the label - score of the class)), over the number of classes.
   */
  multilabelMarginLoss(target: Tensor, { reduction }: LossOptions = {}): Tensor {
    checkTarget("multilabelMarginLoss", this.self, target);
    if (this.ndim < 1 || this.ndim > 2 || !isInteger(target.dtype))
      throw new TensorError(
        `multilabelMarginLoss: needs scores and integers [batch, classes] or [classes], got ${this} and ${target}`,
      );
    const labels = target.cast("int32");
    const counts = labels.lt(0).cast("int32").cumsum(-1).eq(0);
    const classes = this.wrap(iota([...this.shape, this.shape[this.ndim - 1]], this.ndim));
    const isLabel = classes.eq(labels.unsqueeze(-1)).logicalAnd(counts.unsqueeze(-1)).any(-2);
    // [.., labels, classes]
    const own = this.self.gather(this.ndim - 1, labels.clamp(0)).unsqueeze(-1);
    const short = this.unsqueeze(-2).sub(own).add(1).relu();
    const wanted = counts.unsqueeze(-1).logicalAnd(isLabel.unsqueeze(-2).logicalNot());
    return reduceLoss(wanted.where(short, 0).sum([-2, -1]).div(this.sizeAt(-1)), reduction);
  }

  /**
   * The mean over the classes (the last axis) of the binary cross entropies of scores [.., classes] and targets in
   * [0, 1] of their shape; `weight` is [classes].
   */
  multilabelSoftMarginLoss(
    target: Tensor,
    { weight, reduction }: LossOptions & { readonly weight?: Tensor } = {},
  ): Tensor {
    checkTarget("multilabelSoftMarginLoss", this.self, target);
    const x = this.toFloats();
    const each = target.mul(x.logSigmoid()).add(target.rsub(1).mul(x.neg().logSigmoid())).neg();
    return reduceLoss((weight === undefined ? each : each.mul(weight)).mean(-1), reduction);
  }

  private classAxis(operation: string): number {
    if (this.ndim === 0) throw new TensorError(`${operation}: ${this} has no axis of classes`);
    return this.ndim === 1 ? 0 : 1;
  }

  private labels(operation: string, target: Tensor, axis: number, ignoreIndex: number): Labels {
    const shape = this.shape.filter((_, i) => i !== axis);
    if (!sameShape(target.shape, shape) || !isInteger(target.dtype)) {
      throw new TensorError(`${operation}: ${this} needs integer labels ${printShape(shape)}, got ${target}`);
    }
    const index = target.cast("int32");
    const places = this.wrap(iota(this.shape, axis));
    // Unsigned labels can be no negative number: nothing to look for.
    const never = ignoreIndex < 0 && isUnsigned(target.dtype);
    return new Labels(places.eq(index.unsqueeze(axis)), never ? undefined : target.ne(ignoreIndex), axis);
  }
}

/** Integer labels, ready to pick the class they name. */
class Labels {
  constructor(
    /** Where the class is the label. */
    readonly match: Tensor,
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
    throw new TensorError(`crossEntropy: probabilities should be ${printShape(x.shape)}, got ${target}`);
  const classes = x.sizeAt(axis);
  const smooth = smoothing === 0 ? target : target.mul(1 - smoothing).add(smoothing / classes);
  const losses = smooth
    .mul(weighted(x.logSoftmax(axis), weight, axis))
    .sum(axis)
    .neg();
  // The mean is over the batch and the places, whatever the weights.
  return reduceLoss(losses, reduction);
}

/** A tensor of one axis laid along `axis`. */
function alongAxis(x: Tensor, rank: number, axis: number): Tensor {
  return x.reshape([x.shape[0], ...new Array<number>(rank - axis - 1).fill(1)]);
}

function checkClassWeight(x: Tensor, weight: Tensor, axis: number): void {
  if (!sameShape(weight.shape, [x.shape[axis]]))
    throw new TensorError(`the weight of classes should be [${x.shape[axis]}], got ${weight}`);
}

function weighted(x: Tensor, weight: Tensor | undefined, axis: number): Tensor {
  if (weight === undefined) return x;
  checkClassWeight(x, weight, axis);
  return x.mul(alongAxis(weight.cast(x.dtype), x.ndim, axis));
}
