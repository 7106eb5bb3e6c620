// The libraries' processes, as the program that measures sees them: one question at a time, one answer.

import { fork, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { LIMITS } from "./report.mjs";
import {
  ADAM,
  CHAIN,
  inputsOf,
  MLP,
  MNIST_BATCH,
  MNIST_SHAPES,
  mlpInputs,
  mnistInputs,
  TOP,
  TRANSFORMER,
  trains,
  transformerInputs,
} from "./workloads.mjs";

export const WORKER = fileURLToPath(new URL("worker.mjs", import.meta.url));
const TORCH = fileURLToPath(new URL("peers/pytorch.py", import.meta.url));
// Fused multiply-add in WebAssembly: on by default from Node 22 on. All libraries get it.
export const FLAGS =
  Number(process.versions.node.split(".")[0]) < 22 ? ["--experimental-wasm-relaxed-simd"] : [];

/** A library for Node. */
export class NodeChild {
  constructor(name, threads) {
    this.name = name;
    /** It can say what the machine gives at most. */
    this.measuresLimits = Object.values(LIMITS).includes(name);
    this.process = fork(WORKER, [name, String(threads)], {
      execArgv: FLAGS,
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
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

  end() {
    this.process.disconnect();
  }
}

/** How PyTorch runs: its operations one by one, or what it compiles of them. */
const TORCH_MODES = { PyTorch: "eager", "torch.compile": "compile" };
export const TORCH_NAMES = Object.keys(TORCH_MODES);

/** glibc keeps what is freed instead of giving it back to the system: fresh pages cost more than most workloads. */
const KEEP_FREED = {
  MALLOC_MMAP_MAX_: "0",
  MALLOC_TRIM_THRESHOLD_: String(2 ** 36),
  MALLOC_TOP_PAD_: String(2 ** 30),
};

/** PyTorch, where Python has it. Inputs go by way of files. */
export class TorchChild {
  answers = [];
  waiting = [];

  constructor(name, threads) {
    this.name = name;
    this.folder = mkdtempSync(join(tmpdir(), "brisc-bench-"));
    const python = process.env.BENCH_PYTHON ?? "python3";
    this.process = spawn(python, [TORCH, String(threads), TORCH_MODES[name]], {
      stdio: ["pipe", "pipe", "ignore"],
      env: { ...process.env, ...KEEP_FREED },
    });
    this.process.on("error", () => this.fail("there is no python3; BENCH_PYTHON may name one"));
    this.process.on("exit", (code) => this.fail(`its process ended with code ${code}: no PyTorch there?`));
    createInterface({ input: this.process.stdout }).on("line", (line) => {
      const message = JSON.parse(line);
      if (this.waiting.length > 0) this.waiting.shift().resolve(message);
      else this.answers.push(message);
    });
  }

  fail(reason) {
    this.failed ??= reason;
    for (const { reject } of this.waiting.splice(0)) reject(new Error(this.failed));
  }

  async receive() {
    const message =
      this.answers.shift() ??
      (await new Promise((resolve, reject) => {
        if (this.failed !== undefined) reject(new Error(this.failed));
        else this.waiting.push({ resolve, reject });
      }));
    const { error, unsupported } = message;
    if (error !== undefined) throw Object.assign(new Error(error), { unsupported });
    return message;
  }

  ask(task, details = {}) {
    this.process.stdin.write(`${JSON.stringify({ task, ...this.request(task, details) })}\n`);
    return this.receive();
  }

  request(task, details) {
    if (task !== "setup") return details;
    const { workload } = details;
    const inputs =
      trainingInputs(workload) ?? inputsOf(workload).map((data, i) => [data, workload.shapes[i]]);
    const files = inputs.map(([data, shape], i) => {
      const path = join(this.folder, `x${i}`);
      writeFileSync(path, data);
      return [path, shape, data instanceof Int32Array ? "int32" : "float32"];
    });
    const options = { mnist: ADAM, mlp: MLP, transformer: TRANSFORMER }[workload.kind];
    const more = { options, top: TOP, chain: CHAIN, trains: trains(workload) };
    return { workload: { ...workload, ...more }, inputs: files };
  }

  end() {
    this.process.stdin.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Weights, then data, with their shapes. */
function trainingInputs({ kind }) {
  if (kind === "mnist") {
    const { weights, images, labels } = mnistInputs();
    const data = [
      [images, [MNIST_BATCH, 1, 28, 28]],
      [labels, [MNIST_BATCH]],
    ];
    return [...weights.map((w, i) => [w, MNIST_SHAPES[i]]), ...data];
  }
  if (kind === "mlp") {
    const { weights, x, labels } = mlpInputs();
    const shaped = weights.map((w, i) => [w, MLP.sizes.slice(i, i + 2)]);
    return [...shaped, [x, [MLP.batch, MLP.sizes[0]]], [labels, [MLP.batch]]];
  }
  if (kind === "transformer") {
    const { shapes, weights, x } = transformerInputs();
    const { batch, tokens, width } = TRANSFORMER;
    return [...weights.map((w, i) => [w, shapes[i]]), [x, [batch, tokens, width]]];
  }
  return undefined;
}
