// The fuser: a graph becomes kernels in the order in which they run. A flat recipe of passes:
//   place      decide what is stored and what is computed within a kernel        (place.ts)
//   order      sort loop nests so that producers come before consumers
//   join       put independent small nests into one kernel                       (here)
//   emit       write each kernel's loops                                         (emit.ts)

import type { Target } from "../device/target.js";
import type { Node } from "../graph/node.js";
import { type Buffer, type Kernel, loadsOf, type Stmt, visitStatements } from "../kernel/ir.js";
import { trips } from "./cost.js";
import { renameLoops } from "../kernel/rewrite.js";
import { emitDraft, type FusedKernel, Parameters, symbolsOf } from "./emit.js";
import type { Draft } from "./draft.js";
import { place, storageNode } from "./place.js";

export type { FusedKernel } from "./emit.js";

export interface FusedGraph {
  readonly kernels: readonly FusedKernel[];
  /** For every root the node whose storage holds it: a leaf or one that a kernel writes. */
  readonly outputs: readonly Node[];
}

/** A kernel of one operation may need so many buffers: three operands and a result. */
const FEWEST_BUFFERS = 4;

/**
 * Kernels that compute the roots. Every root that is not a leaf gets storage. Placing only estimates how many buffers
 * a kernel will use; where one comes out with more than there may be, all is placed again for fewer.
 */
export function fuse(roots: readonly Node[], target: Target): FusedGraph {
  for (let buffers = target.maxBuffers; ; buffers--) {
    const fused = fuseWithin(roots, { ...target, maxBuffers: buffers });
    const fits = fused.kernels.every(({ nodes }) => nodes.length <= target.maxBuffers);
    if (fits || buffers <= FEWEST_BUFFERS) return fused;
  }
}

function fuseWithin(roots: readonly Node[], target: Target): FusedGraph {
  const { drafts, stored } = place(roots, target);
  const groups = join(order(drafts), target);
  const kernels = groups.map((group) => emitGroup(group, stored));
  return { kernels, outputs: roots.map(storageNode) };
}

/** Producers first; among the ready ones, by depth, so that independent nests of one depth stand together. */
function order(drafts: readonly Draft[]): Draft[][] {
  const depth = new Map<Draft, number>();
  const depthOf = (root: Draft): number => {
    const stack = [root];
    while (stack.length > 0) {
      const draft = stack[stack.length - 1];
      const waiting = [...draft.after].filter((before) => !depth.has(before));
      if (waiting.length > 0) {
        stack.push(...waiting);
        continue;
      }
      stack.pop();
      if (!depth.has(draft))
        depth.set(draft, 1 + Math.max(-1, ...[...draft.after].map((before) => depth.get(before)!)));
    }
    return depth.get(root)!;
  };
  const levels: Draft[][] = [];
  for (const draft of drafts) {
    // Tensors without elements take no work.
    if (draft.loops.some((loop) => loop.extent.value === 0)) continue;
    const level = depthOf(draft);
    while (levels.length <= level) levels.push([]);
    levels[level].push(draft);
  }
  return levels;
}

/** Work from which a nest is a kernel of its own. */
const JOIN_LIMIT = 1 << 20;

/** Nests of one level do not depend on each other: small ones share a kernel as far as its buffers reach. */
function join(levels: readonly Draft[][], target: Target): Draft[][] {
  const groups: Draft[][] = [];
  for (const level of levels) {
    let open: Draft[] = [];
    let buffers = new Set<Node>();
    for (const draft of level) {
      const own = new Set([draft.target, ...draft.reads, ...draft.sides]);
      if (draft.contracts || draft.levels.length > 0 || trips(draft.loops) > JOIN_LIMIT) {
        groups.push([draft]);
        continue;
      }
      const union = new Set([...buffers, ...own]);
      if (open.length > 0 && union.size > target.maxBuffers) {
        groups.push(open);
        open = [];
        buffers = new Set();
      }
      open.push(draft);
      for (const node of own) buffers.add(node);
    }
    if (open.length > 0) groups.push(open);
  }
  return groups;
}

function emitGroup(group: readonly Draft[], stored: ReadonlySet<Node>): FusedKernel {
  const parameters = new Parameters();
  // Output loops are named after their axes; in a joined kernel also after the nest they belong to.
  const body: Stmt[] = group.flatMap((draft, i) => {
    const nest = emitDraft(draft, stored, parameters);
    return i === 0 ? nest : renameLoops(nest, (name) => (name.startsWith("i") ? `${name}n${i}` : name));
  });
  // What was asked for may have come out as a constant.
  const mentioned = buffersOf(body);
  const used = [...parameters.buffers].filter(([, buffer]) => mentioned.has(buffer));
  const kernel: Kernel = {
    name: nameOf(group),
    params: used.map(([, buffer]) => buffer),
    symbols: symbolsOf(body),
    body,
  };
  return { kernel, nodes: used.map(([node]) => node) };
}

function buffersOf(body: readonly Stmt[]): Set<Buffer> {
  const buffers = new Set(loadsOf(body).map((x) => x.buffer));
  visitStatements(body, (s) => {
    if (s.kind === "store" || s.kind === "accumulate") buffers.add(s.buffer);
  });
  return buffers;
}

/** A name that shows the loops: `e` elementwise, `r` with reductions, `s` for scatters, `c` for scans; then the output's loops. */
function nameOf(group: readonly Draft[]): string {
  const [first] = group;
  const special = { scatter: "s", scan: "c", store: undefined }[first.mode];
  const kind = special ?? (first.levels.length > 0 ? "r" : "e");
  const loops = first.loops.map((loop) => loop.extent.value ?? `${loop.extent}`.replaceAll(/\W+/g, ""));
  const others = group.length > 1 ? `_and_${group.length - 1}` : "";
  return `${kind}_${loops.join("_") || "1"}${others}`;
}
