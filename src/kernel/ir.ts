// The kernel IR: one language of loop nests, from the fuser's first draft to the program a code generator prints.
//
// Expressions are immutable and hash-consed within a compile (`clearArena` starts a new one): structurally equal
// expressions are the same object. Statements are plain immutable trees. A buffer access is an index (see index.ts)
// plus, apart from it, a validity predicate: a conjunction of indices that must be >= 0. A load whose predicate is
// false is not executed and yields zero.
//
// Before lowering: expressions have one lane, loops may be marked `parallel`, `unroll` or `vectorize`. After lowering
// (see lower/program.ts): expressions may be vectors, loops are serial, and `let`, `letIndex` and registers appear.

import type { DType, Scalar } from "../scalar/dtype.js";
import { holdScalar } from "../scalar/convert.js";
import type { MatrixUnit } from "./units.js";
import { type ReduceOp, resultDType, type ScalarOp } from "../scalar/ops.js";
import {
  type Atom,
  addIndex,
  clearIndexArena,
  type Index,
  type IndexLike,
  type LetAtom,
  type LoopAtom,
  isNonNegative,
  loadedAtom,
  type SymbolAtom,
  substituteIndex,
  toIndex,
  visitAtoms,
} from "./index.js";

// ---------------------------------------------------------------------------------------------------------------
// Buffers

/**
 * Where a buffer lives. `global`: a parameter, device memory. `scratch`: device memory shared by all threads of one
 * kernel, alive from one top-level statement to the next. `local`: memory of one thread. `register`: after lowering,
 * a set of variables, addressed by constants.
 */
export type Space = "global" | "scratch" | "local" | "register";

export interface Buffer {
  readonly name: string;
  readonly dtype: DType;
  /** Elements; for register buffers, variables of `lanes` elements each. */
  readonly size: Index;
  readonly space: Space;
  readonly lanes: number;
  readonly id: number;
}

let nextBufferId = 1;

export function makeBuffer(name: string, dtype: DType, size: IndexLike, space: Space, lanes = 1): Buffer {
  return { name, dtype, size: toIndex(size), space, lanes, id: nextBufferId++ };
}

// ---------------------------------------------------------------------------------------------------------------
// Expressions

/** A conjunction: every index must be >= 0. The empty list is true. */
export type Valid = readonly Index[];

export type Expr =
  | ConstExpr
  | IndexExpr
  | ValidExpr
  | LoadExpr
  | ScalarExpr
  | CastExpr
  | BitcastExpr
  | RefExpr
  | SplatExpr
  | PackExpr
  | ExtractExpr
  | ShuffleExpr;

interface ExprBase {
  /** Unique within the process, increasing: operands have smaller ids than their users. */
  readonly id: number;
  readonly dtype: DType;
  /** Elements per value; 1 before lowering. */
  readonly lanes: number;
  readonly args: readonly Expr[];
  /** The last walk that came by, and how far it was; topologicalOrder's own. */
  walk?: number;
}
/** A literal. 64-bit integers hold a bigint, bool a boolean. */
export interface ConstExpr extends ExprBase {
  readonly op: "const";
  readonly value: Scalar;
}
/** An index as a value, converted to `dtype` (an integer dtype, wrapping). */
export interface IndexExpr extends ExprBase {
  readonly op: "index";
  readonly index: Index;
}
/** A predicate as a bool value. */
export interface ValidExpr extends ExprBase {
  readonly op: "valid";
  readonly valid: Valid;
}
/**
 * `lanes` consecutive elements of a buffer from `index` on; zero where `valid` is false (one predicate for all
 * lanes). `dtype` is the buffer's, or after lowering a wider integer into which elements are extended.
 */
export interface LoadExpr extends ExprBase {
  readonly op: "load";
  readonly buffer: Buffer;
  readonly index: Index;
  readonly valid: Valid;
}
/** A scalar operation, lane by lane; all operands have the result's lanes. */
export interface ScalarExpr extends ExprBase {
  readonly op: ScalarOp;
}
/** Conversion of value: truncates towards zero, saturates, NaN to 0; integers wrap; to bool is != 0. */
export interface CastExpr extends ExprBase {
  readonly op: "cast";
}
/** Same bits, same width, other dtype. */
export interface BitcastExpr extends ExprBase {
  readonly op: "bitcast";
}
/** After lowering: a variable bound by `let`. */
export interface RefExpr extends ExprBase {
  readonly op: "ref";
  readonly name: string;
}
/** After lowering: one scalar in every lane. */
export interface SplatExpr extends ExprBase {
  readonly op: "splat";
}
/** After lowering: scalars as the lanes of a vector, lowest lane first. */
export interface PackExpr extends ExprBase {
  readonly op: "pack";
}
/** After lowering: one lane of a vector, as a scalar. */
export interface ExtractExpr extends ExprBase {
  readonly op: "extract";
  readonly lane: number;
}
/** After lowering: lanes of two vectors alike; those of the second count on from those of the first. */
export interface ShuffleExpr extends ExprBase {
  readonly op: "shuffle";
  readonly picks: readonly number[];
}

let nextExprId = 1;
let interned = new Map<string, Expr>();

/** Starts a new compile: expressions and derived index atoms made before are no longer shared with new ones. */
export function clearArena(): void {
  interned = new Map();
  clearIndexArena();
}

/** The expression known under a key, or else this one, which is given a number. */
function intern(key: string, make: (id: number) => Expr): Expr {
  let expr = interned.get(key);
  if (expr === undefined) {
    expr = make(nextExprId++);
    expr.walk = 0;
    interned.set(key, expr);
  }
  return expr;
}

function ids(args: readonly Expr[]): string {
  let text = "";
  for (const { id } of args) text += `,${id}`;
  return text;
}
const validKey = (valid: Valid): string => valid.map((v) => v.key).join("&");
/** The same conjunction without repetitions. */
const distinct = (valid: Valid): Valid =>
  valid.length < 2 ? valid : valid.filter((v, i) => valid.findIndex((w) => w.key === v.key) === i);

function scalarKey(value: Scalar): string {
  if (Object.is(value, -0)) return "-0";
  return `${typeof value}:${String(value)}`;
}

/** A literal. Values are brought to what `dtype` holds: integers wrap, floats are rounded. */
export function constant(value: Scalar, dtype: DType, lanes = 1): Expr {
  const held = holdScalar(value, dtype);
  return intern(`const ${dtype}x${lanes} ${scalarKey(held)}`, (id) => ({
    id,
    op: "const",
    dtype,
    lanes,
    args: [],
    value: held,
  }));
}

export function indexValue(index: IndexLike, dtype: DType): Expr {
  const form = toIndex(index);
  if (form.value !== undefined) return constant(form.value, dtype);
  return intern(`index ${dtype} ${form.key}`, (id) => ({
    id,
    op: "index",
    dtype,
    lanes: 1,
    args: [],
    index: form,
  }));
}

export function validValue(conditions: Valid): Expr {
  const valid = distinct(conditions);
  if (valid.length === 0) return constant(true, "bool");
  if (valid.some((v) => v.max < 0)) return constant(false, "bool");
  return intern(`valid ${validKey(valid)}`, (id) => ({
    id,
    op: "valid",
    dtype: "bool",
    lanes: 1,
    args: [],
    valid,
  }));
}

export function load(
  buffer: Buffer,
  index: IndexLike,
  conditions: Valid = [],
  { dtype = buffer.dtype, lanes = 1 }: { dtype?: DType; lanes?: number } = {},
): Expr {
  const form = toIndex(index);
  const valid = distinct(conditions);
  return intern(`load ${dtype}x${lanes} b${buffer.id} ${form.key} if ${validKey(valid)}`, (id) => ({
    id,
    op: "load",
    dtype,
    lanes,
    args: [],
    buffer,
    index: form,
    valid,
  }));
}

/** A scalar operation; the result's dtype and lanes follow from the operands. */
export function scalar(op: ScalarOp, ...args: readonly Expr[]): Expr {
  if (op === "where" && args[0].op === "const") return args[0].value ? args[1] : args[2];
  return intern(op + ids(args), (id) => {
    const dtype = resultDType(
      op,
      args.map((a) => a.dtype),
    );
    return { id, op, dtype, lanes: args[args.length - 1].lanes, args };
  });
}

export function cast(x: Expr, dtype: DType): Expr {
  if (x.dtype === dtype) return x;
  return intern(`cast ${dtype} ${x.id}`, (id) => ({ id, op: "cast", dtype, lanes: x.lanes, args: [x] }));
}

export function bitcast(x: Expr, dtype: DType): Expr {
  if (x.dtype === dtype) return x;
  return intern(`bitcast ${dtype} ${x.id}`, (id) => ({
    id,
    op: "bitcast",
    dtype,
    lanes: x.lanes,
    args: [x],
  }));
}

export function ref(name: string, dtype: DType, lanes: number): Expr {
  return intern(`ref ${name} ${dtype}x${lanes}`, (id) => ({ id, op: "ref", dtype, lanes, args: [], name }));
}

export function splat(x: Expr, lanes: number): Expr {
  if (lanes === 1) return x;
  if (x.op === "const") return constant(x.value, x.dtype, lanes);
  return intern(`splat ${lanes} ${x.id}`, (id) => ({ id, op: "splat", dtype: x.dtype, lanes, args: [x] }));
}

export function pack(args: readonly Expr[]): Expr {
  if (args.length === 1) return args[0];
  if (args.every((a) => a === args[0])) return splat(args[0], args.length);
  return intern(`pack${ids(args)}`, (id) => ({
    id,
    op: "pack",
    dtype: args[0].dtype,
    lanes: args.length,
    args,
  }));
}

export function extract(x: Expr, lane: number): Expr {
  if (x.lanes === 1 || x.op === "splat") return x.op === "splat" ? x.args[0] : x;
  if (x.op === "pack") return x.args[lane];
  if (x.op === "const") return constant(x.value, x.dtype);
  return intern(`extract ${lane} ${x.id}`, (id) => ({
    id,
    op: "extract",
    dtype: x.dtype,
    lanes: 1,
    args: [x],
    lane,
  }));
}

export function shuffle(a: Expr, b: Expr, picks: readonly number[]): Expr {
  if (picks.every((lane, i) => lane === i) && picks.length === a.lanes) return a;
  return intern(`shuffle ${picks.join(",")} ${ids([a, b])}`, (id) => ({
    id,
    op: "shuffle",
    dtype: a.dtype,
    lanes: picks.length,
    args: [a, b],
    picks,
  }));
}

/** An integer expression as an index, with the range its dtype allows unless the caller knows a narrower one. */
export function loadedIndex(value: Expr, min = -(2 ** 31), max = 2 ** 31 - 1): Index {
  if (value.op === "index") return value.index;
  if (value.op === "const") return toIndex(Number(value.value));
  return toIndex(loadedAtom(value, [...freeAtoms(value)], min, max));
}

/** The same operation over other operands. */
export function withArgs(x: Expr, args: readonly Expr[]): Expr {
  if (args.length === 0 || args.every((a, i) => a === x.args[i])) return x;
  switch (x.op) {
    case "cast":
      return cast(args[0], x.dtype);
    case "bitcast":
      return bitcast(args[0], x.dtype);
    case "splat":
      return splat(args[0], x.lanes);
    case "pack":
      return pack(args);
    case "extract":
      return extract(args[0], x.lane);
    case "shuffle":
      return shuffle(args[0], args[1], x.picks);
    case "const":
    case "index":
    case "valid":
    case "load":
    case "ref":
      return x;
    default:
      return scalar(x.op, ...args);
  }
}

/** The indices an expression itself mentions (not those of its operands). */
export function indicesOf(x: Expr): readonly Index[] {
  if (x.op === "index") return [x.index];
  if (x.op === "valid") return x.valid;
  if (x.op === "load") return [x.index, ...x.valid];
  return [];
}

/** Numbers walks; each takes two: expressions entered, and expressions in order. */
let walks = 0;

/**
 * All expressions reachable from the roots, operands (and values of loaded indices) before users, each once; not
 * looking below those that are known.
 * Iterative: depth is bounded by memory only.
 */
export function topologicalOrder(
  roots: readonly Expr[],
  isKnown: (x: Expr) => boolean = () => false,
): Expr[] {
  const order: Expr[] = [];
  const entered = ++walks;
  const ordered = ++walks;
  const stack: Expr[] = [...roots].reverse();
  while (stack.length > 0) {
    const x = stack[stack.length - 1];
    if (x.walk === ordered) stack.pop();
    else if (x.walk === entered) {
      stack.pop();
      x.walk = ordered;
      order.push(x);
    } else {
      x.walk = entered;
      if (isKnown(x)) continue;
      for (const arg of x.args) if (arg.walk! < entered) stack.push(arg);
      for (const index of indicesOf(x)) {
        for (const { value } of index.loaded) if (value.walk! < entered) stack.push(value);
      }
    }
  }
  return order;
}

/** Loop, symbol and let atoms (and loaded ones themselves) on which the value of x depends. */
export function freeAtoms(x: Expr): Set<Atom> {
  const atoms = new Set<Atom>();
  for (const e of topologicalOrder([x])) {
    for (const index of indicesOf(e)) visitAtoms(index, (atom) => atoms.add(atom));
  }
  return atoms;
}

/**
 * Rebuilds an expression bottom-up: `visit` gets each expression with operands and indices already rebuilt and gives
 * its replacement. `replaceAtom` rewrites indices. One memo per call; iterative.
 */
export function rewriteExpr(
  root: Expr,
  visit: (x: Expr) => Expr,
  replaceAtom: (atom: Atom) => IndexLike | undefined = () => undefined,
  memo: Map<Expr, Expr> = new Map(),
): Expr {
  const replace = (atom: Atom): IndexLike | undefined => {
    const direct = replaceAtom(atom);
    if (direct !== undefined) return direct;
    if (atom.kind !== "loaded") return undefined;
    const value = memo.get(atom.value)!;
    return value === atom.value ? undefined : loadedIndex(value, atom.min, atom.max);
  };
  for (const x of topologicalOrder([root], (e) => memo.has(e))) {
    if (memo.has(x)) continue;
    memo.set(
      x,
      visit(
        rebuild(
          x,
          x.args.map((a) => memo.get(a)!),
          replace,
        ),
      ),
    );
  }
  return memo.get(root)!;
}

function rebuild(x: Expr, args: readonly Expr[], replace: (atom: Atom) => IndexLike | undefined): Expr {
  switch (x.op) {
    case "index": {
      const index = substituteIndex(x.index, replace);
      return index === x.index ? x : indexValue(index, x.dtype);
    }
    case "valid":
      return validValue(substituteValid(x.valid, replace));
    case "load": {
      const index = substituteIndex(x.index, replace);
      const valid = substituteValid(x.valid, replace);
      if (valid.some((v) => v.max < 0)) return constant(0, x.dtype, x.lanes);
      return load(x.buffer, index, valid, { dtype: x.dtype, lanes: x.lanes });
    }
    default:
      return withArgs(x, args);
  }
}

/** Conditions that have become certain are dropped. */
function substituteValid(valid: Valid, replace: (atom: Atom) => IndexLike | undefined): Valid {
  const moved = valid.map((v) => substituteIndex(v, replace));
  return moved.every((v, i) => v === valid[i]) ? valid : moved.filter((v) => !isNonNegative(v));
}

/** Replaces atoms throughout an expression. */
export const substituteExpr = (
  x: Expr,
  replaceAtom: (atom: Atom) => IndexLike | undefined,
  memo?: Map<Expr, Expr>,
): Expr => rewriteExpr(x, (e) => e, replaceAtom, memo);

/** Start + 0, 1, ... lanes-1, as a vector of `dtype`. */
export function ramp(start: IndexLike, stride: number, dtype: DType, lanes: number): Expr {
  return pack(Array.from({ length: lanes }, (_, lane) => indexValue(addIndex(start, lane * stride), dtype)));
}

// ---------------------------------------------------------------------------------------------------------------
// Statements

export type LoopKind = "serial" | "parallel" | "unroll" | "vectorize";

export type Stmt =
  | ForStmt
  | StoreStmt
  | AccumulateStmt
  | TileStmt
  | PrefetchStmt
  | AllocStmt
  | IfStmt
  | LetStmt
  | LetIndexStmt;

/** for (atom = 0; atom < atom.extent; atom++) body. Iterations of all but serial loops are independent. */
export interface ForStmt {
  readonly kind: "for";
  readonly atom: LoopAtom;
  readonly loop: LoopKind;
  readonly body: readonly Stmt[];
}
/** buffer[index .. index + lanes) = value. */
export interface StoreStmt {
  readonly kind: "store";
  readonly buffer: Buffer;
  readonly index: Index;
  readonly value: Expr;
  /** What is stored goes past the caches, where the machine can; it is not needed soon. */
  readonly stream?: true;
  /** No two iterations of the loops around it store to one place, though its index may not show it. */
  readonly distinct?: true;
}
/** buffer[index] = op(buffer[index], value), in any order over the iterations of enclosing loops. */
export interface AccumulateStmt {
  readonly kind: "accumulate";
  readonly op: ReduceOp;
  readonly buffer: Buffer;
  readonly index: Index;
  readonly value: Expr;
}
/**
 * sums[r, c] += left[r, d] * right[d, c], for all rows, columns and depths, by a matrix unit of the machine, in any order.
 * Elements of floats smaller than the smallest normal number may count as zero.
 */
export interface TileStmt {
  readonly kind: "tile";
  readonly unit: MatrixUnit;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly sums: TileAccess;
  readonly left: TileAccess;
  readonly right: TileAccess;
}
/**
 * A matrix in memory: how far apart its rows lie, its groups of depths, and its blocks of columns (see units.ts). Within
 * them elements are consecutive: columns in the sums, depths on the left, on the right depths and then columns.
 */
export interface TileAccess {
  readonly buffer: Buffer;
  readonly index: Index;
  readonly row: number;
  readonly group: number;
  readonly block: number;
}
/** Asks for the line of memory with buffer[index], which may lie outside of the buffer: nothing is read. */
export interface PrefetchStmt {
  readonly kind: "prefetch";
  readonly buffer: Buffer;
  readonly index: Index;
}
/** Memory, uninitialised, for the rest of the enclosing block. After lowering, `offset` is its place in bytes. */
export interface AllocStmt {
  readonly kind: "alloc";
  readonly buffer: Buffer;
  readonly offset?: number;
}
export interface IfStmt {
  readonly kind: "if";
  readonly valid: Valid;
  readonly body: readonly Stmt[];
}
/** After lowering: names a value for the rest of the enclosing block. */
export interface LetStmt {
  readonly kind: "let";
  readonly name: string;
  readonly value: Expr;
}
/** After lowering: names an index for the rest of the enclosing block. */
export interface LetIndexStmt {
  readonly kind: "letIndex";
  readonly atom: LetAtom;
  readonly index: Index;
}

export interface Kernel {
  readonly name: string;
  /** Global buffers in the order in which they are passed; outputs are those that are stored to. */
  readonly params: readonly Buffer[];
  readonly symbols: readonly SymbolAtom[];
  readonly body: readonly Stmt[];
}

export const forLoop = (atom: LoopAtom, body: readonly Stmt[], loop: LoopKind = "serial"): ForStmt => ({
  kind: "for",
  atom,
  loop,
  body,
});
export const store = (buffer: Buffer, index: IndexLike, value: Expr): StoreStmt => ({
  kind: "store",
  buffer,
  index: toIndex(index),
  value,
});
export const accumulate = (op: ReduceOp, buffer: Buffer, index: IndexLike, value: Expr): AccumulateStmt => ({
  kind: "accumulate",
  op,
  buffer,
  index: toIndex(index),
  value,
});
export const alloc = (buffer: Buffer): AllocStmt => ({ kind: "alloc", buffer });

/** The expressions a statement itself evaluates (not those of nested statements). */
export function exprsOf(s: Stmt): readonly Expr[] {
  return s.kind === "store" || s.kind === "accumulate" || s.kind === "let" ? [s.value] : [];
}

/** The indices a statement itself mentions outside its expressions. */
export function statementIndices(s: Stmt): readonly Index[] {
  switch (s.kind) {
    case "for":
      return [s.atom.extent];
    case "store":
    case "accumulate":
    case "prefetch":
      return [s.index];
    case "if":
      return s.valid;
    case "letIndex":
      return [s.index];
    case "alloc":
      return [s.buffer.size];
    case "tile":
      return [s.sums.index, s.left.index, s.right.index];
    case "let":
      return [];
  }
}

/** Visits statements outside in, in execution order. */
export function visitStatements(body: readonly Stmt[], visit: (s: Stmt) => void): void {
  for (const s of body) {
    visit(s);
    if (s.kind === "for" || s.kind === "if") visitStatements(s.body, visit);
  }
}

/** The buffer that a statement itself writes, if it writes one. */
export function writtenBy(s: Stmt): Buffer | undefined {
  if (s.kind === "store" || s.kind === "accumulate") return s.buffer;
  return s.kind === "tile" ? s.sums.buffer : undefined;
}

/** Every buffer a body loads from, those behind loaded indices included; of a tile's operands the first element. */
export function loadsOf(body: readonly Stmt[]): LoadExpr[] {
  const roots: Expr[] = [];
  visitStatements(body, (s) => {
    roots.push(...exprsOf(s));
    if (s.kind === "tile") for (const { buffer, index } of [s.left, s.right]) roots.push(load(buffer, index));
    for (const index of statementIndices(s)) roots.push(...index.loaded.map(({ value }) => value));
  });
  return topologicalOrder(roots).filter((e): e is LoadExpr => e.op === "load");
}

/** Replaces atoms throughout a statement tree; loops keep their own atoms unless those are replaced by loop atoms. */
export function substituteStatements(
  body: readonly Stmt[],
  replaceAtom: (atom: Atom) => IndexLike | undefined,
  memo: Map<Expr, Expr> = new Map(),
): Stmt[] {
  const inExpr = (x: Expr): Expr => substituteExpr(x, replaceAtom, memo);
  const inIndex = (x: Index): Index => {
    const replace = (atom: Atom): IndexLike | undefined => {
      const direct = replaceAtom(atom);
      if (direct !== undefined) return direct;
      if (atom.kind !== "loaded") return undefined;
      const value = inExpr(atom.value);
      return value === atom.value ? undefined : loadedIndex(value, atom.min, atom.max);
    };
    return substituteIndex(x, replace);
  };
  const loop = (atom: LoopAtom): LoopAtom => {
    const replaced = replaceAtom(atom);
    return replaced !== undefined && isLoopAtom(replaced) ? replaced : atom;
  };
  return mapStatements(body, { index: inIndex, expr: inExpr, loop });
}

const same = <T>(x: T): T => x;

/** What statements hold, and what becomes of it; what is left out stays. */
export interface StatementMap {
  readonly index?: (x: Index) => Index;
  readonly expr?: (x: Expr) => Expr;
  /** The value that a store writes, if it is not the mapped one. */
  readonly stored?: (mapped: Expr, original: Expr, buffer: Buffer) => Expr;
  readonly loop?: (atom: LoopAtom) => LoopAtom;
  readonly buffer?: (buffer: Buffer) => Buffer;
}

/** The same statements over mapped indices, expressions, loops and buffers; those that stay as they were are the same. */
export function mapStatements(body: readonly Stmt[], map: StatementMap): Stmt[] {
  const { index = same, expr = same, stored = same, loop = same, buffer = same } = map;
  const inBody = (statements: readonly Stmt[]): readonly Stmt[] => mapped(statements, inStatement);
  const access = (x: TileAccess): TileAccess => {
    const own = { ...x, buffer: buffer(x.buffer), index: index(x.index) };
    return own.buffer === x.buffer && own.index === x.index ? x : own;
  };
  const inStatement = (s: Stmt): Stmt => {
    switch (s.kind) {
      case "for":
        return changed(s, { atom: loop(s.atom), body: inBody(s.body) });
      case "if":
        return changed(s, { valid: mapped(s.valid, index), body: inBody(s.body) });
      case "store": {
        const value = stored(expr(s.value), s.value, s.buffer);
        return changed(s, { buffer: buffer(s.buffer), index: index(s.index), value });
      }
      case "accumulate":
        return changed(s, { buffer: buffer(s.buffer), index: index(s.index), value: expr(s.value) });
      case "prefetch":
        return changed(s, { buffer: buffer(s.buffer), index: index(s.index) });
      case "tile":
        return changed(s, { sums: access(s.sums), left: access(s.left), right: access(s.right) });
      case "let":
        return changed(s, { value: expr(s.value) });
      case "letIndex":
        return changed(s, { index: index(s.index) });
      case "alloc":
        return changed(s, { buffer: buffer(s.buffer) });
    }
  };
  return body.map(inStatement);
}

/** The items mapped; the same list if all stay. */
function mapped<T>(items: readonly T[], map: (x: T) => T): readonly T[] {
  const results = items.map(map);
  return results.every((x, i) => x === items[i]) ? items : results;
}

/** The statement with these fields; the same one if it has them already. */
function changed<S extends Stmt>(s: S, fields: Partial<S>): S {
  for (const name in fields) if (fields[name] !== s[name]) return { ...s, ...fields };
  return s;
}

const isLoopAtom = (x: IndexLike): x is LoopAtom => typeof x === "object" && "kind" in x && x.kind === "loop";
