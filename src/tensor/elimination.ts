// Elimination by columns, on matrices [b, m, n] of float32 or float64: LU with partial pivoting, Cholesky, and
// substitution with triangles. Values only; gradients are given where they are used.

import { columnAt, iterate, placesOf, rowAt } from "./iterate.js";
import type { Tensor } from "./tensor.js";

/** L (below the diagonal, which is 1) and U in one matrix; row i of their product is row order[i] of the given one. */
export interface PackedLu {
  readonly packed: Tensor;
  /** int32 [b, m, 1]. */
  readonly order: Tensor;
}

/** For each row of x [b, m, n] which one comes to its place when those at places i and j are exchanged. */
export function exchanged(x: Tensor, i: Tensor, j: Tensor): Tensor {
  const rows = placesOf(x, 1);
  return rows.eq(i).where(j, rows.eq(j).where(i, rows));
}

/**
 * Gaussian elimination with partial pivoting, right-looking: of equal pivots the first. A column without any pivot but
 * 0 is left as it is.
 */
export function eliminate(x: Tensor): PackedLu {
  const [batch, m, n] = x.sizes;
  const [rows, columns] = [placesOf(x, 1), placesOf(x, 2)];
  const start = rows.expand([batch, m, 1]);
  const [packed, order] = iterate(Math.min(m, n), [x, start], (k, a, order) => {
    const column = columnAt(a, k);
    const pivotPlace = rows.ge(k).where(column.abs(), -1).argmax(1, { keepdim: true }).contiguous();
    const source = exchanged(a, k, pivotPlace).expand([batch, m, 1]);
    const swapped = a.gather(1, source.expand([batch, m, n]));
    const pivotRow = rowAt(a, pivotPlace);
    const pivot = columnAt(pivotRow, k);
    const factor = column.gather(1, source).div(pivot.eq(0).where(1, pivot));
    const eliminated = columns
      .gt(k)
      .where(swapped.sub(factor.mul(pivotRow)), columns.eq(k).where(factor, swapped));
    return [rows.gt(k).where(eliminated, swapped), order.gather(1, source)];
  });
  return { packed, order };
}

/**
 * L of symmetric positive matrices [b, n, n] = L L^T, of whose elements those above the diagonal are not read. NaN from
 * the first column on that shows that a matrix is not positive.
 */
export function choleskyColumns(x: Tensor): Tensor {
  const [rows, columns] = [placesOf(x, 1), placesOf(x, 2)];
  const symmetric = rows.ge(columns).where(x, x.transpose());
  const [lower] = iterate(x.sizeAt(1), [symmetric], (k, a) => {
    const [column, row] = [columnAt(a, k), rowAt(a, k)];
    const pivot = columnAt(row, k);
    const root = pivot.gt(0).where(pivot, Number.NaN).sqrt();
    const rest = a.sub(column.div(root).mul(row.div(root)));
    const below = rows.gt(k);
    return [
      below
        .logicalAnd(columns.gt(k))
        .where(rest, columns.eq(k).where(below.where(column.div(root), root), a)),
    ];
  });
  return lower.tril();
}

/** The solution [b, n, m] of L X = B with lower triangles L [b, n, n]; `unit` takes their diagonals as 1. */
export function substitute(lower: Tensor, b: Tensor, unit: boolean): Tensor {
  const rows = placesOf(b, 1);
  const triangle = lower.contiguous();
  const [x] = iterate(b.sizeAt(1), [b], (k, x) => {
    const column = columnAt(triangle, k);
    const row = unit ? rowAt(x, k) : rowAt(x, k).div(rowAt(column, k));
    return [rows.eq(k).where(row, rows.gt(k).where(x.sub(column.mul(row)), x))];
  });
  return x;
}
