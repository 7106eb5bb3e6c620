// Running results along an axis: sums, products, extremes of all elements so far; differences and integrals.

import { castNode, constNode, gather, iota, scanNode } from "../graph/node.js";
import { isFloat, type Scalar } from "../scalar/dtype.js";
import type { ReduceOp } from "../scalar/ops.js";
import { axisOf, TensorError } from "./core.js";
import { accumulationType, type Placed, Reduction } from "./reduction.js";
import type { Tensor } from "./tensor.js";

/** Two neighbouring results joined: the one so far, and the one of the places before it. */
type Join = (later: Tensor, earlier: Tensor) => Tensor;

export interface Spacing {
  /** Default: the last. */
  readonly axis?: number;
  /** Distance of neighbouring points, if they are not given; default 1. */
  readonly dx?: number;
  /** The points, of the shape of the values or along the axis alone. */
  readonly x?: Tensor;
}

export abstract class Scan extends Reduction {
  /**
   * Sums of the elements up to each place of an axis; dtypes as sum.
   *
   * @example Tensor.from([1, 2, 3]).cumsum(0); // => [1, 3, 6]
   */
  cumsum(axis: number): Tensor {
    return this.running("cumsum", axis, "add");
  }
  /** Products of the elements up to each place of an axis; dtypes as sum. */
  cumprod(axis: number): Tensor {
    return this.running("cumprod", axis, "mul");
  }
  /** cumsum that takes NaN for 0. */
  nancumsum(axis: number): Tensor {
    return this.isnan().where(0, this.self).cumsum(axis);
  }
  /**
   * log of the cumsum of exp(this), safe from overflow.
   *
   * @example
   * Tensor.from([0, 0, 0]).logcumsumexp(0); // => [0, 0.6931, 1.0986]
   */
  logcumsumexp(axis: number): Tensor {
    const x = this.toFloats();
    const at = axisOf(axis, this.ndim, "logcumsumexp");
    return x.cast(accumulationType(x.dtype)).prefixes(at, logAddExp, Number.NEGATIVE_INFINITY).cast(x.dtype);
  }
  /** In the dtype in which sums are taken; floats keep theirs. */
  private running(operation: string, axis: number, join: ReduceOp): Tensor {
    const at = axisOf(axis, this.ndim, operation);
    const total = this.wrap(castNode(this.node, accumulationType(this.dtype))).scan(at, join);
    return isFloat(this.dtype) ? total.cast(this.dtype) : total;
  }

  /**
   * The largest up to each place of an axis, and the last place where it is; NaN from the first NaN on.
   *
   * @example Tensor.from([1, 3, 2]).cummax(0).values; // => [1, 3, 3]
   */
  cummax(axis: number): Placed {
    return this.runningExtreme("cummax", axis, "max");
  }
  /** The smallest up to each place of an axis, and the last place where it is; NaN from the first NaN on. */
  cummin(axis: number): Placed {
    return this.runningExtreme("cummin", axis, "min");
  }
  private runningExtreme(operation: string, axis: number, join: "max" | "min"): Placed {
    const at = axisOf(axis, this.ndim, operation);
    if (this.ndim === 0) return { values: this.self, indices: this.wrap(constNode(0, "int32", [])) };
    const x = this.dtype === "bool" ? this.detach().cast("uint8") : this.detach();
    const extreme = x.scan(at, join);
    // An element is its own running extreme where it becomes the new one.
    const hit = x.eq(extreme).logicalOr(x.isnan());
    const places = hit.where(this.wrap(iota(this.shape, at)), 0);
    const indices = places.scan(at, "max");
    return { values: this.wrap(gather(this.node, indices.node, at)), indices };
  }

  /** Every element joined with all before it along an axis, in its own dtype. */
  protected scan(axis: number, join: ReduceOp): Tensor {
    return this.ndim === 0 ? this.self : this.wrap(scanNode(this.node, join, axis));
  }
  /**
   * scan by any associative `join`, which is no primitive: all prefixes joined, in log2(n) steps, each joining a value with the
   * one 2^k before it (Hillis and Steele, 1986). Joining with `neutral` changes nothing.
   */
  private prefixes(axis: number, join: Join, neutral: Scalar): Tensor {
    if (this.ndim === 0) return this.self;
    const size = this.sizeAt(axis);
    let result = this.self;
    for (let by = 1; by < size; by *= 2) {
      const before = result.narrow(axis, 0, size - by);
      const border = this.shape.map((_, i): [number, number] => [i === axis ? by : 0, 0]);
      result = join(result, before.pad(border, { value: neutral })).contiguous();
    }
    return result;
  }

  // --- differences and integrals -----------------------------------------------------------------------------------

  /**
   * Differences of neighbours along an axis, `n` times over; of bools whether they differ.
   *
   * @example Tensor.from([1, 4, 9]).diff(); // => [3, 5]
   */
  diff({
    n = 1,
    axis = -1,
    prepend,
    append,
  }: {
    n?: number;
    axis?: number;
    prepend?: Tensor;
    append?: Tensor;
  } = {}): Tensor {
    if (this.ndim === 0) throw new TensorError(`diff: ${this} has no axis`);
    if (!Number.isInteger(n) || n < 0) throw new TensorError(`diff: n must be a count, got ${n}`);
    const parts = [prepend, this.self, append].filter((x) => x !== undefined);
    let result = parts[0].cat(axis, ...parts.slice(1));
    for (let i = 0; i < n; i++) {
      const [before, after] = neighbours(result, axis, "diff");
      result = result.dtype === "bool" ? after.ne(before) : after.sub(before);
    }
    return result;
  }
  /**
   * The integral along an axis by the trapezoidal rule.
   *
   * @example Tensor.from([1, 2, 3]).trapezoid(); // => 4
   */
  trapezoid(spacing: Spacing = {}): Tensor {
    return this.trapezoids("trapezoid", spacing).sum(spacing.axis ?? -1);
  }
  /** Integrals up to each point of an axis but the first, by the trapezoidal rule. */
  cumulativeTrapezoid(spacing: Spacing = {}): Tensor {
    return this.trapezoids("cumulativeTrapezoid", spacing).cumsum(spacing.axis ?? -1);
  }
  private trapezoids(operation: string, { axis = -1, dx = 1, x }: Spacing): Tensor {
    if (this.ndim === 0) throw new TensorError(`${operation}: ${this} has no axis`);
    const [before, after] = neighbours(this.toFloats(), axis, operation);
    const mean = after.add(before).mul(0.5);
    if (x === undefined) return dx === 1 ? mean : mean.mul(dx);
    const at = axisOf(axis, this.ndim, operation);
    const points = x.ndim === 1 ? x.reshape(this.shape.map((_, i) => (i === at ? -1 : 1))) : x;
    return mean.mul(points.diff({ axis: at }));
  }
}

/** All but the last, and all but the first along an axis. */
function neighbours(x: Tensor, axis: number, operation: string): [Tensor, Tensor] {
  const at = axisOf(axis, x.ndim, operation);
  const size = x.sizeAt(at);
  const count = Math.max(0, size - 1);
  return [x.narrow(at, 0, count), x.narrow(at, size - count, count)];
}

/** log(exp(a) + exp(b)); the gradient is 0 where both are -inf. */
function logAddExp(a: Tensor, b: Tensor): Tensor {
  const top = a.maximum(b).detach();
  const safe = top.isinf().where(0, top);
  const sum = a.sub(safe).exp().add(b.sub(safe).exp());
  const none = sum.eq(0);
  return none.where(Number.NEGATIVE_INFINITY, none.where(1, sum).log().add(safe));
}
