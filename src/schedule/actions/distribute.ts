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
    if (x.kind !== "alloc") continue;
    const [user, ...others] = users.get(x.buffer) ?? [];
    if (others.length === 0) {
      if (user !== undefined) parts[user].unshift(x);
      continue;
    }
    const { name, dtype, size, space, lanes } = x.buffer;
    widened.set(x.buffer, makeBuffer(name, dtype, mulIndex(size, s.atom.extent), space, lanes));
  }
  const shared = [...widened.values()].map(alloc);
  const loops = parts.map((part, i) => {
    const own = loopAtom(`${s.atom.name}${i}`, s.atom.extent);
    const body = widen(part, s.atom, s.loop, widened);
    return forLoop(own, substituteStatements(body, replacing(s.atom, toIndex(own))), s.loop);
  });
  return [...shared, ...loops];
}

/** What stands alone, and what is between; without the memory that is allocated. */
function partsOf(body: readonly Stmt[], alone: readonly string[]): Stmt[][] {
  const parts: Stmt[][] = [];
  let between: Stmt[] = [];
  for (const s of body) {
    if (s.kind === "alloc") continue;
    if (s.kind === "for" && alone.includes(s.atom.name)) {
      if (between.length > 0) parts.push(between);
      parts.push([s]);
      between = [];
    } else between.push(s);
  }
  return between.length > 0 ? [...parts, between] : parts;
}
