// Quantised numbers, their products, and operators on them. Reference values are onnxruntime's.

import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/index.js";
import { codeOf } from "../../src/onnx/types.js";
import { listOf, runNode } from "./run.js";

const bytes = (values: readonly unknown[]) => Tensor.from(values as number[], { dtype: "uint8" });
const byte = (value: number) => Tensor.full([], value, { dtype: "uint8" });
const scale = (value: number) => Tensor.full([], value);
const ms = { domain: "com.microsoft" };

describe("QuantizeLinear and DequantizeLinear", () => {
  test("ties go to even before the zero point is added; the range limits", async () => {
    const x = Tensor.from([-1, 1, 3, 5, 1000]);
    expect(await listOf("QuantizeLinear", [x, scale(2), byte(1)])).toEqual([1, 1, 3, 3, 255]);
    const attributes = { output_dtype: BigInt(codeOf("int16")) };
    expect(await listOf("QuantizeLinear", [x.mul(1000), scale(2)], { attributes })).toEqual([
      -500, 500, 1500, 2500, 32767,
    ]);
  });

  test("blocks along an axis, of which the last may be short", async () => {
    const scales = Tensor.from([
      [1, 2],
      [4, 8],
    ]);
    const attributes = { axis: 1n, block_size: 2n };
    expect(
      await listOf(
        "DequantizeLinear",
        [
          bytes([
            [1, 2, 3],
            [1, 2, 3],
          ]),
          scales,
        ],
        { attributes },
      ),
    ).toEqual([
      [1, 2, 6],
      [4, 8, 24],
    ]);
  });

  test("the range of dynamic quantisation holds 0", async () => {
    const [values, step, zero] = await runNode("DynamicQuantizeLinear", [Tensor.from([1, 2, 5.1])], {
      outputs: 3,
    });
    expect(await values.tolist()).toEqual([50, 100, 255]);
    expect([await step.item(), await zero.item()]).toEqual([expect.closeTo(0.02), 0]);
  });
});

describe("products of integers", () => {
  test("zero points of rows and columns", async () => {
    const [a, b] = [
      bytes([
        [1, 2],
        [3, 5],
      ]),
      bytes([
        [1, 2],
        [3, 4],
      ]),
    ];
    expect(await listOf("MatMulInteger", [a, b, bytes([1, 3]), bytes([0, 1])])).toEqual([
      [3, 3],
      [6, 6],
    ]);
  });

  test("padding of a convolution counts as zero", async () => {
    const [x, w] = [bytes([[[1, 2, 3]]]), bytes([[[1, 1, 1]]])];
    const attributes = { auto_pad: "SAME_UPPER" };
    expect(await listOf("ConvInteger", [x, w, byte(1)], { attributes })).toEqual([[[1, 3, 3]]]);
    await expect(runNode("ConvInteger", [x, w], { attributes: { auto_pad: "SAME" } })).rejects.toThrow(
      /auto_pad/,
    );
  });
});

describe("quantised operators of com.microsoft", () => {
  test("sums and concatenations are given at another scale", async () => {
    const [a, b] = [bytes([10, 20]), bytes([5, 6])];
    const triple = (x: Tensor, step: number, zero: number) => [x, scale(step), byte(zero)];
    const sum = [...triple(a, 0.5, 10), ...triple(b, 1, 0), scale(1), byte(100)];
    expect(await listOf("QLinearAdd", sum, ms)).toEqual([105, 111]);
    const parts = [scale(1), byte(0), ...triple(a, 0.5, 0), ...triple(b, 2, 0)];
    expect(await listOf("QLinearConcat", parts, { ...ms, attributes: { axis: 0n } })).toEqual([
      5, 10, 10, 12,
    ]);
  });

  test("pools with channels last", async () => {
    const x = bytes([[[[1, 10]], [[3, 30]]]]);
    const inputs = [x, scale(1), byte(0), scale(1), byte(5)];
    const attributes = { channels_last: 1n };
    expect(await listOf("QLinearGlobalAveragePool", inputs, { ...ms, attributes })).toEqual([[[[7, 25]]]]);
    expect(
      await listOf("QLinearAveragePool", inputs, {
        ...ms,
        attributes: { ...attributes, kernel_shape: [2n, 1n] },
      }),
    ).toEqual([[[[7, 25]]]]);
  });

  test("a product with a bias in its units, quantised or not", async () => {
    const [a, b] = [bytes([[3, 4]]), bytes([[1, 2]])];
    const c = Tensor.from([9], { dtype: "int32" });
    const inputs = [a, scale(0.5), byte(0), b, scale(2), byte(0), c];
    const options = { ...ms, attributes: { transB: 1n } };
    expect(await listOf("QGemm", inputs, options)).toEqual([[20]]);
    expect(await listOf("QGemm", [...inputs, scale(4), byte(1)], options)).toEqual([[6]]);
  });
});
