// What actions share: finding loops, what a body reads and writes, copies of bodies.

import {
  type Atom,
  type Index,
  type LoopAtom,
  loopAtom,
  mentions,
  strideOf,
  visitAtoms,
} from "../../kernel/index.js";
import {
  type AccumulateStmt,
  type Buffer,
  type ForStmt,
  loadsOf,
  makeBuffer,
  type Stmt,
  type StoreStmt,
  substituteStatements,
  topologicalOrder,
  statementIndices,
  indicesOf,
  visitStatements,
  writtenBy,
  exprsOf,
} from "../../kernel/ir.js";
import { replaceBuffers } from "../../kernel/rewrite.js";
import { ScheduleError } from "./action.js";

/** Replaces the one loop of this name. */
export function mapLoop(
  body: readonly Stmt[],
  name: string,
  change: (s: ForStmt) => readonly Stmt[],
): Stmt[] {
  let found = 0;
  const visit = (statements: readonly Stmt[]): Stmt[] =>
    statements.flatMap((s): readonly Stmt[] => {
      if (s.kind === "for" && s.atom.name === name) {
        found++;
        return change(s);
      }
      return s.kind === "for" || s.kind === "if" ? [{ ...s, body: visit(s.body) }] : [s];
    });
  const changed = visit(body);
  if (found !== 1)
    throw new ScheduleError(found === 0 ? `there is no loop ${name}` : `${found} loops are named ${name}`);
  return changed;
}

/** Replaces the block of statements that directly holds the one statement that is asked for. */
export function mapBlock(
  body: readonly Stmt[],
  isAsked: (s: Stmt) => boolean,
  what: string,
  change: (block: readonly Stmt[], at: number) => Stmt[],
): Stmt[] {
  let found = 0;
  const visit = (block: readonly Stmt[]): Stmt[] => {
    const at = block.findIndex(isAsked);
    if (at >= 0 && ++found === 1) return change(block, at);
    return block.map((s) => (s.kind === "for" || s.kind === "if" ? { ...s, body: visit(s.body) } : s));
  };
  const changed = visit(body);
  if (found !== 1)
    throw new ScheduleError(found === 0 ? `there is no ${what}` : `there are ${found} of ${what}`);
  return changed;
}

/** The loop of this name, or undefined. */
export function findLoop(body: readonly Stmt[], name: string): ForStmt | undefined {
  let found: ForStmt | undefined;
  visitStatements(body, (s) => {
    if (s.kind === "for" && s.atom.name === name) found = s;
  });
  return found;
}

/** Buffers allocated inside a body. */
export function allocatedIn(body: readonly Stmt[]): Set<Buffer> {
  const buffers = new Set<Buffer>();
  visitStatements(body, (s) => {
    if (s.kind === "alloc") buffers.add(s.buffer);
  });
  return buffers;
}

export function writtenIn(body: readonly Stmt[]): Set<Buffer> {
  const buffers = new Set<Buffer>();
  visitStatements(body, (s) => {
    const written = writtenBy(s);
    if (written !== undefined) buffers.add(written);
  });
  return buffers;
}

/** True if no iteration of the loop writes what another one reads or writes. */
export function isIndependent(s: ForStmt): boolean {
  const own = allocatedIn(s.body);
  let independent = true;
  visitStatements(s.body, (inner) => {
    if (inner.kind === "tile" && !own.has(inner.sums.buffer)) independent = false;
    if (inner.kind !== "store" && inner.kind !== "accumulate") return;
    if (own.has(inner.buffer) || isApart(inner, s)) return;
    const scattered = hasLoaded(inner.index);
    const stride = strideOf(inner.index, s.atom);
    if (
      stride === 0 ||
      (stride === undefined && !mentions(inner.index, s.atom)) ||
      (scattered && stride === undefined)
    ) {
      independent = false;
    }
  });
  return independent;
}

/** True if an index says of itself, or by the range of what varies inside, that iterations write apart. */
function isApart(x: StoreStmt | AccumulateStmt, s: ForStmt): boolean {
  if (x.kind === "store" && x.distinct && mentions(x.index, s.atom)) return true;
  const inside = new Set<Atom>([s.atom]);
  visitStatements(s.body, (inner) => {
    if (inner.kind === "for") inside.add(inner.atom);
  });
  let step = 0;
  let [least, most] = [0, 0];
  for (const { coefficient, atoms } of x.index.terms) {
    const [atom] = atoms;
    if (atoms.length > 1) return false;
    if (atom === s.atom) step = Math.abs(coefficient);
    else if (inside.has(atom) || (atom.kind !== "loop" && atom.kind !== "symbol")) {
      least += Math.min(coefficient * atom.min, coefficient * atom.max);
      most += Math.max(coefficient * atom.min, coefficient * atom.max);
    }
  }
  return step > most - least;
}

/** A loop that does nothing but accumulate: its lanes are joined at once. */
export const isSum = (s: ForStmt): boolean =>
  s.body.every(
    (x) => x.kind === "accumulate" && x.buffer.space === "local" && strideOf(x.index, s.atom) === 0,
  );

export function hasLoaded(x: Index): boolean {
  let found = false;
  visitAtoms(x, (atom) => {
    if (atom.kind === "loaded") found = true;
  });
  return found;
}

export function requireIndependent(s: ForStmt): void {
  if (!isIndependent(s))
    throw new ScheduleError(`the iterations of loop ${s.atom.name} depend on each other`);
}

/** Sums may be taken in any order, but not where one is read on the way. */
export function requireAnyOrder(s: ForStmt): void {
  const own = allocatedIn(s.body);
  const read = new Set(loadsOf(s.body).map((x) => x.buffer));
  visitStatements(s.body, (inner) => {
    if (inner.kind !== "accumulate" || own.has(inner.buffer) || !read.has(inner.buffer)) return;
    if (!strideOf(inner.index, s.atom))
      throw new ScheduleError(`loop ${s.atom.name} reads what it has accumulated so far`);
  });
}

/** A vector has a constant number of lanes, a power of two; a loop over lanes holds no other. */
export function requireLanes(s: ForStmt): void {
  const lanes = s.atom.extent.value;
  if (lanes === undefined || lanes < 1 || !Number.isInteger(Math.log2(lanes)))
    throw new ScheduleError(
      `vectorize: loop ${s.atom.name} has ${s.atom.extent} iterations, not a power of two`,
    );
  visitStatements(s.body, (inner) => {
    if (inner.kind === "for" && inner.loop === "vectorize")
      throw new ScheduleError(`vectorize: loop ${s.atom.name} holds a loop over lanes, ${inner.atom.name}`);
  });
}

/** A loop over lanes is not taken apart. */
export function whole(s: ForStmt): ForStmt {
  if (s.loop === "vectorize") throw new ScheduleError(`loop ${s.atom.name} is over the lanes of a vector`);
  return s;
}

export const renamed = (atom: LoopAtom, suffix: string, extent: Index | number): LoopAtom =>
  loopAtom(`${atom.name}${suffix}`, extent);

export const replacing =
  (from: Atom, to: Index) =>
  (atom: Atom): Index | undefined =>
    atom === from ? to : undefined;

export const atPlace = (body: readonly Stmt[], atom: Atom, place: Index): Stmt[] =>
  substituteStatements(body, replacing(atom, place));

/** A copy of a body allocates memory of its own. */
export function ownAllocs(body: readonly Stmt[]): Stmt[] {
  const copies = new Map<Buffer, Buffer>();
  for (const b of allocatedIn(body))
    copies.set(b, makeBuffer(`${b.name}t`, b.dtype, b.size, b.space, b.lanes));
  return copies.size === 0 ? [...body] : replaceBuffers(body, copies);
}

/** Every index of a body: of accesses, conditions, values. */
export function allIndices(body: readonly Stmt[]): Index[] {
  const found: Index[] = [];
  visitStatements(body, (s) => {
    found.push(...statementIndices(s));
    for (const x of topologicalOrder(exprsOf(s))) found.push(...indicesOf(x));
  });
  return found;
}
