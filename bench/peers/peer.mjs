// What each library's adapter gives. `open(threads)` loads the library and gives
//   version  as the library says it
//   note     what limits it here, for the report
//   setup(workload)  makes inputs, compiles and warms up; gives { run, sample, close }:
//     run     computes once; when it is done (or its promise), the result lies complete in the library's memory
//     sample  the numbers by which the result of the last run is compared (for training: the losses of the first steps)
//   openRoofline(amount)  brisc alone: what measures the least time for so many operations and bytes; see src/engine/roofline.ts
//   first()  adds [1, 2, 3] and [4, 5, 6] and gives the numbers: for the time from process start to a first result

/** Thrown by setup: the library cannot do this workload, for the reason given. */
export class Unsupported extends Error {}

/** Losses of the first training steps, which all libraries must agree on. */
export const TRAINING_STEPS = 3;
