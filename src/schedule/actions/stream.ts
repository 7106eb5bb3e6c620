// Marks what is stored to a buffer as going past the caches.

import { loadsOf, type Stmt, visitStatements } from "../../kernel/ir.js";
import { ScheduleError } from "./action.js";

export function stream(body: readonly Stmt[], name: string): Stmt[] {
  let stores = 0;
  visitStatements(body, (s) => {
    if ((s.kind !== "store" && s.kind !== "accumulate") || s.buffer.name !== name) return;
    if (s.kind === "accumulate" || s.buffer.space !== "global")
      throw new ScheduleError(`stream: ${name} is used again while the kernel runs`);
    stores++;
  });
  if (stores === 0) throw new ScheduleError(`stream: nothing is stored to ${name}`);
  if (loadsOf(body).some((x) => x.buffer.name === name))
    throw new ScheduleError(`stream: the kernel reads ${name} too`);
  const mark = (s: Stmt): Stmt => {
    if (s.kind === "for" || s.kind === "if") return { ...s, body: s.body.map(mark) };
    return s.kind === "store" && s.buffer.name === name ? { ...s, stream: true } : s;
  };
  return body.map(mark);
}
