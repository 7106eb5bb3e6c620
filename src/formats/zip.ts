// Zip archives (APPNOTE 6.3.10, with Zip64): where each entry's bytes lie, so that stored entries are read by ranges like
// files of their own; and archives of stored entries written one after the other. Compressed entries are inflated by the
// platform's DecompressionStream.

import { FileError, type FileSource } from "./source.js";

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const [STORED, DEFLATED] = [0, 8];
/** Means: look into the Zip64 field. */
const WIDE = 0xffffffff;
/** The end record is followed by a comment of at most 65,535 bytes. */
const MAX_END = 22 + 0xffff;
/** Bytes of a directory beyond which a file is not believed. */
const MAX_DIRECTORY = 1 << 28;

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly flags: number;
  readonly compressed: number;
  readonly size: number;
  /** Of its local header. */
  readonly offset: number;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** A 64-bit number that an offset or a size must be able to be. */
function wide(view: DataView, at: number, name: string): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw new FileError(`${name}: a size of ${value} bytes is absurd`);
  return Number(value);
}

/** The entries of a zip archive by name, each a source of its own. */
export async function openZip(file: FileSource): Promise<Map<string, FileSource>> {
  const entries = await readDirectory(file);
  const sources = new Map<string, FileSource>();
  for (const entry of entries) {
    if (entry.name.endsWith("/")) continue;
    if (sources.has(entry.name)) throw new FileError(`${file.name}: the entry ${entry.name} is there twice`);
    sources.set(entry.name, entrySource(file, entry));
  }
  return sources;
}

async function readDirectory(file: FileSource): Promise<Entry[]> {
  const { name, size } = file;
  const fail = (what: string): never => {
    throw new FileError(`${name}: ${what}; it is cut off or no zip archive`);
  };
  const start = Math.max(0, size - MAX_END);
  const tail = await file.read(start, size - start);
  const view = viewOf(tail);
  let end = tail.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== END) end--;
  if (end < 0) return fail("it has no end record");
  let count = view.getUint16(end + 10, true);
  let length = view.getUint32(end + 12, true);
  let offset = view.getUint32(end + 16, true);
  if (end >= 20 && view.getUint32(end - 20, true) === LOCATOR64) {
    const record = viewOf(await file.read(wide(view, end - 12, name), 56));
    if (record.getUint32(0, true) !== END64) return fail("its Zip64 end record is not where it should be");
    [count, length, offset] = [32, 40, 48].map((at) => wide(record, at, name));
  }
  if (length > MAX_DIRECTORY || offset + length > size) return fail("its directory does not lie in the file");
  const directory = await file.read(offset, length);
  const fields = viewOf(directory);
  const entries: Entry[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > length || fields.getUint32(at, true) !== CENTRAL)
      return fail(`entry ${i} of ${count} is damaged`);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((p) => fields.getUint16(at + p, true));
    const next = at + 46 + nameLength + extraLength + commentLength;
    if (next > length) return fail(`entry ${i} of ${count} is damaged`);
    const entry = {
      name: new TextDecoder().decode(directory.subarray(at + 46, at + 46 + nameLength)),
      flags: fields.getUint16(at + 8, true),
      method: fields.getUint16(at + 10, true),
      compressed: fields.getUint32(at + 20, true),
      size: fields.getUint32(at + 24, true),
      offset: fields.getUint32(at + 42, true),
    };
    widen(entry, fields, at + 46 + nameLength, extraLength, name);
    if (entry.offset + entry.compressed > size) return fail(`entry ${entry.name} does not lie in the file`);
    entries.push(entry);
    at = next;
  }
  return entries;
}

/** Puts in the 64-bit numbers of the Zip64 field, which holds those whose 32-bit fields are full, in this order. */
function widen(
  entry: { size: number; compressed: number; offset: number },
  view: DataView,
  from: number,
  length: number,
  name: string,
): void {
  for (let at = from; at + 4 <= from + length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    const end = Math.min(at + 4 + view.getUint16(at + 2, true), from + length);
    let place = at + 4;
    for (const field of ["size", "compressed", "offset"] as const) {
      if (entry[field] !== WIDE) continue;
      if (place + 8 > end) throw new FileError(`${name}: a Zip64 field is too short`);
      entry[field] = wide(view, place, name);
      place += 8;
    }
  }
}

function entrySource(file: FileSource, entry: Entry): FileSource {
  const name = `${file.name}: ${entry.name}`;
  const { method, size, compressed } = entry;
  if ((entry.flags & 1) !== 0) throw new FileError(`${name} is encrypted, which is not supported`);
  if (method !== STORED && method !== DEFLATED)
    throw new FileError(`${name} is compressed by method ${method}; only deflate is supported`);
  let start: Promise<number> | undefined;
  const stored = async (offset: number, length: number): Promise<Uint8Array> => {
    start ??= dataStart(file, entry);
    return file.read((await start) + offset, length);
  };
  let inflated: Promise<Uint8Array> | undefined;
  return {
    name,
    size,
    async read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > size)
        throw new FileError(`${name}: bytes ${offset} to ${offset + length} do not lie in its ${size} bytes`);
      if (method === STORED) return stored(offset, length);
      // Parts of it are usually asked for one after the other.
      inflated ??= stored(0, compressed).then((bytes) => inflate(bytes, size, name));
      return (await inflated).slice(offset, offset + length);
    },
  };
}

/** The local header repeats the name and has an extra field of its own, whose length only it knows. */
async function dataStart(file: FileSource, { offset, name, compressed }: Entry): Promise<number> {
  const header = viewOf(await file.read(offset, 30));
  const start = offset + 30 + header.getUint16(26, true) + header.getUint16(28, true);
  if (header.getUint32(0, true) !== LOCAL || start + compressed > file.size)
    throw new FileError(`${file.name}: the bytes of ${name} are not where the directory says`);
  return start;
}

/** Never more than `size` bytes, whatever the compressed ones would become. */
async function inflate(bytes: Uint8Array, size: number, name: string): Promise<Uint8Array> {
  const result = new Uint8Array(size);
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream("deflate-raw"));
  let done = 0;
  try {
    for await (const part of stream as unknown as AsyncIterable<Uint8Array>) {
      if (done + part.length > size) throw new FileError("it is longer than the directory says");
      result.set(part, done);
      done += part.length;
    }
  } catch (cause) {
    throw new FileError(`${name} cannot be inflated: ${(cause as Error).message}`, { cause });
  }
  if (done !== size)
    throw new FileError(`${name} inflates to ${done} bytes, not the ${size} of the directory`);
  return result;
}

// --- writing -----------------------------------------------------------------------------------------------------

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit++) c = (c >>> 1) ^ ((c & 1) * 0xedb88320);
  return c;
});

function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) c = CRC_TABLE[(c ^ bytes[i]) & 255] ^ (c >>> 8);
  return ~c >>> 0;
}

/** One file of an archive to be written. */
export interface ZipPart {
  readonly name: string;
  bytes(): Promise<Uint8Array>;
}

/** The pieces of an archive of stored entries, in order; each part is asked for when its turn comes. */
export async function* zipOf(parts: readonly ZipPart[]): AsyncGenerator<Uint8Array> {
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const part of parts) {
    const bytes = await part.bytes();
    const name = new TextEncoder().encode(part.name);
    const crc = crc32(bytes);
    const local = entryHeader(LOCAL, name, crc, bytes.length, 0);
    directory.push(entryHeader(CENTRAL, name, crc, bytes.length, offset));
    yield local;
    yield bytes;
    offset += local.length + bytes.length;
  }
  yield* directory;
  const length = directory.reduce((n, entry) => n + entry.length, 0);
  yield endRecords(directory.length, length, offset);
}

/** Sizes and the offset always stand in the Zip64 field: one form, whatever they are. */
function entryHeader(
  signature: number,
  name: Uint8Array,
  crc: number,
  size: number,
  offset: number,
): Uint8Array {
  const central = signature === CENTRAL;
  const fixed = central ? 46 : 30;
  const extra = central ? 28 : 20;
  const header = new Uint8Array(fixed + name.length + extra);
  const view = viewOf(header);
  view.setUint32(0, signature, true);
  const at = central ? 6 : 4;
  if (central) view.setUint16(4, 45, true);
  view.setUint16(at, 45, true);
  // The name is UTF-8; the time the earliest a zip archive knows, so that equal contents make equal files.
  view.setUint16(at + 2, 0x0800, true);
  view.setUint16(at + 8, 0x21, true);
  view.setUint32(at + 10, crc, true);
  view.setUint32(at + 14, WIDE, true);
  view.setUint32(at + 18, WIDE, true);
  view.setUint16(at + 22, name.length, true);
  view.setUint16(at + 24, extra, true);
  if (central) view.setUint32(42, WIDE, true);
  header.set(name, fixed);
  const field = fixed + name.length;
  view.setUint16(field, 1, true);
  view.setUint16(field + 2, extra - 4, true);
  view.setBigUint64(field + 4, BigInt(size), true);
  view.setBigUint64(field + 12, BigInt(size), true);
  if (central) view.setBigUint64(field + 20, BigInt(offset), true);
  return header;
}

function endRecords(count: number, length: number, offset: number): Uint8Array {
  const records = new Uint8Array(56 + 20 + 22);
  const view = viewOf(records);
  view.setUint32(0, END64, true);
  view.setBigUint64(4, 44n, true);
  view.setUint16(12, 45, true);
  view.setUint16(14, 45, true);
  view.setBigUint64(24, BigInt(count), true);
  view.setBigUint64(32, BigInt(count), true);
  view.setBigUint64(40, BigInt(length), true);
  view.setBigUint64(48, BigInt(offset), true);
  view.setUint32(56, LOCATOR64, true);
  view.setBigUint64(64, BigInt(offset + length), true);
  view.setUint32(72, 1, true);
  view.setUint32(76, END, true);
  view.setUint16(84, Math.min(count, 0xffff), true);
  view.setUint16(86, Math.min(count, 0xffff), true);
  view.setUint32(88, WIDE, true);
  view.setUint32(92, WIDE, true);
  return records;
}
