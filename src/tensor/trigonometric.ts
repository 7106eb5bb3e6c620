// Inverse trigonometric and hyperbolic functions: values in float32 and float64, exact to a few units in the last place
// near 0 and far out. Methods: Cody and Waite, "Software Manual for the Elementary Functions" (1980).

import { signBitOf, withSignOf } from "./float-bits.js";
import { coefficientsFor, polynomial } from "./smooth.js";
import type { Tensor } from "./tensor.js";

/** pi / 2 less the float64 next to it. */
const HALF_PI_REST = 6.123233995736766e-17;

/** Adds a constant to x with what its rounding to x's dtype takes away. */
function addExactly(x: Tensor, value: number, rest = 0): Tensor {
  if (x.dtype === "float64") return x.add(rest).add(value);
  const near = Math.fround(value);
  return x.add(value - near + rest).add(near);
}

/** x + x^3 P(x^2) */
const odd = (x: Tensor, square: Tensor, coefficients: readonly number[]): Tensor =>
  x.add(x.mul(square.mul(polynomial(square, coefficients))));

/** atan(t) for t in [0, 1]: beyond tan(pi/8) as pi/4 + atan((t - 1) / (t + 1)). */
function atanBelowOne(t: Tensor): Tensor {
  const beyond = t.gt(Math.SQRT2 - 1);
  const near = beyond.where(t.sub(1).div(t.add(1)), t);
  const angle = odd(near, near.square(), coefficientsFor(t).atan);
  return beyond.where(addExactly(angle, Math.PI / 4, HALF_PI_REST / 2), angle);
}

export function atan(x: Tensor): Tensor {
  const size = x.abs();
  const far = size.gt(1);
  const angle = atanBelowOne(far.where(size.reciprocal(), size));
  return withSignOf(far.where(addExactly(angle.neg(), Math.PI / 2, HALF_PI_REST), angle), x);
}

/** The angle of the point (x, y), -pi to pi; signs of zeros count, as in C. */
export function atan2(y: Tensor, x: Tensor): Tensor {
  const [up, along] = [y.abs(), x.abs()];
  const steep = up.gt(along);
  const larger = up.maximum(along);
  const even = up.eq(along);
  // Of 0 / 0 and infinity / infinity: the axis, and the diagonal.
  const ratio = even.where(up.gt(0).cast(x.dtype), up.minimum(along).div(larger));
  const low = atanBelowOne(larger.isnan().where(Number.NaN, ratio));
  const inFront = steep.where(addExactly(low.neg(), Math.PI / 2, HALF_PI_REST), low);
  return withSignOf(signBitOf(x).where(addExactly(inFront.neg(), Math.PI, 2 * HALF_PI_REST), inFront), y);
}

/** asin of |x| up to 1/2; beyond asin(sqrt((1 - |x|) / 2)), which is half of acos(|x|). */
function asinParts(x: Tensor): { readonly near: Tensor; readonly angle: Tensor } {
  const size = x.abs();
  const near = size.le(0.5);
  const square = near.where(size.square(), size.rsub(1).mul(0.5));
  return { near, angle: odd(near.where(size, square.sqrt()), square, coefficientsFor(x).asin) };
}

export function asin(x: Tensor): Tensor {
  const { near, angle } = asinParts(x);
  return withSignOf(near.where(angle, addExactly(angle.mul(-2), Math.PI / 2, HALF_PI_REST)), x);
}

export function acos(x: Tensor): Tensor {
  const { near, angle } = asinParts(x);
  const far = x.gt(0).where(angle.mul(2), addExactly(angle.mul(-2), Math.PI, 2 * HALF_PI_REST));
  return near.where(addExactly(withSignOf(angle, x).neg(), Math.PI / 2, HALF_PI_REST), far);
}

/** Beyond it x^2 + 1 is x^2 to the last place, and x^2 may overflow. */
const farOut = (x: Tensor): number => (x.dtype === "float64" ? 2 ** 28 : 2 ** 13);

/** log(1 + x + x^2 / (1 + sqrt(1 + x^2))) */
export function asinh(x: Tensor): Tensor {
  const size = x.abs();
  const square = size.square();
  const near = size.add(square.div(square.add(1).sqrt().add(1))).log1p();
  return withSignOf(size.lt(farOut(x)).where(near, size.log().add(Math.LN2)), x);
}

/** With t = x - 1, log(1 + t + sqrt(2t + t^2)). */
export function acosh(x: Tensor): Tensor {
  const t = x.sub(1);
  const near = t.add(t.mul(t.add(2)).sqrt()).log1p();
  const value = x.lt(farOut(x)).where(near, x.log().add(Math.LN2));
  // Far below 0 the root and t are so near that the logarithm's argument is rounded to 0.
  return x.lt(1).where(Number.NaN, value);
}

/** log((1 + x) / (1 - x)) / 2 */
export function atanh(x: Tensor): Tensor {
  const size = x.abs();
  const double = size.mul(2).div(size.rsub(1)).log1p();
  return withSignOf(double.mul(0.5), x);
}
