// DEBUG=2: a line for each kernel that ran, with its speed and how near that is to what the device can do.

import type { DeviceBuffer } from "../device/device.js";
import { evaluateIndex, type Index } from "../kernel/index.js";
import { measuredLimits } from "./limits.js";
import type { Plan } from "./plan.js";

const say = (line: string): void => console.error(line);

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
  const valueAt = (x: Index): number =>
    evaluateIndex(x, (atom) => (atom.kind === "symbol" ? symbols[names.indexOf(atom.name)] : Number.NaN));
  let total = 0;
  nanoseconds.forEach((ns, i) => {
    const { name, flops, bytes } = plan.programs[i];
    total += ns;
    const gflops = valueAt(flops) / ns;
    const gigabytes = valueAt(bytes) / ns;
    const share = Math.max(gflops / limits.gflops, gigabytes / limits.gigabytes) * 100;
    say(
      `${device.name} ${name.padEnd(32)} ${(ns / 1000).toFixed(1).padStart(9)} us ${gflops.toFixed(1).padStart(7)} GFLOP/s ` +
        `${gigabytes.toFixed(1).padStart(6)} GB/s ${share.toFixed(0).padStart(4)} % of limit ` +
        `${(device.bytesInUse / 1e6).toFixed(1).padStart(8)} MB`,
    );
  });
  say(`${device.name} ${nanoseconds.length} kernels ${(total / 1000).toFixed(1)} us`);
}
