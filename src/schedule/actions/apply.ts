// Applies actions to kernels.

import type { Kernel, Stmt } from "../../kernel/ir.js";
import { ScheduleError, type Action } from "./action.js";
import { mapLoop, isSum, requireIndependent, requireLanes, whole, requireAnyOrder } from "./loops.js";
import { splitLoop } from "./split.js";
import { distribute } from "./distribute.js";
import { computeInside } from "./compute.js";
import { boundExponents } from "./bound.js";
import { collapse } from "./collapse.js";
import { sink } from "./reorder.js";
import { factorOut } from "./factor.js";
import { inlineRow } from "./inline.js";
import { mergeLoops } from "./merge.js";
import { onlineRows } from "./online.js";
import { overlay } from "./overlay.js";
import { raiseLoop } from "./raise.js";
import { factorReduction } from "./rfactor.js";
import { prefix } from "./prefix.js";
import { stage } from "./stage.js";
import { partition } from "./partition.js";
import { prefetch, withoutStaleHints } from "./prefetch.js";
import { tensorize } from "./tensorize.js";
import { stream } from "./stream.js";

/** The kernel after one action. Throws a ScheduleError if the action is not legal on it. */
export function applyAction(kernel: Kernel, a: Action): Kernel {
  return { ...kernel, body: withoutStaleHints(transform(kernel.body, a)) };
}

export const applySchedule = (kernel: Kernel, actions: readonly Action[]): Kernel =>
  actions.reduce(applyAction, kernel);

function transform(body: readonly Stmt[], a: Action): Stmt[] {
  switch (a.action) {
    case "split":
      if (!Number.isSafeInteger(a.factor) || a.factor < 1)
        throw new ScheduleError(`split: the factor must be a whole number of at least 1, not ${a.factor}`);
      return mapLoop(body, a.loop, (s) => splitLoop(whole(s), a.factor, a.tail));
    case "collapse":
      return mapLoop(body, a.outer, (s) => [collapse(whole(s), a.inner)]);
    case "reorder":
      return mapLoop(body, a.loop, (s) => {
        requireIndependent(s);
        return sink(s.atom, s.loop, s.body, a.inside);
      });
    case "distribute":
      return mapLoop(body, a.loop, (s) => distribute(whole(s), a.alone));
    case "merge":
      return mergeLoops(body, a.first, a.second);
    case "inline":
      return inlineRow(body, a.buffer);
    case "bound":
      return boundExponents(body, a.loop);
    case "overlay":
      return overlay(body, a.row, a.output);
    case "factor":
      return factorOut(body, a.loop);
    case "raise":
      return raiseLoop(body, a.loop);
    case "online":
      return onlineRows(body, a.loop, a.block);
    case "unroll":
      return mapLoop(body, a.loop, (s) => {
        if (s.atom.extent.value === undefined)
          throw new ScheduleError(`unroll: loop ${s.atom.name} has ${s.atom.extent} iterations`);
        requireAnyOrder(s);
        return [{ ...whole(s), loop: "unroll" }];
      });
    case "vectorize":
      return mapLoop(body, a.loop, (s) => {
        if (!isSum(s)) requireIndependent(s);
        requireLanes(s);
        return [{ ...s, loop: "vectorize" }];
      });
    case "parallel":
      return mapLoop(body, a.loop, (s) => {
        requireIndependent(s);
        return [{ ...s, loop: "parallel" }];
      });
    case "rfactor":
      return factorReduction(body, a.loop, a.layout);
    case "prefix":
      return prefix(body, a.loop, a.layout);
    case "stage":
      return stage(body, a);
    case "tensorize":
      return tensorize(body, a.loop, a.unit);
    case "compute":
      return computeInside(body, a.buffer, a.at);
    case "partition":
      return mapLoop(body, a.loop, (s) => partition(whole(s)));
    case "prefetch":
      return prefetch(body, a);
    case "stream":
      return stream(body, a.buffer);
  }
}
