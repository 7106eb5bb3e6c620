// Makes one loop of several, where addresses allow it: fewer loops, longer vectors.

import { isIndependent } from "../actions/loops.js";
import type { Draft } from "./draft.js";

/** Collapses the loops under one of this name, wherever they stand directly in each other. */
export function collapseAll(draft: Draft, name: string): void {
  const pending = [name];
  while (pending.length > 0) {
    const outer = pending.pop()!;
    const loop = draft.loop(outer);
    if (loop === undefined) continue;
    const [only] = loop.body;
    if (loop.body.length === 1 && only.kind === "for") {
      const same = isIndependent(loop) === isIndependent(only);
      if (same && draft.apply({ action: "collapse", outer, inner: only.atom.name })) {
        pending.push(outer);
        continue;
      }
    }
    for (const inner of loop.body) if (inner.kind === "for") pending.push(inner.atom.name);
  }
}
