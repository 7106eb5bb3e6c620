// Loops of which a few iterations read the same element: an address moves with floor(i / c), as where a byte holds two
// numbers, or where pixels are repeated. Split by c, the address moves by one with the outer loop, along which vectors may
// run, and the inner loop, written out, does with each element all there is to do. A loop that is as short already is
// written out likewise.

import { type Index, type LoopAtom, gcd, strideOf } from "../../kernel/index.js";
import { type ForStmt, type LoadExpr, loadsOf, type Stmt, visitStatements } from "../../kernel/ir.js";
import { runningTotal } from "../actions/prefix.js";
import { movesWith } from "../nest.js";
import type { Draft } from "./draft.js";

/** How many iterations are written out: vectors of as many results interleave. Where more share, so do lanes of a vector. */
const WRITTEN_OUT = [2, 4, 8];

/** Splits such loops in the nest of this name; gives its name then. */
export function splitShared(draft: Draft, name: string): string {
  const nest = draft.loop(name);
  if (nest === undefined) return name;
  const loops: ForStmt[] = [];
  visitStatements([nest], (s) => {
    if (s.kind === "for" && s.loop === "serial" && runningTotal(s) === undefined) loops.push(s);
  });
  let outermost = name;
  for (const { atom, body } of loops) {
    if (atom.name !== name && spreads(atom, body)) draft.apply({ action: "unroll", loop: atom.name });
    const sharing = sharingOf(atom, loadsOf(body));
    if (sharing === undefined) continue;
    if (!draft.apply({ action: "split", loop: atom.name, factor: sharing, tail: "peel" })) continue;
    draft.apply({ action: "unroll", loop: `${atom.name}i` });
    if (atom.name === name) outermost = `${name}o`;
  }
  return outermost;
}

/** Whether a short loop makes neighbours of what it computes from one element, which another loop reads in order. */
function spreads(loop: LoopAtom, body: readonly Stmt[]): boolean {
  if (!WRITTEN_OUT.includes(loop.extent.value ?? 0)) return false;
  const [only] = body;
  if (body.length > 1 || only.kind !== "store" || strideOf(only.index, loop) !== 1) return false;
  const loads = loadsOf(body).filter((x) => x.buffer.space !== "local");
  return loads.length > 0 && loads.every((x) => !movesWith(x, loop));
}

/** How many iterations of a loop read the same element, where that is few and the loop divides by it. */
function sharingOf(loop: LoopAtom, loads: readonly LoadExpr[]): number | undefined {
  const trips = loop.extent.value;
  if (trips === undefined) return undefined;
  const counts = loads
    .flatMap(({ index }) => quotientsAlong(index, loop))
    .filter((count) => WRITTEN_OUT.includes(count) && trips > count && trips % count === 0);
  return counts.length === 0 ? undefined : Math.min(...counts);
}

/** For each quotient in an index, linear in the loop: for how many iterations it may stay. */
function quotientsAlong(index: Index, loop: LoopAtom): number[] {
  return index.terms.flatMap(({ atoms }) => {
    const [atom] = atoms;
    if (atoms.length !== 1 || atom.kind !== "div" || atom.divisor.value === undefined) return [];
    const stride = strideOf(atom.numerator, loop);
    return stride === undefined || stride === 0
      ? []
      : [atom.divisor.value / gcd(atom.divisor.value, Math.abs(stride))];
  });
}
