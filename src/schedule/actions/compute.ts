// Fills shared memory part by part where it is used: the nest that fills it goes into the loop that reads it.

import {
  addIndex,
  type Index,
  type LoopAtom,
  mulIndex,
  negIndex,
  strideOf,
  toIndex,
} from "../../kernel/index.js";
import {
  alloc,
  type Buffer,
  type ForStmt,
  load,
  loadsOf,
  makeBuffer,
  type Stmt,
  substituteStatements,
  visitStatements,
  writtenBy,
} from "../../kernel/ir.js";
import { rewriteBody } from "../../kernel/rewrite.js";
import { ScheduleError } from "./action.js";
import { replacing } from "./loops.js";

/**
 * See the action. The outermost loops of the nest that fills the buffer and of the one that reads it must have the same
 * length, and each iteration of either its own part of the buffer, the parts in the same order.
 */
export function computeInside(body: readonly Stmt[], name: string, at: string): Stmt[] {
  const fail = (why: string): never => {
    throw new ScheduleError(`compute: ${name} cannot be filled inside ${at}: ${why}`);
  };
  const allocated = body.find(
    (s) => s.kind === "alloc" && s.buffer.name === name && s.buffer.space === "scratch",
  );
  if (allocated?.kind !== "alloc") return fail("it is no memory that threads share");
  const { buffer } = allocated;
  const touching = body.filter((s) => s !== allocated && touches(s, buffer));
  const [fill, user] = touching;
  if (touching.length !== 2 || fill.kind !== "for" || user.kind !== "for" || user.atom.name !== at)
    return fail("it is not filled by one nest and read by one other");
  if (loadsOf([fill]).some((x) => x.buffer === buffer) || stores(user, buffer))
    return fail("both nests write it");
  const extent = fill.atom.extent.value;
  if (extent === undefined || user.atom.extent.value !== extent) return fail("the loops differ in length");
  const size = buffer.size.value;
  if (size === undefined || size % extent !== 0) return fail("its parts differ");
  const part = size / extent;
  const rest = (index: Index, loop: LoopAtom): Index => {
    const own = addIndex(index, negIndex(mulIndex(loop, part)));
    if (strideOf(index, loop) !== part || own.min < 0 || own.max >= part) fail("iterations share parts");
    return own;
  };
  const own = makeBuffer(buffer.name, buffer.dtype, part, "local");
  const filled = fill.body.map((s) => intoPart(s, buffer, own, (x) => rest(x, fill.atom)));
  const inside = substituteStatements(filled, replacing(fill.atom, toIndex(user.atom)));
  const used = rewriteBody(user.body, (x) =>
    x.op === "load" && x.buffer === buffer
      ? load(own, rest(x.index, user.atom), x.valid, { dtype: x.dtype, lanes: x.lanes })
      : x,
  );
  const merged: ForStmt = { ...user, body: [alloc(own), ...inside, ...used] };
  return body.flatMap((s) => (s === allocated || s === fill ? [] : s === user ? [merged] : [s]));
}

function stores(s: Stmt, buffer: Buffer): boolean {
  let found = false;
  visitStatements([s], (inner) => {
    if (writtenBy(inner) === buffer) found = true;
  });
  return found;
}

const touches = (s: Stmt, buffer: Buffer): boolean =>
  stores(s, buffer) || loadsOf([s]).some((x) => x.buffer === buffer);

function intoPart(s: Stmt, from: Buffer, to: Buffer, place: (x: Index) => Index): Stmt {
  if (s.kind === "for" || s.kind === "if")
    return { ...s, body: s.body.map((inner) => intoPart(inner, from, to, place)) };
  if (s.kind !== "store" || s.buffer !== from) return s;
  return { ...s, buffer: to, index: place(s.index) };
}
