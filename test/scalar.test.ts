// Exact scalar semantics: formats, casts, and operations at their corners.

import { describe, expect, test } from "vitest";
import {
  bitcastScalar,
  castScalar,
  decodeElements,
  decodeFloat,
  encodeElements,
  encodeFloat,
  holdScalar,
  type NarrowFloat,
  readElement,
  roundTo,
  writeElement,
} from "../src/scalar/convert.js";
import { bytesOf, DTYPES, type DType, isFloat, type Scalar } from "../src/scalar/dtype.js";
import { evaluateScalar, isDefinedOn, reduceIdentity } from "../src/scalar/evaluate.js";
import {
  arityOf,
  BINARY_OPS,
  type ReduceOp,
  type ScalarOp,
  TERNARY_OPS,
  UNARY_OPS,
} from "../src/scalar/ops.js";
import { threefry2x32 } from "../src/scalar/random.js";
import { erf } from "../src/scalar/special.js";

const inf = Number.POSITIVE_INFINITY;
const nan = Number.NaN;
const MIN32 = -(2 ** 31);
const MIN64 = -(2n ** 63n);
const MAX64 = 2n ** 63n - 1n;
const MAXU64 = 2n ** 64n - 1n;

describe("narrow floats", () => {
  const formats: [NarrowFloat, number][] = [
    ["float16", 16],
    ["bfloat16", 16],
    ["float8e4m3", 8],
    ["float8e5m2", 8],
  ];
  test.each(formats)("every value of %s survives, and midpoints round to even", (dtype, width) => {
    const top = 1 << (width - 1);
    for (let bits = 0; bits < 2 * top; bits++) {
      const value = decodeFloat(bits, dtype);
      const back = encodeFloat(value, dtype);
      if (Number.isNaN(value) ? !Number.isNaN(decodeFloat(back, dtype)) : back !== bits)
        throw new Error(`${bits}`);
      const next = decodeFloat(bits + 1, dtype);
      if (bits + 1 >= top || !Number.isFinite(next)) continue;
      const middle = (value + next) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      if (encodeFloat(middle, dtype) !== even) throw new Error(`middle of ${value} and ${next}`);
      if (encodeFloat(-middle, dtype) !== (even | top)) throw new Error(`middle of ${-value} and ${-next}`);
      // A hair to either side, closer than float32 can tell for most: one rounding, not two.
      const hair = middle * 2 ** -40;
      if (encodeFloat(middle - hair, dtype) !== bits)
        throw new Error(`below the middle of ${value} and ${next}`);
      if (encodeFloat(middle + hair, dtype) !== bits + 1)
        throw new Error(`above the middle of ${value} and ${next}`);
    }
  });

  test.each<[DType, number, number]>([
    ["float16", 65519, 65504],
    ["float16", 65520, inf],
    ["float16", -1e300, -inf],
    ["float16", 2 ** -25, 0],
    ["float16", 2 ** -25 * 1.001, 2 ** -24],
    ["float16", -1e-30, -0],
    ["bfloat16", 3.4e38, inf],
    ["bfloat16", 1 + 2 ** -8, 1],
    ["float8e4m3", 464, 448],
    ["float8e4m3", 465, nan],
    ["float8e4m3", -inf, nan],
    ["float8e5m2", 61439, 57344],
    ["float8e5m2", 61440, inf],
    ["float32", 3.5e38, inf],
    ["float64", 3.5e38, 3.5e38],
  ])("%s nearest to %d is %d", (dtype, x, expected) => {
    expect(roundTo(x, dtype)).toBe(expected);
    const view = new DataView(new ArrayBuffer(8));
    writeElement(view, 0, dtype, x);
    expect(readElement(view, 0, dtype)).toBe(expected);
  });
});

test.each<[DType, DType, Scalar, Scalar]>([
  // from, to, value, expected
  ["float32", "int32", -1.9, -1],
  ["float32", "int32", 1e10, 2 ** 31 - 1],
  ["float32", "int32", -inf, MIN32],
  ["float32", "int32", nan, 0],
  ["float32", "int32", -0.5, 0],
  ["float32", "uint8", -3, 0],
  ["float32", "uint8", 255.9, 255],
  ["float64", "int8", 1e300, 127],
  ["float64", "int64", 2 ** 63, MAX64],
  ["float64", "int64", -1.5, -1n],
  ["float64", "uint64", inf, MAXU64],
  ["float32", "uint64", nan, 0n],
  ["float16", "bool", nan, true],
  ["float32", "bool", -0, false],
  ["int64", "bool", 2n ** 40n, true],
  ["bool", "float32", true, 1],
  ["bool", "int64", true, 1n],
  ["int32", "int8", 200, -56],
  ["int32", "uint16", -1, 65535],
  ["int32", "uint64", -1, MAXU64],
  ["uint32", "int32", 2 ** 32 - 1, -1],
  ["int64", "int32", 2n ** 40n + 5n, 5],
  ["int64", "uint32", -1n, 2 ** 32 - 1],
  ["uint64", "int64", MAXU64, -1n],
  ["uint64", "float64", MAXU64, 2 ** 64],
  ["int32", "float32", 2 ** 24 + 1, 2 ** 24],
  // By way of float64 this would round twice, first to a tie.
  ["int64", "float32", 2n ** 60n + 2n ** 36n + 1n, 2 ** 60 + 2 ** 37],
  ["int64", "float32", -(2n ** 60n + 2n ** 36n), -(2 ** 60)],
  ["float64", "float16", 1 + 2 ** -11 + 2 ** -40, 1 + 2 ** -10],
  ["float32", "float8e4m3", 1e9, nan],
  ["float32", "float8e5m2", 1e9, inf],
  ["float32", "bfloat16", nan, nan],
])("cast of %s to %s: %s gives %s", (from, to, value, expected) => {
  expect(castScalar(value, from, to)).toBe(expected);
});

test("bitcasts keep bits, both ways", () => {
  expect(bitcastScalar(1, "float32", "uint32")).toBe(0x3f800000);
  expect(bitcastScalar(-0, "float32", "int32")).toBe(MIN32);
  expect(bitcastScalar(-1n, "int64", "float64")).toBe(nan);
  expect(bitcastScalar(0x3c00, "uint16", "float16")).toBe(1);
  expect(bitcastScalar(-128, "int8", "uint8")).toBe(128);
  expect(() => bitcastScalar(1, "float32", "float64")).toThrow("widths differ");
});

test("elements in memory: every dtype at its width, unaligned", () => {
  for (const dtype of DTYPES) {
    const values = dtype === "bool" ? [true, false] : [1, 0, 7].map((x) => holdScalar(x, dtype));
    const bytes = new Uint8Array([0xaa, ...encodeElements(values, dtype)]).subarray(1);
    expect(bytes.byteLength).toBe(values.length * bytesOf(dtype));
    expect(decodeElements(bytes, dtype)).toEqual(values);
  }
  expect(decodeElements(encodeElements([1.5, -9, 2n], "int64"), "int64")).toEqual([1n, -9n, 2n]);
  expect([holdScalar(300, "uint8"), holdScalar(-1, "uint64"), holdScalar(0.1, "float32")]).toEqual([
    44,
    MAXU64,
    Math.fround(0.1),
  ]);
});

test.each<[ScalarOp, DType, Scalar[], Scalar]>([
  ["add", "int32", [2 ** 31 - 1, 1], MIN32],
  ["add", "uint8", [255, 2], 1],
  ["add", "int64", [MAX64, 1n], MIN64],
  ["add", "bool", [true, true], true],
  ["add", "float32", [2 ** 24, 1], 2 ** 24],
  ["add", "float16", [2048, 1], 2048],
  ["sub", "uint64", [0n, 1n], MAXU64],
  ["mul", "int32", [0x10001, 0x10001], 0x20001],
  ["mul", "uint32", [2 ** 32 - 1, 2 ** 32 - 1], 1],
  ["mul", "int8", [16, 16], 0],
  ["mul", "float32", [0, inf], nan],
  ["neg", "int32", [MIN32], MIN32],
  ["neg", "float32", [0], -0],
  ["abs", "int8", [-128], -128],
  ["abs", "int64", [MIN64], MIN64],
  ["not", "uint8", [1], 254],
  ["not", "bool", [true], false],
  ["div", "float32", [1, -0], -inf],
  ["idiv", "int32", [-7, 2], -4],
  ["idiv", "int32", [7, 0], 0],
  ["idiv", "int32", [MIN32, -1], MIN32],
  ["idiv", "int64", [-7n, 2n], -4n],
  ["idiv", "int64", [MIN64, -1n], MIN64],
  ["idiv", "uint64", [5n, 0n], 0n],
  ["idiv", "float32", [-7, 2], -4],
  ["idiv", "float32", [1, 0], inf],
  ["mod", "int32", [-7, 3], 2],
  ["mod", "int32", [7, -3], -2],
  ["mod", "int32", [-6, 3], 0],
  ["mod", "int32", [5, 0], 0],
  ["mod", "int64", [7n, -3n], -2n],
  ["mod", "float32", [-7.5, 2], 0.5],
  ["mod", "float64", [-5, inf], inf],
  ["mod", "float64", [5, 0], nan],
  ["quot", "int32", [-7, 2], -3],
  ["rem", "int32", [-7, 2], -1],
  ["rem", "int64", [-7n, 2n], -1n],
  ["pow", "float32", [0, 0], 1],
  ["pow", "float64", [-8, 1 / 3], nan],
  ["pow", "float64", [1, nan], 1],
  ["pow", "float64", [-1, inf], 1],
  ["pow", "float32", [nan, 0], 1],
  ["max", "float32", [nan, 1], nan],
  ["max", "float32", [1, nan], nan],
  ["min", "float16", [nan, -inf], nan],
  ["max", "float32", [-0, 0], 0],
  ["min", "float32", [0, -0], -0],
  ["max", "uint64", [1n, MAXU64], MAXU64],
  ["max", "bool", [false, true], true],
  ["lt", "float32", [nan, nan], false],
  ["ne", "float32", [nan, nan], true],
  ["eq", "float32", [0, -0], true],
  ["le", "uint64", [MAXU64, 1n], false],
  ["lt", "bool", [false, true], true],
  ["and", "uint32", [2 ** 32 - 1, 2 ** 31], 2 ** 31],
  ["xor", "int16", [-1, 1], -2],
  ["xor", "bool", [true, true], false],
  ["shl", "int32", [1, 31], MIN32],
  ["shl", "int32", [1, 32], 0],
  ["shl", "int32", [1, -1], 0],
  ["shl", "int8", [1, 7], -128],
  ["shl", "uint8", [255, 8], 0],
  ["shl", "int64", [1n, 63n], MIN64],
  ["shl", "int64", [1n, 64n], 0n],
  ["shr", "int32", [-8, 1], -4],
  ["shr", "int32", [-8, 40], -1],
  ["shr", "int32", [-8, -1], -1],
  ["shr", "int8", [-128, 8], -1],
  ["shr", "uint32", [2 ** 31, 31], 1],
  ["shr", "uint32", [2 ** 31, 2 ** 32 - 1], 0],
  ["shr", "uint64", [MAXU64, 64n], 0n],
  ["shr", "int64", [MIN64, 70n], -1n],
  ["round", "float32", [0.5], 0],
  ["round", "float32", [1.5], 2],
  ["round", "float32", [2.5], 2],
  ["round", "float32", [-0.5], -0],
  ["round", "float64", [-2.5], -2],
  ["round", "float64", [0.49999999999999994], 0],
  ["round", "float64", [2 ** 52 + 1], 2 ** 52 + 1],
  ["floor", "float32", [-(2 ** 40) - 0.5], -(2 ** 40)],
  ["trunc", "float32", [-0.5], -0],
  ["round", "int32", [7], 7],
  ["exp2", "float32", [-149], 2 ** -149],
  ["log", "float32", [0], -inf],
  ["log", "float64", [5e-324], -744.4400719213812],
  ["sqrt", "float32", [-1], nan],
  ["reciprocal", "float32", [-inf], -0],
  ["tanh", "float32", [1e10], 1],
  ["exp", "float16", [20], inf],
  ["where", "float32", [false, 1, nan], nan],
  ["where", "int64", [true, 1n, 2n], 1n],
  ["fma", "float32", [3, 4, 5], 17],
])("%s on %s of %o is %s", (op, dtype, args, expected) => {
  expect(evaluateScalar(op, dtype, args)).toBe(expected);
});

test("sine of a large argument", () => {
  expect(evaluateScalar("sin", "float64", [1e10])).toBeCloseTo(-0.48750602508751067, 15);
  expect(evaluateScalar("cos", "float64", [1e22])).toBeCloseTo(0.5232147853951389, 15);
});

test("threefry gives the published words", () => {
  const hex = (...words: [number, number, number, number]): string =>
    threefry2x32(...words)
      .map((word) => word.toString(16).padStart(8, "0"))
      .join(" ");
  expect(hex(0, 0, 0, 0)).toBe("6b200159 99ba4efe");
  expect(hex(-1, -1, -1, -1)).toBe("1cb996fc bb002be7");
  expect(hex(0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344)).toBe("c4923a9c 483df7a0");
  expect(evaluateScalar("threefry", "uint32", [0, 0, 0])).toBe(0x6b200159);
});

test("erf to a few units in the last place", () => {
  const table = [
    [1e-300, 1.1283791670955126e-300],
    [0.1, 0.1124629160182849],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [2.4999, 0.9995928300996666],
    [2.5, 0.999593047982555],
    [3, 0.9999779095030014],
    [5, 0.9999999999984626],
    [7, 1],
    [inf, 1],
  ];
  for (const [x, y] of table) {
    expect(Math.abs(erf(x) - y)).toBeLessThanOrEqual(4 * 2 ** -53 * y);
    expect(erf(-x)).toBe(-erf(x));
  }
  expect([erf(nan), erf(-0)]).toEqual([nan, -0]);
});

test("results always lie in the result's dtype", () => {
  const corners = [
    0,
    1,
    -1,
    2,
    3,
    7,
    127,
    -128,
    255,
    65535,
    MIN32,
    2 ** 31 - 1,
    2 ** 53,
    -0,
    0.5,
    nan,
    inf,
    -inf,
  ];
  for (const dtype of DTYPES) {
    const values = [...new Set(corners.map((x) => castScalar(x, "float64", dtype)))];
    for (const op of [...UNARY_OPS, ...BINARY_OPS, ...TERNARY_OPS]) {
      if (!isDefinedOn(op, dtype) || op === "where") continue;
      for (const x of values) {
        for (const y of arityOf(op) > 1 ? values : [x]) {
          const result = evaluateScalar(op, dtype, [x, y, x]);
          const fits = typeof result === "boolean" || Object.is(holdScalar(result, dtype), result);
          if (!fits || typeof result !== (typeof result === "boolean" ? "boolean" : typeof x)) {
            throw new Error(`${op} on ${dtype} of ${x}, ${y} gives ${result}`);
          }
        }
      }
    }
  }
  expect(() => evaluateScalar("exp", "int32", [1])).toThrow("exp is not defined on int32");
  expect(() => evaluateScalar("sub", "bool", [true, true])).toThrow("sub is not defined on bool");
});

test("identities of reductions leave every value unchanged", () => {
  for (const dtype of DTYPES) {
    const values = [0, 1, 5, -3].map((x) => castScalar(x, "float64", dtype));
    if (isFloat(dtype)) values.push(nan);
    for (const op of ["add", "mul", "max", "min"] as ReduceOp[]) {
      for (const x of values) expect(evaluateScalar(op, dtype, [reduceIdentity(op, dtype), x])).toBe(x);
    }
  }
  expect(reduceIdentity("max", "float32")).toBe(-inf);
  expect(reduceIdentity("min", "int64")).toBe(MAX64);
  expect(reduceIdentity("max", "int8")).toBe(-128);
});
