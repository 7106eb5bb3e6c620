// Elementwise operators, activations, reductions: what the standard's data leave out, old versions first.

import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/index.js";
import { load } from "../../src/onnx/index.js";
import { listOf, runNode } from "./run.js";
import { writeModel } from "./write.js";

const int = (values: readonly number[], dtype: "int8" | "int32" | "uint8" = "int32") =>
  Tensor.from([...values], { dtype });
const matrix = Tensor.from([
  [1, 2],
  [3, 4],
]);

describe("arithmetic", () => {
  test("before version 7 the second operand lies along the axes from one on", async () => {
    const options = { opset: 6, attributes: { broadcast: 1n, axis: 0n } };
    expect(await listOf("Sub", [matrix, Tensor.from([1, 2])], options)).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect(await listOf("PRelu", [matrix.neg(), Tensor.from([1, 2])], { opset: 6 })).toEqual([
      [-1, -4],
      [-3, -8],
    ]);
  });

  test("quotients of integers are rounded towards zero, remainders by sign", async () => {
    const [a, b] = [int([7, -7, 7, -7]), int([2, 2, -2, -2])];
    expect(await listOf("Div", [a, b])).toEqual([3, -3, -3, 3]);
    expect(await listOf("Mod", [a, b])).toEqual([1, 1, -1, -1]);
    expect(await listOf("Mod", [a, b], { attributes: { fmod: 1n } })).toEqual([1, -1, 1, -1]);
  });

  test("powers have the type of the base", async () => {
    const base = int([1, 2, -3, 5]);
    expect(await listOf("Pow", [base, Tensor.full([], 3)])).toEqual([1, 8, -27, 125]);
    expect(await listOf("Pow", [base, int([0, 10, 3, 1])])).toEqual([1, 1024, -27, 5]);
    expect(await listOf("Pow", [int([2, 9]), Tensor.from([0.5, 0.5])])).toEqual([1, 3]);
    const [power] = await runNode("Pow", [Tensor.from([2]), Tensor.from([3n])]);
    expect([power.dtype, await power.item()]).toEqual(["float32", 8]);
  });

  test("the maximum holds where limits cross; either may be missing", async () => {
    const x = Tensor.from([-2, 0.5, 3]);
    expect(await listOf("Clip", [x, Tensor.full([], 2), Tensor.full([], 1)])).toEqual([1, 1, 1]);
    expect(await listOf("Clip", [x, undefined, Tensor.full([], 1)])).toEqual([-2, 0.5, 1]);
    expect(await listOf("Clip", [x], { opset: 6, attributes: { min: 0 } })).toEqual([0, 0.5, 3]);
  });

  test("any number of operands, which broadcast", async () => {
    const operands = [matrix, Tensor.from([10, 0]), Tensor.full([], 3)];
    expect(await listOf("Max", operands)).toEqual([
      [10, 3],
      [10, 4],
    ]);
    expect(await listOf("Mean", [matrix, matrix.mul(3)])).toEqual([
      [2, 4],
      [6, 8],
    ]);
  });

  test("numbers of the model are written into its kernels, whatever their shape", async () => {
    const model = await load(
      writeModel({
        graph: {
          inputs: { x: ["float32", []] },
          outputs: ["y"],
          constants: { two: { type: "float32", shape: [1], raw: new Uint8Array(Float32Array.of(2).buffer) } },
          nodes: [{ op: "Pow", inputs: ["x", "two"], outputs: ["y"] }],
        },
      }),
    );
    const { y } = await model.run({ x: Tensor.full([], 3) });
    expect(await (y as Tensor).tolist()).toEqual([9]);
  });

  test("infinities of one sign, or of none", async () => {
    const x = Tensor.from([Number.NEGATIVE_INFINITY, 0, Number.POSITIVE_INFINITY]);
    const signs = (negative: bigint, positive: bigint) =>
      listOf("IsInf", [x], { attributes: { detect_negative: negative, detect_positive: positive } });
    expect(await signs(1n, 1n)).toEqual([true, false, true]);
    expect(await signs(0n, 1n)).toEqual([false, false, true]);
    expect(await signs(0n, 0n)).toEqual([false, false, false]);
  });

  test("strings are compared and chosen", async () => {
    const texts = (strings: readonly string[], shape = [strings.length]) =>
      ({ type: "string", shape, strings }) as const;
    const model = await load(
      writeModel({
        graph: {
          inputs: { c: ["bool", [2]] },
          outputs: ["same", "chosen"],
          constants: { a: texts(["x", "y", "z", "y"], [2, 2]), b: texts(["x", "y"]) },
          nodes: [
            { op: "Equal", inputs: ["a", "b"], outputs: ["same"] },
            { op: "Where", inputs: ["c", "a", "b"], outputs: ["chosen"] },
          ],
        },
      }),
    );
    const { same, chosen } = await model.run({ c: Tensor.from([true, false]) });
    expect(await (same as Tensor).tolist()).toEqual([
      [true, true],
      [false, true],
    ]);
    expect(chosen).toEqual({ data: ["x", "y", "z", "y"], shape: [2, 2] });
  });

  test("a shift without a direction is refused", async () => {
    await expect(runNode("BitShift", [int([1], "uint8"), int([1], "uint8")])).rejects.toThrow(
      /LEFT or RIGHT/,
    );
  });
});

describe("activations", () => {
  test("before version 13 all axes from one on are normalised together", async () => {
    const x = Tensor.zeros([2, 2, 2]);
    expect(await listOf("Softmax", [x], { opset: 11 })).toEqual(await x.add(0.25).tolist());
    expect(await listOf("Softmax", [x])).toEqual(await x.add(0.5).tolist());
    expect(await listOf("Softmax", [x], { opset: 11, attributes: { axis: 0n } })).toEqual(
      await x.add(0.125).tolist(),
    );
  });

  test("the first of equals is the hard maximum", async () => {
    expect(await listOf("Hardmax", [Tensor.from([[1, 3, 3]])])).toEqual([[0, 1, 0]]);
  });

  test("scalars and nothing", async () => {
    expect(await listOf("Softmax", [Tensor.full([], 3)], { opset: 11, attributes: { axis: 0n } })).toBe(1);
    expect(await listOf("LogSoftmax", [Tensor.zeros([0, 3])])).toEqual([]);
    expect(await listOf("Relu", [int([-1, 2], "int8")])).toEqual([0, 2]);
  });

  test("what is no number is not above a threshold, and nothing has no hard maximum", async () => {
    expect(await listOf("ThresholdedRelu", [Tensor.from([Number.NaN, 2, 0.5])])).toEqual([0, 2, 0]);
    expect(await listOf("Hardmax", [Tensor.zeros([2, 0])])).toEqual([[], []]);
  });

  test("operators of the first versions of the standard", async () => {
    const early = (attributes: Record<string, number | number[]>) => ({ opset: 6, attributes });
    expect(await listOf("Affine", [matrix], early({ alpha: 2, beta: 1 }))).toEqual([
      [3, 5],
      [7, 9],
    ]);
    const image = Tensor.ones([1, 2, 1, 1]);
    expect(await listOf("ImageScaler", [image], early({ scale: 2, bias: [1, 3] }))).toEqual([[[[3]], [[5]]]]);
  });

  test("gelu has two ways", async () => {
    const attributes = { approximate: "sigmoid" };
    await expect(runNode("Gelu", [matrix], { attributes })).rejects.toThrow(/none or tanh/);
  });

  test("gelu of com.microsoft, with a bias", async () => {
    const ms = { domain: "com.microsoft" };
    const [x, bias] = [Tensor.from([[1, 2]]), Tensor.from([-1, -2])];
    expect(await listOf("BiasGelu", [x, bias], ms)).toEqual([[0, 0]]);
    expect(await listOf("FastGelu", [x, bias], ms)).toEqual([[0, 0]]);
    expect(await listOf("BiasSplitGelu", [x, bias.mul(0)], ms)).toEqual([[expect.closeTo(1.9545, 4)]]);
    expect(await listOf("QuickGelu", [x.sub(1)], ms)).toEqual([[0, expect.closeTo(0.8458, 4)]]);
  });
});

describe("reductions", () => {
  test("no axes mean all, unless they mean none", async () => {
    const none = Tensor.zeros([0], { dtype: "int64" });
    expect(await listOf("ReduceSum", [matrix, none])).toEqual([[10]]);
    const attributes = { noop_with_empty_axes: 1n };
    expect(await listOf("ReduceSumSquare", [matrix, none], { attributes })).toEqual([
      [1, 4],
      [9, 16],
    ]);
  });

  test("axes are an attribute before version 18, of sums before 13", async () => {
    const options = { opset: 11, attributes: { axes: [-1n], keepdims: 0n } };
    expect(await listOf("ReduceSum", [matrix], options)).toEqual([3, 7]);
    expect(await listOf("ReduceMax", [matrix], { ...options, opset: 13 })).toEqual([2, 4]);
    await expect(runNode("ReduceMax", [matrix], { opset: 13, attributes: { axes: [2n] } })).rejects.toThrow(
      /no axis 2/,
    );
  });

  test("results have the type of the elements, means are rounded towards zero", async () => {
    const bytes = int([100, 100, 101], "int8");
    const [total] = await runNode("ReduceSum", [bytes], { attributes: { keepdims: 0n } });
    expect([total.dtype, await total.item()]).toEqual(["int8", 301 - 256]);
    expect(await listOf("ReduceMean", [int([-1, -2])])).toEqual([-1]);
    expect(await listOf("ReduceL2", [Tensor.full([4], 200, { dtype: "float16" })])).toEqual([400]);
  });

  test("the last of equal extremes", async () => {
    const attributes = { axis: 0n, select_last_index: 1n, keepdims: 0n };
    const [place] = await runNode("ArgMax", [Tensor.from([3, 1, 3, 0])], { attributes });
    expect([place.dtype, await place.item()]).toEqual(["int64", 2n]);
  });

  test("running products without the element itself, from the end", async () => {
    const attributes = { exclusive: 1n, reverse: 1n };
    const options = { opset: 26, attributes };
    const axis = Tensor.full([], 0n);
    expect(await listOf("CumProd", [int([1, 2, 3]), axis], options)).toEqual([6, 3, 1]);
    expect(await listOf("CumSum", [Tensor.zeros([0]), axis], options)).toEqual([]);
  });
});
