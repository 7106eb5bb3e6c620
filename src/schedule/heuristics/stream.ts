// What a kernel stores past the caches: large outputs of kernels whose data no cache holds. Storing as usual reads each
// line before it is written, a third of the traffic of a copy; but what is streamed is far away when it is read next.

import { type Buffer, loadsOf, visitStatements } from "../../kernel/ir.js";
import { bytesOf } from "../../scalar/dtype.js";
import type { Draft } from "./draft.js";

export function streamOutputs(draft: Draft): void {
  for (const b of streamed(draft)) draft.apply({ action: "stream", buffer: b.name });
}

/** True if what is stored to a buffer will go past the caches. */
export const isStreamed = (draft: Draft, buffer: Buffer): boolean => streamed(draft).includes(buffer);

function streamed(draft: Draft): readonly Buffer[] {
  const { cacheBytes } = draft.target;
  if (cacheBytes === undefined) return [];
  const stored = new Set<Buffer>();
  visitStatements(draft.kernel.body, (s) => {
    if (s.kind === "store" && s.buffer.space === "global") stored.add(s.buffer);
  });
  const used = new Set([...stored, ...loadsOf(draft.kernel.body).map((x) => x.buffer)]);
  const bytes = (b: Buffer): number => (b.space === "global" ? b.size.min * bytesOf(b.dtype) : 0);
  if ([...used].reduce((sum, b) => sum + bytes(b), 0) < cacheBytes) return [];
  return [...stored].filter((b) => bytes(b) * 4 >= cacheBytes);
}
