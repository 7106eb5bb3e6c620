// Chooses a schedule for a kernel on a target and applies it.

import type { Target } from "../device/target.js";
import type { Kernel } from "../kernel/ir.js";

/** The kernel with its loops arranged for the target. */
export function scheduleKernel(kernel: Kernel, target: Target): Kernel {
  if (target.language === "interpreter") return kernel;
  return kernel;
}
