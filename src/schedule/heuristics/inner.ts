// Nests inside others, or at the top of a kernel beside their accumulator.

import { type AccumulateStmt, loadsOf, topologicalOrder } from "../../kernel/ir.js";
import { isIndependent } from "../actions/loops.js";
import { runningTotal } from "../actions/prefix.js";
import { asReduction, type Chain, chainOf, product, type Reduction, tripsOf } from "../nest.js";
import type { Draft } from "./draft.js";
import { condenseRows } from "./condense.js";
import { scheduleGroups } from "./groups.js";
import { lanesFor } from "./vectors.js";
import { scheduleReduction, unitStrideLoop, vectorizeReduction, SHARED_REDUCTION } from "./reduction.js";
import { scheduleScan } from "./scan.js";
import { scheduleElementwise } from "./elementwise.js";
import { scheduleWindows } from "./stencil.js";

/** A nest inside others, or at the top beside its accumulator. */
export function scheduleInner(draft: Draft, name: string, top: boolean): void {
  const s = draft.loop(name);
  if (s === undefined) return;
  if (runningTotal(s) !== undefined) return scheduleScan(draft, s, top);
  const chain = chainOf(s);
  if (scheduleGroups(draft, chain.loops[chain.loops.length - 1])) return;
  const only = totalOf(chain);
  if (!isIndependent(s) && only !== undefined) {
    const reduced = chain.loops.map((l) => l.atom);
    const reduction: Reduction = {
      outputs: [],
      reduced,
      accumulate: only,
      loads: loadsOf(chain.body),
      stores: [],
      accesses: [],
    };
    const loop = unitStrideLoop(reduction)?.name;
    if (loop === undefined) return;
    const work = product(reduced) * Math.max(1, topologicalOrder([only.value]).length);
    if (
      top &&
      chain.body.length === 1 &&
      draft.target.threads > 1 &&
      work >= SHARED_REDUCTION &&
      reduced.length === 1
    ) {
      const share = Math.ceil(tripsOf(reduced[0]) / (4 * draft.target.threads) / 64) * 64;
      if (
        draft.apply({ action: "split", loop, factor: share, tail: "peel" }) &&
        draft.apply({ action: "rfactor", loop: `${loop}o`, layout: "shared" })
      ) {
        draft.apply({ action: "parallel", loop: `${loop}o` });
        // The last thread's share may be shorter: it is a loop of its own.
        for (const part of [`${loop}i`, `${loop}t`]) {
          const own = draft.loop(part);
          if (own === undefined) continue;
          vectorizeReduction(draft, part, lanesFor(draft, chain.body), { ...reduction, reduced: [own.atom] });
        }
        return;
      }
    }
    return vectorizeReduction(draft, loop, lanesFor(draft, chain.body), reduction);
  }
  if (!isIndependent(s)) {
    for (const inner of s.body) if (inner.kind === "for") scheduleInner(draft, inner.atom.name, false);
    return;
  }
  const reduction = asReduction(chain);
  if (reduction !== undefined) return scheduleReduction(draft, reduction, chain, false);
  if (!chain.body.some((x) => x.kind === "for")) return scheduleElementwise(draft, chain, false);
  if (scheduleWindows(draft, chain)) return;
  const row = chain.loops[chain.loops.length - 1].atom.name;
  condenseRows(draft, row);
  for (const inner of draft.loop(row)!.body)
    if (inner.kind === "for") scheduleInner(draft, inner.atom.name, false);
}

/** What a nest adds up, if it does just that, and stores at most what it reads or adds to memory beside. */
function totalOf({ body }: Chain): AccumulateStmt | undefined {
  const sums = body.filter((s): s is AccumulateStmt => s.kind === "accumulate");
  return sums.length === 1 && body.every((s) => s.kind === "accumulate" || s.kind === "store")
    ? sums[0]
    : undefined;
}
