// Turns any scalar operation on any dtype into the machine's operations on register dtypes, as listed in program.ts:
// plain rewrites of expressions, for scalars and vectors alike.

import type { Target } from "../device/target.js";
import type { Buffer, Expr, Stmt } from "../kernel/ir.js";
import { kindOf } from "../scalar/dtype.js";
import { expandAccumulates } from "./accumulate.js";
import { legaliseStatements } from "./legalise.js";
import { rebuild, rewriteStatements } from "./rewrite.js";
import { RULES, type Rule } from "./rules.js";

/**
 * Lowers the scalars of a body. Buffers of dtypes that no register holds are replaced, by buffers of their bits (or,
 * in registers, of the wider dtype); bodies that share buffers share the map `replaced`.
 */
export function lowerScalars(
  body: readonly Stmt[],
  target: Target,
  replaced: Map<Buffer, Buffer> = new Map(),
): { body: Stmt[]; replaced: ReadonlyMap<Buffer, Buffer> } {
  const expanded = expandAccumulates(body);
  const legal = legaliseStatements(expanded, replaced, target.converts ?? []);
  return { body: applyRules(legal), replaced };
}

const rulesOf = new Map<string, Rule[]>();
for (const rule of RULES) rulesOf.set(rule.op, [...(rulesOf.get(rule.op) ?? []), rule]);

/** Rewrites every operation for which there is a rule; operands are of register dtypes. */
export function applyRules(body: readonly Stmt[]): Stmt[] {
  return rewriteStatements(body, {
    expr: (x, args, rewriter) => applyRule(rebuild(x, args, rewriter)),
  });
}

function applyRule(x: Expr): Expr {
  for (const rule of rulesOf.get(x.op) ?? []) {
    if (!rule.kinds.includes(kindOf(x.dtype))) continue;
    const result = rule.rewrite(...x.args);
    if (result !== undefined) return result;
  }
  return x;
}
