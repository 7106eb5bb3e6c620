// Searches on a device: what is found is stored, used, and shipped as a file; nothing in such a file can do harm.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { Target } from "../../src/device/target.js";
import { configure } from "../../src/engine/config.js";
import { keepSchedule, scheduleFromStore } from "../../src/engine/schedules.js";
import {
  jit,
  loadSchedules,
  type ScheduleSearchProgress,
  saveSchedules,
  setDefaultDevice,
  Tensor,
} from "../../src/index.js";
import type { Kernel } from "../../src/kernel/ir.js";
import { parseKernel } from "../../src/kernel/parse.js";
import { printKernel } from "../../src/kernel/print.js";
import type { Action } from "../../src/schedule/actions/action.js";
import { cpuTarget } from "../schedule/workloads.js";

const folder = mkdtempSync(join(tmpdir(), "brisc-search-"));
const path = (name: string): string => join(folder, name);

interface Entry {
  kernel: string;
  target: string;
  name: string;
  beam: number;
  actions?: unknown[];
}
const schedulesIn = (file: string): Entry[] => JSON.parse(readFileSync(path(file), "utf8")).schedules;
const write = (file: string, schedules: unknown): void =>
  writeFileSync(path(file), JSON.stringify({ format: "brisc schedules 1", schedules }));

interface Product {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly sum: readonly number[];
  run(a: Tensor, b: Tensor): Tensor;
}

/** Large enough for a search to be worth it. */
const [ROWS, DEPTH] = [200, 100];

/** A product whose kernel no other test has met. */
async function product(columns: number): Promise<Product> {
  const numbers = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => i % 7);
  const [left, right] = [numbers(ROWS * DEPTH), numbers(DEPTH * columns)];
  const sum = Array.from({ length: ROWS * columns }, (_, at) => {
    const [i, j] = [Math.floor(at / columns), at % columns];
    return Array.from({ length: DEPTH }, (_, k) => left[i * DEPTH + k] * right[k * columns + j]).reduce(
      (x, y) => x + y,
    );
  });
  const [a, b] = [Tensor.from(left).reshape([ROWS, DEPTH]), Tensor.from(right).reshape([DEPTH, columns])];
  return { a, b, sum, run: (x, y) => x.matmul(y) };
}

/** What is said on standard error meanwhile. */
async function said(run: () => Promise<unknown>): Promise<string> {
  const lines: string[] = [];
  const spy = vi.spyOn(console, "error").mockImplementation((line: string) => {
    lines.push(line);
  });
  configure({ debug: 3 });
  await run();
  configure({ debug: 0 });
  spy.mockRestore();
  return lines.join("\n");
}

beforeAll(() => {
  process.env.BRISC_CACHE_DIR = folder;
  configure({ schedules: "stored" });
  setDefaultDevice("wasm");
});
afterEach(() => configure({ debug: 0, beam: 0 }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a search", () => {
  it("computes the same, tells how far it is, and stores what it found", async () => {
    const { a, b, run, sum } = await product(24);
    const steps: ScheduleSearchProgress[] = [];
    const found = jit(run, { search: { beam: 2, seed: 3, onProgress: (step) => steps.push(step) } });
    expect(await (await found(a, b)).data()).toEqual(Float32Array.from(sum));
    expect(steps.length).toBeGreaterThan(1);
    for (const { best, heuristic, done, total } of steps) {
      expect(best).toBeLessThanOrEqual(heuristic);
      expect(done).toBeLessThanOrEqual(total);
    }
    expect(steps[steps.length - 1]).toMatchObject({ done: 1, total: 1, kernel: "r_200_24" });
    expect(schedulesIn("schedules.json")).toMatchObject([{ name: "r_200_24", beam: 2 }]);
  });

  it("is not made twice, but for a wider one", async () => {
    const { a, b, run } = await product(24);
    const steps: ScheduleSearchProgress[] = [];
    const onProgress = (step: ScheduleSearchProgress): unknown => steps.push(step);
    await jit(run, { search: { beam: 2, onProgress } })(a, b);
    expect(steps).toEqual([]);
    await jit(run, { search: { beam: 3, onProgress } })(a, b);
    expect(steps.length).toBeGreaterThan(0);
  });

  it("is asked for by BEAM for all that is computed", async () => {
    configure({ beam: 1 });
    const { a, b, run, sum } = await product(23);
    expect(await run(a, b).data()).toEqual(Float32Array.from(sum));
    expect(schedulesIn("schedules.json").map(({ name }) => name)).toContain("r_200_23");
  });

  it("ends at a signal: the call rejects with its reason, and later ones work", async () => {
    const { a, b, run, sum } = await product(25);
    const controller = new AbortController();
    const onProgress = (): void => controller.abort(new Error("enough"));
    const search = { beam: 2, signal: controller.signal, onProgress };
    const refused = jit(run, { search })(a, b).then(() => "done");
    await expect(refused).rejects.toThrow("enough");
    expect(await (await jit(run)(a, b)).data()).toEqual(Float32Array.from(sum));
  });

  it("ends when its time is up, and computes with what it has", async () => {
    const { a, b, run, sum } = await product(26);
    const out = await jit(run, { search: { beam: 4, budgetMs: 0 } })(a, b);
    expect(await out.data()).toEqual(Float32Array.from(sum));
    expect(schedulesIn("schedules.json").map(({ name }) => name)).not.toContain("r_200_26");
  });

  it("refuses a beam that is no whole number", async () => {
    const { a, b, run } = await product(27);
    await expect(jit(run, { search: 1.5 })(a, b)).rejects.toThrow("whole number, not 1.5");
    await expect(jit(run, { search: { beam: 1, budgetMs: -1 } })(a, b)).rejects.toThrow("budgetMs");
  });
});

describe("a file of schedules", () => {
  const target = cpuTarget(32, 16, 2);
  const kernelOf = (size: number): Kernel =>
    parseKernel(`kernel any(out: float32[${size}], a: float32[${size}]) {
      for i in ${size} { store out[i] = neg(a[i]) } }`);
  const BY_FIVE: Action[] = [{ action: "split", loop: "i", factor: 5, tail: "peel" }];
  const result = { name: "any", beam: 1, nanoseconds: 1, heuristicNanoseconds: 2 };

  /** What a machine that searched the kernel of a size would have stored. */
  async function entryFor(size: number, actions: unknown): Promise<Record<string, unknown>> {
    await keepSchedule(printKernel(kernelOf(size)), cpuTarget(32, 16, 64), {
      ...result,
      actions: actions as Action[],
    });
    await saveSchedules(path("all.json"));
    const all = schedulesIn("all.json");
    return all[all.length - 1] as unknown as Record<string, unknown>;
  }
  const scheduleOf = (size: number, on: Target = target): readonly Action[] | undefined =>
    scheduleFromStore(kernelOf(size), on)?.actions;

  it("is used on machines with the same vectors, whatever the kernel's name", async () => {
    write("own.json", [await entryFor(40, BY_FIVE)]);
    expect(scheduleOf(40)).toBeUndefined();
    expect(await loadSchedules(path("own.json"))).toBe(1);
    expect(scheduleOf(40)).toEqual(BY_FIVE);
    expect(scheduleFromStore({ ...kernelOf(40), name: "other" }, target)?.actions).toEqual(BY_FIVE);
    expect(scheduleOf(41)).toBeUndefined();
    expect(scheduleOf(40, cpuTarget(64, 32, 2))).toBeUndefined();
  });

  it("comes after what was found on this very machine", async () => {
    const own: Action[] = [{ action: "parallel", loop: "i" }];
    write("own.json", [await entryFor(50, BY_FIVE)]);
    await keepSchedule(printKernel(kernelOf(50)), target, { ...result, actions: own });
    await loadSchedules(path("own.json"));
    expect(scheduleOf(50)).toEqual(own);
  });

  it("does no harm where its actions do not apply", async () => {
    const wrong = [
      [{ action: "split", loop: "nothing", factor: 5, tail: "peel" }],
      [{ action: "split", loop: "i", factor: 0, tail: "peel" }],
      [{ action: "vectorize", loop: "i" }],
      [{ action: "dance", loop: "i" }],
      [{ action: "split" }],
      [{ action: "stage", buffer: "a", at: 7, order: 3 }],
    ];
    for (const [n, actions] of wrong.entries()) {
      const entry = await entryFor(60 + n, actions);
      write("wrong.json", [entry]);
      expect(await loadSchedules(path("wrong.json"))).toBe(1);
      const words = await said(async () => expect(scheduleOf(60 + n)).toBeUndefined());
      expect(words).toContain("any is left aside");
    }
  });

  it("is used in computing", async () => {
    const { a, b, run, sum } = await product(31);
    await jit(run, { search: 1 })(a, b);
    const own = schedulesIn("schedules.json").find(({ name }) => name === "r_200_31")!;
    write("own.json", [{ ...own, actions: [{ action: "split", loop: "k0", factor: 5, tail: "peel" }] }]);
    // As another process would: it knows nothing but the file.
    vi.resetModules();
    const other = await import("../../src/index.js");
    const { configure: configureOther } = await import("../../src/engine/config.js");
    configureOther({ schedules: "stored", device: "wasm" });
    rmSync(path("schedules.json"));
    await other.loadSchedules(path("own.json"));
    const [x, y] = [other.Tensor.from(await a.data()), other.Tensor.from(await b.data())];
    configureOther({ debug: 3 });
    const words = await said(async () => {
      const out = x.reshape([ROWS, DEPTH]).matmul(y.reshape([DEPTH, 31]));
      expect(await out.data()).toEqual(Float32Array.from(sum));
    });
    expect(words).toContain("schedule r_200_31: split(k0, 5, peel)");
  });

  it("may be given as bytes, and says what is wrong if it is something else", async () => {
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
    await expect(loadSchedules(bytes("{"))).rejects.toThrow("no file of schedules");
    await expect(loadSchedules(bytes('{"format": "other"}'))).rejects.toThrow('not "brisc schedules 1"');
    await expect(loadSchedules(bytes('{"format": "brisc schedules 1"}'))).rejects.toThrow("no list");
    expect(await loadSchedules(bytes('{"format": "brisc schedules 1", "schedules": [1, {}, null]}'))).toBe(0);
  });

  it("in the cache directory may be damaged: it is left aside", async () => {
    writeFileSync(path("schedules.json"), "{ damaged");
    const words = await said(() => entryFor(70, BY_FIVE));
    expect(words).toContain("schedules.json is left aside");
    expect(schedulesIn("schedules.json").length).toBeGreaterThan(0);
  });
});
