// Several nests inside shared loops: row programs, such as softmax or a norm over rows.

import type { LoopAtom } from "../../kernel/index.js";
import { loadsOf, type Stmt, visitStatements } from "../../kernel/ir.js";
import { runningTotal } from "../actions/prefix.js";
import { type Chain, chainOf, isUnitStride, tripsOf } from "../nest.js";
import { condenseRows } from "./condense.js";
import type { Draft } from "./draft.js";
import { prefetchRows } from "./prefetch.js";
import { fillable, lanesFor, vectorizeLoop } from "./vectors.js";
import { scheduleScanAcross } from "./scan.js";
import { scheduleInner } from "./inner.js";
import { scheduleWindows } from "./stencil.js";
import { scheduleRowBlocks } from "./rowblocks.js";

/** Several nests inside shared loops: threads take rows, each nest inside is scheduled on its own. */
export function scheduleRows(draft: Draft, fused: Chain): void {
  const [outermost] = fused.loops;
  condenseRows(draft, fused.loops[fused.loops.length - 1].atom.name);
  const chain = chainOf(draft.loop(outermost.atom.name)!);
  if (scheduleRowBlocks(draft, chain)) return;
  if (scheduleWindows(draft, chain)) {
    draft.apply({ action: "parallel", loop: chain.loops[0].atom.name });
    return;
  }
  overlayRows(draft, outermost.atom.name);
  const { loops, body } = chain;
  const atoms = loops.map((s) => s.atom);
  const inner = body.flatMap((s) => (s.kind === "for" ? [s.atom.name] : []));
  const lanes = lanesFor(draft, body);
  const across = rowsAcross(atoms, body);
  if (across !== undefined && lanes > 1) {
    const width = fillable(lanes, tripsOf(across));
    if (loops.length > 1) draft.apply({ action: "parallel", loop: atoms[0].name });
    if (body.some((s) => s.kind === "for" && runningTotal(s) !== undefined))
      return scheduleScanAcross(draft, across, width, loops.length === 1);
    if (width > 1) vectorizeLoop(draft, across.name, width, 1, loops.length === 1);
    return;
  }
  draft.apply({ action: "parallel", loop: atoms[0].name });
  if (atoms.length > 1 && tripsOf(atoms[0]) < 8 * draft.target.threads) {
    draft.apply({ action: "parallel", loop: atoms[1].name });
  }
  for (const name of inner) scheduleInner(draft, name, false);
  prefetchRows(draft, atoms[atoms.length - 1].name);
}

/**
 * Rows from which outputs are computed lie in them where programs cannot say what to fetch and what to keep: memory is
 * written as the row is computed then, and not only when it is complete.
 */
function overlayRows(draft: Draft, outermost: string): void {
  const preferred = draft.target.cacheBytes === undefined;
  const rows: string[] = [];
  const outputs = new Set<string>();
  visitStatements([draft.loop(outermost)!], (s) => {
    if (s.kind === "alloc" && s.buffer.space === "local" && s.buffer.size.max > 1) rows.push(s.buffer.name);
    if (s.kind === "store" && s.buffer.space === "global") outputs.add(s.buffer.name);
  });
  for (const row of rows) {
    for (const output of outputs) {
      const lies = draft.attempt([
        () => draft.apply({ action: "overlay", row, output }),
        () => draft.choose(`${row} in ${output}`, preferred, [true, false]),
      ]);
      if (lies) break;
    }
  }
}

/** An outer loop along which the rows lie next to each other, if the rows themselves are not consecutive. */
function rowsAcross(outer: readonly LoopAtom[], body: readonly Stmt[]): LoopAtom | undefined {
  const inner: LoopAtom[] = [];
  let allocates = 0;
  visitStatements(body, (s) => {
    if (s.kind === "for") inner.push(s.atom);
    if (s.kind === "alloc") allocates = Math.max(allocates, s.buffer.size.max);
  });
  const loads = loadsOf(body).filter((x) => x.buffer.space === "global");
  if (loads.some((x) => inner.some((loop) => isUnitStride(x, loop)))) return undefined;
  return outer.find((loop) => loads.some((x) => isUnitStride(x, loop)));
}
