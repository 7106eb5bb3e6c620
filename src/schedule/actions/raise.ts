// Adds to an outer sum part by part what an inner sum would add to it as a whole: the distributive law.

import { mentions } from "../../kernel/index.js";
import { type AllocStmt, type ForStmt, loadsOf, type Stmt, type StoreStmt } from "../../kernel/ir.js";
import { chainOf } from "../nest.js";
import { ScheduleError } from "./action.js";
import { factorsOf } from "./factor.js";
import { mapBlock, whole } from "./loops.js";

/**
 * See the action. `alloc total; total = 0; loops { total += term }; sum += total * factors` has the loop around all of it
 * then. Where parts are far larger than their total, or a factor is infinite, the parts may overflow where it would not.
 */
export function raiseLoop(body: readonly Stmt[], name: string): Stmt[] {
  const fail = (why: string): never => {
    throw new ScheduleError(`raise: loop ${name} cannot be moved out of its sum: ${why}`);
  };
  const holdsLoop = (s: Stmt): boolean =>
    s.kind === "for" && chainOf(s).loops.some(({ atom }) => atom.name === name);
  return mapBlock(body, holdsLoop, `loop ${name}`, (block, at) => {
    const { loops, body: terms } = chainOf(block[at] as ForStmt);
    const [term] = terms;
    if (terms.length !== 1 || term.kind !== "accumulate" || term.op !== "add")
      return fail("it is not a plain sum");
    const total = term.buffer;
    const [own, zero, use] = [block[at - 2], block[at - 1], block[at + 1]];
    if (
      !isAlloc(own) ||
      own.buffer !== total ||
      total.size.value !== 1 ||
      !isZero(zero) ||
      zero.buffer !== total
    )
      return fail("its total is kept elsewhere, or does not begin with zero just before");
    if (use?.kind !== "accumulate" || use.op !== "add")
      return fail("its total is not added to another sum next");
    if (loadsOf(block.slice(at + 2)).some((x) => x.buffer === total)) return fail("its total is read again");
    const reads = factorsOf(use.value).filter(({ value }) =>
      loadsOf([{ ...use, value }]).some((x) => x.buffer === total),
    );
    const [read] = reads;
    if (reads.length !== 1 || read.divides || read.value.op !== "load")
      return fail("what is added to the other sum is not its total times factors");
    if (loadsOf([block[at], use]).some((x) => x.buffer === use.buffer))
      return fail("its terms read the other sum");
    const raised = whole(loops.find(({ atom }) => atom.name === name)!);
    const rest = loops.filter((s) => s.atom !== raised.atom);
    if (rest.some(({ atom }) => mentions(raised.atom.extent, atom)))
      return fail("its length depends on them");
    const nest = rest.reduceRight((inside: Stmt, s): Stmt => ({ ...s, body: [inside] }), term);
    return [...block.slice(0, at - 2), { ...raised, body: [own, zero, nest, use] }, ...block.slice(at + 2)];
  });
}

const isAlloc = (s: Stmt | undefined): s is AllocStmt => s?.kind === "alloc";
const isZero = (s: Stmt | undefined): s is StoreStmt =>
  s?.kind === "store" && s.value.op === "const" && Number(s.value.value) === 0;
