// Says of e^(x - m) that x - m is not positive, where m is the largest x of a row: lowering needs to think of no overflow
// then.

import { type Atom, type Index, type LoopAtom, toIndex } from "../../kernel/index.js";
import {
  type Buffer,
  constant,
  type Expr,
  type ForStmt,
  freeAtoms,
  loadsOf,
  type Stmt,
  scalar,
  substituteExpr,
} from "../../kernel/ir.js";
import { rewriteBody } from "../../kernel/rewrite.js";
import { isFloat } from "../../scalar/dtype.js";
import { chainOf } from "../nest.js";
import { ScheduleError } from "./action.js";
import { mapBlock, whole, writtenIn } from "./loops.js";

/** A nest that looks for the largest of some values. */
export interface Largest {
  readonly buffer: Buffer;
  readonly value: Expr;
  readonly loops: readonly LoopAtom[];
}

/** What a nest looks for, if it does nothing else. */
export function largestOf(s: ForStmt): Largest | undefined {
  const { loops, body } = chainOf(s);
  const [only] = body;
  if (body.length !== 1 || only.kind !== "accumulate" || only.op !== "max") return undefined;
  if (!isFloat(only.buffer.dtype) || only.buffer.size.value !== 1 || only.index.value !== 0) return undefined;
  return { buffer: only.buffer, value: only.value, loops: loops.map((x) => x.atom) };
}

/** True if x is one of the values among which the largest was sought, whatever the iteration. */
export function isAmong(x: Expr, { value, loops }: Largest): boolean {
  const shared = freeAtoms(value);
  const own = [...freeAtoms(x)].filter((atom): atom is LoopAtom => atom.kind === "loop" && !shared.has(atom));
  if (own.length !== loops.length) return false;
  const places = new Map<Atom, Index>();
  for (const [i, atom] of own.sort((a, b) => a.id - b.id).entries()) {
    if (atom.extent.key !== loops[i].extent.key) return false;
    places.set(loops[i], toIndex(atom));
  }
  return substituteExpr(value, (atom) => places.get(atom)) === x;
}

/** x of e^(x - m), or of e^min(x - m, 0), where m is read from the buffer. */
export function exponentOver(e: Expr, largest: Buffer): Expr | undefined {
  if (e.op !== "exp") return undefined;
  let [exponent] = e.args;
  if (exponent.op === "min" && exponent.args[1].op === "const" && Number(exponent.args[1].value) === 0)
    [exponent] = exponent.args;
  if (exponent.op !== "sub") return undefined;
  const [x, m] = exponent.args;
  return m.op === "load" && m.buffer === largest ? x : undefined;
}

/** See the action. What the largest was sought among, and it itself, must not change afterwards. */
export function boundExponents(body: readonly Stmt[], name: string): Stmt[] {
  const fail = (why: string): never => {
    throw new ScheduleError(`bound: loop ${name} bounds no exponent: ${why}`);
  };
  const isLoop = (s: Stmt): boolean => s.kind === "for" && s.atom.name === name;
  return mapBlock(body, isLoop, `loop ${name}`, (block, at) => {
    const loop = whole(block[at] as ForStmt);
    const largest = largestOf(loop) ?? fail("it looks for no largest element");
    const after = block.slice(at + 1);
    const sources = new Set([largest.buffer, ...loadsOf([loop]).map((x) => x.buffer)]);
    if ([...writtenIn(after)].some((buffer) => sources.has(buffer))) return fail("something changes later");
    let found = 0;
    const bounded = rewriteBody(after, (e) => {
      const x = exponentOver(e, largest.buffer);
      const [exponent] = e.args;
      if (x === undefined || exponent.op !== "sub" || !isAmong(x, largest)) return e;
      found++;
      return scalar("exp", scalar("min", exponent, constant(0, exponent.dtype)));
    });
    if (found === 0) return fail("none is a difference to it");
    return [...block.slice(0, at + 1), ...bounded];
  });
}
