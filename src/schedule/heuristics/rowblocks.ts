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
/** With fewer rows in a block than this, what they share is read too often. */
const FEW_ROWS = 24;
/** Elements of a row that are taken at a time where rows are long. */
const BLOCK = 256;
/** Multiply-adds of a row from which a contraction is worth a block. */
const LARGE_ROW = 1 << 9;

/** Schedules a row program in blocks of rows if that is worth it; false if not. */
export function scheduleRowBlocks(draft: Draft, { loops, body }: Chain): boolean {
  const row = loops[loops.length - 1].atom;
  const contractions = body.filter((s): s is ForStmt => s.kind === "for" && sharesPanel(s, row));
  if (contractions.length === 0 || lanesFor(draft, body) === 1) return false;
  const outer = product(loops.slice(0, -1).map((s) => s.atom));
  const keys = takeOnline(draft, row, outer, body);
  const preferred = blockSize(draft, row, outer, draft.loop(row.name)!.body);
  if (preferred < 4) return false;
  const sizes = [4, 8, 14, 16, 28, 32, 56, MOST_ROWS].filter((size) => size <= tripsOf(row));
  const size = draft.choose(`${row.name} block`, preferred, [preferred, ...sizes]);
  const overlapped = draft.apply({ action: "split", loop: row.name, factor: size, tail: "overlap" });
  if (!overlapped && !draft.apply({ action: "split", loop: row.name, factor: size, tail: "peel" }))
    return false;
  if (!distributeRows(draft, `${row.name}i`, contractions, keys)) return false;
  const names = [...loops.slice(0, -1).map((s) => s.atom.name), `${row.name}o`];
  for (const name of names) draft.apply({ action: "parallel", loop: name });
  const partsOf = (loop: string): string[] =>
    draft.loop(loop)?.body.flatMap((s) => (s.kind === "for" ? [s.atom.name] : [])) ?? [];
  for (const part of partsOf(`${row.name}o`)) {
    if (part !== keys) scheduleInner(draft, part, false);
  }
  if (keys !== undefined) for (const part of partsOf(keys)) scheduleInner(draft, part, false);
  if (draft.loop(`${row.name}t`) !== undefined) scheduleInner(draft, `${row.name}t`, true);
  return true;
}

/**
 * Where rows are too long for many of them to be near, their elements are taken in blocks, each by all rows before the
 * next; gives the loop over the blocks.
 */
function takeOnline(draft: Draft, row: LoopAtom, outer: number, body: readonly Stmt[]): string | undefined {
  const searches = body.filter((s): s is ForStmt => s.kind === "for" && findsLargest(s));
  const [search] = searches;
  const length = search?.atom.extent.value;
  if (searches.length !== 1 || length === undefined) return undefined;
  const sizes = [128, 256, 512].filter((size) => size < length);
  const few = blockSize(draft, row, outer, body) < Math.min(FEW_ROWS, tripsOf(row));
  const preferred = few && length > BLOCK ? evenBlock(length) : length;
  const size = draft.choose(`${search.atom.name} block`, preferred, [length, preferred, ...sizes]);
  if (size === length) return undefined;
  const { name } = search.atom;
  return draft.apply({ action: "online", loop: name, block: size }) ? `${name}b` : undefined;
}

/** About BLOCK elements, so that no rest is left if that is possible. */
function evenBlock(length: number): number {
  for (let size = 2 * BLOCK; size >= BLOCK / 2; size -= 16) if (length % size === 0) return size;
  return BLOCK;
}

const findsLargest = (s: ForStmt): boolean =>
  s.body.length === 1 && s.body[0].kind === "accumulate" && s.body[0].op === "max";

/** Divides the loop over a block's rows among its parts, inside of the loop over the keys if there is one. */
function distributeRows(
  draft: Draft,
  rows: string,
  contractions: readonly ForStmt[],
  keys: string | undefined,
): boolean {
  const alone = contractions.map((s) => s.atom.name);
  if (keys === undefined) return draft.apply({ action: "distribute", loop: rows, alone });
  if (!draft.apply({ action: "distribute", loop: rows, alone: [keys] })) return false;
  const around = draft.nestOf(keys);
  const own = around[around.length - 2].atom.name;
  if (!draft.apply({ action: "reorder", loop: own, inside: keys })) return false;
  return draft.apply({ action: "distribute", loop: own, alone });
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
