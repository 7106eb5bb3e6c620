// Measures brisc beside other libraries: each in a process of its own, in interleaved rounds, one at a time. Prints medians
// and ratios. See README.md for what is measured how.

import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { FLAGS, NodeChild, TorchChild, WORKER } from "./children.mjs";
import { PEERS } from "./peers/index.mjs";
import { referenceSample } from "./reference.mjs";
import { WORKLOADS } from "./workloads.mjs";

const { values } = parseArgs({
  options: {
    /** Workloads whose name contains one of these, separated by commas. */
    only: { type: "string" },
    /** Libraries whose name contains one of these, separated by commas. */
    peers: { type: "string" },
    rounds: { type: "string", default: "5" },
    milliseconds: { type: "string", default: "400" },
    /** Numbers of threads, separated by commas; `all` for as many as there are. */
    threads: { type: "string", default: "all" },
    /** Prints tables for a document. */
    markdown: { type: "boolean", default: false },
    /** Keeps brisc's ratios to the fastest other library as what is expected. */
    save: { type: "boolean", default: false },
    /** Fails if a ratio is far below what is expected. */
    check: { type: "boolean", default: false },
  },
});
const named = (name, list) => list === undefined || list.split(",").some((part) => name.includes(part));
const selected = WORKLOADS.filter(({ name }) => named(name, values.only));
const EXPECTED = new URL("expected.json", import.meta.url);
/** Of what is expected: other machines and busy ones differ by as much. */
const MARGIN = 0.6;

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

async function openAll(threads) {
  const children = [];
  const names = [...Object.keys(PEERS), TorchChild.NAME].filter((name) => named(name, values.peers));
  for (const name of names) {
    const child = name === TorchChild.NAME ? new TorchChild(threads) : new NodeChild(name, threads);
    try {
      const { version, note } = await child.receive();
      console.error(`  ${child.name} ${version}${note ? `: ${note}` : ""}`);
      children.push(child);
    } catch (error) {
      console.error(`  ${child.name} cannot be measured: ${error.message}`);
    }
  }
  return children;
}

async function measure(workload, children) {
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
  // The first round only warms up.
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const run of ready) {
      if (run.times.reduce((a, b) => a + b, 0) > PATIENCE_MILLISECONDS) continue;
      const { times } = await run.child.ask("round", { milliseconds: Number(values.milliseconds) });
      if (round > 0) run.times.push(...times);
    }
  }
  for (const run of ready) await run.child.ask("close");
  const reference = referenceSample(workload) ?? agreed(ready);
  return runs.map(({ name, sample, times, problem }) => {
    if (problem !== undefined) return { name, note: problem };
    const milliseconds = median(times);
    const [low, high] = [sorted(times)[times.length >> 2], sorted(times)[(times.length * 3) >> 2]];
    const spread = high > 1.3 * low ? `  quartiles ${low.toPrecision(3)} to ${high.toPrecision(3)}` : "";
    const wrong = reference !== undefined && !(difference(sample, reference) < TOLERANCE);
    return {
      name,
      wrong,
      milliseconds,
      value: workload.work / milliseconds / 1e6,
      note: `${milliseconds.toPrecision(3)} ms${spread}${wrong ? "  WRONG RESULT" : ""}`,
    };
  });
}

/** The row that a device of brisc is compared with: native libraries for cpu, WebAssembly ones for wasm. */
function fastestPeer(rows, device) {
  const wasm = ({ name }) => /wasm|web/.test(name);
  return rows
    .filter((row) => row.value !== undefined && !row.wrong && !row.name.startsWith("brisc"))
    .filter((row) => device === "brisc cpu" || wasm(row))
    .reduce((best, row) => (best === undefined || row.value > best.value ? row : best), undefined);
}

const ratios = {};
function report(title, rows, unit, threads) {
  if (!values.markdown) console.log(`\n${title}`);
  for (const row of rows) {
    const { name, value, note } = row;
    const peer = name.startsWith("brisc") && value !== undefined ? fastestPeer(rows, name) : undefined;
    if (peer !== undefined) ratios[`${title} | ${name} | ${threads}`] = value / peer.value;
    if (values.markdown) continue;
    const against = peer === undefined ? "" : `  ${(value / peer.value).toFixed(2)} x ${peer.name}`;
    const figure = value === undefined ? "-".padStart(10) : `${value.toFixed(1).padStart(10)} ${unit}`;
    console.log(`  ${name.padEnd(18)} ${figure}  ${note}${against}`);
  }
}

const cell = ({ value, wrong } = {}) =>
  value === undefined ? "-" : `${value.toPrecision(3)}${wrong ? " wrong" : ""}`;

function markdownTable(children, results, threads) {
  const names = children.map(({ name }) => name);
  const against = (rows, device) => {
    const own = rows.find(({ name }) => name === device);
    const peer = fastestPeer(rows, device);
    return own?.value === undefined || peer === undefined ? "-" : (own.value / peer.value).toFixed(2);
  };
  console.log(
    `\n| float32, ${threads} thread${threads === 1 ? "" : "s"} | unit | ${names.join(" | ")} | cpu to fastest | wasm to fastest in wasm |`,
  );
  console.log(`|${"---|".repeat(names.length + 4)}`);
  for (const { workload, rows } of results) {
    const cells = names.map((name) => cell(rows.find((row) => row.name === name)));
    const last = [against(rows, "brisc cpu"), against(rows, "brisc wasm")];
    console.log(`| ${workload.name} | ${workload.unit} | ${[...cells, ...last].join(" | ")} |`);
  }
}

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

async function startUps(children, threads) {
  const rows = [];
  for (const { name } of children.filter((child) => child instanceof NodeChild)) {
    try {
      const times = [];
      for (let i = 0; i < 5; i++) times.push(await startUp(name, threads));
      // As a rate, so that here too more is better.
      rows.push({ name, value: 1000 / median(times), note: `${median(times).toFixed(0)} ms` });
    } catch (error) {
      rows.push({ name, note: `failed: ${error.message}` });
    }
  }
  return rows;
}

const heading = `${cpus()[0].model}, ${availableParallelism()} threads, Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`;
console.log(heading);
const [load] = loadavg();
if (load > 0.3 * availableParallelism())
  console.log(`  the machine is busy (load ${load.toFixed(1)}): expect noise`);

for (const text of values.threads.split(",")) {
  const threads = text === "all" ? availableParallelism() : Number(text);
  if (!(threads >= 1)) throw new RangeError(`--threads takes numbers and "all", not ${text}`);
  if (!values.markdown) console.log(`\n${threads} thread${threads === 1 ? "" : "s"}`);
  const children = await openAll(threads);
  const results = [];
  for (const workload of selected) {
    const rows = await measure(workload, children);
    results.push({ workload, rows });
    report(workload.name, rows, workload.unit, threads);
  }
  if (named("first result", values.only)) {
    const rows = await startUps(children, threads);
    results.push({ workload: { name: "first results a second, fresh process", unit: "1/s" }, rows });
    report("first results a second, fresh process", rows, "1/s", threads);
  }
  for (const child of children) child.end();
  if (values.markdown) markdownTable(children, results, threads);
}

if (values.save) writeFileSync(EXPECTED, `${JSON.stringify({ measured: heading, ratios }, null, 2)}\n`);
if (values.check) {
  const { measured, ratios: expected } = JSON.parse(readFileSync(EXPECTED, "utf8"));
  const short = Object.entries(ratios).filter(([key, ratio]) => ratio < MARGIN * (expected[key] ?? 0));
  console.log(`\n${Object.keys(ratios).length} ratios checked against those of ${measured}`);
  for (const [key, ratio] of short)
    console.log(`  ${key}: ${ratio.toFixed(2)}, expected ${expected[key].toFixed(2)}`);
  if (short.length > 0) process.exitCode = 1;
}
