// Integers of four bits, two in a byte: what they are unpacked to, and products with them, on every device.

import { describe, expect, it } from "vitest";
import { availableDevices } from "../../src/engine/engine.js";
import { countKernels } from "../../src/engine/inspect.js";
import { Tensor } from "../../src/index.js";
import { randomSource } from "../lower/evaluation.js";

const devices = (await availableDevices()).filter(({ available }) => available).map(({ name }) => name);

const random = randomSource(11);
const bytes = (count: number): number[] => Array.from({ length: count }, () => Math.floor(random() * 256));
const unpacked = (packed: readonly number[], signed: boolean): number[] =>
  packed
    .flatMap((byte) => [byte & 15, byte >> 4])
    .map((nibble) => (signed && nibble > 7 ? nibble - 16 : nibble));
const packedTensor = (values: readonly number[], shape: readonly number[]): Tensor =>
  Tensor.from(Uint8Array.from(values), { shape });

describe.each(devices)("on %s", (device) => {
  it.each([true, false])("all pairs of four bits are unpacked (signed: %s)", async (signed) => {
    const all = Array.from({ length: 256 }, (_, i) => i);
    const x = packedTensor(all, [256]).unpackInt4({ signed });
    expect(x.dtype).toBe(signed ? "int8" : "uint8");
    expect(x.shape).toEqual([512]);
    expect([...(await x.data({ device }))]).toEqual(unpacked(all, signed));
  });

  it("what is packed is unpacked again, in rows of any length", async () => {
    for (const [rows, columns] of [
      [1, 1],
      [3, 7],
      [5, 32],
      [2, 65],
    ]) {
      const values = bytes(rows * columns);
      for (const signed of [true, false]) {
        const x = packedTensor(values, [rows, columns]).unpackInt4({ signed });
        expect([...(await x.packInt4().data({ device }))]).toEqual(values);
      }
    }
  });

  it("products read the packed weights and nothing else", async () => {
    const [rows, columns, group, batch] = [24, 96, 32, 10];
    const values = bytes((rows * columns) / 2);
    const q = unpacked(values, true);
    const weights = packedTensor(values, [rows, columns / 2]).unpackInt4();
    const of = (count: number): number[] =>
      Array.from({ length: count }, () => Math.floor(random() * 64) - 32);
    const [x, scales] = [of(batch * columns), of((rows * columns) / group)];
    const dot = (b: number, r: number, scaled: boolean): number => {
      let sum = 0;
      for (let k = 0; k < columns; k++) {
        const place = r * columns + k;
        sum += q[place] * x[b * columns + k] * (scaled ? scales[Math.floor(place / group)] : 1);
      }
      return sum;
    };
    const vector = Tensor.from(x.slice(0, columns));
    const matrix = Tensor.from(Float32Array.from(x), { shape: [batch, columns] });
    const inGroups = Tensor.from(Float32Array.from(scales), { shape: [rows, columns / group, 1] });
    const scaled = (by: Tensor): Tensor =>
      weights
        .cast("float32")
        .reshape([rows, columns / group, group])
        .mul(by.cast("float32"))
        .reshape([rows, columns]);
    const every = <T>(count: number, make: (i: number) => T): T[] =>
      Array.from({ length: count }, (_, i) => make(i));
    const cases: [Tensor, number[]][] = [
      [weights.cast("float32").matmul(vector), every(rows, (r) => dot(0, r, false))],
      [weights.cast("int32").matmul(vector.cast("int8").cast("int32")), every(rows, (r) => dot(0, r, false))],
      [scaled(inGroups).matmul(vector), every(rows, (r) => dot(0, r, true))],
      [scaled(inGroups.cast("float16")).matmul(vector), every(rows, (r) => dot(0, r, true))],
      [
        matrix.matmul(scaled(inGroups).T),
        every(batch * rows, (i) => dot(Math.floor(i / rows), i % rows, true)),
      ],
      [
        matrix.matmul(weights.cast("float32").T),
        every(batch * rows, (i) => dot(Math.floor(i / rows), i % rows, false)),
      ],
    ];
    for (const [result, expected] of cases) {
      expect(await countKernels([result.node], device)).toBe(1);
      expect([...(await result.data({ device }))]).toEqual(expected);
    }
  });
});

it.each(devices)("quantizedLinear takes them, for one row and for many (%s)", async (device) => {
  const [outputs, width, block] = [7, 64, 16];
  const values = bytes((outputs * width) / 2);
  const q = unpacked(values, false);
  const of = (count: number): Float32Array =>
    Float32Array.from({ length: count }, () => Math.floor(random() * 16));
  const [scales, zeros] = [of((outputs * width) / block), of((outputs * width) / block)];
  const perBlock = (x: Float32Array): Tensor => Tensor.from(x, { shape: [outputs, width / block] });
  for (const rows of [1, 3, 4, 9]) {
    const x = of(rows * width);
    const y = Tensor.from(x, { shape: [rows, width] }).quantizedLinear(
      packedTensor(values, [outputs, width / 2]).unpackInt4({ signed: false }),
      perBlock(scales),
      { zeroPoints: perBlock(zeros) },
    );
    const expected = Array.from({ length: rows * outputs }, (_, i) => {
      const [row, output] = [Math.floor(i / outputs), i % outputs];
      return q.slice(output * width, (output + 1) * width).reduce((sum, weight, k) => {
        const at = Math.floor((output * width + k) / block);
        return sum + (weight - zeros[at]) * scales[at] * x[row * width + k];
      }, 0);
    });
    expect([...(await y.data({ device }))]).toEqual(expected);
  }
});

it("what is no pair of integers is refused", () => {
  expect(() => Tensor.from([1, 2]).unpackInt4()).toThrow("packed integers are uint8");
  expect(() => Tensor.from([1, 2]).packInt4()).toThrow("takes integers");
  expect(() => Tensor.from([1, 2, 3], { dtype: "int8" }).packInt4()).toThrow("an even number");
});
