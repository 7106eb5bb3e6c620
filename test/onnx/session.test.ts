// A program written for onnxruntime runs with another import.

import * as ort from "brisc/onnxruntime";
import { describe, expect, test } from "vitest";
import { type ModelText, writeModel } from "./write.js";

const model: ModelText = {
  graph: {
    inputs: { a: ["float32", ["n", 2]], b: ["float32", [2]] },
    outputs: { sum: ["float32", ["n", 2]], product: ["float32", ["n", 2]] },
    nodes: [
      { op: "Add", inputs: ["a", "b"], outputs: ["sum"] },
      { op: "Mul", inputs: ["a", "b"], outputs: ["product"] },
    ],
  },
};

const passing = (type: "float16" | "int64" | "bool" | "string"): ModelText => ({
  graph: {
    inputs: { x: [type, [2]] },
    outputs: ["y"],
    nodes: [{ op: "Identity", inputs: ["x"], outputs: ["y"] }],
  },
});

describe("InferenceSession", () => {
  test("names, metadata, runs, fetches", async () => {
    const session = await ort.InferenceSession.create(writeModel(model), { executionProviders: ["cpu"] });
    expect(session.inputNames).toEqual(["a", "b"]);
    expect(session.outputNames).toEqual(["sum", "product"]);
    expect(session.inputMetadata[0]).toEqual({ name: "a", isTensor: true, type: "float32", shape: ["n", 2] });
    const a = new ort.Tensor("float32", [1, 2, 3, 4], [2, 2]);
    const b = new ort.Tensor(Float32Array.of(10, 20));
    const { sum, product } = await session.run({ a, b });
    expect(sum.dims).toEqual([2, 2]);
    expect(sum.data).toEqual(Float32Array.of(11, 22, 13, 24));
    expect(await product.getData()).toEqual(Float32Array.of(10, 40, 30, 80));
    expect(Object.keys(await session.run({ a, b }, ["product"]))).toEqual(["product"]);
    await expect(session.run({ a, b }, ["quotient"])).rejects.toThrow(/no output "quotient"/);
    await expect(session.run({ a })).rejects.toThrow(/"b" is missing/);
    await session.release();
  });

  test("types with arrays of their own", async () => {
    const run = async (type: "float16" | "int64" | "bool" | "string", data: ort.TensorData) => {
      const session = await ort.InferenceSession.create(writeModel(passing(type)));
      return (await session.run({ x: new ort.Tensor(type, data) })).y;
    };
    expect((await run("float16", Uint16Array.of(0x3c00, 0xc000))).data).toEqual(
      Uint16Array.of(0x3c00, 0xc000),
    );
    expect((await run("int64", BigInt64Array.of(2n ** 60n, -1n))).data).toEqual(
      BigInt64Array.of(2n ** 60n, -1n),
    );
    expect((await run("bool", Uint8Array.of(1, 0))).data).toEqual(Uint8Array.of(1, 0));
    expect((await run("string", ["a", "b"])).data).toEqual(["a", "b"]);
  });

  test("tensors check what they are made of", () => {
    expect(() => new ort.Tensor("float32", [1, 2, 3], [2])).toThrow(/2 elements, not 3/);
    expect(() => new ort.Tensor("float32", Int32Array.of(1))).toThrow(/takes Float32Array/);
    expect(new ort.Tensor("int64", [1, 2]).data).toEqual(BigInt64Array.of(1n, 2n));
    expect(new ort.Tensor(["x"]).type).toBe("string");
    const disposed = new ort.Tensor(Float32Array.of(1));
    disposed.dispose();
    expect(() => disposed.data).toThrow(/disposed/);
  });
});
