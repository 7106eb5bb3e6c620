// What DEBUG shows of kernels: at 2 a line for each that ran, with its speed and how near that is to what the device
// can do; at 3 the actions of its schedule, at 4 its code, at 5 the IR before and after each pass.

import type { Device, DeviceBuffer } from "../device/device.js";
import { evaluateIndex, type Index } from "../kernel/index.js";
import type { Kernel } from "../kernel/ir.js";
import { printKernel, printProgram } from "../kernel/print.js";
import type { Program } from "../lower/program.js";
import { type Action, printAction } from "../schedule/actions.js";
import { getConfig } from "./config.js";
import { measuredLimits } from "./limits.js";
import type { Plan } from "./plan.js";

const say = (line: string): void => console.error(line);

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

/** DEBUG=2: runs a plan kernel by kernel and prints a line for each. */
export async function runProfiled(
  plan: Plan,
  buffers: readonly DeviceBuffer[],
  symbols: readonly number[],
): Promise<void> {
  const { device } = plan;
  const limits = await measuredLimits(device);
  const nanoseconds = await device.submitTimed(plan.list, buffers, symbols);
  const names = plan.symbols.map((s) => s.name);
  const valueOf = (x: Index): number =>
    evaluateIndex(x, (atom) => (atom.kind === "symbol" ? symbols[names.indexOf(atom.name)] : Number.NaN));
  let total = 0;
  nanoseconds.forEach((ns, i) => {
    const { name, flops, bytes } = plan.programs[i];
    total += ns;
    const gflops = valueOf(flops) / ns;
    const gigabytes = valueOf(bytes) / ns;
    const share = Math.max(gflops / limits.gflops, gigabytes / limits.gigabytes) * 100;
    say(
      `${device.name} ${name.padEnd(32)} ${(ns / 1000).toFixed(1).padStart(9)} us ${gflops.toFixed(1).padStart(7)} GFLOP/s ` +
        `${gigabytes.toFixed(1).padStart(6)} GB/s ${share.toFixed(0).padStart(4)} % of limit ` +
        `${(device.bytesInUse / 1e6).toFixed(1).padStart(8)} MB`,
    );
  });
  say(`${device.name} ${nanoseconds.length} kernels ${(total / 1000).toFixed(1)} us`);
}
