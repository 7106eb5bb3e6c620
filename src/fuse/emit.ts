// Writes a placed draft as a kernel: opens its loops, asks for the element its innermost iteration stores, and follows
// the question through the graph. Values that are placed in registers or rows are computed by loop nests of their own,
// put before the loop that needs them; everything else becomes part of the expression.
//
// Recursion is bounded: `place` lets no kernel hold more than a few hundred nodes.

import type { GatherNode, IotaNode, Node, ReduceNode, ScanNode } from "../graph/node.js";
import {
  addIndex,
  type Atom,
  type Index,
  isNonNegative,
  type LoopAtom,
  loopAtom,
  mentions,
  negIndex,
  substituteIndex,
  type SymbolAtom,
  toIndex,
  visitAtoms,
} from "../kernel/index.js";
import {
  accumulate,
  alloc,
  bitcast,
  type Buffer,
  cast,
  constant,
  type Expr,
  forLoop,
  freeAtoms,
  indexValue,
  type Kernel,
  load,
  loadedIndex,
  makeBuffer,
  type Stmt,
  scalar,
  store,
  type Valid,
  validValue,
  visitStatements,
  exprsOf,
  statementIndices,
} from "../kernel/ir.js";
import { bytesOf, type DType, isInteger, isUnsigned, kindOf } from "../scalar/dtype.js";
import { reduceIdentity } from "../scalar/evaluate.js";
import { isScalarOp } from "../scalar/ops.js";
import { type Draft, openLoops } from "./draft.js";
import { isLeaf } from "./limits.js";
import { castOfPlaces, scalarOfPlaces } from "./places.js";
import { flatten, isMovement, joinValid, neverValid, pushThrough } from "./views.js";

/** A kernel and the nodes whose storage its parameters are, in their order. */
export interface FusedKernel {
  readonly kernel: Kernel;
  readonly nodes: readonly Node[];
}

/** A loop being written: what its body holds so far, and what must come at its end. */
interface Frame {
  readonly atom: LoopAtom | undefined;
  readonly body: Stmt[];
  readonly late: Stmt[];
}

const frame = (atom: LoopAtom | undefined): Frame => ({ atom, body: [], late: [] });
const closed = (f: Frame): Stmt[] => [...f.body, ...f.late];

/** Parameters shared by the drafts of one kernel: one buffer for each node that is read or written. */
export class Parameters {
  readonly buffers = new Map<Node, Buffer>();
  private names = 0;

  /** A name of its own within the kernel. */
  fresh(prefix: string): string {
    return `${prefix}${this.names++}`;
  }

  bufferOf(node: Node): Buffer {
    let buffer = this.buffers.get(node);
    if (buffer === undefined) {
      const size = node.shape.reduce<Index>((product, d) => mulSize(product, d), toIndex(1));
      buffer = makeBuffer(`b${this.buffers.size}`, node.dtype, size, "global");
      this.buffers.set(node, buffer);
    }
    return buffer;
  }
}

function mulSize(product: Index, d: number | Index): Index {
  return flatten([product, toIndex(0)], [1, d]);
}

/** The loop nest of one draft. */
export function emitDraft(draft: Draft, stored: ReadonlySet<Node>, parameters: Parameters): Stmt[] {
  return new Emitter(draft, stored, parameters).run();
}

class Emitter {
  private readonly memo = new Map<string, Expr>();
  private readonly rows = new Map<Node, Buffer>();

  constructor(
    private readonly draft: Draft,
    private readonly stored: ReadonlySet<Node>,
    private readonly parameters: Parameters,
  ) {}

  run(): Stmt[] {
    const { draft } = this;
    const frames = [frame(undefined), ...draft.loops.map(frame)];
    const innermost = frames[frames.length - 1];
    const value =
      draft.source === draft.target
        ? this.compute(draft.source, draft.from, [], frames)
        : this.evaluate(draft.source, draft.from, [], frames);
    const buffer = this.parameters.bufferOf(draft.target);
    if (draft.mode === "scatter") innermost.body.push(...this.scatter(value, buffer, frames));
    else if (draft.mode === "scan") this.scan(value, buffer, frames);
    else innermost.body.push(store(buffer, flatten(draft.at, draft.target.shape), value));
    for (let depth = frames.length - 1; depth > 0; depth--) {
      const { atom } = frames[depth];
      frames[depth - 1].body.push(forLoop(atom!, closed(frames[depth])));
    }
    return closed(frames[0]);
  }

  private scatter(value: Expr, buffer: Buffer, frames: Frame[]): Stmt[] {
    const { draft } = this;
    const node = draft.target as Extract<Node, { op: "scatter" }>;
    const index = this.evaluate(node.inputs[1], draft.from, [], frames);
    const { at, valid } = gatheredPosition(index, node.shape[node.axis]);
    const position = draft.at.map((x, axis) => (axis === node.axis ? at : x));
    const place = flatten(position, node.shape);
    const write =
      node.reduction === "permute"
        ? { ...store(buffer, place, value), distinct: true as const }
        : node.reduction === "write"
          ? store(buffer, place, value)
          : accumulate(node.reduction, buffer, place, value);
    return valid.length === 0 ? [write] : [{ kind: "if", valid, body: [write] }];
  }

  /** Totals in local memory around the loop along the axis, one for each group. */
  private scan(value: Expr, buffer: Buffer, frames: Frame[]): void {
    const { at, from, target } = this.draft;
    const node = target as ScanNode;
    const innermost = frames[frames.length - 1];
    const along = depthOf([from[node.axis]], frames);
    const around = frames[along === 0 ? frames.length - 1 : along - 1];
    const [, group, start] = node.inputs;
    const size = group === undefined ? 1 : start.shape[node.axis];
    const total = makeBuffer(this.parameters.fresh("total"), node.dtype, toIndex(size), "local");
    around.body.push(alloc(total));
    if (group === undefined) {
      around.body.push(store(total, 0, constant(reduceIdentity(node.reduction, node.dtype), node.dtype)));
      innermost.body.push(accumulate(node.reduction, total, 0, value));
      innermost.body.push(store(buffer, flatten(at, node.shape), load(total, 0)));
      return;
    }
    const each = frame(loopAtom(this.parameters.fresh("g"), toIndex(size)));
    const position = from.map((x, axis) => (axis === node.axis ? toIndex(each.atom!) : x));
    const first = this.evaluate(start, position, [], [...frames.slice(0, frames.indexOf(around) + 1), each]);
    each.body.push(store(total, each.atom!, first));
    around.body.push(forLoop(each.atom!, closed(each)));
    const { at: place, valid } = gatheredPosition(this.evaluate(group, from, [], frames), size);
    const join = accumulate(node.reduction, total, place, value);
    innermost.body.push(valid.length === 0 ? join : { kind: "if", valid, body: [join] });
    innermost.body.push(store(buffer, flatten(at, node.shape), load(total, place, valid)));
  }

  /** The value of a node's element, loaded or computed. Where `valid` is false the result does not matter. */
  private evaluate(node: Node, index: readonly Index[], asked: Valid, frames: Frame[]): Expr {
    const valid = asked.filter((condition) => concerns(condition, index));
    if (isLeaf(node) || (this.stored.has(node) && !this.draft.sides.has(node))) {
      return load(this.parameters.bufferOf(node), flatten(index, node.shape), valid);
    }
    const key = `${node.id}@${index.map((x) => x.key).join("|")}?${valid.map((x) => x.key).join("&")}`;
    const known = this.memo.get(key);
    if (known !== undefined) return known;
    let value = this.compute(node, index, valid, frames);
    if (this.draft.sides.has(node)) value = this.storeSide(node, index, value, frames);
    this.memo.set(key, value);
    return value;
  }

  private compute(node: Node, index: readonly Index[], valid: Valid, frames: Frame[]): Expr {
    const placement = this.draft.placements.get(node);
    if (placement?.kind === "local") return this.loadRow(node, placement.index, index, valid, frames);
    if (placement?.kind === "scratch") return this.loadShared(node, index, valid, frames);
    if (node.op === "reduce") return this.reduce(node, index, valid, frames);
    if (isMovement(node)) return this.computeMoved(node, index, valid, frames);
    switch (node.op) {
      case "const":
        return constant(node.value, node.dtype);
      case "iota":
        return indexAs(index[(node as IotaNode).axis], node.dtype);
      case "variable":
        return indexAs(toIndex(node.symbol), node.dtype);
      case "gather":
        return this.gather(node, index, valid, frames);
      case "contiguous":
      case "after":
        return this.evaluate(node.inputs[0], index, valid, frames);
      case "cast":
        return castOfPlaces(this.evaluate(node.inputs[0], index, valid, frames), node.dtype);
      case "bitcast":
        return bitcast(this.evaluate(node.inputs[0], index, valid, frames), node.dtype);
      default: {
        if (!isScalarOp(node.op)) throw new Error(`fuse: ${node.op} cannot be computed inside a kernel`);
        const args = node.inputs.map((input) => this.evaluate(input, index, valid, frames));
        return scalarOfPlaces(node.op, args);
      }
    }
  }

  private gather(node: GatherNode, index: readonly Index[], valid: Valid, frames: Frame[]): Expr {
    const [data, positions] = node.inputs;
    const taken = this.evaluate(positions, index, valid, frames);
    const { at, valid: within } = gatheredPosition(taken, data.shape[node.axis]);
    const position = index.map((x, axis) => (axis === node.axis ? at : x));
    const value = this.evaluate(data, position, joinValid(valid, within), frames);
    return guarded(value, within, constant(0, node.dtype));
  }

  // --- reductions ------------------------------------------------------------------------------------------------

  private reduce(node: ReduceNode, index: readonly Index[], valid: Valid, frames: Frame[]): Expr {
    const depth = depthOf([...index, ...valid], frames);
    const around = frames.slice(0, depth + 1);
    const own: Frame[] = [];
    let source: Node = node.inputs[0];
    let position = this.openAxes(node, index, own);
    let fills: Valid = [];
    // sum(move(sum(x))) is one sum, where the inner one is needed once.
    while (node.reduction === "add" && !this.stored.has(source)) {
      if (isMovement(source)) {
        const pushed = pushThrough(source, position);
        position = pushed.index;
        fills = joinValid(fills, pushed.fills);
        [source] = source.inputs;
      } else if (this.isNestedSum(source) && own.every((f) => position.some((x) => mentions(x, f.atom!)))) {
        position = this.openAxes(source, position, own);
        [source] = source.inputs;
      } else break;
    }
    const inner = [...around, ...own];
    const identity = constant(reduceIdentity(node.reduction, node.dtype), node.dtype);
    const all = joinValid(valid, fills);
    const value = neverValid(all)
      ? constant(0, node.dtype)
      : guarded(this.evaluate(source, position, all, inner), fills, constant(0, node.dtype));
    const repeated = this.hoistRepetition(node, value, own);
    if (repeated !== undefined) return repeated;
    const acc = makeBuffer(this.parameters.fresh("acc"), node.dtype, 1, "local");
    const innermost = own.length === 0 ? around[depth] : own[own.length - 1];
    innermost.body.push(accumulate(node.reduction, acc, 0, value));
    let nest: Stmt[] = [];
    for (let i = own.length - 1; i >= 0; i--) {
      nest = [forLoop(own[i].atom!, closed(own[i]))];
      if (i > 0) own[i - 1].body.push(...nest);
    }
    around[depth].body.push(alloc(acc), store(acc, 0, identity), ...nest);
    return load(acc, 0);
  }

  private isNestedSum(node: Node): node is ReduceNode {
    return (
      node.op === "reduce" &&
      node.reduction === "add" &&
      this.draft.placements.get(node)?.kind === "register" &&
      !this.draft.sides.has(node)
    );
  }

  private openAxes(node: ReduceNode, index: readonly Index[], own: Frame[]): Index[] {
    const [input] = node.inputs;
    return index.map((x, axis) => {
      if (!node.axes.includes(axis)) return x;
      const loop = loopAtom(this.parameters.fresh("k"), toIndex(input.shape[axis]));
      own.push(frame(loop));
      return toIndex(loop);
    });
  }

  /** A value that does not depend on the reduction's loops: n times itself for sums of integers, itself for max. */
  private hoistRepetition(node: ReduceNode, value: Expr, own: readonly Frame[]): Expr | undefined {
    if (own.some((f) => f.body.length > 0 || f.late.length > 0)) return undefined;
    const atoms = freeAtoms(value);
    const loops = own.map((f) => f.atom!);
    if (loops.some((loop) => atoms.has(loop) || loop.extent.min <= 0)) return undefined;
    if (node.reduction === "max" || node.reduction === "min") return value;
    if (node.reduction !== "add" || kindOf(node.dtype) === "bool") return undefined;
    const count = loops.reduce<Index>((product, loop) => mulSize(product, loop.extent), toIndex(1));
    return scalar("mul", value, indexAs(count, node.dtype));
  }

  // --- stored beside ---------------------------------------------------------------------------------------------

  private storeSide(node: Node, index: readonly Index[], value: Expr, frames: Frame[]): Expr {
    const at = frames[depthOf(index, frames)];
    const held = makeBuffer(this.parameters.fresh("side"), node.dtype, 1, "local");
    at.body.push(alloc(held), store(held, 0, value));
    at.late.push(store(this.parameters.bufferOf(node), flatten(index, node.shape), load(held, 0)));
    return load(held, 0);
  }

  /** One element of a row in local memory; the row is computed when first asked for. */
  private loadRow(
    node: Node,
    fixed: readonly (Index | undefined)[],
    index: readonly Index[],
    valid: Valid,
    frames: Frame[],
  ): Expr {
    const shape = node.shape.map((d, axis) => (fixed[axis] === undefined ? d : 1));
    const inRow = index.map((x, axis) => (fixed[axis] === undefined ? x : toIndex(0)));
    let row = this.rows.get(node);
    if (row === undefined) {
      const size = shape.reduce<Index>((product, d) => mulSize(product, d), toIndex(1));
      row = makeBuffer(this.parameters.fresh("row"), node.dtype, size, "local");
      this.rows.set(node, row);
      this.fillRow(node, fixed, shape, row, frames);
    }
    const inside = valid.filter((condition) => concerns(condition, inRow));
    return load(row, flatten(inRow, shape), inside);
  }

  /** One element of a value that all threads share; the whole is computed before the kernel's own loops. */
  private loadShared(node: Node, index: readonly Index[], valid: Valid, frames: Frame[]): Expr {
    let shared = this.rows.get(node);
    if (shared === undefined) {
      const { index: position, loops } = openLoops(node);
      const atoms = loops.map((loop) => loopAtom(this.parameters.fresh("f"), loop.extent));
      const own = atoms.map(frame);
      const at = position.map((x) => substituteIndex(x, (atom) => atoms[loops.indexOf(atom as LoopAtom)]));
      const size = node.shape.reduce<Index>((product, d) => mulSize(product, d), toIndex(1));
      shared = makeBuffer(this.parameters.fresh("shared"), node.dtype, size, "scratch");
      this.rows.set(node, shared);
      const value = this.computeMoved(node, at, [], [frames[0], ...own]);
      let nest: Stmt[] = [store(shared, flatten(at, node.shape), value)];
      for (const f of own.reverse()) nest = [forLoop(f.atom!, [...f.body, ...nest, ...f.late])];
      frames[0].body.push(alloc(shared), ...nest);
    }
    return load(shared, flatten(index, node.shape), valid);
  }

  /** A movement's element, from the node it moves. */
  private computeMoved(node: Node, index: readonly Index[], valid: Valid, frames: Frame[]): Expr {
    if (!isMovement(node)) throw new Error(`fuse: ${node.op} moves nothing`);
    const { index: moved, fills } = pushThrough(node, index);
    const inner = joinValid(valid, fills);
    const zero = constant(0, node.dtype);
    if (neverValid(inner)) return zero;
    return guarded(this.evaluate(node.inputs[0], moved, inner, frames), fills, zero);
  }

  private fillRow(
    node: Node,
    fixed: readonly (Index | undefined)[],
    shape: readonly (number | Index)[],
    row: Buffer,
    frames: Frame[],
  ): void {
    const depth = depthOf(
      fixed.filter((x): x is Index => x !== undefined),
      frames,
    );
    const around = frames.slice(0, depth + 1);
    const own: Frame[] = [];
    const position = fixed.map((x, axis) => {
      if (x !== undefined) return x;
      if (node.shape[axis] === 1) return toIndex(0);
      const loop = loopAtom(this.parameters.fresh("r"), toIndex(node.shape[axis]));
      own.push(frame(loop));
      return toIndex(loop);
    });
    const inner = [...around, ...own];
    const value =
      node.op === "reduce"
        ? this.reduce(node, position, [], inner)
        : this.computeInline(node, position, inner);
    const inRow = position.map((x, axis) => (fixed[axis] === undefined ? x : toIndex(0)));
    inner[inner.length - 1].body.push(store(row, flatten(inRow, shape), value));
    around[depth].body.push(alloc(row));
    for (let i = own.length - 1; i >= 0; i--) {
      const nest = forLoop(own[i].atom!, closed(own[i]));
      (i > 0 ? own[i - 1] : around[depth]).body.push(nest);
    }
  }

  /** The value of a node that is itself placed in a row. */
  private computeInline(node: Node, index: readonly Index[], frames: Frame[]): Expr {
    const args = node.inputs;
    if (node.op === "cast") return cast(this.evaluate(args[0], index, [], frames), node.dtype);
    if (node.op === "bitcast") return bitcast(this.evaluate(args[0], index, [], frames), node.dtype);
    if (node.op === "gather") return this.gather(node, index, [], frames);
    if (!isScalarOp(node.op)) return this.evaluate(args[0], index, [], frames);
    return scalar(node.op, ...args.map((input) => this.evaluate(input, index, [], frames)));
  }
}

/** False for a condition on gathered places only, none of which is in the index: the place of another axis. */
function concerns(condition: Index, index: readonly Index[]): boolean {
  const atoms = condition.terms.flatMap((term) => term.atoms);
  const elsewhere = (atom: Atom) => atom.kind === "loaded" && !index.some((x) => mentions(x, atom));
  return atoms.length === 0 || !atoms.every(elsewhere);
}

/** The innermost frame whose loop some of the indices depend on. */
function depthOf(indices: readonly Index[], frames: readonly Frame[]): number {
  const mentioned = new Set<Atom>();
  for (const x of indices) visitAtoms(x, (atom) => mentioned.add(atom));
  for (let depth = frames.length - 1; depth > 0; depth--)
    if (mentioned.has(frames[depth].atom!)) return depth;
  return 0;
}

/** `value` where the conditions hold, else the fill. A load that is itself behind them yields zero already. */
function guarded(value: Expr, conditions: Valid, fill: Expr): Expr {
  if (conditions.length === 0) return value;
  if (value.op === "load") {
    const behind = new Set(value.valid.map((x) => x.key));
    if (conditions.every((x) => behind.has(x.key))) return value;
  }
  if (value === fill) return value;
  return scalar("where", validValue(conditions), value, fill);
}

/** An index as a value of any dtype. */
function indexAs(index: Index, dtype: DType): Expr {
  if (isInteger(dtype)) return indexValue(index, dtype);
  const wide = index.max > 2 ** 31 - 1 || index.min < -(2 ** 31);
  return cast(indexValue(index, wide ? "int64" : "int32"), dtype);
}

/** A loaded position along an axis of `size`: negative ones count from the end; the conditions that it is within. */
function gatheredPosition(position: Expr, size: number | Index): { at: Index; valid: Valid } {
  const extent = toIndex(size);
  // Narrow integers could not hold the axis' size.
  const taken = bytesOf(position.dtype) < 4 ? cast(position, "int32") : position;
  let value = taken;
  if (taken.op !== "index" && !isUnsigned(taken.dtype)) {
    const zero = constant(0, taken.dtype);
    const wrapped = scalar("add", taken, indexValue(extent, taken.dtype));
    value = scalar("where", scalar("lt", taken, zero), wrapped, taken);
  }
  const at = loadedIndex(value, ...rangeOf(value));
  const conditions = [at, addIndex(extent, negIndex(at), -1)];
  return { at, valid: conditions.filter((x) => !isNonNegative(x)) };
}

/** What is plain to see of an integer's range: bits that a mask leaves. */
function rangeOf(x: Expr): [min: number, max: number] | [] {
  const mask =
    x.op === "and" ? x.args.find((arg) => arg.op === "const" && Number(arg.value) >= 0) : undefined;
  return mask?.op === "const" && Number(mask.value) < 2 ** 31 ? [0, Number(mask.value)] : [];
}

/** The symbolic variables that a body mentions, by name. */
export function symbolsOf(body: readonly Stmt[]): SymbolAtom[] {
  const found = new Map<string, SymbolAtom>();
  const note = (x: Index): void =>
    visitAtoms(x, (atom) => {
      if (atom.kind === "symbol") found.set(atom.name, atom);
      if (atom.kind === "loop") note(atom.extent);
    });
  visitStatements(body, (s) => {
    for (const x of statementIndices(s)) note(x);
    for (const e of exprsOf(s))
      for (const atom of freeAtoms(e)) if (atom.kind === "symbol") found.set(atom.name, atom);
  });
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}
