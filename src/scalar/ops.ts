// The scalar operations: the whole arithmetic instruction set of brisc. Each is listed once with its arity and
// its one-line meaning; `evaluate.ts` gives the exact result of each, which every device must reproduce.

import type { DType } from "./dtype.js";

export const UNARY_OPS = [
  "neg", // -x; wraps on integers
  "abs", // |x|; wraps on the smallest integer
  "not", // bitwise complement on integers, logical on bool
  "sqrt", // IEEE square root
  "reciprocal", // 1 / x
  "exp", // e^x
  "exp2", // 2^x
  "log", // natural logarithm
  "log2", // base-2 logarithm
  "sin", // sine of x in radians, any magnitude
  "cos", // cosine of x in radians, any magnitude
  "tanh", // hyperbolic tangent
  "erf", // Gauss error function
  "floor", // towards -infinity
  "trunc", // towards zero
  "round", // to nearest, ties to even
] as const;

export const BINARY_OPS = [
  "add", // wraps on integers; logical or on bool
  "sub", // wraps on integers
  "mul", // wraps on integers; logical and on bool
  "div", // IEEE division, floats only
  "idiv", // floor division; x // 0 = 0 on integers; floor(x / y) on floats
  "mod", // remainder with the divisor's sign; x % 0 = 0 on integers
  "pow", // x^y on floats; 0^0 = 1
  "max", // NaN if either is NaN
  "min", // NaN if either is NaN
  "lt", // x < y -> bool
  "le", // x <= y -> bool
  "eq", // x == y -> bool
  "ne", // x != y -> bool
  "and", // bitwise, logical on bool
  "or", // bitwise, logical on bool
  "xor", // bitwise, logical on bool
  "shl", // shift left; 0 if the amount is negative or at least the width
  "shr", // arithmetic on signed, logical on unsigned; sign or 0 if the amount is negative or at least the width
] as const;

export const TERNARY_OPS = [
  "where", // condition ? x : y
  "threefry", // first word of Threefry-2x32-20 for uint32 counter words (x, y) under key words (z, 0)
] as const;

export type UnaryOp = (typeof UNARY_OPS)[number];
export type BinaryOp = (typeof BINARY_OPS)[number];
export type TernaryOp = (typeof TERNARY_OPS)[number];

/** Operations that exist only after lowering, with preconditions that lowering has established. */
export const MACHINE_OPS = [
  "quot", // integer division towards zero; divisor is not 0, no overflow
  "rem", // remainder with the dividend's sign; divisor is not 0, no overflow
  "fma", // x * y + z, rounded once or twice as the machine likes
] as const;
export type MachineOp = (typeof MACHINE_OPS)[number];

export type ScalarOp = UnaryOp | BinaryOp | TernaryOp | MachineOp;

/** Operators of reductions: associative and commutative, each with an identity. */
export type ReduceOp = "add" | "mul" | "max" | "min";

const COMPARISONS = new Set<ScalarOp>(["lt", "le", "eq", "ne"]);
export const isComparison = (op: ScalarOp): boolean => COMPARISONS.has(op);

const ARITY = new Map<string, number>([
  ...UNARY_OPS.map((op) => [op, 1] as const),
  ...BINARY_OPS.map((op) => [op, 2] as const),
  ...TERNARY_OPS.map((op) => [op, 3] as const),
  ["quot", 2],
  ["rem", 2],
  ["fma", 3],
]);
export const arityOf = (op: ScalarOp): number => ARITY.get(op)!;
export const isScalarOp = (name: string): name is ScalarOp => ARITY.has(name);

/** The dtype of `op` applied to operands of these dtypes; operands (but for where's condition) agree. */
export function resultDType(op: ScalarOp, operands: readonly DType[]): DType {
  if (isComparison(op)) return "bool";
  if (op === "where") return operands[1];
  return operands[0];
}
