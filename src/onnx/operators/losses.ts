// Losses of classes that are data.

import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators, Result } from "../operator.js";

/** Minus the logarithms of the targets' probabilities, weighted by class; classes to ignore count nothing. */
function negativeLogLikelihood(call: Call, logarithms: Tensor): Tensor {
  const target = call.tensor(1).cast("int32");
  const weights = call.optional(2);
  const ignored = call.int("ignore_index");
  const classes = logarithms.sizeAt(1);
  const kept = ignored === undefined ? undefined : target.ne(ignored);
  const named = (kept === undefined ? target : kept.where(target, 0)).clamp(0, classes - 1);
  const picked = logarithms.gather(1, named.unsqueeze(1)).squeeze(1).neg();
  const own =
    weights === undefined
      ? Tensor.ones(named.shape, { dtype: logarithms.dtype })
      : weights.indexSelect(0, named.ravel()).reshape(named.shape);
  const counted = kept === undefined ? own : kept.where(own, 0);
  const losses = picked.mul(counted);
  const reduction = call.text("reduction", "mean");
  if (reduction === "none") return losses;
  if (reduction === "sum") return losses.sum();
  if (reduction !== "mean") call.fail(`there is no reduction "${reduction}"`);
  return weights === undefined && kept === undefined ? losses.mean() : losses.sum().div(counted.sum());
}

function softmaxCrossEntropy(call: Call): Result[] {
  const logarithms = call.tensor(0).logSoftmax(1);
  return [negativeLogLikelihood(call, logarithms), logarithms];
}

export const losses: Operators = {
  NegativeLogLikelihoodLoss: (call) => negativeLogLikelihood(call, call.tensor(0)),
  SoftmaxCrossEntropyLoss: softmaxCrossEntropy,
};
