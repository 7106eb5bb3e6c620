// The gradients of scans: given the gradient g of all running totals, what the elements get.

import {
  binary,
  constNode,
  contiguous,
  type Dim,
  flip,
  type Node,
  pad,
  type ScanNode,
  scanNode,
  shrink,
} from "../graph/node.js";

const mul = (x: Node, y: Node): Node => binary("mul", x, y);
const add = (x: Node, y: Node): Node => binary("add", x, y);

/** The gradients of a scan's inputs. */
export function scanGradients(node: ScanNode, g: Node): readonly (Node | undefined)[] {
  const { axis } = node;
  if (node.inputs.length === 1) {
    // Each element is part of all totals from its own on.
    if (node.reduction === "add") return [flip(scanNode(flip(g, [axis]), "add", axis), [axis])];
    if (node.reduction === "mul") return [productGradient(node, g)];
  }
  throw new Error(`a scan of ${node.reduction} has no gradient: what uses one brings its own`);
}

/**
 * Of running products: the product of all elements before, times the sum over later totals of their gradient times the
 * product of what stands between. That sum doubles its reach in every step, without dividing: zeros come out right.
 */
function productGradient(node: ScanNode, g: Node): Node {
  const [x] = node.inputs;
  const { axis } = node;
  const size = x.shape[axis];
  if (typeof size !== "number")
    throw new RangeError(`cumprod has no gradient along an axis of symbolic size`);
  const earlier = shifted(node, axis, -1);
  const first = shrinkTo(x, axis, [0, 1]);
  const one = pad(constNode(1, x.dtype, first.shape), sides(x, axis, [0, size - 1]));
  let between = shifted(x, axis, 1);
  let sum = g;
  for (let reach = 1; reach < size; reach *= 2) {
    sum = contiguous(add(sum, mul(between, shifted(sum, axis, reach))));
    between = contiguous(mul(between, shifted(between, axis, reach)));
  }
  return mul(add(earlier, one), sum);
}

const sides = (x: Node, axis: number, side: readonly [Dim, Dim]): (readonly [Dim, Dim])[] =>
  x.shape.map((_, i) => (i === axis ? side : [0, 0]));

const shrinkTo = (x: Node, axis: number, range: readonly [Dim, Dim]): Node =>
  shrink(
    x,
    x.shape.map((d, i): readonly [Dim, Dim] => (i === axis ? range : [0, d])),
  );

/** The element `by` places further on, 0 beyond the ends. */
function shifted(x: Node, axis: number, by: number): Node {
  const size = x.shape[axis] as number;
  return by > 0
    ? pad(shrinkTo(x, axis, [by, size]), sides(x, axis, [0, by]))
    : pad(shrinkTo(x, axis, [0, size + by]), sides(x, axis, [-by, 0]));
}
