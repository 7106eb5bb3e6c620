// Row programs read a row, then compute with it, and while they do so memory rests. They ask for the next row as they
// read this one for the last time. What a loop reads without pause is fetched by the hardware itself.

import { type LoopAtom, strideOf } from "../../kernel/index.js";
import { type Buffer, type ForStmt, loadsOf, type Stmt } from "../../kernel/ir.js";
import { bytesOf } from "../../scalar/dtype.js";
import { tripsOf } from "../nest.js";
import type { Draft } from "./draft.js";

/** Rows of fewer bytes follow so closely that the hardware fetches them. */
const SHORTEST_ROW = 2048;

/** After the nests inside the loop over rows were scheduled. */
export function prefetchRows(draft: Draft, rows: string): void {
  const { cacheBytes, l2Bytes } = draft.target;
  const row = draft.loop(rows);
  if (cacheBytes === undefined || row === undefined) return;
  const nests = row.body.filter((s): s is ForStmt => s.kind === "for");
  if (nests.length < 2) return;
  const rowBytes = (b: Buffer): number =>
    Math.max(
      ...loadsOf(row.body).map((x) =>
        x.buffer === b ? (strideOf(x.index, row.atom) ?? 0) * bytesOf(b.dtype) : 0,
      ),
    );
  for (const buffer of new Set(loadsOf(row.body).map((x) => x.buffer))) {
    const large = buffer.space === "global" && buffer.size.min * bytesOf(buffer.dtype) > l2Bytes;
    if (!large || rowBytes(buffer) < SHORTEST_ROW || rowBytes(buffer) > l2Bytes / 4) continue;
    const ahead = draft.choose(`${buffer.name} rows ahead`, 1, [0, 1, 2]);
    if (ahead === 0) continue;
    for (const nest of lastReading(nests, buffer)) {
      const at = vectorsOf(nest, buffer);
      if (at !== undefined)
        draft.apply({ action: "prefetch", buffer: buffer.name, at: at.name, next: rows, ahead });
    }
  }
}

/** The nests of the last pass over a row: the last large one, and what it left over. */
function lastReading(nests: readonly ForStmt[], buffer: Buffer): ForStmt[] {
  const readers = nests.filter((s) => reads(s.body, buffer));
  const sizes = readers.map((s) => tripsIn(s));
  const most = Math.max(...sizes);
  return readers.slice(sizes.findLastIndex((size) => 2 * size >= most));
}

/** Iterations of the innermost loops of a nest. */
function tripsIn(s: ForStmt): number {
  const inner = s.body.filter((x): x is ForStmt => x.kind === "for");
  return tripsOf(s.atom) * Math.max(1, ...inner.map(tripsIn));
}

const reads = (body: readonly Stmt[], buffer: Buffer): boolean =>
  loadsOf(body).some((x) => x.buffer === buffer);

/** The innermost loop around the vectors that a nest reads of a buffer. */
function vectorsOf(nest: ForStmt, buffer: Buffer): LoopAtom | undefined {
  let loop = nest;
  for (;;) {
    const inner = loop.body.find((s): s is ForStmt => s.kind === "for" && reads(s.body, buffer));
    if (inner === undefined) return undefined;
    if (inner.loop === "vectorize") return loop.atom;
    loop = inner;
  }
}
