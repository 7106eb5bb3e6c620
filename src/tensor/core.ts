// What every tensor is: a view of a storage, with shape and dtype, readable asynchronously. The operations are added
// by the family classes (elementwise, movement, ...), each in a file of its own, of which Tensor is the last.

import { disposeStorage, type RealizeOptions, readNode, realizeNodes } from "../engine/engine.js";
import {
  applyView,
  applyViewUnread,
  assign,
  constNode,
  type Dim,
  expand,
  type Node,
  printShape,
  reshape,
  type Shape,
  sameShape,
  type ViewStep,
} from "../graph/node.js";
import { promoteScalar } from "../graph/promote.js";
import { decodeElements, toScalar } from "../scalar/convert.js";
import { type DType, isFloat, type Scalar } from "../scalar/dtype.js";
import { assignedNodes, computeWithNextRead, isTracked, recordUndo, TensorStorage } from "./storage.js";
import type { Tensor } from "./tensor.js";

/** A tensor, or a number that takes the dtype of the tensor beside it. */
export type Operand = Tensor | number | bigint | boolean;

export type TypedArray =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

export type NestedArray = Scalar | readonly NestedArray[];

export class TensorError extends Error {
  override name = "TensorError";
}

/** The nodes that stand for tensors whose gradients are wanted. */
const wanted = new WeakMap<Node, Tensor>();

/** From here on the node is where gradients of the tensor are wanted. */
function markLeaf(node: Node, tensor: Tensor): void {
  if (wanted.get(node) === tensor) return;
  wanted.set(node, tensor);
  node.differentiable = true;
}

export const tensorOfLeaf = (node: Node): Tensor | undefined => wanted.get(node);

export abstract class TensorCore {
  /** The gradient that `backward` has added up here, of this tensor's shape and dtype. */
  private gradient: Tensor | undefined;
  private gradientWanted = false;
  private disposed = false;
  private cached: { readonly version: number; readonly node: Node; readonly apart: boolean } | undefined;

  /** @internal */
  constructor(
    readonly storage: TensorStorage,
    /** How the tensor shows the storage's elements; null if it cannot be written through. */
    private readonly steps: readonly ViewStep[] | null = [],
  ) {}

  // --- what it is --------------------------------------------------------------------------------------------------

  /** The node of the value now. */
  get node(): Node {
    if (this.disposed) throw new TensorError("this tensor was disposed; its elements are gone");
    const base = this.storage.current;
    if (this.storage.wantsGradient !== undefined) markLeaf(base, this.storage.wantsGradient);
    if (this.steps === null || this.steps.length === 0) return base;
    const captured = isTracked();
    if (this.cached?.version !== this.storage.version || (captured && this.cached.apart)) {
      // Part of a file is a leaf of its own, but for gradients, and for captured steps, which ask again for the whole.
      const apart = base.storage?.unread !== undefined && !captured && !base.differentiable;
      const node = this.steps.reduce(apart ? applyViewUnread : applyView, base);
      if (this.gradientWanted) markLeaf(node, this as unknown as Tensor);
      this.cached = { version: this.storage.version, node, apart };
    }
    return this.cached.node;
  }

  /** Sizes of the axes. Under symbolic variables a size may be an Index. */
  get shape(): Shape {
    return this.node.shape;
  }

  get dtype(): DType {
    return this.storage.peek().dtype;
  }

  /** Number of axes. */
  get ndim(): number {
    return this.shape.length;
  }

  /** Number of elements. Throws under symbolic sizes. */
  get size(): number {
    return this.sizes.reduce((n, d) => n * d, 1);
  }

  /** The shape in numbers. Throws under symbolic sizes. */
  get sizes(): readonly number[] {
    return this.shape.map((_, axis) => this.sizeAt(axis));
  }

  /** The size of an axis in numbers. Throws if it is symbolic. */
  sizeAt(axis: number): number {
    const { shape } = this;
    const size = shape[axisOf(axis, shape.length, "sizeAt")];
    if (typeof size !== "number")
      throw new TensorError(`the size ${size} of ${printShape(shape)} is symbolic`);
    return size;
  }

  toString(): string {
    return `Tensor(${this.dtype}${printShape(this.shape)})`;
  }

  // --- reading -----------------------------------------------------------------------------------------------------

  /** Computes the elements, so that they lie in device memory. */
  async realize(options?: RealizeOptions): Promise<Tensor> {
    await realizeNodes([this.node, ...assignedNodes()], options);
    return this as unknown as Tensor;
  }

  /**
   * The elements in row-major order. float16, bfloat16 and float8 come as Float32Array, bool as Uint8Array of 0 and 1,
   * 64-bit integers as BigInt64Array or BigUint64Array, all others as the typed array of their name.
   *
   * @example
   * await Tensor.from([1, 2]).add(1).data(); // => Int32Array.of(2, 3)
   */
  async data(options?: RealizeOptions): Promise<TypedArray> {
    await this.realize(options);
    const bytes = await readNode(this.node, options);
    return typedArray(bytes, this.dtype);
  }

  /**
   * The one element of a tensor of one element. 64-bit integers come as bigint, bools as boolean.
   *
   * @example
   * await Tensor.from([1, 2]).sum().item(); // => 3
   */
  async item(options?: RealizeOptions): Promise<Scalar> {
    const data = await this.data(options);
    if (data.length !== 1) {
      throw new TensorError(`item: ${this} has ${data.length} elements; item reads tensors of one element`);
    }
    return this.dtype === "bool" ? data[0] !== 0 : data[0];
  }

  /**
   * The elements as nested arrays of the tensor's shape.
   *
   * @example
   * await Tensor.from([[1, 2], [3, 4]]).gt(2).tolist(); // => [[false, false], [true, true]]
   */
  async tolist(options?: RealizeOptions): Promise<NestedArray> {
    const data = await this.data(options);
    const values = Array.from(data as ArrayLike<Scalar>, (x) => (this.dtype === "bool" ? x !== 0 : x));
    const nest = (axis: number, start: number, length: number): NestedArray => {
      if (axis === this.ndim) return values[start];
      const step = length / Math.max(1, this.sizes[axis]);
      return Array.from({ length: this.sizes[axis] }, (_, i) => nest(axis + 1, start + i * step, step));
    };
    return nest(0, 0, values.length);
  }

  // --- changing ----------------------------------------------------------------------------------------------------

  /**
   * Writes a value of this tensor's shape into it, through all views of the same elements. Values computed from it
   * before keep what they were computed from. No gradient flows through what was assigned.
   *
   * @example
   * const x = Tensor.zeros([2, 2]);
   * const before = x.add(1);
   * x.select(0, 1).assign(5); // writes through the view
   * x; // => [[0, 0], [5, 5]]
   * before; // => [[1, 1], [1, 1]]
   */
  assign(value: Operand): Tensor {
    const given = this.operand(value, "assign");
    if (this.steps === null) throw new TensorError(`assign: ${this} repeats elements, and cannot be written`);
    if (given.dtype !== this.dtype || !sameShape(given.shape, this.shape)) {
      throw new TensorError(
        `assign: ${this} cannot take ${given.dtype}${printShape(given.shape)}; dtype and shape must agree`,
      );
    }
    this.storage.replace(assign(this.storage.current, given, this.steps));
    computeWithNextRead(this.storage);
    return this as unknown as Tensor;
  }

  private operand(value: Operand, operation: string): Node {
    if (value instanceof TensorCore) return value.node;
    if (isFloat(this.dtype) || promoteScalar(this.dtype, value) === this.dtype) {
      return constNode(toScalar(value, this.dtype), this.dtype, this.shape);
    }
    throw new TensorError(`${operation}: ${this} cannot hold ${value}`);
  }

  /** Gives the memory back now. Values already computed from it stay; a second time does nothing. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    disposeStorage(this.storage.peek());
  }

  /** `using` a tensor disposes of it at the end of the block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  // --- gradients ---------------------------------------------------------------------------------------------------

  /** The gradient that `backward` has added up, of this tensor's shape and dtype; undefined before. */
  get grad(): Tensor | undefined {
    return this.gradient;
  }

  set grad(value: Tensor | undefined) {
    const before = this.gradient;
    recordUndo(() => {
      this.gradient = before;
    });
    this.gradient = value;
  }

  get requiresGrad(): boolean {
    return this.gradientWanted;
  }

  /**
   * Asks `backward` for this tensor's gradient. Only floats have one.
   *
   * @example
   * const weight = Tensor.ones([2]).requiresGrad_();
   * weight.mul(3).sum().backward();
   * weight.grad; // => [3, 3]
   */
  requiresGrad_(wantedNow = true): Tensor {
    if (wantedNow && !isFloat(this.dtype))
      throw new TensorError(`requiresGrad_: ${this} is not of a float dtype`);
    this.gradientWanted = wantedNow;
    this.cached = undefined;
    // All views of the elements lead to the tensor that shows the whole.
    if (this.steps?.length === 0)
      this.storage.wantsGradient = wantedNow ? (this as unknown as Tensor) : undefined;
    return this as unknown as Tensor;
  }

  // --- making others -----------------------------------------------------------------------------------------------

  /** A tensor of its own with this value. */
  protected wrap(node: Node): Tensor {
    return new (this.constructor as TensorClass)(new TensorStorage(node));
  }

  /** A tensor that shows the same elements through one more step; writing to it writes to them. */
  protected alias(step: ViewStep): Tensor {
    if (this.steps === null) return this.repeated(applyView(this.node, step));
    return new (this.constructor as TensorClass)(this.storage, [...this.steps, step]);
  }

  /** A tensor that repeats elements of this one: it cannot be written to. */
  protected repeated(node: Node): Tensor {
    return new (this.constructor as TensorClass)(new TensorStorage(node), null);
  }
}

export type TensorClass = new (storage: TensorStorage, view?: readonly ViewStep[] | null) => Tensor;

const DECODED: readonly DType[] = ["float16", "bfloat16", "float8e4m3", "float8e5m2"];

const ARRAYS = {
  bool: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
};

export function typedArray(bytes: Uint8Array, dtype: DType): TypedArray {
  if (DECODED.includes(dtype)) return Float32Array.from(decodeElements(bytes, dtype) as number[]);
  const Kind = ARRAYS[dtype as keyof typeof ARRAYS];
  const aligned = bytes.byteOffset % Kind.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new Kind(
    aligned.buffer as ArrayBuffer,
    aligned.byteOffset,
    bytes.byteLength / Kind.BYTES_PER_ELEMENT,
  );
}

// ---------------------------------------------------------------------------------------------------------------
// Broadcasting

/** The shape two shapes broadcast to; undefined if they do not. */
export function broadcastShapes(a: Shape, b: Shape): Shape | undefined {
  const rank = Math.max(a.length, b.length);
  const at = (shape: Shape, i: number): Dim => shape[i - rank + shape.length] ?? 1;
  const result: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const [x, y] = [at(a, i), at(b, i)];
    if (x === 1) result.push(y);
    else if (y === 1 || sameShape([x], [y])) result.push(x);
    else return undefined;
  }
  return result;
}

/** The node repeated to `shape`, axes being added in front. */
export function broadcastNode(x: Node, shape: Shape): Node {
  const lifted = reshape(x, [...new Array<Dim>(shape.length - x.shape.length).fill(1), ...x.shape]);
  return expand(lifted, shape);
}

/** A number as a node of the dtype and shape in which it meets a tensor. */
export function scalarNode(value: Scalar, dtype: DType, shape: Shape): Node {
  return constNode(toScalar(value, dtype), dtype, shape);
}

/** Non-negative number of an axis; negative ones count from the end. A scalar has an axis 0, as in PyTorch. */
export function axisOf(axis: number, rank: number, operation: string): number {
  const found = axis < 0 ? axis + Math.max(1, rank) : axis;
  if (!Number.isInteger(found) || found < 0 || found >= Math.max(1, rank)) {
    throw new TensorError(`${operation}: axis ${axis} is not one of a tensor with ${rank} axes`);
  }
  return found;
}
