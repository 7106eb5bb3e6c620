// Mixed precision: inside `autocast` the operands of contractions are rounded to a small float type.

import type { DType } from "../scalar/dtype.js";
import { TensorError } from "./core.js";

type Small = "float16" | "bfloat16";

export interface AutocastOptions {
  /**
   * What products give: `dtype` (default), or "float32", so that only operands are rounded and what is around the
   * products stays as it was; of gradients, too, only the operands of products are rounded.
   */
  readonly results?: Small | "float32";
}

/** What happens to contractions of float32 now. */
interface Rounding {
  readonly operands: Small;
  readonly results: Small | "float32";
}

let contractions: Rounding | undefined;

/** The type that contractions of float32 give now. */
export const autocastType = (): DType | undefined => contractions?.results;

/** The type to which operands are rounded of contractions that give float32, if they are. */
export const autocastOperands = (): Small | undefined =>
  contractions?.results === "float32" ? contractions.operands : undefined;

/**
 * Calls `fn`, in which products of float32 matrices (matmul, linear, convolutions, einsum, attention) take their operands
 * rounded to `dtype`, multiply and add in float32, and give `dtype`. All else follows from the dtypes of its operands:
 * sums, softmaxes and losses of halves are taken in float32. Gradients of such products flow in `dtype`, so that float16
 * wants a GradScaler. `fn` must not be async.
 *
 * With `results: "float32"` the products give float32. Where a device has a matrix unit for bfloat16, that is the
 * quickest way through a float32 model: about three digits of each operand are kept, and all of the sums.
 *
 * @example
 * const x = Tensor.ones([2, 3]);
 * autocast("bfloat16", () => x.matmul(x.T)).dtype; // => "bfloat16"
 * autocast("bfloat16", () => x.matmul(x.T), { results: "float32" }).dtype; // => "float32"
 */
export function autocast<T>(dtype: Small, fn: () => T, { results = dtype }: AutocastOptions = {}): T {
  if (results !== dtype && results !== "float32") {
    throw new TensorError(`autocast: results must be "${dtype}" or "float32", got "${results}"`);
  }
  const before = contractions;
  contractions = { operands: dtype, results };
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
