// How long compiling takes: `node bench/compile.mjs [GRAPH...]`, after `npm run build`. Each line is a process of its
// own: ResNet-50, training steps of a digit network and of two transformer layers, one matrix product; on cpu with an
// empty cache (cold), on cpu and wasm with what the process before left (warm).
//
// Columns, in milliseconds: from the start of the process to the library imported; the graph built; then the stages as
// DEBUG=1 says them (see docs/debugging.md), the whole first call, a later call, and the process until its result was
// read.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const worker = fileURLToPath(new URL("./compile/worker.mjs", import.meta.url));
const STAGES = ["simplify", "fuse", "schedule", "lower", "code", "compile", "load"];
const COLUMNS = ["import", "build", ...STAGES, "call", "replay", "process"];

function compile(graph, device, cache) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--experimental-wasm-relaxed-simd", worker, graph, device],
    { env: { ...process.env, DEBUG: "1", BRISC_CACHE_DIR: cache }, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`${graph} on ${device} failed:\n${stderr}`);
  return JSON.parse(stdout);
}

function print(label, { kernels, stages, ...times }) {
  const all = { ...times, ...stages };
  const cells = COLUMNS.map((column) => (all[column] ?? 0).toFixed(column === "replay" ? 2 : 0).padStart(9));
  console.log(`${label.padEnd(24)}${String(kernels).padStart(8)}${cells.join("")}`);
}

const asked = process.argv.slice(2);
const graphs = asked.length > 0 ? asked : ["resnet50", "mnist", "transformer", "matmul"];
console.log(`${"".padEnd(24)}${["kernels", ...COLUMNS].map((c, i) => c.padStart(i === 0 ? 8 : 9)).join("")}`);
for (const graph of graphs) {
  for (const device of ["cpu", "wasm"]) {
    const cache = mkdtempSync(join(tmpdir(), "brisc-bench-"));
    try {
      print(`${graph} ${device} cold`, compile(graph, device, cache));
      print(`${graph} ${device} warm`, compile(graph, device, cache));
    } finally {
      rmSync(cache, { recursive: true, force: true });
    }
  }
}
