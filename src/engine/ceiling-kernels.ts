// Small kernels, written in the text of the IR, that do nothing but what is to be measured: multiply-adds in registers,
// reading, writing, copying; and the stopwatch for them.

import type { CommandList, Device } from "../device/device.js";
import { clearArena } from "../kernel/ir.js";
import { parseKernel } from "../kernel/parse.js";
import { lowerKernel } from "../lower/lower.js";

/** A kernel's text, the bytes of its parameters, and the operations or bytes of one run. */
export interface Task {
  readonly text: string;
  readonly bytes: readonly number[];
  readonly work: number;
}

/** Runs once, and gives its nanoseconds. */
export interface Measured {
  run(): Promise<number>;
  close(): void;
}

const STEPS = 1 << 20;

/** Sums at a time: enough to hide an addition's latency, and few enough to stay in registers. */
export const registers = ({ vectorRegisters }: Device["target"]): number => (vectorRegisters >= 32 ? 16 : 10);

export function multiplyAdds(lanes: number, sums: number, threads: number): Task {
  const each = (body: string): string =>
    `for j in ${sums} unroll { for l in ${lanes} vectorize { ${body} } }`;
  const at = `acc[j*${lanes} + l]`;
  const text = `kernel multiply_adds(out: float32[${threads * sums * lanes}], x: float32[${sums}]) {
    for t in ${threads} parallel {
      alloc local acc: float32[${sums * lanes}]
      ${each(`store ${at} = x[j]`)}
      for k in ${STEPS} { ${each(`store ${at} = add(mul(${at}, x[0]), x[1])`)} }
      ${each(`store out[t*${sums * lanes} + j*${lanes} + l] = ${at}`)}
    } }`;
  return { text, bytes: [threads * sums * lanes * 4, sums * 4], work: 2 * STEPS * sums * lanes * threads };
}

export function reading(lanes: number, size: number, times: number, threads: number): Task {
  const block = 8 * lanes;
  const blocks = Math.max(1, Math.floor(size / block));
  const rounds = Math.max(1, Math.floor(times));
  const each = (body: string): string => `for j in 8 unroll { for l in ${lanes} vectorize { ${body} } }`;
  const at = `acc[j*${lanes} + l]`;
  const text = `kernel reading(out: float32[${threads * block}], x: float32[${threads * blocks * block}]) {
    for t in ${threads} parallel {
      alloc local acc: float32[${block}]
      ${each(`store ${at} = float32:0`)}
      for r in ${rounds} { for k in ${blocks} {
        ${each(`store ${at} = add(${at}, x[t*${blocks * block} + k*${block} + j*${lanes} + l])`)} } }
      ${each(`store out[t*${block} + j*${lanes} + l] = ${at}`)}
    } }`;
  const bytes = threads * blocks * block * 4;
  return { text, bytes: [threads * block * 4, bytes], work: bytes * rounds };
}

export function copying(lanes: number, size: number, threads: number, store: "store" | "stream"): Task {
  const block = 4 * lanes;
  const blocks = Math.floor(size / block);
  const place = `t*${blocks * block} + k*${block} + j*${lanes} + l`;
  const elements = threads * blocks * block;
  const text = `kernel copying(out: float32[${elements}], x: float32[${elements}]) {
    for t in ${threads} parallel { for k in ${blocks} {
      for j in 4 unroll { for l in ${lanes} vectorize { ${store} out[${place}] = x[${place}] } } } } }`;
  return { text, bytes: [elements * 4, elements * 4], work: 2 * elements * 4 };
}

/** Bytes that a piece of `moving` reads and writes, about. */
const PIECE_BYTES = 1 << 17;

/**
 * Reads about so many bytes and writes so many, and does nothing else: of each piece, some ranges are read beside one
 * another and summed; the sum is written to other ranges, or, where little is written, once at the end of the piece.
 */
export function moving(lanes: number, read: number, written: number, store: "store" | "stream"): Task {
  const [sources, targets] = proportion(read, written);
  const vectors = Math.max(1, Math.floor(8 / (sources + targets)));
  const width = vectors * lanes;
  const stepBytes = 4 * (sources + targets) * width;
  const pieces = Math.max(1, Math.round((read + written) / PIECE_BYTES));
  const steps = Math.max(1, Math.round((read + written) / (pieces * stepBytes)));
  const range = steps * width;
  const each = (n: number, body: string): string =>
    n === 0
      ? ""
      : `for i in ${n} unroll { for j in ${vectors} unroll { for l in ${lanes} vectorize { ${body} } } }`;
  const here = (ranges: number): string => `p*${ranges * range} + i*${range} + k*${width} + j*${lanes} + l`;
  const sums = targets === 0 ? sources : 1;
  const sum = (i: string): string => `acc[${i}*${width} + j*${lanes} + l]`;
  const total = sum(targets === 0 ? "i" : "0");
  const clear = each(sums, `store ${sum("i")} = float32:0`);
  const add = each(sources, `store ${total} = add(${total}, x[${here(sources)}])`);
  const write = each(targets, `${store} out[${here(targets)}] = ${sum("0")}`);
  const end = each(sums, `store out[p*${sums * width} + i*${width} + j*${lanes} + l] = ${sum("i")}`);
  const inner = (body: string): string => `for k in ${steps} { ${body} }`;
  const body = targets === 0 ? clear + inner(add) + end : inner(clear + add + write);
  const out = pieces * (targets === 0 ? sums * width : targets * range);
  const x = Math.max(lanes, pieces * sources * range);
  return {
    text: `kernel moving(out: float32[${out}], x: float32[${x}]) {
      for p in ${pieces} parallel { alloc local acc: float32[${sums * width}] ${body} } }`,
    bytes: [4 * out, 4 * x],
    work: pieces * steps * stepBytes,
  };
}

/** Numbers of ranges read and written, at most eight of each, whose proportion is near that of these bytes. */
function proportion(read: number, written: number): readonly [sources: number, targets: number] {
  if (16 * written < read) return [8, 0];
  if (16 * read < written) return [0, 4];
  let best: readonly [number, number] = [1, 1];
  const off = ([r, w]: readonly [number, number]): number => Math.abs(Math.log((r * written) / (w * read)));
  for (let r = 1; r <= 8; r++) for (let w = 1; w <= 8; w++) if (off([r, w]) < off(best) - 0.02) best = [r, w];
  return best;
}

export async function prepared(device: Device, { text, bytes }: Task): Promise<Measured> {
  clearArena();
  const [executable] = await device.compile([lowerKernel(parseKernel(text), device.target)], [undefined]);
  const list = device.prepare([{ kind: "launch", executable, slots: [0, 1], symbols: [] }]);
  return measured(device, bytes, list);
}

export function measured(device: Device, bytes: readonly number[], list: CommandList): Measured {
  const buffers = bytes.map((size) => {
    const buffer = device.allocate(size);
    device.write(buffer, new Uint8Array(size));
    return buffer;
  });
  return {
    run: async () => (await device.submitTimed(list, buffers, [])).reduce((sum, time) => sum + time, 0),
    close: () => {
      for (const buffer of buffers) device.release(buffer);
    },
  };
}

/** Nanoseconds of the fastest run. */
export async function bestTime(measurement: Measured, milliseconds: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  const end = performance.now() + milliseconds;
  // The first run meets fresh pages and sleeping threads.
  await measurement.run();
  do best = Math.min(best, await measurement.run());
  while (performance.now() < end);
  return best;
}
