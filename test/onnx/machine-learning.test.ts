// Operators of ai.onnx.ml: labels, features, linear models, trees. Values by hand.

import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/index.js";
import { load } from "../../src/onnx/index.js";
import { listOf, runNode } from "./run.js";
import { type AttributeText, writeModel } from "./write.js";

const ml = (attributes: Record<string, AttributeText>, outputs = 1) => ({
  domain: "ai.onnx.ml",
  attributes,
  outputs,
});
const X = Tensor.from([
  [1, 5],
  [3, -2],
]);

describe("features", () => {
  test("scaled, normalised, made 0 and 1, filled in, picked", async () => {
    expect(await listOf("Scaler", [X], ml({ offset: [1, 1], scale: [2, 0.5] }))).toEqual([
      [0, 2],
      [4, -1.5],
    ]);
    expect(
      await listOf(
        "Normalizer",
        [
          Tensor.from([
            [3, 4],
            [0, 0],
          ]),
        ],
        ml({ norm: "L2" }),
      ),
    ).toEqual([
      [Math.fround(0.6), Math.fround(0.8)],
      [0, 0],
    ]);
    expect(await listOf("Binarizer", [X], ml({ threshold: 1 }))).toEqual([
      [0, 1],
      [1, 0],
    ]);
    const holes = Tensor.from([
      [Number.NaN, 1],
      [2, Number.NaN],
    ]);
    const imputed = ml({ imputed_value_floats: [7, 8], replaced_value_float: Number.NaN });
    expect(await listOf("Imputer", [holes], imputed)).toEqual([
      [7, 1],
      [2, 8],
    ]);
    expect(await listOf("ArrayFeatureExtractor", [X, Tensor.from([1n])], ml({}))).toEqual([[5], [-2]]);
    expect(await listOf("OneHotEncoder", [Tensor.from([2n, 9n])], ml({ cats_int64s: [1n, 2n] }))).toEqual([
      [0, 1],
      [0, 0],
    ]);
  });

  test("labels go both ways", async () => {
    const model = await load(
      writeModel({
        opsets: { "": 17, "ai.onnx.ml": 2 },
        graph: {
          inputs: { x: ["string", [3]] },
          outputs: ["n", "s"],
          nodes: [
            {
              op: "LabelEncoder",
              domain: "ai.onnx.ml",
              inputs: ["x"],
              outputs: ["n"],
              attributes: { keys_strings: ["a", "b"], values_int64s: [4n, 5n], default_int64: -1n },
            },
            {
              op: "LabelEncoder",
              domain: "ai.onnx.ml",
              inputs: ["n"],
              outputs: ["s"],
              attributes: { keys_int64s: [4n, 5n], values_strings: ["A", "B"], default_string: "?" },
            },
          ],
        },
      }),
    );
    const { n, s } = await model.run({ x: ["b", "z", "a"] });
    expect(await (n as Tensor).tolist()).toEqual([5n, -1n, 4n]);
    expect(s).toEqual({ shape: [3], data: ["B", "?", "A"] });
  });
});

describe("models", () => {
  const stumps: Record<string, AttributeText> = {
    nodes_treeids: [0n, 0n, 0n, 1n],
    nodes_nodeids: [0n, 1n, 2n, 0n],
    nodes_featureids: [1n, 0n, 0n, 0n],
    nodes_values: [0, 0, 0, 0],
    nodes_modes: ["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"],
    nodes_truenodeids: [1n, 0n, 0n, 0n],
    nodes_falsenodeids: [2n, 0n, 0n, 0n],
  };

  test("trees add up what their leaves say", async () => {
    const target = {
      ...stumps,
      n_targets: 1n,
      target_treeids: [0n, 0n, 1n],
      target_nodeids: [1n, 2n, 0n],
      target_ids: [0n, 0n, 0n],
      target_weights: [10, 20, 1],
    };
    expect(await listOf("TreeEnsembleRegressor", [X], ml(target))).toEqual([[21], [11]]);
    expect(await listOf("TreeEnsembleRegressor", [X], ml({ ...target, base_values: [100] }))).toEqual([
      [121],
      [111],
    ]);
  });

  test("trees choose classes by name", async () => {
    const model = await load(
      writeModel({
        opsets: { "": 17, "ai.onnx.ml": 3 },
        graph: {
          inputs: { x: ["float32", [2, 2]] },
          outputs: ["label", "scores"],
          nodes: [
            {
              op: "TreeEnsembleClassifier",
              domain: "ai.onnx.ml",
              inputs: ["x"],
              outputs: ["label", "scores"],
              attributes: {
                ...stumps,
                classlabels_strings: ["low", "middle", "high"],
                class_treeids: [0n, 0n, 1n],
                class_nodeids: [1n, 2n, 0n],
                class_ids: [0n, 2n, 1n],
                class_weights: [3, 4, 1],
              },
            },
          ],
        },
      }),
    );
    const { label, scores } = await model.run({ x: X });
    expect(label).toEqual({ shape: [2], data: ["high", "low"] });
    expect(await (scores as Tensor).tolist()).toEqual([
      [0, 1, 4],
      [3, 1, 0],
    ]);
  });

  test("nodes that lead back to themselves are an error", async () => {
    const loop = {
      ...stumps,
      nodes_treeids: [0n, 0n],
      nodes_nodeids: [0n, 1n],
      nodes_featureids: [0n, 0n],
      nodes_values: [0, 0],
      nodes_modes: ["BRANCH_LEQ", "BRANCH_LEQ"],
      nodes_truenodeids: [1n, 1n],
      nodes_falsenodeids: [1n, 0n],
      target_treeids: [0n],
      target_nodeids: [1n],
      target_ids: [0n],
      target_weights: [1],
    };
    await expect(runNode("TreeEnsembleRegressor", [X], ml(loop))).rejects.toThrow(
      /TreeEnsembleRegressor.*no end/,
    );
  });

  test("linear models", async () => {
    const linear = { coefficients: [1, 2], intercepts: [0.5] };
    expect(await listOf("LinearRegressor", [X], ml(linear))).toEqual([[11.5], [-0.5]]);
    const [labels, scores] = await runNode(
      "LinearClassifier",
      [X],
      ml({ ...linear, classlabels_ints: [3n, 8n] }, 2),
    );
    expect(await labels.tolist()).toEqual([8n, 3n]);
    expect(await scores.tolist()).toEqual([
      [-10.5, 11.5],
      [1.5, -0.5],
    ]);
  });
});
