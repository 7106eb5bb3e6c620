// Makes one loop of two that stand directly in one another.

import {
  type Atom,
  divIndex,
  type Index,
  loopAtom,
  modIndex,
  mulIndex,
  strideOf,
} from "../../kernel/index.js";
import { type ForStmt, forLoop, type Stmt, substituteStatements } from "../../kernel/ir.js";
import { ScheduleError } from "./action.js";
import { allIndices } from "./loops.js";

export function collapse(s: ForStmt, innerName: string): Stmt {
  const [inner] = s.body;
  if (s.body.length !== 1 || inner.kind !== "for" || inner.atom.name !== innerName) {
    throw new ScheduleError(`loop ${innerName} is not the only statement of loop ${s.atom.name}`);
  }
  const size = inner.atom.extent;
  const both = loopAtom(s.atom.name, mulIndex(s.atom.extent, size));
  const values = new Map<Atom, Index>([
    [s.atom, divIndex(both, size)],
    [inner.atom, modIndex(both, size)],
  ]);
  const body = substituteStatements(inner.body, (atom) => values.get(atom));
  if (allIndices(body).some((x) => strideOf(x, both) === undefined)) {
    throw new ScheduleError(`addresses are not linear over loops ${s.atom.name} and ${innerName} together`);
  }
  return forLoop(both, body, s.loop);
}
