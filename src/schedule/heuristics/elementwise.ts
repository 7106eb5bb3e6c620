// Nests that compute each element on its own.

import type { ForStmt } from "../../kernel/ir.js";
import { type Chain, chainOf, tripsOf } from "../nest.js";
import type { Draft } from "./draft.js";
import { scheduleSharedPlaces, sharedPlaces } from "./gather.js";
import { scheduleTransposition, transpositionOf } from "./transpose.js";
import { fillable, lanesFor, unrolls, vectorizeLoop, vectorLoop } from "./vectors.js";

export function scheduleElementwise(draft: Draft, { loops, body }: Chain, top: boolean): void {
  const outermost = loops[0].atom.name;
  if (partitionAll(draft, loops)) {
    // Each piece is a nest of its own now; threads share what is around them.
    const shared = top && loops.length > 1 && draft.apply({ action: "parallel", loop: outermost });
    for (const piece of piecesOf(draft, loops)) {
      scheduleElementwise(draft, chainOf(draft.loop(piece)!), top && !shared);
    }
    return;
  }
  const lanes = lanesFor(draft, body);
  const vector = vectorLoop(
    loops.map((s) => s.atom),
    body,
    loops.filter((s) => s.loop === "unroll").map((s) => s.atom),
  );
  const transposition = vector && transpositionOf(draft, { loops, body }, vector);
  if (transposition !== undefined) return scheduleTransposition(draft, { loops, body }, transposition, top);
  const shared = vector && lanes > 1 ? sharedPlaces({ loops, body }, vector) : undefined;
  const wide = vector === undefined ? 1 : fillable(lanes, tripsOf(vector));
  if (shared !== undefined && wide > 1 && scheduleSharedPlaces(draft, loops, vector!, shared, wide, top))
    return;
  if (top && loops.length > 1) draft.apply({ action: "parallel", loop: outermost });
  if (vector === undefined || lanes === 1 || body.some((s) => s.kind === "if")) {
    if (top && loops.length === 1) draft.apply({ action: "parallel", loop: outermost });
    return;
  }
  const width = fillable(lanes, tripsOf(vector));
  if (width === 1) return;
  const preferred = tripsOf(vector) >= 8 * width && body.length === 1 ? 4 : 1;
  const unroll = draft.choose(`${vector.name} unroll`, preferred, unrolls(vector, width));
  vectorizeLoop(draft, vector.name, width, unroll, top && loops.length === 1);
}

function partitionAll(draft: Draft, loops: readonly ForStmt[]): boolean {
  const innermost = loops[loops.length - 1];
  return tripsOf(innermost.atom) >= 8 && draft.apply({ action: "partition", loop: innermost.atom.name });
}

/** The outermost loops that hold the pieces of a partitioned innermost loop. */
function piecesOf(draft: Draft, loops: readonly ForStmt[]): string[] {
  const innermost = loops[loops.length - 1].atom.name;
  return [0, 1, 2, 3].map((i) => `${innermost}p${i}`).filter((name) => draft.loop(name) !== undefined);
}
