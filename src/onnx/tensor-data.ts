// The elements of a TensorProto, from whichever of its fields holds them, in the bytes of the dtype that holds them.

import type { FileSource } from "../formats/source.js";
import { encodeElements } from "../scalar/convert.js";
import { bytesOf } from "../scalar/dtype.js";
import { OnnxError, type SparseTensorProto, type TensorProto } from "./proto.js";
import {
  bitsOf,
  type ElementType,
  elementType,
  heldAs,
  isNative,
  isPackedInteger,
  narrowValue,
} from "./types.js";

/** A tensor on the host: bytes of the dtype that holds its elements. */
export interface HostTensor {
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export interface HostStrings {
  readonly type: "string";
  readonly shape: readonly number[];
  readonly strings: readonly string[];
}

/** Where a tensor's elements lie in another file. */
export interface ExternalPlace {
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly source: FileSource;
  readonly offset: number;
}

/** Opens a file beside the model. */
export type OpenBeside = (location: string) => FileSource;

/** Elements beyond which a tensor's shape is a mistake: their places must be exact numbers. */
const MAX_ELEMENTS = 2 ** 40;

const label = ({ name }: TensorProto): string => (name === "" ? "a tensor" : `tensor "${name}"`);
const utf8 = new TextDecoder();

function shapeOf(proto: TensorProto): { readonly shape: readonly number[]; readonly size: number } {
  let size = 1;
  for (const dim of proto.dims) {
    if (!Number.isSafeInteger(dim) || dim < 0)
      throw new OnnxError(`${label(proto)} has an axis of ${dim} elements`);
    size *= dim;
  }
  if (size > MAX_ELEMENTS)
    throw new OnnxError(
      `${label(proto)} of shape [${proto.dims}] has ${size} elements, which no memory holds`,
    );
  return { shape: proto.dims, size };
}

/** The elements of a tensor whose data lie in the message itself. */
export function decodeTensor(proto: TensorProto): HostTensor | HostStrings {
  const type = elementType(proto.type);
  const { shape, size } = shapeOf(proto);
  if (proto.isExternal)
    throw new OnnxError(`${label(proto)} keeps its data in another file, which is not open here`);
  if (type === "string") {
    if (proto.strings.length !== size) throw wrongCount(proto, proto.strings.length, size);
    return { type, shape, strings: proto.strings.map((bytes) => utf8.decode(bytes)) };
  }
  return {
    type,
    shape,
    bytes: proto.raw === undefined ? typedFields(proto, type, size) : rawBytes(proto, type, size),
  };
}

const wrongCount = (proto: TensorProto, got: number, size: number): OnnxError =>
  new OnnxError(`${label(proto)} of shape [${proto.dims}] has ${got} elements instead of ${size}`);

function rawBytes(proto: TensorProto, type: ElementType, size: number): Uint8Array {
  const raw = proto.raw!;
  const expected = Math.ceil((size * bitsOf(type)) / 8);
  if (raw.length !== expected)
    throw new OnnxError(
      `${label(proto)}, ${type} of shape [${proto.dims}], takes ${expected} bytes, and its data are ${raw.length}`,
    );
  return widen(raw, type, size);
}

/** Bytes as in a file, in the dtype that holds their type. */
export function widen(raw: Uint8Array, type: ElementType, size: number): Uint8Array {
  if (type === "bool") return raw.map((byte) => (byte === 0 ? 0 : 1));
  if (isNative(type)) return raw;
  if (isPackedInteger(type)) return unpackIntegers(raw, bitsOf(type), type.startsWith("int"), size);
  const bits = bitsOf(type) === 8 ? raw : unpackIntegers(raw, bitsOf(type), false, size);
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = narrowValue(bits[i], type);
  return new Uint8Array(values.buffer);
}

/** Integers of 2 or 4 bits, those in the low bits of a byte first. */
function unpackIntegers(raw: Uint8Array, bits: number, signed: boolean, size: number): Uint8Array {
  const each = 8 / bits;
  const out = new Int8Array(size);
  for (let i = 0; i < size; i++) {
    const value = (raw[Math.floor(i / each)] >> (bits * (i % each))) & (2 ** bits - 1);
    out[i] = signed ? (value << (32 - bits)) >> (32 - bits) : value;
  }
  return new Uint8Array(out.buffer);
}

function typedFields(proto: TensorProto, type: ElementType, size: number): Uint8Array {
  const packed = bitsOf(type) < 8;
  const list: readonly (number | bigint)[] =
    type === "float32"
      ? proto.floats
      : type === "float64"
        ? proto.doubles
        : type === "int64"
          ? proto.int64s
          : type === "uint64" || type === "uint32"
            ? proto.uint64s
            : proto.int32s;
  // Packed types hold several elements in each number, as many as in a byte.
  const expected = packed ? Math.ceil((size * bitsOf(type)) / 8) : size;
  if (list.length !== expected) throw wrongCount(proto, list.length, expected);
  if (type === "float32") return new Uint8Array(Float32Array.from(proto.floats).buffer);
  if (type === "float64") return new Uint8Array(Float64Array.from(proto.doubles).buffer);
  if (packed || !isNative(type) || type.startsWith("float8"))
    return widen(Uint8Array.from(list as readonly number[]), type, size);
  // Half types: their bits.
  if (type === "float16" || type === "bfloat16")
    return new Uint8Array(Uint16Array.from(list as readonly number[]).buffer);
  return encodeElements(
    list.map((x) =>
      type === "bool" ? Number(x) !== 0 : type === "int64" || type === "uint64" ? x : Number(x),
    ),
    heldAs(type),
  );
}

/** Where the data of a tensor lie that keeps them in another file. */
export function externalPlace(proto: TensorProto, open: OpenBeside): ExternalPlace {
  const type = elementType(proto.type);
  const { shape, size } = shapeOf(proto);
  const location = proto.external.get("location");
  if (location === undefined)
    throw new OnnxError(`${label(proto)} keeps its data in a file that it does not name`);
  const number = (name: string, otherwise: number): number => {
    const text = proto.external.get(name);
    const value = text === undefined ? otherwise : Number(text);
    if (!Number.isSafeInteger(value) || value < 0)
      throw new OnnxError(`${label(proto)}: the ${name} of its data in "${location}" is ${text}`);
    return value;
  };
  const source = open(location);
  const offset = number("offset", 0);
  const expected = Math.ceil((size * bitsOf(type)) / 8);
  const length = number("length", expected);
  if (length !== expected)
    throw new OnnxError(
      `${label(proto)}, ${type} of shape [${shape}], takes ${expected} bytes, but is given ${length}`,
    );
  if (offset + length > source.size)
    throw new OnnxError(
      `${label(proto)}: its data end at ${offset + length} of "${location}", which has ${source.size}`,
    );
  return { type, shape, source, offset };
}

/** A sparse tensor made dense. Indices are places in the flat tensor, or one coordinate for each axis. */
export function decodeSparse(proto: SparseTensorProto): HostTensor {
  if (proto.values === undefined || proto.indices === undefined)
    throw new OnnxError("a sparse tensor lacks its values or indices");
  const values = decodeTensor(proto.values);
  const indices = decodeTensor(proto.indices);
  if (!("bytes" in values) || !("bytes" in indices) || indices.type !== "int64")
    throw new OnnxError("a sparse tensor has numbers as values and int64 indices");
  const { shape, size } = shapeOf({ ...proto.values, dims: proto.dims });
  const width = bytesOf(heldAs(values.type));
  const count = values.bytes.length / width;
  const bytes = new Uint8Array(size * width);
  const at = new BigInt64Array(indices.bytes.slice().buffer);
  const perValue = indices.shape.length === 2 ? shape.length : 1;
  if (at.length !== count * perValue)
    throw new OnnxError(`a sparse tensor has ${count} values and ${at.length} indices`);
  for (let i = 0; i < count; i++) {
    let place = 0;
    if (perValue === 1) place = Number(at[i]);
    else
      for (let axis = 0; axis < perValue; axis++)
        place = place * shape[axis] + Number(at[i * perValue + axis]);
    if (!(place >= 0 && place < size))
      throw new OnnxError(`a sparse tensor of shape [${shape}] has no place ${place}`);
    bytes.set(values.bytes.subarray(i * width, (i + 1) * width), place * width);
  }
  return { type: values.type, shape, bytes };
}
