// Tar archives (POSIX ustar): blocks of 512 bytes, a header for each file before its bytes. Only what holds files is
// read: GNU's long names and the extended headers of pax give a file's name.

import { FileError } from "../formats/source.js";

const BLOCK = 512;

const textOf = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
};

/** The files of a tar archive by name, each a view of its bytes. `name` is used in errors. */
export function filesOfTar(archive: Uint8Array, name: string): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) break;
    checkHeader(header, at, name);
    const size = Number.parseInt(textOf(header.subarray(124, 136)).trim() || "0", 8);
    const start = at + BLOCK;
    if (!(start + size <= archive.length))
      throw new FileError(`${name}: the archive is cut off: it ends before the file at byte ${at} does`);
    const data = archive.subarray(start, start + size);
    const kind = String.fromCharCode(header[156]);
    if (kind === "L") longName = textOf(data);
    else if (kind === "x") longName = /\d+ path=(.*)\n/.exec(new TextDecoder().decode(data))?.[1];
    else if (kind !== "g") {
      if (kind === "0" || kind === "\0") files.set(longName ?? nameIn(header), data);
      longName = undefined;
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}

function nameIn(header: Uint8Array): string {
  const prefix = textOf(header.subarray(257, 262)) === "ustar" ? textOf(header.subarray(345, 500)) : "";
  const name = textOf(header.subarray(0, 100));
  return prefix === "" ? name : `${prefix}/${name}`;
}

/** The sum of a header's bytes stands in it, taken with spaces in its own place. */
function checkHeader(header: Uint8Array, at: number, name: string): void {
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  if (Number.parseInt(textOf(header.subarray(148, 156)).trim(), 8) !== sum)
    throw new FileError(`${name}: there is no header of a tar archive at byte ${at}`);
}
