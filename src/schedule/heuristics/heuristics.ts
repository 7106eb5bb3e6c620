// Hand-made schedules for CPUs and WebAssembly, chosen by properties of the loop nest alone: which addresses move with
// which loop, what is used again and how often, how much there is to do. The result is a list of actions.
//
// A nest is a contraction (some operand is used again along an output loop), a reduction, an elementwise nest, or a
// row program (several nests inside shared outer loops). See docs/architecture.md for what each schedule looks like.

import type { Target } from "../../device/target.js";
import { type Kernel, visitStatements } from "../../kernel/ir.js";
import { bytesOf } from "../../scalar/dtype.js";
import { largestOf } from "../actions/bound.js";
import { isIndependent } from "../actions/loops.js";
import { asReduction, chainOf, tripsOf } from "../nest.js";
import { collapseAll } from "./collapse.js";
import { type Answers, Draft } from "./draft.js";
import { scheduleElementwise } from "./elementwise.js";
import { scheduleInner } from "./inner.js";
import { scheduleReduction } from "./reduction.js";
import { scheduleRows } from "./rows.js";
import { splitShared } from "./shared.js";
import { streamOutputs } from "./stream.js";

/** The kernel scheduled; where `answers` say so, otherwise than the heuristics would. */
export function heuristicSchedule(kernel: Kernel, target: Target, answers: Answers = {}): Draft {
  const draft = new Draft(kernel, target, answers);
  computeNear(draft);
  boundAll(draft);
  for (const s of draft.kernel.body) if (s.kind === "for") scheduleTop(draft, s.atom.name);
  streamOutputs(draft);
  return draft;
}

/** Shared memory is filled next to where it is read, if its parts stay near and are enough for all threads. */
function computeNear(draft: Draft): void {
  const { body } = draft.kernel;
  const near = Math.min(draft.target.l2Bytes, draft.target.maxLocalBytes) / 2;
  for (const s of body) {
    if (s.kind !== "alloc" || s.buffer.space !== "scratch") continue;
    const bytes = s.buffer.size.max * bytesOf(s.buffer.dtype);
    for (const user of body) {
      if (user.kind !== "for" || tripsOf(user.atom) < 4 * draft.target.threads) continue;
      if (bytes / tripsOf(user.atom) > near) continue;
      if (draft.apply({ action: "compute", buffer: s.buffer.name, at: user.atom.name })) break;
    }
  }
}

/** Exponentials of differences to a largest element are told so. */
function boundAll(draft: Draft): void {
  const searches: string[] = [];
  visitStatements(draft.kernel.body, (s) => {
    if (s.kind === "for" && largestOf(s) !== undefined) searches.push(s.atom.name);
  });
  for (const loop of searches) draft.apply({ action: "bound", loop });
}

function scheduleTop(draft: Draft, outermost: string): void {
  collapseAll(draft, outermost);
  const name = splitShared(draft, outermost);
  const s = draft.loop(name);
  if (s === undefined) return;
  // A reduction to one value stands at the top with its accumulator beside it.
  if (!isIndependent(s)) return scheduleInner(draft, name, true);
  const chain = chainOf(s);
  const reduction = asReduction(chain);
  if (reduction !== undefined) return scheduleReduction(draft, reduction, chain, true);
  if (!chain.body.some((x) => x.kind === "for")) return scheduleElementwise(draft, chain, true);
  scheduleRows(draft, chain);
}
