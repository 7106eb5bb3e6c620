// Operators of com.microsoft: products, norms and attention.

import { describe, expect, test } from "vitest";
import { Tensor } from "../../src/index.js";
import { listOf, type NodeOptions, runNode } from "./run.js";

const domain = "com.microsoft";
const bytes = (values: readonly number[], shape: readonly number[]): Tensor =>
  Tensor.from([...values], { dtype: "uint8" }).reshape([...shape]);
const int = (...values: number[]): Tensor => Tensor.from(values, { dtype: "int32" });

describe("weights of few bits", () => {
  /** Two rows of 18 weights in blocks of 16: 1, 2, 3, 0 over and over, on top of their zero. */
  const weight = (bits: number): Tensor => {
    const [zero, perByte] = [2 ** (bits - 1), 8 / bits];
    const integers = Array.from(
      { length: 32 },
      (_, i) => zero + (bits === 2 ? [1, 0][i % 2] : [1, 2, 3, 0][i % 4]),
    );
    const packed = Array.from({ length: 32 / perByte }, (_, i) =>
      integers.slice(i * perByte, (i + 1) * perByte).reduce((byte, x, k) => byte | (x << (k * bits)), 0),
    );
    return bytes([...packed, ...packed], [2, 2, (16 * bits) / 8]);
  };
  const scales = Tensor.from([
    [1, 10],
    [2, 0.5],
  ]);
  const options = (bits: number): NodeOptions => ({
    domain,
    attributes: { bits: BigInt(bits), N: 2n, K: 18n, block_size: 16n },
  });

  test.each([
    [2, 8 + 10, 16 + 0.5],
    [4, 24 + 30, 48 + 1.5],
    [8, 24 + 30, 48 + 1.5],
  ])("%i bits around the middle", async (bits, first, second) => {
    const x = Tensor.ones([1, 18]);
    expect(await listOf("MatMulNBits", [x, weight(bits), scales], options(bits))).toEqual([[first, second]]);
    expect(await listOf("MatMulNBits", [x.repeat([6, 1]), weight(bits), scales], options(bits))).toEqual(
      Array(6).fill([first, second]),
    );
  });

  test("zero points are packed like weights, or floats", async () => {
    const x = Tensor.ones([1, 18]);
    const packed = bytes([0x79, 0x88], [2, 1]);
    const floats = Tensor.from([
      [9, 7],
      [8, 8],
    ]);
    for (const zeros of [packed, floats]) {
      const result = await listOf("MatMulNBits", [x, weight(4), scales, zeros], options(4));
      expect(result).toEqual([[24 - 16 + 30 + 20, 48 + 1.5]]);
    }
  });

  test("rows of a table in blocks", async () => {
    const table = bytes([...Array<number>(8).fill(0x98), ...Array<number>(8).fill(0x7b)], [2, 8]);
    const inputs = [table, int(1, 0), Tensor.from([[2], [10]])];
    const attributes = { bits: 4n, block_size: 16n, quantize_axis: 1n };
    const [rows] = await runNode("GatherBlockQuantized", inputs, { domain, attributes });
    expect(await rows.narrow(1, 0, 2).tolist()).toEqual([
      [30, -10],
      [0, 2],
    ]);
  });
});

describe("norms and products with what follows", () => {
  test("the sum that is normalised is an output", async () => {
    const [x, skip] = [Tensor.from([[[1, 2]]]), Tensor.from([[[2, 5]]])];
    const options = { domain, outputs: 4, attributes: { epsilon: 0 } };
    const [y, mean, inverse, sum] = await runNode(
      "SkipLayerNormalization",
      [x, skip, Tensor.ones([2])],
      options,
    );
    expect(await Promise.all([y, mean, inverse, sum].map((t) => t.ravel().tolist()))).toEqual([
      [-1, 1],
      [5],
      [0.5],
      [3, 7],
    ]);
  });

  test("an activation is named", async () => {
    const [x, weight] = [Tensor.from([[[-3, 1, 4]]]), Tensor.ones([1, 1, 1])];
    const clip = { activation: "Clip", activation_params: [-1, 2] };
    expect(await listOf("FusedConv", [x, weight], { domain, attributes: clip })).toEqual([[[-1, 1, 2]]]);
    await expect(
      listOf("FusedConv", [x, weight], { domain, attributes: { activation: "Sine" } }),
    ).rejects.toThrow('there is no activation "Sine"');
  });
});

describe("attention", () => {
  const attributes = { num_heads: 2n, kv_num_heads: 1n };
  /** [batch, 1, length, 2], all of one number. */
  const filled = (rows: readonly (readonly number[])[]): Tensor =>
    Tensor.from(rows.map((row) => [row.map((value) => [value, value])]));

  test("each sequence goes on from where it ended", async () => {
    const [q, now] = [Tensor.zeros([2, 1, 4]), Tensor.from([[[9, 9]], [[6, 6]]])];
    const past = filled([
      [1, 2, 0],
      [3, 0, 0],
    ]);
    const inputs = [q, now, now, past, past, int(2, 1), int(3).reshape([])];
    const [y, keys] = await runNode("GroupQueryAttention", inputs, { domain, attributes, outputs: 3 });
    expect(await keys.select(-1, 0).squeeze(1).tolist()).toEqual([
      [1, 2, 9],
      [3, 6, 0],
    ]);
    expect(await y.select(-1, 0).tolist()).toEqual([[4], [4.5]]);
  });

  test("one more share of the weights may go nowhere", async () => {
    const zero = Tensor.zeros([1, 1, 4]);
    const now = Tensor.from([[[6, 6]]]);
    const inputs = [zero, now, now, undefined, undefined, int(0), int(1).reshape([])];
    const smooth = { ...attributes, smooth_softmax: 1n };
    expect(await listOf("GroupQueryAttention", inputs, { domain, attributes: smooth })).toEqual([
      [[3, 3, 3, 3]],
    ]);
    const sink = [...inputs, undefined, undefined, undefined, undefined, Tensor.from([0, -1e9])];
    expect(await listOf("GroupQueryAttention", sink, { domain, attributes })).toEqual([[[3, 3, 6, 6]]]);
  });

  test("queries, keys and values packed together", async () => {
    const packed = Tensor.from([0, 0, 0, 0, 1, 5, 0, 0, 0, 0, 3, 7]).reshape([1, 2, 1, 3, 2]);
    const options = { domain, attributes: { num_heads: 1n } };
    expect(await listOf("MultiHeadAttention", [packed], options)).toEqual([
      [
        [2, 6],
        [2, 6],
      ],
    ]);
    await expect(
      listOf("MultiHeadAttention", [packed, ...Array(7).fill(undefined), int(1)], options),
    ).rejects.toThrow("its input past_sequence_length is not supported");
  });
});
