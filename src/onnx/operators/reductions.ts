// Reductions along axes: sums, products, extremes, norms, and the places of extremes.

import { isFloat } from "../../scalar/dtype.js";
import type { ReduceOptions } from "../../tensor/reduction.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Call, Operator, Operators } from "../operator.js";

type Reduce = (x: Tensor, axes: readonly number[], options: ReduceOptions) => Tensor;

/** The axes given, from the second input on or in an attribute; all if there are none and `noop_with_empty_axes` is off. */
function axesOf(call: Call, x: Tensor): number[] {
  const given = call.has(1) ? call.integers(1) : (call.ints("axes") ?? []);
  if (given.length > 0) return given.map((axis) => call.axis(axis, x.ndim));
  return call.flag("noop_with_empty_axes") ? [] : x.shape.map((_, axis) => axis);
}

/** A reduction, whose results have the type of the elements. */
const reduced =
  (reduce: Reduce): Operator =>
  (call) => {
    const x = call.tensor(0);
    return reduce(x, axesOf(call, x), { keepdim: call.flag("keepdims", true) }).cast(x.dtype);
  };

/** Means of integers are rounded towards zero. */
function mean(x: Tensor, axes: readonly number[], options: ReduceOptions): Tensor {
  if (isFloat(x.dtype)) return x.mean(axes, options);
  const count = axes.reduce((n, axis) => n * x.sizeAt(axis), 1);
  return x.sum(axes, options).div(count, { roundingMode: "trunc" });
}

/** Sums of squares of small floats are taken before they are rounded. */
const sumOfSquares: Reduce = (x, axes, options) => {
  const wide = isFloat(x.dtype) && x.dtype !== "float64" ? x.cast("float32") : x;
  return wide.square().sum(axes, options);
};

/** The place of an extreme along an axis: the first of equals, or the last. */
const place =
  (find: (x: Tensor, axis: number, options: ReduceOptions) => Tensor): Operator =>
  (call) => {
    const x = call.tensor(0);
    const axis = x.ndim === 0 ? 0 : call.axis(call.int("axis", 0), x.ndim);
    const options = { keepdim: call.flag("keepdims", true) };
    if (x.ndim === 0 || !call.flag("select_last_index")) return find(x, axis, options).cast("int64");
    return find(x.flip(axis), axis, options)
      .cast("int64")
      .rsub(x.sizeAt(axis) - 1);
  };

export const reductions: Operators = {
  ReduceSum: reduced((x, axes, options) => x.sum(axes, options)),
  ReduceProd: reduced((x, axes, options) => x.prod(axes, options)),
  ReduceMax: reduced((x, axes, options) => x.max(axes, options)),
  ReduceMin: reduced((x, axes, options) => x.min(axes, options)),
  ReduceMean: reduced(mean),
  ReduceL1: reduced((x, axes, options) => x.abs().sum(axes, options)),
  ReduceL2: reduced((x, axes, options) => sumOfSquares(x, axes, options).sqrt()),
  ReduceSumSquare: reduced(sumOfSquares),
  ReduceLogSum: reduced((x, axes, options) => x.sum(axes, options).log()),
  ReduceLogSumExp: reduced((x, axes, options) => x.logsumexp(axes, options)),

  ArgMax: place((x, axis, options) => x.argmax(axis, options)),
  ArgMin: place((x, axis, options) => x.argmin(axis, options)),
};
