// Gathers that vector loads and shuffles do better. Vectorising leaves a `pack` of scalar loads wherever an address does
// not move by one element a lane. Two shapes of it are common:
//   a tile read across its rows: as many packs as lanes, each one element further than the one before it. Its rows
//   are loaded as vectors and transposed in registers, log2(lanes) shuffles for each;
//   one run of elements, backwards or every other one: a vector or two, reordered by one shuffle. Where the others are
//   wanted too, both take theirs from the same two vectors.

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
  const runs = packs.flatMap((x) => (replaced.has(x) ? [] : (asRun(x) ?? [])));
  for (const [x, value] of halved(runs)) replaced.set(x, value);
  for (const run of runs) if (!replaced.has(run.of)) replaced.set(run.of, shuffled(run));
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

/** Elements one or two apart: the pack of them, the lowest one, and the steps between lanes. */
interface Run {
  readonly of: Gather;
  readonly lowest: Index;
  readonly step: -1 | 2 | -2;
}

function asRun(of: Gather): Run | undefined {
  const { args, lanes } = of;
  const [first] = args;
  const step = subIndex(args[1].index, first.index).value;
  if (step !== -1 && step !== 2 && step !== -2) return undefined;
  const valid = validOf(first);
  const even = args.every(
    (x, lane) => subIndex(x.index, first.index).value === lane * step && validOf(x) === valid,
  );
  return even ? { of, lowest: step < 0 ? args[lanes - 1].index : first.index, step } : undefined;
}

const validOf = (x: LoadExpr): string => x.valid.map((v) => v.key).join("&");

/** Vectors and a shuffle of them, which read nothing but what is between the lanes. */
function shuffled({ of, lowest, step }: Run): Expr {
  const { args, lanes } = of;
  const low = vectorAt(args[0], lowest, lanes);
  if (step === -1) return shuffle(low, low, upwards(lanes).reverse());
  // The second vector ends where the last lane does.
  const high = vectorAt(args[0], addIndex(lowest, lanes - 1), lanes);
  const picks = upwards(lanes).map((lane) => (2 * lane < lanes ? 2 * lane : 2 * lane + 1));
  return shuffle(low, high, step < 0 ? picks.reverse() : picks);
}

/** Runs of every other element of which one holds what the other leaves out, by their halves of two vectors. */
function halved(runs: readonly Run[]): Map<Expr, Expr> {
  const placeOf = ({ of, lowest }: Run, by: number): string => {
    const [{ buffer, dtype }] = of.args;
    return `${buffer.id} ${dtype} ${of.lanes} ${addIndex(lowest, by).key} ${validOf(of.args[0])}`;
  };
  const twos = runs.filter(({ step }) => step === 2);
  const odd = new Map(twos.map((run) => [placeOf(run, 0), run]));
  const halves = new Map<Expr, Expr>();
  for (const even of twos) {
    const other = odd.get(placeOf(even, 1));
    if (other === undefined || halves.has(even.of)) continue;
    const { args, lanes } = even.of;
    const both = [0, lanes].map((at) => vectorAt(args[0], addIndex(even.lowest, at), lanes));
    [even, other].forEach(({ of }, first) => {
      halves.set(
        of,
        shuffle(
          both[0],
          both[1],
          upwards(lanes).map((lane) => first + 2 * lane),
        ),
      );
    });
  }
  return halves;
}

const upwards = (lanes: number): number[] => Array.from({ length: lanes }, (_, lane) => lane);
