// An upper bound on the size of a float expression, from what is plain to see: constants, indices, shifted or masked
// bits, and arithmetic on them. Lowered sin and cos are cheaper where their argument is known to be moderate.

import type { Index } from "../kernel/index.js";
import type { Expr } from "../kernel/ir.js";
import { bytesOf, isInteger, isUnsigned, kindOf } from "../scalar/dtype.js";

/** Expressions deeper than this are taken to be unbounded. */
const DEPTH = 10;

/** |x| is at most this, or x is NaN; infinity if nothing is known. */
export function magnitudeBound(x: Expr, depth = DEPTH): number {
  if (depth === 0) return Number.POSITIVE_INFINITY;
  const of = (i: number): number => magnitudeBound(x.args[i], depth - 1);
  switch (x.op) {
    case "const":
      return Math.abs(Number(x.value));
    case "index":
      if (isUnsigned(x.dtype) && x.index.min < 0) return integerBound(x);
      return Math.min(indexBound(x.index), integerBound(x));
    case "cast":
      if (x.args[0].dtype === "bool") return 1;
      // A negative integer becomes a large unsigned one.
      if (isUnsigned(x.dtype) && kindOf(x.args[0].dtype) === "signed") return integerBound(x);
      return Math.min(of(0), integerBound(x));
    case "neg":
      return isUnsigned(x.dtype) ? integerBound(x) : of(0);
    case "splat":
    case "extract":
    case "abs":
      return of(0);
    case "max":
    case "min":
      return Math.max(of(0), of(1));
    case "pack":
    case "shuffle":
      return Math.max(...x.args.map((_, i) => of(i)));
    case "add":
    case "sub":
      return isInteger(x.dtype) ? integerBound(x) : of(0) + of(1);
    case "mul":
      return isInteger(x.dtype) ? integerBound(x) : product(of(0), of(1));
    case "fma":
      return product(of(0), of(1)) + of(2);
    case "where":
      return Math.max(of(1), of(2));
    case "and":
    case "shr":
      return Math.min(bitsBound(x), integerBound(x));
    default:
      return integerBound(x);
  }
}

const product = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);
const indexBound = ({ min, max }: Index): number => Math.max(Math.abs(min), Math.abs(max));

function integerBound({ dtype }: Expr): number {
  if (!isInteger(dtype)) return Number.POSITIVE_INFINITY;
  return 2 ** (bytesOf(dtype) * 8 - (isUnsigned(dtype) ? 0 : 1));
}

/** Bits masked by, or shifted down by, a constant. */
function bitsBound(x: Expr): number {
  const by = x.args[1];
  if (by.op !== "const") return Number.POSITIVE_INFINITY;
  const value = Number(by.value);
  if (x.op === "shr") return integerBound(x.args[0]) / 2 ** value;
  return value >= 0 ? value : Number.POSITIVE_INFINITY;
}
