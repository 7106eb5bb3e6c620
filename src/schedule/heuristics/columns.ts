// Reductions of columns: results lie next to each other, and what is reduced lies across, a row apart. A thread that takes
// some columns jumps from row to row, and memory gives a jump at a time; so threads take whole rows instead, add them up
// in memory of their own, and what they have is joined after. One thread alone takes row by row, too.

import type { LoopAtom } from "../../kernel/index.js";
import { bytesOf } from "../../scalar/dtype.js";
import { type Chain, isUnitStride, type Reduction, tripsOf } from "../nest.js";
import type { Draft } from "./draft.js";
import { fillable, vectorizeLoop } from "./vectors.js";

/** Parts a thread, so that their speeds level out. */
const PARTS = 4;
/** Rows in a part for each part that must be joined: joining is a hundredth of the work at most. */
const ROWS_PER_PART = 128;

/** Schedules such a nest; false, and nothing done, if it is none, or too small. */
export function scheduleColumns(
  draft: Draft,
  reduction: Reduction,
  { loops, body }: Chain,
  lanes: number,
): boolean {
  const { outputs, reduced, loads, accumulate } = reduction;
  const { threads, l1Bytes, l2Bytes } = draft.target;
  if (loops.length !== 1 || reduced.length !== 1) return false;
  const [column] = outputs;
  const [row] = reduced;
  const columns = column.extent.value;
  const rows = row.extent.value;
  if (columns === undefined || rows === undefined || columns < lanes) return false;
  // The sums stay in the nearest memory, and the rows are too many for any cache.
  const size = bytesOf(accumulate.buffer.dtype);
  const bytes = rows * columns * bytesOf(loads[0]?.dtype ?? "float32");
  const parts = threads === 1 ? 1 : PARTS * threads;
  if (columns * size > l1Bytes / 2 || bytes < 2 * l2Bytes * threads || rows < parts * ROWS_PER_PART)
    return false;
  if (loads.some((x) => !isUnitStride(x, column))) return false;
  if (body.filter((s) => s.kind === "for").length !== 1) return false;
  return divideRows(draft, column, row, lanes, parts);
}

function divideRows(draft: Draft, column: LoopAtom, row: LoopAtom, lanes: number, parts: number): boolean {
  const [before, sums, after] = [0, 1, 2].map((part) => `${column.name}${part}`);
  const outer = `${row.name}o`;
  const width = fillable(lanes, tripsOf(column));
  const share = Math.ceil(tripsOf(row) / parts);
  const inRows = [
    () => draft.apply({ action: "distribute", loop: column.name, alone: [row.name] }),
    () => draft.apply({ action: "reorder", loop: sums, inside: row.name }),
  ];
  const inParts = [
    () => draft.apply({ action: "split", loop: row.name, factor: share, tail: "peel" }),
    () => draft.apply({ action: "rfactor", loop: outer, layout: "shared" }),
    () => draft.apply({ action: "parallel", loop: outer }),
  ];
  const divided = draft.attempt(parts === 1 ? inRows : [...inRows, ...inParts]);
  if (!divided) return false;
  for (const name of [before, sums, `${outer}z`, `${outer}s`, `${outer}je`, `${sums}_${row.name}t`, after])
    if (draft.loop(name) !== undefined) vectorizeLoop(draft, name, width, 4, false);
  return true;
}
