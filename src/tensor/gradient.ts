// Reverse-mode differentiation as a graph transformation: from a result back through every node that depends on what
// is asked for, adding up what each gets. Iterative: a graph may be as deep as memory allows.

import { binary, constNode, type Node, sameShape, topologicalNodes } from "../graph/node.js";
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
  const sums = new Map<Node, Node>();
  const give = (node: Node, part: Node): void => {
    const known = sums.get(node);
    sums.set(node, known === undefined ? part : binary("add", known, part));
  };
  for (const [output, seed] of outputs) give(output, seed);
  for (const node of order.reverse()) {
    const g = sums.get(node);
    if (g === undefined || !leads.has(node)) continue;
    sums.delete(node);
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
