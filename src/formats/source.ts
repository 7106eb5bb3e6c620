// Where files come from: a path, a URL, bytes in memory, a Blob. All are read by ranges, so that a file is never in
// memory whole; tensors of a file keep its source and read their own range when they are first used.

import type { ByteSource } from "../engine/engine.js";

/** A path or file: URL, an http(s) URL, or the bytes themselves. */
export type FileInput = string | URL | Uint8Array | ArrayBuffer | Blob;

/** A file's bytes by ranges. */
export interface FileSource extends ByteSource {
  /** For messages. */
  readonly name: string;
  readonly size: number;
}

export class FileError extends Error {
  override name = "FileError";
}

/** Bytes in one call of the operating system, which takes no more than 2 GiB. */
const MAX_READ = 1 << 30;

/** Opens a file for reading by ranges. Nothing but its size is read yet. */
export async function openSource(input: FileInput): Promise<FileSource> {
  if (input instanceof Uint8Array) return bytesSource(input);
  if (input instanceof ArrayBuffer) return bytesSource(new Uint8Array(input));
  if (typeof Blob === "function" && input instanceof Blob) return blobSource(input);
  const url = /^https?:/i.test(String(input));
  return url ? urlSource(String(input)) : pathSource(input as string | URL);
}

/** Checks that a range lies in the file, whose header may have said anything. */
function checkRange(name: string, size: number, offset: number, length: number): void {
  if (offset < 0 || length < 0 || offset + length > size)
    throw new FileError(`${name}: bytes ${offset} to ${offset + length} do not lie in its ${size} bytes`);
}

/** The same bytes with 1 for every byte that is not 0: others may write any byte for true. */
export const asBools = (source: ByteSource): ByteSource => ({
  read: async (offset, length) => (await source.read(offset, length)).map((byte) => (byte === 0 ? 0 : 1)),
});

function bytesSource(bytes: Uint8Array): FileSource {
  const name = "the given bytes";
  return {
    name,
    size: bytes.byteLength,
    async read(offset, length) {
      checkRange(name, bytes.byteLength, offset, length);
      return bytes.slice(offset, offset + length);
    },
  };
}

function blobSource(blob: Blob): FileSource {
  const name = "name" in blob ? String(blob.name) : "the given blob";
  return {
    name,
    size: blob.size,
    async read(offset, length) {
      checkRange(name, blob.size, offset, length);
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
  };
}

/** Servers that know ranges are asked for ranges; of others the whole is fetched, once. */
async function urlSource(url: string): Promise<FileSource> {
  const ask = async (range: string): Promise<Response> => {
    const response = await fetch(url, { headers: { range } });
    if (!response.ok)
      throw new FileError(`${url}: the server answers ${response.status} ${response.statusText}`);
    return response;
  };
  const first = await ask("bytes=0-0");
  const whole = /\/(\d+)$/.exec(first.headers.get("content-range") ?? "")?.[1];
  if (first.status !== 206 || whole === undefined) {
    return { ...bytesSource(new Uint8Array(await first.arrayBuffer())), name: url };
  }
  await first.body?.cancel();
  const size = Number(whole);
  return {
    name: url,
    size,
    async read(offset, length) {
      checkRange(url, size, offset, length);
      if (length === 0) return new Uint8Array(0);
      const response = await ask(`bytes=${offset}-${offset + length - 1}`);
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (response.status !== 206 || bytes.length !== length)
        throw new FileError(`${url}: asked for ${length} bytes at ${offset}, got ${bytes.length}`);
      return bytes;
    },
  };
}

/** Files that nobody reads from any more are closed when they are collected. */
const closing = new FinalizationRegistry<() => void>((close) => close());

/**
 * A file stays open as long as a tensor may want to read from it: its name may meanwhile go to another file. One that
 * was changed in place or cut off is an error; it was never mapped, so it cannot take the process with it.
 */
async function pathSource(path: string | URL): Promise<FileSource> {
  const fs = await import("node:fs");
  const name = String(path);
  const { promisify } = await import("node:util");
  const [open, read, stat] = [promisify(fs.open), promisify(fs.read), promisify(fs.fstat)];
  const fd = await open(path, "r");
  const opened = await stat(fd);
  const source: FileSource = {
    name,
    size: opened.size,
    async read(offset, length) {
      checkRange(name, opened.size, offset, length);
      const now = await stat(fd);
      if (now.size !== opened.size || now.mtimeMs !== opened.mtimeMs)
        throw new FileError(`${name}: the file was changed since it was opened`);
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await read(fd, bytes, done, Math.min(MAX_READ, length - done), offset + done);
        if (bytesRead === 0) throw new FileError(`${name}: the file ends at byte ${offset + done}`);
        done += bytesRead;
      }
      return bytes;
    },
  };
  closing.register(source, () => fs.close(fd));
  return source;
}
