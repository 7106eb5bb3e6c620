// Measures brisc beside other libraries: each in a process of its own, in interleaved rounds, one at a time. Prints medians
// and ratios. See README.md for what is measured how.

import { execFile, fork } from "node:child_process";
import { availableParallelism, cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { PEERS } from "./peers/index.mjs";
import { referenceSample } from "./reference.mjs";
import { WORKLOADS } from "./workloads.mjs";

const { values } = parseArgs({
  options: {
    only: { type: "string", help: "workloads whose name contains this" },
    peers: { type: "string", help: "libraries whose name contains one of these, separated by commas" },
    rounds: { type: "string", default: "5" },
    milliseconds: { type: "string", default: "400" },
  },
});
const worker = fileURLToPath(new URL("worker.mjs", import.meta.url));
// Fused multiply-add in WebAssembly: on by default from Node 22 on. All libraries get it.
const flags = Number(process.versions.node.split(".")[0]) < 22 ? ["--experimental-wasm-relaxed-simd"] : [];
const names = Object.keys(PEERS).filter(
  (name) => values.peers === undefined || values.peers.split(",").some((part) => name.includes(part)),
);
const selected = WORKLOADS.filter(({ name }) => values.only === undefined || name.includes(values.only));

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

class Child {
  constructor(name) {
    this.name = name;
    this.process = fork(worker, [name], { execArgv: flags, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  }

  /** The next message; fails if the process ends first. */
  receive() {
    return new Promise((resolve, reject) => {
      const ended = (code) => reject(new Error(`its process ended with code ${code}`));
      this.process.once("exit", ended);
      this.process.once("message", (message) => {
        this.process.off("exit", ended);
        if (message.error === undefined) resolve(message);
        else reject(Object.assign(new Error(message.error), { unsupported: message.unsupported }));
      });
    });
  }

  ask(task, details = {}) {
    this.process.send({ task, ...details });
    return this.receive();
  }
}

const children = [];
console.log(`${cpus()[0].model}, ${availableParallelism()} threads, Node ${process.versions.node}`);
for (const name of names) {
  const child = new Child(name);
  try {
    const { version, note } = await child.receive();
    console.log(`  ${name} ${version}${note ? `: ${note}` : ""}`);
    children.push(child);
  } catch (error) {
    console.log(`  ${name} cannot be measured: ${error.message}`);
  }
}
const [load] = loadavg();
if (load > 0.3 * availableParallelism())
  console.log(`  the machine is busy (load ${load.toFixed(1)}): expect noise`);

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

function report(title, rows, unit) {
  const best = rows.find((row) => row.name === "brisc cpu" && row.value !== undefined) ?? rows[0];
  console.log(`\n${title}`);
  for (const { name, value, text, note } of rows) {
    if (value === undefined) {
      console.log(`  ${name.padEnd(18)} ${"-".padStart(10)}  ${note}`);
      continue;
    }
    const ratio = best?.value === undefined ? "" : `${(value / best.value).toFixed(2)} x`;
    console.log(
      `  ${name.padEnd(18)} ${text.padStart(10)} ${unit} ${ratio.padStart(9)}${note ? `  ${note}` : ""}`,
    );
  }
}

for (const workload of selected) {
  const runs = [];
  for (const child of children) {
    try {
      const { sample } = await child.ask("setup", { workload });
      runs.push({ child, name: child.name, sample, times: [] });
    } catch (error) {
      runs.push({
        name: child.name,
        problem: error.unsupported ? error.message : `failed: ${error.message}`,
      });
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
  const rows = runs.map(({ name, sample, times, problem }) => {
    if (problem !== undefined) return { name, note: problem };
    const milliseconds = median(times);
    const value = workload.work / milliseconds / 1e6;
    const wrong = reference !== undefined && !(difference(sample, reference) < TOLERANCE);
    return {
      name,
      value,
      text: value.toFixed(1),
      note: `${milliseconds.toPrecision(3)} ms${wrong ? "  WRONG RESULT" : ""}`,
    };
  });
  report(workload.name, rows, workload.unit);
}
for (const child of children) child.process.disconnect();

/** Milliseconds from the start of a process to its first result. */
function startUp(name) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    execFile(process.execPath, [...flags, worker, name, "first"], (error, stdout) => {
      if (error) reject(error);
      else if (stdout.trim() !== "5,7,9") reject(new Error(`it printed ${stdout}`));
      else resolve(performance.now() - start);
    });
  });
}

if (values.only === undefined || "first result".includes(values.only)) {
  const rows = [];
  for (const { name } of children) {
    try {
      const times = [];
      for (let i = 0; i < 5; i++) times.push(await startUp(name));
      // As a rate, so that here too more is better.
      rows.push({ name, value: 1000 / median(times), text: median(times).toFixed(0), note: "" });
    } catch (error) {
      rows.push({ name, note: `failed: ${error.message}` });
    }
  }
  report("process start to first result", rows, "ms");
}
