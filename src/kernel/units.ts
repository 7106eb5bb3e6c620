// Matrix units: what machines have for sums of products of small matrices, all in one description. A target lists those
// it has, best first; the action `tensorize` replaces loops by a tile statement that names one; code generators print it.
//
// A tile adds left[r, d] * right[d, c] to sums[r, c]. Depths come in groups: those of one group lie side by side in both
// operands, so that a lane holds the pairs or quads that it multiplies and adds at once.

import type { DType } from "../scalar/dtype.js";

export interface MatrixUnit {
  readonly name: string;
  /** Which instructions it is made of: what a code generator asks for. */
  readonly kind: "amx" | "vnni" | "dot";
  /** Dtypes of the operands in memory, and of the sums. */
  readonly left: DType;
  readonly right: DType;
  readonly sums: DType;
  /** Depths side by side. */
  readonly group: number;
  /** A tile's depth is a multiple of this. */
  readonly depth: number;
  /** Columns that lie side by side; a tile has so many, or a few blocks of so many. */
  readonly lanes: number;
  readonly blocks: number;
  /** Most rows of a tile. */
  readonly rows: number;
  /** A tile's rows are at most this, or a multiple of it. */
  readonly rowBlock: number;
}

/** Multiply-adds from which packing operands for a unit is worth it. */
export const LEAST_UNIT_WORK = 1 << 18;

const amx = (left: DType, right: DType, sums: DType, group: number): MatrixUnit => ({
  name: left === "bfloat16" ? "amx_bfloat16" : `amx_${left}_${right}`,
  kind: "amx",
  left,
  right,
  sums,
  group,
  depth: 16 * group,
  lanes: 16,
  blocks: 2,
  rows: 32,
  rowBlock: 16,
});

const vnni = (left: DType): MatrixUnit => ({
  name: `vnni_${left}_int8`,
  kind: "vnni",
  left,
  right: "int8",
  sums: "int32",
  group: 4,
  depth: 4,
  lanes: 16,
  blocks: 2,
  rows: 12,
  rowBlock: 1,
});

/** Every unit there is, by kind. */
export const MATRIX_UNITS: readonly MatrixUnit[] = [
  amx("bfloat16", "bfloat16", "float32", 2),
  amx("int8", "int8", "int32", 4),
  amx("uint8", "int8", "int32", 4),
  amx("uint8", "uint8", "int32", 4),
  vnni("uint8"),
  vnni("int8"),
  {
    name: "dot_int16",
    kind: "dot",
    left: "int16",
    right: "int16",
    sums: "int32",
    group: 2,
    depth: 2,
    lanes: 4,
    blocks: 4,
    rows: 2,
    rowBlock: 1,
  },
];

export const unitsOf = (kind: MatrixUnit["kind"]): MatrixUnit[] =>
  MATRIX_UNITS.filter((unit) => unit.kind === kind);

export const unitNamed = (name: string): MatrixUnit | undefined =>
  MATRIX_UNITS.find((unit) => unit.name === name);

/** Why a unit has no tile of this size; undefined if it has. */
export function tileMisfit(
  unit: MatrixUnit,
  rows: number,
  columns: number,
  depth: number,
): string | undefined {
  const whole = rows <= unit.rowBlock || rows % unit.rowBlock === 0;
  if (rows < 1 || rows > unit.rows || !whole) return `${unit.name} has no tile of ${rows} rows`;
  if (columns < 1 || columns % unit.lanes !== 0 || columns > unit.lanes * unit.blocks)
    return `${unit.name} has no tile of ${columns} columns`;
  if (depth < 1 || depth % unit.depth !== 0)
    return `${unit.name} takes depths by ${unit.depth}, not ${depth}`;
  return undefined;
}
