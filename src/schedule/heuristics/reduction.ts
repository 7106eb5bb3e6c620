// Nests that reduce, to many values or to one.

import type { LoopAtom } from "../../kernel/index.js";
import { topologicalOrder } from "../../kernel/ir.js";
import { type Chain, isUnitStride, movesWith, product, type Reduction, tripsOf } from "../nest.js";
import type { Draft } from "./draft.js";
import { scheduleColumns } from "./columns.js";
import { fillable, lanesFor, unrolls, vectorizeLoop, vectorLoop } from "./vectors.js";
import { scheduleStencil, stencilOf } from "./stencil.js";
import { scheduleTensorization, tensorizationOf } from "./tensorize.js";
import { contractionOf, scheduleContraction } from "./contraction.js";

/** Operations from which a nest is worth packing operands for. */
const PACKING_WORK = 1 << 18;
/** Elements left over by whole vectors that are worth shorter ones. */
const SHORTEST_REST = 8;
/** Operations that become dozens. */
const TRANSCENDENTAL: ReadonlySet<string> = new Set([
  "exp",
  "exp2",
  "log",
  "log2",
  "sin",
  "cos",
  "tanh",
  "erf",
  "pow",
]);
/** Rows from which several are taken at once. */
const FEWEST_ROWS = 64;
/** Operations from which a reduction to one value is worth all threads. */
export const SHARED_REDUCTION = 1 << 17;

export function scheduleReduction(draft: Draft, reduction: Reduction, chain: Chain, top: boolean): void {
  const around = draft.nestOf(chain.loops[0].atom.name).slice(0, -1);
  const atoms = around.map((s) => s.atom);
  const work = product([...atoms, ...reduction.outputs, ...reduction.reduced]);
  const tensorization = top ? tensorizationOf(draft, reduction) : undefined;
  if (tensorization !== undefined && scheduleTensorization(draft, tensorization, reduction)) return;
  const chosen = contractionOf(draft, reduction, atoms, work >= PACKING_WORK, chain.body);
  if (chosen !== undefined) return scheduleContraction(draft, chosen, reduction, top);
  const stencil = stencilOf(draft, reduction, chain.body);
  if (stencil !== undefined) return scheduleStencil(draft, stencil, reduction, top);
  const lanes = lanesFor(draft, chain.body);
  const along = vectorLoop([...reduction.outputs, ...reduction.reduced], chain.body);
  const unit = unitStrideLoop(reduction);
  if (lanes > 1 && unit !== undefined && reduction.reduced.includes(unit)) {
    if (top && takeRows(draft, reduction, unit.name, lanes)) return;
    if (top) parallelOuter(draft, reduction.outputs);
    return vectorizeReduction(draft, unit.name, lanes, reduction);
  }
  if (top && lanes > 1 && scheduleColumns(draft, reduction, chain, lanes)) return;
  if (lanes > 1 && along !== undefined && reduction.outputs.includes(along)) {
    const width = fillable(lanes, tripsOf(along));
    const vectors = Math.floor(tripsOf(along) / (2 * width));
    const preferred = vectors >= 4 ? 4 : vectors >= 2 ? 2 : 1;
    const unroll = draft.choose(`${along.name} unroll`, preferred, unrolls(along, width));
    const alone = top && reduction.outputs.length === 1;
    if (top && !alone)
      parallelOuter(
        draft,
        reduction.outputs.filter((loop) => loop !== along),
      );
    if (width > 1) return vectorizeLoop(draft, along.name, width, unroll, alone);
  }
  if (top) parallelOuter(draft, reduction.outputs);
}

/** The loop along which most of what is loaded is consecutive, not one that fills no vector if there is another. */
export function unitStrideLoop({
  outputs,
  reduced,
  loads,
}: Pick<Reduction, "outputs" | "reduced" | "loads">): LoopAtom | undefined {
  let best: LoopAtom | undefined;
  let most = 0;
  for (const loop of [...reduced, ...outputs]) {
    let count = 0;
    for (const x of loads) {
      if (isUnitStride(x, loop) && x.valid.length === 0)
        count += product([...outputs, ...reduced].filter((l) => movesWith(x, l)));
    }
    if (tripsOf(loop) < 4) count /= 4;
    if (count > most) {
      best = loop;
      most = count;
    }
  }
  return best;
}

function parallelOuter(draft: Draft, loops: readonly LoopAtom[]): void {
  const [first] = loops;
  if (first !== undefined) draft.apply({ action: "parallel", loop: first.name });
}

/**
 * Sums of several rows with one operand that is the same for all: taken together they load it once, and are as many
 * streams from memory. False if there is none, or nothing was gained.
 */
function takeRows(draft: Draft, reduction: Reduction, name: string, lanes: number): boolean {
  const { outputs, loads } = reduction;
  const [row] = outputs;
  const own = loads.filter((x) => movesWith(x, row)).length;
  if (outputs.length !== 1 || own === 0 || own === loads.length) return false;
  const rows = draft.choose(`${row.name} rows`, tripsOf(row) >= FEWEST_ROWS ? 4 : 1, [1, 2, 4]);
  if (rows === 1) return false;
  const split = (tail: "overlap" | "peel"): boolean =>
    draft.apply({ action: "split", loop: row.name, factor: rows, tail });
  const [outer, several] = [`${row.name}o`, `${row.name}i`];
  return draft.attempt([
    () => split("overlap") || split("peel"),
    () => draft.apply({ action: "parallel", loop: outer }),
    () => {
      vectorizeReduction(draft, name, lanes, reduction, rows);
      return draft.apply({ action: "unroll", loop: several });
    },
    () => draft.apply({ action: "reorder", loop: several }),
  ]);
}

/** Lanes and accumulators along a reduction's own loop, of which the machine does `rows` at once. */
export function vectorizeReduction(
  draft: Draft,
  name: string,
  lanes: number,
  reduction: Reduction,
  rows = 1,
): void {
  const loop = reduction.reduced.find((l) => l.name === name)!;
  const width = fillable(lanes, tripsOf(loop));
  if (width === 1) return;
  const vectors = Math.floor(tripsOf(loop) / width);
  // Where a term takes many operations, they alone keep the machine busy.
  const most = topologicalOrder([reduction.accumulate.value]).some((x) => TRANSCENDENTAL.has(x.op)) ? 4 : 8;
  const preferred = Math.min(most / rows, vectors >= 16 ? 8 : vectors >= 8 ? 4 : vectors >= 4 ? 2 : 1);
  const unroll = draft.choose(`${name} accumulators`, preferred, unrolls(loop, width));
  const lane = `${name}i`;
  if (!draft.apply({ action: "split", loop: name, factor: width, tail: "peel" })) return;
  if (!draft.apply({ action: "rfactor", loop: lane, layout: "inner" })) return;
  for (const part of [lane, `${lane}z`, `${lane}j`]) {
    draft.apply({ action: "vectorize", loop: part });
  }
  draft.apply({ action: "reorder", loop: lane });
  const rest = draft.loop(`${name}t`)?.atom;
  if (rest !== undefined && tripsOf(rest) >= SHORTEST_REST)
    vectorizeReduction(draft, rest.name, width / 2, { ...reduction, reduced: [rest] }, rows);
  if (unroll === 1) return;
  const vector = `${name}o`;
  if (!draft.apply({ action: "split", loop: vector, factor: unroll, tail: "peel" })) return;
  const several = `${vector}i`;
  if (!draft.apply({ action: "rfactor", loop: several, layout: "outer" })) return;
  for (const part of [several, `${several}z`, `${several}j`]) draft.apply({ action: "unroll", loop: part });
  for (const part of [`${several}ze`, `${several}je`]) draft.apply({ action: "vectorize", loop: part });
  draft.apply({ action: "reorder", loop: several });
}
