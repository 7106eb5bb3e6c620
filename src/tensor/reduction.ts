// Reductions: many elements to one, along some axes or all.

import { castNode, constNode, gather, iota, type Node, reduceNode, reshape } from "../graph/node.js";
import { DEFAULT_FLOAT } from "../graph/promote.js";
import { bytesOf, type DType, isFloat, kindOf } from "../scalar/dtype.js";
import type { ReduceOp } from "../scalar/ops.js";
import { axisOf, TensorError } from "./core.js";
import { Arrangement } from "./arrangement.js";
import type { Tensor } from "./tensor.js";

/** An axis, several, or undefined for all. */
export type Axes = number | readonly number[] | undefined;

export interface ReduceOptions {
  /** Reduced axes stay, with size 1. */
  readonly keepdim?: boolean;
}

export interface SumOptions extends ReduceOptions {
  /** What elements become first; the result has it too. */
  readonly dtype?: DType;
}

/** Values, and the places (int32) along the axis that they come from. */
export interface Placed {
  readonly values: Tensor;
  readonly indices: Tensor;
}

/** The dtype in which sums and products are taken: small integers in int32, small floats in float32. */
export function accumulationType(dtype: DType): DType {
  if (isFloat(dtype)) return bytesOf(dtype) < 4 ? "float32" : dtype;
  if (kindOf(dtype) === "unsigned" && bytesOf(dtype) >= 4) return dtype;
  return bytesOf(dtype) < 4 ? "int32" : dtype;
}

export abstract class Reduction extends Arrangement {
  protected axesOf(axes: Axes, operation: string): number[] {
    if (axes === undefined) return this.shape.map((_, i) => i);
    const list = (typeof axes === "number" ? [axes] : axes).map((axis) => axisOf(axis, this.ndim, operation));
    if (new Set(list).size !== list.length)
      throw new TensorError(`${operation}: [${axes}] names an axis of ${this} twice`);
    return list;
  }

  private reduce(op: ReduceOp, x: Node, axes: readonly number[], keepdim: boolean | undefined): Node {
    const reduced = reduceNode(
      x,
      op,
      axes.filter((axis) => axis < x.shape.length),
    );
    if (keepdim === true) return reduced;
    return reshape(
      reduced,
      x.shape.filter((_, i) => !axes.includes(i)),
    );
  }

  /**
   * Sum along axes. Half types add up in float32 and keep their dtype; bool and small integers give int32.
   * The sum of nothing is 0.
   *
   * @example Tensor.from([[1, 2], [3, 4]]).sum(0); // => [4, 6]
   */
  sum(axes?: Axes, { keepdim, dtype }: SumOptions = {}): Tensor {
    if (dtype !== undefined) return this.cast(dtype).sum(axes, { keepdim }).cast(dtype);
    return this.accumulate("add", axes, keepdim);
  }
  /**
   * Summed to a shape that broadcasts to this one: what expand repeated adds up again.
   *
   * @example Tensor.ones([2, 3]).sumToSize([1, 3]); // => [[2, 2, 2]]
   */
  sumToSize(shape: readonly number[]): Tensor {
    const lead = this.ndim - shape.length;
    const axes = this.sizes.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
    const total = this.sum(axes, { keepdim: true });
    if (lead < 0 || `${total.sizes.slice(lead)}` !== `${shape}`)
      throw new TensorError(`sumToSize: [${shape}] does not broadcast to the shape of ${this}`);
    return total.reshape(shape);
  }
  /** Product along axes; dtypes as sum. The product of nothing is 1. */
  prod(axes?: Axes, { keepdim, dtype }: SumOptions = {}): Tensor {
    if (dtype !== undefined) return this.cast(dtype).prod(axes, { keepdim }).cast(dtype);
    return this.accumulate("mul", axes, keepdim);
  }
  private accumulate(op: "add" | "mul", axes: Axes, keepdim: boolean | undefined): Tensor {
    const wide = accumulationType(this.dtype);
    const list = this.axesOf(axes, op === "add" ? "sum" : "prod");
    const reduced = this.reduce(op, castNode(this.node, wide), list, keepdim);
    return this.wrap(isFloat(this.dtype) ? castNode(reduced, this.dtype) : reduced);
  }
  /**
   * Largest along axes; NaN if any is. Of nothing: -inf, or the smallest integer.
   *
   * @example
   * Tensor.from([[1, 9], [8, 2]]).max(1); // => [9, 8]
   */
  max(axes?: Axes, { keepdim }: ReduceOptions = {}): Tensor {
    return this.wrap(this.reduce("max", this.node, this.axesOf(axes, "max"), keepdim));
  }
  /** Smallest along axes; NaN if any is. Of nothing: +inf, or the largest integer. */
  min(axes?: Axes, { keepdim }: ReduceOptions = {}): Tensor {
    return this.wrap(this.reduce("min", this.node, this.axesOf(axes, "min"), keepdim));
  }
  amax(axes?: Axes, options?: ReduceOptions): Tensor {
    return this.max(axes, options);
  }
  amin(axes?: Axes, options?: ReduceOptions): Tensor {
    return this.min(axes, options);
  }

  /**
   * Largest along an axis and the place of the first such; a NaN counts as largest. Gradients go to that place.
   *
   * @example Tensor.from([[1, 5], [7, 3]]).maxWithIndices(1).indices; // => [1, 0]
   */
  maxWithIndices(axis: number, options: ReduceOptions = {}): Placed {
    return this.takenAt(this.argmax(axis, { keepdim: true }), axis, options);
  }
  /** Smallest along an axis and the place of the first such; a NaN counts as smallest. Gradients go to that place. */
  minWithIndices(axis: number, options: ReduceOptions = {}): Placed {
    return this.takenAt(this.argmin(axis, { keepdim: true }), axis, options);
  }
  /** What lies at one place of the axis, given for every row with that axis kept. */
  protected takenAt(places: Tensor, axis: number, { keepdim }: ReduceOptions): Placed {
    const at = axisOf(axis, this.ndim, "takenAt");
    const values = this.ndim === 0 ? this.self : this.wrap(gather(this.node, places.node, at));
    if (keepdim === true || this.ndim === 0) return { values, indices: places };
    return { values: values.squeeze(at), indices: places.squeeze(at) };
  }
  /**
   * Smallest and largest along axes.
   *
   * @example Tensor.from([3, 1, 2]).aminmax().min; // => 1
   */
  aminmax(axes?: Axes, options: ReduceOptions = {}): { readonly min: Tensor; readonly max: Tensor } {
    return { min: this.min(axes, options), max: this.max(axes, options) };
  }
  /**
   * How many elements (int32) are not zero, along axes.
   *
   * @example
   * Tensor.from([[1, 0], [2, 3]]).countNonzero(1); // => [1, 2]
   */
  countNonzero(axes?: Axes, options: ReduceOptions = {}): Tensor {
    return this.bool().sum(axes, options);
  }

  /** How many elements there are along axes; a tensor where that is symbolic. */
  private countOf(axes: readonly number[], dtype: DType): number | Tensor {
    const sizes = axes.map((axis) => this.shape[axis] ?? 1);
    if (sizes.every((size) => typeof size === "number")) return sizes.reduce<number>((n, d) => n * d, 1);
    const ones = reduceNode(
      constNode(1, dtype, sizes),
      "add",
      sizes.map((_, i) => i),
    );
    return this.wrap(reshape(ones, []));
  }
  /**
   * Mean along axes, in floats: NaN of nothing.
   *
   * @example Tensor.from([[1, 2], [3, 4]]).mean(1, { keepdim: true }); // => [[1.5], [3.5]]
   */
  mean(axes?: Axes, { keepdim, dtype }: SumOptions = {}): Tensor {
    if (dtype !== undefined) return this.cast(dtype).mean(axes, { keepdim }).cast(dtype);
    const list = this.axesOf(axes, "mean");
    const x = isFloat(this.dtype) ? this.node : castNode(this.node, DEFAULT_FLOAT);
    const wide = castNode(x, accumulationType(x.dtype));
    const total = this.wrap(this.reduce("add", wide, list, keepdim));
    return total.div(this.countOf(list, wide.dtype)).cast(x.dtype);
  }
  /**
   * Variance along axes; `correction` (default 1) is taken from the count.
   *
   * @example Tensor.from([1, 2, 3, 4]).var(); // => 1.6667
   */
  var(axes?: Axes, options: ReduceOptions & { correction?: number } = {}): Tensor {
    return this.wideVariance(axes, options).cast(this.toFloats().dtype);
  }
  private wideVariance(
    axes: Axes,
    { keepdim, correction = 1 }: ReduceOptions & { correction?: number },
  ): Tensor {
    const list = this.axesOf(axes, "var");
    const wide = this.toFloats().cast(accumulationType(this.toFloats().dtype));
    const centred = wide.sub(wide.mean(list, { keepdim: true }));
    const total = centred.square().sum(list, { keepdim });
    const count = this.countOf(list, wide.dtype);
    if (typeof count === "number") return total.div(Math.max(0, count - correction));
    return total.div(count.sub(correction).maximum(0));
  }
  /** Standard deviation along axes; see var. */
  std(axes?: Axes, options: ReduceOptions & { correction?: number } = {}): Tensor {
    // The variance of halves may be more than halves hold.
    return this.wideVariance(axes, options).sqrt().cast(this.toFloats().dtype);
  }
  /**
   * Variance and mean along axes; see var.
   *
   * @example
   * const [variance, mean] = Tensor.from([1, 2, 3, 4]).varMean();
   * mean; // => 2.5
   */
  varMean(axes?: Axes, options: ReduceOptions & { correction?: number } = {}): [Tensor, Tensor] {
    return [this.var(axes, options), this.mean(axes, options)];
  }
  /** Standard deviation and mean along axes; see var. */
  stdMean(axes?: Axes, options: ReduceOptions & { correction?: number } = {}): [Tensor, Tensor] {
    return [this.std(axes, options), this.mean(axes, options)];
  }
  /** True where any element is not zero. */
  any(axes?: Axes, { keepdim }: ReduceOptions = {}): Tensor {
    return this.wrap(this.reduce("max", this.bool().node, this.axesOf(axes, "any"), keepdim));
  }
  /**
   * True where no element is zero.
   *
   * @example
   * Tensor.from([[1, 0], [2, 3]]).all(1); // => [false, true]
   */
  all(axes?: Axes, { keepdim }: ReduceOptions = {}): Tensor {
    return this.wrap(this.reduce("min", this.bool().node, this.axesOf(axes, "all"), keepdim));
  }
  /**
   * log(sum(exp(this))), safe from overflow.
   *
   * @example Tensor.from([1000, 1000]).logsumexp(); // => 1000.6932
   */
  logsumexp(axes?: Axes, { keepdim }: ReduceOptions = {}): Tensor {
    const list = this.axesOf(axes, "logsumexp");
    const x = this.toFloats();
    const top = x.max(list, { keepdim: true }).detach();
    const safe = top.isinf().where(0, top);
    const total = x.sub(safe).exp().sum(list, { keepdim: true }).log().add(safe);
    return keepdim === true ? total : total.reshape(this.shape.filter((_, i) => !list.includes(i)));
  }
  /**
   * (sum |x|^p)^(1/p) along axes; p may be infinite.
   *
   * @example Tensor.from([3, 4]).norm(); // => 5
   */
  norm(p = 2, axes?: Axes, options: ReduceOptions = {}): Tensor {
    const { dtype } = this.toFloats();
    if (p === Number.POSITIVE_INFINITY) return this.toFloats().abs().max(axes, options);
    if (p === Number.NEGATIVE_INFINITY) return this.toFloats().abs().min(axes, options);
    // Powers of halves may be more than halves hold.
    const x = this.cast(accumulationType(dtype));
    if (p === 0) return x.ne(0).sum(axes, options).cast(dtype);
    if (p === 1) return x.abs().sum(axes, options).cast(dtype);
    // At 0 the root is vertical; the gradient there is 0, as PyTorch has it.
    const total = (p === 2 ? x.square() : x.abs().pow(p)).sum(axes, options);
    const none = total.eq(0);
    const some = none.where(1, total);
    const nothing = p > 0 ? 0 : Number.POSITIVE_INFINITY;
    return none.where(nothing, p === 2 ? some.sqrt() : some.pow(1 / p)).cast(dtype);
  }
  /**
   * This with each part along an axis scaled down to a norm of at most `largest`.
   *
   * @example
   * Tensor.from([[3, 4], [0.3, 0.4]]).renorm(2, 0, 1); // => [[0.6, 0.8], [0.3, 0.4]]
   */
  renorm(p: number, axis: number, largest: number): Tensor {
    const at = axisOf(axis, this.ndim, "renorm");
    const others = this.shape.map((_, i) => i).filter((i) => i !== at);
    const size = this.norm(p, others, { keepdim: true });
    const over = size.gt(largest);
    return this.mul(over.where(over.where(size, 1).add(1e-7).reciprocal().mul(largest), 1));
  }

  /**
   * Place (int32) of the largest along an axis, or among all; the first of equals; a NaN counts as largest.
   *
   * @example Tensor.from([1, 5, 5]).argmax(); // => 1
   */
  argmax(axis?: number, options: ReduceOptions = {}): Tensor {
    return this.placeOf("max", axis, options);
  }
  /** Place (int32) of the smallest along an axis, or among all; the first of equals; a NaN counts as smallest. */
  argmin(axis?: number, options: ReduceOptions = {}): Tensor {
    return this.placeOf("min", axis, options);
  }
  private placeOf(op: "max" | "min", axis: number | undefined, { keepdim }: ReduceOptions): Tensor {
    if (axis === undefined) {
      const place = this.flatten().placeOf(op, 0, {});
      return keepdim === true ? place.reshape(this.shape.map(() => 1)) : place;
    }
    const at = axisOf(axis, this.ndim, `arg${op}`);
    if (this.ndim === 0) return this.wrap(castNode(this.node, "int32")).mul(0);
    const size = this.shape[at];
    if (size === 0) throw new TensorError(`arg${op}: axis ${at} of ${this} is empty`);
    const x = this.detach();
    const best = x[op](at, { keepdim: true });
    const hit = isFloat(x.dtype) ? x.eq(best).logicalOr(x.isnan()) : x.eq(best);
    const places = this.wrap(iota(this.shape, at, "int32"));
    const last = typeof size === "number" ? size - 1 : size.max - 1;
    return hit.where(places, last).min(at, { keepdim });
  }
}
