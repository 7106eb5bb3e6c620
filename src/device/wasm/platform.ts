// What the wasm device needs of Node, if it runs in Node at all: threads, the engine's flags, the environment. In a
// page there is none of it, and the device works on one thread.

export interface WorkerHandle {
  postMessage(message: unknown): void;
  terminate(): Promise<unknown>;
}

export interface Platform {
  /** Threads that can run at once. */
  readonly threads: number;
  /** Code can be kept in files between processes. */
  readonly hasFiles: boolean;
  /** A thread that runs this CommonJS source, kept from holding the process alive; undefined where there are none. */
  readonly startWorker: ((source: string, workerData: unknown) => WorkerHandle) | undefined;
  /** Major version of V8, in Node alone. */
  readonly v8Version: readonly [major: number, minor: number] | undefined;
  /** Sets a V8 flag for the whole process. */
  setEngineFlag(flag: string): void;
}

const PAGE: Platform = {
  threads: 1,
  hasFiles: false,
  startWorker: undefined,
  v8Version: undefined,
  setEngineFlag: () => {},
};

export function currentPlatform(): Platform {
  if (typeof process === "undefined" || process.versions?.v8 === undefined) return PAGE;
  const threads = process.getBuiltinModule("node:worker_threads");
  const os = process.getBuiltinModule("node:os");
  const [major, minor] = process.versions.v8.split(".").map(Number);
  return {
    hasFiles: true,
    threads: Math.max(1, Math.min(limitOfThreads(), os.availableParallelism())),
    v8Version: [major, minor],
    startWorker: (source, workerData) => {
      const worker = new threads.Worker(source, { eval: true, workerData, execArgv: [], name: "brisc-wasm" });
      worker.unref();
      worker.on("error", () => {}); // work goes on without a thread that could not start
      return worker;
    },
    setEngineFlag: (flag) => process.getBuiltinModule("node:v8").setFlagsFromString(flag),
  };
}

/** BRISC_THREADS, where it is a positive whole number. */
function limitOfThreads(): number {
  const asked = process.env.BRISC_THREADS;
  if (asked === undefined || asked === "") return Number.POSITIVE_INFINITY;
  const limit = Number(asked);
  if (!Number.isInteger(limit) || limit < 1) {
    throw new Error(`BRISC_THREADS is "${asked}"; it must be a whole number of at least 1`);
  }
  return limit;
}
