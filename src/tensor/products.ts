// Products of tensors beyond matrices: Einstein sums' relatives, distances between rows, and products with something
// added.

import { axisOf, broadcastShapes, type Operand, TensorError } from "./core.js";
import { join } from "./einsum.js";
import { contract, contractionType, factor, Linear } from "./linear.js";
import type { ReduceOptions } from "./reduction.js";
import type { Tensor } from "./tensor.js";

export interface ScaledSumOptions {
  /** Factor of this; default 1. At 0 nothing of this is taken, NaN neither. */
  readonly beta?: number;
  /** Factor of the product; default 1. */
  readonly alpha?: number;
}

export abstract class Products extends Linear {
  /**
   * The product summed over axes of both: the last `axes` of this with the first of the other, or lists of as many axes
   * of each. The axes left of this come first.
   *
   * @example Tensor.ones([2, 3, 4]).tensordot(Tensor.ones([3, 4, 5]), 2).shape; // => [2, 5]
   */
  tensordot(other: Tensor, axes: number | readonly [readonly number[], readonly number[]] = 2): Tensor {
    const last = (x: Tensor, count: number): number[] =>
      Array.from({ length: count }, (_, i) => x.ndim - count + i);
    if (typeof axes === "number" && !(axes >= 0 && axes <= Math.min(this.ndim, other.ndim)))
      throw new TensorError(`tensordot: ${this} and ${other} do not both have ${axes} axes`);
    const [mine, theirs] =
      typeof axes === "number" ? [last(this.self, axes), last(other, axes).map((_, i) => i)] : axes;
    if (mine.length !== theirs.length)
      throw new TensorError(`tensordot: [${mine}] and [${theirs}] name a different number of axes`);
    const left = this.shape.map((_, i) => `a${i}`);
    const right = other.shape.map((_, i) => `b${i}`);
    mine.forEach((axis, i) => {
      const [a, b] = [axisOf(axis, this.ndim, "tensordot"), axisOf(theirs[i], other.ndim, "tensordot")];
      if (`${this.shape[a]}` !== `${other.shape[b]}`)
        throw new TensorError(
          `tensordot: axis ${axis} of ${this} is not as long as axis ${theirs[i]} of ${other}`,
        );
      right[b] = left[a];
    });
    const kept = new Set([...left, ...right].filter((name) => left.includes(name) !== right.includes(name)));
    return join({ x: this.self, names: left }, { x: other, names: right }, kept).x;
  }

  /**
   * Of vectors [m] and [n] all products, [m, n].
   *
   * @example
   * Tensor.from([1, 2]).outer(Tensor.from([3, 4, 5])); // => [[3, 4, 5], [6, 8, 10]]
   */
  outer(other: Tensor): Tensor {
    if (this.ndim !== 1 || other.ndim !== 1)
      throw new TensorError(`outer: ${this} and ${other} must both be vectors`);
    return this.unsqueeze(1).mul(other);
  }
  /** Products summed over the last axes of both: [.., k] and [.., k] give [.., ..]. */
  inner(other: Tensor): Tensor {
    if (this.ndim === 0 || other.ndim === 0) return this.mul(other);
    return this.tensordot(other, [[-1], [-1]]);
  }
  /** Inner product of two vectors; as dot. */
  vdot(other: Tensor): Tensor {
    return this.dot(other);
  }
  /** Products summed over one axis of both, the others broadcasting. */
  vecdot(other: Tensor, axis = -1): Tensor {
    const dtype = contractionType("vecdot", this.self, other);
    return contract(factor(this.self, dtype), factor(other, dtype), axis).cast(dtype);
  }
  /**
   * Kronecker product: every element of this times all of the other, as blocks.
   *
   * @example Tensor.from([1, 2]).kron(Tensor.from([1, 10])); // => [1, 10, 2, 20]
   */
  kron(other: Tensor): Tensor {
    const rank = Math.max(this.ndim, other.ndim);
    const lifted = (x: Tensor): number[] => [...new Array<number>(rank - x.ndim).fill(1), ...x.sizes];
    const [a, b] = [lifted(this.self), lifted(other)];
    const product = this.reshape(a.flatMap((d) => [d, 1])).mul(other.reshape(b.flatMap((d) => [1, d])));
    return product.reshape(a.map((d, i) => d * b[i]));
  }
  /**
   * Cross product of vectors of 3 along an axis; the other axes broadcast.
   *
   * @example Tensor.from([1, 0, 0]).cross(Tensor.from([0, 1, 0])); // => [0, 0, 1]
   */
  cross(other: Tensor, axis = -1): Tensor {
    for (const x of [this.self, other]) {
      if (x.ndim === 0 || x.sizeAt(axis) !== 3)
        throw new TensorError(`cross: ${x} must have 3 elements along axis ${axis}`);
    }
    const turned = (x: Tensor, by: number): Tensor => x.roll(-by, axis);
    return turned(this.self, 1)
      .mul(turned(other, 2))
      .sub(turned(this.self, 2).mul(turned(other, 1)));
  }

  // --- matrices of certain ranks, and products with something added ------------------------------------------------

  /** [m, k] x [k, n]: matmul of two matrices only. */
  mm(other: Tensor): Tensor {
    return this.ranked("mm", other, 2, 2).matmul(other);
  }
  /** [b, m, k] x [b, k, n], without broadcasting. */
  bmm(other: Tensor): Tensor {
    if (`${this.shape[0]}` !== `${other.shape[0]}`)
      throw new TensorError(`bmm: ${this} and ${other} must have as many matrices each`);
    return this.ranked("bmm", other, 3, 3).matmul(other);
  }
  /** [m, k] x [k]. */
  mv(other: Tensor): Tensor {
    return this.ranked("mv", other, 2, 1).matmul(other);
  }
  private ranked(operation: string, other: Tensor, mine: number, theirs: number): Tensor {
    if (this.ndim !== mine || other.ndim !== theirs) {
      throw new TensorError(
        `${operation}: ${this} and ${other} must have ${mine} and ${theirs} axes; matmul takes others too`,
      );
    }
    return this.self;
  }

  /**
   * beta * this + alpha * (a x b), of matrices [n, k] and [k, m]; this broadcasts.
   *
   * @example
   * Tensor.ones([2]).addmm(Tensor.eye(2), Tensor.from([[1, 2], [3, 4]]), { alpha: 2 }); // => [[3, 5], [7, 9]]
   */
  addmm(a: Tensor, b: Tensor, options?: ScaledSumOptions): Tensor {
    return this.plus(a.mm(b), options);
  }
  /** beta * this + alpha * (a x b), of a matrix [n, k] and a vector [k]. */
  addmv(a: Tensor, b: Tensor, options?: ScaledSumOptions): Tensor {
    return this.plus(a.mv(b), options);
  }
  /** beta * this + alpha * (a x b), of matrices [b, n, k] and [b, k, m]. */
  baddbmm(a: Tensor, b: Tensor, options?: ScaledSumOptions): Tensor {
    return this.plus(a.bmm(b), options);
  }
  /** beta * this + alpha * the sum of the products of matrices [b, n, k] and [b, k, m]. */
  addbmm(a: Tensor, b: Tensor, options?: ScaledSumOptions): Tensor {
    a.bmm(b);
    return this.plus(
      a.tensordot(b, [
        [0, 2],
        [0, 1],
      ]),
      options,
    );
  }
  /** beta * this + alpha * the outer product of vectors. */
  addr(a: Tensor, b: Tensor, options?: ScaledSumOptions): Tensor {
    return this.plus(a.outer(b), options);
  }
  private plus(product: Tensor, { beta = 1, alpha = 1 }: ScaledSumOptions = {}): Tensor {
    const scaled = alpha === 1 ? product : product.mul(alpha);
    // A factor of 0 takes no NaN along.
    if (beta === 0) return scaled.expand(broadcastShapes(scaled.shape, this.shape) ?? scaled.shape);
    return (beta === 1 ? this.self : this.mul(beta)).add(scaled);
  }

  /** sum over i, j of this[.., i] * weight[o, i, j] * other[.., j], + bias [o]: [.., o]. */
  bilinear(other: Tensor, weight: Tensor, bias?: Tensor): Tensor {
    const fits =
      weight.ndim === 3 &&
      this.ndim > 0 &&
      this.ndim === other.ndim &&
      `${[this.shape[this.ndim - 1], other.shape[other.ndim - 1]]}` === `${weight.shape.slice(1)}`;
    if (!fits)
      throw new TensorError(`bilinear: ${this} and ${other} need a weight [out, in, in], got ${weight}`);
    // [.., 1, i] x [o, i, j] -> [.., o, j], x [.., 1, j]
    const product = this.unsqueeze(-2).unsqueeze(-2).matmul(weight).squeeze(-2).vecdot(other.unsqueeze(-2));
    return bias === undefined ? product : product.add(bias);
  }

  // --- distances and angles ----------------------------------------------------------------------------------------

  /** Norm of this - other + eps along the last axis: [.., width] gives [..]. */
  pairwiseDistance(
    other: Tensor,
    { p = 2, eps = 1e-6, keepdim }: ReduceOptions & { readonly p?: number; readonly eps?: number } = {},
  ): Tensor {
    return this.sub(other).add(eps).norm(p, -1, { keepdim });
  }
  /**
   * Cosine of the angle between this and other along an axis, whose lengths count as at least eps (but to gradients).
   *
   * @example
   * Tensor.from([[1, 0]]).cosineSimilarity(Tensor.from([[1, 1]])); // => [0.7071]
   */
  cosineSimilarity(
    other: Tensor,
    { axis = 1, eps = 1e-8 }: { readonly axis?: number; readonly eps?: number } = {},
  ): Tensor {
    const unit = (x: Tensor): Tensor => x.div(atLeast(x.norm(2, axis, { keepdim: true }), eps));
    return unit(this.toFloats()).mul(unit(other)).sum(axis);
  }
  /** Norm of this - other, over all elements. */
  dist(other: Operand, p = 2): Tensor {
    return this.sub(other).norm(p);
  }
  /**
   * Norms of the differences of every row of this, [.., n, width], from every row of other, [.., m, width]: [.., n, m].
   *
   * @example Tensor.from([[0, 0]]).cdist(Tensor.from([[3, 4], [0, 1]])); // => [[5, 1]]
   */
  cdist(other: Tensor, { p = 2 }: { readonly p?: number } = {}): Tensor {
    if (this.ndim < 2 || other.ndim < 2)
      throw new TensorError(`cdist: needs rows [.., n, width] and [.., m, width], got ${this} and ${other}`);
    return this.unsqueeze(-2).sub(other.unsqueeze(-3)).norm(p, -1);
  }
  /** Norms of the differences of each row of this, [n, width], from those after it: [n * (n - 1) / 2]. */
  pdist({ p = 2 }: { readonly p?: number } = {}): Tensor {
    if (this.ndim !== 2) throw new TensorError(`pdist: needs rows [n, width], got ${this}`);
    const rows = this.sizeAt(0);
    const pairs = Array.from({ length: rows }, (_, i) =>
      Array.from({ length: rows - i - 1 }, (_, j) => [i, i + 1 + j] as const),
    ).flat();
    const [first, second] = [0, 1].map((side) =>
      this.self.indexSelect(
        0,
        pairs.map((pair) => pair[side]),
      ),
    );
    return first.sub(second).norm(p, -1);
  }
}

/** x, or `least` where that is larger; the gradient is that of x throughout, as PyTorch has it. */
export const atLeast = (x: Tensor, least: number): Tensor =>
  x.lt(least).where(x.sub(x.detach()).add(least), x);

/** Product of several matrices (the first and last may be vectors), in the order of the fewest operations. */
export function multiDot(matrices: readonly Tensor[]): Tensor {
  const [first] = matrices;
  const last = matrices[matrices.length - 1];
  if (matrices.length < 2)
    throw new TensorError(`multiDot: needs two matrices at least, got ${matrices.length}`);
  const list = matrices.map((x, i) => {
    const vector = x.ndim === 1 && (i === 0 || i === matrices.length - 1);
    if (x.ndim !== 2 && !vector)
      throw new TensorError(`multiDot: ${x} is no matrix; only the first and the last may be vectors`);
    return vector ? x.unsqueeze(i === 0 ? 0 : 1) : x;
  });
  // cost[i][j] of the product of matrices i to j (Godbole, 1973).
  const sizes = [list[0].sizeAt(0), ...list.map((x) => x.sizeAt(1))];
  const best: { cost: number; product: () => Tensor }[][] = list.map((x, i) => {
    const row: { cost: number; product: () => Tensor }[] = [];
    row[i] = { cost: 0, product: () => x };
    return row;
  });
  for (let length = 1; length < list.length; length++) {
    for (let i = 0; i + length < list.length; i++) {
      const j = i + length;
      for (let k = i; k < j; k++) {
        const [a, b] = [best[i][k], best[k + 1][j]];
        const cost = a.cost + b.cost + sizes[i] * sizes[k + 1] * sizes[j + 1];
        if (best[i][j] === undefined || cost < best[i][j].cost)
          best[i][j] = { cost, product: () => a.product().matmul(b.product()) };
      }
    }
  }
  let product = best[0][list.length - 1].product();
  if (last.ndim === 1) product = product.squeeze(-1);
  return first.ndim === 1 ? product.squeeze(0) : product;
}
