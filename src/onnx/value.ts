// What flows along a graph's edges: tensors, tensors of strings, sequences and optional values. A tensor may be known on the
// host as well, and may depend on nothing but the model itself (then it is constant).

import { computeOnHost } from "../engine/host.js";
import { storeBytes } from "../engine/engine.js";
import { type TypedArray, typedArray } from "../tensor/core.js";
import { Tensor } from "../tensor/tensor.js";
import { OnnxError } from "./proto.js";
import type { HostStrings, HostTensor } from "./tensor-data.js";
import { type ElementType, heldAs } from "./types.js";

export type Value = TensorValue | StringsValue | SequenceValue | AbsentValue;

/** Elements that the host remembers of a tensor. */
const FEW = 4096;

export class TensorValue {
  readonly kind = "tensor";
  private made: Tensor | undefined;
  private elements: TypedArray | undefined;

  private constructor(
    readonly type: ElementType,
    readonly shape: readonly number[],
    private make: (() => Tensor) | undefined,
    /** Depends on nothing but the model and the shapes of its inputs. */
    readonly constant: boolean,
  ) {}

  /** What a tensor holds; `type` where its dtype does not say it. */
  static of(tensor: Tensor, type: ElementType = tensor.dtype, constant = false): TensorValue {
    if (heldAs(type) !== tensor.dtype)
      throw new OnnxError(`${type} is held as ${heldAs(type)}, not ${tensor.dtype}`);
    return new TensorValue(type, tensor.sizes, () => tensor, constant);
  }

  /** Elements that the host has, in the dtype that holds their type. The host remembers them if they are few. */
  static fromHost({ type, shape, bytes }: HostTensor, constant = false): TensorValue {
    const dtype = heldAs(type);
    const size = shape.reduce((n, d) => n * d, 1);
    // One number of the model itself is written into kernels, and simplifies them.
    const make = (): Tensor =>
      constant && size === 1
        ? Tensor.full(shape, typedArray(bytes, dtype)[0], { dtype })
        : Tensor.ofNode(storeBytes(bytes, dtype, shape));
    const value = new TensorValue(type, shape, make, constant);
    if (value.size <= FEW) value.elements = typedArray(bytes, dtype);
    return value;
  }

  /** Integers that were computed on the host; int64 unless another type is given. */
  static ofIntegers(
    numbers: readonly (number | bigint)[],
    { type = "int64", shape = [numbers.length], constant = false }: IntegerOptions = {},
  ): TensorValue {
    const array = type === "int64" ? BigInt64Array.from(numbers, BigInt) : Int32Array.from(numbers, Number);
    const value = TensorValue.fromHost({ type, shape, bytes: new Uint8Array(array.buffer) }, constant);
    value.elements = array;
    return value;
  }

  get tensor(): Tensor {
    if (this.made === undefined) {
      this.made = this.make!();
      // The bytes of a file need not stay.
      this.make = undefined;
    }
    return this.made;
  }

  /** The elements, if the host knows them. */
  get known(): TypedArray | undefined {
    return this.elements;
  }

  get size(): number {
    return this.shape.reduce((n, d) => n * d, 1);
  }

  /** The same elements, as a value that depends on the model alone. */
  asConstant(): TensorValue {
    if (this.constant) return this;
    const value = new TensorValue(this.type, this.shape, () => this.tensor, true);
    value.elements = this.elements;
    return value;
  }

  /** The elements that the host knows as a tensor of their own, which no device has. */
  onHost(): TensorValue {
    if (this.elements === undefined) throw new TypeError("the host does not know these elements");
    const { elements, shape } = this;
    const value = new TensorValue(
      this.type,
      shape,
      () => Tensor.from(elements, { shape, dtype: heldAs(this.type) }),
      this.constant,
    );
    value.elements = elements;
    return value;
  }

  /** Gives it memory of its own: what is equal everywhere must not be written into the code that reads it. */
  hold(): Tensor {
    const { tensor } = this;
    if (tensor.node.storage === undefined) this.made = tensor.contiguous();
    return this.tensor;
  }

  /** Tells the host what was read. */
  know(elements: TypedArray): void {
    this.elements = elements;
  }
}

interface IntegerOptions {
  readonly type?: "int64" | "int32";
  readonly shape?: readonly number[];
  readonly constant?: boolean;
}

export class StringsValue {
  readonly kind = "strings";
  readonly type = "string";
  constructor(
    readonly strings: readonly string[],
    readonly shape: readonly number[],
    readonly constant = false,
  ) {}
}

export class SequenceValue {
  readonly kind = "sequence";
  constructor(readonly items: readonly Value[]) {}
  get constant(): boolean {
    return this.items.every((item) => item.constant);
  }
}

/** An optional value that is none. */
export class AbsentValue {
  readonly kind = "absent";
  readonly constant = true;
}

export const valueFromHost = (
  host: HostTensor | HostStrings,
  constant = false,
): TensorValue | StringsValue =>
  "strings" in host
    ? new StringsValue(host.strings, host.shape, constant)
    : TensorValue.fromHost(host, constant);

/** For messages. */
export function printValue(value: Value): string {
  if (value.kind === "tensor" || value.kind === "strings") return `${value.type}[${value.shape}]`;
  return value.kind === "sequence" ? `a sequence of ${value.items.length}` : "an absent optional";
}

/** Computes small constants at once, so that the host knows them. */
export function foldOnHost(values: readonly TensorValue[]): TensorValue[] | undefined {
  const bytes = computeOnHost(values.map(({ tensor }) => tensor.node));
  return bytes?.map((bytes, i) =>
    TensorValue.fromHost({ type: values[i].type, shape: values[i].shape, bytes }, true),
  );
}

// --- taking values apart, for captured functions -----------------------------------------------------------------

/** The tensors in values that are not constant, in order. */
export function tensorsOf(value: Value): Tensor[] {
  if (value.kind === "tensor") return value.constant ? [] : [value.tensor];
  return value.kind === "sequence" ? value.items.flatMap(tensorsOf) : [];
}

/** A value of the same kind with other tensors, taken from the front of a list. */
export function withTensors(value: Value, tensors: Tensor[]): Value {
  if (value.kind === "tensor") return value.constant ? value : TensorValue.of(tensors.shift()!, value.type);
  if (value.kind !== "sequence") return value;
  return new SequenceValue(value.items.map((item) => withTensors(item, tensors)));
}

// Constants that the host knows are told apart by their elements, others by their identity.
const identities = new WeakMap<object, number>();
let nextIdentity = 0;

function identityOf(value: object): number {
  let identity = identities.get(value);
  if (identity === undefined) {
    identity = nextIdentity++;
    identities.set(value, identity);
  }
  return identity;
}

/** All that a captured function depends on of a value, as text. */
export function signatureOf(value: Value): string {
  if (value.kind === "absent") return "-";
  if (value.kind === "sequence") return `(${value.items.map(signatureOf).join(",")})`;
  if (value.kind === "strings") return `${JSON.stringify(value.strings)}[${value.shape}]`;
  const kind = `${value.type}[${value.shape}]`;
  if (!value.constant) return kind;
  const { known } = value;
  return known !== undefined ? `${kind}=${known.join()}` : `${kind}#${identityOf(value)}`;
}
