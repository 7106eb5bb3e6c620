// Stencils: few terms for each output, from places around it (depthwise convolutions, pools, moving averages). The terms
// are written out, so that neighbouring outputs find what they share in registers.

import { type LoopAtom, strideOf } from "../../kernel/index.js";
import { type ForStmt, loadsOf, type Stmt, visitStatements } from "../../kernel/ir.js";
import { type Chain, chainOf, movesWith, product, type Reduction, tripsOf } from "../nest.js";
import type { Draft } from "./draft.js";
import { fillable, lanesFor, vectorizeLoop } from "./vectors.js";

/** Most terms that are written out. */
const MOST_TERMS = 32;
/** Fewer outputs at a time are not worth writing windows out for. */
const FEWEST_LANES = 4;

export interface Stencil {
  /** The loop along which vectors run. */
  readonly along: LoopAtom;
  readonly width: number;
  /** A loop whose neighbouring iterations read the same places, and how many of them are taken at a time. */
  readonly across: LoopAtom | undefined;
  readonly rows: number;
}

/** The reduction as a stencil, if it is one. */
export function stencilOf(draft: Draft, reduction: Reduction, body: readonly Stmt[]): Stencil | undefined {
  const { outputs, reduced, loads, stores } = reduction;
  if (reduced.some((loop) => loop.extent.value === undefined) || product(reduced) > MOST_TERMS)
    return undefined;
  const lanes = lanesFor(draft, body);
  const along = outputs.find((loop) => stores.length > 0 && stores.every((x) => strideOf(x, loop) === 1));
  if (lanes === 1 || along?.extent.value === undefined) return undefined;
  const slides = (loop: LoopAtom): boolean =>
    loads.some((x) => movesWith(x, loop) && reduced.some((term) => movesWith(x, term)));
  if (!slides(along)) return undefined;
  for (const x of loads) {
    const stride = strideOf(x.index, along);
    if (stride === undefined || Math.abs(stride) > 2 || x.valid.length > 0) return undefined;
  }
  const width = fillable(lanes, tripsOf(along));
  if (width === 1) return undefined;
  const across = outputs
    .filter((loop) => loop !== along && loop.extent.value !== undefined && slides(loop))
    .pop();
  const rows = across === undefined ? 1 : Math.min(tripsOf(across), product(reduced) > 9 ? 2 : 4);
  return { along, width, across, rows };
}

export function scheduleStencil(draft: Draft, s: Stencil, reduction: Reduction, top: boolean): void {
  const { along, across, rows, width } = s;
  for (const loop of reduction.reduced) draft.apply({ action: "unroll", loop: loop.name });
  draft.apply({ action: "split", loop: along.name, factor: width, tail: "overlap" });
  draft.apply({ action: "vectorize", loop: `${along.name}i` });
  if (across !== undefined && rows > 1) {
    draft.apply({ action: "split", loop: across.name, factor: rows, tail: "overlap" });
    draft.apply({ action: "unroll", loop: `${across.name}i` });
    draft.apply({ action: "reorder", loop: `${across.name}i` });
  }
  draft.apply({ action: "reorder", loop: `${along.name}i` });
  if (top) {
    const [outermost] = reduction.outputs;
    const split = outermost === along || (outermost === across && rows > 1);
    draft.apply({ action: "parallel", loop: split ? `${outermost.name}o` : outermost.name });
  }
}

/**
 * Several nests of few terms for each output: a window's largest element and where in it that was. They are written out
 * for a vector of outputs at a time. False, and nothing done, if the nests are no such ones.
 */
export function scheduleWindows(draft: Draft, { loops, body }: Chain): boolean {
  const along = loops[loops.length - 1].atom;
  const nests = body.filter((s): s is ForStmt => s.kind === "for").map(chainOf);
  const terms = nests.flatMap((nest) => nest.loops);
  const written = nests.reduce((n, nest) => n + product(nest.loops.map((s) => s.atom)), 0);
  if (nests.length < 2 || written > MOST_TERMS || along.extent.value === undefined) return false;
  if (terms.some(({ atom, loop }) => atom.extent.value === undefined || loop !== "serial")) return false;
  if (nests.some((nest) => nest.body.some((s) => s.kind === "for" || s.kind === "if"))) return false;
  const places = loadsOf(body).map((x) => x.index);
  let [local, conditions] = [0, loadsOf(body).some((x) => x.valid.length > 0)];
  visitStatements(body, (s) => {
    if (s.kind === "if") conditions = true;
    if (s.kind === "store") places.push(s.index);
    if (s.kind === "alloc") local = Math.max(local, s.buffer.size.max);
  });
  const strides = places.map((index) => strideOf(index, along));
  if (conditions || local > 1 || !strides.every((n) => n === 0 || n === 1 || n === 2)) return false;
  if (!strides.includes(1) && !strides.includes(2)) return false;
  const width = fillable(lanesFor(draft, body), tripsOf(along));
  if (width < FEWEST_LANES) return false;
  for (const { atom } of terms) draft.apply({ action: "unroll", loop: atom.name });
  vectorizeLoop(draft, along.name, width, 1, false);
  return true;
}
