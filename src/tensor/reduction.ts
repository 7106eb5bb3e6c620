// Reductions: many elements to one, along some axes or all.

import { castNode, iota, type Node, reduceNode, reshape } from "../graph/node.js";
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

/** The dtype in which sums and products are taken: small integers in int32, small floats in float32. */
export function accumulationType(dtype: DType): DType {
  if (isFloat(dtype)) return bytesOf(dtype) < 4 ? "float32" : dtype;
  if (kindOf(dtype) === "unsigned" && bytesOf(dtype) >= 4) return dtype;
  return bytesOf(dtype) < 4 ? "int32" : dtype;
}

export abstract class Reduction extends Arrangement {
  private axesOf(axes: Axes, operation: string): number[] {
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
   */
  sum(axes?: Axes, { keepdim }: ReduceOptions = {}): Tensor {
    return this.accumulate("add", axes, keepdim);
  }
  /** Product along axes; dtypes as sum. The product of nothing is 1. */
  prod(axes?: Axes, { keepdim }: ReduceOptions = {}): Tensor {
    return this.accumulate("mul", axes, keepdim);
  }
  private accumulate(op: "add" | "mul", axes: Axes, keepdim: boolean | undefined): Tensor {
    const wide = accumulationType(this.dtype);
    const list = this.axesOf(axes, op === "add" ? "sum" : "prod");
    const reduced = this.reduce(op, castNode(this.node, wide), list, keepdim);
    return this.wrap(isFloat(this.dtype) ? castNode(reduced, this.dtype) : reduced);
  }
  /** Largest along axes; NaN if any is. Of nothing: -inf, or the smallest integer. */
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

  /** Elements along axes, as a number. */
  private countOf(axes: readonly number[]): number {
    return axes.reduce((n, axis) => n * (axis < this.ndim ? this.sizeAt(axis) : 1), 1);
  }
  /** Mean along axes, in floats: NaN of nothing. */
  mean(axes?: Axes, { keepdim }: ReduceOptions = {}): Tensor {
    const list = this.axesOf(axes, "mean");
    const x = isFloat(this.dtype) ? this.node : castNode(this.node, DEFAULT_FLOAT);
    const wide = castNode(x, accumulationType(x.dtype));
    const total = this.wrap(this.reduce("add", wide, list, keepdim));
    return total.div(this.countOf(list)).cast(x.dtype);
  }
  /** Variance along axes; `correction` (default 1) is taken from the count. */
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
    return total.div(Math.max(0, this.countOf(list) - correction));
  }
  /** Standard deviation along axes; see var. */
  std(axes?: Axes, options: ReduceOptions & { correction?: number } = {}): Tensor {
    // The variance of halves may be more than halves hold.
    return this.wideVariance(axes, options).sqrt().cast(this.toFloats().dtype);
  }
  /** True where any element is not zero. */
  any(axes?: Axes, { keepdim }: ReduceOptions = {}): Tensor {
    return this.wrap(this.reduce("max", this.bool().node, this.axesOf(axes, "any"), keepdim));
  }
  /** True where no element is zero. */
  all(axes?: Axes, { keepdim }: ReduceOptions = {}): Tensor {
    return this.wrap(this.reduce("min", this.bool().node, this.axesOf(axes, "all"), keepdim));
  }
  /** log(sum(exp(this))), safe from overflow. */
  logsumexp(axes?: Axes, { keepdim }: ReduceOptions = {}): Tensor {
    const list = this.axesOf(axes, "logsumexp");
    const x = this.toFloats();
    const top = x.max(list, { keepdim: true }).detach();
    const safe = top.isinf().where(0, top);
    const total = x.sub(safe).exp().sum(list, { keepdim: true }).log().add(safe);
    return keepdim === true ? total : total.reshape(this.shape.filter((_, i) => !list.includes(i)));
  }
  /** (sum |x|^p)^(1/p) along axes; p may be infinite. */
  norm(p = 2, axes?: Axes, options: ReduceOptions = {}): Tensor {
    const { dtype } = this.toFloats();
    if (p === Number.POSITIVE_INFINITY) return this.toFloats().abs().max(axes, options);
    if (p === Number.NEGATIVE_INFINITY) return this.toFloats().abs().min(axes, options);
    // Powers of halves may be more than halves hold.
    const x = this.cast(accumulationType(dtype));
    if (p === 0) return x.ne(0).sum(axes, options).cast(dtype);
    if (p === 1) return x.abs().sum(axes, options).cast(dtype);
    if (p !== 2)
      return x
        .abs()
        .pow(p)
        .sum(axes, options)
        .pow(1 / p)
        .cast(dtype);
    // At 0 the root is vertical; the gradient there is 0, as PyTorch has it.
    const total = x.square().sum(axes, options);
    const none = total.eq(0);
    return none.where(0, none.where(1, total).sqrt()).cast(dtype);
  }

  /** Place (int32) of the largest along an axis, or among all; the first of equals; a NaN counts as largest. */
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

  /** Sums of the elements up to each place of an axis. */
  cumsum(axis: number): Tensor {
    const wide = accumulationType(this.dtype);
    const total = scan(
      this.wrap(castNode(this.node, wide)),
      axisOf(axis, this.ndim, "cumsum"),
      (a, b) => a.add(b),
      0,
    );
    return isFloat(this.dtype) ? total.cast(this.dtype) : total;
  }
  /** Products of the elements up to each place of an axis. */
  cumprod(axis: number): Tensor {
    const wide = accumulationType(this.dtype);
    const total = scan(
      this.wrap(castNode(this.node, wide)),
      axisOf(axis, this.ndim, "cumprod"),
      (a, b) => a.mul(b),
      1,
    );
    return isFloat(this.dtype) ? total.cast(this.dtype) : total;
  }
}

/** All prefixes in log2(n) steps, each joining a value with the one 2^k before it (Hillis and Steele, 1986). */
function scan(x: Tensor, axis: number, join: (a: Tensor, b: Tensor) => Tensor, neutral: number): Tensor {
  if (x.ndim === 0) return x;
  const size = x.sizeAt(axis);
  let result = x;
  for (let by = 1; by < size; by *= 2) {
    const padding = x.shape.map((_, i): [number, number] => (i === axis ? [by, 0] : [0, 0]));
    const before = result.narrow(axis, 0, size - by).pad(padding, { value: neutral });
    result = join(result, before).contiguous();
  }
  return result;
}
