// Float operations that machines lack and that need no approximation: the remainder, and powers with plain exponents.

import { type Expr, scalar } from "../kernel/ir.js";
import { abs, add, and, div, eq, ge, highPart, like, lt, mul, ne, sub, where, xor } from "./arithmetic.js";

/**
 * x - y * floor(x / y), with the divisor's sign. Exact while |x / y| is below 2^44 (float32) or 2^50 (float64); beyond
 * that, where neighbouring values of x are farther apart than y by far, some value between 0 and y.
 */
export function floatRemainder(x: Expr, y: Expr): Expr {
  const size = abs(y);
  const steps = x.dtype === "float64" ? [2 ** 25, 1] : [2 ** 33, 2 ** 22, 2 ** 11, 1];
  const reduced = steps.reduce(
    (rest, step) => subtractMultiple(rest, step === 1 ? size : mul(size, step)),
    x,
  );
  const inside = where(ge(abs(reduced), size), withoutValue(reduced), reduced);
  const isZero = eq(inside, 0);
  const hasOtherSign = and(xor(lt(inside, 0), lt(y, 0)), ne(inside, 0));
  // A zero has the sign of x.
  return where(isZero, mul(x, 0), where(hasOtherSign, add(inside, y), inside));
}

/** 0, but NaN of NaN. */
const withoutValue = (x: Expr): Expr => sub(x, x);

/**
 * x - n y for the integer n nearest to x / y: exact while n has half a float's digits, since both products with halves of
 * y are exact then and the differences have no more digits than x and y have in common.
 */
function subtractMultiple(x: Expr, y: Expr): Expr {
  const high = highPart(y);
  const n = scalar("round", div(x, y));
  const rest = sub(sub(x, mul(n, high)), mul(n, sub(y, high)));
  return where(lt(abs(x), y), x, rest);
}

/** x^y for those constant y whose power is a few exact-enough operations; otherwise undefined. */
export function powerByConstant(x: Expr, y: Expr): Expr | undefined {
  if (y.op !== "const") return undefined;
  switch (y.value) {
    case 0:
      return like(x, 1);
    case 1:
      return x;
    case 2:
      return mul(x, x);
    case 3:
      return mul(mul(x, x), x);
    case -1:
      return div(like(x, 1), x);
    case -2: {
      const inverse = div(like(x, 1), x);
      return mul(inverse, inverse);
    }
    case 0.5:
      // Unlike the root, the power of -0 is 0 and that of -infinity is infinity.
      return where(eq(x, Number.NEGATIVE_INFINITY), Number.POSITIVE_INFINITY, scalar("sqrt", add(x, 0)));
    default:
      return undefined;
  }
}
