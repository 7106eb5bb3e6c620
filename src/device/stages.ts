// Where the time of compiling goes: milliseconds of each stage since they were last taken, for DEBUG=1 and benchmarks.

/**
 * In order: `simplify` (a graph's canonical copy), `fuse`, `schedule`, `lower`, `code` (text or bytes of programs),
 * `compile` (by the compiler or the engine; waiting included), `load` (code made ready to be called).
 */
export type Stage = "simplify" | "fuse" | "schedule" | "lower" | "code" | "compile" | "load";

const times = new Map<Stage, number>();

/** Does a stage's work and counts its time. */
export function timed<T>(stage: Stage, work: () => T): T {
  const start = performance.now();
  try {
    return work();
  } finally {
    addTime(stage, performance.now() - start);
  }
}

export function addTime(stage: Stage, milliseconds: number): void {
  times.set(stage, (times.get(stage) ?? 0) + milliseconds);
}

/** The milliseconds of each stage since the last call. */
export function takeTimes(): [Stage, number][] {
  const taken = [...times];
  times.clear();
  return taken;
}
