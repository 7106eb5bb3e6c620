// The types of batches: checked when the tests are compiled.

import { expectTypeOf, it } from "vitest";
import type { loadMnist, readCsv, TableBatch } from "../../src/datasets/index.js";
import { DataLoader, mapDataset, randomSplit, subset, Tensor, tensorDataset } from "../../src/index.js";

type BatchesOf<L> = L extends AsyncIterable<infer B> ? B : never;

it("batches have the types of their samples", () => {
  const samples = {
    length: 1,
    get: async (i: number) => ({ x: new Float32Array(i), y: i, big: 1n, on: true, name: "a" }),
  };
  const loader = new DataLoader(samples);
  type Batch = BatchesOf<typeof loader>;
  expectTypeOf<Batch>().toEqualTypeOf<{ x: Tensor; y: Tensor; big: Tensor; on: Tensor; name: string[] }>();

  const pairs = new DataLoader([[new Uint8Array(2), 1]] as [Uint8Array, number][]);
  expectTypeOf<BatchesOf<typeof pairs>>().toEqualTypeOf<[Tensor, Tensor]>();

  const stream = (async function* () {
    yield Tensor.zeros([2]);
  })();
  expectTypeOf<BatchesOf<DataLoader<typeof stream>>>().toEqualTypeOf<Tensor>();
});

it("collate and datasets that make batches say the type themselves", () => {
  const joined = new DataLoader(["a", "b"], {
    collate: (samples) => {
      expectTypeOf(samples).toEqualTypeOf<string[]>();
      return samples.length;
    },
  });
  expectTypeOf<BatchesOf<typeof joined>>().toEqualTypeOf<number>();
  const made = new DataLoader({ length: 1, batch: async (indices: Int32Array) => [...indices] });
  expectTypeOf<BatchesOf<typeof made>>().toEqualTypeOf<number[]>();
});

it("datasets of tensors and of datasets keep their forms", () => {
  const x = Tensor.zeros([4, 2]);
  const list = new DataLoader(tensorDataset(x, x));
  expectTypeOf<BatchesOf<typeof list>>().toEqualTypeOf<[Tensor, Tensor]>();
  const named = tensorDataset({ x, y: x });
  const part = new DataLoader(subset(named, [0]));
  expectTypeOf<BatchesOf<typeof part>>().toEqualTypeOf<{ x: Tensor; y: Tensor }>();
  const [split] = randomSplit(named, [4]);
  const changed = new DataLoader(mapDataset(split, (sample) => ({ z: sample.x, index: 1 })));
  expectTypeOf<BatchesOf<typeof changed>>().toEqualTypeOf<{ z: Tensor; index: Tensor }>();
});

it("known datasets have theirs", () => {
  const digits = (mnist: ReturnType<typeof loadMnist>) => new DataLoader(mnist.train);
  expectTypeOf<BatchesOf<ReturnType<typeof digits>>>().toEqualTypeOf<{
    readonly images: Tensor;
    readonly labels: Tensor;
  }>();
  const table = (rows: Awaited<ReturnType<typeof readCsv>>) => new DataLoader(rows);
  expectTypeOf<BatchesOf<ReturnType<typeof table>>>().toEqualTypeOf<TableBatch>();
});

it("options that do not exist are refused", () => {
  // @ts-expect-error: the option is called batchSize.
  new DataLoader([1], { batch_size: 3 });
  // @ts-expect-error: a number is no dataset.
  expectTypeOf(() => new DataLoader(3)).toBeFunction();
});
