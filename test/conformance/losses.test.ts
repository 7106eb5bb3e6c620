// PyTorch's reference values for scripts/fixtures/losses.py.

import type { Tensor } from "../../src/index.js";
import { conformance, type Operation, optionsOf } from "./torch.js";

type Method = (this: Tensor, ...args: readonly unknown[]) => Tensor;
type Named = keyof {
  [K in keyof Tensor as Tensor[K] extends (...args: never[]) => Tensor ? K : never]: true;
};

/** A loss whose last inputs are the options of these names. */
const withTensors =
  (method: Named, ...names: readonly string[]): Operation =>
  (inputs, args) => {
    const given = inputs.slice(0, inputs.length - names.length);
    const tensors = names.map((name, i) => [name, inputs[given.length + i]]);
    const [x, ...rest] = given;
    return (x[method] as Method).call(x, ...rest, { ...optionsOf(args), ...Object.fromEntries(tensors) });
  };

/** One length is that of an entry without a batch. */
const lengths = (given: unknown): readonly number[] => (Array.isArray(given) ? given : [given as number]);

await conformance("losses", {
  crossEntropyWeight: withTensors("crossEntropy", "weight"),
  nllLossWeight: withTensors("nllLoss", "weight"),
  multiMarginLossWeight: withTensors("multiMarginLoss", "weight"),
  multilabelSoftMarginLossWeight: withTensors("multilabelSoftMarginLoss", "weight"),
  mseLossWeight: withTensors("mseLoss", "weight"),
  l1LossWeight: withTensors("l1Loss", "weight"),
  huberLossWeight: withTensors("huberLoss", "weight"),
  binaryCrossEntropyWeight: withTensors("binaryCrossEntropy", "weight"),
  binaryCrossEntropyWithLogitsWeight: withTensors("binaryCrossEntropyWithLogits", "weight", "posWeight"),
  tripletMarginWithL1: ([anchor, positive, negative], args) =>
    anchor.tripletMarginWithDistanceLoss(positive, negative, {
      ...optionsOf(args),
      distance: (x, y) => x.sub(y).abs().sum(-1),
    }),
  ctc: ([x, targets], [times, counts, options]) =>
    x.logSoftmax(-1).ctcLoss(targets, lengths(times), lengths(counts), options as object),
  ctcPlain: ([x, targets], [times, counts, options]) =>
    x.ctcLoss(targets, lengths(times), lengths(counts), options as object),
  ctcTensors: ([x, targets, times, counts]) => x.logSoftmax(-1).ctcLoss(targets, times, counts),
});
