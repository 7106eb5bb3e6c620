// The error function's relatives: values in float32 and float64 that keep their digits far out in the tails.

import { leadingHalf } from "./float-bits.js";
import { coefficientsFor, polynomial } from "./smooth.js";
import { ERFINV } from "./special-coefficients.js";
import type { Tensor } from "./tensor.js";

/** exp(factor * x^2) for x >= 0: the square as a part held exactly and a small rest. */
function expOfSquare(x: Tensor, factor: number): Tensor {
  // Beyond, the result is 0 or infinite.
  const inside = x.minimum(Math.sqrt((x.dtype === "float64" ? 1600 : 225) / Math.abs(factor)));
  const high = leadingHalf(inside);
  const rest = inside.sub(high).mul(inside.add(high));
  return high.square().mul(factor).exp().mul(rest.mul(factor).exp());
}

/**
 * exp(x^2) erfc(x) for x >= 0: (1 + 2x) times it is a polynomial in t = (x - k) / (x + k) (Shepherd and Laframboise,
 * "Chebyshev Approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < infinity", 1981).
 */
function scaledTail(x: Tensor): Tensor {
  const t = x.add(3.75).reciprocal().mul(-7.5).add(1);
  return polynomial(t, coefficientsFor(x).erfcx).div(x.mul(2).add(1));
}

const tail = (x: Tensor): Tensor => expOfSquare(x, -1).mul(scaledTail(x));

/** 1 - erf(x) */
export const erfc = (x: Tensor): Tensor => x.lt(0.5).where(x.erf().rsub(1), tail(x.abs()));

/** exp(x^2) erfc(x) */
export function erfcx(x: Tensor): Tensor {
  const size = x.abs();
  const positive = scaledTail(size);
  return x.lt(0).where(expOfSquare(size, 1).mul(2).sub(positive), positive);
}

/**
 * The slope of erfcx, 2x erfcx(x) - 2/sqrt(pi); where the two cancel, the series
 * -(1/x^2 - 3/(2x^4) + 15/(4x^6) - ..) / sqrt(pi).
 */
export function erfcxSlope(y: Tensor, x: Tensor): Tensor {
  const far = x.gt(x.dtype === "float64" ? 40 : 6);
  const square = far.where(x, 40).square().mul(2).reciprocal();
  const series = polynomial(square, [1, -3, 15, -105, 945, -10395])
    .mul(square)
    .mul(-2 / Math.sqrt(Math.PI));
  return far.where(
    series,
    x
      .mul(y)
      .mul(2)
      .sub(2 / Math.sqrt(Math.PI)),
  );
}

/**
 * y >= 0 with erf(y) = x and erfc(y) = c, where c = 1 - x: from w = -log(c (2 - c)), as Giles, "Approximating the erfinv
 * function" (2011). In float64 one step of Halley's method makes of 20 bits all.
 */
function inverse(x: Tensor, c: Tensor): Tensor {
  const w = c.mul(c.rsub(2)).log().neg();
  const root = w.sqrt();
  const near = polynomial(w.sub(2.5), ERFINV.near).mul(x);
  const far = polynomial(root.sub(3), ERFINV.far);
  const further = polynomial(root.reciprocal().sub(0.14), ERFINV.further).add(root);
  const found = w.lt(5).where(near, w.lt(17).where(far, further));
  return c.eq(0).where(Number.POSITIVE_INFINITY, x.dtype === "float64" ? refined(found, x, c) : found);
}

function refined(y: Tensor, x: Tensor, c: Tensor): Tensor {
  const excess = x.lt(0.5).where(y.erf().sub(x), c.sub(tail(y)));
  const step = excess.mul(Math.sqrt(Math.PI) / 2).div(expOfSquare(y, -1));
  return y.sub(step.div(y.mul(step).add(1)));
}

export function erfinv(x: Tensor): Tensor {
  const size = x.abs();
  const y = inverse(size, size.rsub(1));
  return x.lt(0).where(y.neg(), x.eq(0).where(x, y));
}

/** The normal distribution's function at x: exp(-x^2/2) erfcx(-x/sqrt(2)) / 2 on the left. */
export function ndtr(x: Tensor): Tensor {
  const scaled = x.mul(Math.SQRT1_2);
  const left = expOfSquare(x.abs(), -0.5).mul(scaledTail(scaled.abs())).mul(0.5);
  return x.lt(-0.5).where(left, scaled.erf().add(1).mul(0.5));
}

/** log(ndtr(x)): on the right by log1p of the other tail. */
export function logNdtr(x: Tensor): Tensor {
  const scaled = x.mul(Math.SQRT1_2);
  const half = scaledTail(scaled.abs()).mul(0.5);
  const left = half.log().sub(x.square().mul(0.5));
  const otherTail = x.gt(0.5).where(expOfSquare(x.abs(), -0.5).mul(half), scaled.erf().rsub(1).mul(0.5));
  return x.lt(-1).where(left, otherTail.neg().log1p());
}

/** The inverse of ndtr. */
export function ndtri(p: Tensor): Tensor {
  const left = p.lt(0.5);
  const twice = left.where(p, p.rsub(1)).mul(2);
  const y = inverse(twice.rsub(1), twice).mul(Math.SQRT2);
  return left.where(y.neg(), y);
}
