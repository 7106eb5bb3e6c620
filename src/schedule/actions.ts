// The schedule's actions: small transformations of a loop nest that keep what it computes. A schedule is a list of
// them, as data: it can be printed, stored and applied again. Loops are named; names are unique within a kernel.

import {
  addIndex,
  type Atom,
  divIndex,
  type Index,
  type IndexLike,
  isNonNegative,
  type LoopAtom,
  loopAtom,
  mentions,
  modIndex,
  mulIndex,
  negIndex,
  strideOf,
  toIndex,
  visitAtoms,
} from "../kernel/index.js";
import {
  type AccumulateStmt,
  accumulate,
  alloc,
  type Buffer,
  constant,
  type ForStmt,
  forLoop,
  freeAtoms,
  indicesOf,
  type Kernel,
  type LoopKind,
  load,
  loadsOf,
  makeBuffer,
  type Stmt,
  scalar,
  statementIndices,
  store,
  substituteStatements,
  topologicalOrder,
  validValue,
  visitStatements,
  exprsOf,
} from "../kernel/ir.js";
import { renameLoops, replaceBuffers, rewriteBody } from "../kernel/rewrite.js";
import { reduceIdentity } from "../scalar/evaluate.js";

export type Action =
  /** loop -> `{loop}o` x `{loop}i` of `factor`. A rest is done by a loop `{loop}t` after it, or guarded. */
  | {
      readonly action: "split";
      readonly loop: string;
      readonly factor: number;
      readonly tail: "peel" | "guard";
    }
  /** Two loops, one directly in the other, become one, if every address allows it; it keeps the outer's name. */
  | { readonly action: "collapse"; readonly outer: string; readonly inner: string }
  /** Moves a loop of independent iterations inwards, over statements and through loops; until inside `inside`. */
  | { readonly action: "reorder"; readonly loop: string; readonly inside?: string }
  | { readonly action: "unroll"; readonly loop: string }
  | { readonly action: "vectorize"; readonly loop: string }
  | { readonly action: "parallel"; readonly loop: string }
  /**
   * The iterations of a loop of a reduction accumulate separately and are joined after it: as lanes (`inner`: the
   * loop's parts lie next to each other), as further accumulators (`outer`), or in memory that threads share.
   */
  | { readonly action: "rfactor"; readonly loop: string; readonly layout: "inner" | "outer" | "shared" }
  /**
   * Copies what the body of `at` (or the kernel) reads of a buffer into nearer memory, laid out in the order of the
   * loops named, last fastest; what lies beyond the buffer becomes zero.
   */
  | {
      readonly action: "stage";
      readonly buffer: string;
      readonly at: string | undefined;
      readonly order: readonly string[];
      readonly space: "local" | "scratch";
    }
  /** Splits a loop's range where conditions on it alone change, so that inside they hold or fail throughout. */
  | { readonly action: "partition"; readonly loop: string };

export class ScheduleError extends Error {
  override name = "ScheduleError";
}

export const printAction = (a: Action): string => {
  const { action, ...fields } = a;
  return `${action}(${Object.values(fields)
    .filter((x) => x !== undefined)
    .map((x) => (Array.isArray(x) ? `[${x.join(" ")}]` : String(x)))
    .join(", ")})`;
};

/** The kernel after one action. Throws a ScheduleError if the action is not legal on it. */
export function applyAction(kernel: Kernel, a: Action): Kernel {
  return { ...kernel, body: transform(kernel.body, a) };
}

export const applySchedule = (kernel: Kernel, actions: readonly Action[]): Kernel =>
  actions.reduce(applyAction, kernel);

function transform(body: readonly Stmt[], a: Action): Stmt[] {
  switch (a.action) {
    case "split":
      return mapLoop(body, a.loop, (s) => splitLoop(whole(s), a.factor, a.tail));
    case "collapse":
      return mapLoop(body, a.outer, (s) => [collapse(whole(s), a.inner)]);
    case "reorder":
      return mapLoop(body, a.loop, (s) => {
        requireIndependent(s);
        return sink(s.atom, s.loop, s.body, a.inside);
      });
    case "unroll":
      return mapLoop(body, a.loop, (s) => {
        if (s.atom.extent.value === undefined)
          throw new ScheduleError(`unroll: loop ${s.atom.name} has ${s.atom.extent} iterations`);
        return [{ ...whole(s), loop: "unroll" }];
      });
    case "vectorize":
      return mapLoop(body, a.loop, (s) => {
        if (!isSum(s)) requireIndependent(s);
        requireLanes(s);
        return [{ ...s, loop: "vectorize" }];
      });
    case "parallel":
      return mapLoop(body, a.loop, (s) => {
        requireIndependent(s);
        return [{ ...s, loop: "parallel" }];
      });
    case "rfactor":
      return factorReduction(body, a.loop, a.layout);
    case "stage":
      return stage(body, a);
    case "partition":
      return mapLoop(body, a.loop, (s) => partition(whole(s)));
  }
}

// --- finding loops -----------------------------------------------------------------------------------------------

/** Replaces the one loop of this name. */
function mapLoop(body: readonly Stmt[], name: string, change: (s: ForStmt) => readonly Stmt[]): Stmt[] {
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

/** The loop of this name, or undefined. */
export function findLoop(body: readonly Stmt[], name: string): ForStmt | undefined {
  let found: ForStmt | undefined;
  visitStatements(body, (s) => {
    if (s.kind === "for" && s.atom.name === name) found = s;
  });
  return found;
}

/** Buffers allocated inside a body. */
function allocatedIn(body: readonly Stmt[]): Set<Buffer> {
  const buffers = new Set<Buffer>();
  visitStatements(body, (s) => {
    if (s.kind === "alloc") buffers.add(s.buffer);
  });
  return buffers;
}

function writtenIn(body: readonly Stmt[]): Set<Buffer> {
  const buffers = new Set<Buffer>();
  visitStatements(body, (s) => {
    if (s.kind === "store" || s.kind === "accumulate") buffers.add(s.buffer);
  });
  return buffers;
}

/** True if no iteration of the loop writes what another one reads or writes. */
export function isIndependent(s: ForStmt): boolean {
  const own = allocatedIn(s.body);
  let independent = true;
  visitStatements(s.body, (inner) => {
    if (inner.kind !== "store" && inner.kind !== "accumulate") return;
    if (own.has(inner.buffer)) return;
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

/** A loop that does nothing but accumulate: its lanes are joined at once. */
const isSum = (s: ForStmt): boolean =>
  s.body.every(
    (x) => x.kind === "accumulate" && x.buffer.space === "local" && strideOf(x.index, s.atom) === 0,
  );

function hasLoaded(x: Index): boolean {
  let found = false;
  visitAtoms(x, (atom) => {
    if (atom.kind === "loaded") found = true;
  });
  return found;
}

function requireIndependent(s: ForStmt): void {
  if (!isIndependent(s))
    throw new ScheduleError(`the iterations of loop ${s.atom.name} depend on each other`);
}

/** A vector has a constant number of lanes, a power of two; a loop over lanes holds no other. */
function requireLanes(s: ForStmt): void {
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
function whole(s: ForStmt): ForStmt {
  if (s.loop === "vectorize") throw new ScheduleError(`loop ${s.atom.name} is over the lanes of a vector`);
  return s;
}

const renamed = (atom: LoopAtom, suffix: string, extent: Index | number): LoopAtom =>
  loopAtom(`${atom.name}${suffix}`, extent);

const replacing =
  (from: Atom, to: Index) =>
  (atom: Atom): Index | undefined =>
    atom === from ? to : undefined;

// --- split -------------------------------------------------------------------------------------------------------

/** The loops that a loop becomes by the action. */
export function splitLoop(s: ForStmt, factor: number, tail: "peel" | "guard"): Stmt[] {
  const { atom } = s;
  const extent = atom.extent;
  const rest = modIndex(extent, factor);
  const inner = renamed(atom, "i", factor);
  if (rest.value === 0) {
    const outer = renamed(atom, "o", divIndex(extent, factor));
    return [nest(outer, inner, s.loop, atPlace(s.body, atom, addIndex(mulIndex(outer, factor), inner)))];
  }
  if (tail === "peel") {
    const whole = divIndex(extent, factor);
    const outer = renamed(atom, "o", whole);
    const last = renamed(atom, "t", rest);
    const main = nest(outer, inner, s.loop, atPlace(s.body, atom, addIndex(mulIndex(outer, factor), inner)));
    const peeled = renameLoops(
      atPlace(s.body, atom, addIndex(mulIndex(whole, factor), last)),
      (name) => `${name}_${last.name}`,
    );
    const after = forLoop(last, ownAllocs(peeled), s.loop);
    return whole.value === 0 ? [after] : [main, after];
  }
  const outer = renamed(atom, "o", divIndex(addIndex(extent, factor - 1), factor));
  const place = addIndex(mulIndex(outer, factor), inner);
  const within = addIndex(extent, negIndex(place), -1);
  const reduction = !isIndependent(s);
  return [
    nest(
      outer,
      inner,
      s.loop,
      guard(atPlace(s.body, atom, place), inner, within, reduction, allocatedIn(s.body)),
    ),
  ];
}

const nest = (outer: LoopAtom, inner: LoopAtom, kind: LoopKind, body: readonly Stmt[]): ForStmt =>
  forLoop(outer, [forLoop(inner, body, kind)], kind);

const atPlace = (body: readonly Stmt[], atom: Atom, place: Index): Stmt[] =>
  substituteStatements(body, replacing(atom, place));

/** A copy of a body allocates memory of its own. */
function ownAllocs(body: readonly Stmt[]): Stmt[] {
  const copies = new Map<Buffer, Buffer>();
  for (const b of allocatedIn(body))
    copies.set(b, makeBuffer(`${b.name}t`, b.dtype, b.size, b.space, b.lanes));
  return copies.size === 0 ? [...body] : replaceBuffers(body, copies);
}

/**
 * Makes iterations beyond the end harmless: they store nothing to memory that others see, load zero from where they
 * have no right to, and add a reduction's identity where the loop is the reduction's own.
 */
function guard(
  body: readonly Stmt[],
  inner: LoopAtom,
  within: Index,
  reduction: boolean,
  own: ReadonlySet<Buffer>,
): Stmt[] {
  const guarded = rewriteBody(body, (x) => {
    if (x.op !== "load" || own.has(x.buffer)) return x;
    if (!mentions(x.index, inner) || isNonNegative(within)) return x;
    return load(x.buffer, x.index, [...x.valid, within], { dtype: x.dtype });
  });
  return guarded.map((s): Stmt => {
    if (s.kind === "for" || s.kind === "if")
      return { ...s, body: guard(s.body, inner, within, reduction, own) };
    if (s.kind === "accumulate" && reduction && !own.has(s.buffer) && !mentions(s.index, inner)) {
      const identity = constant(reduceIdentity(s.op, s.value.dtype), s.value.dtype);
      return { ...s, value: scalar("where", validValue([within]), s.value, identity) };
    }
    if ((s.kind === "store" || s.kind === "accumulate") && !own.has(s.buffer)) {
      return { kind: "if", valid: [within], body: [s] };
    }
    return s;
  });
}

// --- collapse ----------------------------------------------------------------------------------------------------

function collapse(s: ForStmt, innerName: string): Stmt {
  const [inner] = s.body;
  if (s.body.length !== 1 || inner.kind !== "for" || inner.atom.name !== innerName) {
    throw new ScheduleError(`loop ${innerName} is not the only statement of loop ${s.atom.name}`);
  }
  const size = inner.atom.extent;
  const both = loopAtom(s.atom.name, mulIndex(s.atom.extent, size));
  const values = new Map<Atom, Index>([
    [s.atom, divIndex(both, size)],
    [inner.atom, modIndex(both, size)],
  ]);
  const body = substituteStatements(inner.body, (atom) => values.get(atom));
  if (allIndices(body).some((x) => strideOf(x, both) === undefined)) {
    throw new ScheduleError(`addresses are not linear over loops ${s.atom.name} and ${innerName} together`);
  }
  return forLoop(both, body, s.loop);
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

// --- reorder -----------------------------------------------------------------------------------------------------

/** The loop over `atom` around a body, moved inwards as far as it goes. */
function sink(atom: LoopAtom, kind: LoopKind, body: readonly Stmt[], inside: string | undefined): Stmt[] {
  const widened = new Map<Buffer, Buffer>();
  for (const s of body) {
    if (s.kind !== "alloc") continue;
    const { name, dtype, size, space, lanes } = s.buffer;
    widened.set(s.buffer, makeBuffer(name, dtype, mulIndex(size, atom.extent), space, lanes));
  }
  return widen(body, atom, kind, widened).flatMap((s): Stmt[] => {
    if (s.kind === "alloc") return [s];
    if (s.kind !== "for") return [fresh(atom, kind, [s])];
    if (!dependsOn(s, atom)) return [s];
    if (s.atom.name === inside) return [{ ...s, body: [fresh(atom, kind, s.body)] }];
    return [{ ...s, body: sink(atom, kind, s.body, inside) }];
  });
}

/** A loop over an atom of its own, so that two loops never share one. */
function fresh(atom: LoopAtom, kind: LoopKind, body: readonly Stmt[]): Stmt {
  const own = loopAtom(atom.name, atom.extent);
  return forLoop(own, substituteStatements(body, replacing(atom, toIndex(own))), kind);
}

function dependsOn(s: Stmt, atom: Atom): boolean {
  return allIndices([s]).some((x) => mentions(x, atom));
}

/** Every iteration gets its own part of the memory that the body allocates. */
function widen(
  body: readonly Stmt[],
  atom: LoopAtom,
  kind: LoopKind,
  widened: ReadonlyMap<Buffer, Buffer>,
): Stmt[] {
  if (widened.size === 0) return [...body];
  const part = (index: Index, from: Buffer): Index => widenIndex(index, atom, kind, from.size);
  const inLoads = rewriteBody(body, (x) => {
    if (x.op !== "load") return x;
    const buffer = widened.get(x.buffer);
    return buffer === undefined
      ? x
      : load(buffer, part(x.index, x.buffer), x.valid, { dtype: x.dtype, lanes: x.lanes });
  });
  const inStatement = (s: Stmt): Stmt => {
    if (s.kind === "for" || s.kind === "if") return { ...s, body: s.body.map(inStatement) };
    if (s.kind === "alloc") return widened.has(s.buffer) ? alloc(widened.get(s.buffer)!) : s;
    if (s.kind !== "store" && s.kind !== "accumulate") return s;
    const buffer = widened.get(s.buffer);
    return buffer === undefined ? s : { ...s, buffer, index: part(s.index, s.buffer) };
  };
  return inLoads.map(inStatement);
}

/** A vector loop runs fastest in widened memory, so that its vectors are contiguous; any other runs slowest. */
const widenIndex = (index: Index, atom: LoopAtom, kind: LoopKind, size: Index): Index =>
  kind === "vectorize" ? addIndex(mulIndex(index, atom.extent), atom) : addIndex(mulIndex(atom, size), index);

// --- rfactor -----------------------------------------------------------------------------------------------------

/** See the action. The reduction's target must be allocated in a block around the loop. */
function factorReduction(body: readonly Stmt[], name: string, layout: "inner" | "outer" | "shared"): Stmt[] {
  const loop = findLoop(body, name);
  if (loop === undefined) throw new ScheduleError(`there is no loop ${name}`);
  const targets = new Map<Buffer, AccumulateStmt["op"]>();
  visitStatements(loop.body, (s) => {
    if (s.kind === "accumulate" && strideOf(s.index, loop.atom) === 0) targets.set(s.buffer, s.op);
  });
  if (targets.size !== 1) throw new ScheduleError(`loop ${name} does not belong to exactly one reduction`);
  const [[target, op]] = targets;
  let done = false;
  const visit = (statements: readonly Stmt[]): Stmt[] => {
    const holdsTarget = statements.some((s) => s.kind === "alloc" && s.buffer === target);
    if (!holdsTarget) {
      return statements.map((s) => (s.kind === "for" || s.kind === "if" ? { ...s, body: visit(s.body) } : s));
    }
    const at = statements.findIndex((s) => findLoop([s], name) !== undefined);
    if (done || at < 0) return [...statements];
    done = true;
    const parts = separate(statements[at], loop, target, op, layout);
    return [...statements.slice(0, at), ...parts, ...statements.slice(at + 1)];
  };
  const changed = visit(body);
  if (layout === "shared" && !body.some((s) => s.kind === "alloc" && s.buffer === target))
    throw new ScheduleError(`rfactor: the reduction over ${name} is not at the top of the kernel`);
  if (!done) throw new ScheduleError(`the target of the reduction over ${name} is not allocated around it`);
  return changed;
}

function separate(
  s: Stmt,
  loop: ForStmt,
  target: Buffer,
  op: AccumulateStmt["op"],
  layout: "inner" | "outer" | "shared",
): Stmt[] {
  const { atom } = loop;
  const { size } = target;
  const space = layout === "shared" ? "scratch" : "local";
  const parts = makeBuffer(`${target.name}p`, target.dtype, mulIndex(size, atom.extent), space);
  const identity = constant(reduceIdentity(op, target.dtype), target.dtype);
  const at = (element: Index, part: IndexLike): Index =>
    layout === "inner"
      ? addIndex(mulIndex(element, atom.extent), part)
      : addIndex(mulIndex(part, size), element);
  const each = (suffix: string, make: (element: Index, part: Index) => Stmt): Stmt => {
    const part = renamed(atom, suffix, atom.extent);
    if (size.value === 1) return forLoop(part, [make(toIndex(0), toIndex(part))]);
    const element = renamed(atom, `${suffix}e`, size);
    const body = [make(toIndex(element), toIndex(part))];
    return layout === "inner"
      ? forLoop(element, [forLoop(part, body)])
      : forLoop(part, [forLoop(element, body)]);
  };
  const join = each("j", (element, part) => accumulate(op, target, element, load(parts, at(element, part))));
  if (layout === "shared") {
    if (s !== loop || size.value !== 1) {
      throw new ScheduleError(`rfactor: loop ${atom.name} must be the outermost of a reduction to one value`);
    }
    const own = makeBuffer(`${target.name}s`, target.dtype, 1, "local");
    const body = redirect(loop.body, target, own, () => toIndex(0));
    const thread = [alloc(own), store(own, 0, identity), ...body, store(parts, atom, load(own, 0))];
    return [alloc(parts), forLoop(atom, thread, loop.loop), join];
  }
  // What a peeled rest accumulates goes to the target itself.
  const within = (x: Stmt): Stmt => {
    if (x === loop) return { ...loop, body: redirect(loop.body, target, parts, (index) => at(index, atom)) };
    return x.kind === "for" || x.kind === "if" ? { ...x, body: x.body.map(within) } : x;
  };
  const redirected = [within(s)];
  return [
    alloc(parts),
    each("z", (element, part) => store(parts, at(element, part), identity)),
    ...redirected,
    join,
  ];
}

/** Accumulates into another buffer. */
function redirect(body: readonly Stmt[], from: Buffer, to: Buffer, place: (index: Index) => Index): Stmt[] {
  return body.map((s): Stmt => {
    if (s.kind === "for" || s.kind === "if") return { ...s, body: redirect(s.body, from, to, place) };
    if (s.kind !== "accumulate" || s.buffer !== from) return s;
    return { ...s, buffer: to, index: place(s.index) };
  });
}

// --- stage -------------------------------------------------------------------------------------------------------

function stage(body: readonly Stmt[], a: Extract<Action, { action: "stage" }>): Stmt[] {
  if (a.at === undefined) return stageIn(body, a);
  if (a.space === "scratch")
    throw new ScheduleError("stage: memory shared by all threads is filled at the top of the kernel");
  return mapLoop(body, a.at, (s) => [{ ...s, body: stageIn(s.body, a) }]);
}

function stageIn(body: readonly Stmt[], a: Extract<Action, { action: "stage" }>): Stmt[] {
  const loads = loadsOf(body).filter((x) => x.buffer.name === a.buffer);
  if (loads.length !== 1)
    throw new ScheduleError(`stage wants one load of ${a.buffer} there, found ${loads.length}`);
  const [original] = loads;
  const inside = new Map<string, LoopAtom>();
  const ambiguous = new Set<string>(a.order.filter((name, i) => a.order.indexOf(name) !== i));
  visitStatements(body, (s) => {
    if (s.kind !== "for") return;
    if (inside.has(s.atom.name)) ambiguous.add(s.atom.name);
    inside.set(s.atom.name, s.atom);
  });
  const loops = a.order.map((name) => {
    if (ambiguous.has(name)) throw new ScheduleError(`stage: loop ${name} is named or stands there twice`);
    const atom = inside.get(name);
    if (atom?.extent.value === undefined)
      throw new ScheduleError(`stage: no loop ${name} of constant length there`);
    return atom;
  });
  // The copy stands right before the statement that reads it first: what earlier ones write is done then.
  const first = body.findIndex((s) => loadsOf([s]).includes(original));
  const own = allocatedIn(body.slice(first));
  const changed = writtenIn(body.slice(first));
  for (const { buffer } of loadsOf([store(original.buffer, 0, original)])) {
    if (own.has(buffer) || changed.has(buffer))
      throw new ScheduleError(`stage: ${a.buffer} depends on ${buffer.name}, which is written there`);
  }
  const mentioned = freeAtoms(original);
  for (const atom of mentioned) {
    const stays = !(atom.kind === "loop" && inside.get(atom.name) === atom) || loops.includes(atom);
    if (!stays) throw new ScheduleError(`stage: ${a.buffer} also depends on ${atomName(atom)}`);
  }
  let size = toIndex(1);
  let place = toIndex(0);
  const fresh = new Map<Atom, LoopAtom>();
  for (const atom of loops) {
    size = mulIndex(size, atom.extent);
    place = addIndex(mulIndex(place, atom.extent), atom);
    fresh.set(atom, renamed(atom, `_${a.buffer}`, atom.extent));
  }
  const tile = makeBuffer(`${a.buffer}s`, original.buffer.dtype, size, a.space);
  let copy: Stmt[] = substituteStatements([store(tile, place, original)], (atom) => {
    const own = fresh.get(atom);
    return own && toIndex(own);
  });
  for (const atom of [...loops].reverse()) copy = [forLoop(fresh.get(atom)!, copy)];
  const used = rewriteBody(body, (x) => (x === original ? load(tile, place) : x));
  return [...used.slice(0, first), alloc(tile), ...copy, ...used.slice(first)];
}

const atomName = (atom: Atom): string => ("name" in atom ? atom.name : atom.kind);

// --- partition ---------------------------------------------------------------------------------------------------

/** Most pieces a range is cut into. */
const MAX_PIECES = 4;

function partition(s: ForStmt): Stmt[] {
  const extent = s.atom.extent.value;
  if (extent === undefined) throw new ScheduleError(`partition: loop ${s.atom.name} has no constant length`);
  const cuts = new Set<number>();
  for (const x of conditions(s.body)) {
    const stride = strideOf(x, s.atom);
    if (stride === undefined || stride === 0 || x.terms.length !== 1) continue;
    // stride * i + constant >= 0 changes at this i.
    const at = stride > 0 ? Math.ceil(-x.constant / stride) : Math.floor(x.constant / -stride) + 1;
    if (at > 0 && at < extent) cuts.add(at);
  }
  const bounds = [0, ...[...cuts].sort((a, b) => a - b), extent];
  if (bounds.length - 1 > MAX_PIECES || bounds.length === 2) {
    throw new ScheduleError(`partition: loop ${s.atom.name} would fall into ${bounds.length - 1} pieces`);
  }
  return bounds.slice(1).map((end, i) => {
    const atom = renamed(s.atom, `p${i}`, end - bounds[i]);
    const body = atPlace(s.body, s.atom, addIndex(atom, bounds[i]));
    return forLoop(atom, i === 0 ? body : ownAllocs(renameLoops(body, (name) => `${name}p${i}`)), s.loop);
  });
}

/** The conditions of a body: of loads, of values, of statements. */
function conditions(body: readonly Stmt[]): Index[] {
  const found: Index[] = [];
  visitStatements(body, (s) => {
    if (s.kind === "if") found.push(...s.valid);
    for (const x of topologicalOrder(exprsOf(s))) {
      if (x.op === "valid" || x.op === "load") found.push(...x.valid);
    }
  });
  return found;
}
