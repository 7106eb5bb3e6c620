// Workers that load batches: threads of Node, each with a dataset of its own that a module makes.

import type { Worker } from "node:worker_threads";
import { type HostBatch, stackSamples } from "./collate.js";
import { DataError, messageOf } from "./dataset.js";
import { type ErrorText, type Reply, type Request, serve, type WorkerTask } from "./worker-code.js";

export interface WorkerOptions {
  /** Threads. */
  readonly count: number;
  /**
   * The module that makes the dataset, in each thread, `new URL("./samples.js", import.meta.url)`: its default export is the dataset, or a function (perhaps
   * asynchronous) that gives it. `collate`, if it exports one, makes batches of samples. What batches hold goes to the
   * main thread: memory of typed arrays is handed over, not copied, so `batch` gives arrays that it made for the call.
   */
  readonly module: URL;
}

interface Waiting {
  resolve(batch: HostBatch): void;
  reject(error: Error): void;
}

/** A thread and the batches that it owes. */
interface Thread {
  readonly worker: Worker;
  readonly owed: Map<number, Waiting>;
  /** Why it gives no more batches. */
  failure: DataError | undefined;
}

/** Bundlers that keep names wrap functions in a helper, which their text then asks for. */
const SOURCE = `
const __name = (f) => f;
import("node:worker_threads").then(({ parentPort, workerData }) =>
  (${serve})(parentPort, workerData, ${stackSamples}, (url) => import(url)));
`;

export class WorkerPool {
  private readonly threads: Thread[];
  private requests = 0;
  private ended = false;

  /** `length` is how many samples the module's dataset should have. */
  constructor(
    { count, module }: WorkerOptions,
    private readonly length: number,
  ) {
    const node =
      typeof process === "undefined" ? undefined : process.getBuiltinModule?.("node:worker_threads");
    if (node === undefined) {
      throw new DataError(
        "DataLoader: workers need the threads of Node; without `workers` samples are loaded on this thread",
      );
    }
    if (!URL.canParse(String(module)))
      throw new DataError(`DataLoader: the module of workers must be given as a URL, got ${module}`);
    const task: WorkerTask = { module: String(module) };
    this.threads = Array.from({ length: count }, (_, i) => {
      const options = { eval: true, workerData: task, name: `brisc-data-${i}` };
      return this.watched(new node.Worker(SOURCE, options), `worker ${i} of ${module}`);
    });
  }

  /** A batch by the thread that owes the fewest. */
  load(indices: Int32Array): Promise<HostBatch> {
    const thread = this.threads.reduce((a, b) => (b.owed.size < a.owed.size ? b : a));
    return new Promise((resolve, reject) => {
      if (thread.failure !== undefined) return reject(thread.failure);
      const request: Request = { id: this.requests++, indices };
      thread.owed.set(request.id, { resolve, reject });
      // A thread keeps the process alive only while somebody waits for it.
      thread.worker.ref();
      thread.worker.postMessage(request);
    });
  }

  /** Ends the threads, whatever they do. */
  async end(): Promise<void> {
    this.ended = true;
    await Promise.all(this.threads.map(({ worker }) => worker.terminate()));
  }

  private watched(worker: Worker, name: string): Thread {
    const thread: Thread = { worker, owed: new Map(), failure: undefined };
    const fail = (message: string, cause?: unknown) => {
      thread.failure ??= new DataError(`${name}: ${message}`, { cause });
      for (const { reject } of thread.owed.values()) reject(thread.failure);
      thread.owed.clear();
      worker.unref();
    };
    const settle = (id: number, how: (waiting: Waiting) => void) => {
      const waiting = thread.owed.get(id);
      thread.owed.delete(id);
      if (thread.owed.size === 0) worker.unref();
      if (waiting !== undefined) how(waiting);
    };
    worker.on("message", (reply: Reply) => {
      if (reply.kind === "batch") settle(reply.id, ({ resolve }) => resolve(reply.batch));
      else if (reply.kind === "error") {
        const error = new DataError(`${name}: ${reply.error.message}`, { cause: errorOf(reply.error) });
        settle(reply.id, ({ reject }) => reject(error));
      } else if (reply.kind === "failed") fail(reply.error.message, errorOf(reply.error));
      else if (reply.length !== this.length)
        fail(`its dataset has ${reply.length} samples, that of the main thread has ${this.length}`);
    });
    worker.on("messageerror", (error) => fail(`a batch could not be read: ${messageOf(error)}`, error));
    worker.on("error", (error) => fail(messageOf(error), error));
    worker.on("exit", (code) =>
      fail(this.ended ? "it was ended before its batches came" : `it exited with code ${code}`),
    );
    // After the listeners, since listening holds the process.
    worker.unref();
    return thread;
  }
}

/** An error of another thread, with the stack it had there. */
const errorOf = ({ message, stack }: ErrorText): Error => Object.assign(new Error(message), { stack });
