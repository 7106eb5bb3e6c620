// Bounds what one kernel can hold, before anything is placed: compilers slow down on large kernels and devices allow a
// number of buffers only, so some values must be stored.

import type { AssignNode, ConcatNode, Node, ScanNode, ScatterNode } from "../graph/node.js";
import type { Target } from "../device/target.js";
import { elementsOf, MAX_NODES, operationCost } from "./cost.js";
import { isMovement } from "./views.js";

/** True for nodes that only a kernel of their own computes, or several that write parts of them. */
export const isSpecial = (node: Node): node is ConcatNode | ScatterNode | ScanNode | AssignNode =>
  node.op === "concat" || node.op === "scatter" || node.op === "scan" || node.op === "assign";

export const isLeaf = (node: Node): boolean => node.op === "buffer";
export const isFree = (node: Node): boolean =>
  node.op === "const" || node.op === "iota" || node.op === "variable";

/** Bounds what one kernel can hold: forces storage where a node would draw on too many nodes or buffers. */
export function limitKernels(
  order: readonly Node[],
  target: Target,
): { forced: Set<Node>; work: Map<Node, number> } {
  const forced = new Set<Node>();
  const work = new Map<Node, number>();
  /** The nodes that would be computed with a node in one kernel, and the stored ones they would read. */
  const members = new Map<Node, ReadonlySet<Node>>();
  const sources = new Map<Node, ReadonlySet<Node>>();
  const cut = (node: Node, at: Node): void => {
    members.set(node, new Set([at]));
    sources.set(node, new Set([at]));
  };
  const limit = target.maxBuffers - 2;
  for (const node of order) {
    if (isLeaf(node)) {
      work.set(node, 1);
      cut(node, node);
      continue;
    }
    const inputs = node.op === "after" ? [node.inputs[0]] : [...new Set(node.inputs)];
    const held = isSpecial(node) || node.op === "contiguous";
    const below = held || node.op === "reduce" ? 1 : inputs.reduce((sum, input) => sum + work.get(input)!, 0);
    work.set(node, Math.min(1e9, operationCost(node) + below));
    if (held) {
      cut(node, node);
      continue;
    }
    const union = (of: ReadonlyMap<Node, ReadonlySet<Node>>): Set<Node> =>
      new Set(inputs.flatMap((input) => [...of.get(input)!]));
    let nodes = union(members);
    let read = union(sources);
    while (read.size > limit || nodes.size >= MAX_NODES) {
      const [heaviest] = inputs
        .filter((input) => members.get(input)!.size > 1)
        .sort(
          (a, b) =>
            sources.get(b)!.size - sources.get(a)!.size || members.get(b)!.size - members.get(a)!.size,
        );
      if (heaviest === undefined) break;
      const at = cutPoint(heaviest, members);
      forced.add(at);
      cut(at, at);
      cut(heaviest, at);
      nodes = union(members);
      read = union(sources);
    }
    members.set(node, nodes.add(node));
    sources.set(node, read);
  }
  return { forced, work };
}

/** A value is stored before it is moved or repeated, not as the larger thing that makes of it. */
function cutPoint(node: Node, members: ReadonlyMap<Node, ReadonlySet<Node>>): Node {
  let at = node;
  for (;;) {
    if (isMovement(at) || at.op === "after") {
      [at] = at.inputs;
      continue;
    }
    if (at.op === "reduce" || isSpecial(at) || isLeaf(at)) return at;
    const size = elementsOf(at);
    const smaller = at.inputs
      .map(unmoved)
      .filter((x) => elementsOf(x) < size && members.get(x)!.size > 1)
      .sort((a, b) => members.get(b)!.size - members.get(a)!.size);
    if (smaller.length === 0) return at;
    [at] = smaller;
  }
}

function unmoved(node: Node): Node {
  let x = node;
  while (isMovement(x) || x.op === "after") [x] = x.inputs;
  return x;
}
