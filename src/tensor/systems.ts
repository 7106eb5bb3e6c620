// LU factors and what is solved with them, on matrices [b, m, n] of float32 or float64, with gradients of every order.

import { eliminate, exchanged, type PackedLu } from "./elimination.js";
import { iterate, placesOf, rowAt, unitLike, withGradient, zerosLike } from "./iterate.js";
import { solveTriangle, substituteInto } from "./triangular.js";
import type { Tensor } from "./tensor.js";

export const factorise = (a: Tensor): PackedLu => eliminate(a.detach());

/** Rows of x [b, m, n] in the order in which elimination took them, or from that order back. */
export function takeRows(x: Tensor, order: Tensor): Tensor {
  return x.gather(1, order.expand(x.shape));
}
export function putRows(x: Tensor, order: Tensor): Tensor {
  return zerosLike(x, x.sizes).scatterAdd(1, order.expand(x.shape), x);
}

/** X of A X = B, or A^T X = B, by the factors of A. */
export function solveWith(a: Tensor, factors: PackedLu, b: Tensor, transposed = false): Tensor {
  const value = solveValue(factors, b.detach(), transposed);
  // gB = A^-T g;  gA = -gB X^T
  return withGradient(value, [a, b], (g, x, a) => {
    const toB = solveWith(a, factors, g, !transposed);
    return [(transposed ? x.matmul(toB.transpose()) : toB.matmul(x.transpose())).neg(), toB];
  });
}

function solveValue({ packed, order }: PackedLu, b: Tensor, transposed: boolean): Tensor {
  const lower = { upper: false, unit: true, transposed };
  const upper = { upper: true, transposed };
  if (transposed) return putRows(substituteInto(packed, substituteInto(packed, b, upper), lower), order);
  return substituteInto(packed, substituteInto(packed, takeRows(b, order), lower), upper);
}

/** X of A X = B, given L and U in one matrix, and in which order elimination took A's rows. */
export function solveByFactors(packed: Tensor, order: Tensor, b: Tensor): Tensor {
  const half = solveTriangle(packed, takeRows(b, order), { upper: false, unit: true });
  return solveTriangle(packed, half, { upper: true });
}

/** The rows of x [b, m, n] with those at two places, [b, 1, 1] or [1, 1, 1], exchanged. */
function exchangeRows(x: Tensor, i: Tensor, j: Tensor): Tensor {
  return x.gather(1, exchanged(x, i, j).expand(x.shape));
}

/** LAPACK's pivots, int32 [b, k, 1] from 1 on: step i exchanges rows i and pivots[i] to come to the order [b, m, 1]. */
export function pivotsOfOrder(order: Tensor, k: number): Tensor {
  const rows = placesOf(order, 1);
  const none = zerosLike(order, [order.sizeAt(0), k, 1]);
  const [, pivots] = iterate(k, [rows.expand(order.shape), none], (i, current, pivots) => {
    const place = current.eq(rowAt(order, i)).where(rows, order.sizeAt(1)).min(1, { keepdim: true });
    return [exchangeRows(current, i, place), placesOf(pivots, 1).eq(i).where(place.add(1), pivots)];
  });
  return pivots;
}

/** The order, int32 [b, n, 1], to which LAPACK's pivots [b, n, 1] bring n rows. */
export function orderOfPivots(pivots: Tensor): Tensor {
  const start = placesOf(pivots, 1).expand(pivots.shape);
  const [order] = iterate(pivots.sizeAt(1), [start], (i, current) => [
    exchangeRows(current, i, rowAt(pivots, i).cast("int32").sub(1)),
  ]);
  return order;
}

/** A^-1; of a singular matrix infinities and NaN. */
export function inverse(a: Tensor): Tensor {
  const value = solveValue(factorise(a), unitLike(a), false);
  return withGradient(value, [a], (g, y) => [y.transpose().matmul(g).matmul(y.transpose()).neg()]);
}

/** 1 or -1, [b]: whether an order [b, n, 1] comes about by an even number of exchanges. */
function parity(order: Tensor): Tensor {
  const after = placesOf(order, 1).lt(placesOf(order.transpose(), 2));
  const inversions = after.logicalAnd(order.gt(order.transpose())).sum([1, 2]);
  return inversions.mod(2).mul(-2).add(1);
}

/** Determinants [b] of matrices [b, n, n] with these factors. */
export function determinant(a: Tensor, factors: PackedLu): Tensor {
  const { packed, order } = factors;
  const value = parity(order).cast(a.dtype).mul(packed.diagonal().prod(-1));
  // gA = g det(A) A^-T, the cofactors. Where a pivot is 0 a tiny one stands for it, which leaves them finite.
  return withGradient(value, [a], (g, _, a) => {
    const safe = { packed: withoutZeroPivots(packed), order };
    const transposedInverse = solveWith(a, safe, unitLike(a), true);
    return [g.mul(determinant(a, safe)).unsqueeze(-1).unsqueeze(-1).mul(transposedInverse)];
  });
}

function withoutZeroPivots(packed: Tensor): Tensor {
  const diagonal = placesOf(packed, 1).eq(placesOf(packed, 2));
  const top = packed.abs().max([1, 2], { keepdim: true });
  const tiny = top
    .eq(0)
    .where(1, top)
    .mul(packed.dtype === "float64" ? 2 ** -52 : 2 ** -23);
  return diagonal.logicalAnd(packed.eq(0)).where(tiny, packed);
}

/** Sign and logarithm of the size of determinants, [b] each. */
export function logDeterminant(a: Tensor, factors: PackedLu): { sign: Tensor; logabsdet: Tensor } {
  const { packed, order } = factors;
  const diagonal = packed.diagonal();
  const sign = parity(order).cast(a.dtype).mul(diagonal.sign().prod(-1));
  // gA = g A^-T
  const logabsdet = withGradient(diagonal.abs().log().sum(-1), [a], (g, _, a) => [
    g
      .unsqueeze(-1)
      .unsqueeze(-1)
      .mul(solveWith(a, factors, unitLike(a), true)),
  ]);
  return { sign, logabsdet };
}

/** P, L and U of matrices [b, m, n] = P L U; P as the order of the rows. */
export function lowerUpper(a: Tensor): { order: Tensor; lower: Tensor; upper: Tensor } {
  const { packed, order } = factorise(a);
  const [, m, n] = a.sizes;
  const count = Math.min(m, n);
  const columns = packed.narrow(2, 0, count);
  const lowerValue = columns.tril(-1).add(unitLike(columns));
  const upperValue = packed.narrow(1, 0, count).triu();
  const lower = withGradient(lowerValue, [a], (g, lower) => [luGradient(order, lower, upper, g, undefined)]);
  const upper: Tensor = withGradient(upperValue, [a], (g, upper) => [
    luGradient(order, lower, upper, undefined, g),
  ]);
  return { order, lower, upper };
}

/**
 * With L = [L1; L2], U = [U1 U2] and L1, U1 square (Giles, 2008, for the square part): what L2 = A2 U1^-1 and
 * U2 = L1^-1 A2 hand on is added to the gradients of L1 and U1 first.
 */
function luGradient(order: Tensor, lower: Tensor, upper: Tensor, toLower?: Tensor, toUpper?: Tensor): Tensor {
  const [m, n] = [lower.sizeAt(1), upper.sizeAt(2)];
  const k = Math.min(m, n);
  const [lower1, upper1] = [lower.narrow(1, 0, k), upper.narrow(2, 0, k)];
  const zero = zerosLike(lower, [lower.sizeAt(0), k, k]);
  let [inLower, inUpper] = [toLower?.narrow(1, 0, k) ?? zero, toUpper?.narrow(2, 0, k) ?? zero];
  let beside: Tensor | undefined;
  if (m > k && toLower !== undefined) {
    beside = solveTriangle(upper1, toLower.narrow(1, k, m - k).transpose(), { upper: true }).transpose();
    inUpper = inUpper.sub(
      lower
        .narrow(1, k, m - k)
        .transpose()
        .matmul(beside),
    );
  }
  if (n > k && toUpper !== undefined) {
    beside = solveTriangle(lower1, toUpper.narrow(2, k, n - k), {
      upper: false,
      unit: true,
      transposed: true,
    });
    inLower = inLower.sub(beside.matmul(upper.narrow(2, k, n - k).transpose()));
  }
  const middle = lower1.transpose().matmul(inLower).tril(-1).add(inUpper.matmul(upper1.transpose()).triu());
  const half = solveTriangle(lower1, middle, { upper: false, unit: true, transposed: true });
  let total = solveTriangle(upper1, half.transpose(), { upper: true }).transpose();
  const axis = m > k ? 1 : 2;
  if (m !== n)
    total = total.cat(
      axis,
      beside ?? zerosLike(lower, [lower.sizeAt(0), m > k ? m - k : k, m > k ? k : n - k]),
    );
  return putRows(total, order);
}
