// Scatters that shuffles and vector stores do better. Vectorising leaves a scalar store for each lane wherever an address
// does not move by one element a lane. Where as many vectors as fill a block are scattered side by side, each one element
// further than the one before (the results of a tile whose rows, not its lanes, lie next to each other in memory), blocks
// of them are transposed in registers and stored as vectors; where they fill the distance between lanes, interleaved.

import { addIndex, type Index, subIndex } from "../kernel/index.js";
import { type Buffer, type Expr, loadsOf, type Stmt, type StoreStmt, shuffle } from "../kernel/ir.js";
import { transposeBlocks } from "./transpose.js";

/** Fewer vectors side by side are not worth transposing. */
const FEWEST_ROWS = 4;

/** Statements with every scatter of this shape replaced. */
export function shuffleScatters(body: readonly Stmt[]): Stmt[] {
  const result: Stmt[] = [];
  for (let at = 0; at < body.length; ) {
    const s = body[at];
    if (s.kind === "for" || s.kind === "if") {
      result.push({ ...s, body: shuffleScatters(s.body) });
      at++;
      continue;
    }
    // Hints what to fetch may stand in between.
    const isHint = (x: Stmt): boolean => x.kind === "prefetch";
    const run: ScatterStmt[] = [];
    let end = at;
    for (let x = body[end]; x !== undefined && (isHint(x) || isScattered(x, s)); x = body[++end]) {
      if (isScattered(x, s)) run.push(x);
    }
    if (run.length === 0) {
      result.push(s);
      at++;
      continue;
    }
    result.push(...body.slice(at, end).filter(isHint), ...transposed(run));
    at = end;
  }
  return result;
}

type ExtractExpr = Extract<Expr, { op: "extract" }>;
interface ScatterStmt extends StoreStmt {
  readonly value: ExtractExpr;
}

/** One lane of a vector stored by itself, to the same buffer as `first`, which nothing here reads. */
function isScattered(s: Stmt, first: Stmt): s is ScatterStmt {
  if (s.kind !== "store" || first.kind !== "store" || s.value.op !== "extract") return false;
  if (s.buffer !== first.buffer || s.buffer.space === "register") return false;
  return !loadsOf([s]).some((x) => x.buffer === s.buffer);
}

interface Row {
  readonly value: Expr;
  /** Where each lane goes. */
  readonly places: readonly Index[];
  readonly stores: readonly ScatterStmt[];
}

function transposed(stores: readonly ScatterStmt[]): Stmt[] {
  // Where something is written twice, the order counts.
  if (new Set(stores.map((s) => s.index.key)).size < stores.length) return [...stores];
  const vectors = new Map<Expr, ScatterStmt[][]>();
  for (const s of stores) {
    const [vector] = s.value.args;
    const { lane } = s.value;
    const copies = vectors.get(vector) ?? [];
    vectors.set(vector, copies);
    // A vector may be stored to several places.
    const copy = copies.find((lanes) => lanes[lane] === undefined);
    if (copy !== undefined) copy[lane] = s;
    else copies.push(Object.assign([], { [lane]: s }));
  }
  const tiles = new Map<string, Map<number, Row>>();
  const rows = [...vectors].flatMap(([value, copies]) => copies.map((lanes) => ({ value, lanes })));
  for (const { value, lanes } of rows) {
    if (Object.keys(lanes).length !== value.lanes) continue;
    const places = lanes.map((s) => s.index);
    const at = places[0].constant;
    const key = places.map((place) => addIndex(place, -at).key).join("|");
    const tile = tiles.get(key) ?? new Map<number, Row>();
    tiles.set(key, tile.set(at, { value, places, stores: lanes }));
  }
  const replaced = new Set<Stmt>();
  const blocks: Stmt[] = [];
  for (const tile of tiles.values()) {
    for (const run of runsOf(tile)) {
      if (fillsLanes(run)) {
        blocks.push(...storeInterleaved(run, stores[0].buffer));
        for (const row of run) for (const s of row.stores) replaced.add(s);
        continue;
      }
      const size = 2 ** Math.floor(Math.log2(Math.min(run.length, run[0].value.lanes)));
      if (size < FEWEST_ROWS) continue;
      for (let from = 0; from < run.length; from += size) {
        const start = Math.min(from, run.length - size);
        blocks.push(...storeBlock(run.slice(start, start + size), stores[0].buffer));
      }
      for (const row of run) for (const s of row.stores) replaced.add(s);
    }
  }
  return [...stores.filter((s) => !replaced.has(s)), ...blocks];
}

/** Whether rows side by side fill the distance between their lanes: together they are a run of memory. */
function fillsLanes(run: readonly Row[]): boolean {
  const { length } = run;
  const [{ places }] = run;
  if (length < 2 || !Number.isInteger(Math.log2(length))) return false;
  return places.every((place, lane) => subIndex(place, places[0]).value === lane * length);
}

function storeInterleaved(run: readonly Row[], buffer: Buffer): Stmt[] {
  const [{ places }] = run;
  const lanes = places.length;
  return interleave(run.map((row) => row.value)).map(
    (value, i): Stmt => ({ kind: "store", buffer, index: addIndex(places[0], i * lanes), value }),
  );
}

/** The first lanes of all vectors, then the second ones, and so on, as so many vectors. */
function interleave(vectors: readonly Expr[]): Expr[] {
  let lists = vectors.map((vector) => [vector]);
  const { lanes } = vectors[0];
  const picks = [0, lanes / 2].map((from) =>
    Array.from({ length: lanes }, (_, i) => from + Math.floor(i / 2) + (i % 2) * lanes),
  );
  while (lists.length > 1) {
    const half = lists.length / 2;
    lists = lists
      .slice(0, half)
      .map((list, i) => list.flatMap((a, j) => picks.map((order) => shuffle(a, lists[half + i][j], order))));
  }
  return lists[0];
}

/** Rows that lie next to each other. */
function runsOf(rows: ReadonlyMap<number, Row>): Row[][] {
  const runs: Row[][] = [];
  let last = Number.NaN;
  for (const at of [...rows.keys()].sort((a, b) => a - b)) {
    if (at !== last + 1) runs.push([]);
    runs[runs.length - 1].push(rows.get(at)!);
    last = at;
  }
  return runs;
}

function storeBlock(rows: readonly Row[], buffer: Buffer): Stmt[] {
  const size = rows.length;
  const [{ value, places }] = rows;
  return transposeBlocks(rows.map((row) => row.value)).flatMap((vector, i) =>
    Array.from({ length: value.lanes / size }, (_, block): Stmt => {
      const picks = Array.from({ length: size }, (_, row) => block * size + row);
      const part = size === value.lanes ? vector : shuffle(vector, vector, picks);
      return { kind: "store", buffer, index: places[block * size + i], value: part };
    }),
  );
}
