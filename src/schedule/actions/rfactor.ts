// Gives the iterations of a reduction accumulators of their own.

import {
  addIndex,
  type Index,
  type IndexLike,
  mentions,
  mulIndex,
  strideOf,
  subIndex,
  toIndex,
} from "../../kernel/index.js";
import {
  type AccumulateStmt,
  accumulate,
  alloc,
  type Buffer,
  constant,
  type ForStmt,
  forLoop,
  load,
  loadsOf,
  makeBuffer,
  type Stmt,
  store,
  visitStatements,
  writtenBy,
} from "../../kernel/ir.js";
import { reduceIdentity } from "../../scalar/evaluate.js";
import { type Layout, ScheduleError } from "./action.js";
import { allocatedIn, findLoop, renamed } from "./loops.js";

/** See the action. The reduction's target must be allocated in a block around the loop. */
export function factorReduction(body: readonly Stmt[], name: string, layout: Layout): Stmt[] {
  const loop = findLoop(body, name);
  if (loop === undefined) throw new ScheduleError(`there is no loop ${name}`);
  const targets = new Map<Buffer, AccumulateStmt["op"]>();
  const own = allocatedIn(loop.body);
  visitStatements(loop.body, (s) => {
    if (s.kind === "accumulate" && !own.has(s.buffer) && strideOf(s.index, loop.atom) === 0)
      targets.set(s.buffer, s.op);
  });
  if (targets.size !== 1) throw new ScheduleError(`loop ${name} does not belong to exactly one reduction`);
  const [[target, op]] = targets;
  if (loadsOf(loop.body).some((x) => x.buffer === target))
    throw new ScheduleError(`rfactor: loop ${name} reads what it has accumulated so far`);
  let done = false;
  const visit = (statements: readonly Stmt[]): Stmt[] => {
    const holdsTarget = statements.some((s) => s.kind === "alloc" && s.buffer === target);
    if (!holdsTarget) {
      return statements.map((s) => (s.kind === "for" || s.kind === "if" ? { ...s, body: visit(s.body) } : s));
    }
    const at = statements.findIndex((s) => findLoop([s], name) !== undefined);
    if (done || at < 0) return [...statements];
    done = true;
    const parts = separateWithin(statements[at], loop, target, op, layout);
    return [...statements.slice(0, at), ...parts, ...statements.slice(at + 1)];
  };
  const changed = visit(body);
  if (layout === "shared" && !body.some((s) => s.kind === "alloc" && s.buffer === target))
    throw new ScheduleError(`rfactor: the reduction over ${name} is not at the top of the kernel`);
  if (!done) throw new ScheduleError(`the target of the reduction over ${name} is not allocated around it`);
  return changed;
}

/** What is accumulated in: a buffer from an element on. */
interface Target {
  readonly buffer: Buffer;
  readonly first: Index;
  readonly size: Index;
}

const wholly = (buffer: Buffer): Target => ({ buffer, first: toIndex(0), size: buffer.size });

/**
 * Inside of the loops in which each iteration has an element of its own, or between whose iterations the target is read
 * or set: what accumulates separately begins and ends there.
 */
function separateWithin(
  s: Stmt,
  loop: ForStmt,
  target: Buffer,
  op: AccumulateStmt["op"],
  layout: Layout,
): Stmt[] {
  const elements = new Map<string, Index>();
  let varies = false;
  visitStatements(loop.body, (x) => {
    if (x.kind === "accumulate" && x.buffer === target) elements.set(x.index.key, x.index);
  });
  const [element] = elements.values();
  visitStatements(loop.body, (x) => {
    if (x.kind === "for" && mentions(element, x.atom)) varies = true;
  });
  const one = elements.size === 1 && !varies;
  const holdsLoop = (x: Stmt): boolean => findLoop([x], loop.atom.name) !== undefined;
  const goesInside = (x: Stmt): boolean => {
    if ((x.kind !== "for" && x.kind !== "if") || x === loop || !holdsLoop(x)) return false;
    if (one && x.kind === "for" && mentions(element, x.atom)) return true;
    return x.body.some((y) => goesInside(y) || (!holdsLoop(y) && touchesOtherwise(y, target, op)));
  };
  if (!goesInside(s)) return separate(s, loop, wholly(target), op, layout);
  if (!one || layout === "shared")
    throw new ScheduleError(`rfactor: ${target.name} is read between the iterations of a loop around`);
  const to = { buffer: target, first: element, size: toIndex(1) };
  const inside = (x: Stmt): Stmt[] => {
    if ((x.kind === "for" || x.kind === "if") && goesInside(x))
      return [{ ...x, body: x.body.flatMap(inside) }];
    return holdsLoop(x) ? separate(x, loop, to, op, layout) : [x];
  };
  return inside(s);
}

/** True if a statement does something else with the buffer than accumulate in it. */
function touchesOtherwise(s: Stmt, buffer: Buffer, op: AccumulateStmt["op"]): boolean {
  let touches = loadsOf([s]).some((x) => x.buffer === buffer);
  visitStatements([s], (x) => {
    if (writtenBy(x) === buffer && !(x.kind === "accumulate" && x.op === op)) touches = true;
  });
  return touches;
}

function separate(s: Stmt, loop: ForStmt, to: Target, op: AccumulateStmt["op"], layout: Layout): Stmt[] {
  const { atom } = loop;
  if (layout === "own") return [joinedEachTime(s, loop, to, op)];
  const { buffer: target, size, first } = to;
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
  const join = each("j", (element, part) =>
    accumulate(op, target, addIndex(first, element), load(parts, at(element, part))),
  );
  if (layout === "shared") {
    if (s !== loop)
      throw new ScheduleError(`rfactor: loop ${atom.name} must be the outermost of a reduction`);
    const own = makeBuffer(`${target.name}s`, target.dtype, size, "local");
    const all = (suffix: string, make: (element: Index) => Stmt): Stmt => {
      if (size.value === 1) return make(toIndex(0));
      const element = renamed(atom, suffix, size);
      return forLoop(element, [make(toIndex(element))]);
    };
    const thread = [
      alloc(own),
      all("z", (element) => store(own, element, identity)),
      ...redirect(loop.body, target, own, (index) => index),
      all("s", (element) => store(parts, at(element, atom), load(own, element))),
    ];
    return [alloc(parts), forLoop(atom, thread, loop.loop), join];
  }
  // What a peeled rest accumulates goes to the target itself.
  const within = (x: Stmt): Stmt => {
    if (x === loop)
      return {
        ...loop,
        body: redirect(loop.body, target, parts, (index) => at(subIndex(index, first), atom)),
      };
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

/** Each iteration accumulates in memory of its own and adds that to the target at its end. */
function joinedEachTime(s: Stmt, loop: ForStmt, to: Target, op: AccumulateStmt["op"]): Stmt {
  const { atom, body } = loop;
  const { buffer: target, size, first } = to;
  const own = makeBuffer(`${target.name}o`, target.dtype, size, "local");
  const identity = constant(reduceIdentity(op, target.dtype), target.dtype);
  const each = (suffix: string, make: (element: Index) => Stmt): Stmt => {
    if (size.value === 1) return make(toIndex(0));
    const element = renamed(atom, suffix, size);
    return forLoop(element, [make(toIndex(element))]);
  };
  const inside = [
    alloc(own),
    each("z", (element) => store(own, element, identity)),
    ...redirect(body, target, own, (index) => subIndex(index, first)),
    each("j", (element) => accumulate(op, target, addIndex(first, element), load(own, element))),
  ];
  const within = (x: Stmt): Stmt => {
    if (x === loop) return { ...loop, body: inside };
    return x.kind === "for" || x.kind === "if" ? { ...x, body: x.body.map(within) } : x;
  };
  return within(s);
}

/** Accumulates into another buffer. */
function redirect(body: readonly Stmt[], from: Buffer, to: Buffer, place: (index: Index) => Index): Stmt[] {
  return body.map((s): Stmt => {
    if (s.kind === "for" || s.kind === "if") return { ...s, body: redirect(s.body, from, to, place) };
    if (s.kind !== "accumulate" || s.buffer !== from) return s;
    return { ...s, buffer: to, index: place(s.index) };
  });
}
