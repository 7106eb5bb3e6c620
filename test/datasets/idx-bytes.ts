// idx files for tests.

const CODES: Record<string, number> = {
  Uint8Array: 0x08,
  Int8Array: 0x09,
  Int16Array: 0x0b,
  Int32Array: 0x0c,
  Float32Array: 0x0d,
  Float64Array: 0x0e,
};

type Elements = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;

/** The bytes of an idx file. */
export function idxBytes(shape: readonly number[], data: Elements): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.byteLength);
  bytes.set([0, 0, CODES[data.constructor.name], shape.length]);
  const view = new DataView(bytes.buffer);
  for (const [i, size] of shape.entries()) view.setUint32(4 + 4 * i, size);
  const start = 4 + 4 * shape.length;
  const kind = data.constructor.name.replace("Array", "") as "Float32";
  for (const [i, value] of data.entries()) view[`set${kind}`](start + i * data.BYTES_PER_ELEMENT, value);
  return bytes;
}
