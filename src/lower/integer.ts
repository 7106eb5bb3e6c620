// Integer operations that machines lack or trap on: floor division and remainder with any divisor, shifts by any amount,
// and Threefry.

import { type Expr, scalar } from "../kernel/ir.js";
import { bytesOf, isUnsigned } from "../scalar/dtype.js";
import { THREEFRY_PARITY, THREEFRY_ROTATIONS } from "../scalar/random.js";
import { add, and, eq, like, lt, mul, ne, neg, or, shl, shr, sub, where, xor } from "./arithmetic.js";

const quot = (x: Expr, y: Expr): Expr => scalar("quot", x, y);

/** The value of a constant, or undefined. */
const known = (x: Expr): bigint | undefined => (x.op === "const" ? BigInt(x.value) : undefined);

/** The exponent, if `value` is a power of two. */
function exponentOfTwo(value: bigint | undefined): number | undefined {
  if (value === undefined || value <= 0n || (value & (value - 1n)) !== 0n) return undefined;
  return value.toString(2).length - 1;
}

/** A divisor that never traps: 1 in place of 0 and, where that could overflow, of -1. */
function safeDivisor(y: Expr): Expr {
  const value = known(y);
  if (value !== undefined && value !== 0n && value !== -1n) return y;
  const unsafe = isUnsigned(y.dtype) ? eq(y, 0) : or(eq(y, 0), eq(y, -1));
  return where(unsafe, 1, y);
}

/** True where a remainder is not 0 and its sign is not the divisor's: where truncation and floor differ. */
const needsFloor = (remainder: Expr, y: Expr): Expr =>
  scalar("and", ne(remainder, 0), lt(xor(remainder, y), 0));

/** floor(x / y); x // 0 = 0; the smallest integer // -1 wraps. */
export function floorDivide(x: Expr, y: Expr): Expr {
  const value = known(y);
  const exponent = exponentOfTwo(value);
  if (exponent !== undefined) return exponent === 0 ? x : shr(x, exponent);
  const divisor = safeDivisor(y);
  const quotient = quot(x, divisor);
  const isKnown = value !== undefined && value !== 0n && value !== -1n;
  if (isUnsigned(x.dtype)) return isKnown ? quotient : where(eq(y, 0), 0, quotient);
  const remainder = sub(x, mul(quotient, divisor));
  const floored = where(needsFloor(remainder, divisor), sub(quotient, 1), quotient);
  if (isKnown) return floored;
  return where(eq(y, -1), neg(x), where(eq(y, 0), 0, floored));
}

/** x - y * floor(x / y), with the divisor's sign; x % 0 = 0. */
export function floorRemainder(x: Expr, y: Expr): Expr {
  const exponent = exponentOfTwo(known(y));
  if (exponent !== undefined) return and(x, (1n << BigInt(exponent)) - 1n);
  // Where 1 stands in for the divisor, the remainder is 0 as it must be.
  const divisor = safeDivisor(y);
  const remainder = sub(x, mul(quot(x, divisor), divisor));
  if (isUnsigned(x.dtype)) return remainder;
  return where(needsFloor(remainder, divisor), add(remainder, divisor), remainder);
}

const widthOf = (x: Expr): number => bytesOf(x.dtype) * 8;

/** True where a shift amount lies in [0, width); undefined if it certainly does. */
function shiftInRange(y: Expr): Expr | undefined {
  const value = known(y);
  const width = widthOf(y);
  if (value !== undefined && value >= 0n && value < BigInt(width)) return undefined;
  const inRange = lt(y, width);
  return isUnsigned(y.dtype) ? inRange : and(inRange, lt(like(y, -1), y));
}

/** x << y; 0 where y is negative or at least the width. */
export function shiftLeft(x: Expr, y: Expr): Expr {
  if (isZero(y)) return x;
  const inRange = shiftInRange(y);
  if (inRange === undefined) return shl(x, y);
  return where(inRange, shl(x, and(y, widthOf(x) - 1)), 0);
}

/** x >> y; the sign (of unsigned: 0) where y is negative or at least the width. */
export function shiftRight(x: Expr, y: Expr): Expr {
  if (isZero(y)) return x;
  const inRange = shiftInRange(y);
  if (inRange === undefined) return shr(x, y);
  if (isUnsigned(x.dtype)) return where(inRange, shr(x, and(y, widthOf(x) - 1)), 0);
  return shr(x, where(inRange, y, widthOf(x) - 1));
}

/** The first word of Threefry-2x32-20 for counter words (x, y) under key words (key, 0). */
export function threefry(x: Expr, y: Expr, key: Expr): Expr {
  const keys = [key, like(key, 0), xor(key, THREEFRY_PARITY)];
  let first = add(x, keys[0]);
  let second = y;
  for (let round = 0; round < 20; round++) {
    const rotation = THREEFRY_ROTATIONS[round % 8];
    first = add(first, second);
    second = xor(or(shl(second, rotation), shr(second, 32 - rotation)), first);
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      first = addKey(first, keys[injection % 3]);
      second = add(addKey(second, keys[(injection + 1) % 3]), injection);
    }
  }
  return first;
}

const addKey = (x: Expr, key: Expr): Expr => (isZero(key) ? x : add(x, key));
const isZero = (x: Expr): boolean => x.op === "const" && Number(x.value) === 0;
