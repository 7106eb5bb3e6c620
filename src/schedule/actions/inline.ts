// Computes the elements of a row where they are read.

import { toIndex } from "../../kernel/index.js";
import { type Buffer, type Expr, loadsOf, type Stmt, substituteExpr, writtenBy } from "../../kernel/ir.js";
import { rewriteBody } from "../../kernel/rewrite.js";
import { ScheduleError } from "./action.js";
import { mapBlock, replacing, writtenIn } from "./loops.js";

/**
 * See the action. The row must be filled by one loop that does nothing else, and what it is computed from must not
 * change before its last use.
 */
export function inlineRow(body: readonly Stmt[], name: string): Stmt[] {
  const allocates = (s: Stmt): boolean => s.kind === "alloc" && s.buffer.name === name;
  const fail = (why: string): never => {
    throw new ScheduleError(`inline: ${name} cannot be computed where it is read: ${why}`);
  };
  return mapBlock(body, allocates, `memory ${name} in a loop`, (block, at) => {
    const allocated = block[at];
    if (allocated.kind !== "alloc" || allocated.buffer.space !== "local") return fail("it is shared");
    const { buffer } = allocated;
    const [filled, ...others] = block.filter((s) => writtenIn([s]).has(buffer));
    if (filled === undefined || others.length > 0) return fail("it is not filled by one loop");
    const { atom, value } = fillOf(filled, buffer) ?? fail("it is not filled element by element");
    const sources = new Set(loadsOf([filled]).map((x) => x.buffer));
    const rest = block.slice(block.indexOf(filled) + 1);
    if (rest.some((s) => [...writtenIn([s])].some((written) => sources.has(written))))
      return fail("what it is computed from changes");
    if (loadsOf(rest).some((x) => x.buffer === buffer && x.valid.length > 0))
      return fail("it is read under conditions");
    const used = rewriteBody(rest, (x): Expr => {
      if (x.op !== "load" || x.buffer !== buffer) return x;
      return substituteExpr(value, replacing(atom, x.index));
    });
    const before = block.slice(0, block.indexOf(filled)).filter((s) => s !== allocated);
    return [...before, ...used];
  });
}

/** What a loop stores to each element of a buffer, if it does just that. */
function fillOf(s: Stmt, buffer: Buffer) {
  if (s.kind !== "for" || s.body.length !== 1 || writtenBy(s.body[0]) !== buffer) return undefined;
  const [only] = s.body;
  const { atom } = s;
  const whole = only.kind === "store" && only.index.key === toIndex(atom).key;
  if (!whole || atom.extent.key !== buffer.size.key || loadsOf([only]).some((x) => x.buffer === buffer))
    return undefined;
  return { atom, value: only.value };
}
