// Tiles as WebAssembly: sums in locals, and at each step of the loop over the depth a pair of the left operand in all
// lanes times the pairs of the right ones, added up by the instruction for products of 16-bit lanes.

import type { TileStmt } from "../kernel/ir.js";
import { signedLeb } from "./wasm-encoder.js";
import { type Code, localGet, localSet, localTee } from "./wasm-nodes.js";
import { laneCode, scalarCode, V128, VECTOR_ACCESS } from "./wasm-opcodes.js";
import { memoryCode } from "./wasm-values.js";

/** Locals that hold the addresses at which a tile's operands begin; those of left and right are moved on. */
export interface TileLocals {
  readonly sums: number;
  readonly left: number;
  readonly right: number;
}

const ELEMENT = 2;
const SUM = 4;

export function putTile(code: Code, s: TileStmt, at: TileLocals): void {
  const { unit, sums, left, right } = s;
  const blocks = Array.from({ length: s.columns / unit.lanes }, (_, c) => c);
  const cells = Array.from({ length: s.rows }, (_, r) =>
    blocks.map((c) => ({ c, local: code.acquire("v128"), offset: (r * sums.row + c * sums.block) * SUM })),
  );
  const pairs = blocks.map(() => code.acquire("v128"));
  const spread = code.acquire("v128");
  const counter = code.acquire("i32");
  const load = (address: number, access: typeof VECTOR_ACCESS.load, offset: number, to: number): void =>
    code.put([...localGet(address), ...memoryCode(access, offset), ...localSet(to)]);
  const advance = (local: number, step: number, keep = false): void =>
    code.put([
      ...localGet(local),
      ...[0x41, ...signedLeb(step)],
      ...scalarCode("add", "i32")!,
      ...(keep ? localTee(local) : localSet(local)),
    ]);
  for (const { local, offset } of cells.flat()) load(at.sums, VECTOR_ACCESS.load, offset, local);
  code.put([0x41, ...signedLeb(s.depth / unit.group), ...localSet(counter), 0x03, 0x40]);
  for (const c of blocks) load(at.right, VECTOR_ACCESS.load, c * right.block * ELEMENT, pairs[c]);
  cells.forEach((row, r) => {
    load(at.left, VECTOR_ACCESS.loadSplat[4], r * left.row * ELEMENT, spread);
    for (const { c, local } of row) {
      code.put([...localGet(spread), ...localGet(pairs[c]), ...V128.dot16, ...localGet(local)]);
      code.put([...laneCode("add", "i32")!, ...localSet(local)]);
    }
  });
  advance(at.left, left.group * ELEMENT);
  advance(at.right, right.group * ELEMENT);
  advance(counter, -1, true);
  code.put([0x0d, 0, 0x0b]);
  for (const { local, offset } of cells.flat())
    code.put([...localGet(at.sums), ...localGet(local), ...memoryCode(VECTOR_ACCESS.store, offset)]);
  for (const { local } of cells.flat()) code.release(local);
  for (const local of [...pairs, spread, counter]) code.release(local);
}
