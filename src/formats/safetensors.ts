// Safetensors files: eight bytes with the header's length, a JSON header with each tensor's dtype, shape and place, then
// the elements, little-endian. A file is not trusted: everything its header says is checked before anything is read.

import { readNode, sourceNode } from "../engine/engine.js";
import { bytesOf, type DType } from "../scalar/dtype.js";
import { Tensor } from "../tensor/tensor.js";
import { asBools, type FileInput, type FileSource, openSource } from "./source.js";
import { writeFile } from "./write.js";

const NAMES: Readonly<Record<DType, string>> = {
  bool: "BOOL",
  int8: "I8",
  int16: "I16",
  int32: "I32",
  int64: "I64",
  uint8: "U8",
  uint16: "U16",
  uint32: "U32",
  uint64: "U64",
  float8e4m3: "F8_E4M3",
  float8e5m2: "F8_E5M2",
  float16: "F16",
  bfloat16: "BF16",
  float32: "F32",
  float64: "F64",
};
const DTYPES = new Map(Object.entries(NAMES).map(([dtype, name]) => [name, dtype as DType]));

/** Where the format itself draws the line. */
const MAX_HEADER = 100_000_000;

interface Entry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Place among the elements' bytes, from their start. */
  readonly start: number;
  readonly end: number;
}

export class SafetensorsError extends Error {
  override name = "SafetensorsError";
}

const isRecord = (x: unknown): x is Record<string, unknown> =>
  typeof x === "object" && x !== null && !Array.isArray(x);
const isSize = (x: unknown): x is number => Number.isSafeInteger(x) && (x as number) >= 0;

// --- reading -----------------------------------------------------------------------------------------------------

/**
 * The tensors of a .safetensors file by name. Each reads its own bytes from the file when it is first used, slices of
 * it only theirs; the header is checked whole before.
 *
 * @example
 * await saveSafetensors(`${folder}/x.safetensors`, { weight: Tensor.arange(6).reshape([3, 2]) });
 * const { weight } = await loadSafetensors(`${folder}/x.safetensors`);
 * weight.at(-1); // => [4, 5]
 */
export async function loadSafetensors(file: FileInput): Promise<Record<string, Tensor>> {
  const source = await openSource(file);
  const { entries, data } = await readHeader(source);
  return Object.fromEntries(
    entries.map(({ name, dtype, shape, start }) => {
      const bytes = dtype === "bool" ? asBools(source) : source;
      return [name, Tensor.ofNode(sourceNode(bytes, data + start, dtype, shape))];
    }),
  );
}

/** The free text that a .safetensors file carries beside its tensors. */
export async function loadSafetensorsMetadata(file: FileInput): Promise<Record<string, string>> {
  return (await readHeader(await openSource(file))).metadata;
}

interface Header {
  readonly entries: readonly Entry[];
  readonly metadata: Record<string, string>;
  /** Where the elements start in the file. */
  readonly data: number;
}

async function readHeader(file: FileSource): Promise<Header> {
  const { size, name: path } = file;
  if (size < 8)
    throw new SafetensorsError(`${path}: a .safetensors file has at least 8 bytes, this has ${size}`);
  const prefix = await file.read(0, 8);
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > MAX_HEADER || Number(length) > size - 8) {
    throw new SafetensorsError(
      `${path}: its first 8 bytes give a header of ${length} bytes, but the file has ${size}, and a header at most ` +
        `${MAX_HEADER}; it is cut off or no .safetensors file`,
    );
  }
  const data = 8 + Number(length);
  const text = new TextDecoder("utf-8", { fatal: true });
  let header: unknown;
  let written: string;
  try {
    written = text.decode(await file.read(8, Number(length)));
    header = JSON.parse(written);
  } catch (cause) {
    throw new SafetensorsError(`${path}: the header is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (!isRecord(header)) throw new SafetensorsError(`${path}: the header is not a JSON object`);
  const duplicate = firstDuplicate(topLevelNames(written));
  if (duplicate !== undefined) throw new SafetensorsError(`${path}: the name ${duplicate} is there twice`);
  const { __metadata__: metadata = {}, ...tensors } = header;
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== "string"))
    throw new SafetensorsError(`${path}: __metadata__ must hold texts only`);
  const entries = Object.entries(tensors).map(([name, entry]) => checkEntry(path, name, entry));
  checkPlaces(path, entries, size - data);
  return { entries, metadata: metadata as Record<string, string>, data };
}

function checkEntry(path: string, name: string, entry: unknown): Entry {
  const fail = (message: string): never => {
    throw new SafetensorsError(`${path}: tensor ${name} ${message}`);
  };
  if (!isRecord(entry)) return fail("has no description");
  const { dtype: given, shape, data_offsets: offsets } = entry;
  const dtype = DTYPES.get(given as string);
  if (dtype === undefined) return fail(`has the unknown dtype ${JSON.stringify(given)}`);
  if (!Array.isArray(shape) || !shape.every(isSize)) return fail(`has the shape ${JSON.stringify(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0] > offsets[1])
    return fail(`has the offsets ${JSON.stringify(offsets)}`);
  const [start, end] = offsets as [number, number];
  const bytes = shape.reduce((n: number, d: number) => n * d, bytesOf(dtype));
  if (end - start !== bytes)
    return fail(`of ${given} [${shape}] takes ${bytes} bytes, but its offsets span ${end - start}`);
  return { name, dtype, shape, start, end };
}

/** Tensors lie one after the other, without gaps or overlaps, up to the end of the file. */
function checkPlaces(path: string, entries: readonly Entry[], available: number): void {
  let end = 0;
  let before = "the header";
  for (const entry of [...entries].sort((a, b) => a.start - b.start || a.end - b.end)) {
    if (entry.start !== end) {
      const how = entry.start < end ? "overlaps" : "leaves a gap after";
      throw new SafetensorsError(`${path}: tensor ${entry.name} ${how} ${before}`);
    }
    ({ end, name: before } = entry);
  }
  if (end !== available) {
    throw new SafetensorsError(
      `${path}: its tensors take ${end} bytes, but ${available} follow the header; ` +
        (end > available ? "the file is cut off" : "there is something behind them"),
    );
  }
}

const firstDuplicate = (names: readonly string[]): string | undefined =>
  new Set(names).size === names.length ? undefined : names.find((name, i) => names.indexOf(name) !== i);

/** Names in a JSON object, which JSON.parse would make one of where they are equal. The text is valid JSON. */
function topLevelNames(json: string): string[] {
  const names: string[] = [];
  let depth = 0;
  for (const match of json.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g)) {
    const [token, colon] = match;
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else if (colon !== undefined && depth === 1) names.push(JSON.parse(token.slice(0, -colon.length)));
  }
  return names;
}

// --- writing -----------------------------------------------------------------------------------------------------

/**
 * Writes tensors to a .safetensors file, which gets its name when it is whole.
 *
 * @example
 * const model = new nn.Linear(3, 2);
 * await saveSafetensors(`${folder}/model.safetensors`, nn.stateDict(model), { metadata: { epoch: "3" } });
 * await loadSafetensorsMetadata(`${folder}/model.safetensors`); // => { epoch: "3" }
 */
export async function saveSafetensors(
  path: string,
  tensors: Readonly<Record<string, Tensor>>,
  { metadata }: { readonly metadata?: Readonly<Record<string, string>> } = {},
): Promise<void> {
  if (Object.hasOwn(tensors, "__metadata__"))
    throw new SafetensorsError("a tensor cannot have the name __metadata__; give metadata as an option");
  // Wide elements first: then each tensor starts at a multiple of its item size, as those who map files like it.
  const sorted = Object.entries(tensors).sort(([, a], [, b]) => bytesOf(b.dtype) - bytesOf(a.dtype));
  const header = headerOf(sorted, metadata);
  // What one tensor needs of another is computed once.
  await Tensor.realize(sorted.map(([, tensor]) => tensor));
  await writeFile(path, pieces(header, sorted));
}

async function* pieces(
  header: Uint8Array,
  tensors: readonly (readonly [string, Tensor])[],
): AsyncGenerator<Uint8Array> {
  yield header;
  for (const [, tensor] of tensors) yield readNode(tensor.node);
}

function headerOf(
  tensors: readonly (readonly [string, Tensor])[],
  metadata: Readonly<Record<string, string>> | undefined,
): Uint8Array {
  let end = 0;
  const entries = tensors.map(([name, tensor]) => {
    const start = end;
    end += tensor.size * bytesOf(tensor.dtype);
    return [name, { dtype: NAMES[tensor.dtype], shape: tensor.sizes, data_offsets: [start, end] }];
  });
  const head = metadata === undefined ? [] : [["__metadata__", metadata]];
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries([...head, ...entries])));
  // Spaces, so that the elements start at a multiple of 8.
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  header.set(json, 8);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  return header;
}
