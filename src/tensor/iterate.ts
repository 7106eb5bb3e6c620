// Sequential algorithms as graphs: the same step built again and again. The number of the step is data, a one-element
// tensor, by which the step picks rows and columns and masks; so all steps are one kernel to the compiler, which
// schedules and compiles it once.

import { constNode, contiguous, derived, type Dim, iota, type Node, type Shape } from "../graph/node.js";
import type { DType } from "../scalar/dtype.js";
import type { TensorClass } from "./core.js";
import { TensorStorage } from "./storage.js";
import type { Tensor } from "./tensor.js";

/** A tensor of this value, made where the class Tensor itself is out of reach. */
export const tensorOf = (like: Tensor, node: Node): Tensor =>
  new (like.constructor as TensorClass)(new TensorStorage(node));

export const zerosLike = (x: Tensor, shape: Shape, dtype: DType = x.dtype): Tensor =>
  tensorOf(x, constNode(0, dtype, shape));

/** The place along an axis of `like`, int32, shaped to broadcast against it: [1, .., n, .., 1]. */
export function placesOf(like: Tensor, axis: number): Tensor {
  const shape: Dim[] = like.shape.map(() => 1);
  const at = axis < 0 ? axis + like.ndim : axis;
  shape[at] = like.shape[at];
  return tensorOf(like, iota(shape, at));
}

/** Unit matrices in the shape and dtype of matrices [b, m, n]. */
export const unitLike = (a: Tensor): Tensor =>
  placesOf(a, 1).eq(placesOf(a, 2)).cast(a.dtype).expand(a.shape);

/**
 * The state after `count` steps. A step gets its number (int32, one element, as many axes as the first tensor of the
 * state) and the state, which is stored between steps.
 */
export function iterate(
  count: number,
  start: readonly Tensor[],
  step: (number: Tensor, ...state: Tensor[]) => readonly Tensor[],
): Tensor[] {
  let state = start.map(stored);
  if (count === 0) return state;
  const [first] = start;
  // A stored zero: were it a plain constant, every step would have a number of its own compiled in.
  let number = stored(
    tensorOf(
      first,
      iota(
        first.shape.map(() => 1),
        0,
      ),
    ),
  );
  for (let i = 0; i < count; i++) {
    state = step(number, ...state).map(stored);
    if (i < count - 1) number = stored(number.add(1));
  }
  return state;
}

const stored = (x: Tensor): Tensor => tensorOf(x, contiguous(x.node));

/** The row [b, 1, n] of matrices [b, m, n] at a place, [1, 1, 1] or [b, 1, 1]. */
export const rowAt = (x: Tensor, place: Tensor): Tensor =>
  x.gather(1, place.expand([x.shape[0], 1, x.shape[2]]));

/** The column [b, m, 1] of matrices [b, m, n] at a place, [1, 1, 1] or [b, 1, 1]. */
export const columnAt = (x: Tensor, place: Tensor): Tensor =>
  x.gather(2, place.expand([x.shape[0], x.shape[1], 1]));

/**
 * `value` with the gradients that `rule` gives of the gradient of the value, one for each argument. The rule is itself
 * made of differentiable operations. `value` must not depend on the arguments otherwise: it is built on detached ones.
 */
export function withGradient(
  value: Tensor,
  args: readonly Tensor[],
  rule: (g: Tensor, result: Tensor, ...args: Tensor[]) => readonly (Tensor | undefined)[],
): Tensor {
  const node = derived(
    value.node,
    args.map((x) => x.node),
    (g, self) => {
      const [result, ...given] = [self, ...self.inputs.slice(1)].map((x) => tensorOf(value, x));
      return rule(tensorOf(value, g), result, ...given).map((x) => x?.node);
    },
  );
  return tensorOf(value, node);
}
