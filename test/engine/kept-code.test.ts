// Code kept between processes: a device made anew stands for a later process.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createCpuDevice } from "../../src/device/cpu/device.js";
import type { Device } from "../../src/device/device.js";
import { createWasmDevice } from "../../src/device/wasm/device.js";
import { registerDevice } from "../../src/engine/devices.js";
import { type BoundVariable, jit, Tensor, Variable } from "../../src/index.js";

type Options = { readonly cacheDirectory: string; readonly build: string; readonly threads?: number };
const MAKERS: Record<string, (options: Options) => Promise<Device>> = {
  cpu: createCpuDevice,
  wasm: createWasmDevice,
};
const directory = mkdtempSync(join(tmpdir(), "brisc-kept-"));
const hasCpu = await createCpuDevice({ cacheDirectory: directory }).then(
  (device) => device.close().then(() => true),
  () => false,
);
const devices: Device[] = [];
afterAll(async () => {
  for (const device of devices) await device.close();
  rmSync(directory, { recursive: true, force: true });
});

let processes = 0;
const length = new Variable("length", 1, 37);

/** What a fresh device computes, and the names of the kernels that it had to compile. */
async function run(name: string, options: Options): Promise<{ results: number[][]; compiled: string[] }> {
  const device = await MAKERS[name](options);
  devices.push(device);
  const compiled: string[] = [];
  const compile = device.compile.bind(device);
  device.compile = (programs, keys) => {
    compiled.push(...programs.map((program) => program.name));
    return compile(programs, keys);
  };
  const called = `${name}-process-${processes++}`;
  registerDevice(called, async () => device);
  const x = Tensor.arange(37 * 41)
    .cast("float32")
    .reshape([37, 41])
    .div(100)
    .contiguous();
  const tensors = [
    x.softmax(1),
    x.matmul(x.transpose(0, 1)).relu(),
    x.sum(),
    x.cast("float16").exp().cast("float32"),
  ];
  const results: number[][] = [];
  for (const tensor of tensors) results.push([...((await tensor.data({ device: called })) as Float32Array)]);
  // One kernel for all lengths.
  const total = jit((y: Tensor, n: BoundVariable) => y.shrink([[0, n.variable.dim]]).sum(1), {
    device: called,
  });
  for (const n of [19, 20])
    results.push([...((await (await total(x, length.bind(n))).data()) as Float32Array)]);
  return { results, compiled };
}

describe.each(["cpu", "wasm"].filter((name) => name !== "cpu" || hasCpu))("code kept by %s", (name) => {
  const fresh = (): string => mkdtempSync(join(directory, "cache-"));

  test("is found by a later process, which compiles nothing and computes the same", async () => {
    const options = { cacheDirectory: fresh(), build: "a" };
    const first = await run(name, options);
    expect(first.compiled.length).toBeGreaterThanOrEqual(5);
    const second = await run(name, options);
    expect(second.compiled).toEqual([]);
    expect(second.results).toEqual(first.results);
  });

  test("is not that of another build, nor of another target", async () => {
    const cacheDirectory = fresh();
    const { compiled, results } = await run(name, { cacheDirectory, build: "a" });
    expect((await run(name, { cacheDirectory, build: "b" })).compiled).toEqual(compiled);
    const others = await run(name, { cacheDirectory, build: "a", threads: 7 });
    expect(others.compiled).toEqual(compiled);
    others.results.forEach((values, i) => {
      values.forEach((value, j) => {
        expect(value).toBeCloseTo(results[i][j], 3);
      });
    });
  });

  test("42. counts as absent where it is damaged or gone, and is made again", async () => {
    const options = { cacheDirectory: fresh(), build: "a" };
    const { compiled, results } = await run(name, options);
    const damage: ((content: Buffer) => Buffer)[] = [
      (content) => content.subarray(0, content.length >> 1),
      (content) => {
        content[content.length >> 2] ^= 0x55;
        return content;
      },
    ];
    const endings = name === "cpu" ? [".code", ".so"] : [".code"];
    for (const spoil of damage) {
      for (const ending of endings) {
        for (const file of readdirSync(options.cacheDirectory)) {
          if (!file.endsWith(ending) || file.startsWith("runtime")) continue;
          const path = join(options.cacheDirectory, file);
          const content = readFileSync(path);
          // Removed first: an object is mapped into this process, and must not change under it.
          rmSync(path);
          writeFileSync(path, spoil(content));
        }
        expect(await run(name, options)).toEqual({ compiled, results });
        expect((await run(name, options)).compiled).toEqual([]);
      }
    }
    for (const file of readdirSync(options.cacheDirectory)) {
      if (file.endsWith(endings[endings.length - 1])) rmSync(join(options.cacheDirectory, file));
    }
    expect(await run(name, options)).toEqual({ compiled, results });
  });
});
