// Narrow floats in memory, on every device: every bit pattern is read as the value it stands for, and every float32 is
// rounded to the nearest value, ties to even, with one NaN and with denormals.

import { describe, expect, it } from "vitest";
import { availableDevices, readNode, storeBytes } from "../../src/engine/engine.js";
import * as g from "../../src/graph/node.js";
import {
  decodeElements,
  decodeFloat,
  encodeElements,
  encodeFloat,
  type NarrowFloat,
  roundTo,
} from "../../src/scalar/convert.js";
import { bytesOf } from "../../src/scalar/dtype.js";
import { randomSource } from "../lower/evaluation.js";

const NARROW: readonly NarrowFloat[] = ["float16", "bfloat16", "float8e4m3", "float8e5m2"];
const devices = (await availableDevices()).filter(({ available }) => available).map(({ name }) => name);
const patterns = (dtype: NarrowFloat): number[] =>
  Array.from({ length: 2 ** (8 * bytesOf(dtype)) }, (_, bits) => bits);
const asBits = (dtype: NarrowFloat): "uint8" | "uint16" => (bytesOf(dtype) === 1 ? "uint8" : "uint16");

function leaf(bits: readonly number[], dtype: NarrowFloat): g.Node {
  return storeBytes(encodeElements(bits, asBits(dtype)), dtype, [bits.length]);
}

/** Values next to which rounding changes: every value of the format, the middles between them, and a hair beside. */
function borders(dtype: NarrowFloat): number[] {
  const values: number[] = [];
  for (const bits of patterns(dtype)) {
    const x = decodeFloat(bits, dtype);
    const middle = (x + decodeFloat(bits + 1, dtype)) / 2;
    for (const near of [x, middle]) values.push(near, near * (1 + 2 ** -23), near * (1 - 2 ** -24));
  }
  const random = randomSource(7);
  for (let i = 0; i < 20_000; i++) values.push((random() - 0.5) * 2 ** (random() * 300 - 160));
  values.push(
    0,
    -0,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    3.4e38,
    -3.4e38,
    2 ** -149,
  );
  return values.map((x) => Math.fround(x));
}

describe.each(devices)("on %s", (device) => {
  it.each(NARROW)("all values of %s are read from memory", async (dtype) => {
    const bits = patterns(dtype);
    const read = decodeElements(
      await readNode(g.castNode(leaf(bits, dtype), "float32"), { device }),
      "float32",
    );
    expect(read).toEqual(bits.map((x) => decodeFloat(x, dtype)));
  });

  it.each(NARROW)("float32 is stored as the nearest %s", async (dtype) => {
    const values = borders(dtype);
    const wide = storeBytes(encodeElements(values, "float32"), "float32", [values.length]);
    const stored = await readNode(g.castNode(wide, dtype), { device });
    expect(decodeElements(stored, asBits(dtype))).toEqual(values.map((x) => encodeFloat(x, dtype)));
  });

  it.each(NARROW)("NaNs are all stored as one %s", async (dtype) => {
    const nans = patterns(dtype).filter((x) => Number.isNaN(decodeFloat(x, dtype)));
    const bytes = await readNode(g.unary("neg", leaf(nans, dtype)), { device });
    const stored = new Set(decodeElements(bytes, asBits(dtype)));
    expect([...stored]).toEqual([encodeFloat(Number.NaN, dtype)]);
  });

  it.each(NARROW)("each operation on %s rounds, whatever the number of elements", async (dtype) => {
    const random = randomSource(3);
    const any = (): number => decodeFloat(Math.floor(random() * 2 ** (8 * bytesOf(dtype))), dtype);
    for (const length of [1, 2, 5, 8, 16, 19, 64, 333]) {
      const [x, y, z] = [0, 1, 2].map(() => Array.from({ length }, any));
      const [a, b, c] = [x, y, z].map((v) =>
        leaf(
          v.map((value) => encodeFloat(value, dtype)),
          dtype,
        ),
      );
      const sum = g.binary("add", g.binary("mul", a, b), c);
      const actual = decodeElements(await readNode(sum, { device }), dtype);
      expect(actual).toEqual(x.map((value, i) => roundTo(roundTo(value * y[i], dtype) + z[i], dtype)));
    }
  });
});
