// Contractions: some operand is used again along an output loop. Tiles of registers, packed panels.

import { type LoopAtom, strideOf } from "../../kernel/index.js";
import type { ForStmt, LoadExpr, Stmt } from "../../kernel/ir.js";
import { isUnitStride, movesWith, product, type Reduction, tripsOf } from "../nest.js";
import type { Draft } from "./draft.js";
import { fillable, lanesFor, vectorizeLoop } from "./vectors.js";

interface Contraction {
  /** The loop along which vectors run; only `panel` moves with it. */
  readonly columns: LoopAtom;
  /** The loop along which the panel is used again. */
  readonly row: LoopAtom;
  readonly panel: LoadExpr;
  readonly width: number;
  readonly vectors: number;
  readonly rowTile: number;
  readonly pack: boolean;
  readonly even: boolean;
  readonly cost: number;
}

function hasLoadedAtom(x: LoadExpr): boolean {
  let found = false;
  for (const term of x.index.terms) if (term.atoms.some((atom) => atom.kind === "loaded")) found = true;
  return found;
}

/** The contraction that a reduction is, if it is one, with the tiles of least cost. */
export function contractionOf(
  draft: Draft,
  reduction: Reduction,
  mayPack: boolean,
  body: readonly Stmt[],
): Contraction | undefined {
  const lanes = lanesFor(draft, body);
  if (lanes === 1) return undefined;
  const depth = product(reduction.reduced);
  let best: Contraction | undefined;
  for (const columns of reduction.outputs) {
    if (tripsOf(columns) < lanes / 2) continue;
    const moving = reduction.loads.filter((x) => movesWith(x, columns));
    const others = reduction.loads.filter((x) => !movesWith(x, columns));
    if (moving.length !== 1 || others.length === 0) continue;
    const [panel] = moving;
    const rows = reduction.outputs.filter(
      (loop) => loop !== columns && !movesWith(panel, loop) && others.some((x) => movesWith(x, loop)),
    );
    if (rows.length === 0) continue;
    const row = rows.reduce((a, b) => (Math.min(tripsOf(b), 8) >= Math.min(tripsOf(a), 8) ? b : a));
    if (tripsOf(row) < 2) continue;
    const contraction = weigh(draft, reduction, columns, row, panel, depth, lanes, mayPack);
    if (contraction !== undefined && (best === undefined || contraction.cost < best.cost)) best = contraction;
  }
  return best;
}

/** A contraction vectorised along `columns` and tiled along `row`, with its cost in cycles an output. */
function weigh(
  draft: Draft,
  reduction: Reduction,
  columns: LoopAtom,
  row: LoopAtom,
  panel: LoadExpr,
  depth: number,
  lanes: number,
  mayPack: boolean,
): Contraction | undefined {
  const trips = tripsOf(columns);
  const width = fillable(lanes, trips);
  const vectors = vectorsPerTile(draft, Math.ceil(trips / width));
  const rowTile = rowsPerTile(draft, tripsOf(row), vectors);
  const tile = width * vectors;
  const even = trips % tile === 0;
  const consecutive = isUnitStride(panel, columns) && panel.valid.length === 0;
  const extents = [...reduction.outputs, ...reduction.reduced].filter((loop) => movesWith(panel, loop));
  const constantExtents = extents.every((loop) => loop.extent.value !== undefined);
  const packable =
    mayPack &&
    constantExtents &&
    panel.buffer.space !== "local" &&
    !hasLoadedAtom(panel) &&
    product(reduction.outputs) / trips >= 16;
  const spread = reduction.reduced.some((loop) => Math.abs(strideOf(panel.index, loop) ?? 0) * 4 >= 1024);
  const large = product(extents) * 4 > draft.target.l1Bytes;
  const pack = packable && (!consecutive || !even || (spread && large));
  if (!pack && (!consecutive || !even)) {
    if (!consecutive) return undefined;
  }
  const stored = reduction.stores.every((x) => strideOf(x, columns) === 1);
  const padded = pack ? (Math.ceil(trips / tile) * tile) / trips : 1;
  const multiply = (depth * padded * (1 + (rowTile + vectors) / (rowTile * vectors) / 2)) / (2 * width);
  const scatter = stored ? 0 : 2;
  const packing = pack ? (2 * product(extents)) / Math.max(1, product(reduction.outputs)) : 0;
  return { columns, row, panel, width, vectors, rowTile, pack, even, cost: multiply + scatter + packing };
}

/**
 * Vectors of a register tile: two where registers are many, so that rows fill the rest; four where they are few,
 * since V8 keeps a tile of two rows of four in registers and larger ones not (measured, see docs/performance.md).
 */
function vectorsPerTile(draft: Draft, vectors: number): number {
  const most = draft.target.vectorRegisters >= 32 ? 2 : 4;
  return vectors === 3 && most === 4 ? 3 : Math.min(most, vectors);
}

/** Rows of a register tile: as many accumulators as registers allow, with few rows left over. */
function rowsPerTile(draft: Draft, rows: number, vectors: number): number {
  const registers = draft.target.vectorRegisters - 2 - vectors;
  const most = Math.max(1, Math.min(16, Math.floor(registers / vectors)));
  if (rows <= most) return rows;
  let best = most;
  let bestCost = Number.POSITIVE_INFINITY;
  for (let tile = most; tile >= Math.max(2, Math.ceil(most / 2)); tile--) {
    const tiles = Math.floor(rows / tile);
    const rest = rows % tile;
    // A tile costs its rows and something for loading the panel; a rest costs one more tile.
    const cost = tiles * (tile + 2) + (rest > 0 ? rest + 4 : 0);
    if (cost < bestCost) {
      best = tile;
      bestCost = cost;
    }
  }
  return best;
}

export function scheduleContraction(draft: Draft, c: Contraction, reduction: Reduction, top: boolean): void {
  const column = c.columns.name;
  const row = c.row.name;
  const tile = c.width * c.vectors;
  const tail = c.pack ? "guard" : "peel";
  if (!draft.apply({ action: "split", loop: column, factor: tile, tail })) return;
  if (c.pack) {
    const order = packOrder(c, reduction);
    if (
      draft.apply({ action: "stage", buffer: c.panel.buffer.name, at: undefined, order, space: "scratch" })
    ) {
      schedulePacking(draft, order, c);
    }
  }
  let lanes = `${column}i`;
  if (c.vectors > 1) {
    draft.apply({ action: "split", loop: lanes, factor: c.width, tail: "peel" });
    draft.apply({ action: "unroll", loop: `${lanes}o` });
    lanes = `${lanes}i`;
  }
  draft.apply({ action: "vectorize", loop: lanes });
  const rowTail = `${row}t`;
  draft.apply({ action: "split", loop: row, factor: c.rowTile, tail: "peel" });
  const suffixes = draft.loop(rowTail) !== undefined ? ["", `_${rowTail}`] : [""];
  for (const part of [`${row}i`, rowTail]) {
    if (draft.loop(part) === undefined) continue;
    draft.apply({ action: "unroll", loop: part });
    draft.apply({ action: "reorder", loop: part });
  }
  for (const suffix of suffixes) {
    if (c.vectors > 1) draft.apply({ action: "reorder", loop: `${column}io${suffix}` });
    draft.apply({ action: "reorder", loop: `${lanes}${suffix}` });
  }
  // A panel stays near while the rows pass by.
  const rowsFirst = reduction.outputs.indexOf(c.row) < reduction.outputs.indexOf(c.columns);
  if (rowsFirst) draft.apply({ action: "reorder", loop: `${row}o`, inside: `${column}o` });
  if (top) parallelise(draft, reduction, c);
}

/** The panel's layout: its other loops, the tile of columns, the reduction, the columns of the tile. */
function packOrder(c: Contraction, reduction: Reduction): string[] {
  const outer = reduction.outputs.filter((loop) => loop !== c.columns && movesWith(c.panel, loop));
  const inner = reduction.reduced.filter((loop) => movesWith(c.panel, loop));
  return [
    ...outer.map((l) => l.name),
    `${c.columns.name}o`,
    ...inner.map((l) => l.name),
    `${c.columns.name}i`,
  ];
}

/** The copy into the panel: threads take its outer loops, vectors run along whichever side is consecutive. */
function schedulePacking(draft: Draft, order: readonly string[], c: Contraction): void {
  const copies = order.map((name) => `${name}_${c.panel.buffer.name}`);
  const first = draft.loop(copies[0]);
  if (first === undefined) return;
  const last = copies[copies.length - 1];
  const even = tripsOf(c.columns) % (c.width * c.vectors) === 0;
  if (even && isUnitStride(c.panel, c.columns)) {
    vectorizeLoop(draft, last, c.width, 1, false);
  }
  let parallel = 1;
  for (const name of copies.slice(0, -1)) {
    const loop = draft.loop(name);
    if (loop === undefined || parallel >= 16 * draft.target.threads) break;
    parallel *= tripsOf(loop.atom);
    if (!draft.apply({ action: "parallel", loop: name })) break;
  }
}

/** Marks the outer loops of all tiles parallel, as many as threads want. */
function parallelise(draft: Draft, reduction: Reduction, c: Contraction): void {
  const names = new Set<string>();
  for (const loop of reduction.outputs) {
    names.add(loop.name);
    names.add(`${loop.name}o`);
    names.add(`${loop.name}t`);
    names.add(`${loop.name}o_${c.row.name}t`);
    names.add(`${loop.name}_${c.row.name}t`);
  }
  for (const s of draft.kernel.body) {
    if (s.kind !== "for") continue;
    let parallel = 1;
    let loop: ForStmt | undefined = s;
    while (loop !== undefined && names.has(loop.atom.name) && parallel < 16 * draft.target.threads) {
      parallel *= tripsOf(loop.atom);
      if (!draft.apply({ action: "parallel", loop: loop.atom.name })) break;
      const [only]: readonly Stmt[] = loop.body;
      loop = loop.body.length === 1 && only.kind === "for" ? only : undefined;
    }
  }
}
