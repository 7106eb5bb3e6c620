// Turns `accumulate` statements into a load, the operation and a store of the same elements.

import { type AccumulateStmt, load, type Stmt, scalar, store } from "../kernel/ir.js";

export function expandAccumulates(body: readonly Stmt[]): Stmt[] {
  return body.map((s): Stmt => {
    switch (s.kind) {
      case "for":
      case "if":
        return { ...s, body: expandAccumulates(s.body) };
      case "accumulate":
        return expand(s);
      default:
        return s;
    }
  });
}

function expand({ op, buffer, index, value }: AccumulateStmt): Stmt {
  const before = load(buffer, index, [], { lanes: value.lanes });
  return store(buffer, index, scalar(op, before, value));
}
