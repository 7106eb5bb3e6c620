// x^y of float32 and float64 as 2^(y log2 |x|), with C's corners. The exponent may be near 1000 while its error must stay
// below the last place of a number near 1, so the logarithm and its product with y are held as sums of two floats.
//
// Such sums must come out right whether or not the code generator contracts a*b + c. Hence the rule kept here: a product
// that enters a sum whose rounding error is computed again has factors of half length, and is exact.
// The scheme (logarithm by s = (m-1)/(m+1) in two parts) is that of Ng's e_pow.c in fdlibm; see also Dekker,
// "A floating-point technique for extending the available precision", 1971.

import { type Expr, scalar } from "../kernel/ir.js";
import {
  abs,
  add,
  and,
  div,
  eq,
  fma,
  floatOf,
  highPart,
  isNaNValue,
  like,
  lt,
  max,
  min,
  mul,
  ne,
  not,
  or,
  polynomial,
  signBit,
  sub,
  unsignedBits,
  where,
  xor,
} from "./arithmetic.js";
import { coefficientsOf, limitPower, nearestPower, scaleByPower, splitExponent } from "./transcendental.js";

const INFINITY = Number.POSITIVE_INFINITY;

/** The unevaluated sum of a number and a smaller one. */
interface Pair {
  readonly high: Expr;
  readonly low: Expr;
}

/** high + low as a pair whose high part is their rounded sum; |high| >= |low|, neither a product that is not exact. */
function sum(high: Expr, low: Expr): Pair {
  const total = add(high, low);
  return { high: total, low: sub(low, sub(total, high)) };
}

/** The pair with a high part of half length. */
function halve({ high, low }: Pair): Pair {
  const short = highPart(high);
  return { high: short, low: add(low, sub(high, short)) };
}

/** The product of two pairs whose high parts have half length. */
function product(x: Pair, y: Pair): Pair {
  return sum(mul(x.high, y.high), fma(x.low, add(y.high, y.low), mul(x.high, y.low)));
}

export function pow(x: Expr, y: Expr): Expr {
  const size = abs(x);
  const isTiny = eq(size, 0);
  const isHuge = eq(size, INFINITY);
  const magnitude = exp2OfPair(product(halfOf(limitExponent(y)), halve(log2OfSize(size))));
  // 0 and infinity to a power are 0 or infinity.
  const extreme = where(xor(isTiny, lt(y, 0)), like(x, 0), INFINITY);
  const corrected = where(or(isTiny, isHuge), extreme, magnitude);

  // y is an odd integer if it is an integer and its half is not. Large floats and infinities are even.
  const whole = eq(scalar("floor", y), y);
  const half = mul(y, 0.5);
  const odd = and(whole, ne(scalar("floor", half), half));
  const sign = where(odd, signBit(x), like(signBit(x), 0));
  const signed = floatOf(or(unsignedBits(corrected), sign));

  const undefinedRoot = and(and(lt(x, 0), not(isHuge)), not(whole));
  const undefinedResult = or(or(isNaNValue(x), isNaNValue(y)), undefinedRoot);
  const one = or(eq(x, 1), eq(y, 0));
  return where(one, like(x, 1), where(undefinedResult, like(x, Number.NaN), signed));
}

/** y brought to where every x but 1 gives 0 or infinity already; products with it do not overflow. */
function limitExponent(y: Expr): Expr {
  const limit = y.dtype === "float64" ? 2 ** 66 : 2 ** 33;
  return min(max(y, -limit), limit);
}

function halfOf(x: Expr): Pair {
  const high = highPart(x);
  return { high, low: sub(x, high) };
}

/** log2(size) for 0 < size < infinity. */
function log2OfSize(size: Expr): Pair {
  const c = coefficientsOf(size);
  const { exponent, fraction: f } = splitExponent(size);
  // f / (2 + f) = s + t, s of half length; the remainder of the division is exact up to its last step.
  const divisor = sum(like(f, 2), f);
  const d = halve(divisor);
  const s = highPart(div(f, divisor.high));
  const t = div(sub(sub(f, mul(s, d.high)), mul(s, d.low)), divisor.high);
  // 3 atanh(s + t) / (s + t) = 3 + z + z^2 P(z), where z = (s + t)^2
  const square = mul(s, s);
  const squareRest = mul(t, add(add(s, s), t));
  const z = add(square, squareRest);
  const series = sum(like(f, 3), square);
  const tail = add(series.low, fma(mul(z, z), polynomial(z, c.pow), squareRest));
  const atanh = product({ high: s, low: t }, halve(sum(series.high, tail)));
  // log2(1 + f) = 2/3 log2(e) * 3 atanh(s + t)
  const [scale, scaleRest] = c.twoThirdsLog2OfE;
  const logarithm = product(halve(atanh), { high: like(f, scale), low: like(f, scaleRest) });
  const { high, low } = sum(exponent, logarithm.high);
  return { high, low: add(low, logarithm.low) };
}

/** 2^(high + low), also where that overflows or rounds to 0. */
function exp2OfPair({ high, low }: Pair): Expr {
  const inside = limitPower(high);
  const power = nearestPower(inside, 1);
  // The low part is this small already where the high one was not limited.
  const rest = min(max(low, -(2 ** -10)), 2 ** -10);
  return scaleByPower(polynomial(add(sub(inside, power.whole), rest), coefficientsOf(high).exp2), power);
}
