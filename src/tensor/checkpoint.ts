// Checkpoints: what a function computes on the way is not kept for its gradient but computed again when that is asked
// for, which trades time for memory (Griewank and Walther, "Revolve", 2000; Chen and others, 2016).
//
// The function is run once. Its gradient copies the nodes that it made, over arguments that are not asked for before
// the gradient of the result is there: so the copies are neither shared with the originals nor computed before.

import { after, constNode, derived, identity, type Node, topologicalNodes } from "../graph/node.js";
import { construct } from "../graph/simplify.js";
import { isFloat } from "../scalar/dtype.js";
import { mapLeaves } from "./containers.js";
import { tensorOfLeaf } from "./core.js";
import { gradientsOf } from "./gradient.js";
import { Tensor } from "./tensor.js";

/** What a checkpointed function is computed from: its arguments, and the tensors it found elsewhere. */
interface Sources {
  /** The arguments' nodes, and the nodes that stood for them. */
  readonly args: readonly (readonly [given: Node, standIn: Node])[];
  /** Nodes from outside whose gradients are wanted. */
  readonly found: readonly Node[];
  /** The nodes that the function made, inputs before users. */
  readonly made: readonly Node[];
}

/**
 * A function that does what `fn` does, whose gradient computes again what `fn` computes on the way, instead of keeping
 * it: memory for activations is needed for one such function at a time. Gradients and random numbers are the same.
 * Arguments and results may be containers; each float result computes what it needs again by itself.
 *
 * @example
 * const block = checkpoint((h: Tensor) => h.sin().exp());
 * grad((x: Tensor) => block(x).sum())(Tensor.from([0, 1])); // => [1, 1.2534]
 */
export function checkpoint<A extends readonly unknown[], R>(fn: (...args: A) => R): (...args: A) => R {
  return (...args: A): R => {
    const given: Node[] = [];
    mapLeaves([...args], (leaf) => {
      if (leaf instanceof Tensor) given.push(leaf.node);
      return leaf;
    });
    // All nodes that the function makes come after this one.
    const start = constNode(false, "bool").id;
    const pairs = given.map((node) => [node, identity(node)] as const);
    let next = 0;
    const standIns = mapLeaves([...args], (leaf) =>
      leaf instanceof Tensor ? Tensor.ofNode(pairs[next++][1]) : leaf,
    ) as unknown as A;
    return mapLeaves(fn(...standIns), (leaf) => {
      if (!(leaf instanceof Tensor) || !isFloat(leaf.dtype)) return leaf;
      const { node } = leaf;
      return node.differentiable ? Tensor.ofNode(checkpointed(node, sourcesOf(node, start, pairs))) : leaf;
    }) as R;
  };
}

function sourcesOf(output: Node, start: number, args: Sources["args"]): Sources {
  const standIns = new Set(args.map(([, standIn]) => standIn));
  const isMade = (node: Node): boolean =>
    node.id > start && node.storage === undefined && tensorOfLeaf(node) === undefined && !standIns.has(node);
  const order = topologicalNodes([output], (node) => (isMade(node) ? node.inputs : []));
  return {
    args,
    found: order.filter((node) => !isMade(node) && !standIns.has(node) && node.differentiable),
    made: order.filter(isMade),
  };
}

/** The output, with gradients through a copy of what it is computed from. */
function checkpointed(output: Node, { args, found, made }: Sources): Node {
  const sources = [...args.map(([node]) => node), ...found];
  return derived(output, sources, (g, self) => {
    const given = self.inputs.slice(1);
    const ends = given.map((node, i) => (i < args.length ? after(node, g) : identity(node)));
    const copies = new Map<Node, Node>(
      ends.map((end, i) => [i < args.length ? args[i][1] : found[i - args.length], end]),
    );
    const copyOf = (node: Node): Node => copies.get(node) ?? node;
    for (const node of made) {
      const inputs = node.inputs.map(copyOf);
      const same = inputs.every((input, i) => input === node.inputs[i]);
      copies.set(node, same ? node : construct(node, inputs));
    }
    const wanted = new Set(ends);
    const gradients = gradientsOf([[copyOf(output), g]], (node) => wanted.has(node));
    return ends.map((end) => gradients.get(end));
  });
}
