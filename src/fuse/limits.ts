// Bounds what one kernel can hold, before anything is placed: compilers slow down on large kernels and devices allow a
// number of buffers only, so some values must be stored.

import type { AssignNode, ConcatNode, Node, ScatterNode } from "../graph/node.js";
import type { Target } from "../device/target.js";
import { elementsOf, MAX_NODES, operationCost } from "./cost.js";
import { isMovement } from "./views.js";

/** True for nodes that a kernel computes from others, element by element, at the same or a moved position. */
export const isSpecial = (node: Node): node is ConcatNode | ScatterNode | AssignNode =>
  node.op === "concat" || node.op === "scatter" || node.op === "assign";

export const isLeaf = (node: Node): boolean => node.op === "buffer";
export const isFree = (node: Node): boolean =>
  node.op === "const" || node.op === "iota" || node.op === "variable";

/**
 * Bounds what one kernel can hold: forces storage where a node would draw on too many nodes or buffers. `known` are nodes
 * that will be stored for other reasons.
 */
export function limitKernels(
  order: readonly Node[],
  target: Target,
  known: ReadonlySet<Node> = new Set(),
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
    const inputs = drawnOn(node);
    const held = isSpecial(node) || node.op === "contiguous";
    const below = held || node.op === "reduce" ? 1 : inputs.reduce((sum, input) => sum + work.get(input)!, 0);
    work.set(node, Math.min(1e9, operationCost(node) + below));
    if (held || known.has(node)) {
      cut(node, node);
      continue;
    }
    let nodes = union(inputs, members);
    let read = union(inputs, sources);
    while (read.size > limit || nodes.size >= MAX_NODES) {
      const [heaviest] = inputs
        .filter((input) => members.get(input)!.size > 1)
        .sort(
          (a, b) =>
            sources.get(b)!.size - sources.get(a)!.size || members.get(b)!.size - members.get(a)!.size,
        );
      if (heaviest === undefined) break;
      const path = pathToCut(heaviest, members);
      const at = path.pop()!;
      if (members.get(at)!.size === 1) {
        // It is stored already, and everything on the way only moves it.
        for (const above of path) cut(above, at);
      } else {
        forced.add(at);
        cut(at, at);
        // What lies between still draws on its other inputs.
        for (const above of path.reverse()) {
          members.set(above, union(drawnOn(above), members).add(above));
          sources.set(above, union(drawnOn(above), sources));
        }
      }
      nodes = union(inputs, members);
      read = union(inputs, sources);
    }
    members.set(node, nodes.add(node));
    sources.set(node, read);
  }
  return { forced, work };
}

const drawnOn = (node: Node): readonly Node[] =>
  node.op === "after" ? [node.inputs[0]] : [...new Set(node.inputs)];

const union = (nodes: readonly Node[], of: ReadonlyMap<Node, ReadonlySet<Node>>): Set<Node> =>
  new Set(nodes.flatMap((node) => [...of.get(node)!]));

/**
 * From a node down to what is to be stored for it: a value is stored before it is moved or repeated, not as the larger
 * thing that makes of it.
 */
function pathToCut(node: Node, members: ReadonlyMap<Node, ReadonlySet<Node>>): Node[] {
  const path = [node];
  for (;;) {
    const at = path[path.length - 1];
    if (isMovement(at) || at.op === "after") {
      path.push(at.inputs[0]);
      continue;
    }
    if (at.op === "reduce" || isSpecial(at) || isLeaf(at)) return path;
    const size = elementsOf(at);
    const smaller = at.inputs
      .filter((x) => elementsOf(unmoved(x)) < size && members.get(unmoved(x))!.size > 1)
      .sort((a, b) => members.get(unmoved(b))!.size - members.get(unmoved(a))!.size);
    if (smaller.length === 0) return path;
    path.push(smaller[0]);
  }
}

function unmoved(node: Node): Node {
  let x = node;
  while (isMovement(x) || x.op === "after") [x] = x.inputs;
  return x;
}
