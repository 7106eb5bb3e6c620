// Models from bytes to results: what a graph is made of, how it is cut where elements must be known, what is wrong with it.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Tensor } from "../../src/index.js";
import { load, OnnxError } from "../../src/onnx/index.js";
import { floats, integers, type ModelText, writeModel } from "./write.js";

const open = (text: ModelText) => load(writeModel(text));

describe("models", () => {
  test("inputs and outputs are told with names, types and shapes", async () => {
    const model = await open({
      graph: {
        inputs: { x: ["float32", ["batch", 3]] },
        outputs: { y: ["float32", ["batch", 3]] },
        constants: { w: floats([3], [1, 2, 3]) },
        nodes: [{ op: "Mul", inputs: ["x", "w"], outputs: ["y"] }],
      },
    });
    expect(model.inputs).toEqual([
      { name: "x", kind: "tensor", type: "float32", dtype: "float32", shape: ["batch", 3] },
    ]);
    expect(model.outputs.map(({ name }) => name)).toEqual(["y"]);
    const { y } = await model.run({ x: Float32Array.of(1, 1, 1, 2, 2, 2) });
    expect((y as Tensor).shape).toEqual([2, 3]);
    expect(await (y as Tensor).data()).toEqual(Float32Array.of(1, 2, 3, 2, 4, 6));
  });

  test("a shape that is computed from constants and shapes needs no run", async () => {
    const model = await open({
      graph: {
        inputs: { x: ["float32", [2, 3]] },
        outputs: ["y"],
        constants: { two: integers([1], [2]) },
        nodes: [
          { op: "Shape", inputs: ["x"], outputs: ["s"] },
          { op: "Mul", inputs: ["s", "two"], outputs: ["t"] },
          { op: "Sub", inputs: ["t", "s"], outputs: ["u"] },
          { op: "Reshape", inputs: ["x", "u"], outputs: ["y"] },
        ],
      },
    });
    const { y } = model.toTensors({ x: Tensor.ones([2, 3]) });
    expect(y.shape).toEqual([2, 3]);
  });

  test("a part of a shape may be nothing", async () => {
    const model = await open({
      graph: {
        inputs: { x: ["float32", [2, 3]] },
        outputs: ["y"],
        constants: { none: integers([1], [0]), all: integers([1], [6]) },
        nodes: [
          { op: "Shape", inputs: ["x"], outputs: ["s"] },
          { op: "Slice", inputs: ["s", "none", "none"], outputs: ["t"] },
          { op: "Concat", inputs: ["t", "all"], outputs: ["u"], attributes: { axis: 0n } },
          { op: "Reshape", inputs: ["x", "u"], outputs: ["y"] },
        ],
      },
    });
    expect(model.toTensors({ x: Tensor.ones([2, 3]) }).y.shape).toEqual([6]);
  });

  test("a shape that is given is read where it is needed", async () => {
    const model = await open({
      graph: {
        inputs: { x: ["float32", [6]], s: ["int64", [2]] },
        outputs: ["z"],
        nodes: [
          { op: "Add", inputs: ["x", "x"], outputs: ["a"] },
          { op: "Reshape", inputs: ["a", "s"], outputs: ["y"] },
          { op: "Mul", inputs: ["y", "y"], outputs: ["z"] },
        ],
      },
    });
    for (const shape of [
      [2n, 3n],
      [3n, -1n],
      [2n, 3n],
    ]) {
      const { z } = await model.run({ x: Float32Array.of(0, 1, 2, 3, 4, 5), s: BigInt64Array.from(shape) });
      expect((z as Tensor).shape).toEqual([Number(shape[0]), 6 / Number(shape[0])]);
      expect(await (z as Tensor).data()).toEqual(Float32Array.of(0, 4, 16, 36, 64, 100));
    }
    expect(() => model.toTensors({ x: Tensor.ones([6]), s: Tensor.ones([2], { dtype: "int64" }) })).toThrow(
      OnnxError,
    );
  });

  test("functions of the model are written out, with the attributes of their caller", async () => {
    const model = await open({
      opsets: { "": 21, mine: 1 },
      functions: [
        {
          name: "Twice",
          domain: "mine",
          inputs: ["a", "unused"],
          outputs: ["b"],
          attributes: ["factor"],
          nodes: [
            { op: "Constant", outputs: ["f"], attributes: { value_float: { reference: "factor" } } },
            { op: "Mul", inputs: ["a", "f"], outputs: ["b"] },
          ],
        },
      ],
      graph: {
        inputs: { x: ["float32", [2]] },
        outputs: ["z"],
        nodes: [
          { op: "Twice", domain: "mine", inputs: ["x"], outputs: ["y"], attributes: { factor: 2 } },
          { op: "Twice", domain: "mine", inputs: ["y"], outputs: ["z"], attributes: { factor: 5 } },
        ],
      },
    });
    const { z } = await model.run({ x: Float32Array.of(1, 2) });
    expect(await (z as Tensor).data()).toEqual(Float32Array.of(10, 20));
  });

  test("gradients flow through a model as a function", async () => {
    const model = await open({
      graph: {
        inputs: { x: ["float32", [2]] },
        outputs: ["y"],
        nodes: [{ op: "Mul", inputs: ["x", "x"], outputs: ["y"] }],
      },
    });
    const x = Tensor.from([3, 4], { requiresGrad: true });
    model.toTensors({ x }).y.sum().backward();
    expect(await x.grad!.data()).toEqual(Float32Array.of(6, 8));
  });
});

describe("data in other files", () => {
  const folder = mkdtempSync(join(tmpdir(), "brisc-onnx-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "model"));
  const bytes = new Uint8Array(Float32Array.of(9, 9, 2, 3).buffer);
  writeFileSync(join(folder, "model", "weights.bin"), bytes);
  writeFileSync(join(folder, "secret.bin"), bytes);
  symlinkSync(join(folder, "secret.bin"), join(folder, "model", "link.bin"));
  const file = join(folder, "model", "m.onnx");
  const text = (external: Record<string, string>): ModelText => ({
    graph: {
      inputs: { x: ["float32", [2]] },
      outputs: ["y"],
      constants: { w: { type: "float32", shape: [2], external } },
      nodes: [{ op: "Mul", inputs: ["x", "w"], outputs: ["y"] }],
    },
  });
  const loadText = (external: Record<string, string>) => {
    writeFileSync(file, writeModel(text(external)));
    return load(file);
  };

  test("are read from the model's folder", async () => {
    const model = await loadText({ location: "weights.bin", offset: "8", length: "8" });
    const { y } = await model.run({ x: Float32Array.of(1, 10) });
    expect(await (y as Tensor).data()).toEqual(Float32Array.of(2, 30));
  });

  test("or from files that are given", async () => {
    const model = await load(writeModel(text({ location: "w", offset: "8" })), {
      externalData: { w: bytes },
    });
    const { y } = await model.run({ x: Float32Array.of(1, 10) });
    expect(await (y as Tensor).data()).toEqual(Float32Array.of(2, 30));
    await expect(load(writeModel(text({ location: "w" })))).rejects.toThrow(/externalData/);
  });

  test.each([
    ["../secret.bin", /does not lie in its folder/],
    [join(folder, "secret.bin"), /does not lie in its folder/],
    ["link.bin", /does not lie in its folder/],
    ["file:///etc/passwd", /does not lie in its folder/],
    ["none.bin", /is not there/],
  ])("but from nowhere else: %s", async (location, message) => {
    await expect(loadText({ location })).rejects.toThrow(message);
  });

  test("and only as far as they reach", async () => {
    await expect(loadText({ location: "weights.bin", offset: "12" })).rejects.toThrow(/"w".*end at 20/);
    await expect(loadText({ location: "weights.bin", offset: "-8" })).rejects.toThrow(/offset/);
    await expect(loadText({ location: "weights.bin", length: "4" })).rejects.toThrow(/takes 8 bytes/);
  });
});

describe("control flow", () => {
  const branch = (op: string) => ({
    graph: { outputs: ["r"], nodes: [{ op, inputs: ["x", "x"], outputs: ["r"] }] },
  });

  test("the branch of a condition that is given", async () => {
    const model = await open({
      graph: {
        inputs: { c: ["bool", []], x: ["float32", [1]] },
        outputs: ["y"],
        nodes: [
          {
            op: "If",
            inputs: ["c"],
            outputs: ["y"],
            attributes: { then_branch: branch("Add"), else_branch: branch("Mul") },
          },
        ],
      },
    });
    const x = Tensor.from([3]);
    for (const [c, expected] of [
      [true, 6],
      [false, 9],
      [true, 6],
    ] as const) {
      const { y } = await model.run({ c: Tensor.full([], c), x });
      expect(await (y as Tensor).item()).toBe(expected);
    }
  });

  const loop = (most: readonly number[]): ModelText => ({
    graph: {
      inputs: { x: ["float32", [1]], go: ["bool", []] },
      outputs: ["last", "all"],
      constants: { most: integers([], most) },
      nodes: [
        {
          op: "Loop",
          inputs: ["most", "go", "x"],
          outputs: ["last", "all"],
          attributes: {
            body: {
              graph: {
                inputs: { i: ["int64", []], c: ["bool", []], v: ["float32", [1]] },
                outputs: ["d", "w", "v"],
                nodes: [
                  { op: "Identity", inputs: ["c"], outputs: ["d"] },
                  { op: "Add", inputs: ["v", "x"], outputs: ["w"] },
                ],
              },
            },
          },
        },
      ],
    },
  });

  test("a loop carries values and stacks what each iteration gives", async () => {
    const model = await open(loop([3]));
    for (const start of [1, 5]) {
      const { last, all } = await model.run({ x: Float32Array.of(start), go: Tensor.full([], true) });
      expect(await (last as Tensor).item()).toBe(4 * start);
      expect(await (all as Tensor).tolist()).toEqual([[start], [2 * start], [3 * start]]);
    }
  });

  test("a loop without an end can be stopped", async () => {
    const [node] = loop([3]).graph.nodes;
    const endless = { ...loop([3]).graph, nodes: [{ ...node, inputs: ["", "go", "x"] }] };
    const model = await open({ graph: endless });
    const run = model.run(
      { x: Float32Array.of(1), go: Tensor.full([], true) },
      { signal: AbortSignal.timeout(100) },
    );
    await expect(run).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test("a loop that may not begin gives what it was given", async () => {
    const model = await open({
      ...loop([3]),
      graph: { ...loop([3]).graph, outputs: ["last"] },
    });
    const { last } = await model.run({ x: Float32Array.of(7), go: Tensor.full([], false) });
    expect(await (last as Tensor).item()).toBe(7);
  });
});

describe("what is wrong is said", () => {
  const simple: ModelText = {
    graph: {
      inputs: { x: ["float32", [2]] },
      outputs: ["y"],
      nodes: [{ op: "Mul", name: "m", inputs: ["x", "x"], outputs: ["y"] }],
    },
  };
  const withNodes = (nodes: ModelText["graph"]["nodes"]): ModelText => ({
    graph: { ...simple.graph, nodes },
  });

  test.each([
    ["an unknown operator", withNodes([{ op: "Frobnicate", name: "f", outputs: ["y"] }]), /Frobnicate "f"/],
    [
      "a name that nothing gives",
      withNodes([{ op: "Add", inputs: ["x", "q"], outputs: ["y"] }]),
      /"q", which nothing/,
    ],
    [
      "a cycle",
      withNodes([
        { op: "Add", inputs: ["x", "y"], outputs: ["a"] },
        { op: "Add", inputs: ["a", "x"], outputs: ["y"] },
      ]),
      /cycle/,
    ],
    [
      "a name given twice",
      withNodes([
        { op: "Add", inputs: ["x", "x"], outputs: ["y"] },
        { op: "Mul", inputs: ["x", "x"], outputs: ["y"] },
      ]),
      /given twice/,
    ],
    ["an output that nothing gives", withNodes([]), /nothing gives the output "y"/],
  ])("%s", async (_, text, message) => {
    await expect(open(text)).rejects.toThrow(message);
    await expect(open(text)).rejects.toThrow(OnnxError);
  });

  test("nodes in any order are sorted", async () => {
    const model = await open(
      withNodes([
        { op: "Add", inputs: ["a", "x"], outputs: ["y"] },
        { op: "Mul", inputs: ["x", "x"], outputs: ["a"] },
      ]),
    );
    const { y } = await model.run({ x: Float32Array.of(1, 2) });
    expect(await (y as Tensor).data()).toEqual(Float32Array.of(2, 6));
  });

  test("inputs of another name, type or shape", async () => {
    const model = await open(simple);
    await expect(model.run({})).rejects.toThrow(/"x" is missing/);
    await expect(model.run({ x: Float32Array.of(1, 2), z: Tensor.ones([1]) })).rejects.toThrow(
      /no input "z"/,
    );
    await expect(model.run({ x: Tensor.ones([3]) })).rejects.toThrow(/shape \[2\], not \[3\]/);
    await expect(model.run({ x: Tensor.ones([2], { dtype: "int32" }) })).rejects.toThrow(/must be float32/);
  });

  test("bytes that are no model", async () => {
    await expect(load(Uint8Array.of(1, 2, 3))).rejects.toThrow(/not an ONNX model/);
    await expect(load(writeModel(simple).subarray(0, 20))).rejects.toThrow(OnnxError);
  });
});
