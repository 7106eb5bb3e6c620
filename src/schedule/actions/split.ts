// Splits a loop in two, with what to do about iterations left over.

import {
  addIndex,
  divIndex,
  type Index,
  isNonNegative,
  type LoopAtom,
  mentions,
  modIndex,
  mulIndex,
  negIndex,
} from "../../kernel/index.js";
import {
  type Buffer,
  constant,
  type Expr,
  type ForStmt,
  forLoop,
  type LoopKind,
  load,
  loadsOf,
  type Stmt,
  scalar,
  validValue,
  visitStatements,
} from "../../kernel/ir.js";
import { renameLoops, rewriteBody } from "../../kernel/rewrite.js";
import { reduceIdentity } from "../../scalar/evaluate.js";
import { ScheduleError, type Tail } from "./action.js";
import {
  allocatedIn,
  atPlace,
  hasLoaded,
  isIndependent,
  ownAllocs,
  renamed,
  requireIndependent,
} from "./loops.js";

/** True for a product whose factors are all read under the condition: beyond it, each is zero. */
function vanishes(x: Expr, inner: LoopAtom, own: ReadonlySet<Buffer>): boolean {
  if (x.op === "mul") return x.args.every((factor) => vanishes(factor, inner, own));
  if (x.op === "cast") return vanishes(x.args[0], inner, own);
  return x.op === "load" && mentions(x.index, inner) && !own.has(x.buffer);
}

/** The loops that a loop becomes by the action. */
export function splitLoop(s: ForStmt, factor: number, tail: Tail): Stmt[] {
  const { atom } = s;
  const extent = atom.extent;
  const rest = modIndex(extent, factor);
  const inner = renamed(atom, "i", factor);
  if (rest.value === 0) {
    const outer = renamed(atom, "o", divIndex(extent, factor));
    return [nest(outer, inner, s.loop, atPlace(s.body, atom, addIndex(mulIndex(outer, factor), inner)))];
  }
  if (tail === "peel") {
    const whole = divIndex(extent, factor);
    const outer = renamed(atom, "o", whole);
    const last = renamed(atom, "t", rest);
    const main = nest(outer, inner, s.loop, atPlace(s.body, atom, addIndex(mulIndex(outer, factor), inner)));
    const peeled = renameLoops(
      atPlace(s.body, atom, addIndex(mulIndex(whole, factor), last)),
      (name) => `${name}_${last.name}`,
    );
    const after = forLoop(last, ownAllocs(peeled), s.loop);
    return whole.value === 0 ? [after] : [main, after];
  }
  const outer = renamed(atom, "o", divIndex(addIndex(extent, factor - 1), factor));
  if (tail === "overlap") {
    const start = overlappedStart(s, outer, factor);
    return [nest(outer, inner, s.loop, atPlace(s.body, atom, addIndex(start, inner)))];
  }
  const place = addIndex(mulIndex(outer, factor), inner);
  const within = addIndex(extent, negIndex(place), -1);
  const reduction = !isIndependent(s);
  return [
    nest(
      outer,
      inner,
      s.loop,
      guard(atPlace(s.body, atom, place), inner, within, reduction, allocatedIn(s.body)),
    ),
  ];
}

const nest = (outer: LoopAtom, inner: LoopAtom, kind: LoopKind, body: readonly Stmt[]): ForStmt =>
  forLoop(outer, [forLoop(inner, body, kind)], kind);

/** Where a part begins: the last one so that it ends with the loop. */
function overlappedStart(s: ForStmt, outer: LoopAtom, factor: number): Index {
  const { extent } = s.atom;
  const parts = outer.extent.value;
  if (parts === undefined || extent.value === undefined || extent.value < factor)
    throw new ScheduleError(`split: loop ${s.atom.name} of ${extent} cannot overlap parts of ${factor}`);
  requireRepeatable(s);
  // One in the last part, else zero: it stays an index, where a smaller-of-two would not.
  const isLast = divIndex(addIndex(outer, 1), parts);
  return addIndex(mulIndex(outer, factor), mulIndex(isLast, extent.value - parts * factor));
}

/** Iterations may run twice: none adds to memory of others, or reads what any writes. */
function requireRepeatable(s: ForStmt): void {
  requireIndependent(s);
  const own = allocatedIn(s.body);
  const written = new Set<Buffer>();
  visitStatements(s.body, (inner) => {
    if (inner.kind === "tile" && !own.has(inner.sums.buffer))
      throw new ScheduleError(`split: an iteration of loop ${s.atom.name} must not run twice`);
    if (inner.kind !== "store" && inner.kind !== "accumulate") return;
    if (own.has(inner.buffer)) return;
    if (inner.kind === "accumulate" || hasLoaded(inner.index))
      throw new ScheduleError(`split: an iteration of loop ${s.atom.name} must not run twice`);
    written.add(inner.buffer);
  });
  if (loadsOf(s.body).some((x) => written.has(x.buffer)))
    throw new ScheduleError(`split: an iteration of loop ${s.atom.name} reads what it writes`);
}

/**
 * Makes iterations beyond the end harmless: they store nothing to memory that others see, load zero from where they
 * have no right to, and add a reduction's identity where the loop is the reduction's own.
 */
function guard(
  body: readonly Stmt[],
  inner: LoopAtom,
  within: Index,
  reduction: boolean,
  own: ReadonlySet<Buffer>,
): Stmt[] {
  const guarded = rewriteBody(body, (x) => {
    if (x.op !== "load" || own.has(x.buffer)) return x;
    if (!mentions(x.index, inner) || isNonNegative(within)) return x;
    return load(x.buffer, x.index, [...x.valid, within], { dtype: x.dtype });
  });
  return guarded.map((s): Stmt => {
    if (s.kind === "for" || s.kind === "if")
      return { ...s, body: guard(s.body, inner, within, reduction, own) };
    if (s.kind === "accumulate" && reduction && !own.has(s.buffer) && !mentions(s.index, inner)) {
      if (s.op === "add" && s.value.op === "mul" && vanishes(s.value, inner, own)) return s;
      const identity = constant(reduceIdentity(s.op, s.value.dtype), s.value.dtype);
      return { ...s, value: scalar("where", validValue([within]), s.value, identity) };
    }
    if ((s.kind === "store" || s.kind === "accumulate") && !own.has(s.buffer)) {
      return { kind: "if", valid: [within], body: [s] };
    }
    return s;
  });
}
