// Asks for memory before it is read.

import { addIndex, type LoopAtom, mentions, substituteIndex } from "../../kernel/index.js";
import { loadsOf, type PrefetchStmt, type Stmt, visitStatements } from "../../kernel/ir.js";
import { type Action, ScheduleError } from "./action.js";
import { findLoop, hasLoaded, mapLoop } from "./loops.js";

export function prefetch(body: readonly Stmt[], a: Extract<Action, { action: "prefetch" }>): Stmt[] {
  const next = findLoop(body, a.next);
  if (next === undefined || findLoop([next], a.at) === undefined)
    throw new ScheduleError(`prefetch: loop ${a.at} is not inside a loop ${a.next}`);
  if (!Number.isInteger(a.ahead) || a.ahead < 1)
    throw new ScheduleError(`prefetch: ${a.ahead} is no number of iterations ahead`);
  return mapLoop(body, a.at, (s) => {
    const inside = new Set(loopsIn(s.body));
    const places = new Map<string, PrefetchStmt>();
    for (const { buffer, index } of loadsOf(s.body)) {
      if (buffer.name !== a.buffer) continue;
      if (buffer.space !== "global" || hasLoaded(index))
        throw new ScheduleError(`prefetch: where ${a.buffer} is read is not known before`);
      if (!mentions(index, next.atom))
        throw new ScheduleError(`prefetch: loop ${a.next} does not move in ${a.buffer}`);
      const later = substituteIndex(index, (atom) => {
        if (atom === next.atom) return addIndex(atom, a.ahead);
        return atom.kind === "loop" && inside.has(atom) ? 0 : undefined;
      });
      places.set(later.key, { kind: "prefetch", buffer, index: later });
    }
    if (places.size === 0) throw new ScheduleError(`prefetch: loop ${a.at} reads nothing of ${a.buffer}`);
    return [{ ...s, body: [...places.values(), ...s.body] }];
  });
}

function loopsIn(body: readonly Stmt[]): LoopAtom[] {
  const loops: LoopAtom[] = [];
  visitStatements(body, (s) => {
    if (s.kind === "for") loops.push(s.atom);
  });
  return loops;
}
