// Takes out of a sum what is common to its terms: the distributive law.

import { freeAtoms, type ForStmt, load, loadsOf, scalar, type Expr, type Stmt } from "../../kernel/ir.js";
import { rewriteBody } from "../../kernel/rewrite.js";
import { chainOf } from "../nest.js";
import { ScheduleError } from "./action.js";
import { mapBlock, whole, writtenIn } from "./loops.js";

/**
 * See the action. Products are rounded in another order then, and a sum of very large terms may overflow where its terms,
 * divided first, would not. The sum's accumulator must be allocated, and be read, beside the loop.
 */
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
    const common = factors.filter(({ value }) => {
      const atoms = freeAtoms(value);
      return !loops.some((atom) => atoms.has(atom));
    });
    const kept = factors.filter((x) => !common.includes(x));
    if (common.length === 0 || kept.length === 0) return fail("its terms have no common factor");
    const sources = new Set(common.flatMap(({ value }) => loadsOf([{ ...sum, value }]).map((x) => x.buffer)));
    if ([loop, ...rest].some((s) => [...writtenIn([s])].some((written) => sources.has(written))))
      return fail("the factor changes");
    const used = rewriteBody(rest, (x) => {
      if (x.op !== "load" || x.buffer !== buffer) return x;
      return times(load(buffer, x.index), common);
    });
    const inside = (s: Stmt): Stmt =>
      s.kind === "for" ? { ...s, body: s.body.map(inside) } : { ...sum, value: times(undefined, kept) };
    return [...block.slice(0, at), inside(loop), ...used];
  });
}

export interface Factor {
  readonly value: Expr;
  readonly divides: boolean;
}

/** The factors of a product of products and quotients, from left to right. */
export function factorsOf(value: Expr): Factor[] {
  const factors: Factor[] = [];
  const open: Factor[] = [{ value, divides: false }];
  for (let x = open.pop(); x !== undefined; x = open.pop()) {
    const { value, divides } = x;
    if (value.op === "mul" || value.op === "div") {
      const [left, right] = value.args;
      open.push({ value: right, divides: divides !== (value.op === "div") }, { value: left, divides });
    } else factors.push(x);
  }
  return factors;
}

/** What a value becomes with further factors. */
const times = (value: Expr | undefined, factors: readonly Factor[]): Expr =>
  factors.reduce(
    (product: Expr | undefined, x) =>
      product === undefined
        ? x.divides
          ? scalar("reciprocal", x.value)
          : x.value
        : scalar(x.divides ? "div" : "mul", product, x.value),
    value,
  )!;
