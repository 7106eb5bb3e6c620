// Chooses a schedule for a kernel on a target and applies it.

import type { Target } from "../device/target.js";
import type { Kernel } from "../kernel/ir.js";
import type { Action } from "./actions/action.js";
import { Draft, type Scheduled } from "./heuristics/draft.js";
import { heuristicSchedule } from "./heuristics/heuristics.js";
import { isModest } from "./modest.js";

export type { Scheduled } from "./heuristics/draft.js";

/** The kernel with its loops arranged for the target, and the actions that did it. */
export function scheduleKernel(kernel: Kernel, target: Target): Scheduled {
  if (target.language === "interpreter") return { kernel, actions: [] };
  return heuristicSchedule(kernel, target);
}

/** The kernel by a given list of actions; undefined if they are not legal here, or ask for more than a search would. */
export function scheduleBy(
  kernel: Kernel,
  target: Target,
  actions: readonly Action[],
): Scheduled | undefined {
  if (target.language === "interpreter") return undefined;
  const draft = new Draft(kernel, target);
  try {
    const legal = actions.every((action) => draft.apply(action));
    return legal && isModest(draft.kernel, target) ? draft : undefined;
  } catch {
    // What comes from a file may be no action at all.
    return undefined;
  }
}
