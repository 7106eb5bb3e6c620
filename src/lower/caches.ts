// What kernels say about caches, as far as the target can do it: without caches to speak of, nothing is left of it.
//
// Stores past the caches write whole lines: a part of one would be read, changed and written again, each time from
// memory itself. What a block streams of a line together counts; where it is less than all, it is stored as usual.
// Devices give buffers that begin at a line.

import type { Target } from "../device/target.js";
import { addIndex } from "../kernel/index.js";
import type { Buffer, Stmt, StoreStmt } from "../kernel/ir.js";
import { bytesOf } from "../scalar/dtype.js";

const LINE_BYTES = 64;

export const cacheHints = (body: readonly Stmt[], target: Target): Stmt[] =>
  target.cacheBytes === undefined ? withoutHints(body) : wholeLines(body);

function withoutHints(body: readonly Stmt[]): Stmt[] {
  return body.flatMap((s): Stmt[] => {
    if (s.kind === "prefetch") return [];
    if (s.kind === "for" || s.kind === "if") return [{ ...s, body: withoutHints(s.body) }];
    return [s.kind === "store" && s.stream ? usual(s) : s];
  });
}

/** The same store, through the caches. */
const usual = ({ stream: _, ...s }: StoreStmt): StoreStmt => s;

function wholeLines(body: readonly Stmt[]): Stmt[] {
  const streamed = body.filter((s): s is StoreStmt => s.kind === "store" && s.stream === true);
  const filled = new Map<string, number>();
  for (const s of streamed) filled.set(lineOf(s), (filled.get(lineOf(s)) ?? 0) + s.value.lanes);
  return body.map((s): Stmt => {
    if (s.kind === "for" || s.kind === "if") return { ...s, body: wholeLines(s.body) };
    if (s.kind !== "store" || !s.stream) return s;
    const aligned = s.index.terms.every(({ coefficient }) => coefficient % elements(s.buffer) === 0);
    const fits = s.index.constant % s.value.lanes === 0;
    return aligned && fits && filled.get(lineOf(s)) === elements(s.buffer) ? s : usual(s);
  });
}

const elements = ({ dtype }: Buffer): number => LINE_BYTES / bytesOf(dtype);

/** Names the line in which a store begins, given that what varies moves it by whole lines. */
function lineOf({ buffer, index }: StoreStmt): string {
  const within = ((index.constant % elements(buffer)) + elements(buffer)) % elements(buffer);
  return `${buffer.id} ${addIndex(index, -within).key}`;
}
