// Takes a running total apart. The loop carries one value: it accumulates to it and reads what it is by then. Iterations
// may go in lanes, or in blocks that threads share; either way later ones get what earlier ones add up to.

import { addIndex, strideOf, toIndex } from "../../kernel/index.js";
import {
  type AccumulateStmt,
  accumulate,
  alloc,
  type Buffer,
  constant,
  type Expr,
  type ForStmt,
  forLoop,
  load,
  loadsOf,
  makeBuffer,
  mapStatements,
  scalar,
  type Stmt,
  store,
  visitStatements,
} from "../../kernel/ir.js";
import { renameLoops, rewriteBody } from "../../kernel/rewrite.js";
import { reduceIdentity } from "../../scalar/evaluate.js";
import { ScheduleError } from "./action.js";
import {
  allocatedIn,
  atPlace,
  findLoop,
  isIndependent,
  mapLoop,
  ownAllocs,
  renamed,
  writtenIn,
} from "./loops.js";

export function prefix(body: readonly Stmt[], name: string, layout: "lanes" | "shared"): Stmt[] {
  const loop = findLoop(body, name);
  if (loop === undefined) throw new ScheduleError(`there is no loop ${name}`);
  const total = runningTotal(loop);
  if (total === undefined) throw new ScheduleError(`prefix: loop ${name} carries no running total`);
  if (layout === "lanes") return mapLoop(body, name, (s) => inLanes(s, total));
  if (!body.includes(loop)) throw new ScheduleError(`prefix: loop ${name} is not at the top of the kernel`);
  return mapLoop(body, name, (s) => inBlocks(s, total));
}

/** The one statement of a loop's body that accumulates to what the body reads, if all else leaves that alone. */
export function runningTotal(loop: ForStmt): AccumulateStmt | undefined {
  const read = new Set(loadsOf(loop.body).map((x) => x.buffer));
  const found: AccumulateStmt[] = [];
  const others: Stmt[] = [];
  visitStatements(loop.body, (s) => {
    if (s.kind === "accumulate" && strideOf(s.index, loop.atom) === 0 && read.has(s.buffer)) found.push(s);
    else if (s.kind !== "for" && s.kind !== "if") others.push(s);
  });
  const [total] = found;
  if (found.length !== 1 || total.buffer.space !== "local" || total.buffer.size.value !== 1) return undefined;
  const written = writtenIn(others);
  const entangled =
    written.has(total.buffer) ||
    loadsOf([total]).some((x) => x.buffer === total.buffer) ||
    [...written].some((b) => read.has(b) && !allocatedIn(loop.body).has(b)) ||
    !isIndependent({ ...loop, body: without(loop.body, total) });
  return entangled ? undefined : total;
}

const without = (body: readonly Stmt[], out: Stmt): Stmt[] =>
  body.flatMap((s): Stmt[] => {
    if (s === out) return [];
    return s.kind === "for" || s.kind === "if" ? [{ ...s, body: without(s.body, out) }] : [s];
  });

const identityOf = ({ op, buffer }: AccumulateStmt): Expr =>
  constant(reduceIdentity(op, buffer.dtype), buffer.dtype);

/**
 * Prefixes of as many elements as there are lanes, in log2(lanes) steps: each joins a lane with the one 1, 2, 4 .. before
 * it (Hillis and Steele, 1986). In front of the lanes stand as many identities.
 */
function inLanes(s: ForStmt, total: AccumulateStmt): Stmt[] {
  const lanes = s.atom.extent.value;
  if (lanes === undefined || lanes < 2 || !Number.isInteger(Math.log2(lanes)))
    throw new ScheduleError(
      `prefix: loop ${s.atom.name} has ${s.atom.extent} iterations, not a power of two`,
    );
  if (s.body[0] !== total || s.body.slice(1).some((x) => x.kind !== "store"))
    throw new ScheduleError(`prefix: loop ${s.atom.name} does more than accumulate and store`);
  const { op, buffer } = total;
  const steps = Math.log2(lanes);
  const held = Array.from({ length: steps + 1 }, (_, i) =>
    makeBuffer(`${buffer.name}p${i}`, buffer.dtype, 2 * lanes, "local"),
  );
  const each = (suffix: string, make: (lane: ReturnType<typeof toIndex>) => Stmt[]): Stmt => {
    const lane = renamed(s.atom, suffix, lanes);
    return forLoop(lane, make(toIndex(lane)));
  };
  const statements: Stmt[] = held.map(alloc);
  statements.push(each("z", (lane) => held.map((b) => store(b, lane, identityOf(total)))));
  statements.push(
    each("s0", (lane) => atPlace([store(held[0], addIndex(s.atom, lanes), total.value)], s.atom, lane)),
  );
  for (let i = 0; i < steps; i++) {
    statements.push(
      each(`s${i + 1}`, (lane) => {
        const at = addIndex(lane, lanes);
        const joined = scalar(op, load(held[i], addIndex(at, -(2 ** i))), load(held[i], at));
        return [store(held[i + 1], at, joined)];
      }),
    );
  }
  const here = scalar(op, load(buffer, total.index), load(held[steps], addIndex(s.atom, lanes)));
  const rest = rewriteBody(s.body.slice(1), (x) => (x.op === "load" && x.buffer === buffer ? here : x));
  statements.push(forLoop(s.atom, rest, s.loop));
  statements.push(accumulate(op, buffer, total.index, load(held[steps], 2 * lanes - 1)));
  return statements;
}

/** Each block's total, the totals of all blocks before it, and then each block from there on. */
function inBlocks(s: ForStmt, total: AccumulateStmt): Stmt[] {
  const { op, buffer, index } = total;
  const parts = makeBuffer(`${buffer.name}p`, buffer.dtype, s.atom.extent, "scratch");
  const own = (suffix: string): Buffer => makeBuffer(`${buffer.name}${suffix}`, buffer.dtype, 1, "local");
  const [first, before, second] = [own("z"), own("j"), own("s")];
  const sums = renamed(s.atom, "z", s.atom.extent);
  const accumulated = renameLoops(atPlace(onlyTotal(s.body), s.atom, toIndex(sums)), (name) => `${name}z`);
  const join = renamed(s.atom, "j", s.atom.extent);
  return [
    alloc(parts),
    forLoop(sums, [
      alloc(first),
      store(first, 0, identityOf(total)),
      ...ownAllocs(onto(accumulated, buffer, first)),
      store(parts, sums, load(first, 0)),
    ]),
    forLoop(join, [
      alloc(before),
      store(before, 0, load(buffer, index)),
      accumulate(op, buffer, index, load(parts, join)),
      store(parts, join, load(before, 0)),
    ]),
    forLoop(
      s.atom,
      [alloc(second), store(second, 0, load(parts, s.atom)), ...onto(s.body, buffer, second)],
      s.loop,
    ),
  ];
}

/** A body without what it stores outside of itself. */
function onlyTotal(body: readonly Stmt[]): Stmt[] {
  return body.flatMap((s): Stmt[] => {
    if (s.kind === "store" && s.buffer.space !== "local") return [];
    if (s.kind !== "for" && s.kind !== "if") return [s];
    const inner = onlyTotal(s.body);
    return inner.length === 0 ? [] : [{ ...s, body: inner }];
  });
}

/** The body over another buffer for its total. */
function onto(body: readonly Stmt[], from: Buffer, to: Buffer): Stmt[] {
  const inLoads = rewriteBody(body, (x) => (x.op === "load" && x.buffer === from ? load(to, 0) : x));
  return mapStatements(inLoads, { buffer: (b) => (b === from ? to : b) });
}
