// QR by Householder reflections I - tau v v^T, column by column (Golub and Van Loan, 5.2), on matrices [b, m, n] of
// float32 or float64. Values only; gradients are given where they are used.

import { columnAt, iterate, placesOf, rowAt, unitLike, zerosLike } from "./iterate.js";
import type { Tensor } from "./tensor.js";

/** R on and above the diagonal; below it the vectors v, whose first element, on the diagonal, is 1. */
export interface Reflected {
  readonly packed: Tensor;
  /** The factors tau [b, min(m, n), 1]. */
  readonly factors: Tensor;
}

export function reflectColumns(x: Tensor): Reflected {
  const [batch, m, n] = x.sizes;
  const count = Math.min(m, n);
  const [rows, columns] = [placesOf(x, 1), placesOf(x, 2)];
  const none = zerosLike(x, [batch, count, 1]);
  const at = placesOf(none, 1);
  const [packed, factors] = iterate(count, [x, none], (k, a, factors) => {
    const column = columnAt(a, k);
    const head = rowAt(column, k);
    const tail = rows.gt(k).where(column, 0);
    // Divided by the largest, so that no square is too large or too small.
    const top = rows.ge(k).where(column, 0).abs().max(1, { keepdim: true });
    const size = top.eq(0).where(1, top);
    const rest = tail.div(size).square().sum(1, { keepdim: true });
    const norm = head.div(size).square().add(rest).sqrt().mul(size);
    const flat = rest.eq(0);
    const diagonal = flat.where(head, head.lt(0).where(norm, norm.neg())).contiguous();
    const factor = flat.where(0, diagonal.sub(head).div(flat.where(1, diagonal))).contiguous();
    const below = tail.div(flat.where(1, head.sub(diagonal)));
    const v = rows.eq(k).where(1, below).contiguous();
    const right = a.sub(factor.mul(v).mul(v.mul(a).sum(1, { keepdim: true })));
    const done = rows.eq(k).where(diagonal, rows.gt(k).where(v, a));
    return [columns.gt(k).where(right, columns.eq(k).where(done, a)), at.eq(k).where(factor, factors)];
  });
  return { packed, factors };
}

/** The first `width` columns of the product of the reflections: [b, m, width]. */
export function productOfReflections({ packed, factors }: Reflected, width: number): Tensor {
  const [batch, m] = packed.sizes;
  const count = factors.sizeAt(1);
  const rows = placesOf(packed, 1);
  const start = unitLike(zerosLike(packed, [batch, m, width]));
  const [q] = iterate(count, [start], (k, q) => {
    const place = k.neg().add(count - 1);
    const v = rows.eq(place).where(1, rows.gt(place).where(columnAt(packed, place), 0));
    return [
      q.sub(
        rowAt(factors, place)
          .mul(v)
          .mul(v.mul(q).sum(1, { keepdim: true })),
      ),
    ];
  });
  return q;
}
