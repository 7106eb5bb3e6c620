// Whole matrices of derivatives: pullbacks or pushforwards of all unit vectors at once, which vmap makes of one.

import type { Shape } from "../graph/node.js";
import { mapLeaves } from "./containers.js";
import { TensorError } from "./core.js";
import { floatsOf, grad, isFloatTensor, linearize, vjp } from "./functional.js";
import { Tensor } from "./tensor.js";
import { vmap } from "./vmap.js";

/** All unit vectors [n, ..shape] of a tensor's shape, of n elements. */
const unitVectors = (x: Tensor): Tensor =>
  Tensor.eye(x.size, x.size, { dtype: x.dtype }).reshape([x.size, ...x.shape]);

/** A function of one argument, the others being given. */
const ofArgument =
  <A extends readonly unknown[], R>(fn: (...args: A) => R, args: A, place: number) =>
  (x: A[number]): R =>
    fn(...(args.map((arg, i) => (i === place ? x : arg)) as unknown as A));

/**
 * The function that gives the derivative of each element of `fn`'s result, of shape R, with respect to each element of
 * argument `place`, of shape X: of shape [..R, ..X]; for a container of tensors a container of these. In reverse mode,
 * at the cost of one gradient for each element of the result.
 *
 * @example
 * jacrev((x: Tensor) => x.square())(Tensor.from([1.5, 2])); // => [[3, 0], [0, 4]]
 */
export function jacrev<A extends readonly unknown[], const P extends number = 0>(
  fn: (...args: A) => Tensor,
  place?: P,
): (...args: A) => A[P] {
  const at = place ?? 0;
  return (...args: A) => {
    const [result, pullback] = vjp(ofArgument(fn, args, at), args[at]);
    if (!isFloatTensor(result))
      throw new TensorError(`jacrev: the function must give a float tensor, got ${result}`);
    const rows = vmap((gradient: Tensor) => pullback(gradient)[0])(unitVectors(result));
    return mapLeaves(rows, (leaf) =>
      leaf instanceof Tensor ? leaf.reshape([...result.shape, ...leaf.shape.slice(1)]) : leaf,
    ) as A[P];
  };
}

/** As jacrev, in forward mode: at the cost of two gradients for each element of the argument. */
export function jacfwd<A extends readonly unknown[], const P extends number = 0>(
  fn: (...args: A) => Tensor,
  place?: P,
): (...args: A) => A[P] {
  const at = place ?? 0;
  return (...args: A) => {
    const [result, pushforward] = linearize(ofArgument(fn, args, at), [args[at]] as const);
    if (!isFloatTensor(result))
      throw new TensorError(`jacfwd: the function must give a float tensor, got ${result}`);
    const sources = floatsOf(args[at]);
    let next = 0;
    return mapLeaves(args[at], (leaf) => {
      if (!isFloatTensor(leaf)) return undefined;
      const own = next++;
      /** The tangent of this source alone. */
      const alone = (tangent: Tensor): unknown => {
        let i = 0;
        return mapLeaves(args[at], (other) => (isFloatTensor(other) && i++ === own ? tangent : undefined));
      };
      const columns = vmap((tangent: Tensor) => pushforward([alone(tangent)] as never), { outAxes: -1 });
      const shape: Shape = [...result.shape, ...sources[own].shape];
      return columns(unitVectors(leaf)).reshape(shape);
    }) as A[P];
  };
}

/** As jacrev. */
export const jacobian = jacrev;

/**
 * The function that gives the second derivatives of a scalar function with respect to argument `place`, a tensor of
 * shape X: of shape [..X, ..X]. Forward over reverse mode.
 *
 * @example
 * hessian((x: Tensor) => x.prod())(Tensor.from([2.5, 3])); // => [[0, 1], [1, 0]]
 */
export function hessian<A extends readonly unknown[]>(
  fn: (...args: A) => Tensor,
  place = 0,
): (...args: A) => Tensor {
  const gradient = grad(fn, place) as (...args: A) => Tensor;
  return (...args: A) => {
    if (!isFloatTensor(args[place]))
      throw new TensorError(`hessian: argument ${place} must be a float tensor, got ${args[place]}`);
    return jacfwd(gradient, place)(...args) as Tensor;
  };
}
