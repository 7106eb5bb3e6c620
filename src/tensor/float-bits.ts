// What is read from, or written into, the bits of floats: signs, exponents, neighbours.

import { bytesOf, type DType } from "../scalar/dtype.js";
import { computationType } from "./smooth.js";
import type { Tensor } from "./tensor.js";

interface Layout {
  readonly unsigned: DType;
  readonly signed: DType;
  /** Digits behind the leading one. */
  readonly digits: number;
  /** What is added to an exponent in its field. */
  readonly bias: number;
}

const LAYOUTS: Partial<Record<DType, Layout>> = {
  float16: { unsigned: "uint16", signed: "int16", digits: 10, bias: 15 },
  bfloat16: { unsigned: "uint16", signed: "int16", digits: 7, bias: 127 },
  float32: { unsigned: "uint32", signed: "int32", digits: 23, bias: 127 },
  float64: { unsigned: "uint64", signed: "int64", digits: 52, bias: 1023 },
};

const signMask = (dtype: DType): bigint => 1n << BigInt(8 * bytesOf(dtype) - 1);

/** True where the sign bit of a float is set: -0 and negative NaN too. */
export function signBitOf(x: Tensor): Tensor {
  const layout = LAYOUTS[x.dtype];
  return layout === undefined ? signBitOf(x.cast("float32")) : x.bitcast(layout.signed).lt(0);
}

/** |x| with the sign of y, in float32 or float64; both of one shape and dtype. */
export function withSignOf(x: Tensor, y: Tensor): Tensor {
  const { unsigned } = LAYOUTS[x.dtype]!;
  const mask = signMask(x.dtype);
  const size = x.bitcast(unsigned).bitwiseAnd(mask - 1n);
  return size.bitwiseOr(y.bitcast(unsigned).bitwiseAnd(mask)).bitcast(x.dtype);
}

/** 2^n for whole n (int32) that the exponents of normal numbers hold. */
export function powerOfTwo(n: Tensor, dtype: DType): Tensor {
  const { signed, digits, bias } = LAYOUTS[dtype]!;
  return n.add(bias).cast(signed).shl(digits).bitcast(dtype);
}

/** The last digits of a float set to zero: it keeps so many that its square is exact. */
export function leadingHalf(x: Tensor): Tensor {
  const { unsigned, digits } = LAYOUTS[x.dtype]!;
  const cut = BigInt(Math.ceil((digits + 1) / 2));
  const mask = (1n << BigInt(8 * bytesOf(x.dtype))) - (1n << cut);
  return x.bitcast(unsigned).bitwiseAnd(mask).bitcast(x.dtype);
}

/** x * 2^n for whole n (int32), rounded once: a float that leaves the normal exponents does so in the last step. */
export function scaledByPower(x: Tensor, n: Tensor): Tensor {
  const dtype = computationType(x.dtype);
  const { bias } = LAYOUTS[dtype]!;
  let [result, rest] = [x.cast(dtype), n.clamp(-3 * bias, 3 * bias)];
  const last = rest.clamp(1 - bias, bias);
  rest = rest.sub(last);
  const middle = rest.clamp(1 - bias, bias);
  for (const power of [rest.sub(middle).clamp(1 - bias, bias), middle, last])
    result = result.mul(powerOfTwo(power, dtype));
  return result.cast(x.dtype);
}

/** x = fraction * 2^exponent with 1/2 <= |fraction| < 1; of 0, infinities and NaN the exponent is 0. */
export function splitExponent(x: Tensor): { fraction: Tensor; exponent: Tensor } {
  const wide = x.cast(computationType(x.dtype));
  const { signed, digits, bias } = LAYOUTS[wide.dtype]!;
  const lift = digits + 2;
  const denormal = wide.abs().lt(2 ** (1 - bias));
  const normal = denormal.where(wide.mul(2 ** lift), wide).detach();
  const field = normal.abs().bitcast(signed).shr(digits).cast("int32");
  const found = field.sub(denormal.cast("int32").mul(lift)).sub(bias - 1);
  const exponent = wide.eq(0).logicalOr(wide.isfinite().logicalNot()).where(0, found).cast("int32");
  return { fraction: scaledByPower(wide, exponent.neg()).cast(x.dtype), exponent };
}

/** The next float after x towards y, both of one dtype and shape; y itself where they are equal. */
export function neighbourTowards(x: Tensor, y: Tensor): Tensor {
  const bits = x.bitcast(LAYOUTS[x.dtype]!.signed);
  const least = bits.mul(0).add(1).bitcast(x.dtype);
  const grows = x.gt(0).eq(x.lt(y));
  const moved = grows.where(bits.add(1), bits.sub(1)).bitcast(x.dtype);
  const next = x.eq(0).where(withSignOf(least, y), moved);
  return x.isnan().logicalOr(y.isnan()).where(Number.NaN, x.eq(y).where(y, next));
}
