// PyTorch's checkpoints: what torch.save wrote, read as data; whatever else a file may hold is refused.

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { loadTorch, setDefaultDevice, Tensor, type TorchValue } from "../../src/index.js";
import { FileError } from "../../src/formats/source.js";
import { unpickle } from "../../src/formats/pickle.js";

const file = (name: string): URL => new URL(`../fixtures/files/${name}`, import.meta.url);
beforeAll(() => setDefaultDevice("interpreter"));

type Dict<V = TorchValue> = Record<string, V>;
const load = async (): Promise<Dict<Dict>> => (await loadTorch(file("checkpoint.pt"))) as Dict<Dict>;

describe("a checkpoint", () => {
  it("has its tensors by name, and one for those that are tied", async () => {
    const { model } = (await load()) as Dict<Dict<Tensor>>;
    expect(Object.keys(model)).toEqual(["weight", "tied", "bias"]);
    expect(model.tied).toBe(model.weight);
    expect(await model.weight.tolist()).toEqual([
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9, 10, 11],
    ]);
    expect(await model.bias.tolist()).toEqual([0, 0.5, 1, 1.5]);
  });

  it("has views as they looked", async () => {
    const { parts } = (await load()) as Dict<Dict<Tensor>>;
    const lists = Object.fromEntries(
      await Promise.all(Object.entries(parts).map(async ([name, x]) => [name, await x.tolist()] as const)),
    );
    expect(lists).toMatchObject({
      transposed: [
        [0, 3],
        [1, 4],
        [2, 5],
      ],
      part: [
        [8, 9, 10],
        [14, 15, 16],
      ],
      strided: [1, 4, 7],
      expanded: [
        [0, 0],
        [1, 1],
        [2, 2],
      ],
      scalar: 2.5,
      empty: [],
    });
    expect(parts.empty.shape).toEqual([0, 3]);
    expect(await parts.permuted.at(3, 1).tolist()).toEqual([15, 19, 23]);
  });

  it("has every dtype", async () => {
    const { dtypes } = (await load()) as Dict<Dict<Tensor>>;
    for (const [name, x] of Object.entries(dtypes)) {
      expect(x.dtype).toBe(name.replace("_e4m3fn", "e4m3").replace("_e5m2", "e5m2"));
      expect(await x.int().tolist()).toEqual([0, 1, 1, 0]);
    }
  });

  it("has plain data beside them", async () => {
    expect((await load()).rest).toEqual({
      step: 7,
      lr: 1e-3,
      name: "né",
      none: null,
      flag: true,
      list: [1, 2.5, [3, "x"]],
      "5": 2n ** 70n,
      size: [2, 3],
    });
  });

  it("may be an optimiser's", async () => {
    const { state } = (await loadTorch(file("optimiser.pt"))) as Dict<Dict<Dict<Tensor>>>;
    expect(state[0].exp_avg.shape).toEqual([2, 3]);
    expect(await state[1].exp_avg.tolist()).toEqual([0.1, 0.1].map(Math.fround));
  });
});

describe("what is refused", () => {
  it("objects of Python, by their name", async () => {
    await expect(loadTorch(file("module.pt"))).rejects.toThrow(
      /holds torch\.nn\.modules.*save model\.state_dict/,
    );
  });
  it("files of PyTorch before 1.6", async () => {
    await expect(loadTorch(file("legacy.pt"))).rejects.toThrow("before 1.6");
  });
  it("calls of anything, which are never made", () => {
    const stream = Buffer.from("cposix\nsystem\n(S'true'\ntR.", "latin1");
    const names = { persistent: () => undefined };
    const global = (module: string, name: string): never => {
      throw new Error(`${module}.${name} is asked for`);
    };
    expect(() => unpickle(stream, { ...names, global })).toThrow("posix.system is asked for");
  });
  it("keys do not reach prototypes", () => {
    const stream = Buffer.from("(dV__proto__\n(dVx\nI1\nss.", "latin1");
    const names = { persistent: () => undefined, global: (): never => expect.unreachable() };
    const dict = unpickle(stream, names) as Record<string, unknown>;
    expect(Object.keys(dict)).toEqual(["__proto__"]);
    expect(dict.x).toBeUndefined();
  });

  it("damaged files, with a reason: 3,000 mutations", { timeout: 120_000 }, async () => {
    const whole = new Uint8Array(readFileSync(file("optimiser.pt")));
    let state = 1;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let refused = 0;
    for (let i = 0; i < 3000; i++) {
      let bytes = whole.slice();
      if (i % 3 === 0) bytes = bytes.subarray(0, random(bytes.length));
      else for (let k = random(8); k >= 0; k--) bytes[random(bytes.length)] = random(256);
      try {
        const value = await loadTorch(bytes);
        for (const x of tensorsIn(value)) await x.data();
      } catch (error) {
        refused++;
        expect(error).toBeInstanceOf(FileError);
      }
    }
    expect(refused).toBeGreaterThan(1000);
  });
});

function tensorsIn(value: unknown): Tensor[] {
  const found: Tensor[] = [];
  const waiting = [value];
  const seen = new Set<unknown>();
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (next instanceof Tensor) found.push(next);
    else if (typeof next === "object" && next !== null && !seen.has(next)) {
      seen.add(next);
      waiting.push(...Object.values(next));
    }
  }
  return found;
}
