// Divides a kernel into phases: each top-level parallel loop (with the parallel loops directly inside it, as one loop
// over all their iterations) is a phase that threads share; everything between runs on one thread.

import type { Target } from "../device/target.js";
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
import { type Buffer, type ForStmt, type Stmt, substituteStatements } from "../kernel/ir.js";
import type { Phase } from "./program.js";
import { operations } from "./work.js";

/** Scalar operations that are worth handing to another thread. */
const GRAIN_OPERATIONS = 32_768;

export function splitPhases(body: readonly Stmt[], _target: Target): { phases: Phase[]; scratch: Buffer[] } {
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
    } else serial.push(s);
  }
  flush();
  return { phases, scratch };
}

function parallelPhase(outermost: ForStmt): Phase {
  const loops: LoopAtom[] = [];
  let body: readonly Stmt[] = [outermost];
  for (;;) {
    const [only] = body;
    if (body.length !== 1 || only.kind !== "for" || only.loop !== "parallel") break;
    loops.push(only.atom);
    body = only.body;
  }
  const perIteration = operations(body).max;
  const grain = Math.max(1, Math.ceil(GRAIN_OPERATIONS / Math.max(1, perIteration)));
  if (loops.length === 1) return { atom: loops[0], grain, body };
  const size = loops.reduce<Index>((product, loop) => mulIndex(product, loop.extent), toIndex(1));
  const all = loopAtom(loops.map((loop) => loop.name).join(""), size);
  // i = all / (rest), j = all % (rest) ...
  const values = new Map<Atom, Index>();
  let rest = toIndex(all);
  for (let i = loops.length - 1; i >= 0; i--) {
    values.set(loops[i], i === 0 ? rest : modIndex(rest, loops[i].extent));
    if (i > 0) rest = divIndex(rest, loops[i].extent);
  }
  return { atom: all, grain, body: substituteStatements(body, (atom) => values.get(atom)) };
}
