// Tensor, the last of the family classes: how tensors come into being.

import { storeBytes } from "../engine/engine.js";
import { constNode, iota, type Node, type Shape, sizeOf } from "../graph/node.js";
import { DEFAULT_FLOAT } from "../graph/promote.js";
import { realizeNodes, type RealizeOptions } from "../engine/engine.js";
import { encodeElements, toScalar } from "../scalar/convert.js";
import type { DType, Scalar } from "../scalar/dtype.js";
import { blockDiag, cartesianProd, columnStack, dstack, hstack, vstack } from "./arrangement.js";
import { broadcastNode, broadcastShapes, type NestedArray, TensorError, type TypedArray } from "./core.js";
import { backward } from "./gradient.js";
import { fansOf, normalNode, Random, randomBits, uniformNode } from "./random.js";
import { assignedNodes, TensorStorage } from "./storage.js";

export interface TensorOptions {
  readonly dtype?: DType;
}

export interface FromOptions extends TensorOptions {
  readonly shape?: Shape;
  /** Whether gradients of it are wanted; default false. */
  readonly requiresGrad?: boolean;
}

const ARRAY_DTYPES: readonly (readonly [string, DType])[] = [
  ["Int8Array", "int8"],
  ["Int16Array", "int16"],
  ["Int32Array", "int32"],
  ["BigInt64Array", "int64"],
  ["Uint8Array", "uint8"],
  ["Uint8ClampedArray", "uint8"],
  ["Uint16Array", "uint16"],
  ["Uint32Array", "uint32"],
  ["BigUint64Array", "uint64"],
  ["Float32Array", "float32"],
  ["Float64Array", "float64"],
];

/** An n-dimensional array, computed when it is read. */
export class Tensor extends Random {
  /** @internal A tensor of its own with this value. */
  static ofNode(node: Node): Tensor {
    return new Tensor(new TensorStorage(node));
  }

  /**
   * A tensor of values: a number, nested arrays (the shape is theirs), or a typed array (with `shape`). Numbers become
   * float32, bigints int64, booleans bool, typed arrays the dtype of their name, unless `dtype` says otherwise. With
   * `requiresGrad` gradients of it are wanted.
   *
   * @example Tensor.from([[1, 2], [3, 4]]).sum(0)
   */
  static from(
    values: NestedArray | TypedArray,
    { requiresGrad = false, ...options }: FromOptions = {},
  ): Tensor {
    const tensor = ArrayBuffer.isView(values)
      ? fromTypedArray(values as TypedArray, options)
      : fromNested(values as NestedArray, options);
    return requiresGrad ? tensor.requiresGrad_() : tensor;
  }

  /** All elements the same; takes no memory until it must. */
  static full(shape: Shape, value: Scalar, { dtype }: TensorOptions = {}): Tensor {
    const kind = dtype ?? dtypeOfValues([value]);
    return Tensor.ofNode(constNode(toScalar(value, kind), kind, shape));
  }
  static zeros(shape: Shape, { dtype = DEFAULT_FLOAT }: TensorOptions = {}): Tensor {
    return Tensor.full(shape, 0, { dtype });
  }
  static ones(shape: Shape, { dtype = DEFAULT_FLOAT }: TensorOptions = {}): Tensor {
    return Tensor.full(shape, 1, { dtype });
  }
  /** start, start + step, ... below stop. Whole numbers give int32 (int64 where they must), others float32. */
  static arange(start: number, stop?: number, step = 1, { dtype }: TensorOptions = {}): Tensor {
    const [from, to] = stop === undefined ? [0, start] : [start, stop];
    if (step === 0) throw new TensorError("arange: step must not be 0");
    const whole = [from, to, step].every(Number.isInteger);
    const integers = Math.max(...[from, to, to - from].map(Math.abs)) < 2 ** 31 ? "int32" : "int64";
    const kind = dtype ?? (whole ? integers : DEFAULT_FLOAT);
    const count = Math.max(0, Math.ceil((to - from) / step));
    if (count === 0) return Tensor.zeros([0], { dtype: kind });
    const places = Tensor.ofNode(iota([count], 0, "int32"));
    if (whole) return places.cast(integers).mul(step).add(from).cast(kind);
    return progression(places, count, from, step, kind);
  }
  /** `count` values from start to stop, both included. */
  static linspace(
    start: number,
    stop: number,
    count: number,
    { dtype = DEFAULT_FLOAT }: TensorOptions = {},
  ): Tensor {
    if (count < 2) return Tensor.full([count], start, { dtype });
    const places = Tensor.ofNode(iota([count], 0, "int32"));
    const step = (stop - start) / (count - 1);
    // From both ends, so that both are exact.
    return places
      .lt(count / 2)
      .where(
        progression(places, count, start, step, dtype),
        progression(places.rsub(count - 1), count, stop, -step, dtype),
      );
  }
  /** Ones on the diagonal. */
  static eye(rows: number, columns = rows, { dtype = DEFAULT_FLOAT }: TensorOptions = {}): Tensor {
    const shape = [rows, columns];
    return Tensor.ofNode(iota(shape, 0))
      .eq(Tensor.ofNode(iota(shape, 1)))
      .cast(dtype);
  }

  /** Uniform in [0, 1). */
  static rand(shape: Shape, { dtype = DEFAULT_FLOAT }: TensorOptions = {}): Tensor {
    return Tensor.ofNode(uniformNode(shape, dtype, 0));
  }
  /** Normal with mean 0 and variance 1. */
  static randn(shape: Shape, { dtype = DEFAULT_FLOAT }: TensorOptions = {}): Tensor {
    return Tensor.ofNode(normalNode(shape, dtype));
  }
  /** Uniform in [low, high). */
  static uniform(shape: Shape, low = 0, high = 1, options: TensorOptions = {}): Tensor {
    return Tensor.rand(shape, options)
      .mul(high - low)
      .add(low);
  }
  /** Normal with a mean and a standard deviation. */
  static normal(shape: Shape, mean = 0, deviation = 1, options: TensorOptions = {}): Tensor {
    return Tensor.randn(shape, options).mul(deviation).add(mean);
  }
  /** Uniform integers in [low, high). */
  static randint(low: number, high: number, shape: Shape, { dtype = "int32" }: TensorOptions = {}): Tensor {
    const range = high - low;
    if (!Number.isInteger(low) || !Number.isInteger(high) || range < 1 || range > 2 ** 32)
      throw new TensorError(`randint: [${low}, ${high}) should hold 1 to 2^32 integers`);
    const bits = Tensor.ofNode(randomBits(shape));
    const below = range === 2 ** 32 ? bits : bits.mod(range);
    const wide = range <= 2 ** 31 && low >= -(2 ** 31) && high <= 2 ** 31 ? "int32" : "int64";
    return below.cast(wide).add(low).cast(dtype);
  }
  /** 0 to count - 1 in random order; int32. Work grows with the square of the count. */
  static randperm(count: number): Tensor {
    // The place of an element is the number of those before it. Equal bits are told apart by their places.
    const key = Tensor.ofNode(randomBits([count]));
    const [mine, other] = [key.unsqueeze(1), key.unsqueeze(0)];
    const [row, column] = [0, 1].map((axis) => Tensor.ofNode(iota([count, count], axis)));
    const before = other.lt(mine).logicalOr(other.eq(mine).logicalAnd(column.lt(row)));
    return before.sum(1);
  }
  /**
   * Weights [outputs, inputs, window..], uniform in +-gain * sqrt(3 / fan in) (He and others, 2015). With a gain of
   * sqrt(1 / 3) PyTorch's layers start.
   */
  static kaimingUniform(
    shape: readonly number[],
    { gain = Math.SQRT2, dtype }: TensorOptions & { readonly gain?: number } = {},
  ): Tensor {
    const bound = gain * Math.sqrt(3 / fansOf(shape).input);
    return Tensor.uniform(shape, -bound, bound, { dtype });
  }
  /** Weights [outputs, inputs, window..], normal with deviation gain / sqrt(fan in). */
  static kaimingNormal(
    shape: readonly number[],
    { gain = Math.SQRT2, dtype }: TensorOptions & { readonly gain?: number } = {},
  ): Tensor {
    return Tensor.normal(shape, 0, gain / Math.sqrt(fansOf(shape).input), { dtype });
  }
  /** Weights uniform in +-gain * sqrt(6 / (fan in + fan out)) (Glorot and Bengio, 2010). */
  static glorotUniform(
    shape: readonly number[],
    { gain = 1, dtype }: TensorOptions & { readonly gain?: number } = {},
  ): Tensor {
    const { input, output } = fansOf(shape);
    const bound = gain * Math.sqrt(6 / (input + output));
    return Tensor.uniform(shape, -bound, bound, { dtype });
  }

  /** Tensors one after the other along an axis. Dtypes promote. */
  static concat(tensors: readonly Tensor[], axis = 0): Tensor {
    const [first, ...others] = tensors;
    if (first === undefined) throw new TensorError("concat: needs at least one tensor");
    return first.cat(axis, ...others);
  }
  static cat(tensors: readonly Tensor[], axis = 0): Tensor {
    return Tensor.concat(tensors, axis);
  }
  /** Tensors of one shape side by side along a new axis. */
  static stack(tensors: readonly Tensor[], axis = 0): Tensor {
    return Tensor.concat(
      tensors.map((x) => x.unsqueeze(axis)),
      axis,
    );
  }
  /** condition ? x : y, element by element; numbers may stand for tensors. */
  static where(condition: Tensor, x: Tensor | number, y: Tensor | number): Tensor {
    return condition.where(x, y);
  }
  /** The tensors repeated to the shape they broadcast to. */
  static broadcast(tensors: readonly Tensor[]): Tensor[] {
    const shape = tensors.reduce<Shape | undefined>((s, x) => s && broadcastShapes(s, x.shape), []);
    if (shape === undefined)
      throw new TensorError(`broadcast: shapes of ${tensors.join(", ")} do not broadcast`);
    return tensors.map((x) => Tensor.ofNode(broadcastNode(x.node, shape)));
  }

  /** As broadcast, under PyTorch's name. */
  static broadcastTensors(tensors: readonly Tensor[]): Tensor[] {
    return Tensor.broadcast(tensors);
  }
  /** Tensors one after the other along axis 1; vectors along axis 0. */
  static hstack(tensors: readonly Tensor[]): Tensor {
    return hstack(tensors);
  }
  /** Tensors one after the other along axis 0, vectors as rows. */
  static vstack(tensors: readonly Tensor[]): Tensor {
    return vstack(tensors);
  }
  /** Tensors one after the other along axis 2; see atleast3d. */
  static dstack(tensors: readonly Tensor[]): Tensor {
    return dstack(tensors);
  }
  /** Tensors one after the other along axis 1, vectors as columns. */
  static columnStack(tensors: readonly Tensor[]): Tensor {
    return columnStack(tensors);
  }
  /** A matrix with matrices (vectors as rows) along its diagonal, zero elsewhere. */
  static blockDiag(tensors: readonly Tensor[]): Tensor {
    return blockDiag(tensors);
  }
  /** All choices of one element of each vector, the last changing fastest: [choices, vectors]. Of one vector: itself. */
  static cartesianProd(tensors: readonly Tensor[]): Tensor {
    return cartesianProd(tensors);
  }

  /** Computes several tensors together: what they share is computed once. */
  static async realize(tensors: readonly Tensor[], options?: RealizeOptions): Promise<void> {
    await realizeNodes([...tensors.map((x) => x.node), ...assignedNodes()], options);
  }

  /**
   * Adds the gradient of this scalar (or, with `seed`, of the sum of this times seed) to `grad` of every tensor it was
   * computed from that requires one. Lazy: nothing is computed yet.
   */
  backward(seed?: Tensor): void {
    backward(this, seed, Tensor.ofNode);
  }

  /** Elements in all; as size. */
  get numel(): number {
    return this.size;
  }

  zerosLike(): Tensor {
    return Tensor.zeros(this.shape, { dtype: this.dtype });
  }
  onesLike(): Tensor {
    return Tensor.ones(this.shape, { dtype: this.dtype });
  }
  fullLike(value: Scalar): Tensor {
    return Tensor.full(this.shape, value, { dtype: this.dtype });
  }
}

function fromNested(values: NestedArray, { dtype, shape }: FromOptions): Tensor {
  const { flat, found } = flattenNested(values);
  const kind = dtype ?? dtypeOfValues(flat);
  const bytes = encodeElements(
    flat.map((x) => toScalar(x, kind)),
    kind,
  );
  return Tensor.ofNode(storeBytes(bytes, kind, shape ?? found));
}

/**
 * start + step * place, rounded about once. Not every device has float64: in float32 the step is a sum of a part with so
 * few bits that its products with places are exact, and a small rest.
 */
function progression(places: Tensor, count: number, start: number, step: number, dtype: DType): Tensor {
  if (dtype === "float64") return places.cast(dtype).mul(step).add(start);
  const spare = 2 ** Math.min(23, Math.ceil(Math.log2(Math.max(2, count))));
  // Adding and taking off a large number leaves the leading bits (Dekker, 1971).
  const large = Math.fround(step) * spare;
  const lead = Math.fround(Math.fround(large + Math.fround(step)) - large);
  const near = Math.fround(start);
  const x = places.cast("float32");
  return x
    .mul(lead)
    .add(near)
    .add(x.mul(step - lead).add(start - near))
    .cast(dtype);
}

function fromTypedArray(values: TypedArray, { dtype, shape = [values.length] }: FromOptions): Tensor {
  const kind = ARRAY_DTYPES.find(([name]) => name === values.constructor.name)?.[1];
  if (kind === undefined) throw new TensorError(`from: ${values.constructor.name} is no array of elements`);
  if (sizeOf(shape) !== values.length) {
    throw new TensorError(`from: shape [${shape.join(", ")}] does not hold ${values.length} elements`);
  }
  // A copy: the caller may go on writing to the array.
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
  const tensor = Tensor.ofNode(storeBytes(bytes, kind, shape));
  return dtype === undefined ? tensor : tensor.cast(dtype);
}

function dtypeOfValues(values: readonly Scalar[]): DType {
  if (values.length > 0 && values.every((x) => typeof x === "boolean")) return "bool";
  if (values.length > 0 && values.every((x) => typeof x === "bigint")) return "int64";
  return DEFAULT_FLOAT;
}

function flattenNested(values: NestedArray): { flat: Scalar[]; found: number[] } {
  const found: number[] = [];
  let level: readonly NestedArray[] = [values];
  while (level.length > 0 && Array.isArray(level[0])) {
    const { length } = level[0] as readonly NestedArray[];
    if (level.some((x) => !Array.isArray(x) || x.length !== length)) {
      throw new TensorError(`from: rows of axis ${found.length} differ in length`);
    }
    found.push(length);
    level = (level as readonly (readonly NestedArray[])[]).flat();
  }
  if (level.some((x) => Array.isArray(x)))
    throw new TensorError(`from: rows of axis ${found.length} differ in depth`);
  return { flat: level as readonly Scalar[] as Scalar[], found };
}
