// How good the cost model is on kernels that it was not trained on: how well it ranks schedules, and how near the best of
// the few that it ranks first comes to the best of all, beside the same number drawn blindly.

import { predictTime } from "../../src/schedule/search/model.js";
import { type Sample, samplesIn } from "./collect.js";

const PICKS = [1, 2, 4, 8, 16];

interface Row {
  readonly name: string;
  readonly candidates: number;
  /** Of the best of all to the heuristics' schedule. */
  readonly gain: number;
  readonly correlation: number;
  /** Best of all to the best found by k measurements, the heuristics' schedule among them: 1 is as good. */
  readonly ranked: readonly number[];
  readonly blind: readonly number[];
}

/** Prints the tables of docs/search.md. */
export function evaluate(file: string): void {
  const samples = samplesIn(file);
  for (const device of [...new Set(samples.map((x) => x.device))]) {
    const rows = samples.filter((x) => x.device === device && x.heldOut).map(rowOf);
    const trained = samples.filter((x) => x.device === device && !x.heldOut).map(rowOf);
    console.log(`\n${device}, ${rows.length} kernels held out\n`);
    const heads = PICKS.map((k) => `${k}`);
    console.log(`| kernel | schedules | best against heuristics | rank correlation | ${heads.join(" | ")} |`);
    console.log(`|---|---|---|---|${"---|".repeat(PICKS.length)}`);
    for (const row of rows) {
      console.log(
        `| ${row.name} | ${row.candidates} | ${row.gain.toFixed(2)} | ${row.correlation.toFixed(2)} | ${cells(row.ranked)} |`,
      );
    }
    for (const [name, of] of [
      ["**all, ranked by the model**", (row: Row) => row.ranked],
      ["all, drawn blindly", (row: Row) => row.blind],
    ] as const) {
      const means = PICKS.map((_, i) => geometricMean(rows.map((row) => of(row)[i])));
      console.log(
        `| ${name} | | ${geometricMean(rows.map(({ gain }) => gain)).toFixed(2)} | ${mean(rows.map((x) => x.correlation)).toFixed(2)} | ${cells(means)} |`,
      );
    }
    const counts = rows.reduce((n, row) => n + row.candidates, 0) / rows.length;
    console.log(
      `\nshare of measurements: ${PICKS.map((k) => `${k}: ${((100 * k) / counts).toFixed(1)} %`).join(", ")}`,
    );
    const known = mean(trained.map((x) => x.correlation)).toFixed(2);
    console.log(`rank correlation on the ${trained.length} kernels of the training: ${known}`);
  }
}

const cells = (shares: readonly number[]): string =>
  shares.map((x) => `${(100 * x).toFixed(0)} %`).join(" | ");

function rowOf({ workload, features, nanoseconds }: Sample): Row {
  const times = nanoseconds.map((ns) => ns ?? Number.POSITIVE_INFINITY);
  const predicted = features.map((x) => predictTime(Float32Array.from(x)));
  const best = Math.min(...times);
  // The heuristics' schedule is measured before all others; a search takes one of those with equal features.
  const texts = features.map((x) => x.join(" "));
  const order = [...predicted.keys()]
    .filter((i) => i > 0 && texts.indexOf(texts[i]) === i)
    .sort((a, b) => predicted[a] - predicted[b]);
  const sound = [...times.keys()].filter((i) => Number.isFinite(times[i]));
  return {
    name: workload,
    candidates: times.length,
    gain: times[0] / best,
    correlation: rankCorrelation(
      sound.map((i) => predicted[i]),
      sound.map((i) => times[i]),
    ),
    ranked: PICKS.map((k) => best / Math.min(times[0], ...order.slice(0, k - 1).map((i) => times[i]))),
    blind: PICKS.map((k) => expectedBest(times, k - 1, best)),
  };
}

/** The mean of best / fastest over all choices of k of the schedules after the first, which is always among them. */
function expectedBest(times: readonly number[], k: number, best: number): number {
  const [first, ...others] = times;
  const sorted = [...others].sort((a, b) => a - b);
  // The chance that the fastest chosen is the i-th fastest: the ones before it are all left out.
  let left = 1;
  let sum = 0;
  for (const [i, time] of sorted.entries()) {
    const remaining = sorted.length - i;
    const chosen = remaining <= k ? 1 : k / remaining;
    sum += left * chosen * (best / Math.min(first, time));
    left *= 1 - chosen;
  }
  return sum + left * (best / first);
}

/** Spearman's. */
function rankCorrelation(x: readonly number[], y: readonly number[]): number {
  const [a, b] = [ranks(x), ranks(y)];
  const middle = (x.length - 1) / 2;
  let covariance = 0;
  let variance = 0;
  for (let i = 0; i < x.length; i++) {
    covariance += (a[i] - middle) * (b[i] - middle);
    variance += (a[i] - middle) ** 2;
  }
  return covariance / variance;
}

function ranks(x: readonly number[]): number[] {
  const order = [...x.keys()].sort((a, b) => x[a] - x[b]);
  const found: number[] = new Array(x.length);
  order.forEach((at, rank) => {
    found[at] = rank;
  });
  return found;
}

const mean = (x: readonly number[]): number => x.reduce((sum, value) => sum + value, 0) / x.length;
const geometricMean = (x: readonly number[]): number => Math.exp(mean(x.map(Math.log)));
