// exp, exp2, log, log2, tanh and erf of float32 and float64 as arithmetic without branches: reduction of the argument,
// a minimax polynomial (coefficients.ts), and selection of special cases at the end. Sine, cosine and powers have files
// of their own. Errors stay below 2 units in the last place (float32) and 4 (float64), whether or not products and
// sums are contracted: where a product must be exact for a reduction to hold, its factors have few enough digits.
//
// Methods: Cody and Waite, "Software Manual for the Elementary Functions" (1980), for the reductions; Muller,
// "Elementary Functions: Algorithms and Implementation", for the rest.

import type { Expr } from "../kernel/ir.js";
import { bitcastScalar } from "../scalar/convert.js";
import {
  abs,
  add,
  div,
  eq,
  fma,
  floatOf,
  layoutOf,
  le,
  like,
  lt,
  max,
  min,
  mul,
  polynomial,
  shl,
  shr,
  signedBits,
  sub,
  where,
  withSignOf,
} from "./arithmetic.js";
import { FLOAT32, FLOAT64 } from "./coefficients.js";

/** The bits of a constant in the format of `x`. */
function bitsOf(value: number, x: Expr): bigint {
  const { float, signed } = layoutOf(x);
  return BigInt(bitcastScalar(value, float, signed) as number | bigint);
}

const INFINITY = Number.POSITIVE_INFINITY;
const LOG2_E = Math.LOG2E;

export const coefficientsOf = (x: Expr) => (x.dtype === "float64" ? FLOAT64 : FLOAT32);

// ---------------------------------------------------------------------------------------------------------------
// Exponentials

/** The integer nearest to a float, as a float and as bits that hold its exponent field when shifted up. */
interface Power {
  readonly whole: Expr;
  readonly bits: Expr;
}

/**
 * n = the integer nearest to x * factor, ready to scale by 2^(n-1): the field of that power, or of one `raised`, lies in
 * the lowest bits. x must be small enough for the field to fit its 9 (12) bits with sign.
 */
export function nearestPower(x: Expr, factor: number, raised = 0): Power {
  const { rounder, bias } = layoutOf(x);
  const offset = rounder + bias - 1 + raised;
  const shifted = factor === 1 ? add(x, offset) : fma(x, factor, offset);
  return { whole: sub(shifted, offset), bits: signedBits(shifted) };
}

/** The greatest n of which 2^n and all powers below it round to 0. */
const leastPower = (x: Expr): number => -(layoutOf(x).bias + layoutOf(x).mantissaBits + 1);

/** x limited so that n = x / unit is what `scaleByPower` can take, and gives 0 and infinity at the ends; NaN stays. */
export const limitPower = (x: Expr, unit = 1): Expr =>
  min(max(x, leastPower(x) * unit), (layoutOf(x).bias + 2) * unit);

/**
 * x * 2^(n-1): n may lie below the normal exponents, and the result is rounded once. With the least n the last factor is 0: products that underflow are a hundred times slower than others, and masked scores would give many.
 */
export function scaleByPower(x: Expr, { bits }: Power): Expr {
  const { mantissaBits, bias } = layoutOf(x);
  const fieldOf = (power: number): bigint => BigInt(power) << BigInt(mantissaBits);
  const field = shl(bits, mantissaBits);
  const first = max(field, fieldOf(bias - mantissaBits - 2));
  const rest = add(sub(field, first), fieldOf(bias));
  return mul(mul(x, floatOf(first)), floatOf(rest));
}

export function exp(x: Expr): Expr {
  const c = coefficientsOf(x);
  if (isNegative(x)) {
    const inside = max(x, leastPower(x) * Math.LN2);
    // What keeps the field of the least power from being negative is a factor of the coefficients instead.
    const raised = layoutOf(x).mantissaBits + 2;
    const { whole, bits } = nearestPower(inside, LOG2_E, raised);
    const lowered = c.exp.map((factor) => factor * 2 ** -raised);
    const power = floatOf(shl(bits, layoutOf(x).mantissaBits));
    return mul(polynomial(reduceByLog2(inside, whole), lowered), power);
  }
  const inside = limitPower(x, Math.LN2);
  const power = nearestPower(inside, LOG2_E);
  return scaleByPower(polynomial(reduceByLog2(inside, power.whole), c.exp), power);
}

/** True for what is seen to be at most 0, or NaN. */
function isNegative(x: Expr): boolean {
  if (x.op === "min") return x.args.some((arg) => arg.op === "const" && Number(arg.value) <= 0);
  return x.op === "neg" && x.args[0].op === "abs";
}

/** x - n ln 2; the first product is exact. */
function reduceByLog2(x: Expr, n: Expr): Expr {
  const [high, low] = coefficientsOf(x).logOf2;
  return fma(n, -low, fma(n, -high, x));
}

export function exp2(x: Expr): Expr {
  const inside = limitPower(x);
  const power = nearestPower(inside, 1);
  return scaleByPower(polynomial(sub(inside, power.whole), coefficientsOf(x).exp2), power);
}

// ---------------------------------------------------------------------------------------------------------------
// Logarithms

/** x = (1 + fraction) * 2^exponent with 1 + fraction in [sqrt(1/2), sqrt(2)), for x > 0, denormals included. */
export function splitExponent(x: Expr): { exponent: Expr; fraction: Expr } {
  const { mantissaBits, minNormal, rounder } = layoutOf(x);
  const denormal = lt(x, minNormal);
  const bits = signedBits(where(denormal, mul(x, 2 ** mantissaBits), x));
  const above = sub(bits, bitsOf(Math.SQRT1_2, x));
  const exponent = shr(above, mantissaBits);
  const fraction = sub(floatOf(sub(bits, shl(exponent, mantissaBits))), 1);
  // The integer becomes a float through the low bits of a large one: cheaper than a conversion where that is 64 bits.
  const shifted = where(denormal, sub(exponent, mantissaBits), exponent);
  const float = sub(floatOf(add(shifted, bitsOf(rounder, x))), rounder);
  return { exponent: float, fraction };
}

/** -infinity of 0, NaN of negatives, infinity and NaN of themselves; otherwise `value`. */
function logarithmOf(x: Expr, value: Expr): Expr {
  const finite = where(lt(x, INFINITY), value, x);
  return where(le(x, 0), where(eq(x, 0), like(x, -INFINITY), Number.NaN), finite);
}

export function log(x: Expr): Expr {
  const { exponent, fraction: f } = splitExponent(x);
  const [high, low] = coefficientsOf(x).logOf2;
  let small: Expr;
  if (x.dtype === "float32") {
    const tail = mul(mul(f, f), fma(f, polynomial(f, FLOAT32.log), -0.5));
    small = add(f, fma(exponent, low, tail));
  } else {
    small = add(f, fma(exponent, low, logTail(f)));
  }
  return logarithmOf(x, fma(exponent, high, small));
}

/**
 * log(1 + f) - f in float64. With s = f / (2 + f), log(1 + f) = 2 atanh(s) = 2s + s R(s^2), and 2s = f - f^2/2 + s f^2/2.
 */
function logTail(f: Expr): Expr {
  const s = div(f, add(f, 2));
  const z = mul(s, s);
  const half = mul(mul(f, f), 0.5);
  return sub(mul(s, add(half, mul(z, polynomial(z, FLOAT64.logQuotient)))), half);
}

export function log2(x: Expr): Expr {
  const { exponent, fraction: f } = splitExponent(x);
  const [high, low] = coefficientsOf(x).log2OfE;
  let small: Expr;
  if (x.dtype === "float32") {
    const tail = mul(mul(f, f), polynomial(f, FLOAT32.log2));
    small = fma(f, high, fma(f, low, tail));
  } else {
    const tail = logTail(f);
    small = fma(f, high, fma(tail, high, mul(f, low)));
  }
  return logarithmOf(x, add(small, exponent));
}

// ---------------------------------------------------------------------------------------------------------------
// Sigmoids: odd functions, computed on |x|

/** Near 0 an odd polynomial, else 1 - 2 / (e^2x + 1). */
export function tanh(x: Expr): Expr {
  const c = coefficientsOf(x);
  const size = abs(x);
  const square = mul(size, size);
  const near = fma(mul(size, square), polynomial(square, c.tanh), size);
  const twice = min(add(size, size), x.dtype === "float64" ? 40 : 20);
  // Twice e^y: no scaling below the normal numbers is needed here.
  const { whole, bits } = nearestPower(twice, LOG2_E);
  const power = floatOf(shl(bits, layoutOf(x).mantissaBits));
  const exponential = mul(polynomial(reduceByLog2(twice, whole), c.exp), power);
  const far = sub(like(x, 1), div(like(x, 2), add(exponential, 1)));
  return withSignOf(where(lt(size, 0.6), near, far), x);
}

/** Near 0 an odd polynomial, else 1 - erfc(x): in float32 the fourth power of a polynomial, in float64 e^polynomial. */
export function erf(x: Expr): Expr {
  const c = coefficientsOf(x);
  const size = abs(x);
  const near = fma(size, polynomial(mul(size, size), c.erfNear), size);
  let complement: Expr;
  if (x.dtype === "float32") {
    const root = polynomial(sub(min(size, 3.93), 1.5), c.erfFar);
    const square = mul(root, root);
    complement = mul(square, square);
  } else {
    complement = exp(polynomial(sub(min(size, 5.95), 2), c.erfFar));
  }
  return withSignOf(where(lt(size, 1), near, sub(like(x, 1), complement)), x);
}
