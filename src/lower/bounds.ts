// An upper bound on the size of a float expression, from what is plain to see: constants, integers of known bounds, and
// arithmetic on them. Lowered sin and cos are cheaper where their argument is known to be moderate.

import type { Expr } from "../kernel/ir.js";
import { isInteger } from "../scalar/dtype.js";
import { Ranges } from "./ranges.js";

/** Expressions deeper than this are taken to be unbounded. */
const DEPTH = 10;

/** |x| is at most this, or x is NaN; infinity if nothing is known. */
export function magnitudeBound(x: Expr, depth = DEPTH): number {
  if (depth === 0) return Number.POSITIVE_INFINITY;
  if (isInteger(x.dtype)) {
    const { min, max } = new Ranges().of(x);
    return Math.max(Math.abs(min), Math.abs(max));
  }
  const of = (i: number): number => magnitudeBound(x.args[i], depth - 1);
  switch (x.op) {
    case "const":
      return Math.abs(Number(x.value));
    case "cast":
      return x.args[0].dtype === "bool" ? 1 : of(0);
    case "neg":
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
      return of(0) + of(1);
    case "mul":
      return product(of(0), of(1));
    case "fma":
      return product(of(0), of(1)) + of(2);
    case "where":
      return Math.max(of(1), of(2));
    default:
      return Number.POSITIVE_INFINITY;
  }
}

const product = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);
