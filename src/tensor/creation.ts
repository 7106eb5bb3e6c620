// Tensors of given values: nested arrays, typed arrays, iterables, other tensors; and of one value everywhere.

import { storeBytes } from "../engine/engine.js";
import { constNode, type Node, type Shape, sizeOf } from "../graph/node.js";
import { DEFAULT_FLOAT } from "../graph/promote.js";
import { encodeElements, toScalar } from "../scalar/convert.js";
import { bytesOf, type DType, type Scalar } from "../scalar/dtype.js";
import { type NestedArray, type TensorClass, TensorCore, TensorError, type TypedArray } from "./core.js";
import { Random } from "./random.js";
import { TensorStorage } from "./storage.js";
import type { Tensor } from "./tensor.js";

export interface TensorOptions {
  readonly dtype?: DType;
}

export interface FromOptions extends TensorOptions {
  readonly shape?: Shape;
  /** Whether gradients of it are wanted; default false. */
  readonly requiresGrad?: boolean;
}

/** What tensors are made of: numbers, arrays of any kind, tensors, and lists of these. */
export type TensorLike =
  | NestedArray
  | TypedArray
  | Uint8ClampedArray
  | ArrayBuffer
  | SharedArrayBuffer
  | Tensor
  | Iterable<TensorLike>;

const ARRAY_DTYPES: Readonly<Record<string, DType>> = {
  Int8Array: "int8",
  Int16Array: "int16",
  Int32Array: "int32",
  BigInt64Array: "int64",
  Uint8Array: "uint8",
  Uint8ClampedArray: "uint8",
  Buffer: "uint8",
  Uint16Array: "uint16",
  Uint32Array: "uint32",
  BigUint64Array: "uint64",
  Float16Array: "float16",
  Float32Array: "float32",
  Float64Array: "float64",
};

/** The dtype of a typed array's elements. */
export function arrayDtype(values: { readonly constructor: { readonly name: string } }): DType {
  const dtype = ARRAY_DTYPES[values.constructor.name];
  if (dtype === undefined) throw new TensorError(`from: ${values.constructor.name} is no array of elements`);
  return dtype;
}

/** The last of the family classes, which all tensors are of. */
let Kind: TensorClass;

export abstract class Creation extends Random {
  /** @internal To be called once, with the class of all tensors. */
  static instances(kind: TensorClass): void {
    Kind = kind;
  }

  /** @internal A tensor of its own with this value. */
  static ofNode(node: Node): Tensor {
    return new Kind(new TensorStorage(node));
  }

  /**
   * A tensor of values: a number, nested arrays (the shape is theirs), a typed array (with `shape`), the bytes of an
   * ArrayBuffer (with `dtype`), or any iterable of these and of tensors, which are stacked. Numbers become float32,
   * bigints int64, booleans bool, typed arrays the dtype of their name, unless `dtype` says otherwise. With
   * `requiresGrad` gradients of it are wanted.
   *
   * @example Tensor.from([[1, 2], [3, 4]]).sum(0)
   */
  static from(values: TensorLike, { requiresGrad = false, ...options }: FromOptions = {}): Tensor {
    const tensor = made(values, options);
    return requiresGrad ? tensor.requiresGrad_() : tensor;
  }

  /**
   * As `from`, of what an asynchronous iterable gives: numbers, rows, typed arrays or tensors.
   *
   * @example
   * async function* rows() { for (let i = 0; i < 3; i++) yield [i, i * i]; }
   * await Tensor.fromAsync(rows()); // => [[0, 0], [1, 1], [2, 4]]
   */
  static async fromAsync(
    values: AsyncIterable<TensorLike> | Iterable<TensorLike | Promise<TensorLike>>,
    options: FromOptions = {},
  ): Promise<Tensor> {
    const items: TensorLike[] = [];
    for await (const item of values) items.push(item);
    return Creation.from(items, options);
  }

  /**
   * All elements the same; takes no memory until it must.
   *
   * @example Tensor.full([2], 7); // => [7, 7]
   */
  static full(shape: Shape, value: Scalar, { dtype }: TensorOptions = {}): Tensor {
    const kind = dtype ?? dtypeOfValues([value]);
    return Creation.ofNode(constNode(toScalar(value, kind), kind, shape));
  }
  static zeros(shape: Shape, { dtype = DEFAULT_FLOAT }: TensorOptions = {}): Tensor {
    return Creation.full(shape, 0, { dtype });
  }
  static ones(shape: Shape, { dtype = DEFAULT_FLOAT }: TensorOptions = {}): Tensor {
    return Creation.full(shape, 1, { dtype });
  }
  /** As zeros: there is no memory to be left unset. */
  static empty(shape: Shape, options: TensorOptions = {}): Tensor {
    return Creation.zeros(shape, options);
  }

  /** Zeros of this shape, and dtype unless another is given. */
  zerosLike({ dtype = this.dtype }: TensorOptions = {}): Tensor {
    return Creation.zeros(this.shape, { dtype });
  }
  onesLike({ dtype = this.dtype }: TensorOptions = {}): Tensor {
    return Creation.ones(this.shape, { dtype });
  }
  emptyLike({ dtype = this.dtype }: TensorOptions = {}): Tensor {
    return Creation.zeros(this.shape, { dtype });
  }
  fullLike(value: Scalar, { dtype = this.dtype }: TensorOptions = {}): Tensor {
    return Creation.full(this.shape, value, { dtype });
  }
}

const isBuffer = (values: unknown): values is ArrayBuffer | SharedArrayBuffer =>
  values instanceof ArrayBuffer ||
  (typeof SharedArrayBuffer !== "undefined" && values instanceof SharedArrayBuffer);

const isScalar = (value: unknown): value is Scalar =>
  typeof value === "number" || typeof value === "bigint" || typeof value === "boolean";

function made(values: TensorLike, options: FromOptions): Tensor {
  if (isScalar(values)) return ofElements([values], [], options);
  if (values instanceof TensorCore) return inShape(values as Tensor, options);
  if (ArrayBuffer.isView(values)) return ofTypedArray(values as TypedArray, options);
  if (isBuffer(values)) return ofBuffer(values, options);
  if (typeof values !== "object" || values === null || !(Symbol.iterator in values))
    throw new TensorError(`from: ${typeof values} ${String(values)} is no number, array, tensor or iterable`);
  const items = Array.isArray(values) ? (values as readonly TensorLike[]) : [...values];
  const { level, found } = flattened(items);
  if (level.every(isScalar)) return ofElements(level as Scalar[], found, options);
  return inShape(stacked(level, found), options);
}

/** The innermost items of nested arrays and iterables of equal lengths, and those lengths. */
function flattened(items: readonly TensorLike[]): { level: readonly TensorLike[]; found: number[] } {
  const isList = (x: TensorLike): boolean =>
    typeof x === "object" &&
    !(x instanceof TensorCore) &&
    !ArrayBuffer.isView(x) &&
    x !== null &&
    Symbol.iterator in x;
  const found = [items.length];
  let level = items;
  while (level.length > 0 && level.some(isList)) {
    if (level.some(isScalar)) throw new TensorError(`from: rows of axis ${found.length} differ in depth`);
    // Lists among arrays and tensors: each becomes a tensor, and these are stacked.
    if (!level.every(isList)) break;
    const rows = level.map((x) => (Array.isArray(x) ? x : [...(x as Iterable<TensorLike>)]));
    if (rows.some((row) => row.length !== rows[0].length))
      throw new TensorError(`from: rows of axis ${found.length} differ in length`);
    found.push(rows[0].length);
    level = rows.flat(1) as TensorLike[];
  }
  return { level, found };
}

/** Tensors and typed arrays of one shape, with numbers among those of one element, as one tensor. */
function stacked(level: readonly TensorLike[], found: readonly number[]): Tensor {
  const parts = level.map((x) => made(x, {}));
  const { shape } = parts[0];
  const other = parts.find((x) => x.ndim !== shape.length || x.sizes.some((d, i) => d !== shape[i]));
  if (other !== undefined)
    throw new TensorError(`from: cannot stack ${other} with ${parts[0]}; shapes must agree`);
  const [first, ...rest] = parts.map((x) => x.unsqueeze(0));
  return first.cat(0, ...rest).reshape([...found, ...shape]);
}

function inShape(x: Tensor, { dtype = x.dtype, shape }: FromOptions): Tensor {
  const cast = x.cast(dtype);
  return shape === undefined ? cast : cast.reshape(shape);
}

function checkCount(shape: Shape, count: number): void {
  if (sizeOf(shape) !== count)
    throw new TensorError(`from: shape [${shape.join(", ")}] does not hold ${count} elements`);
}

function ofElements(flat: readonly Scalar[], found: Shape, { dtype, shape = found }: FromOptions): Tensor {
  checkCount(shape, flat.length);
  const kind = dtype ?? dtypeOfValues(flat);
  const elements = flat.map((x) => toScalar(x, kind));
  return Creation.ofNode(storeBytes(encodeElements(elements, kind), kind, shape));
}

function ofTypedArray(values: TypedArray, { dtype, shape = [values.length] }: FromOptions): Tensor {
  const kind = arrayDtype(values);
  checkCount(shape, values.length);
  // A copy: the caller may go on writing to the array.
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
  const tensor = Creation.ofNode(storeBytes(bytes, kind, shape));
  return dtype === undefined ? tensor : tensor.cast(dtype);
}

function ofBuffer(buffer: ArrayBuffer | SharedArrayBuffer, { dtype, shape }: FromOptions): Tensor {
  if (dtype === undefined) throw new TensorError("from: the bytes of an ArrayBuffer need a dtype");
  const size = bytesOf(dtype);
  if (buffer.byteLength % size !== 0)
    throw new TensorError(
      `from: ${buffer.byteLength} bytes are no whole number of ${dtype}, ${size} bytes each`,
    );
  const count = buffer.byteLength / size;
  checkCount(shape ?? [count], count);
  return Creation.ofNode(storeBytes(new Uint8Array(buffer).slice(), dtype, shape ?? [count]));
}

function dtypeOfValues(values: readonly Scalar[]): DType {
  if (values.length > 0 && values.every((x) => typeof x === "boolean")) return "bool";
  if (values.length > 0 && values.every((x) => typeof x === "bigint")) return "int64";
  return DEFAULT_FLOAT;
}
