// Bounds of what a schedule may ask for, where it was not made by the heuristics.

import type { Target } from "../device/target.js";
import { exprsOf, type Kernel, type Stmt, topologicalOrder } from "../kernel/ir.js";
import { lanesFor } from "./heuristics/vectors.js";
import { tripsOf } from "./nest.js";

/** Operations written out in a kernel's code beyond which compiling it takes longer than it can be worth. */
const MOST_CODE = 6000;

/** True if a compiler can be asked to take the kernel: no vector is wider than the target's, and little is written out. */
export function isModest(kernel: Kernel, target: Target): boolean {
  let code = 0;
  let fits = true;
  const visit = (body: readonly Stmt[], copies: number): void => {
    for (const s of body) {
      if (s.kind === "for") {
        if (s.loop === "vectorize" && tripsOf(s.atom) > lanesFor({ target }, s.body)) fits = false;
        visit(s.body, s.loop === "unroll" ? copies * tripsOf(s.atom) : copies);
      } else if (s.kind === "if") visit(s.body, copies);
      else code += copies * (1 + topologicalOrder(exprsOf(s)).length);
    }
  };
  visit(kernel.body, 1);
  return fits && code <= MOST_CODE;
}
