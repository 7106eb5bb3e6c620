// Keeps a row where the output will lie that is computed from it.

import {
  addIndex,
  type Atom,
  type Index,
  mentions,
  strideOf,
  subIndex,
  toIndex,
} from "../../kernel/index.js";
import {
  type Buffer,
  type Expr,
  type ForStmt,
  load,
  loadsOf,
  type Stmt,
  type StoreStmt,
  visitStatements,
} from "../../kernel/ir.js";
import { replaceBuffers, rewriteBody } from "../../kernel/rewrite.js";
import { ScheduleError } from "./action.js";
import { hasLoaded, mapBlock, writtenIn } from "./loops.js";

/**
 * See the action. A loop that does nothing else must store an element of the output for each of the row, from that
 * element alone, as the row's last use; and every row must have a place of its own there, which nothing else touches.
 */
export function overlay(body: readonly Stmt[], row: string, output: string): Stmt[] {
  const fail = (why: string): never => {
    throw new ScheduleError(`overlay: ${row} cannot lie in ${output}: ${why}`);
  };
  const allocates = (s: Stmt): boolean => s.kind === "alloc" && s.buffer.name === row;
  if (loadsOf(body).some((x) => x.buffer.name === output)) return fail("it is read");
  let stores = 0;
  visitStatements(body, (s) => {
    if ((s.kind === "store" || s.kind === "accumulate") && s.buffer.name === output) stores++;
  });
  if (stores !== 1) return fail("it is not written by one statement");
  const around = loopsAround(body, allocates);
  return mapBlock(body, allocates, `memory ${row}`, (block, at) => {
    const allocated = block[at];
    if (allocated.kind !== "alloc" || allocated.buffer.space !== "local") return fail("it is shared");
    const { buffer } = allocated;
    const last = block.findIndex((s) => [...writtenIn([s])].some((written) => written.name === output));
    const { atom, store } = filling(block[last], buffer) ?? fail("no loop stores it element by element");
    if (
      loadsOf(block.slice(last + 1)).some((x) => x.buffer === buffer) ||
      writesTo(block.slice(last), buffer)
    )
      return fail("the row is used afterwards");
    if (store.buffer.space !== "global" || store.buffer.dtype !== buffer.dtype || store.stream === true)
      return fail("it is other memory");
    const start = subIndex(store.index, atom);
    if (mentions(start, atom) || !areApart(start, around, buffer.size.max)) return fail("rows share places");
    const placed = (index: Index): Index => addIndex(index, start);
    const moved = mapOwn(
      rewriteBody([...block.slice(0, at), ...block.slice(at + 1)], (x): Expr => {
        if (x.op !== "load" || x.buffer !== buffer) return x;
        return load(buffer, placed(x.index), x.valid, { dtype: x.dtype, lanes: x.lanes });
      }),
      buffer,
      placed,
    );
    return replaceBuffers(moved, new Map([[buffer, store.buffer]]));
  });
}

/** The loop and the store of a statement that stores elements computed from those of a row, one by one. */
function filling(s: Stmt | undefined, row: Buffer): { atom: ForStmt["atom"]; store: StoreStmt } | undefined {
  if (s?.kind !== "for" || s.loop !== "serial" || s.body.length !== 1) return undefined;
  const [only] = s.body;
  const { atom } = s;
  if (only.kind !== "store" || atom.extent.key !== row.size.key) return undefined;
  const ofRow = loadsOf([only]).filter((x) => x.buffer === row);
  const own = ofRow.every((x) => x.index.key === toIndex(atom).key && x.valid.length === 0);
  return own && ofRow.length > 0 ? { atom, store: only } : undefined;
}

const writesTo = (body: readonly Stmt[], buffer: Buffer): boolean => writtenIn(body).has(buffer);

/** The loops around a statement, outermost first. */
function loopsAround(body: readonly Stmt[], isAsked: (s: Stmt) => boolean): Atom[] {
  const path: Atom[] = [];
  const visit = (block: readonly Stmt[]): boolean =>
    block.some((s) => {
      if (isAsked(s)) return true;
      if (s.kind !== "for" && s.kind !== "if") return false;
      if (s.kind === "for") path.push(s.atom);
      if (visit(s.body)) return true;
      if (s.kind === "for") path.pop();
      return false;
    });
  return visit(body) ? path : [];
}

/** True if `length` elements from each place that the loops lead to lie apart. */
function areApart(start: Index, loops: readonly Atom[], length: number): boolean {
  if (hasLoaded(start)) return false;
  const steps = loops.map((atom) => ({ atom, stride: Math.abs(strideOf(start, atom) ?? 0) }));
  let reached = length;
  for (const { atom, stride } of steps.sort((a, b) => a.stride - b.stride)) {
    if (stride < reached) return false;
    reached += stride * (atom.max - atom.min);
  }
  return true;
}

/** Stores to the row, moved. */
function mapOwn(body: readonly Stmt[], row: Buffer, placed: (index: Index) => Index): Stmt[] {
  return body.map((s): Stmt => {
    if (s.kind === "for" || s.kind === "if") return { ...s, body: mapOwn(s.body, row, placed) };
    const moves = (s.kind === "store" || s.kind === "accumulate") && s.buffer === row;
    return moves ? { ...s, index: placed(s.index) } : s;
  });
}
