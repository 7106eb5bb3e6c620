// What a schedule needs to know about a loop nest: its loops, its accesses, and how each address moves with each loop.

import { type Index, type LoopAtom, mentions, strideOf } from "../kernel/index.js";
import { type AccumulateStmt, type ForStmt, type LoadExpr, loadsOf, type Stmt } from "../kernel/ir.js";

/** Loops directly in one another, outermost first, and the statements inside the last. */
export interface Chain {
  readonly loops: readonly ForStmt[];
  readonly body: readonly Stmt[];
}

export function chainOf(s: ForStmt): Chain {
  const loops = [s];
  let body = s.body;
  for (;;) {
    const [only] = body;
    if (body.length !== 1 || only.kind !== "for") return { loops, body };
    loops.push(only);
    body = only.body;
  }
}

/** One reduction per output element: `alloc, init, loops { accumulate }, stores`. */
export interface Reduction {
  readonly outputs: readonly LoopAtom[];
  readonly reduced: readonly LoopAtom[];
  readonly accumulate: AccumulateStmt;
  readonly loads: readonly LoadExpr[];
  /** Where results go: indices of the stores after the reduction. */
  readonly stores: readonly Index[];
  /** Where all else that is done for each output reads and stores. */
  readonly accesses: readonly Index[];
}

/** How much larger than all others a nest must be for its reduction to decide the schedule. */
const DOMINANCE = 4;

/**
 * The nest as a reduction of that form, if it is one. Smaller reductions beside the main one (the count by which a
 * gradient is divided, say) take whatever loops it gets.
 */
export function asReduction({ loops, body }: Chain): Reduction | undefined {
  const chains = body.flatMap((s) => (s.kind === "for" ? [chainOf(s)] : []));
  const size = (chain: Chain): number => product(chain.loops.map((s) => s.atom));
  const [main, ...rest] = chains.sort((a, b) => size(b) - size(a));
  if (main === undefined) return undefined;
  if (rest.reduce((sum, chain) => sum + size(chain), 0) * DOMINANCE > size(main)) return undefined;
  for (const chain of chains) {
    const [only] = chain.body;
    if (chain.body.length !== 1 || only.kind !== "accumulate") return undefined;
    if (chain.loops.some((s) => strideOf(only.index, s.atom) !== 0)) return undefined;
  }
  const only = main.body[0] as AccumulateStmt;
  const stores = body.flatMap((s) => (s.kind === "store" && s.buffer.space !== "local" ? [s.index] : []));
  const others = loadsOf(body.filter((s) => s.kind !== "for")).filter((x) => x.buffer.space !== "local");
  return {
    outputs: loops.map((s) => s.atom),
    reduced: main.loops.map((s) => s.atom),
    accumulate: only,
    loads: loadsOf([only]),
    stores,
    accesses: [...stores, ...others.map((x) => x.index)],
  };
}

/** True if the address or the condition of an access changes with the loop. */
export const movesWith = (x: LoadExpr, loop: LoopAtom): boolean =>
  mentions(x.index, loop) || x.valid.some((condition) => mentions(condition, loop));

/** True if the access takes consecutive elements along the loop. */
export const isUnitStride = (x: LoadExpr, loop: LoopAtom): boolean => strideOf(x.index, loop) === 1;

/** Iterations of a loop at most. */
export const tripsOf = (loop: LoopAtom): number => Math.max(1, loop.extent.max);
export const product = (loops: readonly LoopAtom[]): number =>
  loops.reduce((n, loop) => n * tripsOf(loop), 1);
