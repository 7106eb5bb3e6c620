// The idx format of the MNIST files (Y. LeCun, C. Cortes, C. Burges): two zero bytes, a type code, the number of axes,
// each axis's size as a big-endian 32-bit integer, then the elements, big-endian, in row-major order.

import { FileError } from "../formats/source.js";
import type { TypedArray } from "../tensor/core.js";
import { Tensor } from "../tensor/tensor.js";
import { readFile, unpacked } from "./files.js";

export interface IdxArray {
  readonly shape: readonly number[];
  /** An array of its own but for bytes, which are a view of the file's. */
  readonly data: TypedArray;
}

type ArrayKind = new (buffer: ArrayBufferLike, offset: number, length: number) => TypedArray;

const KINDS = new Map<number, ArrayKind & { readonly BYTES_PER_ELEMENT: number }>([
  [0x08, Uint8Array],
  [0x09, Int8Array],
  [0x0b, Int16Array],
  [0x0c, Int32Array],
  [0x0d, Float32Array],
  [0x0e, Float64Array],
]);

const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** The array in the bytes of an idx file, unpacked if they are packed by gzip; `name` is used in errors. */
export function parseIdx(packed: Uint8Array, name = "the given bytes"): IdxArray {
  const bytes = unpacked(packed, name);
  const [, , code, rank = 0] = bytes;
  const Kind = KINDS.get(code);
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0 || Kind === undefined) {
    throw new FileError(
      `${name}: starts with ${hex(bytes.subarray(0, 4))}; an idx file starts with 00 00, a type (08, 09, 0b, 0c, 0d ` +
        "or 0e) and the number of axes",
    );
  }
  const header = 4 + 4 * rank;
  if (bytes.length < header)
    throw new FileError(`${name}: ${bytes.length} bytes are too few for an idx file with ${rank} axes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const count = shape.reduce((product, size) => product * size, 1);
  const width = Kind.BYTES_PER_ELEMENT;
  if (bytes.length !== header + count * width) {
    throw new FileError(
      `${name}: an array of ${shape.join(" x ")} takes ${header + count * width} bytes, the file has ${bytes.length}`,
    );
  }
  if (width === 1) return { shape, data: new Kind(bytes.buffer, bytes.byteOffset + header, count) };
  const elements = Uint8Array.prototype.slice.call(bytes, header);
  for (let start = 0; start < elements.length; start += width)
    elements.subarray(start, start + width).reverse();
  return { shape, data: new Kind(elements.buffer, elements.byteOffset, count) };
}

/** The tensor of an idx file (also `.gz`): uint8, int8, int16, int32, float32 or float64. */
export function readIdx(path: string | URL): Tensor {
  const { shape, data } = parseIdx(readFile(path), String(path));
  return Tensor.from(data, { shape });
}
