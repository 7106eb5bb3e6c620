// Divides a loop of independent iterations among the parts of its body.

import { loopAtom, mulIndex, toIndex } from "../../kernel/index.js";
import {
  alloc,
  type Buffer,
  type ForStmt,
  forLoop,
  loadsOf,
  makeBuffer,
  type Stmt,
  substituteStatements,
} from "../../kernel/ir.js";
import { ScheduleError } from "./action.js";
import { replacing, requireIndependent, writtenIn } from "./loops.js";
import { widen } from "./reorder.js";

/** The loops `{loop}0`, `{loop}1` ... that a loop becomes: one for each nest named, and for what stands between them. */
export function distribute(s: ForStmt, alone: readonly string[]): Stmt[] {
  requireIndependent(s);
  const parts = partsOf(s.body, alone);
  if (parts.length < 2) throw new ScheduleError(`distribute: loop ${s.atom.name} has one part`);
  const users = new Map<Buffer, Set<number>>();
  parts.forEach((part, i) => {
    for (const buffer of [...writtenIn(part), ...loadsOf(part).map((x) => x.buffer)]) {
      const known = users.get(buffer);
      if (known === undefined) users.set(buffer, new Set([i]));
      else known.add(i);
    }
  });
  // What one part leaves for another has a place for each iteration.
  const widened = new Map<Buffer, Buffer>();
  for (const x of s.body) {
    if (x.kind !== "alloc" || (users.get(x.buffer)?.size ?? 0) < 2) continue;
    const { name, dtype, size, space, lanes } = x.buffer;
    widened.set(x.buffer, makeBuffer(name, dtype, mulIndex(size, s.atom.extent), space, lanes));
  }
  const shared = [...widened.values()].map(alloc);
  const loops = parts.map((part, i) => {
    const own = loopAtom(`${s.atom.name}${i}`, s.atom.extent);
    const kept = part.filter((x) => x.kind !== "alloc" || !widened.has(x.buffer));
    const body = widen(kept, s.atom, s.loop, widened);
    return forLoop(own, substituteStatements(body, replacing(s.atom, toIndex(own))), s.loop);
  });
  return [...shared, ...loops];
}

function partsOf(body: readonly Stmt[], alone: readonly string[]): Stmt[][] {
  const parts: Stmt[][] = [];
  let between: Stmt[] = [];
  const close = (): void => {
    if (between.some((x) => x.kind !== "alloc")) {
      parts.push(between);
      between = [];
    }
  };
  for (const s of body) {
    if (s.kind === "for" && alone.includes(s.atom.name)) {
      close();
      // Memory allocated for the nest goes with it.
      parts.push([...between, s]);
      between = [];
    } else between.push(s);
  }
  close();
  return parts;
}
