// The first bytes of the device's memory: words through which threads meet, the tables of the running kernel, and each
// thread's own memory. Buffers lie behind.

/** Places of 32-bit words. Words that different threads write often lie on cache lines of their own. */
export const WORD = {
  /** Counts jobs and messages; threads wait here for something to do. */
  signal: 16,
  /** Threads asleep on `signal`. */
  sleepers: 32,
  /** Threads at work on the current job, plus CLOSED while there is none to join. */
  gate: 48,
  /** 1 while the main thread sleeps on `gate`. */
  mainSleeps: 49,
  /** The next iteration to take. */
  next: 64,
  /** The current job. */
  end: 80,
  chunk: 81,
  module: 82,
  func: 83,
  /** Set when a thread's kernel trapped. */
  failed: 84,
  /** Set to end all threads. */
  exit: 85,
} as const;

export const CLOSED = 2 ** 30;

/** Bytes. */
export const CONTROL_BYTES = 1024;
export const ARGS_AT = 1024;
export const MAX_BUFFERS = 256;
export const SYMBOLS_AT = ARGS_AT + MAX_BUFFERS * 4;
export const MAX_SYMBOLS = 256;
export const LOCAL_AT = 4096;
/** Each thread's own memory. Pages that are not touched cost nothing. */
export const LOCAL_BYTES = 2 ** 20;

export const localAddress = (thread: number): number => LOCAL_AT + thread * LOCAL_BYTES;
export const heapStart = (threads: number): number => localAddress(threads);
