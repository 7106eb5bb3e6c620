// Short names for building IR arithmetic, used by the lowering rules. A JavaScript number where an operand may stand is
// a constant with the dtype and lanes of the first operand. Everything here works lane by lane on vectors.

import { bitcast, cast, constant, type Expr, scalar } from "../kernel/ir.js";
import { roundTo } from "../scalar/convert.js";
import { bytesOf, type DType, isFloat } from "../scalar/dtype.js";

export type Operand = Expr | number | bigint;

/** A constant with the dtype and lanes of `x`. */
export function like(x: Expr, value: Operand): Expr {
  if (typeof value === "object") return value;
  return constant(isFloat(x.dtype) ? roundTo(Number(value), x.dtype) : value, x.dtype, x.lanes);
}

type Binary = (x: Expr, y: Operand) => Expr;

export const add: Binary = (x, y) => scalar("add", x, like(x, y));
export const sub: Binary = (x, y) => scalar("sub", x, like(x, y));
export const mul: Binary = (x, y) => scalar("mul", x, like(x, y));
export const div: Binary = (x, y) => scalar("div", x, like(x, y));
export const max: Binary = (x, y) => scalar("max", x, like(x, y));
export const min: Binary = (x, y) => scalar("min", x, like(x, y));
export const and: Binary = (x, y) => scalar("and", x, like(x, y));
export const or: Binary = (x, y) => scalar("or", x, like(x, y));
export const xor: Binary = (x, y) => scalar("xor", x, like(x, y));
export const shl: Binary = (x, y) => scalar("shl", x, like(x, y));
export const shr: Binary = (x, y) => scalar("shr", x, like(x, y));
export const lt: Binary = (x, y) => scalar("lt", x, like(x, y));
export const le: Binary = (x, y) => scalar("le", x, like(x, y));
export const gt: Binary = (x, y) => scalar("lt", like(x, y), x);
export const ge: Binary = (x, y) => scalar("le", like(x, y), x);
export const eq: Binary = (x, y) => scalar("eq", x, like(x, y));
export const ne: Binary = (x, y) => scalar("ne", x, like(x, y));
export const neg = (x: Expr): Expr => scalar("neg", x);
export const abs = (x: Expr): Expr => scalar("abs", x);
export const not = (x: Expr): Expr => scalar("not", x);
export const isNaNValue = (x: Expr): Expr => ne(x, x);

/** x * y + z, rounded once or twice. */
export const fma = (x: Expr, y: Operand, z: Operand): Expr => scalar("fma", x, like(x, y), like(x, z));

/** condition ? x : y; one of them may be a number. */
export function where(condition: Expr, x: Operand, y: Operand): Expr {
  const model = typeof x === "object" ? x : y;
  if (typeof model !== "object") throw new TypeError("where: one of the two values must be an expression");
  return scalar("where", condition, like(model, x), like(model, y));
}

/** c[0] + c[1] x + c[2] x^2 + ..., by Horner's rule. */
export function polynomial(x: Expr, coefficients: readonly number[]): Expr {
  let sum = like(x, coefficients[coefficients.length - 1]);
  for (let i = coefficients.length - 2; i >= 0; i--) sum = fma(sum, x, coefficients[i]);
  return sum;
}

// ---------------------------------------------------------------------------------------------------------------
// Bits of floats

/** How float32 and float64 lie in their bits. */
export interface Layout {
  readonly float: DType;
  readonly signed: DType;
  readonly unsigned: DType;
  readonly width: number;
  readonly mantissaBits: number;
  readonly bias: number;
  /** Adding this to |x| < 2^(mantissaBits-2) leaves the nearest integer to x in the low bits of the sum. */
  readonly rounder: number;
  readonly minNormal: number;
  /** Bits of infinity, which are the exponent field too. */
  readonly exponentMask: bigint;
}

const LAYOUT32: Layout = {
  float: "float32",
  signed: "int32",
  unsigned: "uint32",
  width: 32,
  mantissaBits: 23,
  bias: 127,
  rounder: 1.5 * 2 ** 23,
  minNormal: 2 ** -126,
  exponentMask: 0x7f800000n,
};
const LAYOUT64: Layout = {
  float: "float64",
  signed: "int64",
  unsigned: "uint64",
  width: 64,
  mantissaBits: 52,
  bias: 1023,
  rounder: 1.5 * 2 ** 52,
  minNormal: 2 ** -1022,
  exponentMask: 0x7ff0000000000000n,
};

/** The layout of a float expression, or of the float that an integer expression holds the bits of. */
export const layoutOf = (x: Expr): Layout => (bytesOf(x.dtype) === 8 ? LAYOUT64 : LAYOUT32);

export const signedBits = (x: Expr): Expr => bitcast(x, layoutOf(x).signed);
export const unsignedBits = (x: Expr): Expr => bitcast(x, layoutOf(x).unsigned);
/** The float that has these bits. */
export const floatOf = (bits: Expr): Expr => bitcast(bits, layoutOf(bits).float);
/** An integer's value as a float of the same width. */
export const toFloat = (x: Expr): Expr => cast(x, layoutOf(x).float);

/** The sign bit of x, alone, as unsigned bits. */
export const signBit = (x: Expr): Expr => and(unsignedBits(x), 1n << BigInt(layoutOf(x).width - 1));

/** `magnitude` >= 0 with the sign of `x`. */
export const withSignOf = (magnitude: Expr, x: Expr): Expr =>
  floatOf(or(unsignedBits(magnitude), signBit(x)));

/** x without the lower half of its significand: products of two such numbers are exact. */
export function highPart(x: Expr): Expr {
  const { width, mantissaBits } = layoutOf(x);
  const cleared = BigInt(Math.ceil((mantissaBits + 1) / 2));
  return floatOf(and(unsignedBits(x), ((1n << BigInt(width)) - 1n) ^ ((1n << cleared) - 1n)));
}
