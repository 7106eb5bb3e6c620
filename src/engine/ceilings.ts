// The ceilings of a device, part by part: multiply-adds in registers at each width of vectors, reading from each kind of
// memory, copying; matrix units by the product they are for. `roofline.ts` has the least time for a given piece of work,
// `limits.ts` the two figures that profiles compare with.

import type { Device } from "../device/device.js";
import { binary, bufferNode, castNode, expand, type Node, reduceNode, reshape } from "../graph/node.js";
import { normalise } from "../graph/normalise.js";
import { bytesOf } from "../scalar/dtype.js";
import {
  bestTime,
  copying,
  type Measured,
  measured,
  multiplyAdds,
  prepared,
  reading,
  registers,
  type Task,
} from "./ceiling-kernels.js";
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
        all: (2 * PRODUCT ** 3) / (await timeOf(await productOf(device, dtype), milliseconds)),
      });
  }
  return found;
}

/** Bytes read of a near memory in one run by each thread. */
const NEAR_BYTES = 1 << 28;
const PRODUCT = 1024;

const rate = async (device: Device, task: Task, milliseconds: number): Promise<number> =>
  task.work / (await timeOf(await prepared(device, task), milliseconds));

async function timeOf(measurement: Measured, milliseconds: number): Promise<number> {
  try {
    return await bestTime(measurement, milliseconds);
  } finally {
    measurement.close();
  }
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
