// The WebAssembly binary format, as far as kernels need it: integers in LEB128, sections, and a module that imports
// one memory and exports functions of one signature.

/** Instructions or parts of them, byte by byte. */
export type Bytes = readonly number[];

export type WasmType = "i32" | "i64" | "f32" | "f64" | "v128";

const TYPE_CODES: Record<WasmType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };
export const typeCode = (type: WasmType): number => TYPE_CODES[type];

/** Most pages of 64 KiB a memory with 32-bit addresses can have. */
export const MAX_PAGES = 65536;
export const PAGE_BYTES = 65536;

/** An unsigned integer below 2^53. */
export function unsignedLeb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return bytes;
}

/** A signed integer of up to 64 bits. */
export function signedLeb(value: number | bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (;;) {
    const byte = Number(rest & 127n);
    rest >>= 7n;
    const done = (rest === 0n && byte < 64) || (rest === -1n && byte >= 64);
    bytes.push(done ? byte : byte | 128);
    if (done) return bytes;
  }
}

export const float32Bytes = (x: number): number[] => [...new Uint8Array(new Float32Array([x]).buffer)];
export const float64Bytes = (x: number): number[] => [...new Uint8Array(new Float64Array([x]).buffer)];

/** An instruction of the vector set or of the miscellaneous one, whose codes follow a prefix. */
export const vectorCode = (code: number): number[] => [0xfd, ...unsignedLeb(code)];
export const miscellaneousCode = (code: number): number[] => [0xfc, ...unsignedLeb(code)];

/** Runs of locals of one type, in order, as a function's code begins with. */
export function encodeLocals(types: readonly WasmType[]): number[] {
  const runs: { type: WasmType; count: number }[] = [];
  for (const type of types) {
    const last = runs[runs.length - 1];
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  return [...unsignedLeb(runs.length), ...runs.flatMap((r) => [...unsignedLeb(r.count), TYPE_CODES[r.type]])];
}

export interface MemoryImport {
  readonly shared: boolean;
}

/**
 * A module whose functions, exported as "0", "1", ..., take `parameters` and return nothing. Each body is its locals
 * and code with the final `end`.
 */
export function encodeModule(
  bodies: readonly Uint8Array[],
  parameters: readonly WasmType[],
  { shared }: MemoryImport,
): Uint8Array {
  const text = (s: string): number[] => [...unsignedLeb(s.length), ...[...s].map((c) => c.charCodeAt(0))];
  const count = unsignedLeb(bodies.length);
  const signature = [0x60, ...unsignedLeb(parameters.length), ...parameters.map(typeCode), 0];
  const limits = [shared ? 0x03 : 0x01, ...unsignedLeb(1), ...unsignedLeb(MAX_PAGES)];
  const memory = [1, ...text("env"), ...text("memory"), 0x02, ...limits];
  const exported = bodies.flatMap((_, i) => [...text(String(i)), 0x00, ...unsignedLeb(i)]);
  const code: Uint8Array[] = [Uint8Array.from(count)];
  for (const body of bodies) code.push(Uint8Array.from(unsignedLeb(body.length)), body);
  return concatenate([
    Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0),
    section(1, [Uint8Array.from([1, ...signature])]),
    section(2, [Uint8Array.from(memory)]),
    section(3, [Uint8Array.from([...count, ...bodies.map(() => 0)])]),
    section(7, [Uint8Array.from([...count, ...exported])]),
    section(10, code),
  ]);
}

function section(id: number, parts: readonly Uint8Array[]): Uint8Array {
  const content = concatenate(parts);
  return concatenate([Uint8Array.from([id, ...unsignedLeb(content.length)]), content]);
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
