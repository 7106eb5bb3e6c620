// Contractions of operands that a matrix unit takes: both lie in memory in its layout, and it does a tile of rows and
// columns over the whole depth. Sums of a tile are a thread's own; what follows them is done on vectors of them.
//
// Around the tiles, from the outside in: groups of columns, whose packed operand stays in the second-level cache, rows,
// the columns of the group.

import { type LoopAtom, strideOf } from "../../kernel/index.js";
import type { Expr, ForStmt, LoadExpr } from "../../kernel/ir.js";
import { LEAST_UNIT_WORK, type MatrixUnit } from "../../kernel/units.js";
import { bytesOf, type DType, holds } from "../../scalar/dtype.js";
import { hasLoaded } from "../actions/loops.js";
import { chainOf, isUnitStride, movesWith, product, type Reduction, tripsOf } from "../nest.js";
import { collapseAll } from "./collapse.js";
import type { Target } from "../../device/target.js";
import type { Draft } from "./draft.js";
import { scheduleElementwise } from "./elementwise.js";

/** How often an element may be packed. */
const MOST_REPETITION = 2;
/** How much more work rounding the depth up may make. */
const MOST_PADDING = 1.5;

interface Operand {
  readonly load: LoadExpr;
  /** As what it is multiplied: the dtype below the cast to that of the sums. */
  readonly dtype: DType;
}

interface Tensorization {
  readonly unit: MatrixUnit;
  readonly row: LoopAtom;
  readonly column: LoopAtom;
  readonly left: Operand;
  readonly right: Operand;
  /**
   * The loop in which a thread packs what it needs of the right operand itself; else all of it is packed before. Packing
   * repeats elements where windows overlap, so that they stay in a cache.
   */
  readonly near: LoopAtom | undefined;
  /** The summed loops, the one that is taken apart into groups last. */
  readonly depths: readonly LoopAtom[];
  readonly rows: number;
  readonly blocks: number;
}

/** How a matrix unit of the target does a reduction, if one can; the kernel's own loops only. */
export function tensorizationOf(draft: Draft, reduction: Reduction): Tensorization | undefined {
  const { units = [] } = draft.target;
  const { outputs, reduced, accumulate } = reduction;
  const { value } = accumulate;
  if (units.length === 0 || accumulate.op !== "add" || value.op !== "mul") return undefined;
  const constant = [...outputs, ...reduced].every((loop) => loop.extent.value !== undefined);
  if (!constant || product([...outputs, ...reduced]) < LEAST_UNIT_WORK) return undefined;
  const [x, y] = value.args.map(operandOf);
  if (x === undefined || y === undefined) return undefined;
  if (!reduced.every((loop) => movesWith(x.load, loop) && movesWith(y.load, loop))) return undefined;
  const found: Tensorization[] = [];
  for (const unit of units) {
    if (unit.sums !== value.dtype) continue;
    for (const [left, right] of [
      [x, y],
      [y, x],
    ]) {
      if (!holds(unit.left, left.dtype) || !holds(unit.right, right.dtype)) continue;
      const tiling = tilingOf(unit, left, right, reduction, draft.target);
      if (tiling !== undefined) found.push(tiling);
    }
    if (found.length > 0) break;
  }
  if (found.length === 0) return undefined;
  const along = (t: Tensorization): boolean => reduction.stores.every((at) => strideOf(at, t.column) === 1);
  const best = found.find(along) ?? found[0];
  return draft.choose(`${best.column.name} unit`, true, [true, false]) ? best : undefined;
}

/** An operand that is read from memory, whatever it is cast to on the way. */
function operandOf(x: Expr): Operand | undefined {
  let inner = x;
  const dtypes = [x.dtype];
  while (inner.op === "cast") {
    [inner] = inner.args;
    dtypes.push(inner.dtype);
  }
  if (inner.op !== "load" || hasLoaded(inner.index) || inner.valid.some(hasLoaded)) return undefined;
  if (inner.buffer.space === "local" || dtypes.length > 3) return undefined;
  return { load: inner, dtype: dtypes.length === 1 ? dtypes[0] : dtypes[1] };
}

function tilingOf(
  unit: MatrixUnit,
  left: Operand,
  right: Operand,
  { outputs, reduced, stores }: Reduction,
  target: Target,
): Tensorization | undefined {
  const own = (x: Operand, other: Operand): LoopAtom[] =>
    outputs.filter((loop) => movesWith(x.load, loop) && !movesWith(other.load, loop));
  const longest = (loops: readonly LoopAtom[]): LoopAtom | undefined =>
    loops.reduce<LoopAtom | undefined>(
      (best, loop) => (best !== undefined && tripsOf(best) > tripsOf(loop) ? best : loop),
      undefined,
    );
  const columns = own(right, left).filter((loop) => tripsOf(loop) >= unit.lanes);
  const row = longest(own(left, right));
  // What is stored side by side had better be columns.
  const column = columns.find((loop) => stores.every((at) => strideOf(at, loop) === 1)) ?? longest(columns);
  const last = longest(reduced);
  if (row === undefined || column === undefined || last === undefined) return undefined;
  if (tripsOf(row) < 4) return undefined;
  const padded = Math.ceil(tripsOf(last) / unit.depth) * unit.depth;
  if (padded > MOST_PADDING * tripsOf(last)) return undefined;
  const all = [...outputs, ...reduced];
  const near = isRepeated(right, all) ? nearLoop(right, unit, column, all, target) : undefined;
  if (isRepeated(left, all) || (isRepeated(right, all) && near === undefined)) return undefined;
  const rows = Math.min(unit.rows, tripsOf(row));
  return {
    unit,
    row,
    column,
    left,
    right,
    near,
    depths: [...reduced.filter((loop) => loop !== last), last],
    rows: rows > unit.rowBlock ? rows - (rows % unit.rowBlock) : rows,
    blocks: Math.min(unit.blocks, Math.floor(tripsOf(column) / unit.lanes)),
  };
}

/** Whether elements of an operand are packed several times each: they are where windows overlap. */
const isRepeated = ({ load }: Operand, loops: readonly LoopAtom[]): boolean =>
  product(loops.filter((loop) => movesWith(load, loop))) > MOST_REPETITION * load.buffer.size.min;

/** The innermost loop around the columns and depths of an operand, if what is packed in it stays in a cache. */
function nearLoop(
  { load }: Operand,
  unit: MatrixUnit,
  column: LoopAtom,
  loops: readonly LoopAtom[],
  { l2Bytes, threads }: Target,
): LoopAtom | undefined {
  const moving = loops.filter((loop) => movesWith(load, loop));
  const at = loops.indexOf(column);
  const around = moving.filter((loop) => loop !== column && loops.indexOf(loop) < at);
  const inside = moving.filter((loop) => !around.includes(loop));
  const fits = product(inside) * bytesOf(unit.right) <= l2Bytes / 2 && product(around) >= 2 * threads;
  return fits ? around.at(-1) : undefined;
}

/** False, and nothing done, if the unit does not take what the loops become. */
export const scheduleTensorization = (draft: Draft, t: Tensorization, reduction: Reduction): boolean =>
  draft.attempt([() => tileLoops(draft, t, reduction)]);

function tileLoops(draft: Draft, t: Tensorization, reduction: Reduction): boolean {
  const { unit } = t;
  const [row, column] = [t.row.name, t.column.name];
  const depths = splitDepth(draft, t);
  draft.apply({ action: "split", loop: column, factor: unit.lanes * t.blocks, tail: "overlap" });
  draft.apply({ action: "split", loop: row, factor: t.rows, tail: "overlap" });
  const outer = (x: Operand, own: LoopAtom): string[] =>
    reduction.outputs.filter((loop) => loop !== own && movesWith(x.load, loop)).map((loop) => loop.name);
  const groups = depths.slice(0, -1);
  const parts = depths.slice(-1);
  const panel = [...groups, `${column}i`, ...parts];
  if (t.near === undefined) {
    packOperand(draft, t.right, unit.right, [...outer(t.right, t.column), `${column}o`, ...panel]);
  }
  if (!isInPlace(t)) {
    packOperand(draft, t.left, unit.left, [...outer(t.left, t.row), `${row}o`, `${row}i`, ...depths]);
  }
  const group = groupColumns(draft, t, reduction);
  if (reduction.outputs.indexOf(t.row) < reduction.outputs.indexOf(t.column))
    draft.apply({ action: "reorder", loop: `${row}o`, inside: group });
  draft.apply({ action: "reorder", loop: `${row}i` });
  if (t.near !== undefined) {
    const tiles = group === `${column}o` ? [group] : [group, `${column}oi`];
    packOperand(draft, t.right, unit.right, [...tiles, ...panel], t.near.name);
  }
  let lanes = `${column}i`;
  if (t.blocks > 1) {
    draft.apply({ action: "split", loop: lanes, factor: unit.lanes, tail: "peel" });
    lanes = `${lanes}i`;
  }
  draft.apply({ action: "vectorize", loop: lanes });
  if (t.blocks > 1) draft.apply({ action: "reorder", loop: `${column}io` });
  draft.apply({ action: "reorder", loop: lanes });
  const [outermost] = draft.nestOf(depths[0]).filter(({ atom }) => depths.includes(atom.name));
  if (!draft.apply({ action: "tensorize", loop: outermost.atom.name, unit: unit.name })) return false;
  shareTiles(draft, t);
  return true;
}

/** Takes the last summed loop apart into groups, filled up with zeros to what the unit takes; gives all of them. */
function splitDepth(draft: Draft, { unit, depths }: Tensorization): string[] {
  const names = depths.map((loop) => loop.name);
  let last = names.pop()!;
  const rest = tripsOf(depths[depths.length - 1]) % unit.depth !== 0;
  if (rest && unit.depth > unit.group) {
    draft.apply({ action: "split", loop: last, factor: unit.depth, tail: "guard" });
    names.push(`${last}o`);
    last = `${last}i`;
  }
  draft.apply({ action: "split", loop: last, factor: unit.group, tail: "guard" });
  return [...names, `${last}o`, `${last}i`];
}

/** Whether the left operand lies in memory as the unit takes it. */
function isInPlace({ unit, left, depths }: Tensorization): boolean {
  const [depth, ...others] = depths;
  const { load } = left;
  return (
    others.length === 0 &&
    load.dtype === unit.left &&
    load.valid.length === 0 &&
    isUnitStride(load, depth) &&
    tripsOf(depth) % unit.depth === 0
  );
}

/**
 * Copies an operand as the unit takes it, in the order of these loops: into memory that threads share, or into a thread's
 * own inside the loop `at`.
 */
function packOperand(
  draft: Draft,
  { load }: Operand,
  dtype: DType,
  order: readonly string[],
  at?: string,
): void {
  const buffer = load.buffer.name;
  const converted = dtype === load.dtype ? {} : { dtype };
  const space = at === undefined ? "scratch" : "local";
  const copy = draft.stage({ buffer, at, order, space, ...converted });
  if (copy !== undefined) scheduleCopy(draft, copy.loops, at === undefined);
}

/** Lanes along the loop that is consecutive in the operand; parallel from the outside in. */
function scheduleCopy(draft: Draft, copies: readonly string[], top: boolean): void {
  const nest = draft.loop(copies[0]);
  if (nest === undefined) return;
  const { loops } = chainOf(nest);
  const [body] = chainOf(nest).body;
  if (body?.kind !== "store") return;
  const lanes = Math.max(1, draft.target.vectorBytes / 4);
  const last = copies[copies.length - 1];
  const { value } = body;
  const [unit] = loops
    .filter(({ atom }) => atom.name !== last && sourceStride(value, atom) === 1)
    .sort((a, b) => tripsOf(b.atom) - tripsOf(a.atom));
  if (unit !== undefined && tripsOf(unit.atom) % lanes === 0) {
    if (top) shareCopy(draft, loops);
    let along = unit.atom.name;
    if (tripsOf(unit.atom) > lanes) {
      draft.apply({ action: "split", loop: along, factor: lanes, tail: "peel" });
      along = `${along}i`;
    }
    draft.apply({ action: "unroll", loop: last });
    draft.apply({ action: "reorder", loop: last });
    draft.apply({ action: "vectorize", loop: along });
    draft.apply({ action: "reorder", loop: along });
    return;
  }
  if (transposeCopy(draft, loops, value, lanes, top)) return;
  collapseAll(draft, copies[0]);
  const collapsed = draft.loop(copies[0]);
  if (collapsed !== undefined) scheduleElementwise(draft, chainOf(collapsed), top);
}

/**
 * The copy of an operand that is consecutive along its depth: squares of as many columns as lanes, whose rows are read
 * as vectors and transposed in registers. The last three loops are groups of depths, columns, and what is in a group.
 */
function transposeCopy(
  draft: Draft,
  loops: readonly ForStmt[],
  value: Expr,
  lanes: number,
  top: boolean,
): boolean {
  const [groups, columns, group] = loops.slice(-3);
  const depth = tripsOf(group.atom);
  const fits =
    tripsOf(columns.atom) % lanes === 0 && lanes % depth === 0 && tripsOf(groups.atom) * depth >= lanes;
  // Four bytes side by side are moved at once as quickly as shuffled.
  if (
    !fits ||
    bytesOf(value.dtype) < 2 ||
    sourceStride(value, group.atom) !== 1 ||
    sourceStride(value, groups.atom) !== depth
  )
    return false;
  const [outer, along] = [groups.atom.name, columns.atom.name];
  if (top) shareCopy(draft, loops);
  if (!draft.apply({ action: "split", loop: outer, factor: lanes / depth, tail: "peel" })) return false;
  draft.apply({ action: "split", loop: along, factor: lanes, tail: "peel" });
  draft.apply({ action: "unroll", loop: group.atom.name });
  draft.apply({ action: "unroll", loop: `${outer}i` });
  draft.apply({ action: "vectorize", loop: `${along}i` });
  draft.apply({ action: "reorder", loop: `${outer}i` });
  draft.apply({ action: "reorder", loop: group.atom.name });
  draft.apply({ action: "reorder", loop: `${along}i` });
  return true;
}

/** How far what a copy reads moves with a loop. */
function sourceStride(x: Expr, loop: LoopAtom): number | undefined {
  let inner = x;
  while (inner.op === "cast") [inner] = inner.args;
  return inner.op === "load" && inner.valid.length === 0 ? strideOf(inner.index, loop) : undefined;
}

/** Threads share the outer loops of a copy, as many as give enough pieces for all. */
function shareCopy(draft: Draft, loops: readonly ForStmt[]): void {
  let pieces = 1;
  for (const { atom } of loops.slice(0, -2)) {
    if (pieces >= 8 * draft.target.threads) return;
    draft.apply({ action: "parallel", loop: atom.name });
    pieces *= tripsOf(atom);
  }
}

/** Splits the tiles of columns into groups that fit half of the second-level cache; gives the loop over groups. */
function groupColumns(draft: Draft, t: Tensorization, { reduced }: Reduction): string {
  const name = `${t.column.name}o`;
  const tiles = draft.loop(name)?.atom.extent.value ?? 1;
  const bytes = product(reduced) * t.unit.lanes * t.blocks * bytesOf(t.unit.right);
  const fits = draft.target.l2Bytes / 2 / bytes;
  const sizes = Array.from({ length: tiles }, (_, i) => i + 1).filter((n) => tiles % n === 0 && n <= fits);
  const size = draft.choose(`${t.column.name} group`, Math.max(1, ...sizes), [1, ...sizes]);
  if (size === 1) return name;
  draft.apply({ action: "split", loop: name, factor: size, tail: "peel" });
  return `${name}o`;
}

/** Threads share the outer loops of the tiles. */
function shareTiles(draft: Draft, t: Tensorization): void {
  const inner = draft.nestOf(`${t.row.name}o`);
  let pieces = 1;
  for (const s of inner) {
    if (pieces >= 16 * draft.target.threads) return;
    if (!draft.apply({ action: "parallel", loop: s.atom.name })) return;
    pieces *= tripsOf(s.atom);
    if (s.body.length !== 1) return;
  }
}
