// Datasets made of others: tensors row by row, parts, several one after the other, samples changed by a function.

import { mapLeaves } from "../tensor/containers.js";
import { hostSeed } from "../tensor/random-bits.js";
import { Tensor } from "../tensor/tensor.js";
import { type BatchDataset, DataError, givesBatches, givesSamples, type MapDataset } from "./dataset.js";
import { HostRandom, numbersBelow } from "../scalar/host-random.js";
import { checkedIndex } from "./samplers.js";

type Rows<T> = { -readonly [K in keyof T]: Tensor };

/** Rows of tensors: samples without the first axis, batches with it, each by one gather. */
export type TensorDataset<T> = MapDataset<Rows<T>> & BatchDataset<Rows<T>>;

/**
 * The rows of tensors of equal first axes, as arrays [x, y] or, where tensors are given by name, as objects { x, y }.
 *
 * @example
 * const x = Tensor.arange(6).reshape([3, 2]);
 * const [rows] = await tensorDataset(x).batch(Int32Array.of(2, 0));
 * rows; // => [[4, 5], [0, 1]]
 */
export function tensorDataset<T extends Readonly<Record<string, Tensor>>>(tensors: T): TensorDataset<T>;
export function tensorDataset<T extends readonly Tensor[]>(...tensors: T): TensorDataset<T>;
export function tensorDataset(...given: readonly unknown[]): TensorDataset<unknown> {
  const tensors = given.length === 1 && !(given[0] instanceof Tensor) ? given[0] : given;
  const all = Object.values(tensors as Record<string, Tensor>);
  if (all.length === 0 || all.some((x) => x.ndim === 0 || x.sizeAt(0) !== all[0].sizeAt(0))) {
    throw new DataError(
      `tensorDataset: needs tensors with as many rows each, got ${all.length === 0 ? "none" : all.join(", ")}`,
    );
  }
  const rows = (take: (x: Tensor) => Tensor) => mapLeaves(tensors, (x) => take(x as Tensor)) as Rows<unknown>;
  return {
    length: all[0].sizeAt(0),
    get: (index) => rows((x) => x.at(index)),
    async batch(indices) {
      // What is not computed yet would be computed for each batch again.
      const lazy = all.filter((x) => x.node.storage === undefined);
      if (lazy.length > 0) await Tensor.realize(lazy);
      return rows((x) => x.indexSelect(0, indices));
    },
  };
}

/** A part of a dataset, which gives samples and batches as the whole does. */
export type Subset<D> = { readonly length: number } & Pick<D, keyof D & ("get" | "batch")>;

type Indexed = MapDataset<unknown> | BatchDataset<unknown>;

/**
 * The samples of a dataset that have these numbers, in this order.
 *
 * @example
 * const part = new DataLoader(subset(tensorDataset(Tensor.arange(5)), [4, 0]), { batchSize: 2 });
 * for await (const [rows] of part) rows; // [4, 0]
 */
export function subset<D extends Indexed>(dataset: D, indices: ArrayLike<number>): Subset<D> {
  const places = Int32Array.from(indices, (index) => checkedIndex(index, dataset.length));
  const part: { length: number; get?: unknown; batch?: unknown } = { length: places.length };
  if (givesSamples(dataset)) part.get = (index: number) => dataset.get(places[index]);
  if (givesBatches(dataset))
    part.batch = (indices: Int32Array) => dataset.batch(indices.map((index) => places[index]));
  return part as unknown as Subset<D>;
}

/**
 * A dataset's samples dealt out at random to parts of these sizes, which add up to its length, or of these shares, which
 * add up to 1; what rounding leaves over goes to the first parts, a sample each.
 */
export function randomSplit<D extends Indexed>(
  dataset: D,
  sizes: readonly number[],
  { seed = hostSeed() }: { readonly seed?: number } = {},
): Subset<D>[] {
  const { length } = dataset;
  const sum = sizes.reduce((a, b) => a + b, 0);
  const shares = Math.abs(sum - 1) < 1e-9 && length !== 1;
  const counts = sizes.map((size) => (shares ? Math.floor(size * length + 1e-9) : size));
  let left = shares ? length - counts.reduce((a, b) => a + b, 0) : 0;
  for (let i = 0; left > 0; i = (i + 1) % counts.length, left--) counts[i]++;
  const whole = counts.every((count) => Number.isInteger(count) && count >= 0);
  if (!whole || counts.reduce((a, b) => a + b, 0) !== length) {
    throw new DataError(
      `randomSplit: the sizes ${sizes.join(", ")} add up neither to the ${length} samples nor, as shares, to 1`,
    );
  }
  const order = new HostRandom(seed).shuffle(numbersBelow(length));
  let end = 0;
  return counts.map((count) => {
    end += count;
    return subset(dataset, order.subarray(end - count, end));
  });
}

/**
 * The samples of datasets one after the other.
 *
 * @example
 * concatDatasets(tensorDataset(Tensor.arange(5)), tensorDataset(Tensor.arange(3))).length; // => 8
 */
export function concatDatasets<T>(...datasets: readonly MapDataset<T>[]): MapDataset<T> {
  const length = datasets.reduce((sum, dataset) => sum + dataset.length, 0);
  return {
    length,
    get(index) {
      let place = checkedIndex(index, length);
      let i = 0;
      while (place >= datasets[i].length) place -= datasets[i++].length;
      return datasets[i].get(place);
    },
  };
}

/**
 * A dataset's samples, each changed by a function when it is taken.
 *
 * @example
 * const doubled = mapDataset({ length: 3, get: async (i) => i + 1 }, (x) => 2 * x);
 * await doubled.get(2); // => 6
 */
export function mapDataset<T, U>(
  dataset: MapDataset<T>,
  change: (sample: T, index: number) => U | Promise<U>,
): MapDataset<U> {
  return { length: dataset.length, get: async (index) => change(await dataset.get(index), index) };
}
