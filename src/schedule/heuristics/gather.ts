// Elementwise nests that read at gathered places, the same places along another loop: columns taken from every row. A few
// rows at a time, so that where a place is, and whether it is within, is found once for all of them.

import { type Atom, type LoopAtom, mentions, strideOf, visitAtoms } from "../../kernel/index.js";
import { type LoadExpr, loadsOf } from "../../kernel/ir.js";
import { hasLoaded } from "../actions/loops.js";
import { type Chain, tripsOf } from "../nest.js";
import type { Draft } from "./draft.js";
import { vectorizeLoop } from "./vectors.js";

/** Rows at a time. */
const ROWS = 4;

/** The loop along which places that are gathered along `vector` stay the same, if there is one. */
export function sharedPlaces({ loops, body }: Chain, vector: LoopAtom): LoopAtom | undefined {
  const gathered = loadsOf(body).filter(
    (x) => hasLoaded(x.index) && strideOf(x.index, vector) === undefined && mentions(x.index, vector),
  );
  if (gathered.length === 0 || body.length !== 1 || body[0].kind !== "store") return undefined;
  return loops
    .map((s) => s.atom)
    .find((loop) => loop !== vector && tripsOf(loop) >= ROWS && gathered.every((x) => staysAlong(x, loop)));
}

/** True if the access moves with the loop by a step, and what it loads to know its place does not. */
function staysAlong(x: LoadExpr, loop: LoopAtom): boolean {
  let stays = (strideOf(x.index, loop) ?? 0) !== 0;
  visitAtoms(x.index, (atom: Atom) => {
    if (atom.kind === "loaded" && atom.dependsOn.includes(loop)) stays = false;
  });
  return stays && !x.valid.some((condition) => mentions(condition, loop));
}

/** Vectors along one loop, for a few iterations of the other at once. */
export function scheduleSharedPlaces(
  draft: Draft,
  loops: Chain["loops"],
  vector: LoopAtom,
  shared: LoopAtom,
  width: number,
  top: boolean,
): boolean {
  const rows = `${shared.name}i`;
  if (!draft.apply({ action: "split", loop: shared.name, factor: ROWS, tail: "peel" })) return false;
  draft.apply({ action: "split", loop: vector.name, factor: width, tail: "peel" });
  draft.apply({ action: "unroll", loop: rows });
  draft.apply({ action: "vectorize", loop: `${vector.name}i` });
  draft.apply({ action: "reorder", loop: rows });
  draft.apply({ action: "reorder", loop: `${vector.name}i` });
  const rest = `${vector.name}_${shared.name}t`;
  if (draft.loop(rest) !== undefined) vectorizeLoop(draft, rest, width, 1, false);
  if (!top) return true;
  const first = loops[0].atom === shared ? `${shared.name}o` : loops[0].atom.name;
  draft.apply({ action: "parallel", loop: first });
  return true;
}
