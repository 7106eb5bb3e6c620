// Writes out the loops marked `unroll`, one copy of the body for each iteration.

import { type Buffer, forLoop, makeBuffer, type Stmt, substituteStatements } from "../kernel/ir.js";
import { replaceBuffers } from "../kernel/rewrite.js";

export function unrollLoops(body: readonly Stmt[]): Stmt[] {
  return body.flatMap((s): Stmt[] => {
    if (s.kind === "if") return [{ ...s, body: unrollLoops(s.body) }];
    if (s.kind !== "for") return [s];
    const inner = unrollLoops(s.body);
    const trips = s.atom.extent.value;
    if (s.loop !== "unroll") return [forLoop(s.atom, inner, s.loop)];
    if (trips === undefined) return [forLoop(s.atom, inner)];
    const copies: Stmt[] = [];
    for (let i = 0; i < trips; i++) {
      copies.push(
        ...ownAllocs(
          substituteStatements(inner, (atom) => (atom === s.atom ? i : undefined)),
          i,
        ),
      );
    }
    return copies;
  });
}

/** Copies of a body must not share the memory they allocate. */
function ownAllocs(body: readonly Stmt[], copy: number): readonly Stmt[] {
  const renamed = new Map<Buffer, Buffer>();
  for (const s of body) {
    if (s.kind !== "alloc") continue;
    const { name, dtype, size, space, lanes } = s.buffer;
    renamed.set(s.buffer, makeBuffer(`${name}_${copy}`, dtype, size, space, lanes));
  }
  return renamed.size === 0 ? body : replaceBuffers(body, renamed);
}
