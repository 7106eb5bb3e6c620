// float16, bfloat16, float8e4m3 and float8e5m2 by arithmetic on float32 and uint32. A value of such a dtype is held as
// the float32 it equals. Everything is lane by lane, without tables; float32 denormals must not be flushed.

import { bitcast, cast, type Expr } from "../kernel/ir.js";
import type { NarrowFloat } from "../scalar/convert.js";
import { type DType, isFloat } from "../scalar/dtype.js";
import {
  abs,
  add,
  and,
  eq,
  floatOf,
  gt,
  isNaNValue,
  le,
  like,
  lt,
  max,
  min,
  mul,
  ne,
  or,
  shl,
  shr,
  signBit,
  signedBits,
  sub,
  unsignedBits,
  where,
  withSignOf,
} from "./arithmetic.js";

interface Format {
  readonly width: 8 | 16;
  readonly mantissaBits: number;
  readonly bias: number;
  readonly largest: number;
  /** What a magnitude that rounds beyond `largest` becomes. */
  readonly overflow: number;
  /** Bits of infinity (or of the only NaN, where there is none), and of the NaN that is written. */
  readonly infinityBits: number;
  readonly nanBits: number;
}

const FORMATS: Record<NarrowFloat, Format> = {
  float16: {
    width: 16,
    mantissaBits: 10,
    bias: 15,
    largest: 65504,
    overflow: Number.POSITIVE_INFINITY,
    infinityBits: 0x7c00,
    nanBits: 0x7e00,
  },
  bfloat16: {
    width: 16,
    mantissaBits: 7,
    bias: 127,
    largest: 255 * 2 ** 120,
    overflow: Number.POSITIVE_INFINITY,
    infinityBits: 0x7f80,
    nanBits: 0x7fc0,
  },
  float8e4m3: {
    width: 8,
    mantissaBits: 3,
    bias: 7,
    largest: 448,
    overflow: Number.NaN,
    infinityBits: 0x7f,
    nanBits: 0x7f,
  },
  float8e5m2: {
    width: 8,
    mantissaBits: 2,
    bias: 15,
    largest: 57344,
    overflow: Number.POSITIVE_INFINITY,
    infinityBits: 0x7c,
    nanBits: 0x7f,
  },
};

export const isNarrowFloat = (dtype: DType): dtype is NarrowFloat => Object.hasOwn(FORMATS, dtype);

/** Conversions of narrow floats for a machine that converts some of them by itself, to and from float32. */
export class NarrowFloats {
  /** What values were before they were rounded: rounding and encoding are one step. */
  private readonly sources = new Map<Expr, Expr>();

  constructor(private readonly converts: readonly DType[]) {}

  /** True if memory holds such values as their bits. */
  isBits(dtype: DType): dtype is NarrowFloat {
    return isNarrowFloat(dtype) && !this.converts.includes(dtype);
  }

  /** The float32 value of an element of memory, or of its bits in an uint32. */
  decode(x: Expr, dtype: NarrowFloat): Expr {
    return x.dtype === dtype ? cast(x, "float32") : decodeNarrow(x, dtype);
  }

  /** A float32 rounded to the nearest value of the narrow format, ties to even, as float32. */
  round(x: Expr, dtype: NarrowFloat): Expr {
    const rounded = this.isBits(dtype) ? roundNarrow(x, dtype) : cast(cast(x, dtype), "float32");
    this.sources.set(rounded, x);
    return rounded;
  }

  /** A value of a register dtype converted to a narrow format: rounded once. */
  convert(x: Expr, dtype: NarrowFloat): Expr {
    return this.round(isFloat(x.dtype) ? floatToOdd(x) : integerToOdd(x, dtype), dtype);
  }

  /** A float32 that is a value of the narrow format, as its bits in an uint32. */
  bits(x: Expr, dtype: NarrowFloat): Expr {
    return encodeNarrow(this.sources.get(x) ?? x, dtype);
  }

  /** The same as memory holds it. */
  encode(x: Expr, dtype: NarrowFloat): Expr {
    if (this.isBits(dtype)) return this.bits(x, dtype);
    const source = this.sources.get(x) ?? x;
    // Instructions keep what NaNs carry.
    return cast(where(isNaNValue(source), Number.NaN, source), dtype);
  }
}

/** The float32 value of narrow bits, given as uint32 with nothing above them. */
function decodeNarrow(bits: Expr, dtype: NarrowFloat): Expr {
  const { width, mantissaBits, bias, infinityBits, overflow } = FORMATS[dtype];
  if (dtype === "bfloat16") return floatOf(shl(bits, 16));
  // As signed integers: what has no more than 31 bits is compared faster so.
  const magnitude = and(bitcast(bits, "int32"), 2 ** (width - 1) - 1);
  const shifted = shl(magnitude, 23 - mantissaBits);
  // What is denormal in the narrow format takes the least exponent and the hidden one that comes with it, which is then
  // taken away: as float32, its bits would be a denormal, and products with those take a hundred times as long.
  const denormal = sub(floatOf(add(shifted, (127 - bias + 1) * 2 ** 23)), 2 ** (1 - bias));
  const value = where(lt(shifted, 2 ** 23), denormal, normal());
  const sign = shl(and(bits, 2 ** (width - 1)), 32 - width);
  return floatOf(or(unsignedBits(value), sign));

  /** Exponent fields mean the same but for the bias; the highest stands for infinity and NaN in both formats, or in one. */
  function normal(): Expr {
    if (Number.isNaN(overflow))
      return where(eq(magnitude, infinityBits), Number.NaN, floatOf(add(shifted, (127 - bias) * 2 ** 23)));
    const highest = infinityBits >> mantissaBits;
    return mul(floatOf(add(shifted, (255 - highest) * 2 ** 23)), 2 ** (highest - 128 - bias));
  }
}

/**
 * A float32 rounded to the nearest value of the narrow format, ties to even, as its bits in an uint32. All NaNs become
 * one.
 */
function encodeNarrow(x: Expr, dtype: NarrowFloat): Expr {
  const { width, mantissaBits, bias, largest, overflow, infinityBits, nanBits } = FORMATS[dtype];
  const dropped = 23 - mantissaBits;
  const size = dtype === "bfloat16" ? x : abs(x);
  const bits = unsignedBits(size);
  // Half of what is dropped, less one where the last bit that stays is even; the carry goes to the exponent.
  const half = add(and(shr(bits, dropped), 1), 2 ** (dropped - 1) - 1 - (127 - bias) * 2 ** 23);
  const normal = shr(add(bits, half), dropped);
  if (dtype === "bfloat16") return where(isNaNValue(x), nanBits, normal);
  // Beside a number whose unit is that of denormals, what is one is rounded to the unit, and stands in the lowest bits;
  // a product with float32 denormals would do as well, and takes a hundred times as long.
  const unit = 2 ** (24 - bias - mantissaBits);
  const denormal = sub(unsignedBits(add(size, unit)), unsignedBits(like(x, unit)));
  const magnitude = where(lt(size, 2 ** (1 - bias)), denormal, normal);
  const sign = shr(signBit(x), 32 - width);
  if (!Number.isNaN(overflow)) return where(isNaNValue(x), nanBits, or(min(magnitude, infinityBits), sign));
  // The last value that is rounded to the largest, an even one, lies between that and what would come next.
  const last = largest + 2 ** (Math.floor(Math.log2(largest)) - mantissaBits - 1);
  return where(le(size, last), or(magnitude, sign), nanBits);
}

/** A float32 rounded to the nearest value of the narrow format, ties to even. */
function roundNarrow(x: Expr, dtype: NarrowFloat): Expr {
  const { mantissaBits, bias, largest, overflow } = FORMATS[dtype];
  if (dtype === "bfloat16") {
    const bits = unsignedBits(x);
    const half = add(and(shr(bits, 16), 1), 0x7fff);
    return where(eq(x, x), floatOf(and(add(bits, half), 0xffff0000)), x);
  }
  // Adding a number whose unit is the format's, and taking it away, rounds in hardware; it is 2^(23 - mantissaBits)
  // times the power of two in x, but not below the one of the smallest normal number.
  const size = min(abs(x), 2 ** (Math.floor(Math.log2(largest)) + 1));
  const exponent = max(and(signedBits(size), 0x7f800000), (127 + 1 - bias) * 2 ** 23);
  const rounder = floatOf(add(exponent, (23 - mantissaBits) * 2 ** 23));
  const rounded = sub(add(size, rounder), rounder);
  return withSignOf(where(gt(rounded, largest), overflow, rounded), x);
}

/**
 * A float64 as float32, rounded so that rounding again to fewer bits gives what one rounding would: towards zero, with
 * the last bit set where anything was lost.
 */
function floatToOdd(x: Expr): Expr {
  if (x.dtype !== "float64") return x;
  const nearest = cast(x, "float32");
  const back = abs(cast(nearest, "float64"));
  const size = abs(x);
  const bits = signedBits(nearest);
  const below = or(bits, 1);
  const above = or(sub(bits, 1), 1);
  return where(lt(back, size), floatOf(below), where(gt(back, size), floatOf(above), nearest));
}

/** As floatToOdd, for integers. Only bfloat16 has finite values so large that float32 rounds the integer first. */
function integerToOdd(x: Expr, dtype: NarrowFloat): Expr {
  if (dtype !== "bfloat16" || x.dtype === "bool") return cast(x, "float32");
  const wide = x.dtype === "int64" || x.dtype === "uint64";
  // Each step brings sizes below the next limit to at most 24 significant bits, which float32 holds.
  const steps = wide ? [9, 17, 25, 33, 41] : [9];
  return cast(
    steps.reduce((rounded, bits) => oddAbove(rounded, 2 ** (bits + 15), bits), x),
    "float32",
  );
}

/** Drops the low `bits` of integers of at least `limit` in size, setting the highest of them if any was set. */
function oddAbove(x: Expr, limit: number, bits: number): Expr {
  const mask = 2 ** bits - 1;
  const low = and(x, mask);
  const dropped = sub(x, low);
  const odd = where(ne(low, 0), or(dropped, 2 ** (bits - 1)), dropped);
  const signed = x.dtype === "int32" || x.dtype === "int64";
  const small = signed ? and(lt(x, limit), gt(x, -limit)) : lt(x, limit);
  return where(small, x, odd);
}
