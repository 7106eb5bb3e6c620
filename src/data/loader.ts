// DataLoader: batches of a dataset as an asynchronous iterable, in sequence or shuffled, loaded ahead of the consumer, on
// this thread or by workers.

import { hostSeed } from "../tensor/random-bits.js";
import { type BatchOf, DataError, type DataSource, type RemoteDataset, type SampleOf } from "./dataset.js";
import { END, type Epoch, epochInWorkers, epochOfStream, epochOnThisThread, indexed } from "./epoch.js";
import { checkedSeed, HostRandom, numbersBelow } from "../scalar/host-random.js";
import { type BatchSampler, batchCount, batchSampler, type Sampler } from "./samplers.js";
import { type WorkerOptions, WorkerPool } from "./workers.js";

export interface Progress {
  /** Batches that the consumer is done with. */
  readonly done: number;
  /** Batches of the epoch; undefined for a stream. */
  readonly total: number | undefined;
  readonly epoch: number;
}

export interface LoaderOptions<D, B> {
  /** Samples a batch; default 32. */
  readonly batchSize?: number;
  /** Takes the samples of each epoch in another random order; default false. */
  readonly shuffle?: boolean;
  /** Equal seeds give equal orders, epoch by epoch; default: what follows from `manualSeed`. */
  readonly seed?: number;
  /** Leaves out a last batch of fewer samples; default false. */
  readonly dropLast?: boolean;
  /** Batches loaded ahead while the consumer computes, by each worker if there are any; default 2. */
  readonly prefetch?: number;
  /** Makes a batch of samples; default: they are stacked (see Batch). */
  readonly collate?: (samples: SampleOf<D>[]) => B | Promise<B>;
  /** Which samples an epoch takes, in which order. */
  readonly sampler?: Sampler;
  /** Which samples make each batch; in place of batchSize, dropLast and sampler. */
  readonly batchSampler?: BatchSampler;
  /** Threads that load (Node only). */
  readonly workers?: WorkerOptions;
  /** Ends the iteration: it throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called when the consumer is done with a batch. */
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * Batches of a dataset: of samples by number (`length` and `get`, or an array), of batches by numbers (`length` and
 * `batch`), or of a stream (any iterable or asynchronous iterable). `for await` over it is an epoch.
 *
 * Samples are stacked along a new first axis (see Batch): numbers become float32, bigints int64, booleans bool, typed
 * arrays their own dtype, each field in one copy; tensors are stacked (rows of tensors are best taken by
 * `tensorDataset`), strings stay lists; arrays and plain objects are stacked field by field.
 *
 * With `workers` the dataset lives in threads of Node, which is where samples are read and stacked; what is given here
 * need only have its `length`. Workers wait for the next epoch without keeping the process alive; `close` ends them.
 *
 * @example
 * const x = Tensor.arange(5);
 * const sums = [];
 * for await (const [rows] of new DataLoader(tensorDataset(x), { batchSize: 2 })) sums.push(await rows.sum().item());
 * sums; // => [1, 5, 4]
 */
export class DataLoader<D extends DataSource, B = BatchOf<D>> implements AsyncIterable<B> {
  /** The number of the next epoch, on which its order depends: set it to go on where another run stopped. */
  epoch = 0;
  /** How many samples there are; undefined for a stream. */
  private readonly count: number | undefined;
  private readonly batchSize: number;
  private readonly seed: number;
  /** Workers that wait for the next epoch. */
  private idle: WorkerPool | undefined;

  constructor(
    readonly dataset: D,
    private readonly options: LoaderOptions<D, B> = {},
  ) {
    const { batchSize = 32, prefetch = 2, shuffle = false, seed, workers } = options;
    this.batchSize = whole("batchSize", batchSize, 1);
    whole("prefetch", prefetch, 0);
    this.seed = shuffle ? checkedSeed(seed ?? hostSeed()) : 0;
    if (workers !== undefined) whole("workers.count", workers.count, 1);
    const source = workers === undefined ? indexed(dataset) : (dataset as RemoteDataset);
    this.count = source && whole("the dataset's length", source.length, 0);
    checkTogether(options, this.count !== undefined);
  }

  /** Batches of an epoch. Throws for a stream, or a sampler that does not know. */
  get length(): number {
    const length = this.knownLength();
    if (length === undefined)
      throw new DataError("DataLoader: only iterating tells how many batches a stream has");
    return length;
  }

  [Symbol.asyncIterator](): AsyncGenerator<B, void, undefined> {
    return this.iterate(this.epoch++);
  }

  /** Ends workers that wait for another epoch. Should one follow, others are started. */
  async close(): Promise<void> {
    await this.takeIdle()?.end();
  }

  private async *iterate(epoch: number): AsyncGenerator<B, void, undefined> {
    const { signal, onProgress, prefetch = 2, workers } = this.options;
    signal?.throwIfAborted();
    const total = this.knownLength();
    const ahead = prefetch * (workers?.count ?? 1);
    const batches = this.start(epoch);
    const waiting: Promise<unknown>[] = [];
    const ask = (count: number) => {
      while (waiting.length < count) {
        const batch = batches.next();
        // It is awaited later, or never, if the consumer leaves.
        batch.catch(() => {});
        waiting.push(batch);
      }
    };
    let finished = false;
    try {
      for (let done = 0; ; ) {
        ask(1);
        const next = waiting.shift()!;
        ask(ahead);
        const batch = await untilAborted(next, signal);
        if (batch === END) break;
        yield batch as B;
        onProgress?.({ done: ++done, total, epoch });
        await turnOfEvents();
      }
      finished = true;
    } finally {
      await batches.close(finished);
    }
  }

  private start(epoch: number): Epoch {
    const { dataset, count } = this;
    const { workers, dropLast = false } = this.options;
    const collate = this.options.collate as ((samples: unknown[]) => unknown) | undefined;
    if (count === undefined)
      return epochOfStream(dataset as Iterable<unknown>, this.batchSize, dropLast, collate);
    const indices = this.batchesOf(epoch);
    if (workers === undefined) return epochOnThisThread(indexed(dataset)!, indices, collate);
    const pool = this.takeIdle() ?? new WorkerPool(workers, count);
    return epochInWorkers(pool, indices, count, () => {
      // Of epochs that ran beside each other one leaves its workers.
      if (this.idle !== undefined) return pool.end();
      this.idle = pool;
      forgotten.register(this, pool, this);
    });
  }

  private takeIdle(): WorkerPool | undefined {
    const { idle } = this;
    this.idle = undefined;
    forgotten.unregister(this);
    return idle;
  }

  /** The numbers of the samples of each batch. */
  private batchesOf(epoch: number): Iterable<ArrayLike<number>> {
    const { sampler, dropLast, shuffle } = this.options;
    if (this.options.batchSampler !== undefined) return this.options.batchSampler;
    const inOrder = () => numbersBelow(this.count!);
    const order = sampler ?? (shuffle ? new HostRandom(this.seed, epoch).shuffle(inOrder()) : inOrder());
    return batchSampler(order, this.batchSize, { dropLast });
  }

  private knownLength(): number | undefined {
    const { sampler, batchSampler, dropLast = false } = this.options;
    if (batchSampler !== undefined) return batchSampler.length;
    const samples = sampler === undefined ? this.count : sampler.length;
    return samples === undefined ? undefined : batchCount(samples, this.batchSize, dropLast);
  }
}

/** Ends the workers of loaders that were dropped. */
const forgotten = new FinalizationRegistry<WorkerPool>((pool) => void pool.end());

/** Refuses options that contradict each other, or the kind of the dataset. */
function checkTogether<D, B>(options: LoaderOptions<D, B>, isIndexed: boolean): void {
  const { workers, collate } = options;
  const orders = (["shuffle", "sampler", "batchSampler"] as const).filter((name) => options[name]);
  if (orders.length > 0 && !isIndexed) {
    throw new DataError(
      `DataLoader: ${orders[0]} needs a dataset with a length and get or batch, not a stream`,
    );
  }
  if (orders.length > 1)
    throw new DataError(`DataLoader: ${orders.join(" and ")} all say the order; give one of them`);
  if (workers !== undefined && collate !== undefined)
    throw new DataError("DataLoader: workers need collate as an export of their module, not as an option");
}

function whole(name: string, value: number | undefined, least: number): number {
  if (value === undefined || !Number.isInteger(value) || value < least || value >= 2 ** 31)
    throw new DataError(`DataLoader: ${name} must be an integer of at least ${least}, got ${value}`);
  return value;
}

/** Rejects with the signal's reason as soon as it is given; listens no longer than it waits. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** Lets timers, Ctrl-C and what is loaded ahead have their turn, where the consumer awaits only work already done. */
function turnOfEvents(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") {
      setImmediate(resolve);
      return;
    }
    // In a page: timers would wait for 4 ms.
    const { port1, port2 } = new MessageChannel();
    port1.addEventListener("message", () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(undefined);
  });
}
