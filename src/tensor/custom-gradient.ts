// Gradients in closed form: a value that is computed in one way and differentiated in another.

import { sameShape } from "../graph/node.js";
import { isFloat } from "../scalar/dtype.js";
import { TensorError } from "./core.js";
import { withGradient } from "./iterate.js";
import type { Tensor } from "./tensor.js";

/**
 * What each source gets of the gradient of a result; undefined is nothing. Gradients have the sources' shapes and
 * dtypes. They are made of differentiable operations on what the rule is given, so that they have gradients too.
 */
export type GradientRule = (
  gradient: Tensor,
  result: Tensor,
  ...sources: Tensor[]
) => readonly (Tensor | undefined)[];

/**
 * The elements of `value`, whose gradients go to the sources by `rule`, not into what computed the value. Sources are
 * only looked at by gradients: nothing is computed or kept for the value's sake.
 *
 * @example
 * const clipped = (x: Tensor) =>
 *   customGradient(x.exp(), [x], (gradient, result) => [gradient.mul(result).clamp(-1, 1)]);
 * grad((x: Tensor) => clipped(x).sum())(Tensor.from([-1, 3])); // => [0.3679, 1]
 */
export function customGradient(value: Tensor, sources: readonly Tensor[], rule: GradientRule): Tensor {
  const stray = [value, ...sources].find((x) => !isFloat(x.dtype));
  if (stray !== undefined) throw new TensorError(`customGradient: needs float tensors, got ${stray}`);
  return withGradient(value, sources, (gradient, result, ...given) => {
    const parts = rule(gradient, result, ...given);
    for (const [i, source] of given.entries()) {
      const part = parts[i];
      if (part !== undefined && (part.dtype !== source.dtype || !sameShape(part.shape, source.shape)))
        throw new TensorError(`customGradient: the gradient of source ${i}, ${source}, came out as ${part}`);
    }
    return parts;
  });
}

/**
 * A function of float tensors whose gradient is given beside it.
 *
 * @example
 * const roundStraight = defineGradient((x) => x.round(), (gradient) => [gradient]);
 */
export function defineGradient<A extends readonly Tensor[]>(
  forward: (...args: A) => Tensor,
  rule: GradientRule,
): (...args: A) => Tensor {
  return (...args: A) => {
    const inside = args.map((x) => x.detach()) as unknown as A;
    return customGradient(forward(...inside), args, rule);
  };
}
