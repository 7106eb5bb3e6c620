// Fewer passes over the rows of a row program: what fills a row, what sums it up, and what scales it become parts of the
// loops before or after.

import { strideOf } from "../../kernel/index.js";
import { type Buffer, type ForStmt, loadsOf, type Stmt, visitStatements } from "../../kernel/ir.js";
import { isIndependent } from "../actions/loops.js";
import type { Draft } from "./draft.js";

/** Merges loops over rows inside the loop `row`, and takes factors common to a whole row out of sums over it. */
export function condenseRows(draft: Draft, row: string): void {
  const body = (): readonly Stmt[] => draft.loop(row)?.body ?? [];
  for (const filled of rowsOf(body())) {
    const loops = body().filter((s): s is ForStmt => s.kind === "for");
    const fill = loops.find((s) => stores(s, filled));
    if (fill === undefined) continue;
    const users = loops.filter((s) => s !== fill && loadsOf([s]).some((x) => x.buffer === filled));
    const [user] = users;
    if (user === undefined) continue;
    const whole = user.atom.extent.key === fill.atom.extent.key;
    // A contraction may want lanes along the row that it fills, which a sum over the row in the same loop would deny it.
    const joins = isPlain(fill) || (users.length === 1 && (isIndependent(user) || !readsAlong(fill)));
    if (whole && joins && isPlain(user)) {
      draft.attempt([
        () => draft.apply({ action: "merge", first: fill.atom.name, second: user.atom.name }),
        () => draft.choose(`${filled.name} merged`, true, [true, false]),
      ]);
      continue;
    }
    if (users.length > 1 || !isPlain(fill)) continue;
    const sum = sumOver(user, filled);
    if (sum === undefined) continue;
    draft.attempt([
      () => draft.apply({ action: "inline", buffer: filled.name }),
      () => draft.apply({ action: "factor", loop: sum }),
      () => draft.choose(`${filled.name} inlined`, true, [true, false]),
    ]);
  }
}

/** The rows allocated in a body, in order. */
const rowsOf = (body: readonly Stmt[]): Buffer[] =>
  body.flatMap((s) =>
    s.kind === "alloc" && s.buffer.space === "local" && s.buffer.size.max > 1 ? [s.buffer] : [],
  );

const stores = (s: ForStmt, buffer: Buffer): boolean => {
  let found = false;
  visitStatements([s], (inner) => {
    if (inner.kind === "store" && inner.buffer === buffer) found = true;
  });
  return found;
};

/** A loop that holds no other. */
const isPlain = (s: ForStmt): boolean => s.body.every((inner) => inner.kind !== "for");

/** Whether neighbours of the row are made from neighbours in memory. */
const readsAlong = (s: ForStmt): boolean => loadsOf([s]).some((x) => strideOf(x.index, s.atom) === 1);

/** The loop of a nest that sums over a row, inside loops of its own. */
function sumOver(s: ForStmt, row: Buffer): string | undefined {
  let found: string | undefined;
  visitStatements(s.body, (inner) => {
    if (inner.kind === "for" && loadsOf(inner.body).some((x) => x.buffer === row)) found = inner.atom.name;
  });
  return found;
}
