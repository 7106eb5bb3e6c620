// What DEBUG shows of compiling: at 1 how long it took, at 3 the actions of each schedule, at 4 the code, at 5 the IR before and after.

import type { Device } from "../device/device.js";
import type { Kernel } from "../kernel/ir.js";
import { printKernel, printProgram } from "../kernel/print.js";
import type { Program, ProgramFacts } from "../lower/program.js";
import { type Action, printAction } from "../schedule/actions/action.js";
import { getConfig } from "./config.js";
import type { ScheduleSearchProgress } from "./search.js";

const say = (line: string): void => console.error(line);

/** DEBUG=1: that a graph was compiled, into how many kernels, and what took how many milliseconds. */
export function showPlan(
  device: Device,
  programs: readonly ProgramFacts[],
  times: readonly (readonly [stage: string, milliseconds: number])[],
): void {
  if (getConfig().debug < 1) return;
  const kernels = `${programs.length} kernel${programs.length === 1 ? "" : "s"}`;
  const took = times.map(([step, ms]) => `${step} ${ms.toFixed(1)} ms`);
  say(`brisc: ${kernels} for ${device.name}: ${took.join(", ")}`);
}

/** DEBUG=3 and 5: how a kernel was scheduled and lowered. */
export function showCompiled(
  kernel: Kernel,
  actions: readonly Action[],
  scheduled: Kernel,
  program: Program,
): void {
  const { debug } = getConfig();
  if (debug >= 5) say(`--- fused\n${printKernel(kernel)}`);
  if (debug >= 3) {
    const list = actions.length === 0 ? "as it is" : actions.map(printAction).join("; ");
    say(`schedule ${kernel.name}: ${list}`);
  }
  if (debug >= 5) say(`--- scheduled\n${printKernel(scheduled)}\n--- lowered\n${printProgram(program)}`);
}

/** DEBUG=4: the code generated for programs, as far as the device can show it. */
export function showCode(device: Device, programs: readonly Program[]): void {
  if (getConfig().debug < 4) return;
  for (const program of programs) say(`--- code of ${program.name}\n${device.codeOf(program)}`);
}

/** DEBUG=1: that a kernel did not compile as scheduled and is compiled as it was fused. */
export function showPlainer(kernel: string, reason: Error): void {
  if (getConfig().debug < 1) return;
  say(`brisc: ${kernel} does not compile as scheduled, and is compiled as it was fused: ${reason.message}`);
}

/** DEBUG=1: that something of the stored schedules is not used. */
export function showLeftAside(what: string, reason: string): void {
  if (getConfig().debug < 1) return;
  say(`brisc: stored schedules: ${what} is left aside: ${reason}`);
}

/** DEBUG=1: what a search found for a kernel. */
export function showSearched({
  kernel,
  done,
  total,
  measured,
  best,
  heuristic,
}: ScheduleSearchProgress): void {
  if (getConfig().debug < 1) return;
  const times = `${(best / 1000).toFixed(1)} us, by the heuristics ${(heuristic / 1000).toFixed(1)} us`;
  say(`brisc: search ${done} of ${total}: ${kernel}: ${times}; ${measured} schedules measured`);
}
