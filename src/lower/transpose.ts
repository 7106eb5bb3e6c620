// Transposes tiles held in vector registers.

import { type Expr, shuffle } from "../kernel/ir.js";

/**
 * Rows to columns, n rows in blocks of n lanes: in each of log2(n) steps, rows 1, 2, 4 .. apart exchange as many lanes.
 * Lane `block * n + row` of the result's vector i is lane `block * n + i` of that row.
 */
export function transposeBlocks(rows: readonly Expr[]): Expr[] {
  const count = rows.length;
  const { lanes } = rows[0];
  let current = [...rows];
  for (let block = 1; block < count; block *= 2) {
    const next = [...current];
    for (let row = 0; row < count; row++) {
      if ((row & block) !== 0) continue;
      const [a, b] = [current[row], current[row + block]];
      const pick = (second: boolean): number[] =>
        Array.from({ length: lanes }, (_, lane) => {
          const from = second ? lane | block : lane & ~block;
          return (lane & block) === 0 ? from : from + lanes;
        });
      next[row] = shuffle(a, b, pick(false));
      next[row + block] = shuffle(a, b, pick(true));
    }
    current = next;
  }
  return current;
}
