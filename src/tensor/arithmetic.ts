// Arithmetic beyond the primitives: further divisions, common divisors, limits, signs and exponents of floats, numbers
// that are none, closeness.

import { largestFloat } from "../scalar/convert.js";
import { bytesOf, type DType, isFloat, isUnsigned } from "../scalar/dtype.js";
import { type Operand, TensorCore, TensorError } from "./core.js";
import { type DivisionOptions, Elementwise } from "./elementwise.js";
import { toFloat } from "./operands.js";
import { neighbourTowards, scaledByPower, signBitOf, splitExponent, withSignOf } from "./float-bits.js";
import { smooth } from "./smooth.js";
import type { Tensor } from "./tensor.js";

export interface CloseOptions {
  /** Relative to `other`; default 1e-5. */
  readonly rtol?: number;
  /** Default 1e-8. */
  readonly atol?: number;
  /** Whether NaN is close to NaN. */
  readonly equalNan?: boolean;
}

export abstract class Arithmetic extends Elementwise {
  /** Both in one float dtype and shape. */
  protected floats(other: Operand, operation: string): [Tensor, Tensor] {
    return this.meet(other, operation, toFloat).map((node) => this.wrap(node)) as [Tensor, Tensor];
  }

  /** Both in one dtype and shape. */
  private pair(other: Operand, operation: string): [Tensor, Tensor] {
    return this.meet(other, operation).map((node) => this.wrap(node)) as [Tensor, Tensor];
  }

  // --- divisions and powers ------------------------------------------------------------------------------------------

  /**
   * As idiv, under PyTorch's name.
   *
   * @example Tensor.from([7, -7]).floorDivide(2); // => [3, -4]
   */
  floorDivide(other: Operand): Tensor {
    return this.idiv(other);
  }
  /** floor(other / this) */
  rfloorDivide(other: Operand): Tensor {
    const [x, y] = this.pair(other, "rfloorDivide");
    return y.idiv(x);
  }
  /** As div, under PyTorch's name. */
  trueDivide(other: Operand): Tensor {
    return this.div(other);
  }
  /** The remainder of other / this; it has the sign of this. */
  rremainder(other: Operand): Tensor {
    const [x, y] = this.pair(other, "rremainder");
    return y.mod(x);
  }
  /**
   * The floor of the quotient, and the remainder.
   *
   * @example
   * const [quotient, rest] = Tensor.from([7, -7]).divmod(3);
   * quotient; // => [2, -3]
   * rest; // => [1, 2]
   */
  divmod(other: Operand): [Tensor, Tensor] {
    return [this.idiv(other), this.mod(other)];
  }
  /** base ^ this */
  rpow(base: Operand): Tensor {
    const [x, y] = this.floats(base, "rpow");
    return y.pow(x);
  }
  /**
   * Powers in float64, of integers too; a device without float64 has none.
   *
   * @example
   * Tensor.from([2, 3]).floatPower(-1).dtype; // => "float64"
   */
  floatPower(exponent: Operand): Tensor {
    const power = exponent instanceof TensorCore ? (exponent as Tensor).cast("float64") : exponent;
    return this.cast("float64").pow(power);
  }
  /**
   * this + value * (x / y).
   *
   * @example Tensor.from([1]).addcdiv(Tensor.from([6]), Tensor.from([3])); // => [3]
   */
  addcdiv(x: Tensor, y: Operand, { value = 1 }: { value?: number } = {}): Tensor {
    const quotient = x.div(y);
    return this.add(value === 1 ? quotient : quotient.mul(value));
  }
  /**
   * The greatest common divisor, never negative: of 0 and n it is |n|.
   *
   * @example Tensor.from([12, 18], { dtype: "int32" }).gcd(8); // => [4, 2]
   */
  gcd(other: Operand): Tensor {
    const [x, y] = this.pair(other, "gcd");
    return commonDivisor(x, y, "gcd");
  }
  /** The least common multiple, never negative: of 0 and n it is 0. */
  lcm(other: Operand): Tensor {
    const [x, y] = this.pair(other, "lcm");
    return x
      .idiv(commonDivisor(x, y, "lcm"))
      .mul(y)
      .abs();
  }

  // --- limits --------------------------------------------------------------------------------------------------------

  /** At least `min`; NaN stays. */
  clampMin(min: Operand): Tensor {
    return this.clamp(min);
  }
  /** At most `max`; NaN stays. */
  clampMax(max: Operand): Tensor {
    return this.clamp(undefined, max);
  }
  /** As clamp. */
  clip(min?: Operand, max?: Operand): Tensor {
    return this.clamp(min, max);
  }

  // --- other names ---------------------------------------------------------------------------------------------------

  subtract(other: Operand): Tensor {
    return this.sub(other);
  }
  multiply(other: Operand): Tensor {
    return this.mul(other);
  }
  divide(other: Operand, options?: DivisionOptions): Tensor {
    return this.div(other, options);
  }
  negative(): Tensor {
    return this.neg();
  }
  absolute(): Tensor {
    return this.abs();
  }
  bitwiseLeftShift(amount: Operand): Tensor {
    return this.shl(amount);
  }
  bitwiseRightShift(amount: Operand): Tensor {
    return this.shr(amount);
  }

  // --- signs, exponents and neighbours of floats ---------------------------------------------------------------------

  /**
   * This with the sign of another number; signs of zeros and NaN count.
   *
   * @example Tensor.from([1, 2]).copysign(Tensor.from([-1, 1])); // => [-1, 2]
   */
  copysign(other: Operand): Tensor {
    const [x, y] = this.floats(other, "copysign");
    return smooth(
      [x, y],
      withSignOf,
      (value, size) => size.eq(0).where(0, value.eq(size).where(1, -1)).cast(size.dtype),
      (value) => value.mul(0),
    );
  }
  /** True where the sign bit is set: -0 too. */
  signbit(): Tensor {
    return isFloat(this.dtype) ? signBitOf(this.self) : this.lt(0);
  }
  /** As sign. */
  sgn(): Tensor {
    return this.sign();
  }
  /**
   * The next float towards another number.
   *
   * @example
   * Tensor.from([1]).nextafter(2).sub(1).mul(2 ** 23); // => [1]
   */
  nextafter(other: Operand): Tensor {
    const [x, y] = this.floats(other, "nextafter");
    return neighbourTowards(x, y);
  }
  /**
   * fraction * 2^exponent with 1/2 <= |fraction| < 1; exponents are int32.
   *
   * @example
   * const { mantissa, exponent } = Tensor.from([8, -0.75]).frexp();
   * mantissa; // => [0.5, -0.75]
   * exponent; // => [4, 0]
   */
  frexp(): { readonly mantissa: Tensor; readonly exponent: Tensor } {
    const { fraction, exponent } = splitExponent(this.toFloats());
    return { mantissa: fraction, exponent };
  }
  /**
   * this * 2^exponent; rounded once if the exponents are integers.
   *
   * @example
   * Tensor.from([1.5, 3]).ldexp(Tensor.from([2, -1])); // => [6, 1.5]
   */
  ldexp(exponent: Operand): Tensor {
    const x = this.toFloats();
    if (exponent instanceof TensorCore) {
      const n = exponent as Tensor;
      return isFloat(n.dtype) ? x.mul(n.exp2()) : scaledByPower(x, n.clamp(-20000, 20000).cast("int32"));
    }
    if (!Number.isInteger(Number(exponent))) return x.mul(2 ** Number(exponent));
    return scaledByPower(
      x,
      x
        .zerosLike()
        .cast("int32")
        .add(Math.max(-20000, Math.min(20000, Number(exponent)))),
    );
  }

  // --- numbers that are none -----------------------------------------------------------------------------------------

  /**
   * NaN and infinities replaced: by 0, and by the largest and smallest numbers of the dtype.
   *
   * @example Tensor.from([Number.NaN, 1]).nanToNum(); // => [0, 1]
   */
  nanToNum({ nan = 0, posinf, neginf }: { nan?: number; posinf?: number; neginf?: number } = {}): Tensor {
    if (!isFloat(this.dtype)) return this.self;
    const most = largestFloat(this.dtype);
    const finite = this.eq(Number.POSITIVE_INFINITY).where(
      posinf ?? most,
      this.eq(Number.NEGATIVE_INFINITY).where(neginf ?? -most, this.self),
    );
    return this.isnan().where(nan, finite);
  }
  isposinf(): Tensor {
    return this.isinf().logicalAnd(this.gt(0));
  }
  isneginf(): Tensor {
    return this.isinf().logicalAnd(this.lt(0));
  }
  /**
   * The larger of two; of a number and NaN the number.
   *
   * @example
   * Tensor.from([1, NaN]).fmax(Tensor.from([NaN, 2])); // => [1, 2]
   * Tensor.from([1, NaN]).maximum(Tensor.from([NaN, 2])); // => [NaN, NaN]
   */
  fmax(other: Operand): Tensor {
    const [x, y] = this.pair(other, "fmax");
    return x.ge(y).logicalOr(y.isnan()).where(x, y);
  }
  /** The smaller of two; of a number and NaN the number. */
  fmin(other: Operand): Tensor {
    const [x, y] = this.pair(other, "fmin");
    return x.le(y).logicalOr(y.isnan()).where(x, y);
  }
  /**
   * 0 below 0 and of NaN, 1 above, `values` at 0.
   *
   * @example Tensor.from([-1, 0, 2]).heaviside(0.5); // => [0, 0.5, 1]
   */
  heaviside(values: Operand): Tensor {
    const [x, y] = this.pair(values, "heaviside").map((operand) => operand.detach());
    return x.eq(0).where(y, x.gt(0).cast(x.dtype));
  }

  // --- comparison of tensors -----------------------------------------------------------------------------------------

  /**
   * True where |this - other| <= atol + rtol |other|, or both are equal.
   *
   * @example
   * Tensor.from([1, 2]).isclose(Tensor.from([1.000001, 2.1])); // => [true, false]
   */
  isclose(other: Operand, { rtol = 1e-5, atol = 1e-8, equalNan = false }: CloseOptions = {}): Tensor {
    const [x, y] = this.pair(other, "isclose");
    const apart = x.toFloats().sub(y.toFloats()).abs();
    const near = apart.le(y.toFloats().abs().mul(rtol).add(atol)).logicalAnd(apart.isfinite());
    const close = x.eq(y).logicalOr(near);
    return equalNan ? close.logicalOr(x.isnan().logicalAnd(y.isnan())) : close;
  }
  /**
   * A bool tensor of one element: whether all are close.
   *
   * @example Tensor.from([1, 2]).allclose(Tensor.from([1, 2 + 1e-9])).item(); // => true
   */
  allclose(other: Operand, options: CloseOptions = {}): Tensor {
    return this.isclose(other, options).all();
  }
  /**
   * Whether another tensor has the same shape and equal elements.
   *
   * @example
   * Tensor.from([1, 2]).equal(Tensor.from([1, 2])); // => true
   */
  async equal(other: Tensor): Promise<boolean> {
    const same = this.ndim === other.ndim && this.sizes.every((d, i) => d === other.sizes[i]);
    return same && (await this.eq(other).all().item()) === true;
  }
}

/** Steps of Euclid's algorithm that the widest pairs need: neighbours in Fibonacci's sequence. */
const stepsOf = (dtype: DType): number => Math.ceil(8 * bytesOf(dtype) * 1.4404) + 1;

function commonDivisor(x: Tensor, y: Tensor, operation: string): Tensor {
  if (isFloat(x.dtype) || x.dtype === "bool")
    throw new TensorError(`${operation}: needs integers, got ${x.dtype}`);
  // Remainders from 1 to the divisor: once one divides the other the pair stays as it is.
  // Without a sign there is room for the magnitude of the lowest integer.
  const magnitude: DType = isUnsigned(x.dtype) ? x.dtype : (`u${x.dtype}` as DType);
  let [a, b] = [x.abs().cast(magnitude), y.abs().cast(magnitude)];
  const [first, second] = [a, b];
  const steps = stepsOf(x.dtype);
  const together = bytesOf(x.dtype) === 8 ? 4 : 16;
  for (let i = 0; i < steps; i++) {
    [a, b] = [b, a.sub(1).mod(b).add(1)];
    // Equal kernels of a bearable length.
    if (i % together === together - 1) [a, b] = [a.contiguous(), b.contiguous()];
  }
  return first.eq(0).where(second, second.eq(0).where(first, b)).cast(x.dtype);
}
