// Convolutions, pools, norms, recurrent networks, attention, training: what the standard's data leave out.

import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/index.js";
import { load } from "../../src/onnx/index.js";
import { listOf, runNode } from "./run.js";
import { type GraphText, writeModel } from "./write.js";

const matrix = Tensor.from([
  [1, 2],
  [3, 4],
]);

describe("products and windows", () => {
  test("before version 7 a flag said that the third operand of Gemm is broadcast", async () => {
    const inputs = [matrix, Tensor.eye(2), Tensor.from([10, 20])];
    const attributes = { broadcast: 1n, alpha: 2, beta: 0.5 };
    expect(await listOf("Gemm", inputs, { opset: 6, attributes })).toEqual([
      [7, 14],
      [11, 18],
    ]);
  });

  test("a last window that is cut off counts what it has", async () => {
    const x = Tensor.from([[[1, 2, 3, 4, 5]]]);
    const attributes = { kernel_shape: [2n], strides: [2n], ceil_mode: 1n };
    expect(await listOf("AveragePool", [x], { opset: 19, attributes })).toEqual([[[1.5, 3.5, 5]]]);
    expect(await listOf("MaxPool", [x], { opset: 12, attributes })).toEqual([[[2, 4, 5]]]);
    const half = { kernel_shape: [3n], strides: [2n], auto_pad: "SAME_LOWER" };
    expect(await listOf("MaxPool", [x.cast("int8")], { opset: 12, attributes: half })).toEqual([[[2, 4, 5]]]);
    await expect(listOf("MaxPool", [x], { attributes: { kernel_shape: [9n] } })).rejects.toThrow(
      'node MaxPool "0": a window of 9 places does not fit on axis 2',
    );
  });

  test("the power of LpPool was a float once", async () => {
    const x = Tensor.from([[[3, 4, 0, 5]]]);
    const attributes = { kernel_shape: [2n], strides: [2n], p: 1 };
    expect(await listOf("LpPool", [x], { opset: 1, attributes })).toEqual([[[7, 5]]]);
  });

  test("transposed convolutions with SAME are as long as strides make them", async () => {
    const x = Tensor.from([[[1, 2, 3]]]);
    const options = { opset: 11, attributes: { strides: [2n], auto_pad: "SAME_UPPER" } };
    expect(await listOf("ConvTranspose", [x, Tensor.ones([1, 1, 3])], options)).toEqual([
      [[1, 1, 3, 2, 5, 3]],
    ]);
  });

  test("a deformable convolution without moves is a convolution", async () => {
    const x = Tensor.arange(18).reshape([1, 2, 3, 3]).cast("float32");
    const weight = Tensor.from([1, -1, 2, 0, 0, 1, 1, 3]).reshape([1, 2, 2, 2]);
    const [plain] = await runNode("Conv", [x, weight]);
    const inputs = [x, weight, Tensor.zeros([1, 8, 2, 2])];
    const [moved] = await runNode("DeformConv", inputs, { opset: 22 });
    expect(await moved.allclose(plain, { atol: 1e-4 }).item()).toBe(true);
    const masked = [...inputs, undefined, Tensor.full([1, 4, 2, 2], 0.5)];
    const [halved] = await runNode("DeformConv", masked, { opset: 22 });
    expect(await halved.mul(2).allclose(plain, { atol: 1e-4 }).item()).toBe(true);
  });
});

describe("norms", () => {
  const x = Tensor.from([[[1, 3]], [[5, 7]]]);
  const [one, zero] = [Tensor.ones([1]), Tensor.zeros([1])];

  test("before version 7 a batch's own statistics come with the running ones", async () => {
    const options = { opset: 6, outputs: 5, attributes: { epsilon: 0, momentum: 0.5 } };
    const [y, ...statistics] = await runNode("BatchNormalization", [x, one, zero, zero, one], options);
    const root = Math.sqrt(5);
    const expected = Tensor.from([[[-3 / root, -1 / root]], [[1 / root, 3 / root]]]);
    expect(await y.allclose(expected).item()).toBe(true);
    expect(await Promise.all(statistics.map((s) => s.item()))).toEqual([2, 3, 4, 5]);
  });

  test("before version 9 statistics could be given for each place", async () => {
    const each = (...values: number[]): Tensor => Tensor.from([values]);
    const inputs = [x, each(1, 2), each(0, 1), each(1, 3), each(4, 1)];
    const attributes = { spatial: 0n, epsilon: 0 };
    expect(await listOf("BatchNormalization", inputs, { opset: 7, attributes })).toEqual([
      [[0, 1]],
      [[2, 9]],
    ]);
  });
});

describe("recurrent networks", () => {
  const x = Tensor.from([1, 2, 3, 10, 20, 30]).reshape([2, 3, 1]);
  const ones = Tensor.ones([2, 1, 1]);
  const attributes = {
    hidden_size: 1n,
    direction: "bidirectional",
    activations: ["Relu", "relu"],
    layout: 1n,
  };

  test("both directions, batches first, each sequence as long as it is", async () => {
    const lengths = Tensor.from([3, 2], { dtype: "int32" });
    const inputs = [x, ones, ones, undefined, lengths];
    const [all, last] = await runNode("RNN", inputs, { opset: 14, outputs: 2, attributes });
    expect(await all.select(-1, 0).tolist()).toEqual([
      [
        [1, 6],
        [3, 5],
        [6, 3],
      ],
      [
        [10, 30],
        [30, 20],
        [0, 0],
      ],
    ]);
    expect(await last.select(-1, 0).tolist()).toEqual([
      [6, 6],
      [30, 30],
    ]);
  });

  test("an activation that does not exist is refused", async () => {
    const wrong = { ...attributes, activations: ["Relu", "Sine"] };
    await expect(listOf("RNN", [x, ones, ones], { attributes: wrong })).rejects.toThrow(
      'there is no activation "Sine"',
    );
  });
});

describe("signals", () => {
  test("half a spectrum gives a signal of an even length unless another is said", async () => {
    const spectrum = Tensor.from([
      [10, 0],
      [-2, 2],
      [-2, 0],
    ]).unsqueeze(0);
    const attributes = { axis: 1n, inverse: 1n, onesided: 1n };
    expect(await listOf("DFT", [spectrum], { opset: 17, attributes })).toEqual([[[1], [2], [3], [4]]]);
  });
});

describe("short-time transforms", () => {
  test("one window is the whole signal, whose axis of pairs may be missing", async () => {
    const signal = Tensor.from([[1, 2, 3, 4]]);
    const step = Tensor.full([], 1, { dtype: "int32" });
    const expected = [
      [
        [
          [10, 0],
          [-2, 2],
          [-2, 0],
        ],
      ],
    ];
    expect(await listOf("STFT", [signal, step], { opset: 17 })).toEqual(expected);
    expect(await listOf("STFT", [signal.unsqueeze(-1), step], { opset: 17 })).toEqual(expected);
  });
});

describe("attention", () => {
  const flexible = (modifier: GraphText) =>
    load(
      writeModel({
        opsets: { "": 26, "ai.onnx.preview": 1 },
        graph: {
          inputs: { x: ["float32", [1, 2, 2, 2]], bias: ["float32", [2]] },
          outputs: ["y"],
          nodes: [
            {
              op: "FlexAttention",
              domain: "ai.onnx.preview",
              inputs: ["x", "x", "x"],
              outputs: ["y"],
              attributes: { score_mod: { graph: modifier } },
            },
          ],
        },
      }),
    );
  const scores: GraphText["inputs"] = { scores: ["float32"] };
  const x = Tensor.from([0, 1, 2, 3, 4, 5, 6, 7]).reshape([1, 2, 2, 2]);

  test("a graph that changes scores may read what is around it", async () => {
    const model = await flexible({
      inputs: scores,
      outputs: ["changed"],
      nodes: [{ op: "Add", inputs: ["scores", "bias"], outputs: ["changed"] }],
    });
    const { y } = await model.run({ x, bias: Tensor.from([0, -1e9]) });
    expect(await (y as Tensor).tolist()).toEqual([
      [
        [
          [0, 1],
          [0, 1],
        ],
        [
          [4, 5],
          [4, 5],
        ],
      ],
    ]);
  });

  test("a graph that gives another shape is refused", async () => {
    const model = await flexible({
      inputs: scores,
      outputs: ["changed"],
      nodes: [{ op: "Shape", inputs: ["scores"], outputs: ["changed"] }],
    });
    await expect(model.run({ x, bias: Tensor.zeros([2]) })).rejects.toThrow(
      "its graph score_mod must give one tensor [1,2,2,2]",
    );
  });
});

describe("losses", () => {
  test("classes to ignore need not exist", async () => {
    const logarithms = Tensor.from([
      [-1, -2],
      [-3, -4],
      [-5, -6],
    ]);
    const target = Tensor.from([0, -1, 1], { dtype: "int32" });
    const options = { opset: 13, attributes: { ignore_index: -1n } };
    expect(await listOf("NegativeLogLikelihoodLoss", [logarithms, target], options)).toBe(3.5);
  });
});

describe("training", () => {
  const domain = "ai.onnx.preview.training";

  test("all weights come first, then all gradients, then all memories", async () => {
    const [rate, count] = [Tensor.full([], 0.5), Tensor.full([], 1, { dtype: "int32" })];
    const weights = [[1], [2, 4], [10], [20, 40], [100], [200, 400]].map((values) => Tensor.from(values));
    const attributes = { alpha: 0.5, beta: 1, norm_coefficient: 0, mode: "standard" };
    const results = await runNode("Momentum", [rate, count, ...weights], { domain, attributes, outputs: 4 });
    expect(await Promise.all(results.map((x) => x.tolist()))).toEqual([[-29], [-58, -116], [60], [120, 240]]);
    await expect(
      listOf("Momentum", [rate, count, ...weights.slice(1)], { domain, attributes }),
    ).rejects.toThrow("5 tensors are not 3 for each weight");
  });

  test("the gradient of a gradient, at values given to it", async () => {
    const gradient = (y: string, inputs: string[], output: string) => ({
      op: "Gradient",
      domain,
      inputs,
      outputs: [output],
      attributes: { xs: ["x"], zs: ["z"], y },
    });
    const model = await load(
      writeModel({
        opsets: { "": 21, [domain]: 1 },
        graph: {
          inputs: { x: ["float32", [2]], z: ["float32", [2]], other: ["float32", [2]] },
          outputs: ["dx", "there", "twice"],
          nodes: [
            { op: "Mul", inputs: ["x", "x"], outputs: ["square"] },
            { op: "Mul", inputs: ["square", "z"], outputs: ["y"] },
            gradient("y", ["x", "z"], "dx"),
            gradient("y", ["other", "z"], "there"),
            gradient("dx", ["x", "z"], "twice"),
          ],
        },
      }),
    );
    const given = { x: Tensor.from([1, 2]), z: Tensor.from([3, 5]), other: Tensor.from([10, 20]) };
    const { dx, there, twice } = await model.run(given);
    expect(await (dx as Tensor).tolist()).toEqual([6, 20]);
    expect(await (there as Tensor).tolist()).toEqual([60, 200]);
    expect(await (twice as Tensor).tolist()).toEqual([6, 10]);
  });
});
