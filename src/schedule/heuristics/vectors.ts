// Which loop vectors run along, how wide they are, and the actions that make them.

import type { Target } from "../../device/target.js";
import { type Index, type LoopAtom, strideOf } from "../../kernel/index.js";
import { loadsOf, type Stmt, topologicalOrder, visitStatements, exprsOf } from "../../kernel/ir.js";
import { bytesOf } from "../../scalar/dtype.js";
import { movesWith, product, tripsOf } from "../nest.js";
import type { Draft } from "./draft.js";

/** Lanes for the values of a body: the native vector over the widest element computed there; 1 without vectors. */
export function lanesFor({ target }: { readonly target: Target }, body: readonly Stmt[]): number {
  let widest = 4;
  visitStatements(body, (s) => {
    for (const x of topologicalOrder(exprsOf(s))) widest = Math.max(widest, bytesOf(x.dtype));
  });
  return Math.max(1, Math.floor(target.vectorBytes / widest));
}

/** The largest power of two of lanes that a loop of so many iterations fills. */
export function fillable(lanes: number, trips: number): number {
  let width = lanes;
  while (width > 1 && width > trips) width /= 2;
  return width;
}

/** Numbers of vectors that a loop may take at a time. */
export const unrolls = (loop: LoopAtom, width: number): number[] =>
  [1, 2, 4, 8].filter((vectors) => vectors === 1 || vectors * width <= tripsOf(loop));

/** Splits a loop into vectors, `unroll` of them at a time, and moves them innermost. */
export function vectorizeLoop(
  draft: Draft,
  name: string,
  width: number,
  unroll: number,
  parallel: boolean,
): void {
  // A rest costs little beside a long loop; in a short one, vectors that overlap are fewer instructions and less code.
  const factor = width * unroll;
  const trips = draft.loop(name)?.atom.extent.max ?? 0;
  const overlapped =
    trips < 64 * factor && draft.apply({ action: "split", loop: name, factor, tail: "overlap" });
  if (!overlapped && !draft.apply({ action: "split", loop: name, factor, tail: "peel" })) return;
  if (draft.loop(`${name}o`) === undefined) return;
  if (parallel) draft.apply({ action: "parallel", loop: `${name}o` });
  const lanes = splitLanes(draft, `${name}i`, width, unroll);
  draft.apply({ action: "vectorize", loop: lanes });
  if (unroll > 1) {
    draft.apply({ action: "unroll", loop: `${name}io` });
    draft.apply({ action: "reorder", loop: `${name}io` });
  }
  draft.apply({ action: "reorder", loop: lanes });
}

/** The loop over lanes, after `name` of width*unroll iterations was split for unrolling. */
function splitLanes(draft: Draft, name: string, width: number, unroll: number): string {
  if (unroll === 1) return name;
  draft.apply({ action: "split", loop: name, factor: width, tail: "peel" });
  return `${name}i`;
}

/**
 * The loop along which what is stored, or most of what is loaded, is consecutive; of equals the one of larger operands.
 * Every other element counts too where a loop that is written out takes those between: their vectors interleave.
 */
export function vectorLoop(
  loops: readonly LoopAtom[],
  body: readonly Stmt[],
  writtenOut: readonly LoopAtom[] = [],
): LoopAtom | undefined {
  const consecutive = (index: Index, loop: LoopAtom): boolean =>
    strideOf(index, loop) === 1 || writtenOut.some((pair) => interleaves(index, loop, pair));
  let best: LoopAtom | undefined;
  let [bestScore, largest] = [0, 0];
  for (const loop of loops) {
    let [score, elements] = [0, 0];
    visitStatements(body, (s) => {
      if (s.kind === "store" && s.buffer.space !== "local" && consecutive(s.index, loop)) score += 2;
    });
    for (const x of loadsOf(body)) {
      if (!consecutive(x.index, loop)) continue;
      score += 1;
      elements += product(loops.filter((l) => movesWith(x, l)));
    }
    if (tripsOf(loop) < 4) score /= 4;
    if (score > bestScore || (score === bestScore && elements > largest)) {
      best = loop;
      [bestScore, largest] = [score, elements];
    }
  }
  return best;
}

/** Whether a loop moves an address by two elements and one of two iterations by one; shorter ones are not worth shuffles. */
const interleaves = (index: Index, loop: LoopAtom, pair: LoopAtom): boolean =>
  tripsOf(loop) >= 4 && pair.extent.value === 2 && strideOf(index, pair) === 1 && strideOf(index, loop) === 2;
