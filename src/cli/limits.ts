// `brisc bench --limits`: what the devices of this machine give at most, part by part.

import type { Device } from "../device/device.js";
import { type Ceiling, measureCeilings } from "../index.js";

const figure = (x: number | undefined): string => (x === undefined ? "absent" : x.toFixed(1));

/** Measures a device's ceilings and prints each as it is known; for `json`, gives them alone. */
export async function printCeilings(device: Device, json: boolean, signal: AbortSignal): Promise<Ceiling[]> {
  const { threads } = device.target;
  const line = (name: string, one: string, all: string, unit: string): void =>
    console.log(`  ${name.padEnd(36)}  ${one.padStart(9)}  ${all.padStart(9)}  ${unit}`);
  if (!json) line("", "1 thread", `${threads} thread${threads === 1 ? "" : "s"}`, "");
  return measureCeilings(device, {
    signal,
    onCeiling: json
      ? undefined
      : ({ name, unit, one, all }) =>
          line(name, one === undefined ? "" : figure(one), figure(all), all === undefined ? "" : unit),
  });
}
