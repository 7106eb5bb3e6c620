// The tensor graph: a few dozen primitive operations over n-dimensional arrays. Nodes are immutable but for `storage`,
// which realising fills in. Every constructor checks its operands and computes the result's shape and dtype; shapes are
// lists of sizes, each a number or, under symbolic variables, an Index.

import {
  addIndex,
  type Index,
  isNonNegative,
  mulIndex,
  type SymbolAtom,
  subIndex,
  symbolAtom,
  toIndex,
} from "../kernel/index.js";
import { bytesOf, type DType, isFloat, isInteger, type Scalar } from "../scalar/dtype.js";
import { type BinaryOp, isComparison, type ReduceOp, type TernaryOp, type UnaryOp } from "../scalar/ops.js";

export type Dim = number | Index;
export type Shape = readonly Dim[];

/** Device memory that holds a node's elements, row-major. Opaque here; the engine knows what it is. */
export interface NodeStorage {
  readonly bytes: number;
  /** As long as the elements still lie in a file: storage of its own for some of their bytes, which reads only those. */
  readonly unread?: { part(byteOffset: number, bytes: number): NodeStorage };
}

export type Node =
  | ConstNode
  | BufferNode
  | VariableNode
  | IotaNode
  | ReshapeNode
  | ExpandNode
  | PermuteNode
  | PadNode
  | ShrinkNode
  | FlipNode
  | ShearNode
  | ConcatNode
  | GatherNode
  | ScatterNode
  | ScanNode
  | UnaryNode
  | BinaryNode
  | TernaryNode
  | CastNode
  | BitcastNode
  | ReduceNode
  | ContiguousNode
  | DetachNode
  | DerivedNode
  | AfterNode
  | AssignNode;

interface NodeBase {
  readonly id: number;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly inputs: readonly Node[];
  /** Set once the node's elements lie in device memory; its inputs are then no longer needed. */
  storage: NodeStorage | undefined;
  /** How many unrealised nodes were built on this one: whether overwriting its storage could be noticed. */
  readers: number;
  /** A gradient may be asked with respect to something below: the graph is kept after realising. */
  differentiable: boolean;
}
/** The same value at every place; costs nothing. */
export interface ConstNode extends NodeBase {
  readonly op: "const";
  readonly value: Scalar;
}
/** Elements that came from outside; always has storage once used. */
export interface BufferNode extends NodeBase {
  readonly op: "buffer";
}
/** The value of a symbolic variable, a scalar. */
export interface VariableNode extends NodeBase {
  readonly op: "variable";
  readonly symbol: SymbolAtom;
}
/** The position along `axis`. */
export interface IotaNode extends NodeBase {
  readonly op: "iota";
  readonly axis: number;
}
export interface ReshapeNode extends NodeBase {
  readonly op: "reshape";
}
/** Repeats axes of size 1 up to the shape. */
export interface ExpandNode extends NodeBase {
  readonly op: "expand";
}
/** Axis i of the result is axis `order[i]` of the input. */
export interface PermuteNode extends NodeBase {
  readonly op: "permute";
  readonly order: readonly number[];
}
/** Zeros (false) before and after, per axis. */
export interface PadNode extends NodeBase {
  readonly op: "pad";
  readonly padding: readonly (readonly [Dim, Dim])[];
}
/** The half-open range [start, end) of each axis. */
export interface ShrinkNode extends NodeBase {
  readonly op: "shrink";
  readonly ranges: readonly (readonly [Dim, Dim])[];
}
export interface FlipNode extends NodeBase {
  readonly op: "flip";
  readonly axes: readonly number[];
}
/**
 * Slides one axis along another: out[.., a, .., b, ..] = in[.., a + start + factor * b, .., b, ..], 0 where that is
 * outside; `axis` gets a new size. Windows of convolutions and pools, and their adjoints, are shears.
 */
export interface ShearNode extends NodeBase {
  readonly op: "shear";
  readonly axis: number;
  readonly by: number;
  readonly factor: number;
  readonly start: number;
}
export interface ConcatNode extends NodeBase {
  readonly op: "concat";
  readonly axis: number;
}
/**
 * inputs [data, index]: takes along `axis`; index has data's rank, and its sizes off the axis are those of data or the
 * result broadcasts nothing. out[.., i, ..] = data[.., index[.., i, ..], ..]. Negative indices count from the end;
 * those out of range read 0.
 */
export interface GatherNode extends NodeBase {
  readonly op: "gather";
  readonly axis: number;
}
/**
 * How a value meets what is at its place: joined with it, or written over it. "permute" promises that the index holds
 * every place of the axis once, so that values may be written in any order and the base does not matter.
 */
export type ScatterReduction = ReduceOp | "write" | "permute";
/**
 * inputs [base, index, values]: base with each value joined at index along `axis`. Values for one place come in the
 * order of the index, so that the last one written stays. With "add" the adjoint of gather. Negative indices count from
 * the end; values for places out of range are dropped.
 */
export interface ScatterNode extends NodeBase {
  readonly op: "scatter";
  readonly axis: number;
  readonly reduction: ScatterReduction;
}
/**
 * inputs [x] or [x, group, start]: running totals along `axis`, every element joined with those before it. With groups,
 * numbered from 0, each has a total of its own that begins at its place of `start`, whose size along the axis is the
 * number of groups; elements of no group give 0.
 */
export interface ScanNode extends NodeBase {
  readonly op: "scan";
  readonly axis: number;
  readonly reduction: ReduceOp;
}
export interface UnaryNode extends NodeBase {
  readonly op: UnaryOp;
}
export interface BinaryNode extends NodeBase {
  readonly op: BinaryOp;
}
export interface TernaryNode extends NodeBase {
  readonly op: TernaryOp;
}
export interface CastNode extends NodeBase {
  readonly op: "cast";
}
/** The same bits in another dtype of the same item size. */
export interface BitcastNode extends NodeBase {
  readonly op: "bitcast";
}
/** Reduces `axes` to size 1 each, in the input's dtype. */
export interface ReduceNode extends NodeBase {
  readonly op: "reduce";
  readonly reduction: ReduceOp;
  readonly axes: readonly number[];
}
/** Stored in memory as it stands. */
export interface ContiguousNode extends NodeBase {
  readonly op: "contiguous";
}
export interface DetachNode extends NodeBase {
  readonly op: "detach";
}
/** inputs [value, arguments..]: the value, whose gradients with respect to the arguments are given by a closed form. */
export interface DerivedNode extends NodeBase {
  readonly op: "derived";
  /** What the arguments get of the gradient g of this node. */
  readonly gradients: (g: Node, node: DerivedNode) => readonly (Node | undefined)[];
}
/** inputs [value, event]: the value, which is not asked for before the event was computed. */
export interface AfterNode extends NodeBase {
  readonly op: "after";
}
/** A view step that only renames places, so that it can be written through. */
export type ViewStep =
  | { readonly op: "reshape"; readonly shape: Shape }
  | { readonly op: "permute"; readonly order: readonly number[] }
  | { readonly op: "shrink"; readonly ranges: readonly (readonly [Dim, Dim])[] }
  | { readonly op: "flip"; readonly axes: readonly number[] }
  | StrideStep;
/** `count` places of an axis, `step` apart, from `start` on. */
export interface StrideStep {
  readonly op: "stride";
  readonly axis: number;
  readonly start: number;
  readonly step: number;
  readonly count: number;
}
/** inputs [base, value]: base after `value` was written through `view`. Its storage may take over base's. */
export interface AssignNode extends NodeBase {
  readonly op: "assign";
  readonly view: readonly ViewStep[];
}

export type NodeOp = Node["op"];

// ---------------------------------------------------------------------------------------------------------------
// Sizes

const dim = (x: Index): Dim => x.value ?? x;
export const addDim = (a: Dim, b: Dim): Dim =>
  typeof a === "number" && typeof b === "number" ? a + b : dim(addIndex(a, b));
export const subDim = (a: Dim, b: Dim): Dim =>
  typeof a === "number" && typeof b === "number" ? a - b : dim(subIndex(a, b));
export const mulDim = (a: Dim, b: Dim): Dim =>
  typeof a === "number" && typeof b === "number" ? a * b : dim(mulIndex(a, b));
export const sameDim = (a: Dim, b: Dim): boolean =>
  typeof a === "number" || typeof b === "number" ? a === b : a.key === b.key;
export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((d, i) => sameDim(d, b[i]));
/** Elements of a shape. */
export const sizeOf = (shape: Shape): Dim => shape.reduce(mulDim, 1);
/** The largest value a size can take. */
export const maxDim = (d: Dim): number => (typeof d === "number" ? d : d.max);
export const printShape = (shape: Shape): string => `[${shape.map(String).join(", ")}]`;

// ---------------------------------------------------------------------------------------------------------------
// Constructors

let nextId = 1;

type Fresh<N extends Node> = N extends Node
  ? Omit<N, "id" | "storage" | "readers" | "differentiable">
  : never;

function make<N extends Node>(fields: Fresh<N>): N {
  const { op, inputs } = fields as { op: string; inputs: readonly Node[] };
  let differentiable = false;
  for (const [i, input] of inputs.entries()) {
    input.readers++;
    differentiable ||= input.differentiable && (op === "derived" ? i > 0 : op !== "after" || i === 0);
  }
  if (op === "detach" || op === "assign") differentiable = false;
  return { ...fields, id: nextId++, storage: undefined, readers: 0, differentiable } as unknown as N;
}

class GraphError extends Error {
  override name = "GraphError";
}

function fail(op: string, message: string): never {
  throw new GraphError(`${op}: ${message}`);
}

const describe = (x: Node): string => `${x.dtype}${printShape(x.shape)}`;

function checkAxis(op: string, axis: number, rank: number): void {
  if (!Number.isInteger(axis) || axis < 0 || axis >= rank)
    fail(op, `axis ${axis} is not one of 0..${rank - 1}`);
}

export const constNode = (value: Scalar, dtype: DType, shape: Shape = []): ConstNode =>
  make<ConstNode>({ op: "const", dtype, shape, inputs: [], value });

const NO_INPUTS: readonly Node[] = [];

// Written out, not by `make`: every replayed step makes one for each result.
export const bufferNode = (dtype: DType, shape: Shape, storage?: NodeStorage): BufferNode => ({
  op: "buffer",
  dtype,
  shape,
  inputs: NO_INPUTS,
  id: nextId++,
  storage,
  readers: 0,
  differentiable: false,
});

export const variableNode = (name: string, min: number, max: number, dtype: DType = "int32"): VariableNode =>
  make<VariableNode>({ op: "variable", dtype, shape: [], inputs: [], symbol: symbolAtom(name, min, max) });

export function iota(shape: Shape, axis: number, dtype: DType = "int32"): IotaNode {
  checkAxis("iota", axis, shape.length);
  return make<IotaNode>({ op: "iota", dtype, shape, inputs: [], axis });
}

export function reshape(x: Node, shape: Shape): Node {
  if (!sameDim(sizeOf(x.shape), sizeOf(shape))) {
    fail("reshape", `${describe(x)} has ${sizeOf(x.shape)} elements, ${printShape(shape)} ${sizeOf(shape)}`);
  }
  if (sameShape(x.shape, shape)) return x;
  // Never past a reshape to the same shape: that is an identity, which gradients are taken with respect to.
  const [inner] = x.inputs;
  if (x.op === "reshape" && x.storage === undefined && !sameShape(x.shape, inner.shape))
    return reshape(inner, shape);
  return make<ReshapeNode>({ op: "reshape", dtype: x.dtype, shape, inputs: [x] });
}

/** The same value as a node of its own: what gradients are taken with respect to. */
export function identity(x: Node): Node {
  return make<ReshapeNode>({ op: "reshape", dtype: x.dtype, shape: x.shape, inputs: [x] });
}

export function expand(x: Node, shape: Shape): Node {
  if (x.shape.length !== shape.length || x.shape.some((d, i) => !sameDim(d, shape[i]) && d !== 1)) {
    fail("expand", `${describe(x)} cannot become ${printShape(shape)}: only axes of size 1 expand`);
  }
  if (sameShape(x.shape, shape)) return x;
  return make<ExpandNode>({ op: "expand", dtype: x.dtype, shape, inputs: [x] });
}

export function permute(x: Node, order: readonly number[]): Node {
  if (order.length !== x.shape.length || [...order].sort((a, b) => a - b).some((axis, i) => axis !== i)) {
    fail("permute", `[${order.join(", ")}] is not an order of the axes of ${describe(x)}`);
  }
  if (order.every((axis, i) => axis === i)) return x;
  return make<PermuteNode>({
    op: "permute",
    dtype: x.dtype,
    shape: order.map((i) => x.shape[i]),
    inputs: [x],
    order,
  });
}

export function pad(x: Node, padding: readonly (readonly [Dim, Dim])[]): Node {
  if (padding.length !== x.shape.length)
    fail("pad", `${describe(x)} needs ${x.shape.length} pairs, got ${padding.length}`);
  for (const pair of padding) {
    for (const side of pair) {
      if (!isNonNegative(toIndex(side)))
        fail("pad", `padding ${side} of ${describe(x)} is negative; use shrink`);
    }
  }
  if (padding.every(([before, after]) => before === 0 && after === 0)) return x;
  const shape = x.shape.map((d, i) => addDim(addDim(d, padding[i][0]), padding[i][1]));
  return make<PadNode>({ op: "pad", dtype: x.dtype, shape, inputs: [x], padding });
}

export function shrink(x: Node, ranges: readonly (readonly [Dim, Dim])[]): Node {
  if (ranges.length !== x.shape.length)
    fail("shrink", `${describe(x)} needs ${x.shape.length} ranges, got ${ranges.length}`);
  ranges.forEach(([start, end], i) => {
    const certain =
      isNonNegative(toIndex(start)) &&
      isNonNegative(toIndex(subDim(end, start))) &&
      toIndex(subDim(x.shape[i], end)).max >= 0;
    if (!certain) fail("shrink", `range [${start}, ${end}) does not lie within axis ${i} of ${describe(x)}`);
  });
  if (ranges.every(([start, end], i) => start === 0 && sameDim(end, x.shape[i]))) return x;
  const shape = ranges.map(([start, end]) => subDim(end, start));
  return make<ShrinkNode>({ op: "shrink", dtype: x.dtype, shape, inputs: [x], ranges });
}

export function flip(x: Node, axes: readonly number[]): Node {
  for (const axis of axes) checkAxis("flip", axis, x.shape.length);
  const unique = [...new Set(axes)].filter((axis) => x.shape[axis] !== 1);
  if (unique.length === 0) return x;
  return make<FlipNode>({ op: "flip", dtype: x.dtype, shape: x.shape, inputs: [x], axes: unique });
}

/** See ShearNode; `length` is the new size of `axis`. */
export function shear(x: Node, axis: number, by: number, factor: number, start: number, length: Dim): Node {
  checkAxis("shear", axis, x.shape.length);
  checkAxis("shear", by, x.shape.length);
  if (axis === by) fail("shear", `axis ${axis} cannot slide along itself`);
  const shape = x.shape.map((d, i) => (i === axis ? length : d));
  return make<ShearNode>({ op: "shear", dtype: x.dtype, shape, inputs: [x], axis, by, factor, start });
}

export function concat(inputs: readonly Node[], axis: number): Node {
  const [first] = inputs;
  if (first === undefined) fail("concat", "needs at least one tensor");
  checkAxis("concat", axis, first.shape.length);
  for (const x of inputs) {
    const fits =
      x.dtype === first.dtype &&
      x.shape.length === first.shape.length &&
      x.shape.every((d, i) => i === axis || sameDim(d, first.shape[i]));
    if (!fits) fail("concat", `${describe(x)} does not fit ${describe(first)} along axis ${axis}`);
  }
  if (inputs.length === 1) return first;
  const length = inputs.map((x) => x.shape[axis]).reduce(addDim);
  const shape = first.shape.map((d, i) => (i === axis ? length : d));
  return make<ConcatNode>({ op: "concat", dtype: first.dtype, shape, inputs, axis });
}

function checkIndexed(op: string, data: Node, index: Node, axis: number): void {
  checkAxis(op, axis, data.shape.length);
  if (!isInteger(index.dtype)) fail(op, `index must be an integer tensor, got ${describe(index)}`);
  const fits =
    index.shape.length === data.shape.length &&
    index.shape.every((d, i) => i === axis || sameDim(d, data.shape[i]));
  if (!fits) fail(op, `index ${describe(index)} must match ${describe(data)} off axis ${axis}`);
}

export function gather(data: Node, index: Node, axis: number): Node {
  checkIndexed("gather", data, index, axis);
  return make<GatherNode>({
    op: "gather",
    dtype: data.dtype,
    shape: index.shape,
    inputs: [data, index],
    axis,
  });
}

export const scatterAdd = (base: Node, index: Node, values: Node, axis: number): Node =>
  scatter(base, index, values, axis, "add");

export function scatter(
  base: Node,
  index: Node,
  values: Node,
  axis: number,
  reduction: ScatterReduction,
): Node {
  checkIndexed("scatter", base, index, axis);
  if (!sameShape(index.shape, values.shape) || values.dtype !== base.dtype) {
    fail(
      "scatter",
      `values ${describe(values)} must have index's shape ${printShape(index.shape)} and dtype ${base.dtype}`,
    );
  }
  return make<ScatterNode>({
    op: "scatter",
    dtype: base.dtype,
    shape: base.shape,
    inputs: [base, index, values],
    axis,
    reduction,
  });
}

const FLOAT_ONLY = new Set<string>([
  "sqrt",
  "reciprocal",
  "exp",
  "exp2",
  "log",
  "log2",
  "sin",
  "cos",
  "tanh",
  "erf",
  "div",
  "pow",
]);
const INTEGER_ONLY = new Set<string>(["shl", "shr"]);
const NOT_FLOAT = new Set<string>(["and", "or", "xor", "not"]);

function checkOperand(op: string, x: Node): void {
  if (FLOAT_ONLY.has(op) && !isFloat(x.dtype)) fail(op, `needs a float tensor, got ${describe(x)}`);
  if (INTEGER_ONLY.has(op) && !isInteger(x.dtype)) fail(op, `needs an integer tensor, got ${describe(x)}`);
  if (NOT_FLOAT.has(op) && isFloat(x.dtype)) fail(op, `needs an integer or bool tensor, got ${describe(x)}`);
}

export function unary(op: UnaryOp, x: Node): UnaryNode {
  checkOperand(op, x);
  return make<UnaryNode>({ op, dtype: x.dtype, shape: x.shape, inputs: [x] });
}

/** Operands agree in shape and dtype; broadcasting and promotion happen before. */
export function binary(op: BinaryOp, x: Node, y: Node): BinaryNode {
  checkOperand(op, x);
  if (x.dtype !== y.dtype || !sameShape(x.shape, y.shape)) {
    fail(op, `operands must agree in dtype and shape, got ${describe(x)} and ${describe(y)}`);
  }
  const dtype = isComparison(op) ? "bool" : x.dtype;
  return make<BinaryNode>({ op, dtype, shape: x.shape, inputs: [x, y] });
}

export function where(condition: Node, x: Node, y: Node): TernaryNode {
  const fits =
    condition.dtype === "bool" &&
    x.dtype === y.dtype &&
    sameShape(condition.shape, x.shape) &&
    sameShape(x.shape, y.shape);
  if (!fits)
    fail("where", `needs bool, and two tensors alike, got ${[condition, x, y].map(describe).join(", ")}`);
  return make<TernaryNode>({ op: "where", dtype: x.dtype, shape: x.shape, inputs: [condition, x, y] });
}

/** Random bits: see the scalar operation. All operands uint32 of one shape. */
export function threefry(counterLow: Node, counterHigh: Node, key: Node): TernaryNode {
  const inputs = [counterLow, counterHigh, key];
  if (inputs.some((x) => x.dtype !== "uint32" || !sameShape(x.shape, key.shape))) {
    fail("threefry", `needs three uint32 tensors of one shape, got ${inputs.map(describe).join(", ")}`);
  }
  return make<TernaryNode>({ op: "threefry", dtype: "uint32", shape: key.shape, inputs });
}

export const castNode = (x: Node, dtype: DType): Node =>
  x.dtype === dtype ? x : make<CastNode>({ op: "cast", dtype, shape: x.shape, inputs: [x] });

/** Unsigned integers by item size. */
const WORDS: Readonly<Record<number, DType>> = { 1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64" };

const sameSizeBitcast = (x: Node, dtype: DType): Node =>
  x.dtype === dtype ? x : make<BitcastNode>({ op: "bitcast", dtype, shape: x.shape, inputs: [x] });

/** The same bits in another dtype; where the item size differs the last axis changes size, low parts first. */
export function bitcastNode(x: Node, dtype: DType): Node {
  const from = bytesOf(x.dtype);
  const to = bytesOf(dtype);
  if (from === to) return sameSizeBitcast(x, dtype);
  const last = x.shape[x.shape.length - 1];
  if (typeof last !== "number" || (last * from) % to !== 0) {
    fail("bitcast", `the last axis of ${describe(x)} does not hold whole ${dtype} items`);
  }
  // Wide words hold narrow ones at multiples of their width.
  const [wide, narrow] = [WORDS[Math.max(from, to)], WORDS[Math.min(from, to)]];
  const parts = Math.max(from, to) / Math.min(from, to);
  const rest = x.shape.slice(0, -1);
  const count = from > to ? last : last / parts;
  const shape = [...rest, count, parts];
  const axis = shape.length - 1;
  const width = constNode(wide === "uint64" ? BigInt(8 * bytesOf(narrow)) : 8 * bytesOf(narrow), wide, shape);
  const places = binary("mul", iota(shape, axis, wide), width);
  const words = sameSizeBitcast(x, WORDS[from]);
  if (from > to) {
    const spread = expand(reshape(words, [...rest, count, 1]), shape);
    const taken = castNode(binary("shr", spread, places), narrow);
    return sameSizeBitcast(reshape(taken, [...rest, count * parts]), dtype);
  }
  const shifted = binary("shl", castNode(reshape(words, shape), wide), places);
  return sameSizeBitcast(reshape(reduceNode(shifted, "add", [axis]), [...rest, count]), dtype);
}

export function reduceNode(x: Node, reduction: ReduceOp, axes: readonly number[]): Node {
  for (const axis of axes) checkAxis("reduce", axis, x.shape.length);
  const unique = [...new Set(axes)].filter((axis) => x.shape[axis] !== 1).sort((a, b) => a - b);
  if (unique.length === 0) return x;
  const shape = x.shape.map((d, i) => (unique.includes(i) ? 1 : d));
  return make<ReduceNode>({ op: "reduce", dtype: x.dtype, shape, inputs: [x], reduction, axes: unique });
}

/** See ScanNode. */
export function scanNode(x: Node, reduction: ReduceOp, axis: number): Node {
  checkAxis("scan", axis, x.shape.length);
  if (x.shape[axis] === 1) return x;
  return make<ScanNode>({ op: "scan", dtype: x.dtype, shape: x.shape, inputs: [x], axis, reduction });
}

/** See ScanNode. */
export function scanGroups(x: Node, group: Node, start: Node, reduction: ReduceOp, axis: number): Node {
  checkIndexed("scan", start, group, axis);
  if (!sameShape(group.shape, x.shape) || start.dtype !== x.dtype)
    fail("scan", `values ${describe(x)} do not fit groups ${describe(group)} of ${describe(start)}`);
  const inputs = [x, group, start];
  return make<ScanNode>({ op: "scan", dtype: x.dtype, shape: x.shape, inputs, axis, reduction });
}

export const contiguous = (x: Node): Node =>
  x.op === "contiguous" || x.op === "buffer"
    ? x
    : make<ContiguousNode>({ op: "contiguous", dtype: x.dtype, shape: x.shape, inputs: [x] });

export const detach = (x: Node): Node =>
  make<DetachNode>({ op: "detach", dtype: x.dtype, shape: x.shape, inputs: [x] });

/** `value`, with gradients of its own in place of those of what computes it; `value` itself gets none. */
export const derived = (value: Node, args: readonly Node[], gradients: DerivedNode["gradients"]): Node =>
  make<DerivedNode>({
    op: "derived",
    dtype: value.dtype,
    shape: value.shape,
    inputs: [value, ...args],
    gradients,
  });

/**
 * `value`, not asked for before `event` was computed. What is made of it is not shared with what is made of `value`
 * itself: it is computed again, later.
 */
export const after = (value: Node, event: Node): Node =>
  make<AfterNode>({ op: "after", dtype: value.dtype, shape: value.shape, inputs: [value, event] });

/** One view step applied to a node. */
export function applyView(x: Node, step: ViewStep): Node {
  switch (step.op) {
    case "reshape":
      return reshape(x, step.shape);
    case "permute":
      return permute(x, step.order);
    case "shrink":
      return shrink(x, step.ranges);
    case "flip":
      return flip(x, step.axes);
    case "stride":
      return stride(x, step);
  }
}

/** Rows of `step` places, of which the first is kept; the last row is filled up if it lies beyond the end. */
function stride(x: Node, { axis, start, step, count }: StrideStep): Node {
  checkAxis("stride", axis, x.shape.length);
  const { shape } = x;
  const beyond = start + count * step;
  const size = shape[axis];
  const end = typeof size === "number" ? Math.min(size, beyond) : beyond;
  const cut = shrink(
    x,
    shape.map((d, i): [Dim, Dim] => (i === axis ? [start, end] : [0, d])),
  );
  const whole = pad(
    cut,
    shape.map((_, i): [Dim, Dim] => [0, i === axis ? beyond - end : 0]),
  );
  const rows = reshape(whole, [...shape.slice(0, axis), count, step, ...shape.slice(axis + 1)]);
  const kept = shrink(
    rows,
    rows.shape.map((size, i): [Dim, Dim] => [0, i === axis + 1 ? 1 : size]),
  );
  return reshape(
    kept,
    shape.map((size, i) => (i === axis ? count : size)),
  );
}

/**
 * One view step applied to a leaf whose elements still lie in a file: where it keeps rows that lie side by side, the
 * result is a leaf of just these, and no other is ever read.
 */
export function applyViewUnread(x: Node, step: ViewStep): Node {
  const unread = x.op === "buffer" ? x.storage?.unread : undefined;
  if (unread === undefined || !x.shape.every((d) => typeof d === "number")) return applyView(x, step);
  if (step.op === "reshape") {
    const { shape } = reshape(x, step.shape);
    return bufferNode(x.dtype, shape, x.storage);
  }
  if (step.op !== "shrink") return applyView(x, step);
  // The first axis of which more than one place is kept says which rows; axes behind it are cut afterwards.
  const ranges = step.ranges.map(([start, end]): [number, number] => [Number(start), Number(end)]);
  const { shape } = shrink(x, ranges);
  const sizes = x.shape as readonly number[];
  const first = ranges.findIndex(([start, end]) => end - start !== 1);
  const axis = first < 0 ? sizes.length - 1 : first;
  let row = bytesOf(x.dtype);
  for (let i = sizes.length - 1; i > axis; i--) row *= sizes[i];
  let [offset, stride] = [0, row];
  for (let i = axis; i >= 0; i--) {
    offset += ranges[i][0] * stride;
    stride *= sizes[i];
  }
  const rows = [...(shape.slice(0, axis + 1) as number[]), ...sizes.slice(axis + 1)];
  const bytes = rows.reduce((n, d) => n * d, bytesOf(x.dtype));
  const part = bufferNode(x.dtype, rows, unread.part(offset, bytes));
  return shrink(
    part,
    rows.map((d, i): [number, number] => (i <= axis ? [0, d] : ranges[i])),
  );
}

/** `base` after `value` was written into the part of it that `view` shows. */
export function assign(base: Node, value: Node, view: readonly ViewStep[] = []): AssignNode {
  let shape = base.shape;
  if (view.length > 0) {
    // The probe has the view's shape and no data; it is dropped here.
    let probe: Node = bufferNode(base.dtype, base.shape);
    for (const step of view) probe = applyView(probe, step);
    shape = probe.shape;
  }
  if (value.dtype !== base.dtype || !sameShape(value.shape, shape)) {
    fail("assign", `cannot write ${describe(value)} into ${base.dtype}${printShape(shape)}`);
  }
  return make<AssignNode>({
    op: "assign",
    dtype: base.dtype,
    shape: base.shape,
    inputs: [base, value],
    view,
  });
}

/** What a node is computed from, if it is not in memory already. */
const computedFrom = (x: Node): readonly Node[] => (x.storage === undefined ? x.inputs : []);

/**
 * Nodes reachable from the roots, inputs before users, each once. Which inputs are followed is up to `inputsOf`: by
 * default those of nodes without storage. Iterative.
 */
export function topologicalNodes(
  roots: readonly Node[],
  inputsOf: (x: Node) => readonly Node[] = computedFrom,
): Node[] {
  const order: Node[] = [];
  const done = new Map<Node, boolean>();
  const stack: Node[] = [...roots].reverse();
  while (stack.length > 0) {
    const x = stack[stack.length - 1];
    const seen = done.get(x);
    if (seen !== undefined) {
      stack.pop();
      if (!seen) {
        done.set(x, true);
        order.push(x);
      }
      continue;
    }
    done.set(x, false);
    const inputs = inputsOf(x);
    for (let i = inputs.length - 1; i >= 0; i--) if (!done.has(inputs[i])) stack.push(inputs[i]);
  }
  return order;
}
