// Reverse-mode differentiation as a graph transformation: from a result back through every node that depends on what
// is asked for, adding up what each gets. Iterative: a graph may be as deep as memory allows.

import {
  binary,
  concat,
  constNode,
  type Dim,
  type Node,
  pad,
  sameDim,
  sameShape,
  topologicalNodes,
} from "../graph/node.js";
import { addIndex, toIndex } from "../kernel/index.js";
import { isFloat } from "../scalar/dtype.js";
import { TensorError, tensorOfLeaf } from "./core.js";
import { inputGradients } from "./gradient-rules.js";
import type { Tensor } from "./tensor.js";

/**
 * Gradients of the sum of all outputs, each weighted by its seed, with respect to every node that is wanted. Outputs
 * and seeds come in pairs, of one shape and dtype.
 */
export function gradientsOf(
  outputs: readonly (readonly [output: Node, seed: Node])[],
  wanted: (node: Node) => boolean,
): Map<Node, Node> {
  const found = new Map<Node, Node>();
  const roots = outputs.map(([output]) => output).filter((output) => output.differentiable);
  // Through realised nodes too: they keep their inputs as long as a gradient may be asked for.
  const order = topologicalNodes(roots, (node) => node.inputs.filter((input) => input.differentiable));
  // The way back goes only through nodes that lead to wanted ones.
  const leads = new Set<Node>();
  for (const node of order) if (wanted(node) || node.inputs.some((x) => leads.has(x))) leads.add(node);
  const parts = new Map<Node, Node[]>();
  const give = (node: Node, part: Node): void => {
    const known = parts.get(node);
    if (known === undefined) parts.set(node, [part]);
    else known.push(part);
  };
  for (const [output, seed] of outputs) give(output, seed);
  for (const node of order.reverse()) {
    const given = parts.get(node);
    if (given === undefined || !leads.has(node)) continue;
    parts.delete(node);
    const g = joinSlices(given).reduce((sum, part) => binary("add", sum, part));
    if (wanted(node)) found.set(node, g);
    // A realised leaf has forgotten what it was computed from.
    if (node.inputs.length === 0) continue;
    inputGradients(node, g).forEach((part, i) => {
      const input = node.inputs[i];
      if (part === undefined || !leads.has(input) || !isFloat(input.dtype)) return;
      give(input, part);
    });
  }
  return found;
}

/** More slices than these (the steps of a sequence) are not looked at pair by pair. */
const MOST_SLICES = 16;

/**
 * Gradients of slices that lie next to each other, each a reduction in a frame of zeros, become one concatenation: as a
 * sum, every one of them would be computed for the places of all.
 */
function joinSlices(parts: readonly Node[]): Node[] {
  if (parts.length > MOST_SLICES) return [...parts];
  const joined = [...parts];
  for (let i = 0; i < joined.length; i++) {
    for (let j = 0; j < joined.length; j++) {
      const both = i === j ? undefined : joinPair(joined[i], joined[j]);
      if (both === undefined) continue;
      joined[i] = both;
      joined.splice(j, 1);
      // The larger slice may have neighbours among those before it.
      [i, j] = [0, -1];
    }
  }
  return joined;
}

/** The slice that ends where the other begins, with it, in what remains of their frames. */
function joinPair(a: Node, b: Node): Node | undefined {
  if (a.op !== "pad" || b.op !== "pad") return undefined;
  const [first] = a.inputs;
  const [second] = b.inputs;
  if (!isReduction(first) || !isReduction(second)) return undefined;
  const differing = a.padding.flatMap(([before, after], axis) => {
    const [otherBefore, otherAfter] = b.padding[axis];
    return sameDim(before, otherBefore) && sameDim(after, otherAfter) ? [] : [axis];
  });
  const [axis] = differing;
  if (differing.length !== 1 || first.shape.some((d, i) => i !== axis && !sameDim(d, second.shape[i])))
    return undefined;
  const end = addIndex(toIndex(a.padding[axis][0]), toIndex(first.shape[axis]));
  if (end.key !== toIndex(b.padding[axis][0]).key) return undefined;
  const both = concat([first, second], axis);
  const padding = a.padding.map((pair, i): readonly [Dim, Dim] =>
    i === axis ? [pair[0], b.padding[i][1]] : pair,
  );
  return padding.every((pair) => pair.every((d) => d === 0)) ? both : pad(both, padding);
}

/** True for a reduction, moved or converted, and for several of them side by side. */
function isReduction(node: Node): boolean {
  let x = node;
  while (x.op === "reshape" || x.op === "permute" || x.op === "cast") [x] = x.inputs;
  return x.op === "reduce" || x.op === "concat";
}

/** See Tensor.backward; `wrap` makes a tensor of a node. */
export function backward(result: Tensor, seed: Tensor | undefined, wrap: (node: Node) => Tensor): void {
  const output = result.node;
  if (!isFloat(output.dtype)) throw new TensorError(`backward: ${result} is not of a float dtype`);
  if (!output.differentiable) {
    throw new TensorError(`backward: ${result} depends on no tensor that requires a gradient`);
  }
  if (seed === undefined && result.size !== 1) {
    throw new TensorError(`backward: ${result} is no scalar; give the gradient of the result, of its shape`);
  }
  const start = seed?.node ?? constNode(1, output.dtype, output.shape);
  if (!sameShape(start.shape, output.shape) || start.dtype !== output.dtype) {
    throw new TensorError(`backward: the gradient ${seed} must have the shape and dtype of ${result}`);
  }
  for (const [node, g] of gradientsOf([[output, start]], (x) => tensorOfLeaf(x) !== undefined)) {
    const tensor = tensorOfLeaf(node)!;
    const own = wrap(g).detach();
    tensor.grad = tensor.grad === undefined ? own : tensor.grad.add(own);
  }
}
