// Copies what a body reads of a buffer into nearer memory.

import { addIndex, type Atom, type LoopAtom, loopAtom, mulIndex, toIndex } from "../../kernel/index.js";
import {
  alloc,
  cast,
  type Expr,
  exprsOf,
  forLoop,
  freeAtoms,
  type LoadExpr,
  load,
  loadsOf,
  makeBuffer,
  type Stmt,
  store,
  substituteStatements,
  topologicalOrder,
  visitStatements,
} from "../../kernel/ir.js";
import { type DType, holds, isInteger } from "../../scalar/dtype.js";
import { rewriteBody } from "../../kernel/rewrite.js";
import { ScheduleError, type Action } from "./action.js";
import { mapLoop, allocatedIn, writtenIn } from "./loops.js";

type Stage = Extract<Action, { action: "stage" }>;

/** The names of a copy and of the loops that fill it. */
export interface CopyNames {
  readonly buffer: string;
  readonly loops: readonly string[];
}

export function stage(body: readonly Stmt[], a: Stage): Stmt[] {
  const names = copyNames(body, a.buffer, a.order);
  if (a.at === undefined) return stageIn(body, a, names);
  if (a.space === "scratch")
    throw new ScheduleError("stage: memory shared by all threads is filled at the top of the kernel");
  return mapLoop(body, a.at, (s) => [{ ...s, body: stageIn(s.body, a, names) }]);
}

/** What the next copy of a buffer is called in a kernel, and its loops, one for each of `order`. */
export function copyNames(body: readonly Stmt[], buffer: string, order: readonly string[]): CopyNames {
  const taken = new Set<string>();
  visitStatements(body, (s) => s.kind === "alloc" && taken.add(s.buffer.name));
  let number = "";
  for (let i = 2; taken.has(`${buffer}s${number}`); i++) number = `${i}`;
  const suffix = number === "" ? buffer : `${buffer}_${number}`;
  return { buffer: `${buffer}s${number}`, loops: order.map((name) => `${name}_${suffix}`) };
}

function stageIn(body: readonly Stmt[], a: Stage, names: CopyNames): Stmt[] {
  const inside = new Map<string, LoopAtom>();
  const bound = new Set<Atom>();
  const ambiguous = new Set<string>(a.order.filter((name, i) => a.order.indexOf(name) !== i));
  visitStatements(body, (s) => {
    if (s.kind !== "for") return;
    if (inside.has(s.atom.name)) ambiguous.add(s.atom.name);
    inside.set(s.atom.name, s.atom);
    bound.add(s.atom);
  });
  const loops = a.order.map((name) => {
    if (ambiguous.has(name)) throw new ScheduleError(`stage: loop ${name} is named or stands there twice`);
    const atom = inside.get(name);
    if (atom?.extent.value === undefined)
      throw new ScheduleError(`stage: no loop ${name} of constant length there`);
    return atom;
  });
  const isInside = (atom: Atom): atom is LoopAtom => bound.has(atom);
  const movesWithThese = (x: LoadExpr): boolean => {
    const own = [...freeAtoms(x)].filter(isInside);
    return own.every((atom) => loops.includes(atom)) && loops.every((atom) => own.includes(atom));
  };
  const loads = loadsOf(body).filter((x) => x.buffer.name === a.buffer);
  const fitting = loads.length === 1 ? loads : loads.filter(movesWithThese);
  if (fitting.length !== 1) {
    throw new ScheduleError(
      `stage wants one load of ${a.buffer} there that moves with these loops, found ${fitting.length} of ${loads.length}`,
    );
  }
  const [original] = fitting;
  // The copy stands right before the statement that reads it first: what earlier ones write is done then.
  const first = body.findIndex((s) => loadsOf([s]).includes(original));
  const own = allocatedIn(body.slice(first));
  const changed = writtenIn(body.slice(first));
  for (const { buffer } of loadsOf([store(original.buffer, 0, original)])) {
    if (own.has(buffer) || changed.has(buffer))
      throw new ScheduleError(`stage: ${a.buffer} depends on ${buffer.name}, which is written there`);
  }
  for (const atom of freeAtoms(original)) {
    if (isInside(atom) && !loops.includes(atom))
      throw new ScheduleError(`stage: ${a.buffer} also depends on ${atom.name}`);
  }
  let size = toIndex(1);
  let place = toIndex(0);
  const fresh = new Map<Atom, LoopAtom>();
  for (const [i, atom] of loops.entries()) {
    size = mulIndex(size, atom.extent);
    place = addIndex(mulIndex(place, atom.extent), atom);
    fresh.set(atom, loopAtom(names.loops[i], atom.extent));
  }
  const { source, value, read } = heldValue(body, original, a.dtype);
  const tile = makeBuffer(names.buffer, value.dtype, size, a.space);
  let copy: Stmt[] = substituteStatements([store(tile, place, value)], (atom) => {
    const own = fresh.get(atom);
    return own && toIndex(own);
  });
  for (const atom of [...loops].reverse()) copy = [forLoop(fresh.get(atom)!, copy)];
  const used = rewriteBody(body, (x) => (x === source ? read(load(tile, place)) : x));
  return [...used.slice(0, first), alloc(tile), ...copy, ...used.slice(first)];
}

interface Held {
  /** What in the body is read from the copy. */
  readonly source: Expr;
  /** What the copy holds of it. */
  readonly value: Expr;
  readonly read: (held: Expr) => Expr;
}

/** An operand as the copy holds it: as it is in memory, or as the one cast that uses it makes it. */
function heldValue(body: readonly Stmt[], original: LoadExpr, dtype: DType | undefined): Held {
  if (dtype === undefined || dtype === original.dtype) {
    return { source: original, value: original, read: (held) => held };
  }
  const roots: Expr[] = [];
  visitStatements(body, (s) => roots.push(...exprsOf(s)));
  const users = topologicalOrder(roots).filter((x) => x.args.includes(original));
  const [user] = users;
  if (users.length === 1 && user.op === "cast") {
    if (user.dtype === dtype) return { source: user, value: user, read: (held) => held };
    if (holds(dtype, original.dtype) && isInteger(user.dtype))
      return { source: user, value: cast(original, dtype), read: (held) => cast(held, user.dtype) };
  }
  throw new ScheduleError(`stage: ${original.buffer.name} is not used as ${dtype}`);
}
