// Reading files of datasets whole, packed by gzip or not.

import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { messageOf } from "../data/dataset.js";
import { FileError } from "../formats/source.js";

/** Bytes, unpacked if they are a gzip file's. `name` is used in errors. */
export function unpacked(bytes: Uint8Array, name: string): Uint8Array {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (cause) {
    throw new FileError(`${name}: cannot be unpacked: ${messageOf(cause)}`, { cause });
  }
}

/** A file's bytes, unpacked. */
export function readFile(path: string | URL): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new FileError(`${path} cannot be read: ${messageOf(cause)}`, { cause });
  }
  return unpacked(bytes, String(path));
}

/** The path of the first of some files that a folder holds; `names` in the order of preference. */
export function findFile(folder: string, names: readonly string[]): string {
  let present: Set<string>;
  try {
    present = new Set(readdirSync(folder));
  } catch (cause) {
    throw new FileError(`the folder ${folder} cannot be read: ${messageOf(cause)}`, { cause });
  }
  const found = names.find((name) => present.has(name));
  if (found === undefined) throw new FileError(`${folder} holds no file ${names.join(" or ")}`);
  return join(folder, found);
}

/** The folder of an installed npm package; undefined if it is not installed. */
export function packageFolder(name: string): string | undefined {
  // From this module first; then from the working directory, for a program that has the package to itself.
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    try {
      return dirname(createRequire(from).resolve(`${name}/package.json`));
    } catch {
      // The next place.
    }
  }
  return undefined;
}
