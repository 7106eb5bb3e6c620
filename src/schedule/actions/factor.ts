// Takes out of a sum what is common to its terms: the distributive law.

import { freeAtoms, type ForStmt, load, loadsOf, scalar, type Expr, type Stmt } from "../../kernel/ir.js";
import { rewriteBody } from "../../kernel/rewrite.js";
import { chainOf } from "../nest.js";
import { ScheduleError } from "./action.js";
import { mapBlock, whole, writtenIn } from "./loops.js";

/** See the action. The sum's accumulator must be allocated, and be read, beside the loop. */
export function factorOut(body: readonly Stmt[], name: string): Stmt[] {
  const fail = (why: string): never => {
    throw new ScheduleError(`factor: nothing can be taken out of the sum over ${name}: ${why}`);
  };
  const isLoop = (s: Stmt): boolean => s.kind === "for" && s.atom.name === name;
  return mapBlock(body, isLoop, `loop ${name}`, (block, at) => {
    const loop = whole(block[at] as ForStmt);
    const chain = chainOf(loop);
    const [sum] = chain.body;
    if (chain.body.length !== 1 || sum.kind !== "accumulate" || sum.op !== "add")
      return fail("it is not a plain sum");
    const { buffer, index } = sum;
    const own = block.some((s) => s.kind === "alloc" && s.buffer === buffer);
    const rest = block.slice(at + 1);
    if (!own || index.value === undefined || buffer.size.value !== 1)
      return fail("its total is kept elsewhere");
    if (rest.some((s) => writtenIn([s]).has(buffer))) return fail("more is added to it");
    const initial = block.slice(0, at).filter((s) => writtenIn([s]).has(buffer));
    const zero = initial.length === 1 && initial[0].kind === "store" ? initial[0].value : undefined;
    if (zero?.op !== "const" || Number(zero.value) !== 0) return fail("it does not begin with zero");
    const factors = factorsOf(sum.value);
    const loops = chain.loops.map((s) => s.atom);
    const common = factors.filter((x) => {
      const atoms = freeAtoms(x);
      return !loops.some((atom) => atoms.has(atom));
    });
    const kept = factors.filter((x) => !common.includes(x));
    if (common.length === 0 || kept.length === 0) return fail("its terms have no common factor");
    const sources = new Set(common.flatMap((value) => loadsOf([{ ...sum, value }]).map((x) => x.buffer)));
    if ([loop, ...rest].some((s) => [...writtenIn([s])].some((written) => sources.has(written))))
      return fail("the factor changes");
    const product = (values: readonly Expr[]): Expr => values.reduce((a, b) => scalar("mul", a, b));
    const used = rewriteBody(rest, (x) => {
      if (x.op !== "load" || x.buffer !== buffer) return x;
      return scalar("mul", load(buffer, x.index), product(common));
    });
    const inside = (s: Stmt): Stmt =>
      s.kind === "for" ? { ...s, body: s.body.map(inside) } : { ...sum, value: product(kept) };
    return [...block.slice(0, at), inside(loop), ...used];
  });
}

/** The factors of a product of products, from left to right. */
function factorsOf(value: Expr): Expr[] {
  const factors: Expr[] = [];
  const open = [value];
  for (let x = open.pop(); x !== undefined; x = open.pop()) {
    if (x.op === "mul") open.push(x.args[1], x.args[0]);
    else factors.push(x);
  }
  return factors;
}
