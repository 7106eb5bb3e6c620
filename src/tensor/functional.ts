// Functional gradients: functions of tensors become functions that give their gradients, any number of times over.

import { constNode, identity, type Node } from "../graph/node.js";
import { isFloat } from "../scalar/dtype.js";
import { TensorError } from "./core.js";
import { gradientsOf } from "./gradient.js";
import { Tensor } from "./tensor.js";

/** A tensor of the same value, up to which gradients are wanted; those of outer functions go on through it. */
function standIn(x: Tensor): { tensor: Tensor; node: Node } {
  const node = identity(x.node);
  node.differentiable = true;
  return { tensor: Tensor.ofNode(node), node };
}

/**
 * The function that gives the value of `fn` and its gradient with respect to argument `argnums` (default 0; with a list
 * of places a list of gradients). `fn` must give a float tensor of one element.
 */
export function valueAndGrad<A extends readonly unknown[]>(
  fn: (...args: A) => Tensor,
  argnums?: number,
): (...args: A) => [Tensor, Tensor];
export function valueAndGrad<A extends readonly unknown[]>(
  fn: (...args: A) => Tensor,
  argnums: readonly number[],
): (...args: A) => [Tensor, Tensor[]];
export function valueAndGrad<A extends readonly unknown[]>(
  fn: (...args: A) => Tensor,
  argnums: number | readonly number[] = 0,
): (...args: A) => [Tensor, Tensor | Tensor[]] {
  const places = typeof argnums === "number" ? [argnums] : argnums;
  return (...args: A) => {
    const leaves = new Map<number, Node>();
    const given = args.map((arg, place) => {
      if (!places.includes(place)) return arg;
      if (!(arg instanceof Tensor) || !isFloat(arg.dtype)) {
        throw new TensorError(`grad: argument ${place} must be a float tensor, got ${arg}`);
      }
      const { tensor, node } = standIn(arg);
      leaves.set(place, node);
      return tensor;
    }) as unknown as A;
    const value = fn(...given);
    if (!(value instanceof Tensor) || value.size !== 1 || !isFloat(value.dtype)) {
      throw new TensorError(`grad: the function must give a float tensor of one element, got ${value}`);
    }
    const output = value.node;
    const wanted = new Set(leaves.values());
    const found = gradientsOf(output, constNode(1, output.dtype, output.shape), (x) => wanted.has(x));
    const gradients = places.map((place) => {
      const node = leaves.get(place)!;
      return Tensor.ofNode(found.get(node) ?? constNode(0, node.dtype, node.shape));
    });
    return [value, typeof argnums === "number" ? gradients[0] : gradients];
  };
}

/** The function that gives the gradient of `fn`; see valueAndGrad. */
export function grad<A extends readonly unknown[]>(
  fn: (...args: A) => Tensor,
  argnums?: number,
): (...args: A) => Tensor;
export function grad<A extends readonly unknown[]>(
  fn: (...args: A) => Tensor,
  argnums: readonly number[],
): (...args: A) => Tensor[];
export function grad<A extends readonly unknown[]>(
  fn: (...args: A) => Tensor,
  argnums: number | readonly number[] = 0,
): (...args: A) => Tensor | Tensor[] {
  const both = valueAndGrad(fn, argnums as number) as (...args: A) => [Tensor, Tensor | Tensor[]];
  return (...args: A) => both(...args)[1];
}
