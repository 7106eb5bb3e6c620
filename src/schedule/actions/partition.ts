// Splits a range where conditions change.

import { addIndex, type Index, strideOf } from "../../kernel/index.js";
import {
  type ForStmt,
  forLoop,
  type Stmt,
  topologicalOrder,
  visitStatements,
  exprsOf,
} from "../../kernel/ir.js";
import { renameLoops } from "../../kernel/rewrite.js";
import { ScheduleError } from "./action.js";
import { renamed, atPlace, ownAllocs } from "./loops.js";

/** Most pieces a range is cut into. */
const MAX_PIECES = 4;

export function partition(s: ForStmt): Stmt[] {
  const extent = s.atom.extent.value;
  if (extent === undefined) throw new ScheduleError(`partition: loop ${s.atom.name} has no constant length`);
  const cuts = new Set<number>();
  for (const x of conditions(s.body)) {
    const stride = strideOf(x, s.atom);
    if (stride === undefined || stride === 0 || x.terms.length !== 1) continue;
    // stride * i + constant >= 0 changes at this i.
    const at = stride > 0 ? Math.ceil(-x.constant / stride) : Math.floor(x.constant / -stride) + 1;
    if (at > 0 && at < extent) cuts.add(at);
  }
  const bounds = [0, ...[...cuts].sort((a, b) => a - b), extent];
  if (bounds.length - 1 > MAX_PIECES || bounds.length === 2) {
    throw new ScheduleError(`partition: loop ${s.atom.name} would fall into ${bounds.length - 1} pieces`);
  }
  return bounds.slice(1).map((end, i) => {
    const atom = renamed(s.atom, `p${i}`, end - bounds[i]);
    const body = atPlace(s.body, s.atom, addIndex(atom, bounds[i]));
    return forLoop(atom, i === 0 ? body : ownAllocs(renameLoops(body, (name) => `${name}p${i}`)), s.loop);
  });
}

/** The conditions of a body: of loads, of values, of statements. */
function conditions(body: readonly Stmt[]): Index[] {
  const found: Index[] = [];
  visitStatements(body, (s) => {
    if (s.kind === "if") found.push(...s.valid);
    for (const x of topologicalOrder(exprsOf(s))) {
      if (x.op === "valid" || x.op === "load") found.push(...x.valid);
    }
  });
  return found;
}
