// Row programs that contain contractions (attention): rows are taken several at a time, so that what all rows read, the
// keys and the values, is read once for a block of them, in tiles of registers.

import type { LoopAtom } from "../../kernel/index.js";
import { type ForStmt, type LoadExpr, type Stmt, visitStatements } from "../../kernel/ir.js";
import { bytesOf } from "../../scalar/dtype.js";
import { asReduction, type Chain, chainOf, movesWith, product, tripsOf } from "../nest.js";
import type { Draft } from "./draft.js";
import { lanesFor } from "./vectors.js";
import { rowsPerTile, vectorsPerTile } from "./contraction.js";
import { scheduleInner } from "./inner.js";

/** Most rows in a block: more find nothing nearer. */
const MOST_ROWS = 64;
/** Multiply-adds of a row from which a contraction is worth a block. */
const LARGE_ROW = 1 << 9;

/** Schedules a row program in blocks of rows if that is worth it; false if not. */
export function scheduleRowBlocks(draft: Draft, { loops, body }: Chain): boolean {
  const row = loops[loops.length - 1].atom;
  const contractions = body.filter((s): s is ForStmt => s.kind === "for" && sharesPanel(s, row));
  if (contractions.length === 0 || lanesFor(draft, body) === 1) return false;
  const outer = product(loops.slice(0, -1).map((s) => s.atom));
  const size = blockSize(draft, row, outer, body);
  if (size < 4) return false;
  const overlapped = draft.apply({ action: "split", loop: row.name, factor: size, tail: "overlap" });
  if (!overlapped && !draft.apply({ action: "split", loop: row.name, factor: size, tail: "peel" }))
    return false;
  const alone = contractions.map((s) => s.atom.name);
  if (!draft.apply({ action: "distribute", loop: `${row.name}i`, alone })) return false;
  const names = [...loops.slice(0, -1).map((s) => s.atom.name), `${row.name}o`];
  for (const name of names) draft.apply({ action: "parallel", loop: name });
  const parts = draft.loop(`${row.name}o`)!.body.flatMap((s) => (s.kind === "for" ? [s.atom.name] : []));
  for (const part of parts) scheduleInner(draft, part, false);
  if (draft.loop(`${row.name}t`) !== undefined) scheduleInner(draft, `${row.name}t`, true);
  return true;
}

/** True for a contraction of some size that reads an operand which all rows share. */
function sharesPanel(s: ForStmt, row: LoopAtom): boolean {
  const chain = chainOf(s);
  const reduction = asReduction(chain);
  if (reduction === undefined) return false;
  const { outputs, reduced, loads } = reduction;
  if (product(outputs) * product(reduced) < LARGE_ROW) return false;
  const own = [...outputs, ...reduced];
  return (
    loads.some((x) => !belongsTo(x, row) && own.some((loop) => movesWith(x, loop))) &&
    loads.some((x) => belongsTo(x, row))
  );
}

/** Each row has its own part of the operand, or of local memory, which each iteration of its loop fills anew. */
const belongsTo = (x: LoadExpr, row: LoopAtom): boolean => movesWith(x, row) || x.buffer.space === "local";

/** Rows that leave their memory in part of the second-level cache, and enough blocks for all threads. */
function blockSize(draft: Draft, row: LoopAtom, outer: number, body: readonly Stmt[]): number {
  let bytes = 0;
  visitStatements(body, (s) => {
    if (s.kind === "alloc" && s.buffer.space === "local")
      bytes += s.buffer.size.max * bytesOf(s.buffer.dtype);
  });
  const near = Math.floor(draft.target.l2Bytes / 4 / Math.max(1, bytes));
  const shared = Math.floor((tripsOf(row) * outer) / (2 * draft.target.threads));
  const most = Math.min(MOST_ROWS, near, shared, tripsOf(row));
  let best = most;
  let least = Number.POSITIVE_INFINITY;
  for (let size = most; size >= 4; size--) {
    // Blocks and tiles both overlap where they do not fill: rows are done again.
    const tile = rowsPerTile(draft, size, vectorsPerTile(draft, 2));
    const work = Math.ceil(tripsOf(row) / size) * Math.ceil(size / tile) * (tile + 2);
    if (work < least) {
      best = size;
      least = work;
    }
  }
  return best;
}
