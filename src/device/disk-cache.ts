// Files kept between processes, named by the hash of what they were made from.
//
// Several processes may use one directory: a file appears under its name only when complete, and each ends in its own
// checksum, so that a truncated or damaged one counts as absent and is made again. A file's time of change says when
// it was last used; when all together exceed the limit, those unused for longest go.

import { createHash, randomUUID } from "node:crypto";
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheDirectory } from "./cache-directory.js";

const MAGIC = Buffer.from("brisc-1\n");
const TRAILER_BYTES = MAGIC.length + 32;

/** What this cache writes; the directory holds other files, which are none of its business. */
const OWN = /^(?:(?:runtime|toolchain\d+)-)?[0-9a-f]{32,}(?:\.\w+)?$/;
/** A file being made, by which process. */
const UNFINISHED = /^\.\d+-[0-9a-f-]{36}$/;

const HOUR = 3_600_000;
/** What is left when a cache is trimmed, so that it is not trimmed again soon. */
const KEPT_SHARE = 0.75;

const checksum = (content: Uint8Array): Buffer => createHash("sha256").update(content).digest();

/** The name of what is made from these texts. */
export function contentHash(...texts: readonly string[]): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}\n`).update(text);
  return hash.digest("hex").slice(0, 32);
}

export class DiskCache {
  readonly directory: string;
  /** Bytes written since it was last looked how many there are in all. */
  private written = Number.POSITIVE_INFINITY;

  /** Where the directory cannot be written, a fresh one serves this process alone. */
  constructor(
    directory = cacheDirectory(),
    /** Bytes of all files together. */
    readonly limit = limitFromEnvironment(),
  ) {
    this.directory = canWrite(directory) ? directory : mkdtempSync(join(tmpdir(), "brisc-"));
  }

  /** The cache in a directory that outlives this process; undefined where it cannot be written. */
  static lasting(directory = cacheDirectory()): DiskCache | undefined {
    return canWrite(directory) ? new DiskCache(directory) : undefined;
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** A name for a file still being made, on the same file system. */
  temporaryPath(): string {
    return this.path(`.${process.pid}-${randomUUID()}`);
  }

  /** The content, or undefined if there is none or it is damaged. */
  read(name: string): Buffer | undefined {
    const path = this.path(name);
    let file: Buffer;
    try {
      file = readFileSync(path);
    } catch {
      return undefined;
    }
    const end = file.length - TRAILER_BYTES;
    if (end < 0) return undefined;
    const content = file.subarray(0, end);
    const trailer = file.subarray(end);
    const intact = trailer.subarray(0, MAGIC.length).equals(MAGIC);
    if (!intact || !trailer.subarray(MAGIC.length).equals(checksum(content))) return undefined;
    noteUse(path);
    return content;
  }

  has(name: string): boolean {
    return this.read(name) !== undefined;
  }

  /** Puts content under a name, replacing what was there. */
  write(name: string, content: Uint8Array): void {
    const temporary = this.temporaryPath();
    try {
      writeFileSync(temporary, Buffer.concat([content, MAGIC, checksum(content)]));
      renameSync(temporary, this.path(name));
    } finally {
      rmSync(temporary, { force: true });
    }
    this.written += content.length + TRAILER_BYTES;
    if (this.written > this.limit / 16) this.trim();
  }

  /** Removes what was not used for longest until the files are within the limit, and what ended processes left. */
  trim(): void {
    this.written = 0;
    const files = this.files();
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    if (total <= this.limit) return;
    for (const { path, bytes } of files.sort((a, b) => a.used - b.used)) {
      if (total <= this.limit * KEPT_SHARE) break;
      rmSync(path, { force: true });
      total -= bytes;
    }
  }

  size(): { files: number; bytes: number } {
    const files = this.files();
    return { files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  clear(): void {
    for (const { path } of this.files()) rmSync(path, { force: true });
  }

  private files(): { path: string; bytes: number; used: number }[] {
    const files: { path: string; bytes: number; used: number }[] = [];
    for (const name of readdirSync(this.directory)) {
      const unfinished = UNFINISHED.test(name);
      if (!unfinished && !OWN.test(name)) continue;
      const path = this.path(name);
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat === undefined) continue;
      if (!unfinished) files.push({ path, bytes: stat.size, used: stat.mtimeMs });
      else if (stat.mtimeMs < Date.now() - HOUR) rmSync(path, { force: true });
    }
    return files;
  }
}

/** Marks a file as used now, once an hour: order matters over days. */
function noteUse(path: string): void {
  try {
    const now = Date.now();
    if (statSync(path).mtimeMs < now - HOUR) utimesSync(path, now / 1000, now / 1000);
  } catch {
    // Removed meanwhile, or not ours to mark.
  }
}

/** BRISC_CACHE_MB, else 1024. */
function limitFromEnvironment(): number {
  const text = process.env.BRISC_CACHE_MB;
  const megabytes = text === undefined || text === "" ? 1024 : Number(text);
  if (megabytes >= 0) return megabytes * 2 ** 20;
  throw new RangeError(`BRISC_CACHE_MB is "${text}"; it must be a number of at least 0`);
}

/** Makes the directory if need be. */
function canWrite(directory: string): boolean {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
