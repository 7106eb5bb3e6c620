// Divides a kernel into phases: each top-level parallel loop (joined before with the parallel loops directly inside it) is a
// phase that threads share; everything between runs on one thread.

import {
  type Atom,
  divIndex,
  type Index,
  type LoopAtom,
  loopAtom,
  modIndex,
  mulIndex,
  toIndex,
} from "../kernel/index.js";
import {
  type Buffer,
  type ForStmt,
  forLoop,
  loadsOf,
  makeBuffer,
  type Stmt,
  substituteStatements,
  visitStatements,
  writtenBy,
} from "../kernel/ir.js";
import { replaceBuffers } from "../kernel/rewrite.js";
import type { Phase } from "./program.js";
import { steps } from "./work.js";

/**
 * Local memory is one thread's and lasts one phase: what a buffer allocated at the top holds for several phases, or for
 * all threads of one, moves to memory that they share.
 */
export function shareLocals(body: readonly Stmt[]): Stmt[] {
  const phasesOf = new Map<Buffer, Set<number>>();
  let phase = 0;
  for (const s of body) {
    const divides = s.kind === "for" && s.loop === "parallel";
    if (divides) phase++;
    if (s.kind === "alloc" && s.buffer.space === "local") phasesOf.set(s.buffer, new Set([phase]));
    for (const { buffer } of loadsOf([s])) phasesOf.get(buffer)?.add(phase);
    visitStatements([s], (inner) => {
      const written = writtenBy(inner);
      if (written !== undefined) phasesOf.get(written)?.add(phase);
    });
    if (divides) phase++;
  }
  const shared = new Map<Buffer, Buffer>();
  for (const [buffer, phases] of phasesOf) {
    if (phases.size === 1) continue;
    shared.set(buffer, makeBuffer(buffer.name, buffer.dtype, buffer.size, "scratch", buffer.lanes));
  }
  return shared.size === 0 ? [...body] : replaceBuffers(body, shared);
}

/** Operations and accesses to memory that are worth handing to another thread. */
const GRAIN_STEPS = 32_768;

export function splitPhases(body: readonly Stmt[]): { phases: Phase[]; scratch: Buffer[] } {
  const phases: Phase[] = [];
  const scratch: Buffer[] = [];
  let serial: Stmt[] = [];
  const flush = (): void => {
    if (serial.length > 0) phases.push({ atom: loopAtom("once", 1), grain: 1, body: serial });
    serial = [];
  };
  for (const s of body) {
    if (s.kind === "alloc" && s.buffer.space === "scratch") scratch.push(s.buffer);
    else if (s.kind === "for" && s.loop === "parallel") {
      flush();
      phases.push(parallelPhase(s));
    } else serial.push(...inOrder([s]));
  }
  flush();
  return { phases, scratch };
}

/** Parallel loops below others: their iterations are one thread's, one after the other. */
const inOrder = (body: readonly Stmt[]): Stmt[] =>
  body.map((s): Stmt => {
    if (s.kind === "if") return { ...s, body: inOrder(s.body) };
    if (s.kind !== "for") return s;
    return forLoop(s.atom, inOrder(s.body), s.loop === "parallel" ? "serial" : s.loop);
  });

function parallelPhase({ atom, body }: ForStmt): Phase {
  const inside = inOrder(body);
  const perIteration = steps(inside).max;
  const grain = Math.max(1, Math.ceil(GRAIN_STEPS / Math.max(1, perIteration)));
  return { atom, grain, body: inside };
}

/** Parallel loops at the top, each directly in another, become one over all their iterations. */
export const joinParallel = (body: readonly Stmt[]): Stmt[] =>
  body.map((s) => (s.kind === "for" && s.loop === "parallel" ? joined(s) : s));

function joined(outermost: ForStmt): ForStmt {
  const loops: LoopAtom[] = [];
  let body: readonly Stmt[] = [outermost];
  for (;;) {
    const [only] = body;
    if (body.length !== 1 || only.kind !== "for" || only.loop !== "parallel") break;
    loops.push(only.atom);
    body = only.body;
  }
  if (loops.length === 1) return outermost;
  const size = loops.reduce<Index>((product, loop) => mulIndex(product, loop.extent), toIndex(1));
  const all = loopAtom(loops.map((loop) => loop.name).join(""), size);
  // i = all / (rest), j = all % (rest) ...
  const values = new Map<Atom, Index>();
  let rest = toIndex(all);
  for (let i = loops.length - 1; i >= 0; i--) {
    values.set(loops[i], i === 0 ? rest : modIndex(rest, loops[i].extent));
    if (i > 0) rest = divIndex(rest, loops[i].extent);
  }
  return forLoop(
    all,
    substituteStatements(body, (atom) => values.get(atom)),
    "parallel",
  );
}
