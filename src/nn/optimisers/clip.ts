// Gradients kept within bounds before a step.

import { accumulationType } from "../../tensor/reduction.js";
import { Tensor } from "../../tensor/tensor.js";

const gradientsOf = (parameters: readonly Tensor[]): [Tensor, Tensor][] =>
  parameters.flatMap((x): [Tensor, Tensor][] => (x.grad === undefined ? [] : [[x, x.grad]]));

/**
 * Scales the gradients of the parameters together so that their norm is at most `maxNorm`; gives the norm before, a
 * scalar. Where it is NaN or infinite all gradients become so too: a GradScaler then leaves out the step.
 *
 * @example
 * const weights = Tensor.from([3, 4], { requiresGrad: true });
 * weights.square().sum().backward();
 * nn.clipGradNorm([weights], 5); // => 10
 * weights.grad; // => [3, 4]
 */
export function clipGradNorm(
  parameters: readonly Tensor[],
  maxNorm: number,
  { norm = 2 }: { readonly norm?: number } = {},
): Tensor {
  const gradients = gradientsOf(parameters);
  if (gradients.length === 0) return Tensor.zeros([]);
  const total = Tensor.stack(gradients.map(([, g]) => g.cast(accumulationType(g.dtype)).norm(norm))).norm(
    norm,
  );
  const factor = total.add(1e-6).reciprocal().mul(maxNorm).minimum(1).contiguous();
  for (const [x, g] of gradients) x.grad = g.mul(factor).cast(g.dtype);
  return total;
}

/** Limits every element of the gradients to [-limit, limit]. */
export function clipGradValue(parameters: readonly Tensor[], limit: number): void {
  for (const [x, g] of gradientsOf(parameters)) x.grad = g.clamp(-limit, limit);
}
