// The ceilings of a device, part by part, measured by small kernels written in the text of the IR: multiply-adds in
// registers at each width of vectors, reading from each kind of memory, copying; matrix units by the product they are for.
// `limits.ts` has the two figures that profiles compare with.

import type { Device } from "../device/device.js";
import { binary, bufferNode, castNode, expand, type Node, reduceNode, reshape } from "../graph/node.js";
import { normalise } from "../graph/normalise.js";
import { clearArena } from "../kernel/ir.js";
import { parseKernel } from "../kernel/parse.js";
import { lowerKernel } from "../lower/lower.js";
import { bytesOf } from "../scalar/dtype.js";
import { planFor } from "./plan.js";

export interface Ceiling {
  readonly name: string;
  readonly unit: "GFLOP/s" | "GB/s" | "Gop/s";
  /** By one thread; absent where that was not measured. */
  readonly one?: number;
  /** By all threads; absent where the machine lacks what would be measured, or may not say. */
  readonly all?: number;
}

export interface CeilingOptions {
  /** Of measuring each figure; default 200. */
  readonly milliseconds?: number;
  /** Stops between two figures; those measured are given. */
  readonly signal?: AbortSignal;
  /** Called with each figure when it is known. */
  readonly onCeiling?: (ceiling: Ceiling) => void;
}

/** Measures a device's ceilings, some seconds in all. */
export async function measureCeilings(
  device: Device,
  { milliseconds = 200, signal, onCeiling }: CeilingOptions = {},
): Promise<Ceiling[]> {
  const { target } = device;
  const found: Ceiling[] = [];
  const note = (ceiling: Ceiling): void => {
    found.push(ceiling);
    onCeiling?.(ceiling);
  };
  const threads = target.threads;
  const both = async (
    name: string,
    unit: Ceiling["unit"],
    make: (threads: number) => Task,
  ): Promise<void> => {
    if (signal?.aborted) return;
    const [one, all] = [
      await rate(device, make(1), milliseconds),
      await rate(device, make(threads), milliseconds),
    ];
    note({ name, unit, one, all });
  };
  for (let bytes = 16; bytes <= target.vectorBytes; bytes *= 2) {
    await both(`multiply-adds, ${bytes * 8} bits`, "GFLOP/s", (n) =>
      multiplyAdds(bytes / 4, registers(target), n),
    );
  }
  const lanes = Math.max(1, target.vectorBytes / 4);
  const near: [string, number][] = [
    ["first-level cache", target.l1Bytes / 2],
    ["second-level cache", target.l2Bytes / 2],
  ];
  for (const [place, bytes] of near) {
    await both(`reading, ${place}`, "GB/s", (n) => reading(lanes, bytes / 4, NEAR_BYTES / bytes, n));
  }
  for (const [place, bytes] of [
    ["64 MiB again and again", 64 << 20],
    ["512 MiB", 512 << 20],
  ] as const) {
    await both(`reading, ${place}`, "GB/s", (n) => reading(lanes, bytes / 4 / n, 1, n));
  }
  await both("copying 256 MiB", "GB/s", (n) => copying(lanes, (256 << 20) / 4 / n, n, "store"));
  if (target.language === "c")
    await both("copying 256 MiB past the caches", "GB/s", (n) =>
      copying(lanes, (256 << 20) / 4 / n, n, "stream"),
    );
  for (const { kind, dtype } of [
    { kind: "amx", dtype: "bfloat16" },
    { kind: "amx", dtype: "int8" },
    { kind: "vnni", dtype: "int8" },
  ] as const) {
    if (target.language !== "c" || signal?.aborted) continue;
    // The unit that the compiler takes is the best: a lesser one is measured when it is alone.
    const units = (target.units ?? []).filter(({ left }) => left === dtype);
    const name = `${dtype} product of 1024, ${kind}`;
    const unit = dtype === "int8" ? "Gop/s" : "GFLOP/s";
    if (units[0]?.kind !== kind) note({ name, unit });
    else
      note({
        name,
        unit,
        all: (2 * PRODUCT ** 3) / (await bestTime(await productOf(device, dtype), milliseconds)),
      });
  }
  return found;
}

// ---------------------------------------------------------------------------------------------------------------
// What is measured

/** A kernel's text, the bytes of its parameters, and the operations or bytes of one run. */
interface Task {
  readonly text: string;
  readonly bytes: readonly number[];
  readonly work: number;
}

/** Bytes read of a near memory in one run by each thread. */
const NEAR_BYTES = 1 << 28;
const STEPS = 1 << 20;
const PRODUCT = 1024;

/** Sums at a time: enough to hide an addition's latency, and few enough to stay in registers. */
const registers = ({ vectorRegisters }: Device["target"]): number => (vectorRegisters >= 32 ? 16 : 10);

function multiplyAdds(lanes: number, sums: number, threads: number): Task {
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

function reading(lanes: number, size: number, times: number, threads: number): Task {
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

function copying(lanes: number, size: number, threads: number, store: "store" | "stream"): Task {
  const block = 4 * lanes;
  const blocks = Math.floor(size / block);
  const place = `t*${blocks * block} + k*${block} + j*${lanes} + l`;
  const elements = threads * blocks * block;
  const text = `kernel copying(out: float32[${elements}], x: float32[${elements}]) {
    for t in ${threads} parallel { for k in ${blocks} {
      for j in 4 unroll { for l in ${lanes} vectorize { ${store} out[${place}] = x[${place}] } } } } }`;
  return { text, bytes: [elements * 4, elements * 4], work: 2 * elements * 4 };
}

// ---------------------------------------------------------------------------------------------------------------
// Measuring

/** Runs once, and gives its nanoseconds. */
interface Measured {
  run(): Promise<number>;
  close(): void;
}

async function rate(device: Device, task: Task, milliseconds: number): Promise<number> {
  return task.work / (await bestTime(await prepared(device, task), milliseconds));
}

async function prepared(device: Device, { text, bytes }: Task): Promise<Measured> {
  clearArena();
  const [executable] = await device.compile([lowerKernel(parseKernel(text), device.target)], [undefined]);
  const list = device.prepare([{ kind: "launch", executable, slots: [0, 1], symbols: [] }]);
  return measured(device, bytes, list);
}

/** A product of two square matrices, as the compiler schedules it. */
async function productOf(device: Device, dtype: "int8" | "bfloat16"): Promise<Measured> {
  const n = PRODUCT;
  const bytes = n * n * bytesOf(dtype);
  const sums = dtype === "int8" ? "int32" : "float32";
  const operand = (shape: readonly number[]): Node =>
    expand(reshape(castNode(bufferNode(dtype, [n, n], { bytes }), sums), shape), [n, n, n]);
  const root = reduceNode(binary("mul", operand([n, 1, n]), operand([1, n, n])), "add", [2]);
  const plan = await planFor(normalise([root]), device);
  return measured(device, [bytes, bytes, ...plan.outputBytes, ...plan.temporaryBytes], plan.list);
}

function measured(device: Device, bytes: readonly number[], list: ReturnType<Device["prepare"]>): Measured {
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
async function bestTime(measurement: Measured, milliseconds: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  const end = performance.now() + milliseconds;
  // The first run meets fresh pages and sleeping threads.
  await measurement.run();
  do best = Math.min(best, await measurement.run());
  while (performance.now() < end);
  measurement.close();
  return best;
}
