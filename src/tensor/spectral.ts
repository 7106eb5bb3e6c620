// QR, singular values, eigenvalues of symmetric matrices and pseudoinverses, on matrices [b, m, n] of float32 or
// float64, with gradients of every order. Gradients: Walter and Lehmann (2010) for QR, Townsend (2016) for the singular
// value decomposition, Giles (2008) for eigenvalues, Golub and Pereyra (1973) for the pseudoinverse.

import { productOfReflections, reflectColumns } from "./householder.js";
import { placesOf, unitLike, withGradient, zerosLike } from "./iterate.js";
import { orthogonaliseRows } from "./jacobi.js";
import { solveTriangle } from "./triangular.js";
import type { Tensor } from "./tensor.js";

// --- QR --------------------------------------------------------------------------------------------------------------

/** Q [b, m, k] and R [b, k, n] with k = min(m, n), or k = m if `complete`. */
export function orthogonalTriangular(a: Tensor, complete: boolean): { q: Tensor; r: Tensor } {
  const [batch, m, n] = a.sizes;
  if (m < n) {
    // A = [X Y] = Q [R1, Q^T Y]
    const { q, r } = orthogonalTriangular(a.narrow(2, 0, m), false);
    return { q, r: r.cat(2, q.transpose().matmul(a.narrow(2, m, n - m))) };
  }
  const reflected = reflectColumns(a.detach());
  const q: Tensor = withGradient(productOfReflections(reflected, n), [a], (g, q) => [
    qrGradient(q, r, g, undefined),
  ]);
  const r: Tensor = withGradient(reflected.packed.narrow(1, 0, n).triu(), [a], (g, r) => [
    qrGradient(q, r, undefined, g),
  ]);
  if (!complete || m === n) return { q, r };
  const rest = productOfReflections(reflected, m).narrow(2, n, m - n);
  return { q: q.cat(2, rest), r: r.cat(1, zerosLike(r, [batch, m - n, n])) };
}

/** (gQ + Q sym(R gR^T - gQ^T Q)) R^-T, where sym mirrors the lower triangle. */
function qrGradient(q: Tensor, r: Tensor, toQ: Tensor | undefined, toR: Tensor | undefined): Tensor {
  const inner = toQ === undefined ? r.matmul(toR!.transpose()) : toQ.transpose().matmul(q).neg();
  const symmetric = q.matmul(inner.tril().add(inner.tril(-1).transpose()));
  const total = toQ === undefined ? symmetric : toQ.add(symmetric);
  return solveTriangle(r, total.transpose(), { upper: true }).transpose();
}

/** X that makes |A X - B| least, and of those the smallest; A [b, m, n] of full rank. */
export function leastSquares(a: Tensor, b: Tensor): Tensor {
  const tall = a.sizeAt(1) >= a.sizeAt(2);
  const { q, r } = orthogonalTriangular(tall ? a : a.transpose(), false);
  if (tall) return solveTriangle(r, q.transpose().matmul(b), { upper: true });
  return q.matmul(solveTriangle(r, b, { upper: true, transposed: true }));
}

// --- singular values -------------------------------------------------------------------------------------------------

export interface Singular {
  /** [b, m, k] with k = min(m, n), or [b, m, m] if full. */
  readonly u: Tensor;
  /** [b, k], the largest first. */
  readonly s: Tensor;
  /** [b, k, n], or [b, n, n] if full. */
  readonly vh: Tensor;
}

/** The matrix divided by its largest element, and that element: [b, 1, 1]. */
function normalised(a: Tensor): [Tensor, Tensor] {
  const top = a.abs().max([1, 2], { keepdim: true });
  const scale = top.gt(0).logicalAnd(top.isfinite()).where(top, 1);
  return [a.div(scale).contiguous(), scale.squeeze(2)];
}

/** The order that sorts x [b, n]: int32 [b, n, 1]. */
const sortingOrder = (x: Tensor, descending: boolean): Tensor =>
  x.argsort({ axis: 1, descending }).unsqueeze(2);

const rowNorms = (x: Tensor): Tensor => x.square().sum(2).sqrt();
const rowsInOrder = (x: Tensor, order: Tensor): Tensor => x.gather(1, order.expand(x.shape));

/** Values of a tall or square matrix, by rotation of its columns: A V = U S. */
function tallSingular(a: Tensor, full: boolean): Singular {
  const [, m, n] = a.sizes;
  const [scaled, scale] = normalised(a);
  const columns = scaled.transpose();
  const rotated = orthogonaliseRows(columns.cat(2, unitLike(columns.narrow(2, 0, n))), m);
  const lengths = rowNorms(rotated.narrow(2, 0, m)).contiguous();
  const order = sortingOrder(lengths, true);
  const sorted = rowsInOrder(rotated, order).contiguous();
  const s = rowsInOrder(lengths.unsqueeze(2), order).squeeze(2).mul(scale);
  // The columns of A V are orthogonal, some maybe 0: QR makes them unit vectors and adds those that lack.
  const reflected = reflectColumns(sorted.narrow(2, 0, m).transpose());
  const q = productOfReflections(reflected, full ? m : n);
  const negative = reflected.packed.diagonal().lt(0).where(-1, 1).cast(a.dtype).unsqueeze(1);
  const u =
    full && m > n
      ? q
          .narrow(2, 0, n)
          .mul(negative)
          .cat(2, q.narrow(2, n, m - n))
      : q.mul(negative);
  return { u, s, vh: sorted.narrow(2, m, n) };
}

function singularValue(a: Tensor, full: boolean): Singular {
  const [, m, n] = a.sizes;
  if (m >= n) return tallSingular(a, full);
  const { u, s, vh } = tallSingular(a.transpose(), full);
  return { u: vh.transpose(), s, vh: u.transpose() };
}

export function singular(a: Tensor, full: boolean): Singular {
  const [, m, n] = a.sizes;
  const k = Math.min(m, n);
  const value = singularValue(a.detach(), full);
  const gradient = (g: Partial<Singular>): Tensor[] => [singularGradient({ u, s, vh }, g)];
  const u: Tensor = withGradient(value.u.narrow(2, 0, k), [a], (g) => gradient({ u: g }));
  const s: Tensor = withGradient(value.s, [a], (g) => gradient({ s: g }));
  const vh: Tensor = withGradient(value.vh.narrow(1, 0, k), [a], (g) => gradient({ vh: g }));
  if (!full) return { u, s, vh };
  return {
    u: m > k ? u.cat(2, value.u.narrow(2, k, m - k)) : u,
    s,
    vh: n > k ? vh.cat(1, value.vh.narrow(1, k, n - k)) : vh,
  };
}

/** 1 / (s_j^2 - s_i^2), 0 on the diagonal. */
function inverseGaps(x: Tensor): Tensor {
  const gap = x.unsqueeze(1).sub(x.unsqueeze(2));
  const diagonal = placesOf(gap, 1).eq(placesOf(gap, 2));
  return diagonal.where(0, diagonal.where(1, gap).reciprocal());
}

const skew = (x: Tensor): Tensor => x.sub(x.transpose());

function singularGradient({ u, s, vh }: Singular, g: Partial<Singular>): Tensor {
  if (g.s !== undefined) return u.mul(g.s.unsqueeze(1)).matmul(vh);
  const gaps = inverseGaps(s.square());
  const [m, n, k] = [u.sizeAt(1), vh.sizeAt(2), s.sizeAt(1)];
  if (g.u !== undefined) {
    const inner = u.transpose().matmul(g.u);
    const core = u.matmul(skew(inner).mul(gaps).mul(s.unsqueeze(1)));
    const outside = m > k ? g.u.sub(u.matmul(inner)).div(s.unsqueeze(1)) : undefined;
    return (outside === undefined ? core : core.add(outside)).matmul(vh);
  }
  const inner = vh.matmul(g.vh!.transpose());
  const core = skew(inner).mul(gaps).mul(s.unsqueeze(2)).matmul(vh);
  const outside = n > k ? g.vh!.sub(inner.transpose().matmul(vh)).div(s.unsqueeze(2)) : undefined;
  return u.matmul(outside === undefined ? core : core.add(outside));
}

/** Singular values alone: [b, k]. */
export function singularValues(a: Tensor): Tensor {
  const [, m, n] = a.sizes;
  const [scaled, scale] = normalised(a.detach());
  const rows = m >= n ? scaled.transpose() : scaled;
  const lengths = rowNorms(orthogonaliseRows(rows, Math.max(m, n))).contiguous();
  const s = rowsInOrder(lengths.unsqueeze(2), sortingOrder(lengths, true)).squeeze(2).mul(scale);
  return withGradient(s, [a], (g, _, a) => {
    const { u, vh } = singular(a, false);
    return [u.mul(g.unsqueeze(1)).matmul(vh)];
  });
}

// --- eigenvalues of symmetric matrices -------------------------------------------------------------------------------

export interface Eigen {
  /** [b, n], the smallest first. */
  readonly values: Tensor;
  /** [b, n, n], in columns. */
  readonly vectors: Tensor;
}

/** Eigenvalues of A + shift are not negative, so that they are its singular values: the rotations give vectors. */
function eigenValue(a: Tensor): Eigen {
  const n = a.sizeAt(1);
  const [scaled, scale] = normalised(a);
  const unit = unitLike(scaled);
  const shift = scaled.square().sum([1, 2], { keepdim: true }).sqrt();
  const rotated = orthogonaliseRows(scaled.add(unit.mul(shift)).cat(2, unit), n);
  const rows = rotated.narrow(2, n, n);
  const found = rows.matmul(scaled).mul(rows).sum(2).contiguous();
  const order = sortingOrder(found, false);
  return {
    values: rowsInOrder(found.unsqueeze(2), order).squeeze(2).mul(scale),
    vectors: rowsInOrder(rows, order).transpose(),
  };
}

/** Eigenvalues and vectors of symmetric matrices, of whose elements one triangle is read. */
export function eigen(a: Tensor, upper: boolean): Eigen {
  const [rows, columns] = [placesOf(a, 1), placesOf(a, 2)];
  const read = upper ? columns.ge(rows) : rows.ge(columns);
  const value = eigenValue(read.where(a, a.transpose()).detach());
  // V X V^T, of which PyTorch takes the symmetric part.
  const back = (x: Tensor): Tensor[] => {
    const whole = vectors.matmul(x).matmul(vectors.transpose());
    return [whole.add(whole.transpose()).mul(0.5)];
  };
  const values: Tensor = withGradient(value.values, [a], (g) => back(unitLike(a).mul(g.unsqueeze(1))));
  const vectors: Tensor = withGradient(value.vectors, [a], (g) =>
    back(vectors.transpose().matmul(g).mul(inverseGaps(values))),
  );
  return { values, vectors };
}

// --- pseudoinverse ---------------------------------------------------------------------------------------------------

/** The pseudoinverse [b, n, m]; singular values not above `atol` and not above `rtol` times the largest count as 0. */
export function pseudoinverse(a: Tensor, atol: number, rtol: number): Tensor {
  const { u, s, vh } = singularValue(a.detach(), false);
  const limit = s.max(1, { keepdim: true }).mul(rtol).maximum(atol);
  const kept = s.gt(limit);
  const reciprocal = kept.where(kept.where(s, 1).reciprocal(), 0);
  const value = vh.transpose().mul(reciprocal.unsqueeze(1)).matmul(u.transpose());
  return withGradient(value, [a], (g, p, a) => {
    const [pt, gt] = [p.transpose(), g.transpose()];
    // -P^T g P^T + (1 - A P) g^T P P^T + P^T P g^T (1 - P A)
    const first = pt.matmul(g).matmul(pt);
    const left = gt.matmul(p).matmul(pt);
    const right = pt.matmul(p).matmul(gt);
    return [
      left
        .sub(a.matmul(p.matmul(left)))
        .add(right.sub(right.matmul(p).matmul(a)))
        .sub(first),
    ];
  });
}
