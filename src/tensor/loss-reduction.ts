// How the losses of single elements or samples become one number.

import { printShape, sameShape } from "../graph/node.js";
import { TensorError } from "./core.js";
import type { Tensor } from "./tensor.js";

/** How the losses become one: their mean (the default), their sum, or not at all. */
export type LossReduction = "mean" | "sum" | "none";

export interface LossOptions {
  readonly reduction?: LossReduction;
}

export interface WeightedLossOptions extends LossOptions {
  /** A factor for each loss; broadcasts to them. */
  readonly weight?: Tensor;
}

const REDUCTIONS: readonly LossReduction[] = ["mean", "sum", "none"];

export function reduceLoss(losses: Tensor, reduction: LossReduction = "mean"): Tensor {
  if (!REDUCTIONS.includes(reduction))
    throw new TensorError(`the reduction of a loss is "mean", "sum" or "none", got ${reduction}`);
  if (reduction === "none") return losses;
  return reduction === "sum" ? losses.sum() : losses.mean();
}

/** With a weight the losses are multiplied, and their mean is over as many as before. */
export function reduceScaled(losses: Tensor, { weight, reduction }: WeightedLossOptions): Tensor {
  return reduceLoss(weight === undefined ? losses : losses.mul(weight), reduction);
}

/** With a weight the mean is the weighted one: it divides by the sum of the weights. */
export function reduceWeighted(losses: Tensor, { weight, reduction = "mean" }: WeightedLossOptions): Tensor {
  if (weight === undefined || reduction !== "mean") return reduceScaled(losses, { weight, reduction });
  return losses.mul(weight).sum().div(weight.expand(losses.shape).sum());
}

/** Throws unless a target has the shape that a loss needs. */
export function checkTarget(operation: string, x: Tensor, target: Tensor, shape = x.shape): void {
  if (!sameShape(target.shape, shape))
    throw new TensorError(`${operation}: ${x} needs a target ${printShape(shape)}, got ${target}`);
}
