// Gives local buffers their places in a thread's private memory. Blocks that do not overlap share it.

import type { Stmt } from "../kernel/ir.js";
import { bytesOf } from "../scalar/dtype.js";

const ALIGNMENT = 64;

/** The body with offsets in its allocs, and the bytes it needs. */
export function placeLocals(body: readonly Stmt[], start = 0): { body: Stmt[]; bytes: number } {
  let offset = start;
  let most = start;
  const placed = body.map((s): Stmt => {
    if (s.kind === "alloc" && s.buffer.space === "local") {
      const at = offset;
      offset += Math.ceil((s.buffer.size.max * bytesOf(s.buffer.dtype)) / ALIGNMENT) * ALIGNMENT;
      most = Math.max(most, offset);
      return { ...s, offset: at };
    }
    if (s.kind !== "for" && s.kind !== "if") return s;
    const inner = placeLocals(s.body, offset);
    most = Math.max(most, inner.bytes);
    return { ...s, body: inner.body };
  });
  return { body: placed, bytes: most };
}
