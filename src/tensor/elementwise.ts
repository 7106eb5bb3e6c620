// Operations on elements: arithmetic, comparison, logic, functions of one argument, choice.

import { castNode, type Node, type Shape, where } from "../graph/node.js";
import { dtypeOfScalar, promote, promoteScalar } from "../graph/promote.js";
import { type DType, isFloat, isUnsigned, kindOf } from "../scalar/dtype.js";
import { broadcastNode, broadcastShapes, type Operand, scalarNode, TensorCore, TensorError } from "./core.js";
import { Operands, toFloat } from "./operands.js";
import type { Tensor } from "./tensor.js";

export interface DivisionOptions {
  /** How the quotient is rounded; not at all if left out. */
  readonly roundingMode?: "floor" | "trunc";
}

export abstract class Elementwise extends Operands {
  // --- arithmetic --------------------------------------------------------------------------------------------------

  /**
   * this + other. Shapes broadcast, dtypes promote.
   *
   * @example
   * Tensor.from([[1, 2], [3, 4]]).add(Tensor.from([10, 20])); // => [[11, 22], [13, 24]]
   * Tensor.arange(2).add(0.5).dtype; // => "float32"
   */
  add(other: Operand): Tensor {
    return this.binary("add", other);
  }
  /** this - other. */
  sub(other: Operand): Tensor {
    return this.binary("sub", other, notBool("sub"));
  }
  /** other - this. */
  rsub(other: Operand): Tensor {
    return this.reversed("sub", other, notBool("rsub"));
  }
  /** this * other. */
  mul(other: Operand): Tensor {
    return this.binary("mul", other);
  }
  /**
   * this / other, in floats; with a rounding mode the quotient rounded to an integer, in the dtype where the operands
   * meet: "floor" as idiv, "trunc" towards zero.
   *
   * @example
   * Tensor.from([7, -7]).div(2); // => [3.5, -3.5]
   * Tensor.from([7, -7]).div(2, { roundingMode: "trunc" }); // => [3, -3]
   */
  div(other: Operand, { roundingMode }: DivisionOptions = {}): Tensor {
    if (roundingMode === "floor") return this.idiv(other);
    if (roundingMode === "trunc") return this.truncatedQuotient(other);
    return this.binary("div", other, toFloat);
  }
  private truncatedQuotient(other: Operand): Tensor {
    const [x, y] = this.meet(other, "div", notBool("div")).map((node) => this.wrap(node));
    if (isFloat(x.dtype)) return x.div(y).trunc();
    return x.idiv(y).add(floorIsLow(x, y).cast(x.dtype));
  }
  /** other / this, in floats. */
  rdiv(other: Operand): Tensor {
    return this.reversed("div", other, toFloat);
  }
  /**
   * floor(this / other); x // 0 is 0 on integers.
   *
   * @example Tensor.from([7, -7], { dtype: "int32" }).idiv(2); // => [3, -4]
   */
  idiv(other: Operand): Tensor {
    return this.binary("idiv", other, notBool("idiv"));
  }
  /**
   * The remainder of idiv: it has the divisor's sign; x % 0 is 0 on integers.
   *
   * @example
   * Tensor.from([7, -7]).mod(3); // => [1, 2]
   * Tensor.from([7, -7]).fmod(3); // => [1, -1]
   */
  mod(other: Operand): Tensor {
    return this.binary("mod", other, notBool("mod"));
  }
  /** As mod, under PyTorch's name. */
  remainder(other: Operand): Tensor {
    return this.mod(other);
  }
  /**
   * The remainder of division towards zero: it has the dividend's sign.
   *
   * @example Tensor.from([7, -7]).fmod(3); // => [1, -1]
   */
  fmod(other: Operand): Tensor {
    const [x, y] = this.meet(other, "fmod", notBool("fmod")).map((node) => this.wrap(node));
    if (isFloat(x.dtype)) {
      const size = x.abs().mod(y.abs());
      return x.lt(0).where(size.neg(), size);
    }
    // Not of magnitudes: the lowest integer has none in its dtype.
    const rest = x.mod(y);
    return floorIsLow(x, y).where(rest.sub(y), rest);
  }
  /** this ^ exponent; of integers to whole numbers that are not negative an integer, to integer tensors a float. */
  pow(exponent: Operand): Tensor {
    if (exponent === 2) return this.mul(this.self);
    if (exponent === 1) return this.self;
    if (exponent === 3 && isFloat(this.dtype)) return this.mul(this.self).mul(this.self);
    if (exponent === 0.5) return this.sqrt();
    if (exponent === -1) return this.reciprocal();
    const whole = !isFloat(this.dtype) && (typeof exponent === "number" || typeof exponent === "bigint");
    if (whole && Number.isInteger(Number(exponent)) && Number(exponent) >= 0)
      return this.integerPower(Number(exponent));
    return this.binary("pow", exponent, toFloat);
  }
  private integerPower(exponent: number): Tensor {
    let result = this.mul(0).add(1);
    let square = this.self;
    for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
      if (rest % 2 === 1) result = result.mul(square);
      if (rest > 1) square = square.mul(square);
    }
    return result;
  }
  /** The larger of two; NaN if either is. */
  maximum(other: Operand): Tensor {
    return this.binary("max", other);
  }
  /** The smaller of two; NaN if either is. */
  minimum(other: Operand): Tensor {
    return this.binary("min", other);
  }
  /**
   * this + weight * (end - this), counted from the end for weights from 1/2 on: exact at 0 and 1.
   *
   * @example Tensor.from([0, 10]).lerp(Tensor.from([10, 20]), 0.25); // => [2.5, 12.5]
   */
  lerp(end: Tensor, weight: Operand): Tensor {
    const way = end.sub(this.self);
    const [near, far] = [
      () => this.add(way.mul(weight)),
      () => end.sub(way.mul(weight instanceof TensorCore ? (weight as Tensor).rsub(1) : 1 - Number(weight))),
    ];
    if (weight instanceof TensorCore) return (weight as Tensor).abs().lt(0.5).where(near(), far());
    return Math.abs(Number(weight)) < 0.5 ? near() : far();
  }
  /**
   * this + value * (x * y).
   *
   * @example
   * Tensor.from([1, 1]).addcmul(Tensor.from([2, 3]), Tensor.from([4, 5]), { value: 10 }); // => [81, 151]
   */
  addcmul(x: Tensor, y: Operand, { value = 1 }: { value?: number } = {}): Tensor {
    const product = x.mul(y);
    return this.add(value === 1 ? product : product.mul(value));
  }
  /**
   * Limits values to [min, max]; either may be left out. NaN stays.
   *
   * @example Tensor.from([-2, 0.5, 3]).clamp(-1, 1); // => [-1, 0.5, 1]
   */
  clamp(min?: Operand, max?: Operand): Tensor {
    if (min === undefined && max === undefined) throw new TensorError("clamp: needs min, max or both");
    let result = this.self;
    if (min !== undefined) result = within(result, min, "lt");
    if (max !== undefined) result = within(result, max, "gt");
    return result;
  }
  neg(): Tensor {
    return this.unary("neg");
  }
  abs(): Tensor {
    return isUnsigned(this.dtype) || kindOf(this.dtype) === "bool" ? this.self : this.unary("abs");
  }
  /**
   * -1, 0 or 1; NaN stays NaN.
   *
   * @example
   * Tensor.from([-2.5, 0, NaN]).sign(); // => [-1, 0, NaN]
   */
  sign(): Tensor {
    const sign = this.gt(0).cast("int8").sub(this.lt(0).cast("int8")).cast(this.dtype);
    return isFloat(this.dtype) ? this.isnan().where(Number.NaN, sign) : sign;
  }
  square(): Tensor {
    return this.mul(this.self);
  }
  /** 1 / this. */
  reciprocal(): Tensor {
    return this.ofFloats("reciprocal");
  }
  sqrt(): Tensor {
    return this.ofFloats("sqrt");
  }
  /** 1 / sqrt(this). */
  rsqrt(): Tensor {
    return this.ofFloats("sqrt").reciprocal();
  }

  // --- functions ---------------------------------------------------------------------------------------------------

  exp(): Tensor {
    return this.ofFloats("exp");
  }
  exp2(): Tensor {
    return this.ofFloats("exp2");
  }
  /**
   * exp(this) - 1, exact near 0: tanh(x/2) * (exp(x) + 1).
   *
   * @example
   * Tensor.from([1e-6]).expm1().mul(1e6); // => [1]
   */
  expm1(): Tensor {
    const x = this.toFloats();
    const near = x.mul(0.5).tanh().mul(x.exp().add(1));
    return x.abs().lt(0.5).where(near, x.exp().sub(1));
  }
  /** Natural logarithm. */
  log(): Tensor {
    return this.ofFloats("log");
  }
  log2(): Tensor {
    return this.ofFloats("log2");
  }
  log10(): Tensor {
    return this.ofFloats("log").mul(Math.LOG10E);
  }
  /**
   * log(1 + this), exact near 0: what rounding took from y = 1 + x is given back, as log(y + d) is log(y) + d/y. The
   * slope is 1/y with or without it.
   */
  log1p(): Tensor {
    const x = this.toFloats();
    const y = x.add(1);
    const lost = x.sub(y.sub(1)).div(y);
    const corrected = y.log().add(x.abs().lt(0.5).where(lost, 0).detach());
    // The smallest are themselves, -0 too.
    return y.eq(1).where(x, corrected);
  }
  sin(): Tensor {
    return this.ofFloats("sin");
  }
  cos(): Tensor {
    return this.ofFloats("cos");
  }
  tan(): Tensor {
    return this.sin().div(this.cos());
  }
  tanh(): Tensor {
    return this.ofFloats("tanh");
  }
  /** Exact near 0, and as large as the dtype holds. */
  sinh(): Tensor {
    const x = this.toFloats();
    const small = x.abs().lt(1);
    // With e = exp(x) - 1 it is (e + e / (e + 1)) / 2: nothing cancels.
    const e = small.where(x, 0).expm1();
    const [growing, fading] = x.halvesOfCosh();
    return small.where(e.add(e.div(e.add(1))).mul(0.5), growing.sub(fading));
  }
  cosh(): Tensor {
    const [growing, fading] = this.toFloats().halvesOfCosh();
    return growing.add(fading);
  }
  /** exp(x) / 2 and exp(-x) / 2, which overflow only where cosh does. */
  private halvesOfCosh(): [Tensor, Tensor] {
    const half = this.mul(0.5);
    return [half.exp(), half.neg().exp()].map((root) => root.mul(0.5).mul(root)) as [Tensor, Tensor];
  }
  /** Gauss error function. */
  erf(): Tensor {
    return this.ofFloats("erf");
  }
  floor(): Tensor {
    return isFloat(this.dtype) ? this.unary("floor") : this.self;
  }
  ceil(): Tensor {
    return isFloat(this.dtype) ? this.neg().floor().neg() : this.self;
  }
  /** Towards zero. */
  trunc(): Tensor {
    return isFloat(this.dtype) ? this.unary("trunc") : this.self;
  }
  fix(): Tensor {
    return this.trunc();
  }
  /**
   * To the nearest integer, ties to even.
   *
   * @example
   * Tensor.from([0.5, 1.5, 2.5]).round(); // => [0, 2, 2]
   */
  round(): Tensor {
    return isFloat(this.dtype) ? this.unary("round") : this.self;
  }
  /**
   * The part after the point, with the sign of the value.
   *
   * @example
   * Tensor.from([1.25, -1.25]).frac(); // => [0.25, -0.25]
   */
  frac(): Tensor {
    return this.sub(this.trunc());
  }

  // --- comparison --------------------------------------------------------------------------------------------------

  lt(other: Operand): Tensor {
    return this.binary("lt", other);
  }
  le(other: Operand): Tensor {
    return this.binary("le", other);
  }
  gt(other: Operand): Tensor {
    return this.reversed("lt", other);
  }
  ge(other: Operand): Tensor {
    return this.reversed("le", other);
  }
  eq(other: Operand): Tensor {
    return this.binary("eq", other);
  }
  ne(other: Operand): Tensor {
    return this.binary("ne", other);
  }

  /** True where the bits are those of a NaN. */
  isnan(): Tensor {
    return isFloat(this.dtype) ? this.ne(this.self) : this.falses();
  }
  isinf(): Tensor {
    return isFloat(this.dtype) ? this.abs().eq(Number.POSITIVE_INFINITY) : this.falses();
  }
  isfinite(): Tensor {
    if (!isFloat(this.dtype)) return this.falses().logicalNot();
    // float8e4m3 has no infinity to compare with.
    if (this.dtype === "float8e4m3") return this.isnan().logicalNot();
    return this.abs().lt(Number.POSITIVE_INFINITY);
  }
  private falses(): Tensor {
    return this.wrap(scalarNode(false, "bool", this.shape));
  }

  // --- logic and bits ----------------------------------------------------------------------------------------------

  logicalNot(): Tensor {
    return this.bool().unary("not");
  }
  logicalAnd(other: Operand): Tensor {
    return this.bool().binary("and", truth(other));
  }
  logicalOr(other: Operand): Tensor {
    return this.bool().binary("or", truth(other));
  }
  logicalXor(other: Operand): Tensor {
    return this.bool().binary("xor", truth(other));
  }
  bitwiseNot(): Tensor {
    return this.unary("not");
  }
  bitwiseAnd(other: Operand): Tensor {
    return this.binary("and", other);
  }
  bitwiseOr(other: Operand): Tensor {
    return this.binary("or", other);
  }
  bitwiseXor(other: Operand): Tensor {
    return this.binary("xor", other);
  }
  /**
   * 0 if the amount is negative or at least the width.
   *
   * @example Tensor.from([1, 3], { dtype: "int32" }).shl(4); // => [16, 48]
   */
  shl(amount: Operand): Tensor {
    return this.binary("shl", amount);
  }
  /**
   * Arithmetic on signed integers, logical on unsigned ones.
   *
   * @example
   * Tensor.from([-16, 16], { dtype: "int32" }).shr(2); // => [-4, 4]
   */
  shr(amount: Operand): Tensor {
    return this.binary("shr", amount);
  }

  // --- choice ------------------------------------------------------------------------------------------------------

  /**
   * Where this (bool) holds x, else y; all three broadcast.
   *
   * @example Tensor.from([true, false]).where(Tensor.from([1, 2]), 0); // => [1, 0]
   */
  where(x: Operand, y: Operand): Tensor {
    if (this.dtype !== "bool") throw new TensorError(`where: the condition must be bool, got ${this}`);
    const [dtype, shape] = choiceOf(this.shape, x, y);
    const operand = (value: Operand): Node =>
      value instanceof TensorCore
        ? broadcastNode(castNode(value.node, dtype), shape)
        : scalarNode(value, dtype, shape);
    return this.wrap(where(broadcastNode(this.node, shape), operand(x), operand(y)));
  }

  /**
   * `value` where the mask (bool) holds, else this.
   *
   * @example
   * const x = Tensor.from([1, 2, 3]);
   * x.maskedFill(x.ge(2), -1); // => [1, -1, -1]
   */
  maskedFill(mask: Tensor, value: Operand): Tensor {
    if (mask.dtype !== "bool") throw new TensorError(`maskedFill: the mask must be bool, got ${mask}`);
    const fill = value instanceof TensorCore ? (value as Tensor).cast(this.dtype) : value;
    return mask.where(fill, this.self).cast(this.dtype);
  }
}

function choiceOf(condition: Shape, x: Operand, y: Operand): [DType, Shape] {
  let dtype: DType | undefined;
  let shape: Shape | undefined = condition;
  for (const value of [x, y]) {
    if (!(value instanceof TensorCore)) continue;
    dtype = dtype === undefined ? value.dtype : promote(dtype, value.dtype);
    shape = shape && broadcastShapes(shape, value.shape);
  }
  for (const value of [x, y]) {
    if (value instanceof TensorCore) continue;
    dtype = dtype === undefined ? dtypeOfScalar(value) : promoteScalar(dtype, value);
  }
  if (shape === undefined) {
    throw new TensorError(`where: shapes of the condition [${condition}], ${x} and ${y} do not broadcast`);
  }
  return [dtype!, shape];
}

/** Keeps x, and so its gradient, at the bound itself; takes the bound beyond. */
function within(x: Tensor, bound: Operand, beyond: "lt" | "gt"): Tensor {
  return x[beyond](bound).where(bound, x);
}

/** Where the floor of a quotient of integers is one below the quotient rounded towards zero: negative, and not whole. */
const floorIsLow = (x: Tensor, y: Tensor): Tensor =>
  x
    .mod(y)
    .ne(0)
    .logicalAnd(x.lt(0).ne(y.lt(0)));

const truth = (value: Operand): Operand =>
  value instanceof TensorCore ? (value as Tensor).bool() : Boolean(value);

const notBool =
  (operation: string) =>
  (dtype: DType): DType => {
    if (dtype === "bool")
      throw new TensorError(`${operation}: bool tensors have no ${operation}; cast them first`);
    return dtype;
  };
