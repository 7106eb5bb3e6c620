// Modified Bessel functions of the first kind, orders 0 and 1: up to 8 a polynomial in x^2, beyond e^x / sqrt(x) times
// one in 8/x (forms of Abramowitz and Stegun, "Handbook of Mathematical Functions", 9.8).

import { coefficientsFor, polynomial } from "./smooth.js";
import type { Tensor } from "./tensor.js";

const LIMIT = 8;

/** I(x) times e^-|x| if scaled; `order` says which. */
function bessel(order: 0 | 1, x: Tensor, scaled: boolean): Tensor {
  const c = coefficientsFor(x);
  const size = x.abs();
  const isNear = size.le(LIMIT);
  const inside = isNear.where(x, 0);
  const series = polynomial(inside.square(), order === 0 ? c.i0Near : c.i1Near);
  const near = order === 0 ? series : series.mul(inside);
  const far = polynomial(size.maximum(LIMIT).reciprocal().mul(8), order === 0 ? c.i0Far : c.i1Far).mul(
    size.maximum(LIMIT).rsqrt(),
  );
  const signed = order === 0 ? far : x.lt(0).where(far.neg(), far);
  if (scaled) return isNear.where(near.mul(size.neg().exp()), signed);
  // In two steps: e^x overflows before the result does.
  const root = size.mul(0.5).exp();
  return isNear.where(
    near,
    size.eq(Number.POSITIVE_INFINITY).where(order === 0 ? size : x, signed.mul(root).mul(root)),
  );
}

export const i0 = (x: Tensor): Tensor => bessel(0, x, false);
export const i0e = (x: Tensor): Tensor => bessel(0, x, true);
export const i1 = (x: Tensor): Tensor => bessel(1, x, false);
export const i1e = (x: Tensor): Tensor => bessel(1, x, true);
