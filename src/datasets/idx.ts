// The idx format of the MNIST files: two zero bytes, a type code, the number of axes, each axis's size as a big-endian
// 32-bit integer, then the elements. Only unsigned bytes (type 0x08) occur here.

export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;

/** Reads an idx file of unsigned bytes with `rank` axes; `name` is used in errors. The data is a view of `bytes`. */
export function parseIdx(bytes: Uint8Array, rank: number, name: string): IdxArray {
  const header = 4 + 4 * rank;
  if (bytes.length < header) {
    throw new Error(`${name}: ${bytes.length} bytes are too few for an idx file with ${rank} axes`);
  }
  if (bytes[0] !== 0 || bytes[1] !== 0 || bytes[2] !== UNSIGNED_BYTE || bytes[3] !== rank) {
    const found = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const packed = bytes[0] === 0x1f && bytes[1] === 0x8b ? "; this is a gzip file, unpack it first" : "";
    throw new Error(
      `${name}: starts with ${found}, an idx file of bytes with ${rank} axes starts with 00 00 08 0${rank}${packed}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const elements = shape.reduce((product, size) => product * size, 1);
  if (bytes.length !== header + elements) {
    throw new Error(
      `${name}: an array of ${shape.join(" x ")} takes ${header + elements} bytes, the file has ${bytes.length}`,
    );
  }
  return { shape, data: bytes.subarray(header) };
}
