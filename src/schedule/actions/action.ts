// A schedule is a list of actions, as data: it can be printed, stored and applied again (apply.ts). Loops are named;
// names are unique within a kernel.

import type { DType } from "../../scalar/dtype.js";

export type Tail = "peel" | "guard" | "overlap";
export type Layout = "inner" | "outer" | "shared" | "own";

export type Action =
  /**
   * loop -> `{loop}o` x `{loop}i` of `factor`. A rest is done by a loop `{loop}t` after it (`peel`), or under conditions
   * (`guard`), or the last part begins earlier and does some iterations again (`overlap`: no other code, no condition;
   * for bodies that may run twice).
   */
  | {
      readonly action: "split";
      readonly loop: string;
      readonly factor: number;
      readonly tail: Tail;
    }
  /** Two loops, one directly in the other, become one, if every address allows it; it keeps the outer's name. */
  | { readonly action: "collapse"; readonly outer: string; readonly inner: string }
  /** Moves a loop of independent iterations inwards, over statements and through loops; until inside `inside`. */
  | { readonly action: "reorder"; readonly loop: string; readonly inside?: string }
  /**
   * Divides a loop among the parts of its body: the nests named stand alone, what is between them stays together. Memory
   * that passes from part to part has a place for each iteration.
   */
  | { readonly action: "distribute"; readonly loop: string; readonly alone: readonly string[] }
  /** Two loops of one length that follow each other become one, which keeps the first's name. */
  | { readonly action: "merge"; readonly first: string; readonly second: string }
  /** Computes what a loop stores in memory of its thread where it is read instead. */
  | { readonly action: "inline"; readonly buffer: string }
  /**
   * The loop looks for the largest of some values; where it is subtracted from one of them, the difference is not positive:
   * exponentials of it become e^min(x - largest, 0), which needs no care for overflow.
   */
  | { readonly action: "bound"; readonly loop: string }
  /** Keeps a row where the output will lie that is computed from it, instead of in memory of its thread. */
  | { readonly action: "overlay"; readonly row: string; readonly output: string }
  /** Takes factors common to all terms out of the sum over a loop: its total is multiplied by them where it is read. */
  | { readonly action: "factor"; readonly loop: string }
  /** Moves a loop out of a sum whose total, times factors, is added to another sum: its parts are added one by one. */
  | { readonly action: "raise"; readonly loop: string }
  /**
   * Takes the largest element of a row, the sums of e^(element - largest) and of its products, and what else loops over
   * the row's length, in one pass over blocks of it: a larger element found later scales the sums so far (online softmax).
   */
  | { readonly action: "online"; readonly loop: string; readonly block: number }
  | { readonly action: "unroll"; readonly loop: string }
  | { readonly action: "vectorize"; readonly loop: string }
  | { readonly action: "parallel"; readonly loop: string }
  /**
   * The iterations of a loop of a reduction accumulate separately and are joined after it: as lanes (`inner`: the
   * loop's parts lie next to each other), as further accumulators (`outer`), in memory that threads share (`shared`),
   * or each joins what it has by itself before the next (`own`: nothing inside an iteration waits for another).
   */
  | { readonly action: "rfactor"; readonly loop: string; readonly layout: Layout }
  /**
   * A loop that carries a running total: its iterations go in lanes, whose prefixes are joined in log2 steps, or in
   * blocks that threads share, each of which begins with what those before it add up to.
   */
  | { readonly action: "prefix"; readonly loop: string; readonly layout: "lanes" | "shared" }
  /**
   * Copies what the body of `at` (or the kernel) reads of a buffer into nearer memory, laid out in the order of the
   * loops named, last fastest; what lies beyond the buffer becomes zero.
   */
  | {
      readonly action: "stage";
      readonly buffer: string;
      readonly at: string | undefined;
      readonly order: readonly string[];
      readonly space: "local" | "scratch";
      /** What the copy holds: what a cast to this dtype makes of each element, or the elements in a wider integer. */
      readonly dtype?: DType;
    }
  /** The loops from this one inwards, a sum of products of two operands, become a tile of a matrix unit. */
  | { readonly action: "tensorize"; readonly loop: string; readonly unit: string }
  /** Fills memory that threads share part by part, each inside the iteration of `at` that reads it: there it is local. */
  | { readonly action: "compute"; readonly buffer: string; readonly at: string }
  /** Splits a loop's range where conditions on it alone change, so that inside they hold or fail throughout. */
  | { readonly action: "partition"; readonly loop: string }
  /** What is stored to a buffer goes past the caches, as it is too large to be found there when it is read. */
  | { readonly action: "stream"; readonly buffer: string }
  /**
   * The body of `at` asks for what it will read of a buffer at its own place, but so many iterations of `next`, a loop
   * around it or itself, later: of short loops inside of it for each line of memory, of others for the first.
   */
  | {
      readonly action: "prefetch";
      readonly buffer: string;
      readonly at: string;
      readonly next: string;
      readonly ahead: number;
    };

export class ScheduleError extends Error {
  override name = "ScheduleError";
}

export const printAction = (a: Action): string => {
  const { action, ...fields } = a;
  return `${action}(${Object.values(fields)
    .filter((x) => x !== undefined)
    .map((x) => (Array.isArray(x) ? `[${x.join(" ")}]` : String(x)))
    .join(", ")})`;
};
