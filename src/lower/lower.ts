// Lowers a scheduled kernel to a program for one target. A flat recipe of passes:
//   threads     parallel loops in one another become one (after `words`, which may make some serial)  (phases.ts)
//   unroll      write out loops marked so                           (unroll.ts)
//   vectorise   turn loops over lanes into vector statements        (vectorise.ts)
//   scatters    shuffles and vector stores for tiles that are scattered               (scatters.ts)
//   gathers     vector loads and shuffles for tiles and runs that are gathered       (gathers.ts)
//   caches      what kernels say about caches, as the target can do it  (caches.ts)
//   share       what several phases use lies in memory that threads share (phases.ts)
//   words       where memory has no narrower pieces, iterations write whole words  (words.ts)
//   registers   small local buffers become variables                (registers.ts)
//   scalars     any operation on any dtype in the machine's few     (scalars.ts)
//   int64       pairs of words, where there are no 64-bit integers (int64.ts)
//   pack        narrow elements in words, where memory has no narrower pieces      (words.ts)
//   phases      divide among threads                                (phases.ts)
//   locals      place thread-private memory                         (locals.ts)
//   lets        name what is shared, move out what does not change  (lets.ts)

import { cacheHints } from "./caches.js";
import type { Target } from "../device/target.js";
import { loopAtom } from "../kernel/index.js";
import type { Buffer, Kernel, Stmt } from "../kernel/ir.js";
import { shuffleGathers } from "./gathers.js";
import { shuffleScatters } from "./scatters.js";
import { pairIntegers } from "./int64.js";
import { bindLets } from "./lets.js";
import { placeLocals } from "./locals.js";
import { joinParallel, shareLocals, splitPhases } from "./phases.js";
import type { Phase, Program } from "./program.js";
import { requireDTypes } from "./support.js";
import { promoteRegisters } from "./registers.js";
import { lowerScalars } from "./scalars.js";
import { unrollLoops } from "./unroll.js";
import { vectoriseLoops } from "./vectorise.js";
import { packWords, wholeWords } from "./words.js";
import { workOf } from "./work.js";

/** The program of a kernel; the interpreter takes kernels as they are. `original` counts the work, if given. */
export function lowerKernel(kernel: Kernel, target: Target, original: Kernel = kernel): Program {
  const { name, params, symbols } = kernel;
  const work = workOf(original);
  if (target.language === "interpreter") {
    const whole: Phase = { atom: loopAtom("once", 1), grain: 1, body: kernel.body };
    return { name, params, symbols, ...work, phases: [whole], scratch: [], localBytes: 0 };
  }
  requireDTypes(kernel, target);
  const inWords = target.storageBytes === 4;
  const flattened = vectoriseLoops(unrollLoops(inWords ? kernel.body : joinParallel(kernel.body)));
  const shared = shareLocals(cacheHints(shuffleScatters(shuffleGathers(flattened)), target));
  const flat = promoteRegisters(inWords ? joinParallel(wholeWords(shared)) : shared);
  const scalars = lowerScalars(flat, target);
  const paired = target.dtypes.has("int64") ? unchanged(scalars.body) : pairIntegers(scalars.body);
  const packed = inWords ? packWords(paired.body) : unchanged(paired.body);
  const { phases, scratch } = splitPhases(packed.body);
  if (params.length + scratch.length > target.maxBuffers && kernel !== original) {
    // As the fuser wrote it, a kernel runs on one thread and shares no memory.
    return lowerKernel(original, target);
  }
  let localBytes = 0;
  const placed = phases.map((phase): Phase => {
    const locals = placeLocals(phase.body);
    localBytes = Math.max(localBytes, locals.bytes);
    return { ...phase, body: bindLets(locals.body, phase.atom) };
  });
  const own = params.map((buffer) =>
    [scalars, paired, packed].reduce((known, { replaced }) => replaced.get(known) ?? known, buffer),
  );
  return { name, params: own, symbols, ...work, phases: placed, scratch, localBytes };
}

const unchanged = (
  body: readonly Stmt[],
): { body: readonly Stmt[]; replaced: ReadonlyMap<Buffer, Buffer> } => ({
  body,
  replaced: new Map(),
});
