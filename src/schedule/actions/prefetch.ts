// Asks for memory before it is read.

import {
  addIndex,
  type Index,
  type LoopAtom,
  mentions,
  strideOf,
  substituteIndex,
  toIndex,
} from "../../kernel/index.js";
import { type Buffer, loadsOf, type PrefetchStmt, type Stmt, visitStatements } from "../../kernel/ir.js";
import { type Action, ScheduleError } from "./action.js";
import { bytesOf } from "../../scalar/dtype.js";
import { findLoop, hasLoaded, mapLoop, replacing } from "./loops.js";

/** Bytes that come from memory together. */
const LINE = 64;
/** Most lines asked for at a time. */
const MOST_LINES = 8;

export function prefetch(body: readonly Stmt[], a: Extract<Action, { action: "prefetch" }>): Stmt[] {
  const next = findLoop(body, a.next);
  if (next === undefined || findLoop([next], a.at) === undefined)
    throw new ScheduleError(`prefetch: loop ${a.at} is not inside a loop ${a.next}`);
  if (!Number.isInteger(a.ahead) || a.ahead < 1)
    throw new ScheduleError(`prefetch: ${a.ahead} is no number of iterations ahead`);
  return mapLoop(body, a.at, (s) => {
    const inside = loopsIn(s.body);
    const places = new Map<string, PrefetchStmt>();
    for (const { buffer, index } of loadsOf(s.body)) {
      if (buffer.name !== a.buffer) continue;
      if (buffer.space === "register" || hasLoaded(index))
        throw new ScheduleError(`prefetch: where ${a.buffer} is read is not known before`);
      if (!mentions(index, next.atom))
        throw new ScheduleError(`prefetch: loop ${a.next} does not move in ${a.buffer}`);
      const later = substituteIndex(index, (atom) =>
        atom === next.atom ? addIndex(atom, a.ahead) : undefined,
      );
      for (const line of linesOf(later, inside, bytesOf(buffer.dtype)))
        places.set(line.key, { kind: "prefetch", buffer, index: line });
    }
    if (places.size === 0) throw new ScheduleError(`prefetch: loop ${a.at} reads nothing of ${a.buffer}`);
    return [{ ...s, body: [...places.values(), ...s.body] }];
  });
}

/** Without requests for memory of the kernel's own that an action has replaced. */
export function withoutStaleHints(body: Stmt[]): Stmt[] {
  const allocated = new Set<Buffer>();
  const asked = new Set<Buffer>();
  visitStatements(body, (s) => {
    if (s.kind === "alloc") allocated.add(s.buffer);
    if (s.kind === "prefetch" && s.buffer.space !== "global") asked.add(s.buffer);
  });
  const stale = [...asked].filter((buffer) => !allocated.has(buffer));
  return stale.length === 0 ? body : withoutRequests(body, new Set(stale));
}

/** Without requests for these. */
const withoutRequests = (body: readonly Stmt[], buffers: ReadonlySet<Buffer>): Stmt[] =>
  body.flatMap((s): Stmt[] => {
    if (s.kind === "for" || s.kind === "if") return [{ ...s, body: withoutRequests(s.body, buffers) }];
    return s.kind === "prefetch" && buffers.has(s.buffer) ? [] : [s];
  });

/** The places that loops run through: a line apart for a few iterations, only the first where they are many or near. */
function linesOf(index: Index, loops: readonly LoopAtom[], bytes: number): Index[] {
  let places = [index];
  for (const loop of loops) {
    const steps = Math.abs(strideOf(index, loop) ?? 0) * bytes >= LINE ? (loop.extent.value ?? 1) : 1;
    const values = Array.from({ length: steps <= MOST_LINES ? steps : 1 }, (_, i) => i);
    places = places.flatMap((x) => values.map((i) => substituteIndex(x, replacing(loop, toIndex(i)))));
  }
  return places;
}

function loopsIn(body: readonly Stmt[]): LoopAtom[] {
  const loops: LoopAtom[] = [];
  visitStatements(body, (s) => {
    if (s.kind === "for") loops.push(s.atom);
  });
  return loops;
}
