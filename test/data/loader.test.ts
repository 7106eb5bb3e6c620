// DataLoader on one thread: what batches hold, in which order, what is loaded ahead, and how it ends.

import { describe, expect, it, vi } from "vitest";
import { DataError, DataLoader, manualSeed, Tensor, tensorDataset } from "../../src/index.js";

const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
};
const numbers = (length: number) => Array.from({ length }, (_, i) => i);
/** The samples of an epoch, batch by batch. */
const epoch = async (loader: AsyncIterable<Tensor>) =>
  Promise.all((await all(loader)).map(async (batch) => (await batch.tolist()) as number[]));
const pause = (milliseconds = 1) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe("batches", () => {
  it("stack numbers, bigints, booleans, typed arrays and strings, field by field", async () => {
    const dataset = {
      length: 3,
      get: (i: number) => ({
        x: Float64Array.of(i, i + 0.5),
        label: i,
        id: BigInt(i),
        even: i % 2 === 0,
        name: `n${i}`,
        pair: [Uint8Array.of(i), i] as [Uint8Array, number],
      }),
    };
    const [batch, ...others] = await all(new DataLoader(dataset));
    expect(others).toEqual([]);
    expect(`${batch.x} ${batch.label} ${batch.id} ${batch.even}`).toBe(
      "Tensor(float64[3, 2]) Tensor(float32[3]) Tensor(int64[3]) Tensor(bool[3])",
    );
    expect(await batch.x.tolist()).toEqual([
      [0, 0.5],
      [1, 1.5],
      [2, 2.5],
    ]);
    expect(await batch.label.tolist()).toEqual([0, 1, 2]);
    expect(await batch.id.tolist()).toEqual([0n, 1n, 2n]);
    expect(await batch.even.tolist()).toEqual([true, false, true]);
    expect(batch.name).toEqual(["n0", "n1", "n2"]);
    expect(await batch.pair[0].tolist()).toEqual([[0], [1], [2]]);
    expect(batch.pair[0].dtype).toBe("uint8");
    expect(await batch.pair[1].tolist()).toEqual([0, 1, 2]);
  });

  it("stack tensors", async () => {
    const dataset = { length: 3, get: (i: number) => Tensor.full([2], i) };
    const loader = new DataLoader(dataset, { batchSize: 2 });
    expect(await epoch(loader)).toEqual([
      [
        [0, 0],
        [1, 1],
      ],
      [[2, 2]],
    ]);
  });

  it("of datasets that make batches are theirs", async () => {
    const batch = vi.fn((indices: Int32Array) => [...indices].join());
    expect(await all(new DataLoader({ length: 5, batch }, { batchSize: 2 }))).toEqual(["0,1", "2,3", "4"]);
    expect(await all(new DataLoader({ length: 5, batch }, { batchSize: 2, dropLast: true }))).toEqual([
      "0,1",
      "2,3",
    ]);
  });

  it("of a collate function are its own", async () => {
    const loader = new DataLoader(["a", "b", "c"], { batchSize: 2, collate: (samples) => samples.join("") });
    expect(await all(loader)).toEqual(["ab", "c"]);
  });

  it("of streams come in their order", async () => {
    async function* stream() {
      for (let i = 0; i < 5; i++) {
        await pause();
        yield i;
      }
    }
    expect(await epoch(new DataLoader(stream(), { batchSize: 2 }))).toEqual([[0, 1], [2, 3], [4]]);
    const dropped = new DataLoader(new Set(numbers(5)), { batchSize: 2, dropLast: true });
    expect(await epoch(dropped)).toEqual([
      [0, 1],
      [2, 3],
    ]);
    expect(() => dropped.length).toThrow("only iterating tells");
  });

  it("of nothing are none", async () => {
    expect(await all(new DataLoader([]))).toEqual([]);
    expect(await all(new DataLoader(new Set()))).toEqual([]);
    expect(new DataLoader([]).length).toBe(0);
  });

  it("of samples that are not alike are an error that names the sample and the field", async () => {
    const ragged = { length: 4, get: (i: number) => ({ text: { ids: new Int32Array(i === 3 ? 5 : 4) } }) };
    await expect(all(new DataLoader(ragged, { batchSize: 2 }))).rejects.toThrow(
      "samples of a batch must be alike, but sample 3 has at text.ids: Int32Array of 5 elements, " +
        "sample 2 has at text.ids: Int32Array of 4 elements",
    );
    const odd = [new Map()] as unknown as number[];
    await expect(all(new DataLoader(odd))).rejects.toThrow("sample 0: Map; a sample is made of numbers");
    await expect(all(new DataLoader([1, undefined as unknown as number]))).rejects.toThrow(
      "sample 1: undefined",
    );
  });

  it("know their number", () => {
    const count = (length: number, options: object) => new DataLoader(numbers(length), options).length;
    expect([
      count(10, { batchSize: 5 }),
      count(11, { batchSize: 5 }),
      count(11, { batchSize: 5, dropLast: true }),
    ]).toEqual([2, 3, 2]);
    expect(count(33, {})).toBe(2);
  });
});

describe("order", () => {
  const order = async (options: object, length = 20) => {
    const loader = new DataLoader(numbers(length), { batchSize: 7, ...options });
    return [(await epoch(loader)).flat(), (await epoch(loader)).flat()];
  };

  it("is that of the dataset, or another permutation at each epoch, the same for one seed", async () => {
    expect(await order({})).toEqual([numbers(20), numbers(20)]);
    const [first, second] = await order({ shuffle: true, seed: 5 });
    expect(await order({ shuffle: true, seed: 5 })).toEqual([first, second]);
    for (const found of [first, second]) expect([...found].sort((a, b) => a - b)).toEqual(numbers(20));
    expect(first).not.toEqual(numbers(20));
    expect(second).not.toEqual(first);
    expect((await order({ shuffle: true, seed: 6 }))[0]).not.toEqual(first);
  });

  it("follows from manualSeed where no seed is given, loader by loader", async () => {
    manualSeed(3);
    const before = [await order({ shuffle: true }), await order({ shuffle: true })];
    expect(before[0]).not.toEqual(before[1]);
    manualSeed(3);
    expect([await order({ shuffle: true }), await order({ shuffle: true })]).toEqual(before);
    manualSeed(4);
    expect(await order({ shuffle: true })).not.toEqual(before[0]);
  });

  it("goes on at the epoch that is set", async () => {
    const [, second] = await order({ shuffle: true, seed: 5 });
    const loader = new DataLoader(numbers(20), { batchSize: 7, shuffle: true, seed: 5 });
    loader.epoch = 1;
    expect((await epoch(loader)).flat()).toEqual(second);
  });

  it("is that of a sampler", async () => {
    expect((await order({ sampler: [3, 1, 1] }))[0]).toEqual([3, 1, 1]);
    const batches = [[2], [0, 1, 5]];
    expect(await epoch(new DataLoader(numbers(20), { batchSampler: batches }))).toEqual(batches);
    await expect(order({ sampler: [20] })).rejects.toThrow("gives 20, which is none of 20 samples");
    await expect(order({ sampler: [0.5] })).rejects.toThrow("gives 0.5");
  });

  it("moves every sample to every place about as often", async () => {
    const counts = numbers(16).fill(0);
    for (let i = 0; i < 2000; i++) {
      const [found] = await all(
        new DataLoader(numbers(4), { shuffle: true, seed: i, collate: (samples) => samples }),
      );
      for (const [place, sample] of found.entries()) counts[4 * sample + place]++;
    }
    // 500 each, with a standard deviation of 19.
    for (const count of counts) expect(Math.abs(count - 500)).toBeLessThan(100);
  });
});

describe("loading ahead", () => {
  it("goes on while the consumer computes, as far as it is told", async () => {
    const asked: number[] = [];
    const dataset = {
      length: 10,
      async get(i: number) {
        asked.push(i);
        await pause();
        return i;
      },
    };
    const batches = new DataLoader(dataset, { batchSize: 1, prefetch: 3 })[Symbol.asyncIterator]();
    await batches.next();
    await pause(5);
    expect(asked).toEqual([0, 1, 2, 3]);
    await batches.next();
    expect(asked).toEqual([0, 1, 2, 3, 4]);
    await batches.return();
    await pause(5);
    expect(asked.length).toBe(5);
  });

  it("is left out on demand", async () => {
    const get = vi.fn((i: number) => i);
    for await (const _ of new DataLoader({ length: 10, get }, { batchSize: 1, prefetch: 0 })) break;
    expect(get).toHaveBeenCalledTimes(1);
  });

  it.each(["Node", "a page"])("lets timers have their turn in %s", async (place) => {
    if (place === "a page") vi.stubGlobal("setImmediate", undefined);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const until = performance.now() + 20;
    const dataset = { length: 1_000_000, get: (i: number) => i };
    for await (const _ of new DataLoader(dataset, { batchSize: 1 })) if (performance.now() > until) break;
    clearInterval(timer);
    vi.unstubAllGlobals();
    expect(turns).toBeGreaterThan(0);
  });
});

describe("an end", () => {
  it("by an error comes at its batch, with the sample's number and the cause", async () => {
    const cause = new RangeError("no such file");
    const dataset = {
      length: 10,
      get(i: number) {
        if (i === 5) throw cause;
        return i;
      },
    };
    const seen: unknown[] = [];
    const failing = (async () => {
      for await (const batch of new DataLoader(dataset, { batchSize: 2, prefetch: 4 }))
        seen.push(await batch.tolist());
    })();
    await expect(failing).rejects.toThrow(new DataError("sample 5: no such file"));
    await failing.catch((error: Error) => expect(error.cause).toBe(cause));
    expect(seen).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it("by a signal throws its reason, even if no batch ever comes", async () => {
    const reason = new Error("enough");
    const stuck = { length: 3, get: () => new Promise<number>(() => {}) };
    const controller = new AbortController();
    const waiting = all(new DataLoader(stuck, { signal: controller.signal }));
    setTimeout(() => controller.abort(reason), 2);
    await expect(waiting).rejects.toBe(reason);
    await expect(all(new DataLoader(stuck, { signal: controller.signal }))).rejects.toBe(reason);
    const stream = async function* () {
      await new Promise(() => {});
      yield 0;
    };
    const other = new AbortController();
    const reading = all(new DataLoader(stream(), { signal: other.signal }));
    setTimeout(() => other.abort(reason), 2);
    await expect(reading).rejects.toBe(reason);
  });

  it("by a signal comes between batches too, and leaves no listener", async () => {
    const controller = new AbortController();
    const add = vi.spyOn(controller.signal, "addEventListener");
    const remove = vi.spyOn(controller.signal, "removeEventListener");
    let count = 0;
    const loop = (async () => {
      for await (const _ of new DataLoader(numbers(10), { batchSize: 1, signal: controller.signal })) {
        if (++count === 3) controller.abort();
      }
    })();
    await expect(loop).rejects.toThrow("aborted");
    expect(count).toBe(3);
    await pause();
    expect(add.mock.calls.length).toBe(remove.mock.calls.length);
  });

  it("by the consumer closes the stream", async () => {
    let closed = false;
    const stream = function* () {
      try {
        for (let i = 0; ; i++) yield i;
      } finally {
        closed = true;
      }
    };
    for await (const _ of new DataLoader(stream(), { batchSize: 2 })) break;
    await pause();
    expect(closed).toBe(true);
  });

  it("of a stream that fails comes once", async () => {
    const stream = async function* () {
      yield 1;
      throw new Error("the line is dead");
    };
    await expect(all(new DataLoader(stream(), { batchSize: 1 }))).rejects.toThrow("the line is dead");
  });
});

it("progress counts what the consumer is done with", async () => {
  const seen: unknown[] = [];
  const loader = new DataLoader(numbers(5), {
    batchSize: 2,
    onProgress: ({ done, total, epoch }) => seen.push([done, total, epoch]),
  });
  await all(loader);
  expect(seen).toEqual([
    [1, 3, 0],
    [2, 3, 0],
    [3, 3, 0],
  ]);
  for await (const _ of loader) break;
  expect(seen.length).toBe(3);
});

it("options that make no sense are refused", () => {
  const make =
    (options: object, dataset: Iterable<number> = numbers(3)) =>
    () =>
      new DataLoader(dataset, options);
  expect(make({ batchSize: 0 })).toThrow("batchSize must be an integer of at least 1, got 0");
  expect(make({ prefetch: -1 })).toThrow("prefetch");
  expect(make({ shuffle: true }, new Set([1]))).toThrow("shuffle needs a dataset with a length");
  expect(make({ shuffle: true, sampler: [0] })).toThrow("shuffle and sampler all say the order");
  expect(make({ sampler: [0], batchSampler: [[0]] })).toThrow("sampler and batchSampler all say the order");
  expect(make({ shuffle: true, seed: -1 })).toThrow("the seed must be an integer in [0, 2^32), got -1");
  expect(() => new DataLoader({ length: Number.NaN, get: (i: number) => i })).toThrow("the dataset's length");
  expect(() => new DataLoader({ length: 3 })).toThrow("get or batch");
});

it("rows of tensors are gathered once a batch", async () => {
  const x = Tensor.arange(12).reshape([6, 2]);
  const dataset = tensorDataset({ x, y: Tensor.arange(6) });
  const loader = new DataLoader(dataset, { batchSize: 4, sampler: [5, 0, 0, 3, 1] });
  const [first, second] = await all(loader);
  expect(await first.x.tolist()).toEqual([
    [10, 11],
    [0, 1],
    [0, 1],
    [6, 7],
  ]);
  expect(await second.y.tolist()).toEqual([1]);
});
