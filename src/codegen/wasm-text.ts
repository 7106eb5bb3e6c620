// Kernels' WebAssembly as text for people to read: an instruction a line, indented by blocks.

import { SCALAR, SCALAR_LOADS, SCALAR_STORES, V128, VECTOR, VECTOR_ACCESS } from "./wasm-opcodes.js";
import type { AccessCode } from "./wasm-opcodes.js";
import { type Bytes, typeCode, vectorCode, type WasmType } from "./wasm-encoder.js";

/** What follows an opcode. */
type Immediate =
  | "local"
  | "depth"
  | "block"
  | "integer"
  | "f32"
  | "f64"
  | "v128"
  | "shuffle"
  | "lane"
  | "memory";
interface Instruction {
  readonly name: string;
  readonly immediates: readonly Immediate[];
}

/** Reads the code of one function (locals, then instructions). */
export function printFunction(body: Uint8Array): string {
  const reader = new Reader(body);
  const lines: string[] = [];
  const locals: string[] = [];
  for (let runs = reader.unsigned(); runs > 0; runs--) {
    const count = reader.unsigned();
    locals.push(`${count} ${typeName(reader.byte())}`);
  }
  if (locals.length > 0) lines.push(`locals ${locals.join(", ")}`);
  let depth = 0;
  while (!reader.atEnd) {
    const first = reader.byte();
    const key = first === 0xfd || first === 0xfc ? (first << 16) + reader.unsigned() : first;
    const instruction = INSTRUCTIONS.get(key);
    if (instruction === undefined) throw new Error(`unknown WebAssembly opcode 0x${key.toString(16)}`);
    const { name, immediates } = instruction;
    if (name === "end" || name === "else") depth--;
    const parts = immediates.map((immediate) => reader.immediate(immediate)).filter((text) => text !== "");
    lines.push(["  ".repeat(Math.max(0, depth)) + name, ...parts].join(" "));
    if (name === "else" || immediates[0] === "block") depth++;
  }
  lines.pop(); // the function's own end
  return lines.join("\n");
}

const TYPES: readonly WasmType[] = ["i32", "i64", "f32", "f64", "v128"];
/** The name of a type's code; the block type of no result has none. */
const typeName = (code: number): string => TYPES.find((type) => typeCode(type) === code) ?? "";

class Reader {
  private at = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.at === this.bytes.length;
  }

  byte(): number {
    return this.bytes[this.at++];
  }

  unsigned(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  private signed(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(Number(shift) + 7, value);
    }
  }

  private skip(bytes: number): number {
    this.at += bytes;
    return this.at - bytes;
  }

  immediate(kind: Immediate): string {
    switch (kind) {
      case "local":
        return `$${this.unsigned()}`;
      case "depth":
      case "lane":
        return String(this.unsigned());
      case "block":
        return typeName(this.byte());
      case "integer":
        return String(this.signed());
      case "f32":
        return String(this.view.getFloat32(this.skip(4), true));
      case "f64":
        return String(this.view.getFloat64(this.skip(8), true));
      case "v128": {
        const start = this.skip(16);
        const words = [0, 4, 8, 12].map((i) => this.view.getUint32(start + i, true));
        return words.map((word) => `0x${word.toString(16).padStart(8, "0")}`).join(" ");
      }
      case "shuffle": {
        const start = this.skip(16);
        return this.bytes.subarray(start, start + 16).join(" ");
      }
      case "memory": {
        this.byte(); // alignment
        const offset = this.unsigned();
        return offset === 0 ? "" : `offset=${offset}`;
      }
    }
  }
}

const INSTRUCTIONS = new Map<number, Instruction>();

function define(code: number | Bytes, name: string, ...immediates: readonly Immediate[]): void {
  const bytes = typeof code === "number" ? [code] : code;
  const reader = new Reader(Uint8Array.from(bytes.slice(1)));
  const key = bytes.length > 1 ? (bytes[0] << 16) + reader.unsigned() : bytes[0];
  if (!INSTRUCTIONS.has(key)) INSTRUCTIONS.set(key, { name, immediates });
}

define(0x02, "block", "block");
define(0x03, "loop", "block");
define(0x04, "if", "block");
define(0x05, "else");
define(0x0b, "end");
define(0x0d, "br_if", "depth");
define(0x1b, "select");
define(0x20, "local.get", "local");
define(0x21, "local.set", "local");
define(0x22, "local.tee", "local");
define(0x41, "i32.const", "integer");
define(0x42, "i64.const", "integer");
define(0x43, "f32.const", "f32");
define(0x44, "f64.const", "f64");
define(V128.constant, "v128.const", "v128");
define(V128.shuffle, "i8x16.shuffle", "shuffle");
for (const [name, code] of Object.entries(V128)) {
  if (Array.isArray(code)) define(code, `v128.${name}`);
  else
    for (const [sign, signed] of Object.entries(code as Record<string, Bytes>))
      define(signed, `${name}_${sign}`);
}
for (const [shape, table] of Object.entries(SCALAR)) {
  for (const [name, code] of Object.entries(table)) define(code, `${shape}.${name}`);
}
for (const [shape, table] of Object.entries(VECTOR)) {
  const lanes = shape.endsWith("32") ? 4 : 2;
  for (const [name, code] of Object.entries(table)) {
    const immediates: Immediate[] = name === "extract" || name === "replace" ? ["lane"] : [];
    define(vectorCode(code), `${shape}x${lanes}.${name}`, ...immediates);
  }
}
for (const to of ["i32", "i64"]) {
  for (const [n, from] of ["f32_s", "f32_u", "f64_s", "f64_u"].entries()) {
    define([0xfc, (to === "i32" ? 0 : 4) + n], `${to}.from_${from}`);
  }
}
for (const [kind, table] of [
  ["load", SCALAR_LOADS],
  ["store", SCALAR_STORES],
] as const) {
  for (const [dtype, access] of Object.entries(table))
    define(access.code, `${access.type}.${kind}_${dtype}`, "memory");
}
for (const [name, entry] of Object.entries(VECTOR_ACCESS)) {
  const accesses: Record<string, AccessCode> = "code" in entry ? { "": entry } : entry;
  const lane: Immediate[] = name === "loadLane" || name === "storeLow" ? ["lane"] : [];
  for (const [suffix, access] of Object.entries(accesses)) {
    define(access.code, `v128.${name}${suffix === "" ? "" : `_${suffix}`}`, "memory", ...lane);
  }
}
