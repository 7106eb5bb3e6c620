// How values look in C: type names, vector types and literals. Everything is spelled through compiler builtins, so
// that generated code needs no header.
//
// A bool is an int (0 or 1) as a scalar, 32-bit lanes of 0 or -1 as a vector, and a byte in memory.

import { bytesOf, type DType, isFloat, type Scalar } from "../scalar/dtype.js";

const SCALAR_TYPES: Partial<Record<DType, string>> = {
  bool: "i32",
  int8: "i8",
  int16: "i16",
  int32: "i32",
  int64: "i64",
  uint8: "u8",
  uint16: "u16",
  uint32: "u32",
  uint64: "u64",
  // Its bits, wherever they are; they are converted to float32 before anything is done with them.
  float16: "u16",
  float32: "f32",
  float64: "f64",
};

/** Spellings of the scalar types, defined by the compiler itself. */
export const SCALAR_TYPEDEFS = [
  ...[8, 16, 32, 64].map((bits) => `typedef __INT${bits}_TYPE__ i${bits};`),
  ...[8, 16, 32, 64].map((bits) => `typedef __UINT${bits}_TYPE__ u${bits};`),
  "typedef float f32;",
  "typedef double f64;",
].join("\n");

/** The type of a scalar in a variable. */
export function scalarType(dtype: DType): string {
  const type = SCALAR_TYPES[dtype];
  if (type === undefined) throw new TypeError(`C code has no ${dtype}: lowering must replace it`);
  return type;
}

/** The type of one element in memory. */
export const memoryType = (dtype: DType): string => (dtype === "bool" ? "u8" : scalarType(dtype));

/** A vector type by its name, such as f32x16. */
export const vectorName = (element: string, lanes: number): string => `${element}x${lanes}`;

/** Bytes of a scalar type by its name. */
export const typeBytes = (element: string): number => Number(element.slice(1)) / 8;

/** Defines a vector type, and the same without alignment (with a trailing u) for access to memory. */
export function vectorTypedef(name: string): string {
  const [element, lanes] = name.split("x");
  const align = typeBytes(element);
  const bytes = align * Number(lanes);
  return [
    `typedef ${element} ${name} __attribute__((vector_size(${bytes})));`,
    `typedef ${element} ${name}u __attribute__((vector_size(${bytes}), aligned(${align}), may_alias));`,
  ].join("\n");
}

/** The type of integers as wide as `dtype`, of which its bits or its comparisons' lanes are made. */
export const bitsType = (dtype: DType): string => `i${bytesOf(dtype) * 8}`;

/** A scalar literal with exactly this value. */
export function literal(value: Scalar, dtype: DType): string {
  if (dtype === "bool") return value ? "1" : "0";
  if (isFloat(dtype)) return floatLiteral(Number(value), dtype === "float32");
  return integerLiteral(BigInt(value), dtype);
}

function floatLiteral(value: number, single: boolean): string {
  const suffix = single ? "f" : "";
  if (Number.isNaN(value)) return `__builtin_nan${suffix}("")`;
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  if (!Number.isFinite(value)) return `${sign}__builtin_inf${suffix}()`;
  // The shortest decimal that names this double also rounds to the same float, if it is one.
  const digits = String(Math.abs(value));
  return `${sign}${/[.e]/.test(digits) ? digits : `${digits}.0`}${suffix}`;
}

function integerLiteral(value: bigint, dtype: DType): string {
  const suffix = { int64: "ll", uint64: "ull", uint32: "u" }[dtype as string] ?? "";
  // The smallest integer has no literal: a minus sign is an operator, and its operand would not fit.
  if (dtype === "int64" && value === -(2n ** 63n)) return "(-9223372036854775807ll - 1)";
  if (dtype === "int32" && value === -(2n ** 31n)) return "(-2147483647 - 1)";
  return `${value}${suffix}`;
}
