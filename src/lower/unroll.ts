// Writes out the loops marked `unroll`, one copy of the body for each iteration. What never runs in a copy is left out: it
// may speak of places that do not exist.

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
        ...ownAllocs(decided(substituteStatements(inner, (atom) => (atom === s.atom ? i : undefined))), i),
      );
    }
    return copies;
  });
}

/** Statements without the conditions that always hold, and without what stands under one that never does. */
function decided(body: readonly Stmt[]): Stmt[] {
  return body.flatMap((s): Stmt[] => {
    if (s.kind === "for") {
      const inner = decided(s.body);
      return inner.length === 0 ? [] : [{ ...s, body: inner }];
    }
    if (s.kind !== "if") return [s];
    if (s.valid.some((condition) => condition.max < 0)) return [];
    const open = s.valid.filter((condition) => condition.min < 0);
    const inner = decided(s.body);
    return open.length === 0 ? inner : [{ ...s, valid: open, body: inner }];
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
