// Tiles of matrix units as devices run them, over all values of small integers and over floats, against the
// interpreter of the kernel as it was written. Units that this machine lacks are left out, which is said.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createCpuDevice } from "../../src/device/cpu/device.js";
import { createWasmDevice } from "../../src/device/wasm/device.js";
import type { Device } from "../../src/device/device.js";
import { parseKernel } from "../../src/kernel/parse.js";
import { printKernel } from "../../src/kernel/print.js";
import { lowerKernel } from "../../src/lower/lower.js";
import { bytesOf, type DType } from "../../src/scalar/dtype.js";
import { scheduleKernel } from "../../src/schedule/schedule.js";
import { difference, type Parameters, runKernel } from "../schedule/compare.js";

const directory = mkdtempSync(join(tmpdir(), "brisc-tiles-"));
const devices = new Map<string, Device>();
for (const units of ["amx", "vnni", "none"]) {
  try {
    const device = await createCpuDevice({ cacheDirectory: directory, threads: 2, units });
    devices.set(units, device);
    if (units !== "none" && device.target.units?.length === 0) {
      console.log(`tiles of ${units} are not tested: this machine has none, or its system allows none`);
      devices.delete(units);
      await device.close();
    }
  } catch (error) {
    console.log(`tiles of the cpu device are not tested: ${(error as Error).message}`);
  }
}
try {
  devices.set("dot", await createWasmDevice({ threads: 1 }));
} catch (error) {
  console.log(`tiles of WebAssembly are not tested: ${(error as Error).message}`);
}
afterAll(async () => {
  for (const device of devices.values()) await device.close();
  rmSync(directory, { recursive: true, force: true });
});

const product = (
  rows: number,
  depth: number,
  columns: number,
  left: DType,
  right: DType,
  sums: DType,
): string =>
  `kernel product(a: ${left}[${rows * depth}], b: ${right}[${depth * columns}], c: ${sums}[${rows * columns}]) {
  for i in ${rows} { for j in ${columns} {
    alloc local acc: ${sums}[1]
    store acc[0] = ${sums}:0
    for k in ${depth} {
      accumulate add acc[0] = mul(cast.${sums}(a[i*${depth} + k]), cast.${sums}(b[k*${columns} + j]))
    }
    store c[i*${columns} + j] = acc[0]
  } } }`;

/** All bytes there are, in an order without pattern; as halves of floats, numbers of about 1. */
function operands(text: string): Parameters {
  let state = 1;
  return parseKernel(text).params.map(({ dtype, size }) => {
    const bytes = new Uint8Array(size.max * bytesOf(dtype));
    for (let i = 0; i < bytes.length; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      bytes[i] = dtype === "bfloat16" && i % 2 === 1 ? 0x3f | (state & 0x80) : state >>> 24;
    }
    return bytes;
  });
}

async function runOn(device: Device, text: string, memory: Parameters): Promise<Parameters> {
  const kernel = parseKernel(text);
  const scheduled = scheduleKernel(kernel, device.target);
  const tiled = printKernel(scheduled.kernel).includes(" tile ");
  expect(tiled).toBe(device.target.units?.length !== 0);
  const program = lowerKernel(scheduled.kernel, device.target, kernel);
  const [executable] = await device.compile([program]);
  const buffers = [...program.params, ...program.scratch].map((buffer, i) => {
    const held = device.allocate(buffer.size.max * bytesOf(buffer.dtype));
    if (memory[i] !== undefined) device.write(held, memory[i]);
    return held;
  });
  const slots = buffers.map((_, i) => i);
  device.submit(device.prepare([{ kind: "launch", executable, slots, symbols: [] }]), buffers, []);
  await device.idle();
  const results = await Promise.all(
    program.params.map((_, i) => device.read(buffers[i], 0, memory[i].byteLength)),
  );
  for (const buffer of buffers) device.release(buffer);
  return results;
}

const CASES: readonly [units: string, left: DType, right: DType, sums: DType][] = [
  ["amx", "bfloat16", "bfloat16", "float32"],
  ["amx", "int8", "int8", "int32"],
  ["amx", "uint8", "int8", "int32"],
  ["amx", "uint8", "uint8", "int32"],
  ["vnni", "int8", "int8", "int32"],
  ["vnni", "uint8", "int8", "int32"],
  ["dot", "int8", "int8", "int32"],
  ["dot", "uint8", "int8", "int32"],
  ["dot", "int16", "int16", "int32"],
  ["none", "int8", "int8", "int32"],
];

describe("products of matrices by tiles", () => {
  test.skipIf(devices.size === 0).each(CASES)("%s: %s x %s", async (units, left, right, sums) => {
    const device = devices.get(units);
    if (device === undefined) return;
    for (const [rows, depth, columns] of [
      [64, 128, 64],
      [37, 90, 129],
      [5, 1001, 60],
    ]) {
      const text = product(rows, depth, columns, left, right, sums);
      const memory = operands(text);
      const kernel = parseKernel(text);
      const actual = await runOn(device, text, memory);
      expect(difference(kernel, runKernel(kernel, memory), actual)).toBeUndefined();
    }
  });
});
