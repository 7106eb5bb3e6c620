// Operators that move, cut, pick and place elements, in the forms of several versions of the standard. Values by hand.

import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/index.js";
import { load } from "../../src/onnx/index.js";
import { listOf, runNode } from "./run.js";
import { type AttributeText, writeModel } from "./write.js";

const ints = (...values: number[]): Tensor => Tensor.from(BigInt64Array.from(values, BigInt));
const M = Tensor.from([
  [1, 2, 3],
  [4, 5, 6],
]);

describe("shapes", () => {
  test("reshape takes sizes of the input for 0, and what is left for -1", async () => {
    expect((await runNode("Reshape", [M, ints(0, -1, 1)]))[0].shape).toEqual([2, 3, 1]);
    expect((await runNode("Reshape", [M], { opset: 1, attributes: { shape: [3n, -1n] } }))[0].shape).toEqual([
      3, 2,
    ]);
    const empty = await runNode("Reshape", [Tensor.zeros([0, 3]), ints(3, 0)], {
      attributes: { allowzero: 1n },
    });
    expect(empty[0].shape).toEqual([3, 0]);
    await expect(runNode("Reshape", [M, ints(1, 1, 0)])).rejects.toThrow(
      /Reshape "0": the shape \[1,1,0\] takes axis 2/,
    );
  });

  test("axes of one element come and go, by attribute or input", async () => {
    const x = Tensor.zeros([1, 2, 1]);
    expect((await runNode("Squeeze", [x]))[0].shape).toEqual([2]);
    expect((await runNode("Squeeze", [x, ints(-1)]))[0].shape).toEqual([1, 2]);
    expect((await runNode("Squeeze", [x], { opset: 11, attributes: { axes: [0n] } }))[0].shape).toEqual([
      2, 1,
    ]);
    await expect(runNode("Squeeze", [x, ints(1)])).rejects.toThrow(/axis 1 .* has 2 elements/);
    expect((await runNode("Unsqueeze", [M, ints(0, -1)]))[0].shape).toEqual([1, 2, 3, 1]);
    expect(
      (await runNode("Flatten", [Tensor.zeros([2, 3, 4])], { attributes: { axis: 2n } }))[0].shape,
    ).toEqual([6, 4]);
  });

  test("expanding and repeating", async () => {
    expect((await runNode("Expand", [Tensor.zeros([3, 1]), ints(2, 1, 6)]))[0].shape).toEqual([2, 3, 6]);
    expect(await listOf("Tile", [Tensor.from([1, 2]), ints(2)])).toEqual([1, 2, 1, 2]);
    expect(await listOf("Tile", [M, Tensor.from(2), Tensor.from(1)], { opset: 1 })).toEqual([
      [1, 2, 3, 1, 2, 3],
      [4, 5, 6, 4, 5, 6],
    ]);
  });
});

describe("parts", () => {
  test("slices count as Python's do, forwards and backwards", async () => {
    const x = Tensor.arange(6);
    const slice = (start: number, end: number, step: number): Promise<unknown> =>
      listOf("Slice", [x, ints(start), ints(end), ints(0), ints(step)]);
    expect(await slice(1, -1, 2)).toEqual([1, 3]);
    expect(await slice(-1, -100, -2)).toEqual([5, 3, 1]);
    expect(await slice(3, 3, 1)).toEqual([]);
    expect(await slice(4, 1, -1)).toEqual([4, 3, 2]);
    const whole = Tensor.from(BigInt64Array.of(2n ** 63n - 1n));
    expect(await listOf("Slice", [x, ints(4), whole])).toEqual([4, 5]);
    expect(
      await listOf("Slice", [M], { opset: 9, attributes: { starts: [1n], ends: [9n], axes: [1n] } }),
    ).toEqual([
      [2, 3],
      [5, 6],
    ]);
  });

  test("parts of one size, of sizes, and a smaller last one", async () => {
    const x = Tensor.arange(5);
    const lists = async (...node: Parameters<typeof runNode>): Promise<unknown[]> =>
      Promise.all((await runNode(...node)).map((part) => part.tolist()));
    expect(await lists("Split", [x, ints(1, 4)], { outputs: 2 })).toEqual([[0], [1, 2, 3, 4]]);
    expect(await lists("Split", [x], { outputs: 3, attributes: { num_outputs: 3n } })).toEqual([
      [0, 1],
      [2, 3],
      [4],
    ]);
    await expect(runNode("Split", [x, ints(1, 1)], { outputs: 2 })).rejects.toThrow(/do not add up to the 5/);
  });

  test("borders of all kinds, and negative ones", async () => {
    const x = Tensor.from([1, 2, 3]);
    const padded = (mode: string, ...pads: number[]) =>
      listOf("Pad", [x, ints(...pads)], { attributes: { mode } });
    expect(await padded("constant", 1, 1)).toEqual([0, 1, 2, 3, 0]);
    expect(await padded("reflect", 2, 1)).toEqual([3, 2, 1, 2, 3, 2]);
    expect(await padded("edge", 1, 2)).toEqual([1, 1, 2, 3, 3, 3]);
    expect(await padded("wrap", 1, 1)).toEqual([3, 1, 2, 3, 1]);
    expect(await padded("constant", -1, 1)).toEqual([2, 3, 0]);
    expect(await listOf("Pad", [M, ints(1, 0), Tensor.from(9), ints(-1)])).toEqual([
      [9, 1, 2, 3],
      [9, 4, 5, 6],
    ]);
  });
});

describe("places", () => {
  test("gathers count from the end for negative places", async () => {
    expect(await listOf("Gather", [M, ints(-1, 0)], { attributes: { axis: 1n } })).toEqual([
      [3, 1],
      [6, 4],
    ]);
    expect(await listOf("GatherElements", [M, Tensor.from([[0n, -1n, 0n]])])).toEqual([[1, 5, 3]]);
    expect(await listOf("GatherND", [M, Tensor.from([[1n, -2n]])])).toEqual([5]);
  });

  test("scatters write, add, and take the larger", async () => {
    const zeros = Tensor.zeros([3]);
    const scattered = (reduction: string) =>
      listOf("ScatterElements", [zeros, ints(0, -1, 0), Tensor.from([1, 2, 4])], {
        opset: 18,
        attributes: { reduction },
      });
    expect(await scattered("add")).toEqual([5, 0, 2]);
    expect(await scattered("max")).toEqual([4, 0, 2]);
    await expect(scattered("least")).rejects.toThrow(/no reduction "least"/);
    expect(await listOf("ScatterND", [M, Tensor.from([[0n]]), Tensor.from([[7, 8, 9]])])).toEqual([
      [7, 8, 9],
      [4, 5, 6],
    ]);
  });

  test("results as large as the data say", async () => {
    const x = Tensor.from([3, 0, 3, 1]);
    expect(await listOf("NonZero", [x])).toEqual([[0n, 2n, 3n]]);
    const unique = await runNode("Unique", [x], { outputs: 4 });
    expect(await Promise.all(unique.map((part) => part.tolist()))).toEqual([
      [0, 1, 3],
      [1n, 3n, 0n],
      [2n, 0n, 2n, 1n],
      [1n, 1n, 2n],
    ]);
    expect(await listOf("Compress", [x, Tensor.from([true, false, true])])).toEqual([3, 3]);
    const boxes = Tensor.from([
      [
        [0, 0, 1, 1],
        [0, 0.1, 1, 1.1],
        [0, 2, 1, 3],
      ],
    ]);
    const scores = Tensor.from([[[0.9, 0.95, 0.5]]]);
    const kept = await listOf("NonMaxSuppression", [boxes, scores, ints(3), Tensor.from([0.5])]);
    expect(kept).toEqual([
      [0n, 0n, 1n],
      [0n, 0n, 2n],
    ]);
  });

  test("a later node follows a size that a run gives", async () => {
    const model = await load(
      writeModel({
        graph: {
          inputs: { x: ["float32", [4]] },
          outputs: ["y"],
          nodes: [
            { op: "NonZero", inputs: ["x"], outputs: ["at"] },
            { op: "Transpose", inputs: ["at"], outputs: ["rows"] },
            { op: "GatherND", inputs: ["x", "rows"], outputs: ["kept"] },
            { op: "Mul", inputs: ["kept", "kept"], outputs: ["y"] },
          ],
        },
      }),
    );
    for (const [x, y] of [
      [
        [1, 0, 2, 0],
        [1, 4],
      ],
      [[0, 0, 0, 3], [9]],
      [
        [5, 0, 1, 0],
        [25, 1],
      ],
    ]) {
      const result = await model.run({ x: Float32Array.from(x) });
      expect(await (result.y as Tensor).tolist()).toEqual(y);
    }
  });
});

describe("strings and sequences", () => {
  const run = async (
    op: string,
    x: readonly string[],
    attributes: Record<string, AttributeText> = {},
    outputs = ["y"],
  ) => {
    const model = await load(
      writeModel({
        graph: {
          inputs: { x: ["string", [x.length]] },
          outputs,
          nodes: [{ op, inputs: ["x"], outputs, attributes }],
        },
      }),
    );
    return model.run({ x });
  };

  test("strings move as numbers do", async () => {
    const x = ["a", "b", "c", "d"];
    const model = await load(
      writeModel({
        graph: {
          inputs: { x: ["string", [4]] },
          outputs: ["y"],
          constants: {
            shape: { type: "int64", shape: [2], raw: new Uint8Array(BigInt64Array.of(2n, 2n).buffer) },
          },
          nodes: [
            { op: "Reshape", inputs: ["x", "shape"], outputs: ["m"] },
            { op: "Transpose", inputs: ["m"], outputs: ["t"] },
            { op: "Concat", inputs: ["t", "m"], outputs: ["y"], attributes: { axis: 0n } },
          ],
        },
      }),
    );
    expect((await model.run({ x })).y).toEqual({
      shape: [4, 2],
      data: ["a", "c", "b", "d", "a", "b", "c", "d"],
    });
  });

  test("cases, words, patterns", async () => {
    const cased = await run("StringNormalizer", ["Ab", "x", "cD"], {
      case_change_action: "UPPER",
      stopwords: ["x"],
    });
    expect(cased.y).toEqual({ shape: [2], data: ["AB", "CD"] });
    const parts = await run("StringSplit", ["a,b", "c"], { delimiter: "," }, ["y", "n"]);
    expect(parts.y).toEqual({ shape: [2, 2], data: ["a", "b", "c", ""] });
    expect(await (parts.n as Tensor).tolist()).toEqual([2n, 1n]);
    const matched = await run("RegexFullMatch", ["ab1", "1"], { pattern: "[a-z]+\\d" });
    expect(await (matched.y as Tensor).tolist()).toEqual([true, false]);
  });

  test("sequences are built, changed and joined", async () => {
    const model = await load(
      writeModel({
        graph: {
          inputs: { a: ["float32", [1]], b: ["float32", [1]], at: ["int64", []] },
          outputs: ["all", "n", "one"],
          nodes: [
            { op: "SequenceConstruct", inputs: ["a", "b"], outputs: ["s"] },
            { op: "SequenceInsert", inputs: ["s", "b", "at"], outputs: ["t"] },
            { op: "SequenceErase", inputs: ["t"], outputs: ["u"] },
            { op: "ConcatFromSequence", inputs: ["u"], outputs: ["all"], attributes: { axis: 0n } },
            { op: "SequenceLength", inputs: ["t"], outputs: ["n"] },
            { op: "SequenceAt", inputs: ["t", "at"], outputs: ["one"] },
          ],
        },
      }),
    );
    const given = { a: Float32Array.of(1), b: Float32Array.of(2) };
    const { all, n, one } = await model.run({ ...given, at: BigInt64Array.of(0n) });
    expect(await (all as Tensor).tolist()).toEqual([2, 1]);
    expect(await (n as Tensor).item()).toBe(3n);
    expect(await (one as Tensor).tolist()).toEqual([2]);
    await expect(model.run({ ...given, at: BigInt64Array.of(9n) })).rejects.toThrow(
      /SequenceInsert "1": there is no place 9/,
    );
  });

  test("a scan carries a state and gives what it makes of each slice", async () => {
    const model = await load(
      writeModel({
        graph: {
          inputs: { start: ["float32", [1]], x: ["float32", [3, 1]] },
          outputs: ["last", "all"],
          nodes: [
            {
              op: "Scan",
              inputs: ["start", "x"],
              outputs: ["last", "all"],
              attributes: {
                num_scan_inputs: 1n,
                scan_input_directions: [1n],
                body: {
                  graph: {
                    inputs: { s: ["float32", [1]], e: ["float32", [1]] },
                    outputs: ["t", "o"],
                    nodes: [
                      { op: "Add", inputs: ["s", "e"], outputs: ["t"] },
                      { op: "Identity", inputs: ["t"], outputs: ["o"] },
                    ],
                  },
                },
              },
            },
          ],
        },
      }),
    );
    const { last, all } = await model.run({ start: Float32Array.of(10), x: Float32Array.of(1, 2, 3) });
    expect(await (last as Tensor).tolist()).toEqual([16]);
    expect(await (all as Tensor).tolist()).toEqual([[13], [15], [16]]);
  });
});
