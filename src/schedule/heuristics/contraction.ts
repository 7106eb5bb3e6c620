// Contractions: some operand, the panel, is used again along an output loop, the rows.
//
// A tile of registers holds some rows times some vectors of columns while the summed loops run. Around it, from the
// outside in: groups of column tiles, whose panels stay in the second-level cache while all rows pass by; blocks of the
// sum, where a panel of its whole depth would not fit; tiles of rows; the column tiles of the group. What is left over
// by a tile is done by one that overlaps its neighbour, so that there is one kernel for all sizes and no condition.

import { type Index, type LoopAtom, strideOf } from "../../kernel/index.js";
import type { LoadExpr, Stmt } from "../../kernel/ir.js";
import { bytesOf } from "../../scalar/dtype.js";
import { hasLoaded } from "../actions/loops.js";
import { chainOf, isUnitStride, movesWith, product, type Reduction, tripsOf } from "../nest.js";
import { collapseAll } from "./collapse.js";
import type { Draft } from "./draft.js";
import { scheduleElementwise } from "./elementwise.js";
import { fillable, lanesFor } from "./vectors.js";

interface Contraction {
  /** Loops outside the nest. */
  readonly around: readonly LoopAtom[];
  /** The loop along which vectors run; only `panel` moves with it. */
  readonly columns: LoopAtom;
  /** The loop along which the panel is used again. */
  readonly row: LoopAtom;
  readonly panel: LoadExpr;
  readonly width: number;
  readonly vectors: number;
  readonly rowTile: number;
  readonly pack: boolean;
  /** Whether threads may pack panels themselves. */
  readonly near: boolean;
  /** Whether the panel may also be packed, or not be. */
  readonly eitherWay: boolean;
  readonly cost: number;
}

/** The contraction that a reduction is, if it is one, with the tiles of least cost. */
export function contractionOf(
  draft: Draft,
  reduction: Reduction,
  around: readonly LoopAtom[],
  mayPack: boolean,
  body: readonly Stmt[],
): Contraction | undefined {
  const lanes = lanesFor(draft, body);
  if (lanes === 1) return undefined;
  const found: Contraction[] = [];
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
    const contraction = weigh(draft, reduction, around, columns, row, panel, lanes, mayPack);
    if (contraction !== undefined) found.push(contraction);
  }
  if (found.length === 0) return undefined;
  const best = found.reduce((a, b) => (b.cost < a.cost ? b : a));
  const names = found.map(({ columns }) => columns.name);
  const chosen = draft.choose(`${best.columns.name} columns`, best.columns.name, names);
  return chooseTile(draft, found[names.indexOf(chosen)], reduction);
}

/** Other tiles than that of least cost, as far as registers allow. */
function chooseTile(draft: Draft, c: Contraction, reduction: Reduction): Contraction {
  const column = c.columns.name;
  const most = Math.floor(tripsOf(c.columns) / c.width);
  const vectors = draft.choose(
    `${column} vectors`,
    c.vectors,
    [1, 2, 3, 4, 6].filter((n) => n <= most),
  );
  const rows = Math.min(tripsOf(c.row), Math.floor((draft.target.vectorRegisters - 1) / vectors));
  const fewer = Math.min(rowsToShare(draft, c, reduction), Math.max(1, rows));
  const rowTile = draft.choose(
    `${c.row.name} rows`,
    fewer,
    [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16].filter((n) => n <= rows),
  );
  const pack = c.eitherWay ? draft.choose(`${column} packed`, c.pack, [true, false]) : c.pack;
  const near = pack && c.near && draft.choose(`${column} packed near`, true, [true, false]);
  return { ...c, vectors, rowTile, pack, near };
}

/** A contraction vectorised along `columns` and tiled along `row`, with its cost in cycles an output. */
function weigh(
  draft: Draft,
  reduction: Reduction,
  around: readonly LoopAtom[],
  columns: LoopAtom,
  row: LoopAtom,
  panel: LoadExpr,
  lanes: number,
  mayPack: boolean,
): Contraction | undefined {
  const trips = tripsOf(columns);
  const depth = product(reduction.reduced);
  const width = fillable(lanes, trips);
  const vectors = vectorsPerTile(draft, Math.floor(trips / width));
  const rowTile = rowsPerTile(draft, tripsOf(row), vectors);
  const tile = width * vectors;
  const consecutive = isUnitStride(panel, columns) && panel.valid.length === 0;
  const outputs = [...around, ...reduction.outputs];
  const moving = [...outputs, ...reduction.reduced].filter((loop) => movesWith(panel, loop));
  const uses = product(outputs.filter((loop) => !movesWith(panel, loop)));
  const packable =
    mayPack &&
    moving.every((loop) => loop.extent.value !== undefined) &&
    panel.buffer.space !== "local" &&
    !hasLoaded(panel.index) &&
    uses >= 16;
  const near =
    packable &&
    consecutive &&
    panelBytes(panel, tile, reduction) <= draft.target.l2Bytes / 4 &&
    mayPackNear(draft, outputs, columns, tile, row, rowTile);
  // A tile of few rows asks for so much of the panel that it should mostly come from the first-level cache.
  const { l1Bytes, l2Bytes } = draft.target;
  const cache = rowTile < 8 ? 2 * l1Bytes : near ? l2Bytes / 4 : l2Bytes / 2;
  const pack = packable && (!consecutive || (uses >= 64 && isSpread(panel, reduction, cache)));
  if (!pack && !consecutive) return undefined;
  const again = (Math.ceil(trips / tile) * tile) / trips;
  const multiply = (depth * again * (1 + (rowTile + vectors) / (rowTile * vectors) / 2)) / (2 * width);
  const scatter = reduction.accesses.reduce((sum, x) => sum + scatterCost(x, columns, row), 0);
  const copied = pack ? product(moving) * copyCost(panel, columns, reduction) : 0;
  const rowsOperand = rowsToPack(draft, reduction, columns, row);
  const copiedRows =
    rowsOperand === undefined ? 0 : product(movingLoops(rowsOperand, outputs, reduction)) * 0.5;
  const packing = (copied + copiedRows) / Math.max(1, product(outputs));
  const eitherWay = packable && consecutive;
  const cost = multiply + scatter + packing;
  return { around, columns, row, panel, width, vectors, rowTile, pack, near, eitherWay, cost };
}

/**
 * Whether threads may pack panels themselves: then these need not leave a thread's cache, and no thread waits for another.
 * There must be groups of columns for all threads, and rows that make up for it.
 */
function mayPackNear(
  draft: Draft,
  outputs: readonly LoopAtom[],
  columns: LoopAtom,
  tile: number,
  row: LoopAtom,
  rowTile: number,
): boolean {
  const outer = product(outputs.filter((loop) => loop !== columns && loop !== row));
  return (
    outer * Math.ceil(tripsOf(columns) / tile) >= 4 * draft.target.threads && tripsOf(row) >= 4 * rowTile
  );
}

/**
 * Vectors of a register tile: two where registers are many, so that rows fill the rest; four where they are few,
 * since V8 keeps a tile of two rows of four in registers and larger ones not (measured, see docs/performance.md).
 */
export function vectorsPerTile(draft: Draft, vectors: number): number {
  const most = draft.target.vectorRegisters >= 32 ? 2 : 4;
  return Math.max(1, vectors === 3 && most === 4 ? 3 : Math.min(most, vectors));
}

/** Rows of a register tile: as many accumulators as registers allow, with few rows done twice. */
export function rowsPerTile(draft: Draft, rows: number, vectors: number): number {
  const registers = draft.target.vectorRegisters - 2 - vectors;
  const most = Math.max(1, Math.min(16, Math.floor(registers / vectors)));
  if (rows <= most) return rows;
  let best = most;
  let bestCost = Number.POSITIVE_INFINITY;
  for (let tile = most; tile >= Math.max(2, Math.ceil(most / 2)); tile--) {
    // A tile costs its rows and something for loading the panel.
    const cost = Math.ceil(rows / tile) * (tile + 2);
    if (cost < bestCost) {
      best = tile;
      bestCost = cost;
    }
  }
  return best;
}

/**
 * Rows of a tile so that threads share tiles evenly, where no cache holds the panel: then no other loop is divided among
 * threads, and what uses a block of the panel again does so while it is near.
 */
function rowsToShare(draft: Draft, c: Contraction, reduction: Reduction): number {
  const { threads, l2Bytes } = draft.target;
  const tile = c.width * c.vectors;
  const outputs = reduction.outputs.filter((loop) => loop !== c.columns && loop !== c.row);
  const again = outputs.filter((loop) => !movesWith(c.panel, loop));
  if (!c.pack || c.near || product(again) === 1 || panelBytes(c.panel, tile, reduction) <= l2Bytes / 2)
    return c.rowTile;
  const panels =
    Math.ceil(tripsOf(c.columns) / tile) * product(outputs.filter((loop) => movesWith(c.panel, loop)));
  for (let rows = c.rowTile; rows >= Math.max(2, c.rowTile / 2); rows--) {
    const parts = Math.ceil(tripsOf(c.row) / rows);
    const tiles = panels * parts;
    if (tiles >= 2 * threads && (tiles % threads === 0 || tiles >= 8 * threads))
      return Math.ceil(tripsOf(c.row) / parts);
  }
  return c.rowTile;
}

/** Splits a loop of constant length into parts, the last of which overlaps; any other leaves a rest. */
function splitEvenly(draft: Draft, loop: string, factor: number): boolean {
  return (
    draft.apply({ action: "split", loop, factor, tail: "overlap" }) ||
    draft.apply({ action: "split", loop, factor, tail: "peel" })
  );
}

export function scheduleContraction(draft: Draft, c: Contraction, reduction: Reduction, top: boolean): void {
  const column = c.columns.name;
  const row = c.row.name;
  const rowsFirst = reduction.outputs.indexOf(c.row) < reduction.outputs.indexOf(c.columns);
  if (!splitEvenly(draft, column, c.width * c.vectors)) return;
  const near = top && c.near;
  if (c.pack && !near) packPanel(draft, c, reduction);
  const grouped = top && rowsFirst && groupColumns(draft, c, reduction);
  const group = grouped ? `${column}oo` : `${column}o`;
  const block = top && c.pack && !near ? blockSum(draft, c, reduction) : undefined;
  if (near) {
    if (rowsFirst) draft.apply({ action: "reorder", loop: row, inside: group });
    packNear(draft, c, reduction, group, grouped);
  }
  let lanes = `${column}i`;
  if (c.vectors > 1) {
    draft.apply({ action: "split", loop: lanes, factor: c.width, tail: "peel" });
    draft.apply({ action: "unroll", loop: `${lanes}o` });
    lanes = `${lanes}i`;
  }
  draft.apply({ action: "vectorize", loop: lanes });
  // Rows pass by while a group's panels stay near.
  if (rowsFirst && !near) draft.apply({ action: "reorder", loop: row, inside: group });
  splitEvenly(draft, row, c.rowTile);
  if (grouped && !rowsFirst) draft.apply({ action: "reorder", loop: `${column}oi`, inside: `${row}o` });
  if (top) packRows(draft, c, reduction);
  if (block !== undefined) sinkIntoBlock(draft, c, block);
  const parts = [`${row}i`, `${row}t`].filter((name) => draft.loop(name) !== undefined);
  for (const part of parts) {
    draft.apply({ action: "unroll", loop: part });
    draft.apply({ action: "reorder", loop: part });
  }
  for (const suffix of parts.length > 1 ? ["", `_${row}t`] : [""]) {
    if (c.vectors > 1) draft.apply({ action: "reorder", loop: `${column}io${suffix}` });
    draft.apply({ action: "reorder", loop: `${lanes}${suffix}` });
  }
  if (top && c.pack) prefetchPanel(draft, c, reduction);
  if (top) parallelise(draft, block ?? `${row}o`);
}

/** A thread packs the panels of a group of columns before it uses them for all rows. */
function packNear(draft: Draft, c: Contraction, reduction: Reduction, group: string, grouped: boolean): void {
  const inner = reduction.reduced.filter((loop) => movesWith(c.panel, loop)).map(({ name }) => name);
  const column = c.columns.name;
  const order = [...(grouped ? [`${column}oi`] : []), ...inner, `${column}i`];
  const buffer = c.panel.buffer.name;
  const copy = draft.stage({ buffer, at: group, order, space: "local" });
  if (copy === undefined) return;
  const [first] = copy.loops;
  collapseAll(draft, first);
  const nest = draft.loop(first);
  if (nest !== undefined) scheduleElementwise(draft, chainOf(nest), false);
}

/** Steps of the sum that a panel is asked for ahead. */
const STEPS_AHEAD = 16;

/** Asks ahead for a packed panel that comes from the second-level cache: each row of tiles reads it once more. */
function prefetchPanel(draft: Draft, c: Contraction, reduction: Reduction): void {
  if (panelBytes(c.panel, c.width * c.vectors, reduction) <= draft.target.l1Bytes / 2) return;
  // Packed, it goes on from one loop of the sum to the next.
  const summed = reduction.reduced.filter((loop) => movesWith(c.panel, loop));
  const along = summed.at(-1);
  if (along === undefined || product(summed) < 4 * STEPS_AHEAD) return;
  const [buffer, at] = [`${c.panel.buffer.name}s`, along.name];
  draft.apply({ action: "prefetch", buffer, at, next: at, ahead: STEPS_AHEAD });
}

/** Bytes of the panel that one tile of so many columns uses. */
const panelBytes = (panel: LoadExpr, tile: number, { reduced }: Reduction): number =>
  product(reduced.filter((loop) => movesWith(panel, loop))) * tile * bytesOf(panel.dtype);

// --- packing -----------------------------------------------------------------------------------------------------

/** The panel in memory: its other loops, the tile of columns, the summed loops, the columns of the tile. */
function packPanel(draft: Draft, c: Contraction, reduction: Reduction): void {
  const outputs = [...c.around, ...reduction.outputs];
  const outer = outputs.filter((loop) => loop !== c.columns && movesWith(c.panel, loop));
  const inner = reduction.reduced.filter((loop) => movesWith(c.panel, loop));
  const names = [...outer.map((l) => l.name), `${c.columns.name}o`, ...inner.map((l) => l.name)];
  const last = `${c.columns.name}i`;
  pack(draft, c.panel, [...names, last]);
}

/** The rows' operand likewise, if it comes from another page at each step of the innermost loop. */
function packRows(draft: Draft, c: Contraction, reduction: Reduction): void {
  const rows = rowsToPack(draft, reduction, c.columns, c.row);
  if (rows === undefined) return;
  const outer = reduction.outputs.filter((loop) => loop !== c.row && movesWith(rows, loop));
  const inner = reduction.reduced.filter((loop) => movesWith(rows, loop));
  const names = [...outer.map((l) => l.name), `${c.row.name}o`, ...inner.map((l) => l.name)];
  pack(draft, rows, [...names, `${c.row.name}i`]);
}

/** The rows' operand if it had better be packed. */
function rowsToPack(
  draft: Draft,
  reduction: Reduction,
  columns: LoopAtom,
  row: LoopAtom,
): LoadExpr | undefined {
  const moving = reduction.loads.filter((x) => movesWith(x, row));
  const [rows] = moving;
  if (moving.length !== 1 || rows.valid.length > 0 || rows.buffer.space === "local" || hasLoaded(rows.index))
    return undefined;
  const jumps = reduction.reduced.some((loop) => bytesApart(rows, loop) >= 256);
  if (!jumps || !isUnitStride(rows, row)) return undefined;
  const outer = reduction.outputs.filter((loop) => loop !== row && movesWith(rows, loop));
  const uses = product(reduction.outputs) / tripsOf(row) / product(outer);
  const enough = isSpread(rows, reduction, draft.target.l2Bytes / 2) ? 64 : 512;
  return uses < enough || movesWith(rows, columns) ? undefined : rows;
}

const movingLoops = (x: LoadExpr, outputs: readonly LoopAtom[], { reduced }: Reduction): LoopAtom[] =>
  [...outputs, ...reduced].filter((loop) => movesWith(x, loop));

/** Cycles an output for reading or storing there: whole vectors, through transposed tiles, or one by one. */
function scatterCost(x: Index, columns: LoopAtom, row: LoopAtom): number {
  const along = strideOf(x, columns);
  if (along === 0 || along === 1) return 0;
  return strideOf(x, row) === 1 ? 0.5 : 2;
}

/** Cycles for copying an element into a panel: whole vectors, through transposed tiles, or one by one. */
function copyCost(panel: LoadExpr, columns: LoopAtom, { reduced }: Reduction): number {
  if (isUnitStride(panel, columns)) return 0.25;
  return reduced.some((loop) => isUnitStride(panel, loop)) ? 0.5 : 2;
}

/**
 * Whether what one tile uses of an operand lies so far apart that it cannot stay in a cache, of which these bytes are
 * its own: a line on a page of its own takes the place that the whole page could.
 */
function isSpread(operand: LoadExpr, { reduced }: Reduction, cache: number): boolean {
  const jumps = reduced.filter((loop) => bytesApart(operand, loop) >= 256);
  const span = product(jumps) * Math.min(4096, ...jumps.map((loop) => bytesApart(operand, loop)));
  return jumps.length > 0 && span > cache;
}

/** How far one iteration of a loop moves an operand. */
const bytesApart = (operand: LoadExpr, loop: LoopAtom): number =>
  Math.abs(strideOf(operand.index, loop) ?? 0) * bytesOf(operand.dtype);

/** Copies an operand into memory that threads share, in the order of these loops. */
function pack(draft: Draft, operand: LoadExpr, order: readonly string[]): void {
  const buffer = operand.buffer.name;
  const copy = draft.stage({ buffer, at: undefined, order, space: "scratch" });
  if (copy === undefined) return;
  const [first] = copy.loops;
  const outer = copy.loops.slice(0, -1);
  collapseAll(draft, first);
  const nest = draft.loop(first);
  if (nest !== undefined) scheduleElementwise(draft, chainOf(nest), true);
  markParallel(draft, first, [...outer, ...outer.map((name) => `${name}o`)]);
}

// --- what stays near ---------------------------------------------------------------------------------------------

/** Most column tiles whose panels are used by all rows before the next ones are. */
const LARGEST_GROUP = 16;

/** Splits the tiles of columns into groups whose panels fit half of the second-level cache; false if there are none. */
function groupColumns(draft: Draft, c: Contraction, reduction: Reduction): boolean {
  const tiles = draft.loop(`${c.columns.name}o`)?.atom.extent.value;
  if (tiles === undefined) return false;
  const others = product(reduction.outputs.filter((loop) => loop !== c.columns && loop !== c.row));
  // Threads share the rows of a group, but where each packs its own.
  const shared = c.near ? others : others * Math.ceil(tripsOf(c.row) / c.rowTile);
  const fits = draft.target.l2Bytes / 2 / panelBytes(c.panel, c.width * c.vectors, reduction);
  const sizes: number[] = [];
  for (let size = 2; size <= 2 * LARGEST_GROUP; size++) {
    if (tiles % size === 0 && (tiles / size) * shared >= 4 * draft.target.threads) sizes.push(size);
  }
  const preferred = Math.max(1, ...sizes.filter((size) => size <= LARGEST_GROUP && size <= fits));
  const size = draft.choose(`${c.columns.name} group`, preferred, [1, ...sizes]);
  if (size === 1) return false;
  return draft.apply({ action: "split", loop: `${c.columns.name}o`, factor: size, tail: "peel" });
}

/**
 * Divides the sum so that what a block of it uses of a panel stays in the second-level cache, if the whole does not;
 * gives the loop over blocks. Each block has registers of its own and adds them to what earlier ones left in memory.
 */
function blockSum(draft: Draft, c: Contraction, reduction: Reduction): string | undefined {
  const bytes = panelBytes(c.panel, c.width * c.vectors, reduction);
  const [outermost] = reduction.reduced;
  const trips = outermost.extent.value;
  if (trips === undefined || !movesWith(c.panel, outermost)) return undefined;
  const most = Math.max(1, Math.floor(draft.target.l2Bytes / 8 / (bytes / trips)));
  let fitting = Math.min(most, trips);
  while (trips % fitting !== 0) fitting--;
  const stays = bytes <= draft.target.l2Bytes / 2 || (fitting < most / 4 && fitting < 64);
  const divisors = [2, 3, 4, 6, 8, 12, 16].filter((n) => trips % n === 0 && trips / n >= 32);
  const length = draft.choose(`${outermost.name} block`, stays ? trips : fitting, [
    trips,
    ...divisors.map((n) => trips / n),
  ]);
  if (length === trips) return undefined;
  let block = outermost.name;
  if (length > 1) {
    if (!draft.apply({ action: "split", loop: block, factor: length, tail: "peel" })) return undefined;
    block = `${block}o`;
  } else if (reduction.reduced.length === 1) return undefined;
  return draft.apply({ action: "rfactor", loop: block, layout: "own" }) ? block : undefined;
}

/** Loops that use the panel again go inside a block, but for the outer ones, which threads share. */
function sinkIntoBlock(draft: Draft, c: Contraction, block: string): void {
  const around = draft.nestOf(block);
  const lanes = new Set([
    `${c.row.name}i`,
    `${c.columns.name}io`,
    `${c.columns.name}ii`,
    `${c.columns.name}i`,
  ]);
  const serial: string[] = [];
  let shared = 1;
  for (const { atom } of around) {
    if (atom.name === block) break;
    if (lanes.has(atom.name)) continue;
    if (shared >= 2 * draft.target.threads && !movesWith(c.panel, atom)) serial.push(atom.name);
    else shared *= tripsOf(atom);
  }
  for (const loop of serial.reverse()) draft.apply({ action: "reorder", loop, inside: block });
}

/** Marks the outer loops of all tiles parallel, as many as threads want. */
function parallelise(draft: Draft, tiles: string): void {
  const names: string[] = [];
  for (const s of draft.nestOf(tiles)) {
    names.push(s.atom.name);
    if (s.body.length !== 1) break;
  }
  if (names.length > 0) markParallel(draft, names[0], names);
}

/** Marks loops parallel from `outermost` inwards, while each is the only statement of the one around it. */
function markParallel(draft: Draft, outermost: string, names: readonly string[]): void {
  let loop = draft.loop(outermost);
  let pieces = 1;
  while (loop !== undefined && names.includes(loop.atom.name) && pieces < 16 * draft.target.threads) {
    pieces *= tripsOf(loop.atom);
    if (!draft.apply({ action: "parallel", loop: loop.atom.name })) return;
    const [only]: readonly Stmt[] = loop.body;
    loop = loop.body.length === 1 && only.kind === "for" ? only : undefined;
  }
}
