// Conversions between element types, strings among them; random numbers.

import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/index.js";
import { load } from "../../src/onnx/index.js";
import { codeOf, type ElementType } from "../../src/onnx/types.js";
import { listOf, runNode } from "./run.js";
import { type AttributeText, writeModel } from "./write.js";

type Attributes = Readonly<Record<string, AttributeText>>;

const to = (type: ElementType): Attributes => ({ to: BigInt(codeOf(type)) });

/** Elements that were converted to a type and back to float32. */
async function through(type: ElementType, x: Tensor, attributes: Attributes = {}): Promise<unknown> {
  const model = await load(
    writeModel({
      opsets: { "": 25 },
      graph: {
        inputs: { x: [x.dtype, x.sizes] },
        outputs: ["z"],
        nodes: [
          { op: "Cast", inputs: ["x"], outputs: ["y"], attributes: { ...to(type), ...attributes } },
          { op: "Cast", inputs: ["y"], outputs: ["z"], attributes: to("float32") },
        ],
      },
    }),
  );
  const { z } = await model.run({ x });
  return (z as Tensor).tolist();
}

async function strings(texts: readonly string[], type: ElementType): Promise<unknown> {
  const model = await load(
    writeModel({
      graph: {
        outputs: ["y"],
        constants: { x: { type: "string", shape: [texts.length], strings: texts } },
        nodes: [{ op: "Cast", inputs: ["x"], outputs: ["y"], attributes: to(type) }],
      },
    }),
  );
  const { y } = await model.run({});
  return (y as Tensor).tolist();
}

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

describe("Cast", () => {
  test("narrow floats: rounded to even, limited or not", async () => {
    const x = Tensor.from([0.3, 300, -1e6, infinity, nan, 2 ** -12]);
    const whole = { saturate: 0n };
    expect(await through("float8e4m3fnuz", x)).toEqual([0.3125, 240, -240, 240, nan, 0]);
    expect(await through("float8e4m3fnuz", x, whole)).toEqual([0.3125, nan, nan, nan, nan, 0]);
    expect(await through("float8e5m2fnuz", x)).toEqual([0.3125, 320, -57344, 57344, nan, 2 ** -12]);
    expect(await through("float8e4m3", x)).toEqual([0.3125, 288, -448, 448, nan, 0]);
    expect(await through("float8e4m3", x, whole)).toEqual([0.3125, 288, nan, nan, nan, 0]);
    expect(await through("float8e5m2", x, whole)).toEqual([0.3125, 320, -infinity, infinity, nan, 2 ** -12]);
    expect(await through("float4e2m1", Tensor.from([0.25, 0.75, 2.5, 5, -9, nan]))).toEqual([
      0, 1, 2, 4, -6, 0,
    ]);
  });

  test("the smallest of narrow floats", async () => {
    const x = Tensor.from([2 ** -10, 3 * 2 ** -11, 2 ** -11, -(2 ** -12)]);
    expect(await through("float8e4m3fnuz", x)).toEqual([2 ** -10, 2 ** -9, 0, 0]);
  });

  test("powers of two: up, down, or to the nearest", async () => {
    const x = Tensor.from([0, 0.6, 1, 1.25, 1.5, infinity, nan]);
    const rounded = (mode: string, saturate: bigint) =>
      through("float8e8m0", x, { round_mode: mode, saturate });
    expect(await rounded("up", 1n)).toEqual([2 ** -127, 1, 1, 2, 2, 2 ** 127, nan]);
    expect(await rounded("down", 1n)).toEqual([2 ** -127, 0.5, 1, 1, 1, 2 ** 127, nan]);
    expect(await rounded("nearest", 0n)).toEqual([nan, 0.5, 1, 1, 2, nan, nan]);
    await expect(rounded("even", 1n)).rejects.toThrow(/up, down or nearest/);
  });

  test("integers of few bits drop the high ones", async () => {
    const x = Tensor.from([-9, 7, 8, 17], { dtype: "int32" });
    expect(await through("int4", x)).toEqual([7, 7, -8, 1]);
    expect(await through("uint4", x)).toEqual([7, 7, 8, 1]);
    expect(await through("int2", x)).toEqual([-1, -1, 0, 1]);
  });

  test("strings are read as numbers", async () => {
    expect(await strings(["1e3", " -INF", "nan", ".5"], "float32")).toEqual([1000, -infinity, nan, 0.5]);
    expect(await strings(["9007199254740993", "-7", "2.5"], "int64")).toEqual([9007199254740993n, -7n, 2n]);
    await expect(strings(["hello"], "float32")).rejects.toThrow(/"hello" is not a number/);
  });

  test("numbers are written with the fewest digits", async () => {
    const printed = async (x: Tensor): Promise<unknown> =>
      (await runNode("Cast", [x], { attributes: to("string") }))[0];
    expect(await printed(Tensor.from([0.1, -0, 3, 16777216, infinity, nan]))).toEqual({
      data: ["0.1", "-0.0", "3.0", "16777216.0", "INF", "NaN"],
      shape: [6],
    });
    expect(await printed(Tensor.from([2n ** 60n]))).toEqual({
      data: ["1152921504606846976"],
      shape: [1],
    });
  });

  test("early versions name the type", async () => {
    const [y] = await runNode("Cast", [Tensor.from([1.5])], { opset: 5, attributes: { to: "DOUBLE" } });
    expect(y.dtype).toBe("float64");
  });

  test("bits are kept as a type of the same width", async () => {
    expect(await listOf("BitCast", [Tensor.from([1])], { opset: 26, attributes: to("int32") })).toEqual([
      0x3f800000,
    ]);
    const wrong = runNode("BitCast", [Tensor.from([1])], { opset: 26, attributes: to("int64") });
    await expect(wrong).rejects.toThrow(/have 32 bits/);
  });
});

test.each([
  ["float8e4m3fnuz", 256],
  ["float8e5m2fnuz", 256],
  ["float8e8m0", 256],
  ["float4e2m1", 16],
  ["int4", 16],
] as const)("all bits of %s survive a way through its values", async (type, count) => {
  const bits = count === 256 ? "uint8" : "uint4";
  const chain = [bits, type, bits, "uint8"] as const;
  const model = await load(
    writeModel({
      opsets: { "": 26 },
      graph: {
        inputs: { x: ["uint8", [count]] },
        outputs: ["x4"],
        nodes: chain.map((to, i) => ({
          op: i === 0 || i === 3 ? "Cast" : "BitCast",
          inputs: [i === 0 ? "x" : `x${i}`],
          outputs: [`x${i + 1}`],
          attributes: { to: BigInt(codeOf(to)) },
        })),
      },
    }),
  );
  const all = Array.from({ length: count }, (_, i) => i);
  const { x4 } = await model.run({ x: Tensor.from(all, { dtype: "uint8" }) });
  expect(await (x4 as Tensor).tolist()).toEqual(all);
});

describe("random numbers", () => {
  test("a seed gives the same numbers, none gives others", async () => {
    const draw = (attributes: Attributes) =>
      listOf("RandomUniform", [], { attributes: { shape: [4n], low: 2, high: 3, ...attributes } });
    const [a, b] = [await draw({ seed: 1.5 }), await draw({ seed: 1.5 })];
    expect(a).toEqual(b);
    expect(await draw({ seed: 2 })).not.toEqual(a);
    const free = (await draw({})) as number[];
    expect(free.every((x) => x >= 2 && x < 3)).toBe(true);
    expect(await draw({})).not.toEqual(free);
  });

  test("certain outcomes", async () => {
    const [drawn] = await runNode("Bernoulli", [Tensor.from([0, 1])], { attributes: { dtype: 7n } });
    expect([drawn.dtype, await drawn.tolist()]).toEqual(["int64", [0n, 1n]]);
    const logits = Tensor.from([[-1000, 0, -1000]]);
    expect(await listOf("Multinomial", [logits], { attributes: { sample_size: 2n } })).toEqual([[1, 1]]);
  });

  test("dropout draws its mask by its seed, and only in training", async () => {
    const x = Tensor.ones([4]);
    const inputs = (training: boolean) => [x, Tensor.full([], 0.6), Tensor.full([], training)];
    const options = { opset: 13, attributes: { seed: 0n }, outputs: 2 };
    // numpy: seed(0), random.uniform of 4: 0.549, 0.715, 0.603, 0.545
    const [y, mask] = await runNode("Dropout", inputs(true), options);
    expect(await mask.tolist()).toEqual([false, true, true, false]);
    expect(await y.tolist()).toEqual([0, expect.closeTo(2.5), expect.closeTo(2.5), 0]);
    const [same, all] = await runNode("Dropout", inputs(false), options);
    expect([await same.tolist(), await all.tolist()]).toEqual([
      [1, 1, 1, 1],
      [true, true, true, true],
    ]);
  });
});
