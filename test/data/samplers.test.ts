// Samplers, and datasets made of others.

import { describe, expect, it } from "vitest";
import {
  batchSampler,
  concatDatasets,
  DataLoader,
  mapDataset,
  randomSampler,
  randomSplit,
  sequentialSampler,
  subset,
  Tensor,
  tensorDataset,
  weightedSampler,
} from "../../src/index.js";

const counts = (values: Iterable<number>, length: number) => {
  const found = new Array<number>(length).fill(0);
  for (const value of values) found[value]++;
  return found;
};
const squares = (length: number) => ({ length, get: (i: number) => i * i });
const items = async <T>(dataset: { length: number; get(i: number): T | Promise<T> }) =>
  Promise.all(Array.from({ length: dataset.length }, (_, i) => dataset.get(i)));

describe("samplers", () => {
  it("in sequence and at random give every number once", () => {
    expect([...sequentialSampler(3)]).toEqual([0, 1, 2]);
    const sampler = randomSampler(50, { seed: 1 });
    const [first, second] = [[...sampler], [...sampler]];
    expect(counts(first, 50)).toEqual(new Array(50).fill(1));
    expect(second).not.toEqual(first);
    expect([...randomSampler(50, { seed: 1 })]).toEqual(first);
    expect([...randomSampler(50, { seed: 1, count: 5 })]).toEqual(first.slice(0, 5));
  });

  it("with replacement give numbers again", () => {
    const drawn = counts(randomSampler(4, { seed: 2, replacement: true, count: 4000 }), 4);
    for (const count of drawn) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect(() => randomSampler(4, { count: 5 })).toThrow(
      "5 of 4 samples cannot be drawn without replacement",
    );
  });

  it("by weights draw in their proportion, and never a weight of 0", () => {
    const drawn = counts(weightedSampler([0, 1, 3, 0, 4, 0], { seed: 3, count: 8000 }), 6);
    expect([drawn[0], drawn[3], drawn[5]]).toEqual([0, 0, 0]);
    for (const [place, count] of [
      [1, 1000],
      [2, 3000],
      [4, 4000],
    ])
      expect(Math.abs(drawn[place] - count)).toBeLessThan(220);
    expect(() => weightedSampler([1, -1])).toThrow("weight 1 is -1");
    expect(() => weightedSampler([0, 0])).toThrow("cannot be drawn");
  });

  it("by weights without replacement draw each once, the heavy ones first", () => {
    const sampler = weightedSampler([1, 0, 100, 1], { seed: 4, replacement: false, count: 3 });
    let heavyFirst = 0;
    for (let i = 0; i < 200; i++) {
      const drawn = [...sampler];
      expect([...drawn].sort()).toEqual([0, 2, 3]);
      if (drawn[0] === 2) heavyFirst++;
    }
    expect(heavyFirst).toBeGreaterThan(180);
    expect(() => weightedSampler([1, 0], { replacement: false })).toThrow(
      "2 samples of 1 with a weight above 0",
    );
  });

  it("make batches", () => {
    const batches = batchSampler(sequentialSampler(5), 2, { dropLast: true });
    expect([batches.length, [...batches].map((batch) => [...Array.from(batch)])]).toEqual([
      2,
      [
        [0, 1],
        [2, 3],
      ],
    ]);
  });
});

describe("datasets of datasets", () => {
  it("take parts", async () => {
    expect(await items(subset(squares(10), [3, 3, 1]))).toEqual([9, 9, 1]);
    expect(() => subset(squares(10), [10])).toThrow("10, which is none of 10 samples");
    const rows = subset(tensorDataset(Tensor.arange(5)), [4, 2]);
    const [batch] = await rows.batch(Int32Array.of(1, 0));
    expect(await batch.tolist()).toEqual([2, 4]);
  });

  it("are split at random into parts that have every sample once", async () => {
    const parts = randomSplit(squares(10), [0.5, 0.33, 0.17], { seed: 1 });
    expect(parts.map((part) => part.length)).toEqual([6, 3, 1]);
    const found = (await Promise.all(parts.map(items))).flat();
    expect(found.sort((a, b) => a - b)).toEqual(await items(squares(10)));
    expect(randomSplit(squares(10), [3, 7]).map((part) => part.length)).toEqual([3, 7]);
    expect(() => randomSplit(squares(10), [3, 8])).toThrow("add up neither to the 10 samples");
    expect(() => randomSplit(squares(10), [-1, 11])).toThrow("add up");
  });

  it("come one after the other, and are changed by functions", async () => {
    const both = concatDatasets(squares(3), squares(0), squares(2));
    expect(await items(both)).toEqual([0, 1, 4, 0, 1]);
    const named = mapDataset(both, (x, i) => `${i}:${x}`);
    for await (const names of new DataLoader(named))
      expect(names).toEqual(["0:0", "1:1", "2:4", "3:0", "4:1"]);
  });

  it("of tensors need equal numbers of rows", () => {
    expect(() => tensorDataset(Tensor.zeros([3]), Tensor.zeros([4, 2]))).toThrow(
      "needs tensors with as many rows each, got Tensor(float32[3]), Tensor(float32[4, 2])",
    );
    expect(() => tensorDataset()).toThrow("got none");
  });
});
