// sin and cos of float32 and float64 for arguments of any size.
//
// |x| is reduced to r in [-pi/4, pi/4] and a quadrant. Where |x| is provably moderate (angles that come from indices or
// random bits), by subtraction of multiples of pi/2 held in parts (Cody and Waite). Otherwise by integer arithmetic in
// registers of the float's width (Payne and Hanek, "Radian reduction for trigonometric functions", 1983): the
// significand times those bits of 2/pi that matter to the fraction modulo 4.

import { bitcast, type Expr } from "../kernel/ir.js";
import {
  abs,
  add,
  and,
  fma,
  floatOf,
  layoutOf,
  like,
  lt,
  mul,
  ne,
  or,
  polynomial,
  shl,
  shr,
  signBit,
  sub,
  toFloat,
  unsignedBits,
  where,
  xor,
} from "./arithmetic.js";
import { magnitudeBound } from "./bounds.js";
import { coefficientsOf } from "./transcendental.js";

/** An angle as quadrant * pi/2 + rest; only the quadrant's two low bits (unsigned) count. */
interface Reduced {
  readonly rest: Expr;
  readonly quadrant: Expr;
}

export function sin(x: Expr): Expr {
  return finiteOnly(x, xorSign(inQuadrant(reduce(x)), signBit(x)));
}

export function cos(x: Expr): Expr {
  const { rest, quadrant } = reduce(x);
  return finiteOnly(x, inQuadrant({ rest, quadrant: add(quadrant, 1) }));
}

const finiteOnly = (x: Expr, value: Expr): Expr =>
  where(lt(abs(x), Number.POSITIVE_INFINITY), value, Number.NaN);

const xorSign = (x: Expr, sign: Expr): Expr => floatOf(xor(unsignedBits(x), sign));

/** The sine of rest + quadrant * pi/2. */
function inQuadrant({ rest, quadrant }: Reduced): Expr {
  const c = coefficientsOf(rest);
  const square = mul(rest, rest);
  const sine = fma(mul(rest, square), polynomial(square, c.sin), rest);
  const cosine = fma(mul(square, square), polynomial(square, c.cos), fma(square, -0.5, 1));
  const value = where(ne(and(quadrant, 1), 0), cosine, sine);
  return xorSign(value, shl(and(quadrant, 2), layoutOf(rest).width - 2));
}

function reduce(x: Expr): Reduced {
  const size = abs(x);
  const { halfPi3, halfPi4 } = coefficientsOf(x);
  const bound = magnitudeBound(x);
  // Multiples n of the leading parts are exact up to these bounds on n.
  const [few, many] = x.dtype === "float64" ? [2 ** 14, 2 ** 20] : [2 ** 6, 2 ** 11];
  if (bound < few * 1.5) return reduceModerate(size, halfPi3);
  if (bound < many * 1.5) return reduceModerate(size, halfPi4);
  const large = reduceAny(size);
  const isSmall = lt(size, Math.PI / 4);
  return {
    rest: where(isSmall, size, large.rest),
    quadrant: where(isSmall, 0, large.quadrant),
  };
}

function reduceModerate(size: Expr, parts: readonly number[]): Reduced {
  const { rounder } = layoutOf(size);
  const shifted = fma(size, 2 / Math.PI, rounder);
  const n = sub(shifted, rounder);
  const rest = parts.reduce((r, part) => fma(n, -part, r), size);
  return { rest, quadrant: unsignedBits(shifted) };
}

// ---------------------------------------------------------------------------------------------------------------
// Payne and Hanek's reduction

/** The first 1216 bits of 2/pi after the binary point. */
const TWO_OVER_PI_BITS = 1216;
const TWO_OVER_PI = BigInt(
  "0xa2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921cfe1deb1cb129a73e" +
    "e88235f52ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980fef2f118b5a0a6d1f6d367ecf27cb09b7" +
    "4f463f669e5fea2d7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d0856033046fc7b6bab",
);

/** Bits [at, at + width) of 2/pi after the binary point; zeros before it. */
function twoOverPiWord(at: number, width: number): bigint {
  if (at < 0) return 0n;
  return BigInt.asUintN(width, TWO_OVER_PI >> BigInt(TWO_OVER_PI_BITS - at - width));
}

/** For 1/2 <= size < infinity; anything for other values. Words are as wide as the float, limbs half as wide. */
function reduceAny(size: Expr): Reduced {
  const { width, mantissaBits, bias } = layoutOf(size);
  const half = width / 2;
  const bits = unsignedBits(size);
  // size = significand * 2^e. Bits of 2/pi up to number e - 2 give multiples of 4 and are skipped; one word of zeros
  // stands before the first bit, for small e.
  const field = shr(bits, mantissaBits);
  const start = add(field, width - bias - mantissaBits - 2);
  const significand = or(and(bits, (1n << BigInt(mantissaBits)) - 1n), 1n << BigInt(mantissaBits));

  const words = windowWords(start, width);
  const limbMask = (1n << BigInt(half)) - 1n;
  const lowLimb = (x: Expr): Expr => and(x, limbMask);
  const highLimb = (x: Expr): Expr => shr(x, half);
  const limbs = words.flatMap((word) => [highLimb(word), lowLimb(word)]);
  const byLow = limbs.map((limb) => mul(limb, lowLimb(significand)));
  const byHigh = limbs.map((limb) => mul(limb, highLimb(significand)));

  // Limbs 0..3 of the fraction of size * 2/pi / 4, the last ones first, for their carries. What lies below is dropped.
  const product: Expr[] = [];
  let carry: Expr = like(bits, 0);
  for (let i = 3; i >= 0; i--) {
    const upper = add(highLimb(byLow[i + 1]), highLimb(byHigh[i + 2]));
    const sum = add(add(add(lowLimb(byLow[i]), lowLimb(byHigh[i + 1])), upper), carry);
    product[i] = lowLimb(sum);
    carry = highLimb(sum);
  }
  const high = or(shl(product[0], half), product[1]);
  const low = or(shl(product[2], half), product[3]);

  // The two top bits are the quadrant, here rounded to nearest; the rest is a signed fraction of it.
  const quadrant = shr(add(high, 1n << BigInt(width - 3)), width - 2);
  const fraction = sub(high, shl(quadrant, width - 2));
  const negative = sub(like(bits, 0), shr(fraction, width - 1));
  const rest = fractionOfHalfPi(xor(fraction, negative), xor(low, negative), size);
  return { rest: xorSign(rest, shl(negative, width - 1)), quadrant };
}

/** Three words of 2/pi from bit `start` - width on. */
function windowWords(start: Expr, width: number): Expr[] {
  const within = Math.log2(width);
  const { bias, mantissaBits } = layoutOf(start);
  const last = (bias - mantissaBits + width - 2) >> within;
  let words = Array.from({ length: last + 4 }, (_, i) => like(start, twoOverPiWord((i - 1) * width, width)));
  // Bit by bit of the number of the first word, halves are chosen until the four words that are needed remain.
  for (let step = 2 ** Math.floor(Math.log2(last)); step >= 1; step /= 2) {
    const later = ne(and(start, step * width), 0);
    const kept = step - 1 + 4;
    words = Array.from({ length: Math.min(kept, words.length) }, (_, i) =>
      i + step < words.length ? where(later, words[i + step], words[i]) : words[i],
    );
  }
  const shift = and(start, width - 1);
  const back = sub(like(shift, width - 1), shift);
  return [0, 1, 2].map((i) => or(shl(words[i], shift), shr(shr(words[i + 1], 1), back)));
}

/** (high + low / 2^width) / 2^(width-2) * pi/2 for unsigned high < 2^(width-3). */
function fractionOfHalfPi(high: Expr, low: Expr, size: Expr): Expr {
  const { width, mantissaBits, signed } = layoutOf(size);
  const [first, second] = coefficientsOf(size).halfPi;
  const asFloat = (x: Expr): Expr => toFloat(bitcast(x, signed));
  // The upper part has half a float's digits, as the first part of pi/2 has: their product is exact. The lower part is
  // small beside it, or all there is.
  const upperDigits = Math.floor((mantissaBits + 1) / 2);
  const below = and(high, (1n << BigInt(width - 3 - upperDigits)) - 1n);
  const upper = mul(asFloat(sub(high, below)), 2 ** (2 - width));
  const halfLow = mul(asFloat(shr(low, 1)), 2 ** (1 - width));
  const lower = mul(add(asFloat(below), halfLow), 2 ** (2 - width));
  return fma(upper, first, fma(upper, second, mul(lower, Math.PI / 2)));
}
