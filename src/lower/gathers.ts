// Gathers that vector loads and shuffles do better. Vectorising leaves a `pack` of scalar loads wherever an address does
// not move by one element a lane. Two shapes of it are common:
//   a tile read across its rows: as many packs as lanes, each one element further than the one before it. Its rows
//   are loaded as vectors and transposed in registers, log2(lanes) shuffles for each;
//   one run of elements, backwards or every other one: a vector or two, reordered by one shuffle.

import { addIndex, type Index, subIndex } from "../kernel/index.js";
import {
  type Expr,
  exprsOf,
  type LoadExpr,
  load,
  type PackExpr,
  type Stmt,
  shuffle,
  topologicalOrder,
} from "../kernel/ir.js";
import { rewriteBody } from "../kernel/rewrite.js";
import { transposeBlocks } from "./transpose.js";

/** Statements with every gather of these shapes replaced. */
export function shuffleGathers(body: readonly Stmt[]): Stmt[] {
  const nested = body.map(
    (s): Stmt => (s.kind === "for" || s.kind === "if" ? { ...s, body: shuffleGathers(s.body) } : s),
  );
  const packs = topologicalOrder(nested.flatMap(exprsOf)).filter(isGather);
  if (packs.length === 0) return nested;
  const replaced = transposed(packs);
  for (const x of packs) {
    if (replaced.has(x)) continue;
    const run = asRun(x);
    if (run !== undefined) replaced.set(x, run);
  }
  if (replaced.size === 0) return nested;
  return nested.map((s) => (exprsOf(s).length === 0 ? s : rewriteBody([s], (x) => replaced.get(x) ?? x)[0]));
}

interface Gather extends PackExpr {
  readonly args: readonly LoadExpr[];
}

const isGather = (x: Expr): x is Gather =>
  x.op === "pack" &&
  x.args.every((arg) => arg.op === "load" && arg.buffer === (x.args[0] as LoadExpr).buffer) &&
  (x.args[0] as LoadExpr).buffer.space !== "register";

const vectorAt = (x: LoadExpr, index: Index, lanes: number): Expr =>
  load(x.buffer, index, x.valid, { dtype: x.dtype, lanes });

// ---------------------------------------------------------------------------------------------------------------
// Tiles

/** Packs that are the columns of a tile, by what its transposed rows give. */
function transposed(packs: readonly Gather[]): Map<Expr, Expr> {
  const tiles = new Map<string, Map<number, Gather>>();
  for (const x of packs) {
    const key = tileKey(x);
    const columns = tiles.get(key) ?? new Map<number, Gather>();
    tiles.set(key, columns.set(x.args[0].index.constant, x));
  }
  const replaced = new Map<Expr, Expr>();
  for (const columns of tiles.values()) {
    const places = [...columns.keys()].sort((a, b) => a - b);
    for (let at = 0; at < places.length; ) {
      const first = columns.get(places[at])!;
      const { lanes } = first;
      const last = places[at + lanes - 1];
      if (last !== places[at] + lanes - 1) {
        at++;
        continue;
      }
      const rows = first.args.map((x) => vectorAt(x, x.index, lanes));
      transposeBlocks(rows).forEach((column, i) => {
        replaced.set(columns.get(places[at] + i)!, column);
      });
      at += lanes;
    }
  }
  return replaced;
}

/** The same for packs whose lanes differ by the same constant all along. */
function tileKey({ args }: Gather): string {
  const [{ buffer, index: first, dtype }] = args;
  const lanes = args.map(({ index, valid }) => {
    const apart = addIndex(index, -first.constant);
    return `${apart.key}?${valid.map((x) => x.key).join("&")}`;
  });
  return `${buffer.id} ${dtype} ${lanes.join("|")}`;
}

// ---------------------------------------------------------------------------------------------------------------
// Runs

/** One run of elements read backwards, or every other one, within what the lanes themselves read. */
function asRun({ args, lanes }: Gather): Expr | undefined {
  const [first] = args;
  const step = subIndex(args[1].index, first.index).value;
  if (step !== -1 && step !== 2 && step !== -2) return undefined;
  const valid = first.valid.map((x) => x.key).join("&");
  const even = args.every(
    (x, lane) =>
      subIndex(x.index, first.index).value === lane * step && x.valid.map((v) => v.key).join("&") === valid,
  );
  if (!even) return undefined;
  const lowest = step < 0 ? args[lanes - 1].index : first.index;
  const low = vectorAt(first, lowest, lanes);
  const upwards = Array.from({ length: lanes }, (_, lane) => (step < 0 ? lanes - 1 - lane : lane));
  if (step === -1) return shuffle(low, low, upwards);
  // The second vector ends where the last lane does: nothing beyond it is read.
  const high = vectorAt(first, addIndex(lowest, lanes - 1), lanes);
  return shuffle(
    low,
    high,
    upwards.map((lane) => (2 * lane < lanes ? 2 * lane : 2 * lane - (lanes - 1) + lanes)),
  );
}
