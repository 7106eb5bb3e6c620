// Threads that share the device's memory. A job is a range of iterations of one kernel function; threads, the main one
// among them, take chunks of it until none is left. A thread that wakes too late finds the gate closed and does not
// delay the job. Threads spin briefly between jobs, then sleep; they hear of new modules by messages that they fetch
// when they wake, so that the main thread need not return to its event loop.

import { CLOSED, localAddress, SYMBOLS_AT, ARGS_AT, WORD } from "./layout.js";
import type { Platform, WorkerHandle } from "./platform.js";
import type { WasmMemory, WasmModule } from "./webassembly.js";

/** A kernel function: see codegen/wasm.ts. */
export type KernelFunction = (
  args: number,
  symbols: number,
  begin: number,
  end: number,
  local: number,
) => void;

/** What a thread is told: a module under its number, or that it is no longer needed. */
interface ModuleMessage {
  readonly number: number;
  readonly module: WasmModule | null;
}

/** How long threads spin before they sleep, in milliseconds. */
const SPIN_TIME = 0.2;

/** The chunks that a job is divided into for each thread, if its grain allows. */
const CHUNKS_PER_THREAD = 4;

const WORKER_SOURCE = `
const { parentPort, receiveMessageOnPort, workerData } = require("node:worker_threads");
const { memory, local, WORD, CLOSED, ARGS_AT, SYMBOLS_AT, SPIN_TIME } = workerData;
const words = new Int32Array(memory.buffer, 0, 256);
const modules = new Map();

function functionsOf(module) {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return Array.from({ length: Object.keys(exports).length }, (_, i) => exports[i]);
}

function receive() {
  for (let mail = receiveMessageOnPort(parentPort); mail; mail = receiveMessageOnPort(parentPort)) {
    const { number, module } = mail.message;
    if (module === null) modules.delete(number);
    else modules.set(number, functionsOf(module));
  }
}

function waitForSignal(seen) {
  const until = performance.now() + SPIN_TIME;
  do {
    for (let i = 0; i < 100; i++) {
      const now = Atomics.load(words, WORD.signal);
      if (now !== seen) return now;
    }
  } while (performance.now() < until);
  Atomics.add(words, WORD.sleepers, 1);
  Atomics.wait(words, WORD.signal, seen);
  Atomics.sub(words, WORD.sleepers, 1);
  return Atomics.load(words, WORD.signal);
}

function work() {
  const functions = modules.get(words[WORD.module]);
  if (functions === undefined) return false;
  const run = functions[words[WORD.func]];
  const end = words[WORD.end];
  const chunk = words[WORD.chunk];
  for (;;) {
    const begin = Atomics.add(words, WORD.next, chunk);
    if (begin >= end) return true;
    run(ARGS_AT, SYMBOLS_AT, begin, Math.min(begin + chunk, end), local);
  }
}

/** Gives false if this thread lacks the job's module. */
function join() {
  let known = true;
  if ((Atomics.add(words, WORD.gate, 1) & CLOSED) === 0) {
    try {
      known = work();
    } catch {
      Atomics.store(words, WORD.failed, 1);
    }
  }
  Atomics.sub(words, WORD.gate, 1);
  if (Atomics.load(words, WORD.mainSleeps) !== 0) Atomics.notify(words, WORD.gate);
  return known;
}

let seen = 0;
for (;;) {
  seen = waitForSignal(seen);
  if (Atomics.load(words, WORD.exit) !== 0) break;
  if (join()) continue;
  receive();
  join();
}
`;

export class Workers {
  private readonly handles: WorkerHandle[] = [];
  private readonly sent = new Set<number>();

  /** The main thread is number 0; `threads - 1` more are started. */
  constructor(
    platform: Platform,
    memory: WasmMemory,
    private readonly words: Int32Array,
    private readonly threads: number,
  ) {
    words[WORD.gate] = CLOSED;
    for (let thread = 1; thread < threads; thread++) {
      const local = localAddress(thread);
      const data = { memory, local, WORD, CLOSED, ARGS_AT, SYMBOLS_AT, SPIN_TIME };
      this.handles.push(platform.startWorker!(WORKER_SOURCE, data));
    }
  }

  /** Runs all iterations below `extent` on whichever threads are ready for the module. Gives false if one failed. */
  run(
    unit: { readonly number: number; readonly module: WasmModule },
    func: number,
    own: KernelFunction,
    extent: number,
    grain: number,
  ): boolean {
    if (!this.sent.has(unit.number)) this.send(unit.number, unit.module);
    const { words } = this;
    const chunk = Math.max(1, grain, Math.ceil(extent / (this.threads * CHUNKS_PER_THREAD)));
    words[WORD.end] = extent;
    words[WORD.chunk] = chunk;
    words[WORD.module] = unit.number;
    words[WORD.func] = func;
    Atomics.store(words, WORD.next, 0);
    Atomics.and(words, WORD.gate, ~CLOSED);
    this.signal();
    try {
      for (;;) {
        const begin = Atomics.add(words, WORD.next, chunk);
        if (begin >= extent) break;
        own(ARGS_AT, SYMBOLS_AT, begin, Math.min(begin + chunk, extent), localAddress(0));
      }
    } finally {
      this.close();
    }
    return Atomics.exchange(words, WORD.failed, 0) === 0;
  }

  /** Forgets a module. */
  drop(number: number): void {
    if (!this.sent.delete(number)) return;
    for (const handle of this.handles) handle.postMessage({ number, module: null } satisfies ModuleMessage);
  }

  async end(): Promise<void> {
    Atomics.store(this.words, WORD.exit, 1);
    this.signal();
    await Promise.all(this.handles.map((handle) => handle.terminate()));
  }

  private send(number: number, module: WasmModule): void {
    this.sent.add(number);
    for (const handle of this.handles) handle.postMessage({ number, module } satisfies ModuleMessage);
  }

  private signal(): void {
    Atomics.add(this.words, WORD.signal, 1);
    if (Atomics.load(this.words, WORD.sleepers) > 0) Atomics.notify(this.words, WORD.signal);
  }

  /** Lets no more threads in and waits until those inside have left. */
  private close(): void {
    const { words } = this;
    Atomics.or(words, WORD.gate, CLOSED);
    for (let spins = 0; spins < 2000; spins++) if (Atomics.load(words, WORD.gate) === CLOSED) return;
    Atomics.store(words, WORD.mainSleeps, 1);
    for (let gate = Atomics.load(words, WORD.gate); gate !== CLOSED; gate = Atomics.load(words, WORD.gate)) {
      Atomics.wait(words, WORD.gate, gate);
    }
    Atomics.store(words, WORD.mainSleeps, 0);
  }
}
