// The rewrite rules from the scalar operations on register dtypes to the machine's. Each is one named entry: the algebra
// it stands for, the operation and kinds of dtype it applies to, and the rewrite, which gives machine operations only.
// A rewrite that gives undefined does not apply, and the next rule is tried.

import type { Expr } from "../kernel/ir.js";
import type { DTypeKind } from "../scalar/dtype.js";
import type { ScalarOp } from "../scalar/ops.js";
import { scalar } from "../kernel/ir.js";
import { div, like } from "./arithmetic.js";
import { floatRemainder, powerByConstant } from "./float.js";
import { floorDivide, floorRemainder, shiftLeft, shiftRight, threefry } from "./integer.js";
import { pow } from "./power.js";
import { erf, exp, exp2, log, log2, tanh } from "./transcendental.js";
import { cos, sin } from "./trigonometric.js";

export interface Rule {
  readonly name: string;
  readonly algebra: string;
  readonly op: ScalarOp;
  readonly kinds: readonly DTypeKind[];
  readonly rewrite: (...args: readonly Expr[]) => Expr | undefined;
}

const FLOAT: readonly DTypeKind[] = ["float"];
const INTEGER: readonly DTypeKind[] = ["signed", "unsigned"];

export const RULES: readonly Rule[] = [
  // Exact
  {
    name: "reciprocal",
    algebra: "reciprocal(x) == div(1, x)",
    op: "reciprocal",
    kinds: FLOAT,
    rewrite: (x) => div(like(x, 1), x),
  },
  {
    name: "float floor division",
    algebra: "idiv(x, y) == floor(div(x, y))",
    op: "idiv",
    kinds: FLOAT,
    rewrite: (x, y) => scalar("floor", div(x, y)),
  },
  {
    name: "float remainder",
    algebra: "mod(x, y) == x - y * floor(x / y), exactly",
    op: "mod",
    kinds: FLOAT,
    rewrite: floatRemainder,
  },
  {
    name: "integer floor division",
    algebra:
      "idiv(x, y) == quot(x, y) - (rem(x, y) != 0 and signs differ); idiv(x, 0) == 0; idiv(x, -1) == neg(x)",
    op: "idiv",
    kinds: INTEGER,
    rewrite: floorDivide,
  },
  {
    name: "integer remainder",
    algebra: "mod(x, y) == rem(x, y) + (rem(x, y) != 0 and signs differ ? y : 0); mod(x, 0) == 0",
    op: "mod",
    kinds: INTEGER,
    rewrite: floorRemainder,
  },
  {
    name: "shift left by any amount",
    algebra: "shl(x, y) == 0 <= y < width ? x << y : 0",
    op: "shl",
    kinds: INTEGER,
    rewrite: shiftLeft,
  },
  {
    name: "shift right by any amount",
    algebra: "shr(x, y) == 0 <= y < width ? x >> y : x >> (width - 1), or 0 if unsigned",
    op: "shr",
    kinds: INTEGER,
    rewrite: shiftRight,
  },
  ...(["floor", "trunc", "round"] as const).map(
    (op): Rule => ({
      name: `${op} of an integer`,
      algebra: `${op}(x) == x`,
      op,
      kinds: INTEGER,
      rewrite: (x) => x,
    }),
  ),
  {
    name: "abs of an unsigned integer",
    algebra: "abs(x) == x",
    op: "abs",
    kinds: ["unsigned"],
    rewrite: (x) => x,
  },
  {
    name: "threefry",
    algebra: "20 rounds of x += y, y = rotate(y, r) ^ x, with the key added after each fourth",
    op: "threefry",
    kinds: ["unsigned"],
    rewrite: threefry,
  },
  // Approximate
  { name: "exp", algebra: "exp(x) == 2^n * exp(x - n ln 2)", op: "exp", kinds: FLOAT, rewrite: exp },
  { name: "exp2", algebra: "exp2(x) == 2^n * 2^(x - n)", op: "exp2", kinds: FLOAT, rewrite: exp2 },
  {
    name: "log",
    algebra: "log(2^n * (1 + f)) == n ln 2 + log(1 + f)",
    op: "log",
    kinds: FLOAT,
    rewrite: log,
  },
  {
    name: "log2",
    algebra: "log2(2^n * (1 + f)) == n + log2(1 + f)",
    op: "log2",
    kinds: FLOAT,
    rewrite: log2,
  },
  { name: "sin", algebra: "sin(r + n pi/2) == +-sin(r) or +-cos(r)", op: "sin", kinds: FLOAT, rewrite: sin },
  { name: "cos", algebra: "cos(x) == sin(x + pi/2)", op: "cos", kinds: FLOAT, rewrite: cos },
  { name: "tanh", algebra: "tanh(x) == 1 - 2 / (exp(2x) + 1)", op: "tanh", kinds: FLOAT, rewrite: tanh },
  { name: "erf", algebra: "erf(x) == -erf(-x) == 1 - erfc(x)", op: "erf", kinds: FLOAT, rewrite: erf },
  {
    name: "power by a plain constant",
    algebra: "x^2 == x * x, x^-1 == 1 / x, and the like",
    op: "pow",
    kinds: FLOAT,
    rewrite: powerByConstant,
  },
  { name: "pow", algebra: "pow(x, y) == 2^(y log2 |x|), with a sign", op: "pow", kinds: FLOAT, rewrite: pow },
];
