// Turns loops that sum products of two operands into a tile of a matrix unit, if both lie in memory as the unit wants.
//
// Each loop is told by what moves with it: a row moves the sums and the left operand, a column the sums and the right
// one, a depth both operands and no sum. One of rows and one of blocks of columns may be missing.

import { type Index, type LoopAtom, strideOf, substituteIndex } from "../../kernel/index.js";
import type { Expr, ForStmt, LoadExpr, Stmt, TileAccess, TileStmt } from "../../kernel/ir.js";
import { type MatrixUnit, tileMisfit, unitNamed } from "../../kernel/units.js";
import { chainOf } from "../nest.js";
import { ScheduleError } from "./action.js";
import { hasLoaded, mapLoop } from "./loops.js";

export function tensorize(body: readonly Stmt[], loop: string, name: string): Stmt[] {
  const unit = unitNamed(name);
  if (unit === undefined) throw new ScheduleError(`tensorize: there is no matrix unit ${name}`);
  return mapLoop(body, loop, (s) => [tileOf(s, unit)]);
}

function tileOf(s: ForStmt, unit: MatrixUnit): TileStmt {
  const { loops, body } = chainOf(s);
  const [only] = body;
  if (body.length !== 1 || only.kind !== "accumulate" || only.op !== "add" || only.value.op !== "mul")
    throw new ScheduleError(`tensorize: loop ${s.atom.name} is no sum of products`);
  if (only.buffer.space !== "local" || only.buffer.dtype !== unit.sums || hasLoaded(only.index))
    throw new ScheduleError(`tensorize: ${only.buffer.name} holds no sums of ${unit.name}`);
  const atoms = loops.map(({ atom }) => atom);
  const [x, y] = only.value.args.map(operandOf);
  const swapped = atoms.some((atom) => strideOf(only.index, atom) === 1 && moves(x, atom));
  const [left, right] = swapped ? [y, x] : [x, y];
  if (left.dtype !== unit.left || right.dtype !== unit.right)
    throw new ScheduleError(`tensorize: ${unit.name} takes no ${left.dtype} and ${right.dtype}`);
  const first = (index: Index): Index =>
    substituteIndex(index, (atom) => (atoms.some((own) => own === atom) ? 0 : undefined));
  const several = atoms.filter((atom) => atom.extent.value !== 1);
  return new Tiling(unit, several, only.index, left, right, first).tile(only.buffer);
}

const moves = (x: LoadExpr, atom: LoopAtom): boolean => strideOf(x.index, atom) !== 0;

/** What is read, below the cast to the dtype of the sums. */
function operandOf(x: Expr): LoadExpr {
  const inner = x.op === "cast" ? x.args[0] : x;
  if (inner.op !== "load" || inner.valid.length > 0 || hasLoaded(inner.index))
    throw new ScheduleError("tensorize: an operand is not plain memory");
  return inner;
}

class Tiling {
  constructor(
    private readonly unit: MatrixUnit,
    private readonly atoms: readonly LoopAtom[],
    private readonly sums: Index,
    private readonly left: LoadExpr,
    private readonly right: LoadExpr,
    /** The address at which all loops begin. */
    private readonly first: (index: Index) => Index,
  ) {}

  tile(buffer: TileAccess["buffer"]): TileStmt {
    const { unit, left, right } = this;
    const depths = this.atoms.filter((a) => this.steps(a)[0] === 0);
    const rows = this.atoms.filter((a) => !depths.includes(a) && this.steps(a)[2] === 0);
    const columns = this.atoms.filter((a) => !depths.includes(a) && !rows.includes(a));
    if (rows.length > 1) this.refuse("rows are several loops");
    const [row] = rows;
    const [sumsRow, leftRow] = row === undefined ? [0, 0] : this.steps(row);
    const { block, count } = this.columns(columns);
    const { group, depth } = this.depths(depths);
    const size = [row === undefined ? 1 : this.extent(row), count * unit.lanes, depth] as const;
    const misfit = tileMisfit(unit, ...size);
    if (misfit !== undefined) throw new ScheduleError(`tensorize: ${misfit}`);
    const [height, width] = size;
    return {
      kind: "tile",
      unit,
      rows: height,
      columns: width,
      depth,
      sums: { buffer, index: this.first(this.sums), row: sumsRow, group: 0, block: block[0] },
      left: {
        buffer: left.buffer,
        index: this.first(left.index),
        row: leftRow,
        group: unit.group,
        block: 0,
      },
      right: { buffer: right.buffer, index: this.first(right.index), row: 0, group, block: block[1] },
    };
  }

  private refuse(why: string): never {
    throw new ScheduleError(`tensorize: ${why}`);
  }

  /** How far the sums, the left and the right operand move with a loop. */
  private steps(atom: LoopAtom): number[] {
    return [this.sums, this.left.index, this.right.index].map(
      (index) => strideOf(index, atom) ?? this.refuse(`no constant step along ${atom.name}`),
    );
  }

  private extent(atom: LoopAtom): number {
    return atom.extent.value ?? this.refuse(`loop ${atom.name} has ${atom.extent} iterations`);
  }

  /** Lanes, and blocks of them. */
  private columns(loops: readonly LoopAtom[]): { block: [number, number]; count: number } {
    const { group, lanes } = this.unit;
    const lane = loops.find((atom) => this.steps(atom)[0] === 1 && this.extent(atom) === lanes);
    const [block, ...more] = loops.filter((atom) => atom !== lane);
    if (lane === undefined || more.length > 0) this.refuse(`columns are no blocks of ${lanes}`);
    if (loops.some((atom) => this.steps(atom)[1] !== 0)) this.refuse("the left operand moves with columns");
    if (this.steps(lane)[2] !== group) this.refuse(`columns are not ${group} apart`);
    if (block === undefined) return { block: [0, 0], count: 1 };
    const [sums, , right] = this.steps(block);
    return { block: [sums, right], count: this.extent(block) };
  }

  /** Depths run densely on the left; on the right so do those of a group, and groups at equal distances. */
  private depths(loops: readonly LoopAtom[]): { group: number; depth: number } {
    const inner = [...loops].sort((a, b) => this.steps(a)[1] - this.steps(b)[1]);
    let depth = 1;
    let group = 0;
    for (const atom of inner) {
      const [, left, right] = this.steps(atom);
      if (left !== depth) this.refuse("the left operand is not dense along the depth");
      if (depth === 1) {
        if (right !== 1 || this.extent(atom) !== this.unit.group)
          this.refuse(`depths do not lie in groups of ${this.unit.group}`);
      } else {
        const step = right / (depth / this.unit.group);
        if (group !== 0 && step !== group) this.refuse("groups of depths lie at different distances");
        group = step;
      }
      depth *= this.extent(atom);
    }
    return { group, depth };
  }
}
