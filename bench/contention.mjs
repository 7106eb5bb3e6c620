// What another process costs: `node bench/contention.mjs`, after `npm run build`. Products of several sizes run alone, then
// beside a process that does nothing but keep a core busy. With n cores that process's fair share is one of n + 1 equal
// parts, if every thread has work: the rest of the machine should do in (n + 1) / n of the time what it did alone, and
// whoever loses a core altogether in n / (n - 1). Threads that wait for a thread without a core lose more.
//
// Options: --milliseconds of each turn, --rounds, --peers as main.mjs has them.

import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { NodeChild, TORCH_NAMES, TorchChild } from "./children.mjs";
import { WORKLOADS } from "./workloads.mjs";

const { values } = parseArgs({
  options: {
    milliseconds: { type: "string", default: "500" },
    rounds: { type: "string", default: "3" },
    peers: { type: "string", default: "brisc cpu,brisc wasm,PyTorch" },
    only: { type: "string", default: "matmul 256,matmul 1024,layerNorm,MNIST" },
  },
});
const threads = availableParallelism();
const chosen = WORKLOADS.filter(({ name }) => values.only.split(",").some((part) => name.startsWith(part)));
const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
const sorted = (list) => [...list].sort((a, b) => a - b);
const at = (list, part) => sorted(list)[Math.floor(part * (list.length - 1))];

/** Runs while another process keeps a core busy. */
async function beside(work) {
  const other = spawn(process.execPath, ["-e", "for (;;);"], { stdio: "ignore" });
  try {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return await work();
  } finally {
    other.kill("SIGKILL");
    await new Promise((resolve) => other.once("exit", resolve));
  }
}

console.log(
  `milliseconds a run, ${threads} threads: mean alone, mean beside a busy process, and the slowest of 20`,
);
for (const name of values.peers.split(",")) {
  const child = TORCH_NAMES.includes(name) ? new TorchChild(name, threads) : new NodeChild(name, threads);
  try {
    await child.receive();
    for (const workload of chosen) {
      await child.ask("setup", { workload });
      const turn = async () =>
        (await child.ask("round", { milliseconds: Number(values.milliseconds), repeat: 1 })).times;
      await turn();
      const [alone, busy] = [[], []];
      for (let round = 0; round < Number(values.rounds); round++) {
        alone.push(...(await turn()));
        busy.push(...(await beside(turn)));
      }
      await child.ask("close");
      const times = [mean(alone), mean(busy), at(busy, 0.95)]
        .map((x) => x.toPrecision(3).padStart(8))
        .join("");
      const slower = (mean(busy) / mean(alone)).toFixed(2);
      console.log(`${name.padEnd(14)} ${workload.name.padEnd(24)}${times}   ${slower} times as long`);
    }
  } catch (error) {
    console.log(`${name.padEnd(14)} ${error.message}`);
  }
  child.end();
}
