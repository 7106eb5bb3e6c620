// NumPy's files: .npy (a magic word, a header that is a Python literal, the elements) and .npz (a zip archive of them).
// Format: NEP 1, versions 1 to 3.

import { readNode, sourceNode } from "../engine/engine.js";
import { bytesOf, type DType } from "../scalar/dtype.js";
import { Tensor } from "../tensor/tensor.js";
import { asBools, FileError, type FileInput, type FileSource, openSource } from "./source.js";
import { writeFile } from "./write.js";
import { openZip, zipOf } from "./zip.js";

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** NumPy has no bfloat16 and no float8: files hold them as bare bytes, which nobody could read back. */
const NAMES: Partial<Record<DType, string>> = {
  bool: "|b1",
  int8: "|i1",
  int16: "<i2",
  int32: "<i4",
  int64: "<i8",
  uint8: "|u1",
  uint16: "<u2",
  uint32: "<u4",
  uint64: "<u8",
  float16: "<f2",
  float32: "<f4",
  float64: "<f8",
};
const DTYPES = new Map(Object.entries(NAMES).map(([dtype, name]) => [name!.slice(1), dtype as DType]));

/** The tensor of a .npy file. Its elements are read when they are first used. */
export async function loadNpy(file: FileInput): Promise<Tensor> {
  return tensorOf(await openSource(file));
}

/** The tensors of a .npz archive by name, each read when it is first used; compressed ones whole. */
export async function loadNpz(file: FileInput): Promise<Record<string, Tensor>> {
  const entries = await openZip(await openSource(file));
  const tensors = [...entries].map(
    async ([name, source]) => [name.replace(/\.npy$/, ""), await tensorOf(source)] as const,
  );
  return Object.fromEntries(await Promise.all(tensors));
}

async function tensorOf(source: FileSource): Promise<Tensor> {
  const { name } = source;
  const start = source.size < 12 ? new Uint8Array(12) : await source.read(0, 12);
  if (!MAGIC.every((byte, i) => start[i] === byte)) throw new FileError(`${name}: no .npy file`);
  const view = new DataView(start.buffer, start.byteOffset);
  const version = start[6];
  if (version < 1 || version > 3)
    throw new FileError(`${name}: version ${version} of the .npy format is not known`);
  const [begin, length] = version === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  if (begin + length > source.size) throw new FileError(`${name}: the header is cut off`);
  const header = new TextDecoder().decode(await source.read(begin, length));
  const { descr, fortran, shape } = parseHeader(header, name);
  const dtype = DTYPES.get(descr.slice(1));
  if (dtype === undefined || (descr[0] === ">" && bytesOf(dtype) > 1))
    throw new FileError(`${name}: elements of NumPy's type ${descr} are not supported`);
  const size = shape.reduce((n, d) => n * d, bytesOf(dtype));
  const data = begin + length;
  if (data + size !== source.size)
    throw new FileError(
      `${name}: ${descr} [${shape}] takes ${size} bytes, but ${source.size - data} follow the header`,
    );
  const stored = fortran ? [...shape].reverse() : shape;
  const tensor = Tensor.ofNode(sourceNode(dtype === "bool" ? asBools(source) : source, data, dtype, stored));
  return fortran ? tensor.permute(shape.map((_, i) => shape.length - 1 - i)) : tensor;
}

/** The header is a dict of three known keys, so nothing else of Python's literals is read. */
function parseHeader(text: string, name: string): { descr: string; fortran: boolean; shape: number[] } {
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(text)?.[1];
  if (descr === undefined || fortran === undefined || shape === undefined)
    throw new FileError(`${name}: the header ${JSON.stringify(text.trim())} is not one of plain numbers`);
  const sizes = shape
    .split(",")
    .map((d) => d.trim())
    .filter((d) => d !== "")
    .map(Number);
  if (!sizes.every(Number.isSafeInteger)) throw new FileError(`${name}: the shape (${shape}) is absurd`);
  return { descr, fortran: fortran === "True", shape: sizes };
}

/**
 * Writes a tensor to a .npy file. bfloat16 and float8, which NumPy lacks, are refused: cast them.
 *
 * @example
 * await saveNpy(`${folder}/x.npy`, Tensor.from([[1, 2], [3, 4]]));
 * await loadNpy(`${folder}/x.npy`); // => [[1, 2], [3, 4]]
 */
export async function saveNpy(path: string, tensor: Tensor): Promise<void> {
  await writeFile(path, [headerOf(tensor), await readNode(tensor.node)]);
}

/**
 * Writes tensors to a .npz archive, uncompressed.
 *
 * @example
 * await saveNpz(`${folder}/xy.npz`, { x: Tensor.from([1, 2]), y: Tensor.zeros([1]) });
 * const { x } = await loadNpz(`${folder}/xy.npz`);
 * x; // => [1, 2]
 */
export async function saveNpz(path: string, tensors: Readonly<Record<string, Tensor>>): Promise<void> {
  const parts = Object.entries(tensors).map(([name, tensor]) => {
    const header = headerOf(tensor);
    return { name: `${name}.npy`, bytes: async () => joined(header, await readNode(tensor.node)) };
  });
  await Tensor.realize(Object.values(tensors));
  await writeFile(path, zipOf(parts));
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function headerOf({ dtype, sizes }: Tensor): Uint8Array {
  const descr = NAMES[dtype];
  if (descr === undefined) throw new FileError(`NumPy has no ${dtype}; cast the tensor to float32 first`);
  const shape = sizes.length === 1 ? `(${sizes[0]},)` : `(${sizes.join(", ")})`;
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  // Spaces, so that the elements start at a multiple of 64.
  const length = Math.ceil((10 + text.length + 1) / 64) * 64;
  const header = new Uint8Array(length).fill(0x20);
  header.set([...MAGIC, 1, 0]);
  new DataView(header.buffer).setUint16(8, length - 10, true);
  header.set(new TextEncoder().encode(text), 10);
  header[length - 1] = 0x0a;
  return header;
}
