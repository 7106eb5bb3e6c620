// Measures candidates of many kernels, each a line of JSON in a file, so that a collection can be stopped and gone on with.

import { appendFileSync, existsSync, readFileSync } from "node:fs";
import type { Device } from "../../src/device/device.js";
import { Stopwatch } from "../../src/engine/measure.js";
import { fuse } from "../../src/fuse/fuse.js";
import { normalise } from "../../src/graph/normalise.js";
import { getDevice } from "../../src/index.js";
import { clearArena } from "../../src/kernel/ir.js";
import { printKernel } from "../../src/kernel/print.js";
import { HostRandom } from "../../src/scalar/host-random.js";
import { type Candidate, Space } from "../../src/schedule/search/space.js";
import { HELD_OUT, TRAINING, type Workloads } from "./workloads.js";

/** One kernel on one device, and its candidates; the first is the heuristics' own. */
export interface Sample {
  readonly device: string;
  readonly workload: string;
  readonly heldOut: boolean;
  readonly kernel: string;
  readonly features: readonly (readonly number[])[];
  /** Infinite times, of candidates that do not compile, are null. */
  readonly nanoseconds: readonly (number | null)[];
  /** Milliseconds that measuring took in all, compiling included. */
  readonly milliseconds: number;
  readonly schedules: readonly string[];
}

export const samplesIn = (file: string): Sample[] =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .trimEnd()
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Sample)
    : [];

/** Measures what a file does not have yet, until time is up; true if nothing is left to do. */
export async function collect(
  file: string,
  deviceName: string,
  count: number,
  seconds: number,
): Promise<boolean> {
  const device = await getDevice(deviceName);
  const end = performance.now() + seconds * 1000;
  const done = new Set(samplesIn(file).map((x) => `${x.device} ${x.workload}`));
  const sets: [Workloads, boolean, number][] = [
    [TRAINING, false, count],
    [HELD_OUT, true, 2 * count],
  ];
  try {
    for (const [workloads, heldOut, wanted] of sets) {
      for (const [workload, make] of Object.entries(workloads)) {
        if (done.has(`${deviceName} ${workload}`)) continue;
        if (performance.now() > end) return false;
        const lines: string[] = [];
        for (const text of kernelsOf(make, device)) {
          const sample = await measureKernel(text, device, wanted);
          const found: Sample = { device: deviceName, workload, heldOut, ...sample };
          console.log(
            `${deviceName} ${workload}: ${found.nanoseconds.length} in ${found.milliseconds.toFixed(0)} ms`,
          );
          lines.push(JSON.stringify(found));
        }
        appendFileSync(file, `${lines.join("\n")}\n`);
      }
    }
    return true;
  } finally {
    await device.close();
  }
}

export function kernelsOf(
  make: () => { node: Parameters<typeof normalise>[0][number] },
  device: Device,
): string[] {
  const graph = normalise([make().node]);
  clearArena();
  const { kernels } = fuse(graph.rebuild().roots, device.target);
  return [...new Set(kernels.map(({ kernel }) => printKernel(kernel)))];
}

async function measureKernel(
  text: string,
  device: Device,
  count: number,
): Promise<Omit<Sample, "device" | "workload" | "heldOut">> {
  const candidates = sampleOf(new Space(text, device.target), count);
  const start = performance.now();
  const stopwatch = new Stopwatch(device, text);
  const nanoseconds = await stopwatch.compare(candidates.map(({ actions }) => actions));
  stopwatch.close();
  return {
    kernel: text,
    features: candidates.map(({ features }) => [...features].map((x) => Number(x.toFixed(4)))),
    nanoseconds: nanoseconds.map((ns) => (Number.isFinite(ns) ? ns : null)),
    milliseconds: performance.now() - start,
    schedules: candidates.map(({ key }) => key),
  };
}

/** The heuristics' candidate, then others as a search proposes them: one answer away, several, with further actions. */
export function sampleOf(space: Space, count: number): Candidate[] {
  const random = new HostRandom(1);
  const first = space.candidate({}, [])!;
  const found = new Map([[first.key, first]]);
  const add = (candidates: readonly Candidate[], most: number): void => {
    let room = most;
    for (const candidate of candidates) {
      if (found.has(candidate.key) || room-- <= 0) continue;
      found.set(candidate.key, candidate);
    }
  };
  add(shuffled(space.neighbours(first), random), count / 3);
  add(space.variations(first, random, count), count / 2);
  const near = [...found.values()];
  for (let tries = 0; tries < 3 * count && found.size < count; tries++) {
    add(space.extensions(near[random.below(near.length)], random, 1), 1);
  }
  return [...found.values()];
}

const shuffled = <T>(items: readonly T[], random: HostRandom): T[] =>
  [...random.shuffle(Int32Array.from(items.keys()))].map((i) => items[i]);
