// Searches as users make them, on kernels that the model was not trained on, beside measuring every candidate of a large
// sample: how near each comes to the best, and how long it takes.

import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { Stopwatch } from "../../src/engine/measure.js";
import { getDevice } from "../../src/index.js";
import { searchSchedule } from "../../src/schedule/search/beam.js";
import { Space } from "../../src/schedule/search/space.js";
import { kernelsOf, sampleOf } from "./collect.js";
import { HELD_OUT } from "./workloads.js";

const BEAMS = [1, 2, 4, 8];

interface Effort {
  /** Candidates measured, and milliseconds in all: proposing, ranking, compiling and running. */
  readonly measured: number;
  readonly milliseconds: number;
  /** Of the schedule found, measured with all the others in turns. */
  readonly nanoseconds: number;
}

interface Outcome {
  readonly device: string;
  readonly workload: string;
  readonly heuristic: number;
  readonly exhaustive: Effort;
  readonly searches: readonly Effort[];
}

const outcomesIn = (file: string): Outcome[] =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as Outcome)
    : [];

/** Searches what a file does not have yet, until time is up; true if nothing is left to do. */
export async function searchHeldOut(
  file: string,
  deviceName: string,
  count: number,
  seconds: number,
): Promise<boolean> {
  const device = await getDevice(deviceName);
  const end = performance.now() + seconds * 1000;
  const done = new Set(outcomesIn(file).map((x) => `${x.device} ${x.workload}`));
  try {
    for (const [workload, make] of Object.entries(HELD_OUT)) {
      if (done.has(`${deviceName} ${workload}`)) continue;
      if (performance.now() > end) return false;
      const [text] = kernelsOf(make, device);
      const stopwatch = new Stopwatch(device, text);
      const begun = performance.now();
      const sample = sampleOf(new Space(text, device.target), count);
      const times = await stopwatch.compare(sample.map(({ actions }) => actions));
      const found = [sample[0].actions, sample[times.indexOf(Math.min(...times))].actions];
      const efforts = [{ measured: count, milliseconds: performance.now() - begun }];
      for (const beam of BEAMS) {
        const start = performance.now();
        const { ranking } = await searchSchedule(
          text,
          device.target,
          (candidates, best) =>
            stopwatch.time(
              candidates.map(({ actions }) => actions),
              best,
            ),
          { beam, seed: 0 },
        );
        efforts.push({ measured: ranking.length, milliseconds: performance.now() - start });
        found.push(ranking[0].candidate.actions);
      }
      const [heuristic, ...least] = await stopwatch.compare(found);
      stopwatch.close();
      // Of the heuristics' schedule and the one found, a search keeps the faster.
      const [exhaustive, ...searches] = efforts.map((effort, i) => ({
        ...effort,
        nanoseconds: Math.min(heuristic, least[i]),
      }));
      const outcome: Outcome = { device: deviceName, workload, heuristic, exhaustive, searches };
      appendFileSync(file, `${JSON.stringify(outcome)}\n`);
      console.log(JSON.stringify(outcome));
    }
    return true;
  } finally {
    await device.close();
  }
}

/** Prints the table of docs/search.md. */
export function showSearches(file: string): void {
  const outcomes = outcomesIn(file);
  for (const device of new Set(outcomes.map((x) => x.device))) {
    const of = outcomes.filter((x) => x.device === device);
    const heads = BEAMS.map((beam) => `beam ${beam}`);
    console.log(`\n| ${device} | heuristics, us | all ${of[0].exhaustive.measured} | ${heads.join(" | ")} |`);
    console.log(`|---|---|---|${"---|".repeat(BEAMS.length)}`);
    for (const { workload, heuristic, exhaustive, searches } of of) {
      const gains = [exhaustive, ...searches].map((x) => (heuristic / x.nanoseconds).toFixed(2));
      console.log(`| ${workload} | ${(heuristic / 1000).toFixed(1)} | ${gains.join(" | ")} |`);
    }
    const efforts = [of.map((x) => x.exhaustive), ...BEAMS.map((_, i) => of.map((x) => x.searches[i]))];
    const row = (name: string, cell: (efforts: readonly Effort[]) => string): void =>
      console.log(`| ${name} | | ${efforts.map(cell).join(" | ")} |`);
    row("**mean**: times faster", (x) =>
      geometricMean(x.map(({ nanoseconds }, i) => of[i].heuristic / nanoseconds)).toFixed(2),
    );
    row("of the best speed", (x) => {
      const shares = x.map(({ nanoseconds }, i) => fastest(of[i]) / nanoseconds);
      return `${(100 * geometricMean(shares)).toFixed(0)} %`;
    });
    row("schedules measured", (x) => mean(x.map(({ measured }) => measured)).toFixed(0));
    row("seconds", (x) => (mean(x.map(({ milliseconds }) => milliseconds)) / 1000).toFixed(2));
    row("of the time", (x) => `${((100 * total(x)) / total(efforts[0])).toFixed(0)} %`);
  }
}

const fastest = ({ exhaustive, searches }: Outcome): number =>
  Math.min(...[exhaustive, ...searches].map(({ nanoseconds }) => nanoseconds));
const total = (efforts: readonly Effort[]): number => efforts.reduce((sum, x) => sum + x.milliseconds, 0);
const mean = (x: readonly number[]): number => x.reduce((sum, value) => sum + value, 0) / x.length;
const geometricMean = (x: readonly number[]): number => Math.exp(mean(x.map(Math.log)));
