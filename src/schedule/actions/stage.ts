// Copies what a body reads of a buffer into nearer memory.

import { addIndex, type Atom, type LoopAtom, mulIndex, toIndex } from "../../kernel/index.js";
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
import { mapLoop, allocatedIn, writtenIn, renamed } from "./loops.js";

export function stage(body: readonly Stmt[], a: Extract<Action, { action: "stage" }>): Stmt[] {
  if (a.at === undefined) return stageIn(body, a);
  if (a.space === "scratch")
    throw new ScheduleError("stage: memory shared by all threads is filled at the top of the kernel");
  return mapLoop(body, a.at, (s) => [{ ...s, body: stageIn(s.body, a) }]);
}

function stageIn(body: readonly Stmt[], a: Extract<Action, { action: "stage" }>): Stmt[] {
  const loads = loadsOf(body).filter((x) => x.buffer.name === a.buffer);
  if (loads.length !== 1)
    throw new ScheduleError(`stage wants one load of ${a.buffer} there, found ${loads.length}`);
  const [original] = loads;
  const inside = new Map<string, LoopAtom>();
  const ambiguous = new Set<string>(a.order.filter((name, i) => a.order.indexOf(name) !== i));
  visitStatements(body, (s) => {
    if (s.kind !== "for") return;
    if (inside.has(s.atom.name)) ambiguous.add(s.atom.name);
    inside.set(s.atom.name, s.atom);
  });
  const loops = a.order.map((name) => {
    if (ambiguous.has(name)) throw new ScheduleError(`stage: loop ${name} is named or stands there twice`);
    const atom = inside.get(name);
    if (atom?.extent.value === undefined)
      throw new ScheduleError(`stage: no loop ${name} of constant length there`);
    return atom;
  });
  // The copy stands right before the statement that reads it first: what earlier ones write is done then.
  const first = body.findIndex((s) => loadsOf([s]).includes(original));
  const own = allocatedIn(body.slice(first));
  const changed = writtenIn(body.slice(first));
  for (const { buffer } of loadsOf([store(original.buffer, 0, original)])) {
    if (own.has(buffer) || changed.has(buffer))
      throw new ScheduleError(`stage: ${a.buffer} depends on ${buffer.name}, which is written there`);
  }
  const mentioned = freeAtoms(original);
  for (const atom of mentioned) {
    const stays = !(atom.kind === "loop" && inside.get(atom.name) === atom) || loops.includes(atom);
    if (!stays) throw new ScheduleError(`stage: ${a.buffer} also depends on ${atomName(atom)}`);
  }
  let size = toIndex(1);
  let place = toIndex(0);
  const fresh = new Map<Atom, LoopAtom>();
  for (const atom of loops) {
    size = mulIndex(size, atom.extent);
    place = addIndex(mulIndex(place, atom.extent), atom);
    fresh.set(atom, renamed(atom, `_${a.buffer}`, atom.extent));
  }
  const { source, value, read } = heldValue(body, original, a.dtype);
  const tile = makeBuffer(`${a.buffer}s`, value.dtype, size, a.space);
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

const atomName = (atom: Atom): string => ("name" in atom ? atom.name : atom.kind);
