// Files kept between processes, named by the hash of what they were made from.
//
// Several processes may use one directory: a file appears under its name only when complete, and each ends in its own
// checksum, so that a truncated or damaged one counts as absent and is made again.

import { createHash, randomUUID } from "node:crypto";
import {
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheDirectory } from "../cache-directory.js";

const MAGIC = Buffer.from("brisc-1\n");
const TRAILER_BYTES = MAGIC.length + 32;

const checksum = (content: Uint8Array): Buffer => createHash("sha256").update(content).digest();

export class DiskCache {
  readonly directory: string;

  constructor(directory = cacheDirectory()) {
    this.directory = usableDirectory(directory);
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
    let file: Buffer;
    try {
      file = readFileSync(this.path(name));
    } catch {
      return undefined;
    }
    const end = file.length - TRAILER_BYTES;
    if (end < 0) return undefined;
    const content = file.subarray(0, end);
    const trailer = file.subarray(end);
    const intact = trailer.subarray(0, MAGIC.length).equals(MAGIC);
    return intact && trailer.subarray(MAGIC.length).equals(checksum(content)) ? content : undefined;
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
  }

  /** Gives a file a second name, replacing what was there. */
  alias(existing: string, name: string): void {
    const temporary = this.temporaryPath();
    try {
      try {
        linkSync(this.path(existing), temporary);
      } catch {
        copyFileSync(this.path(existing), temporary);
      }
      renameSync(temporary, this.path(name));
    } finally {
      rmSync(temporary, { force: true });
    }
  }

  remove(name: string): void {
    rmSync(this.path(name), { force: true });
  }
}

/** The directory, made if need be; where it cannot be written, a fresh one that serves this process alone. */
function usableDirectory(wanted: string): string {
  try {
    mkdirSync(wanted, { recursive: true, mode: 0o700 });
    const probe = join(wanted, `.${process.pid}-${randomUUID()}`);
    writeFileSync(probe, "");
    rmSync(probe);
    return wanted;
  } catch {
    return mkdtempSync(join(tmpdir(), "brisc-"));
  }
}
