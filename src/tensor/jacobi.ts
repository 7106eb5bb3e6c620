// One-sided Jacobi rotations (Hestenes, 1958) in a parallel order: rows of a matrix are rotated against one another in
// pairs until all are orthogonal. Round c of a sweep pairs row i with row (c - i) mod n (the modulus order of Luk and
// Park, 1989), so that n rounds meet every pair once and no row ever moves. Values only.

import type { DType } from "../scalar/dtype.js";
import { iterate, placesOf } from "./iterate.js";
import type { Tensor } from "./tensor.js";

/**
 * Sweeps after which rotations of n rows have come to rest. Convergence is quadratic in the end; so many were found to
 * suffice for random, graded, deficient and nearly orthogonal matrices, with two to spare.
 */
const sweepsFor = (n: number, dtype: DType): number =>
  n < 2 ? 0 : Math.ceil(Math.log2(n)) + (dtype === "float64" ? 6 : 4);

/**
 * The rows of x [b, n, m + rest] rotated, as a whole, until their first m elements are orthogonal to one another's.
 * In each pair the rotation with the smaller angle is taken, so that rows which are orthogonal stay.
 */
export function orthogonaliseRows(x: Tensor, m: number, sweeps = sweepsFor(x.sizeAt(1), x.dtype)): Tensor {
  const n = x.sizeAt(1);
  const rows = placesOf(x, 1);
  const [rotated] = iterate(sweeps * n, [x], (round, a) => {
    const partner = round.sub(rows).mod(n);
    const other = a.gather(1, partner.expand(a.shape));
    const [own, others] = [a.narrow(2, 0, m), other.narrow(2, 0, m)];
    const total = (y: Tensor): Tensor => y.sum(2, { keepdim: true });
    const product = total(own.mul(others));
    // tan of the angle from cot of twice the angle, which has the opposite sign seen from the partner.
    const still = product.eq(0).logicalOr(rows.eq(partner));
    const cot = total(others.square()).sub(total(own.square())).div(still.where(1, product).mul(2));
    const sign = cot
      .gt(0)
      .logicalOr(cot.eq(0).logicalAnd(rows.lt(partner)))
      .where(1, -1)
      .cast(x.dtype);
    const tan = still.where(0, sign.div(cot.abs().add(cot.square().add(1).sqrt())));
    const cos = tan.square().add(1).rsqrt();
    return [cos.mul(a.sub(tan.mul(other)))];
  });
  return rotated;
}
