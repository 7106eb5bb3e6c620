// Chooses a schedule for a kernel on a target and applies it.

import type { Target } from "../device/target.js";
import type { Kernel } from "../kernel/ir.js";
import type { Scheduled } from "./heuristics/draft.js";
import { heuristicSchedule } from "./heuristics/heuristics.js";

export type { Scheduled } from "./heuristics/draft.js";

/** The kernel with its loops arranged for the target, and the actions that did it. */
export function scheduleKernel(kernel: Kernel, target: Target): Scheduled {
  if (target.language === "interpreter") return { kernel, actions: [] };
  return heuristicSchedule(kernel, target);
}
