// Loops that carry a running total: prefixes in lanes; at the top of a kernel blocks for threads, if there is enough to do.

import type { LoopAtom } from "../../kernel/index.js";
import type { ForStmt } from "../../kernel/ir.js";
import { loadsOf } from "../../kernel/ir.js";
import { type Reduction, tripsOf } from "../nest.js";
import { runningTotal } from "../actions/prefix.js";
import type { Draft } from "./draft.js";
import { SHARED_REDUCTION, vectorizeReduction } from "./reduction.js";
import { fillable, lanesFor } from "./vectors.js";

/** Blocks for each thread, so that one that is late costs little. */
const BLOCKS = 4;
/** Most places of a row that are taken along at a time. */
const STRETCH = 1024;

export function scheduleScan(draft: Draft, s: ForStmt, top: boolean): void {
  let loop = s.atom.name;
  const trips = tripsOf(s.atom);
  const lanes = lanesFor(draft, s.body);
  if (top && draft.target.threads > 1 && trips >= SHARED_REDUCTION) {
    const share = Math.ceil(trips / (BLOCKS * draft.target.threads) / 64) * 64;
    if (
      draft.apply({ action: "split", loop, factor: share, tail: "peel" }) &&
      draft.apply({ action: "prefix", loop: `${loop}o`, layout: "shared" })
    ) {
      draft.apply({ action: "parallel", loop: `${loop}oz` });
      draft.apply({ action: "parallel", loop: `${loop}o` });
      loop = `${loop}i`;
      const sums = draft.loop(`${loop}z`);
      const [only] = sums?.body ?? [];
      if (sums !== undefined && lanes > 1 && only?.kind === "accumulate") {
        const reduced = [sums.atom];
        const own: Reduction = {
          outputs: [],
          reduced,
          accumulate: only,
          loads: loadsOf([only]),
          stores: [],
          accesses: [],
        };
        vectorizeReduction(draft, sums.atom.name, lanes, own);
      }
    }
  }
  inLanes(draft, loop, fillable(lanes, tripsOf(draft.loop(loop)!.atom)));
}

/**
 * Totals that run across rows which are consecutive in memory: a stretch of a row at a time, with a total for each of its
 * places in near memory, so that memory is passed through in order.
 */
export function scheduleScanAcross(draft: Draft, across: LoopAtom, lanes: number, alone: boolean): void {
  const { name } = across;
  const share = tripsOf(across) / (alone ? draft.target.threads : 1);
  const stretch = Math.min(STRETCH, Math.ceil(share / lanes / 4) * lanes * 4);
  if (!draft.apply({ action: "split", loop: name, factor: stretch, tail: "peel" })) return;
  if (alone) draft.apply({ action: "parallel", loop: `${name}o` });
  for (const part of [`${name}i`, `${name}t`]) {
    const s = draft.loop(part);
    if (s === undefined) continue;
    const width = fillable(lanes, tripsOf(s.atom));
    if (width === 1 || !draft.apply({ action: "split", loop: part, factor: width, tail: "peel" })) continue;
    draft.apply({ action: "vectorize", loop: `${part}i` });
    draft.apply({ action: "reorder", loop: `${part}o` });
    draft.apply({ action: "reorder", loop: `${part}i` });
  }
}

function inLanes(draft: Draft, loop: string, lanes: number): void {
  if (lanes === 1 || !draft.apply({ action: "split", loop, factor: lanes, tail: "peel" })) return;
  const lane = `${loop}i`;
  if (runningTotal(draft.loop(lane)!) === undefined) return;
  if (!draft.apply({ action: "prefix", loop: lane, layout: "lanes" })) return;
  const steps = Array.from({ length: Math.log2(lanes) + 1 }, (_, i) => `${lane}s${i}`);
  for (const name of [`${lane}z`, ...steps, lane]) draft.apply({ action: "vectorize", loop: name });
}
