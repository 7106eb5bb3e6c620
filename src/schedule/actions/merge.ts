// Makes one loop of two that follow each other.

import {
  addIndex,
  type Index,
  type LoopAtom,
  mulIndex,
  negIndex,
  strideOf,
  toIndex,
} from "../../kernel/index.js";
import {
  type Buffer,
  type Expr,
  type ForStmt,
  loadsOf,
  type Stmt,
  visitStatements,
  writtenBy,
} from "../../kernel/ir.js";
import { rewriteBody } from "../../kernel/rewrite.js";
import { ScheduleError } from "./action.js";
import { atPlace, mapBlock, whole, writtenIn } from "./loops.js";

/**
 * See the action. What either loop writes and the other touches must fall apart into a part for each iteration, the same
 * in both; what stands between them must concern neither what the first writes nor what it reads.
 */
export function mergeLoops(body: readonly Stmt[], first: string, second: string): Stmt[] {
  const fail = (why: string): never => {
    throw new ScheduleError(`merge: loops ${first} and ${second} cannot be one: ${why}`);
  };
  const isFirst = (s: Stmt): boolean => s.kind === "for" && s.atom.name === first;
  return mapBlock(body, isFirst, `loop ${first}`, (block, at) => {
    const one = whole(block[at] as ForStmt);
    const to = block.findIndex((s) => s.kind === "for" && s.atom.name === second);
    if (to <= at) return fail("the second does not follow the first");
    const two = whole(block[to] as ForStmt);
    if (one.atom.extent.key !== two.atom.extent.key || one.loop !== two.loop) return fail("they differ");
    const between = block.slice(at + 1, to);
    if (between.some((s) => s.kind !== "alloc") && interfere([one], between))
      return fail("statements between them");
    const appended = atPlace(two.body, two.atom, toIndex(one.atom));
    if (!iterationsApart(one.atom, one.body, appended))
      return fail("iterations of one depend on several of the other");
    const rest = block.slice(to + 1);
    const forwarded = forward(one.body, appended);
    const merged = [...block.slice(0, at), ...between, { ...one, body: forwarded }, ...rest];
    return dropUnread(merged, block.slice(0, to));
  });
}

/** True if either body writes what the other touches. */
function interfere(a: readonly Stmt[], b: readonly Stmt[]): boolean {
  const touched = (body: readonly Stmt[]) =>
    new Set([...writtenIn(body), ...loadsOf(body).map((x) => x.buffer)]);
  const meets = (written: Iterable<Buffer>, others: ReadonlySet<Buffer>) =>
    [...written].some((buffer) => others.has(buffer));
  return meets(writtenIn(a), touched(b)) || meets(writtenIn(b), touched(a));
}

/** True if of what one body writes and the other touches, each iteration has its own part, the same in both. */
function iterationsApart(atom: LoopAtom, first: readonly Stmt[], second: readonly Stmt[]): boolean {
  const strides = new Map<Buffer, number>();
  const inside = new Set<Buffer>();
  for (const body of [first, second]) {
    visitStatements(body, (s) => {
      if (s.kind === "alloc") inside.add(s.buffer);
    });
  }
  const accesses = (body: readonly Stmt[]): { buffer: Buffer; index: Index }[] => {
    const found: { buffer: Buffer; index: Index }[] = loadsOf(body).map(({ buffer, index }) => ({
      buffer,
      index,
    }));
    visitStatements(body, (s) => {
      if (s.kind === "store" || s.kind === "accumulate") found.push(s);
      if (s.kind === "tile") found.push({ buffer: s.sums.buffer, index: toIndex(0) });
    });
    return found.filter(({ buffer }) => !inside.has(buffer));
  };
  const [one, two] = [accesses(first), accesses(second)];
  const written = new Set([...writtenIn(first), ...writtenIn(second)]);
  const shared = (buffer: Buffer): boolean =>
    written.has(buffer) && one.some((x) => x.buffer === buffer) && two.some((x) => x.buffer === buffer);
  return [...one, ...two].every(({ buffer, index }) => {
    if (!shared(buffer)) return true;
    const stride = strideOf(index, atom);
    if (stride === undefined || stride <= 0) return false;
    const known = strides.get(buffer) ?? stride;
    strides.set(buffer, known);
    const rest = addIndex(index, negIndex(mulIndex(atom, stride)));
    return stride === known && rest.min >= 0 && rest.max < stride;
  });
}

/** The second body after the first, with the values that the first has just stored. */
function forward(first: readonly Stmt[], second: readonly Stmt[]): Stmt[] {
  const key = (buffer: Buffer, index: Index): string => `${buffer.id} ${index.key}`;
  const known = new Map<string, { readonly buffer: Buffer; readonly value: Expr }>();
  const forget = (written: ReadonlySet<Buffer>): void => {
    for (const [name, { buffer, value }] of known)
      if (written.has(buffer) || readsAny(value, written)) known.delete(name);
  };
  for (const s of first) {
    const written = writtenIn([s]);
    forget(written);
    if (s.kind === "store" && s.value.dtype === s.buffer.dtype && !readsAny(s.value, written))
      known.set(key(s.buffer, s.index), s);
  }
  forget(writtenIn(second));
  const taken = rewriteBody(second, (x) => {
    if (x.op !== "load" || x.valid.length > 0) return x;
    const value = known.get(key(x.buffer, x.index))?.value;
    return value !== undefined && value.dtype === x.dtype ? value : x;
  });
  return [...first, ...taken];
}

const readsAny = (value: Expr, buffers: ReadonlySet<Buffer>): boolean =>
  loadsOf([{ kind: "let", name: "", value }]).some((x) => buffers.has(x.buffer));

/** Without the memory that is no longer read, of what is allocated among some statements. */
function dropUnread(block: readonly Stmt[], among: readonly Stmt[]): Stmt[] {
  const read = new Set(loadsOf(block).map((x) => x.buffer));
  const unread = new Set<Buffer>();
  for (const s of among) if (s.kind === "alloc" && !read.has(s.buffer)) unread.add(s.buffer);
  const kept = (body: readonly Stmt[]): Stmt[] =>
    body.flatMap((s): Stmt[] => {
      if (s.kind === "alloc" && unread.has(s.buffer)) return [];
      const written = writtenBy(s);
      if (written !== undefined && unread.has(written)) return [];
      return [s.kind === "for" || s.kind === "if" ? { ...s, body: kept(s.body) } : s];
    });
  return unread.size === 0 ? [...block] : kept(block);
}
