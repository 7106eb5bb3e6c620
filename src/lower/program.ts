// A program: a kernel made legal for one target, in the form that code generators print.
//
// What holds of a program (checked by `verifyProgram` in tests):
// - Register dtypes only: every expression is bool, int32, uint32, int64, uint64, float32 or float64. Buffers may hold
//   bool, (u)int8..64, float32, float64; half, bfloat16 and float8 buffers have become uint16 or uint8 ones, but for those
//   that the target converts: a value of them is loaded, or cast from float32, and cast to float32, or stored.
//   A load's dtype is the buffer's, or int32/uint32 for narrower integers (sign- or zero-extended); a store wraps to
//   the buffer's width. bool is one byte, 0 or 1.
// - Operations: const, index, valid, load, ref, splat, pack, extract, shuffle, cast, bitcast, where, comparisons; on floats add sub mul
//   div neg abs sqrt floor trunc round max min fma (max and min give NaN if either is NaN, and of
//   two zeros either); on integers add sub mul
//   neg abs max min and or xor not shl shr quot rem (shift amounts in [0, width), divisors not 0, no overflow of
//   quot); on bool and or xor not. cast between any two register dtypes as ir.ts says (saturating, NaN to 0).
// - Lanes are 1 or a power of two up to the target's; vector loads and stores are contiguous, maybe unaligned; a load's
//   predicate is scalar. Masks are bool vectors.
// - Statements: serial `for`, `store`, `alloc`, `if`, `let`, `letIndex`. No `accumulate`. Register buffers are read and
//   written at constant indices only and hold `lanes`-wide variables; local buffers have byte offsets.
// - A store marked `stream` is a vector at a multiple of its lanes, and with its neighbours fills lines of 64 bytes.
// - On a target without 64-bit integers none appear: they are pairs of uint32. On one whose storage comes in words of
//   32 bits, neither do buffers of narrower elements, and no two iterations of a phase store into one word.
// - Every phase is a function over a range of one parallel loop; the phases of a program run one after the other.

import type { Index, LoopAtom, SymbolAtom } from "../kernel/index.js";
import { type Buffer, loadsOf, type Stmt, visitStatements } from "../kernel/ir.js";

/** A phase as whoever runs it sees it. */
export interface PhaseFacts {
  /** The loop over which the phase is split among threads; its iterations are independent. */
  readonly atom: LoopAtom;
  /** How many iterations are worth handing to one thread at least. */
  readonly grain: number;
  /** Which of the program's buffers it reads and writes, by their places among parameters and scratch; if known. */
  readonly touches?: Touches;
}

export interface Touches {
  readonly reads: readonly number[];
  readonly writes: readonly number[];
}

export interface Phase extends PhaseFacts {
  readonly body: readonly Stmt[];
}

/** What whoever gives a program its memory and runs it must know; its code is elsewhere. */
export interface ProgramFacts {
  /** Shows its loops, such as `r_64_256_1024`. */
  readonly name: string;
  /** Parameters in the order in which they are passed, then scratch buffers, which the caller allocates. */
  readonly params: readonly Buffer[];
  readonly scratch: readonly Buffer[];
  readonly symbols: readonly SymbolAtom[];
  readonly phases: readonly PhaseFacts[];
  /** Bytes of thread-private memory for local buffers; their allocs hold offsets into it, 64-byte aligned. */
  readonly localBytes: number;
  /** Scalar operations executed and bytes that must move at least, for profiles. */
  readonly flops: Index;
  readonly bytes: Index;
}

export interface Program extends ProgramFacts {
  readonly phases: readonly Phase[];
}

/** The facts alone: a program's loop nests are large, and not needed once there is code. */
export const factsOf = (program: ProgramFacts): ProgramFacts => ({
  ...program,
  phases: program.phases.map((phase) => {
    const { atom, grain, touches } = phase;
    return { atom, grain, touches: "body" in phase ? touchesOf(program, (phase as Phase).body) : touches };
  }),
});

function touchesOf({ params, scratch }: ProgramFacts, body: readonly Stmt[]): Touches {
  const buffers = [...params, ...scratch];
  const places = (used: Iterable<Buffer>): number[] =>
    [...new Set(used)].map((buffer) => buffers.indexOf(buffer)).filter((place) => place >= 0);
  const written: Buffer[] = [];
  visitStatements(body, (s) => {
    if (s.kind === "store") written.push(s.buffer);
  });
  return { reads: places(loadsOf(body).map((x) => x.buffer)), writes: places(written) };
}
