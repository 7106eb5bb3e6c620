// Factorisations of matrices, and what is solved with them. The last two axes are matrices, those before are batches.
// Small floats are computed in float32, integers in the default float. Data is not known when a graph is built, so no
// method throws for a singular or indefinite matrix: it gives NaN or infinities, as each says. General (unsymmetric)
// eigenvalues are complex and have no method.

import { type Shape, sameShape } from "../graph/node.js";
import { promote } from "../graph/promote.js";
import type { DType } from "../scalar/dtype.js";
import { broadcastShapes, TensorError } from "./core.js";
import { productOfReflections } from "./householder.js";
import { unitLike, zerosLike } from "./iterate.js";
import { exponential, matrixNormOf, power } from "./matrix-functions.js";
import { Products } from "./products.js";
import { computationType } from "./smooth.js";
import {
  eigen,
  leastSquares,
  orthogonalTriangular,
  pseudoinverse,
  singular,
  singularValues,
} from "./spectral.js";
import {
  determinant,
  factorise,
  inverse,
  logDeterminant,
  lowerUpper,
  orderOfPivots,
  pivotsOfOrder,
  solveByFactors,
  solveWith,
  takeRows,
} from "./systems.js";
import { choleskyFactor, solveByCholesky, solveTriangle } from "./triangular.js";
import type { Tensor } from "./tensor.js";

export interface TriangleOptions {
  /** Whether the triangle above the diagonal is read, or that below. */
  readonly upper: boolean;
  /** Whether the matrix stands left of the unknown (T X = B, the default) or right (X T = B). */
  readonly left?: boolean;
  /** The diagonal counts as 1 and is not read. */
  readonly unitriangular?: boolean;
}

/** Singular values not above atol, nor above rtol times the largest, count as 0. */
export interface RankOptions {
  /** Default 0. */
  readonly atol?: number;
  /** Default the dtype's epsilon times the larger size of the matrix; 0 if atol is given and positive. */
  readonly rtol?: number;
}

/** A norm of matrices: "fro", "nuc", the sums of columns (1, -1) or rows (inf, -inf), the singular values (2, -2). */
export type MatrixNorm = "fro" | "nuc" | number;

/** Matrices [b, m, n] in the dtype they are computed in, and what leads back from results [b, ..]. */
interface Matrices {
  readonly matrices: Tensor;
  readonly restore: (x: Tensor) => Tensor;
}

const EPSILON: Partial<Record<DType, number>> = {
  float64: 2 ** -52,
  float32: 2 ** -23,
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
  float8e4m3: 2 ** -3,
  float8e5m2: 2 ** -2,
};

export abstract class Factorisation extends Products {
  // --- triangles ---------------------------------------------------------------------------------------------------

  /**
   * L with L L^T = this, of symmetric positive matrices [.., n, n]; with `upper` its transpose. Only the triangle that
   * comes out is read. NaN from the column on at which a matrix turns out not to be positive.
   *
   * @example Tensor.from([[4, 2], [2, 5]]).cholesky(); // => [[2, 0], [1, 2]]
   */
  cholesky({ upper = false }: { upper?: boolean } = {}): Tensor {
    const { matrices, restore } = this.asMatrices("cholesky", true);
    if (!upper) return restore(choleskyFactor(matrices));
    return restore(choleskyFactor(matrices.transpose()).transpose());
  }
  /** X of A X = this [.., n, m], given the Cholesky factor [.., n, n] of A. */
  choleskySolve(factor: Tensor, { upper = false }: { upper?: boolean } = {}): Tensor {
    return factor.pairedWith("choleskySolve", this.self, true, (l, b) => solveByCholesky(l, b, upper));
  }
  /** A^-1, given the Cholesky factor of A: this [.., n, n]. */
  choleskyInverse({ upper = false }: { upper?: boolean } = {}): Tensor {
    const { matrices, restore } = this.asMatrices("choleskyInverse", true);
    return restore(solveByCholesky(matrices, unitLike(matrices), upper));
  }
  /**
   * X of T X = b for triangles T = this [.., n, n] and b [.., n, m]; of X T = b, b [.., m, n], if not `left`. The other
   * triangle is not read. A zero on the diagonal gives infinities or NaN.
   *
   * @example
   * Tensor.from([[2, 0], [1, 1]]).solveTriangular(Tensor.from([[2], [3]]), { upper: false }); // => [[1], [2]]
   */
  solveTriangular(b: Tensor, { upper, left = true, unitriangular: unit = false }: TriangleOptions): Tensor {
    return this.pairedWith("solveTriangular", b, left, (t, b) =>
      left
        ? solveTriangle(t, b, { upper, unit })
        : solveTriangle(t, b.transpose(), { upper, unit, transposed: true }).transpose(),
    );
  }

  // --- elimination -------------------------------------------------------------------------------------------------

  /**
   * this [.., m, n] = P L U: a permutation, L with a diagonal of 1, and U. Pivots are the largest of their columns.
   *
   * @example
   * const { P, L, U } = Tensor.from([[1, 2], [4, 4]]).lu();
   * U; // => [[4, 4], [0, 1]]
   * P.matmul(L).matmul(U); // => [[1, 2], [4, 4]]
   */
  lu(): { P: Tensor; L: Tensor; U: Tensor } {
    const { matrices, restore } = this.asMatrices("lu", false);
    const { order, lower, upper } = lowerUpper(matrices);
    const [count, m] = matrices.sizes;
    const unit = unitLike(zerosLike(matrices, [count, m, m]));
    return { P: restore(takeRows(unit, order).transpose()), L: restore(lower), U: restore(upper) };
  }
  /**
   * L (below the diagonal) and U in one matrix [.., m, n], and the pivots (int32 [.., min(m, n)]): step i exchanged
   * rows i and pivots[i] - 1, as LAPACK has it.
   */
  luFactor(): { LU: Tensor; pivots: Tensor } {
    const { matrices, restore } = this.asMatrices("luFactor", false);
    const { order, lower, upper } = lowerUpper(matrices);
    const [m, n] = matrices.sizes.slice(1);
    const k = Math.min(m, n);
    const packed = lower
      .tril(-1)
      .pad([
        [0, 0],
        [0, 0],
        [0, n - k],
      ])
      .add(
        upper.pad([
          [0, 0],
          [0, m - k],
          [0, 0],
        ]),
      );
    const batch = this.sizes.slice(0, -2);
    return { LU: restore(packed), pivots: pivotsOfOrder(order, k).reshape([...batch, k]) };
  }
  /** X of A X = this [.., n, m], given what luFactor gives of A. */
  luSolve(LU: Tensor, pivots: Tensor): Tensor {
    return LU.pairedWith("luSolve", this.self, true, (packed, b, spread) =>
      solveByFactors(packed, spread(orderOfPivots(pivots.reshape([-1, packed.sizeAt(1), 1]))), b),
    );
  }
  /**
   * X of A X = b for matrices A = this [.., n, n]; b is [.., n, m], or a vector [.., n] as PyTorch has it: of one axis,
   * or of A's axes but the last. X A = b if not `left`. Singular matrices give infinities or NaN.
   *
   * @example Tensor.from([[2, 0], [0, 4]]).solve(Tensor.from([2, 8])); // => [1, 2]
   */
  solve(b: Tensor, { left = true }: { left?: boolean } = {}): Tensor {
    const vector = b.ndim === 1 || (b.ndim === this.ndim - 1 && sameShape(b.shape, this.shape.slice(0, -1)));
    const right = !vector ? b : left ? b.unsqueeze(-1) : b.unsqueeze(-2);
    const wide = this.cast(promote(this.toFloats().dtype, b.dtype));
    const { packed, order } = factorise(wide.asMatrices("solve", true).matrices);
    const x = this.pairedWith("solve", right, left, (a, b, spread) => {
      const factors = { packed: spread(packed), order: spread(order) };
      return left ? solveWith(a, factors, b) : solveWith(a, factors, b.transpose(), true).transpose();
    });
    return vector ? x.squeeze(left ? -1 : -2) : x;
  }
  /**
   * The inverse of matrices [.., n, n]; of singular ones infinities or NaN.
   *
   * @example Tensor.from([[2, 0], [0, 4]]).inv(); // => [[0.5, 0], [0, 0.25]]
   */
  inv(): Tensor {
    const { matrices, restore } = this.asMatrices("inv", true);
    return restore(inverse(matrices));
  }
  /** As inv, under PyTorch's other name. */
  inverse(): Tensor {
    return this.inv();
  }
  /**
   * Determinants [..] of matrices [.., n, n]; 1 of empty ones.
   *
   * @example Tensor.from([[1, 2], [3, 4]]).det(); // => -2
   */
  det(): Tensor {
    const { matrices, restore } = this.asMatrices("det", true);
    return restore(determinant(matrices, factorise(matrices)));
  }
  /**
   * Sign (1, -1, or 0) and logarithm of the size of determinants, [..] each; 0 and -inf of singular matrices.
   *
   * @example
   * const { sign, logabsdet } = Tensor.from([[0, 1], [1, 0]]).slogdet();
   * sign; // => -1
   * logabsdet; // => 0
   */
  slogdet(): { sign: Tensor; logabsdet: Tensor } {
    const { matrices, restore } = this.asMatrices("slogdet", true);
    const { sign, logabsdet } = logDeterminant(matrices, factorise(matrices));
    return { sign: restore(sign), logabsdet: restore(logabsdet) };
  }
  /** Logarithm of determinants [..]; NaN of negative ones. */
  logdet(): Tensor {
    const { sign, logabsdet } = this.slogdet();
    return sign.lt(0).where(Number.NaN, logabsdet);
  }

  // --- orthogonal factors ------------------------------------------------------------------------------------------

  /**
   * this [.., m, n] = Q R with orthonormal columns Q [.., m, k] and a triangle R [.., k, n] by Householder reflections,
   * k = min(m, n); "complete": k = m, where the further columns have no gradient; "r": Q is empty. Signs are LAPACK's.
   * The gradient is that for full column rank.
   *
   * @example Tensor.from([[1, 2], [3, 4], [5, 6]]).qr().R.shape; // => [2, 2]
   */
  qr({ mode = "reduced" }: { mode?: "reduced" | "complete" | "r" } = {}): { Q: Tensor; R: Tensor } {
    const { matrices, restore } = this.asMatrices("qr", false);
    const { q, r } = orthogonalTriangular(matrices, mode === "complete");
    return { Q: mode === "r" ? zerosLike(r, [0], this.toFloats().dtype) : restore(q), R: restore(r) };
  }
  /** The first n columns of the product of reflections 1 - tau v v^T; the v stand below the diagonal of this [.., m, n]. */
  householderProduct(tau: Tensor): Tensor {
    const { matrices, restore } = this.asMatrices("householderProduct", false);
    const [batch, m, n] = matrices.sizes;
    const k = tau.ndim === 0 ? -1 : tau.sizeAt(-1);
    if (!sameShape(tau.shape.slice(0, -1), this.shape.slice(0, -2)) || k < 0 || k > n || n > m)
      throw new TensorError(
        `householderProduct: ${this} needs m >= n and factors [.., k] with k <= n, got ${tau}`,
      );
    const factors = tau.cast(matrices.dtype).reshape([batch, k, 1]);
    return restore(productOfReflections({ packed: matrices, factors }, n));
  }

  // --- singular values and eigenvalues -----------------------------------------------------------------------------

  /**
   * this [.., m, n] = U diag(S) Vh with orthonormal columns in U and rows in Vh, and singular values S, the largest
   * first, by Jacobi rotations. U and Vh are square, or with `fullMatrices: false` [.., m, k] and [.., k, n],
   * k = min(m, n). Errors are some epsilons of the largest singular value; signs of the vectors are arbitrary.
   * Gradients of vectors need distinct singular values; vectors beyond the first k have none.
   *
   * @example
   * const { U, S, Vh } = Tensor.from([[3, 0], [0, -2]]).svd();
   * S; // => [3, 2]
   * U.mul(S).matmul(Vh); // => [[3, 0], [0, -2]]
   */
  svd({ fullMatrices = true }: { fullMatrices?: boolean } = {}): { U: Tensor; S: Tensor; Vh: Tensor } {
    const { matrices, restore } = this.asMatrices("svd", false);
    const { u, s, vh } = singular(matrices, fullMatrices);
    return { U: restore(u), S: restore(s), Vh: restore(vh) };
  }
  /**
   * Singular values [.., min(m, n)] of matrices [.., m, n], the largest first.
   *
   * @example Tensor.from([[3, 0], [0, 4]]).svdvals(); // => [4, 3]
   */
  svdvals(): Tensor {
    const { matrices, restore } = this.asMatrices("svdvals", false);
    return restore(singularValues(matrices));
  }
  /**
   * Eigenvalues [.., n], the smallest first, and eigenvectors (in columns) of symmetric matrices [.., n, n], of which
   * one triangle is read, by Jacobi rotations. Signs of the vectors are arbitrary; their gradients need distinct
   * eigenvalues.
   *
   * @example Tensor.from([[2, 1], [1, 2]]).eigvalsh(); // => [1, 3]
   */
  eigh({ uplo = "L" }: { uplo?: "L" | "U" } = {}): { eigenvalues: Tensor; eigenvectors: Tensor } {
    const { matrices, restore } = this.asMatrices("eigh", true);
    const { values, vectors } = eigen(matrices, uplo === "U");
    return { eigenvalues: restore(values), eigenvectors: restore(vectors) };
  }
  /** Eigenvalues alone; see eigh. */
  eigvalsh(options: { uplo?: "L" | "U" } = {}): Tensor {
    return this.eigh(options).eigenvalues;
  }
  /**
   * The pseudoinverse [.., n, m] of matrices [.., m, n] (Moore and Penrose).
   *
   * @example
   * Tensor.from([[1], [1]]).pinv(); // => [[0.5, 0.5]]
   */
  pinv(options: RankOptions = {}): Tensor {
    const { matrices, restore } = this.asMatrices("pinv", false);
    const { atol, rtol } = this.tolerance(options);
    return restore(pseudoinverse(matrices, atol, rtol));
  }
  /**
   * X [.., n, k] that makes |this X - b| least, b [.., m, k] or a vector [.., m], and of those the smallest. `driver`
   * "qr" needs full rank, which is not checked; "svd" goes by the pseudoinverse with tolerance `rcond`. The residuals
   * [.., k] are the sums of squares that remain.
   *
   * @example
   * const { solution } = Tensor.from([[1, 0], [1, 1], [1, 2]]).lstsq(Tensor.from([1, 3, 5]));
   * solution; // => [1, 2]
   */
  lstsq(
    b: Tensor,
    { driver = "qr", rcond }: { driver?: "qr" | "svd"; rcond?: number } = {},
  ): { solution: Tensor; residuals: Tensor } {
    const { matrices, batch } = this.asMatrices("lstsq", false);
    const vector = b.ndim === this.ndim - 1;
    const right = vector ? b.unsqueeze(-1) : b;
    const [m, n] = matrices.sizes.slice(1);
    if (right.ndim < 2 || right.shape[right.ndim - 2] !== m)
      throw new TensorError(`lstsq: ${this} needs right sides [.., ${m}, k] or [.., ${m}], got ${b}`);
    const common = commonBatch("lstsq", this.self, batch, right, right.shape.slice(0, -2));
    const dtype = promote(this.toFloats().dtype, b.dtype);
    const [a, y] = [this.self, right].map((x) =>
      x
        .cast(computationType(dtype))
        .expand([...common, ...x.shape.slice(-2)])
        .reshape([-1, ...x.shape.slice(-2)]),
    );
    const x =
      driver === "qr"
        ? leastSquares(a, y)
        : pseudoinverse(a, 0, this.tolerance({ rtol: rcond }).rtol).matmul(y);
    const shape = [...common, n, right.shape[right.ndim - 1]];
    const solution = x.reshape(shape).cast(dtype);
    const residuals = a
      .matmul(x)
      .sub(y)
      .square()
      .sum(1)
      .reshape([...common, shape[shape.length - 1]])
      .cast(dtype);
    return {
      solution: vector ? solution.squeeze(-1) : solution,
      residuals: vector ? residuals.squeeze(-1) : residuals,
    };
  }
  /** How many singular values of matrices [.., m, n] are not near 0: int32 [..]. */
  matrixRank(options: RankOptions = {}): Tensor {
    const s = this.detach().svdvals();
    const { atol, rtol } = this.tolerance(options);
    if (s.shape[s.ndim - 1] === 0) return s.gt(0).sum(-1);
    return s.gt(s.max(-1, { keepdim: true }).mul(rtol).maximum(atol)).sum(-1);
  }
  /** The largest singular value over the smallest (p 2, the default; -2 the other way); else norm(A) norm(A^-1). */
  cond(p: MatrixNorm = 2): Tensor {
    if (p !== 2 && p !== -2) return this.matrixNorm(p).mul(this.inv().matrixNorm(p));
    const s = this.svdvals();
    const [first, last] = [s.select(-1, 0), s.select(-1, -1)];
    return p === 2 ? first.div(last) : last.div(first);
  }

  // --- norms and functions -----------------------------------------------------------------------------------------

  /**
   * Norm of matrices over two axes, the last by default.
   *
   * @example
   * Tensor.from([[3, 0], [0, 4]]).matrixNorm(); // => 5
   * Tensor.from([[3, 0], [0, 4]]).matrixNorm("nuc"); // => 7
   */
  matrixNorm(
    order: MatrixNorm = "fro",
    { axes = [-2, -1], keepdim = false }: { axes?: readonly [number, number]; keepdim?: boolean } = {},
  ): Tensor {
    if (this.ndim < 2) throw new TensorError(`matrixNorm: needs matrices [.., m, n], got ${this}`);
    const [rows, columns] = axes.map((axis) => (axis < 0 ? axis + this.ndim : axis));
    if (order === "fro") return this.norm(2, [rows, columns], { keepdim });
    const kept = this.shape.map((_, i) => i).filter((i) => i !== rows && i !== columns);
    const moved = this.toFloats().permute([...kept, rows, columns]);
    const norm = matrixNormOf(moved, order);
    if (!keepdim) return norm;
    return norm.reshape(this.shape.map((d, i) => (i === rows || i === columns ? 1 : d)));
  }
  /**
   * The product of so many copies of matrices [.., n, n]; of their inverses if the exponent is negative.
   *
   * @example Tensor.from([[1, 1], [0, 1]]).matrixPower(5); // => [[1, 5], [0, 1]]
   */
  matrixPower(exponent: number): Tensor {
    if (!Number.isInteger(exponent))
      throw new TensorError(`matrixPower: the exponent must be an integer, got ${exponent}`);
    const { matrices, restore } = this.asMatrices("matrixPower", true);
    return restore(power(matrices, exponent));
  }
  /**
   * e^A for matrices [.., n, n]; NaN for norms above 2e5 (float64: 3e9).
   *
   * @example
   * Tensor.from([[0, 1], [0, 0]]).matrixExp(); // => [[1, 1], [0, 1]]
   */
  matrixExp(): Tensor {
    const { matrices, restore } = this.asMatrices("matrixExp", true);
    return restore(exponential(matrices));
  }

  // --- batches -----------------------------------------------------------------------------------------------------

  private asMatrices(operation: string, square: boolean): Matrices & { batch: readonly number[] } {
    const { shape, ndim } = this;
    const fits = ndim >= 2 && (!square || shape[ndim - 1] === shape[ndim - 2]);
    if (!fits || shape.some((d) => typeof d !== "number")) {
      const wanted = square ? "square matrices [.., n, n]" : "matrices [.., m, n]";
      throw new TensorError(`${operation}: needs ${wanted} of known sizes, got ${this}`);
    }
    const { dtype } = this.toFloats();
    const batch = this.sizes.slice(0, -2);
    const count = batch.reduce((n, d) => n * d, 1);
    return {
      matrices: this.cast(computationType(dtype)).reshape([count, ...shape.slice(-2)]),
      batch,
      restore: (x) => x.reshape([...batch, ...x.shape.slice(1)]).cast(dtype),
    };
  }

  /**
   * A function of square matrices, this, and right sides [.., n, m] (or [.., m, n], if not `left`), both with all of
   * the batch that theirs broadcast to; `spread` does the same to what was computed of this before.
   */
  private pairedWith(
    operation: string,
    b: Tensor,
    left: boolean,
    compute: (a: Tensor, b: Tensor, spread: (x: Tensor) => Tensor) => Tensor,
  ): Tensor {
    const { matrices, batch } = this.asMatrices(operation, true);
    const n = matrices.sizeAt(1);
    if (b.ndim < 2 || b.shape[b.ndim - (left ? 2 : 1)] !== n) {
      const wanted = left ? `[.., ${n}, m]` : `[.., m, ${n}]`;
      throw new TensorError(`${operation}: ${this} needs right sides ${wanted}, got ${b}`);
    }
    const common = commonBatch(operation, this.self, batch, b, b.shape.slice(0, -2));
    const dtype = promote(this.toFloats().dtype, b.dtype);
    const count = common.reduce((n, d) => n * d, 1);
    const spread = (x: Tensor): Tensor =>
      x
        .reshape([...batch, ...x.shape.slice(1)])
        .expand([...common, ...x.shape.slice(1)])
        .reshape([count, ...x.shape.slice(1)]);
    const right = b.cast(computationType(dtype)).expand([...common, ...b.shape.slice(-2)]);
    const result = compute(
      spread(matrices.cast(computationType(dtype))),
      right.reshape([count, ...b.shape.slice(-2)]),
      spread,
    );
    return result.reshape([...common, ...b.shape.slice(-2)]).cast(dtype);
  }

  private tolerance({ atol = 0, rtol }: RankOptions): { atol: number; rtol: number } {
    const size = Math.max(...this.sizes.slice(-2));
    const own = EPSILON[this.toFloats().dtype]! * size;
    return { atol, rtol: rtol ?? (atol > 0 ? 0 : own) };
  }
}

/** What the batches of two tensors broadcast to. */
function commonBatch(
  operation: string,
  a: Tensor,
  batch: Shape,
  b: Tensor,
  others: Shape,
): readonly number[] {
  const common = broadcastShapes(batch, others);
  if (common === undefined || common.some((d) => typeof d !== "number"))
    throw new TensorError(`${operation}: the batches of ${a} and ${b} do not broadcast`);
  return common as readonly number[];
}
