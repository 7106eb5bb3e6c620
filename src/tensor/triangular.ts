// Systems of triangles, and Cholesky factors, on matrices [b, m, n] of float32 or float64, with gradients of every
// order: each rule is made of the functions here.

import { choleskyColumns, substitute } from "./elimination.js";
import { withGradient } from "./iterate.js";
import type { Tensor } from "./tensor.js";

export interface Triangle {
  readonly upper: boolean;
  /** The diagonal counts as 1 and is not read. */
  readonly unit?: boolean;
  readonly transposed?: boolean;
}

/** X [b, n, m] of T X = B, or T^T X = B; the other triangle of T [b, n, n] is not read. */
export function solveTriangle(t: Tensor, b: Tensor, triangle: Triangle): Tensor {
  const { upper, unit = false, transposed = false } = triangle;
  // gB = T^-T g;  gT = -gB X^T
  return withGradient(substituteInto(t.detach(), b.detach(), triangle), [t, b], (g, x, t) => {
    const toB = solveTriangle(t, g, { upper, unit, transposed: !transposed });
    const toT = (transposed ? x.matmul(toB.transpose()) : toB.matmul(x.transpose())).neg();
    const beside = unit ? 1 : 0;
    return [upper ? toT.triu(beside) : toT.tril(-beside), toB];
  });
}

/** solveTriangle without gradients. */
export function substituteInto(
  t: Tensor,
  b: Tensor,
  { upper, unit = false, transposed = false }: Triangle,
): Tensor {
  const given = transposed ? t.transpose() : t;
  if (upper === transposed) return substitute(given, b, unit);
  // An upper triangle read from the end is a lower one.
  return substitute(given.flip([1, 2]), b.flip(1), unit).flip(1);
}

/** L of A = L L^T; see choleskyColumns. */
export function choleskyFactor(a: Tensor): Tensor {
  // gA = L^-T P L^-1, where P is the symmetric part of the lower triangle of L^T g (Murray, 2016).
  return withGradient(choleskyColumns(a.detach()), [a], (g, lower) => {
    const product = lower.transpose().matmul(g).tril();
    const symmetric = product.add(product.tril(-1).transpose()).mul(0.5);
    const half = solveTriangle(lower, symmetric, { upper: false, transposed: true });
    return [solveTriangle(lower, half.transpose(), { upper: false, transposed: true })];
  });
}

/** X of A X = B by the Cholesky factor of A. */
export function solveByCholesky(factor: Tensor, b: Tensor, upper: boolean): Tensor {
  const first = solveTriangle(factor, b, { upper, transposed: upper });
  return solveTriangle(factor, first, { upper, transposed: !upper });
}
