// Measures one workload: every library sets it up in its process, then they run in turns; between the turns brisc's
// processes measure what the machine gives at most for the workload's operations and bytes.

import { execFile } from "node:child_process";
import { FLAGS, NodeChild, WORKER } from "./children.mjs";
import { referenceSample } from "./reference.mjs";
import { amountOf } from "./workloads.mjs";

const sorted = (list) => [...list].sort((a, b) => a - b);
const median = (list) => sorted(list)[list.length >> 1];

/** Largest difference of two samples, in parts of the largest number. */
function difference(sample, reference) {
  const scale = Math.max(...reference.map(Math.abs), 1e-30);
  return Math.max(...sample.map((x, i) => Math.abs(x - reference[i]))) / scale;
}
const TOLERANCE = 1e-3;

/** The sample that two libraries agree on. */
const agreed = (runs) =>
  runs.find((a) => runs.some((b) => a !== b && difference(a.sample, b.sample) < TOLERANCE))?.sample;

/** No library is waited for longer than this at one workload, warm-up aside. */
const PATIENCE_MILLISECONDS = 10_000;
/** Of a library's turn, what measuring the limit takes. */
const LIMIT_SHARE = 0.4;

/** Gives a row for each library: its median time or why there is none, and for brisc's devices the machine's limit. */
export async function measure(workload, children, { rounds, milliseconds }) {
  const runs = [];
  for (const child of children) {
    try {
      const { sample } = await child.ask("setup", { workload });
      runs.push({ child, name: child.name, sample, times: [] });
    } catch (error) {
      const problem = error.unsupported ? error.message : `failed: ${error.message}`;
      runs.push({ name: child.name, problem });
    }
  }
  const ready = runs.filter(({ child }) => child !== undefined);
  const amount = amountOf(workload);
  // The first round only warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const run of ready) {
      if (run.times.reduce((a, b) => a + b, 0) > PATIENCE_MILLISECONDS) continue;
      const { times } = await run.child.ask("round", { milliseconds, repeat: workload.repeat ?? 1 });
      if (round === 0) continue;
      run.times.push(...times);
      if (amount !== undefined && run.child.measuresLimits)
        run.least = await run.child.ask("limit", { amount, milliseconds: milliseconds * LIMIT_SHARE });
    }
  }
  for (const run of ready) await run.child.ask("close");
  const reference = referenceSample(workload) ?? agreed(ready);
  return runs.map((run) =>
    run.problem === undefined ? rowOf(run, reference) : { name: run.name, note: run.problem },
  );
}

function rowOf({ name, sample, times, least }, reference) {
  const milliseconds = median(times);
  const [low, high] = [sorted(times)[times.length >> 2], sorted(times)[(times.length * 3) >> 2]];
  const spread = high > 1.3 * low ? `  quartiles ${low.toPrecision(3)} to ${high.toPrecision(3)}` : "";
  const wrong = reference !== undefined && !(difference(sample, reference) < TOLERANCE);
  const note = `${milliseconds.toPrecision(3)} ms${spread}${wrong ? "  WRONG RESULT" : ""}`;
  return { name, wrong, milliseconds, note, limit: least && limitOf(least) };
}

/** Nanoseconds for operations and for bytes: the longer is the limit. */
const limitOf = ({ operations, bytes }) => ({
  milliseconds: Math.max(operations, bytes) / 1e6,
  by: operations > bytes ? "operations" : "bytes",
});

/** Milliseconds from the start of a process to its first result. */
function startUp(name, threads) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    execFile(process.execPath, [...FLAGS, WORKER, name, String(threads), "first"], (error, stdout) => {
      if (error) reject(error);
      else if (stdout.trim() !== "5,7,9") reject(new Error(`it printed ${stdout}`));
      else resolve(performance.now() - start);
    });
  });
}

/** As `measure`, of how long a fresh process takes to its first result. */
export async function measureStartUps(children, threads) {
  const rows = [];
  for (const { name } of children.filter((child) => child instanceof NodeChild)) {
    try {
      const times = [];
      for (let i = 0; i < 5; i++) times.push(await startUp(name, threads));
      rows.push({ name, milliseconds: median(times), note: `${median(times).toFixed(0)} ms` });
    } catch (error) {
      rows.push({ name, note: `failed: ${error.message}` });
    }
  }
  return rows;
}
