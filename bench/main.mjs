// Measures brisc beside other libraries: each in a process of its own, in interleaved rounds, one at a time. Prints medians,
// and ratios to the fastest other library and to the machine's limit. See README.md for what is measured how.

import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { NodeChild, TORCH_NAMES, TorchChild } from "./children.mjs";
import { measure, measureStartUps } from "./measuring.mjs";
import { PEERS } from "./peers/index.mjs";
import { printRows, printTable, ratiosOf } from "./report.mjs";
import { START_UP, WORKLOADS } from "./workloads.mjs";

const { values } = parseArgs({
  options: {
    /** Workloads whose name contains one of these, separated by commas. */
    only: { type: "string" },
    /** Libraries whose name contains one of these, separated by commas. */
    peers: { type: "string" },
    rounds: { type: "string", default: "5" },
    milliseconds: { type: "string", default: "400" },
    /** Numbers of threads, separated by commas; `all` for as many as there are. */
    threads: { type: "string", default: "1,all" },
    /** Prints tables for a document. */
    markdown: { type: "boolean", default: false },
    /** Keeps brisc's ratios as what is expected. */
    save: { type: "boolean", default: false },
    /** Fails if a ratio is far below what is expected. */
    check: { type: "boolean", default: false },
  },
});
const named = (name, list) => list === undefined || list.split(",").some((part) => name.includes(part));
const EXPECTED = new URL("expected.json", import.meta.url);
/** Of what is expected: other machines and busy ones differ by as much. */
const MARGIN = 0.6;

async function openAll(threads) {
  const children = [];
  for (const name of [...Object.keys(PEERS), ...TORCH_NAMES].filter((name) => named(name, values.peers))) {
    const child = TORCH_NAMES.includes(name) ? new TorchChild(name, threads) : new NodeChild(name, threads);
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

const heading = `${cpus()[0].model}, ${availableParallelism()} threads, Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`;
console.log(heading);
const [load] = loadavg();
if (load > 0.3 * availableParallelism())
  console.log(`  the machine is busy (load ${load.toFixed(1)}): expect noise`);

const settings = { rounds: Number(values.rounds), milliseconds: Number(values.milliseconds) };
const ratios = {};
const counts = values.threads
  .split(",")
  .map((text) => (text === "all" ? availableParallelism() : Number(text)));
for (const threads of new Set(counts)) {
  if (!(threads >= 1)) throw new RangeError(`--threads takes numbers and "all", not ${values.threads}`);
  if (!values.markdown) console.log(`\n${threads} thread${threads === 1 ? "" : "s"}`);
  const children = await openAll(threads);
  const results = [];
  for (const workload of [...WORKLOADS, START_UP].filter(({ name }) => named(name, values.only))) {
    const rows =
      workload === START_UP
        ? await measureStartUps(children, threads)
        : await measure(workload, children, settings);
    results.push({ workload, rows });
    Object.assign(ratios, ratiosOf(workload.name, rows, threads));
    if (!values.markdown) printRows(workload, rows);
  }
  for (const child of children) child.end();
  if (values.markdown)
    printTable(
      children.map(({ name }) => name),
      results,
      threads,
    );
}

if (values.save) writeFileSync(EXPECTED, `${JSON.stringify({ measured: heading, ratios }, null, 2)}\n`);
if (values.check) {
  const { measured, ratios: expected } = JSON.parse(readFileSync(EXPECTED, "utf8"));
  const short = Object.entries(ratios).filter(([key, ratio]) => ratio < MARGIN * (expected[key] ?? 0));
  const known = Object.keys(ratios).filter((key) => key in expected);
  console.log(
    `\n${known.length} of ${Object.keys(ratios).length} ratios checked against those of ${measured}`,
  );
  for (const [key, ratio] of short)
    console.log(`  ${key}: ${ratio.toFixed(2)}, expected ${expected[key].toFixed(2)}`);
  if (short.length > 0) process.exitCode = 1;
}
