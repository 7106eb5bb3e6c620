// Tiles of matrix units as C: the register tile that a unit's instructions work on, around a loop over the depth. The
// instructions are assembly, which gcc and clang take alike and which needs no header.

import type { TileStmt } from "../kernel/ir.js";

/** Bytes of a row of a tile register. */
const TILE_ROW_BYTES = 64;

/** Where a tile's operands begin: addresses as C expressions. */
export interface TilePlaces {
  readonly sums: string;
  readonly left: string;
  readonly right: string;
}

export const tileLines = (s: TileStmt, places: TilePlaces): string[] =>
  s.unit.kind === "amx" ? amxTile(s, places) : vectorTile(s, places);

// --- tile registers ----------------------------------------------------------------------------------------------

/** Rows of the tile registers that hold sums and left operands. */
const registerRows = (s: TileStmt): number => s.rows / Math.ceil(s.rows / s.unit.rowBlock);

/** The shapes of the tile registers: 0 to 3 hold sums, 4 and 5 rows of the left, 6 and 7 columns of the right. */
export function tileConfiguration(s: TileStmt): string | undefined {
  if (s.unit.kind !== "amx") return undefined;
  const rows = Array.from({ length: 16 }, (_, i) => (i < 6 ? registerRows(s) : i < 8 ? 16 : 0));
  const widths = rows.map((n) => (n === 0 ? "0, 0" : `${TILE_ROW_BYTES}, 0`));
  // Palette 1, from its first row on, as the instruction takes it: 16 widths of two bytes, then 16 numbers of rows.
  const bytes = ["1", ...Array.from({ length: 15 }, () => "0"), ...widths, ...rows.map(String)];
  return `{ static const u8 shape[64] __attribute__((aligned(64))) = {${bytes.join(", ")}};
  __asm__ volatile("ldtilecfg %0" : : "m"(*(const u8 (*)[64])shape)); }`;
}

export const RELEASE_TILES = '__asm__ volatile("tilerelease");';

const loadTile = (register: number, at: string, step: number): string =>
  `__asm__ volatile("tileloadd (%0,%1,1), %%tmm${register}" : : "r"(${at}), "r"((i64)${step}) : "memory");`;
const storeTile = (register: number, at: string, step: number): string =>
  `__asm__ volatile("tilestored %%tmm${register}, (%0,%1,1)" : : "r"(${at}), "r"((i64)${step}) : "memory");`;

const signOf = (dtype: string): string => (dtype.startsWith("u") ? "u" : "s");

function amxTile(s: TileStmt, places: TilePlaces): string[] {
  const { unit, sums, left, right } = s;
  const bytes = TILE_ROW_BYTES / unit.depth;
  const rows = Array.from({ length: Math.ceil(s.rows / unit.rowBlock) }, (_, i) => i);
  const columns = Array.from({ length: s.columns / unit.lanes }, (_, i) => i);
  const instruction =
    unit.left === "bfloat16" ? "tdpbf16ps" : `tdpb${signOf(unit.left)}${signOf(unit.right)}d`;
  const each = (make: (r: number, c: number) => string): string[] =>
    rows.flatMap((r) => columns.map((c) => make(r, c)));
  const height = registerRows(s);
  const sumAt = (r: number, c: number): string => `sums + ${(r * height * sums.row + c * sums.block) * 4}`;
  const rightStep = (right.group * unit.depth * bytes) / unit.group;
  return [
    `char *const sums = (char *)(${places.sums});`,
    `const char *left = (const char *)(${places.left});`,
    `const char *right = (const char *)(${places.right});`,
    ...each((r, c) => loadTile(2 * r + c, sumAt(r, c), sums.row * 4)),
    `for (i64 d = 0; d < ${s.depth / unit.depth}; d++) {`,
    ...columns.map((c) => `  ${loadTile(6 + c, `right + ${c * right.block * bytes}`, right.group * bytes)}`),
    ...rows.map((r) => `  ${loadTile(4 + r, `left + ${r * height * left.row * bytes}`, left.row * bytes)}`),
    ...each((r, c) => `  __asm__ volatile("${instruction} %tmm${6 + c}, %tmm${4 + r}, %tmm${2 * r + c}");`),
    `  left += ${TILE_ROW_BYTES};`,
    `  right += ${rightStep};`,
    "}",
    ...each((r, c) => storeTile(2 * r + c, sumAt(r, c), sums.row * 4)),
  ];
}

// --- vectors -----------------------------------------------------------------------------------------------------

/**
 * Quads of bytes: the instruction takes the left ones as unsigned. Signed ones are read 128 higher, and what that adds
 * to a column, 128 times its right operands, is summed beside and taken off at the end.
 */
function vectorTile(s: TileStmt, places: TilePlaces): string[] {
  const { unit, sums, left, right } = s;
  const shifted = unit.left === "int8";
  const rows = Array.from({ length: s.rows }, (_, i) => i);
  const columns = Array.from({ length: s.columns / unit.lanes }, (_, i) => i);
  const vector = `i32x${unit.lanes}`;
  const each = (make: (r: number, c: number) => string): string[] =>
    rows.flatMap((r) => columns.map((c) => make(r, c)));
  const dot = (to: string, quads: string, c: number): string =>
    `__asm__("vpdpbusd %2, %1, %0" : "+v"(${to}) : "v"(${quads}), "v"(b${c}));`;
  const sumAt = (r: number, c: number): string => `*(${vector}u *)(sums + ${r * sums.row + c * sums.block})`;
  const high = `(${vector}){${Array.from({ length: unit.lanes }, () => "(i32)0x80808080").join(", ")}}`;
  const quad = (r: number): string => `*(const i32u *)(left + ${r * left.row})`;
  return [
    `i32 *const sums = (i32 *)(${places.sums});`,
    `const char *left = (const char *)(${places.left});`,
    `const char *right = (const char *)(${places.right});`,
    ...each((r, c) => `${vector} s${r}_${c} = ${sumAt(r, c)};`),
    ...(shifted ? [`const ${vector} high = ${high};`, ...columns.map((c) => `${vector} o${c} = {0};`)] : []),
    `for (i64 d = 0; d < ${s.depth / unit.group}; d++) {`,
    ...columns.map((c) => `  const ${vector} b${c} = *(const ${vector}u *)(right + ${c * right.block});`),
    ...(shifted ? columns.map((c) => `  ${dot(`o${c}`, "high", c)}`) : []),
    ...rows.flatMap((r) => [
      `  { const ${vector} a = ${quad(r)}${shifted ? " ^ high" : ` - (${vector}){0}`};`,
      ...columns.map((c) => `    ${dot(`s${r}_${c}`, "a", c)}`),
      "  }",
    ]),
    `  left += ${left.group};`,
    `  right += ${right.group};`,
    "}",
    ...each((r, c) => `${sumAt(r, c)} = s${r}_${c}${shifted ? ` - o${c}` : ""};`),
  ];
}
