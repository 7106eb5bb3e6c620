// Losses beyond PyTorch's reference values: errors, and edges where PyTorch gives NaN.

import { beforeEach, describe, expect, it } from "vitest";
import { grad, setDefaultDevice, Tensor } from "../../src/index.js";

beforeEach(() => setDefaultDevice("interpreter"));

const numbers = async (x: Tensor): Promise<number[]> => Array.from((await x.data()) as Float32Array);

describe("losses", () => {
  const x = Tensor.zeros([2, 3]);
  const labels = Tensor.from([0, 2], { dtype: "int32" });
  const calls: readonly (readonly [string, () => unknown])[] = [
    [
      "crossEntropy: .* needs integer labels \\[2\\]",
      () => x.crossEntropy(Tensor.zeros([3], { dtype: "int32" })),
    ],
    ["crossEntropy: probabilities should be \\[2, 3\\]", () => x.crossEntropy(Tensor.zeros([2, 4]))],
    ["crossEntropy: labelSmoothing", () => x.crossEntropy(labels, { labelSmoothing: 2 })],
    ["weight of classes should be \\[3\\]", () => x.nllLoss(labels, { weight: Tensor.ones([2]) })],
    ["multiMarginLoss: p must be 1 or 2", () => x.multiMarginLoss(labels, { p: 3 })],
    ["multilabelMarginLoss: .* needs a target \\[2, 3\\]", () => x.multilabelMarginLoss(labels)],
    ["binaryCrossEntropy: .* needs a target", () => x.binaryCrossEntropy(Tensor.zeros([3]))],
    ["gaussianNllLoss: the variance", () => x.gaussianNllLoss(x, Tensor.ones([3, 2]))],
    ["cosineEmbeddingLoss: .* needs a target \\[2\\]", () => x.cosineEmbeddingLoss(x, Tensor.ones([3]))],
    ['reduction of a loss is "mean"', () => x.mseLoss(x, { reduction: "average" as "mean" })],
    [
      "ctcLoss: inputLengths must be integers in \\[0, 4\\]",
      () => Tensor.zeros([4, 1, 3]).ctcLoss(Tensor.ones([1, 2], { dtype: "int32" }), [5], [2]),
    ],
    [
      "ctcLoss: the blank 3",
      () => Tensor.zeros([4, 1, 3]).ctcLoss(Tensor.ones([1, 2], { dtype: "int32" }), [4], [2], { blank: 3 }),
    ],
    [
      "ctcLoss: targetLengths should be \\[1\\]",
      () => Tensor.zeros([4, 1, 3]).ctcLoss(Tensor.ones([1, 2], { dtype: "int32" }), [4], [2, 1]),
    ],
  ];
  for (const [message, call] of calls) it(message, () => expect(call).toThrow(new RegExp(message)));

  it("a gaussian variance may be a number", async () => {
    const loss = Tensor.from([1, 3]).gaussianNllLoss(Tensor.from([0, 0]), 2, { reduction: "none" });
    const expected = [1, 9].map((square) => 0.5 * (Math.log(2) + square / 2));
    for (const [i, value] of (await numbers(loss)).entries()) expect(value).toBeCloseTo(expected[i], 6);
  });

  it("a target that the steps cannot spell has an infinite loss and no gradient", async () => {
    const loss = (y: Tensor): Tensor =>
      y.logSoftmax(-1).ctcLoss(Tensor.from([[1, 1]], { dtype: "int32" }), [2], [2], { reduction: "sum" });
    const scores = Tensor.randn([2, 1, 3]);
    expect(await loss(scores).item()).toBe(Number.POSITIVE_INFINITY);
    expect((await numbers(grad(loss)(scores))).every((value) => value === 0)).toBe(true);
  });

  it("a class that is impossible leaves the others' paths as they are", async () => {
    const half = Math.log(0.5);
    const logs = Tensor.from([
      [[half, half, Number.NEGATIVE_INFINITY]],
      [[half, half, Number.NEGATIVE_INFINITY]],
    ]);
    const target = Tensor.from([[1]], { dtype: "int32" });
    const loss = (y: Tensor): Tensor => y.ctcLoss(target, [2], [1], { reduction: "sum" });
    // "1 1", "1 _" and "_ 1" of four texts.
    expect(await loss(logs).item()).toBeCloseTo(-Math.log(0.75), 6);
    expect((await numbers(grad(loss)(logs))).every(Number.isFinite)).toBe(true);
  });
});
