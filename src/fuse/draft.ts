// Drafts: kernels in the making. A draft is one loop nest; its reductions stand at sets of its output loops, and these
// sets form a chain under inclusion, which fixes the order of the loops.

import type { Node } from "../graph/node.js";
import { type Index, type LoopAtom, loopAtom, toIndex } from "../kernel/index.js";
import type { Valid } from "../kernel/ir.js";

/** How a kernel keeps a value that it computes for itself. */
export type Placement =
  | { readonly kind: "register" }
  /** Whole, in memory that threads share, filled before the kernel's own loops: the filled border of a convolution. */
  | { readonly kind: "scratch" }
  | {
      /** A row per iteration of the loops in `outer`; axes of size `extent` or, where 0, fixed at `index`. */
      readonly kind: "local";
      readonly index: readonly (Index | undefined)[];
    };

/** One loop nest in the making: for each iteration of `loops` one element of `target` is written. */
export interface Draft {
  readonly id: number;
  readonly mode: "store" | "scatter" | "scan";
  /** The node whose storage is written, and where. */
  readonly target: Node;
  readonly at: readonly Index[];
  /** The node whose value is written, and the element of it. */
  readonly source: Node;
  readonly from: readonly Index[];
  readonly valid: Valid;
  /** The output loops; after placing, in their final order. */
  loops: readonly LoopAtom[];
  /** Sets of loops at which reductions stand, a chain under inclusion, smallest first. */
  levels: ReadonlySet<LoopAtom>[];
  readonly placements: Map<Node, Placement>;
  /** Nodes with storage that this nest stores besides its target. */
  readonly sides: Set<Node>;
  /** Drafts whose results this one reads, or which must run before for another reason. */
  readonly after: Set<Draft>;
  /** Whether a large contraction is computed here. */
  contracts: boolean;
  /** Whether one is for each element of the output: its registers are the tile's, and leave none for another. */
  tiled: boolean;
  /** Whether its rows can be taken in blocks, since what is made of them are powers relative to their largest element. */
  online: boolean;
  /** The factors of large contractions: their bytes, and the loops that they depend on. Along others they are used again. */
  readonly factors: { readonly bytes: number; readonly loops: ReadonlySet<LoopAtom> }[];
  /** Nodes with storage that are read. */
  readonly reads: Set<Node>;
}

/** True if `from` runs, directly or not, after `to`. */
export function reaches(from: Draft, to: Draft): boolean {
  const stack = [from];
  const seen = new Set<Draft>(stack);
  while (stack.length > 0) {
    for (const before of stack.pop()!.after) {
      if (before === to) return true;
      if (!seen.has(before)) {
        seen.add(before);
        stack.push(before);
      }
    }
  }
  return false;
}

/** True if `level` is comparable with every level of the draft. */
export function chainAccepts(draft: Draft, level: ReadonlySet<LoopAtom>): boolean {
  return draft.levels.every((known) => isSubset(known, level) || isSubset(level, known));
}

export const isSubset = (a: ReadonlySet<LoopAtom>, b: ReadonlySet<LoopAtom>): boolean =>
  [...a].every((loop) => b.has(loop));

export function addLevel(draft: Draft, level: ReadonlySet<LoopAtom>): void {
  if (draft.levels.some((known) => known.size === level.size)) return;
  draft.levels.push(level);
  draft.levels.sort((a, b) => a.size - b.size);
}

/** Loops of small levels go outside; within a level they keep the order of the axes. */
export function orderLoops(draft: Draft): void {
  const depth = (loop: LoopAtom): number => {
    const at = draft.levels.findIndex((level) => level.has(loop));
    return at < 0 ? draft.levels.length : at;
  };
  draft.loops = [...draft.loops].sort((a, b) => depth(a) - depth(b));
}

/** A loop for every axis of size other than 1, and the position they make. */
export function openLoops(node: Node): { index: Index[]; loops: LoopAtom[] } {
  const loops: LoopAtom[] = [];
  const index = node.shape.map((d, axis) => {
    if (d === 1) return toIndex(0);
    const loop = loopAtom(`i${axis}`, toIndex(d));
    loops.push(loop);
    return toIndex(loop);
  });
  return { index, loops };
}
