// The dtype in which two operands meet, against PyTorch's table.

import { describe, expect, it } from "vitest";
import { promote, promoteScalar } from "../../src/graph/promote.js";
import { DTYPES, type DType } from "../../src/scalar/dtype.js";

const ORDER = [
  "bool",
  "uint8",
  "int8",
  "int16",
  "int32",
  "int64",
  "float16",
  "bfloat16",
  "float32",
  "float64",
];

/** torch.promote_types, a row for each dtype of ORDER. */
const TABLE: readonly (readonly string[])[] = [
  ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"],
  ["uint8", "uint8", "int16", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"],
  ["int8", "int16", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"],
  ["int16", "int16", "int16", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"],
  ["int32", "int32", "int32", "int32", "int32", "int64", "float16", "bfloat16", "float32", "float64"],
  ["int64", "int64", "int64", "int64", "int64", "int64", "float16", "bfloat16", "float32", "float64"],
  [
    "float16",
    "float16",
    "float16",
    "float16",
    "float16",
    "float16",
    "float16",
    "float32",
    "float32",
    "float64",
  ],
  [
    "bfloat16",
    "bfloat16",
    "bfloat16",
    "bfloat16",
    "bfloat16",
    "bfloat16",
    "float32",
    "bfloat16",
    "float32",
    "float64",
  ],
  [
    "float32",
    "float32",
    "float32",
    "float32",
    "float32",
    "float32",
    "float32",
    "float32",
    "float32",
    "float64",
  ],
  [
    "float64",
    "float64",
    "float64",
    "float64",
    "float64",
    "float64",
    "float64",
    "float64",
    "float64",
    "float64",
  ],
];

describe("promotion", () => {
  for (const [row, a] of ORDER.entries()) {
    it(`of ${a} is PyTorch's`, () => {
      expect(ORDER.map((b) => promote(a as DType, b as DType))).toEqual(TABLE[row]);
    });
  }
  it("does not depend on the order, and keeps what is equal", () => {
    for (const a of DTYPES) {
      expect(promote(a, a)).toBe(a);
      for (const b of DTYPES) expect(promote(a, b)).toBe(promote(b, a));
    }
  });
  it("numbers are weak: whole ones keep a tensor's dtype, fractions lift integers to float32", () => {
    expect(promoteScalar("int8", 300)).toBe("int8");
    expect(promoteScalar("int32", 2.5)).toBe("float32");
    expect(promoteScalar("float16", 2.5)).toBe("float16");
    expect(promoteScalar("float64", 2.5)).toBe("float64");
    expect(promoteScalar("bool", 1)).toBe("int32");
    expect(promoteScalar("bool", true)).toBe("bool");
    expect(promoteScalar("uint8", 3n)).toBe("uint8");
  });
});
