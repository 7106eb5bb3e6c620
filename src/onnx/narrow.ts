// Rounding to the element types that brisc has no dtype for, in tensor operations.

import { Tensor } from "../tensor/tensor.js";
import { bitsOf, type ElementType, narrowLimits, narrowValue } from "./types.js";

export interface Rounding {
  /** Whether what lies beyond the largest number becomes that; default true. Else it is infinite, or NaN. */
  readonly saturate?: boolean;
  /** Where powers of two alone are held; default "up". */
  readonly mode?: PowerRounding;
}

export type PowerRounding = "up" | "down" | "nearest";

/** Integers brought into the range of a type of 4 or 2 bits by dropping high bits, in the dtype that holds them. */
export function wrapToPacked(x: Tensor, type: ElementType): Tensor {
  const bits = bitsOf(type);
  const integers = x.cast("int32");
  if (type.startsWith("u")) return integers.bitwiseAnd(2 ** bits - 1).cast("uint8");
  return integers
    .shl(32 - bits)
    .shr(32 - bits)
    .cast("int8");
}

/** The numbers of a narrow float type nearest to x, ties to even, as float32. */
export function roundToNarrow(
  x: Tensor,
  type: ElementType,
  { saturate = true, mode = "up" }: Rounding = {},
): Tensor {
  const wide = x.dtype === "float64" ? x : x.cast("float32");
  if (type === "float8e8m0") return powerOfTwo(wide, saturate, mode).cast("float32");
  const { largest, mantissaBits, minExponent } = narrowLimits(type);
  const unit = wide.frexp().exponent.sub(1).maximum(minExponent).sub(mantissaBits);
  const nearest = wide.ldexp(unit.neg()).round().ldexp(unit);
  // Four bits have neither infinity nor NaN.
  if (type === "float4e2m1")
    return nearest.isnan().where(0, nearest.clamp(-largest, largest)).cast("float32");
  const beyond = nearest.abs().gt(largest);
  const limited = saturate ? nearest.clamp(-largest, largest) : beyond.where(Number.NaN, nearest);
  // Adding 0 leaves no -0, which these types lack.
  return limited.add(0).cast("float32");
}

/** The bits of numbers of a narrow float type, as bytes. */
export function narrowBits(x: Tensor, type: ElementType): Tensor {
  const { mantissaBits, minExponent } = narrowLimits(type);
  const exponent = x.eq(0).where(minExponent, x.frexp().exponent.sub(1).maximum(minExponent));
  const significand = x.abs().ldexp(exponent.rsub(mantissaBits)).cast("int32");
  // A normal number's leading one carries into the field of the exponent, which is 1 at the least; powers of two have none.
  const field = exponent.sub(type === "float8e8m0" ? minExponent + 1 : minExponent);
  const bits = significand.add(field.shl(mantissaBits)).add(
    x
      .signbit()
      .cast("int32")
      .shl(bitsOf(type) - 1),
  );
  return x
    .isnan()
    .where(NAN_BITS[type] ?? 0, bits)
    .cast("uint8");
}

const NAN_BITS: Partial<Record<ElementType, number>> = {
  float8e8m0: 0xff,
  float8e4m3fnuz: 0x80,
  float8e5m2fnuz: 0x80,
};

/** The numbers that bits in bytes stand for. */
export function numbersOfBits(bits: Tensor, type: ElementType): Tensor {
  const table = Float32Array.from({ length: 2 ** bitsOf(type) }, (_, i) => narrowValue(i, type));
  return Tensor.from(table).take(bits.cast("int32"));
}

/** Powers of two beside |x|. The least stands for 0 too. */
function powerOfTwo(x: Tensor, saturate: boolean, mode: PowerRounding): Tensor {
  const { mantissa, exponent } = x.abs().frexp();
  // With mantissas in [1/2, 1), the power below has the exponent less one.
  const up = { up: mantissa.gt(0.5), down: mantissa.gt(1), nearest: mantissa.ge(0.75) }[mode];
  const infinite = x.isinf();
  const power = infinite.where(128, x.eq(0).where(-128, exponent.sub(1).add(up.cast("int32"))));
  const value = Tensor.ones([], { dtype: x.dtype }).ldexp(power.clamp(-127, 127));
  const outside = power.lt(-127).logicalOr(power.gt(127));
  return x.isnan().logicalOr(outside.logicalAnd(!saturate)).where(Number.NaN, value);
}
