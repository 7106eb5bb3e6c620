// One pass over a dataset, batch by batch: read on this thread, from a stream, or by workers.

import { collateSamples, toBatch } from "./collate.js";
import {
  type BatchDataset,
  DataError,
  givesBatches,
  givesSamples,
  type MapDataset,
  sampleAt,
} from "./dataset.js";
import { checkedIndex } from "./samplers.js";
import type { WorkerPool } from "./workers.js";

export const END = Symbol("no more batches");

/** The batches of an epoch, asked for one after the other, each perhaps before the last one came; after them END. */
export interface Epoch {
  next(): Promise<unknown>;
  /** To be called once: when all batches were had, or the consumer left. */
  close(finished: boolean): void | Promise<void>;
}

type Collate = ((samples: unknown[]) => unknown) | undefined;

/** A source as samples or batches by number; undefined if it is a stream. */
export function indexed(source: object): MapDataset<unknown> | BatchDataset<unknown> | undefined {
  if (givesBatches(source) || givesSamples(source)) return source;
  if (Array.isArray(source) || (ArrayBuffer.isView(source) && !(source instanceof DataView))) {
    const items = source as ArrayLike<unknown>;
    return { length: items.length, get: (index) => items[index] };
  }
  if (Symbol.iterator in source || Symbol.asyncIterator in source) return undefined;
  throw new DataError(
    "DataLoader: needs a dataset with a length and get or batch, an array, an iterable, or workers that hold one",
  );
}

function epochOf(
  indices: Iterable<ArrayLike<number>>,
  count: number,
  load: (indices: Int32Array) => Promise<unknown>,
  close: Epoch["close"],
): Epoch {
  const batches = indices[Symbol.iterator]();
  return {
    async next() {
      const next = batches.next();
      if (next.done) return END;
      return load(Int32Array.from(next.value, (index) => checkedIndex(index, count)));
    },
    close(finished) {
      batches.return?.();
      return close(finished);
    },
  };
}

export function epochOnThisThread(
  dataset: MapDataset<unknown> | BatchDataset<unknown>,
  indices: Iterable<ArrayLike<number>>,
  collate: Collate,
): Epoch {
  const load = async (places: Int32Array): Promise<unknown> => {
    if (givesBatches(dataset) && collate === undefined) return dataset.batch(places);
    if (!givesSamples(dataset)) throw new DataError("DataLoader: collate needs a dataset with get");
    const samples = await Promise.all(Array.from(places, (index) => sampleAt(dataset, index)));
    return collate === undefined ? collateSamples(samples, places) : collate(samples);
  };
  return epochOf(indices, dataset.length, load, () => {});
}

export function epochInWorkers(
  pool: WorkerPool,
  indices: Iterable<ArrayLike<number>>,
  count: number,
  keep: () => void | Promise<void>,
): Epoch {
  const load = async (places: Int32Array): Promise<unknown> => toBatch(await pool.load(places));
  return epochOf(indices, count, load, (finished) => (finished ? keep() : pool.end()));
}

export function epochOfStream(
  source: Iterable<unknown> | AsyncIterable<unknown>,
  batchSize: number,
  dropLast: boolean,
  collate: Collate,
): Epoch {
  const items: Iterator<unknown> | AsyncIterator<unknown> =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let ended = false;
  let first = 0;
  const pull = async (): Promise<unknown> => {
    const samples: unknown[] = [];
    try {
      while (!ended && samples.length < batchSize) {
        const item = await items.next();
        if (item.done) ended = true;
        else samples.push(await item.value);
      }
    } catch (error) {
      ended = true;
      throw error;
    }
    if (samples.length === 0 || (dropLast && samples.length < batchSize)) return END;
    const numbers = samples.map((_, i) => first + i);
    first += samples.length;
    return collate === undefined ? collateSamples(samples, numbers) : collate(samples);
  };
  // A stream is read in sequence: each batch waits for the one before.
  let last: Promise<unknown> = Promise.resolve();
  return {
    next() {
      last = last.then(pull);
      return last;
    },
    close(finished) {
      if (finished || ended) return;
      ended = true;
      // Not awaited: a stream that is stuck would never answer.
      Promise.resolve(items.return?.()).catch(() => {});
    },
  };
}
