// Mixed precision: inside `autocast` the operands of contractions are rounded to a small float type.

import type { DType } from "../scalar/dtype.js";
import { TensorError } from "./core.js";

/** The type of contractions of float32 now. */
let contractions: DType | undefined;

export const autocastType = (): DType | undefined => contractions;

/**
 * Calls `fn`, in which products of float32 matrices (matmul, linear, convolutions, einsum, attention) take their operands
 * rounded to `dtype`, multiply and add in float32, and give `dtype`. All else follows from the dtypes of its operands:
 * sums, softmaxes and losses of halves are taken in float32. Gradients of such products flow in `dtype`, so that float16
 * wants a GradScaler. `fn` must not be async.
 *
 * @example
 * const x = Tensor.ones([2, 3]);
 * autocast("bfloat16", () => x.matmul(x.T)).dtype; // => "bfloat16"
 */
export function autocast<T>(dtype: "float16" | "bfloat16", fn: () => T): T {
  const before = contractions;
  contractions = dtype;
  try {
    const result = fn();
    if (result instanceof Promise)
      throw new TensorError(
        "autocast: the function is async; give it the part that computes, and await outside",
      );
    return result;
  } finally {
    contractions = before;
  }
}
