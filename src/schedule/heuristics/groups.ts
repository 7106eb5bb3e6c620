// Sums of groups, each scaled by itself and added up (weights of few bits): every lane keeps its own part of the whole
// sum, so that lanes are joined once at the end and not for each group.

import { type ForStmt, loadsOf } from "../../kernel/ir.js";
import { chainOf, type Reduction } from "../nest.js";
import type { Draft } from "./draft.js";
import { unitStrideLoop } from "./reduction.js";
import { lanesFor } from "./vectors.js";

/** Vectors of a group that are written out. */
const WRITTEN_OUT = 8;

/** Schedules the loop over groups if it is one, and whole vectors make a group; false if not. */
export function scheduleGroups(draft: Draft, s: ForStmt): boolean {
  const [nest, ...others] = s.body.filter((inner) => inner.kind === "for");
  if (others.length > 0 || !s.body.some((inner) => inner.kind === "accumulate")) return false;
  const lanes = lanesFor(draft, s.body);
  const loop = nest && unitStrideLoop(groupOf(nest));
  const elements = loop?.extent.value ?? 0;
  if (loop === undefined || lanes === 1 || elements < lanes || elements % lanes !== 0) return false;
  const several = elements > lanes;
  const lane = several ? `${loop.name}i` : loop.name;
  const raised = draft.attempt([
    () => !several || draft.apply({ action: "split", loop: loop.name, factor: lanes, tail: "peel" }),
    () => draft.apply({ action: "raise", loop: lane }),
    () => draft.apply({ action: "rfactor", loop: lane, layout: "inner" }),
    ...[lane, `${lane}z`, `${lane}j`].map((part) => () => draft.apply({ action: "vectorize", loop: part })),
  ]);
  if (!raised) return false;
  draft.apply({ action: "reorder", loop: lane });
  if (several && elements / lanes <= WRITTEN_OUT) draft.apply({ action: "unroll", loop: `${loop.name}o` });
  return true;
}

/** A nest as the sum over all of its loops. */
function groupOf(nest: ForStmt): Pick<Reduction, "outputs" | "reduced" | "loads"> {
  const { loops, body } = chainOf(nest);
  return { outputs: [], reduced: loops.map((s) => s.atom), loads: loadsOf(body) };
}
