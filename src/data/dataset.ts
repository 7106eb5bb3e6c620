// What a DataLoader reads: samples by their numbers, whole batches by their samples' numbers, or a stream of samples;
// and the types of the batches that come of them.

import type { TypedArray } from "../tensor/core.js";
import type { Tensor } from "../tensor/tensor.js";

/** Samples by number, from 0 to length - 1. */
export interface MapDataset<T> {
  readonly length: number;
  get(index: number): T | Promise<T>;
}

/** Whole batches by the numbers of their samples: what can copy many rows at once should. */
export interface BatchDataset<B> {
  readonly length: number;
  batch(indices: Int32Array): B | Promise<B>;
}

/** The number of samples of a dataset that only workers hold. */
export interface RemoteDataset {
  readonly length: number;
}

/** What a DataLoader takes; of a dataset that gives both samples and batches it takes batches. */
export type DataSource =
  | MapDataset<unknown>
  | BatchDataset<unknown>
  | RemoteDataset
  | Iterable<unknown>
  | AsyncIterable<unknown>;

/** The type of a source's samples. */
export type SampleOf<D> = D extends { get(index: number): infer T }
  ? Awaited<T>
  : D extends AsyncIterable<infer T>
    ? T
    : D extends Iterable<infer T>
      ? T
      : never;

/**
 * The batch that samples become: numbers, bigints, booleans, typed arrays and tensors become tensors with a new first
 * axis, strings a list; arrays and plain objects become arrays and objects of the batches of their parts.
 */
export type Batch<T> = T extends number | bigint | boolean | TypedArray | Uint8ClampedArray | Tensor
  ? Tensor
  : T extends string
    ? string[]
    : { -readonly [K in keyof T]: Batch<T[K]> };

/** The batches that a DataLoader gives of a source. */
export type BatchOf<D> = D extends { batch(indices: Int32Array): infer B }
  ? Awaited<B>
  : [SampleOf<D>] extends [never]
    ? unknown
    : Batch<SampleOf<D>>;

/** What went wrong with data: in a dataset, a worker, or the way samples fit together. */
export class DataError extends Error {
  override name = "DataError";
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const givesBatches = (source: object): source is BatchDataset<unknown> =>
  typeof (source as Partial<BatchDataset<unknown>>).batch === "function";

export const givesSamples = (source: object): source is MapDataset<unknown> =>
  typeof (source as Partial<MapDataset<unknown>>).get === "function";

/** A sample, or an error that says which one it was. */
export async function sampleAt<T>(dataset: MapDataset<T>, index: number): Promise<T> {
  try {
    return await dataset.get(index);
  } catch (cause) {
    throw new DataError(`sample ${index}: ${messageOf(cause)}`, { cause });
  }
}
