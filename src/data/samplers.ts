// Samplers: the order in which a DataLoader takes samples, or which samples make a batch. Each iteration is an epoch,
// in an order of its own where there is chance in it.

import { hostSeed } from "../tensor/random-bits.js";
import { HostRandom, numbersBelow } from "../scalar/host-random.js";

/** The numbers of the samples of an epoch. */
export interface Sampler extends Iterable<number> {
  /** How many numbers an epoch has, if that is known. */
  readonly length?: number;
}

/** The numbers of the samples of each batch of an epoch. */
export interface BatchSampler extends Iterable<ArrayLike<number>> {
  /** How many batches an epoch has, if that is known. */
  readonly length?: number;
}

interface Seeded {
  /** Equal seeds give equal orders; default: what follows from `manualSeed`. */
  readonly seed?: number;
}

/** A sampler that makes its numbers anew at each epoch. */
function samplerOf(
  length: number,
  epochOf: (epoch: number) => Iterable<number>,
): Sampler & { length: number } {
  let epoch = 0;
  return { length, [Symbol.iterator]: () => epochOf(epoch++)[Symbol.iterator]() };
}

function checkCount(name: string, what: string, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 31)
    throw new RangeError(`${name}: ${what} must be an integer in [0, 2^31), got ${value}`);
}

/**
 * 0, 1, .. length - 1.
 *
 * @example
 * [...sequentialSampler(3)]; // => [0, 1, 2]
 */
export function sequentialSampler(length: number): Sampler & { length: number } {
  checkCount("sequentialSampler", "the length", length);
  return samplerOf(length, () => numbersBelow(length));
}

/**
 * The numbers below `length` in random order; or `count` of them (default: all), drawn one by one from all where
 * `replacement` is set.
 *
 * @example [...randomSampler(4, { seed: 1 })].sort(); // => [0, 1, 2, 3]
 */
export function randomSampler(
  length: number,
  {
    seed = hostSeed(),
    replacement = false,
    count = length,
  }: Seeded & { readonly replacement?: boolean; readonly count?: number } = {},
): Sampler & { length: number } {
  checkCount("randomSampler", "the length", length);
  checkCount("randomSampler", "count", count);
  if (count > (replacement && length > 0 ? Number.POSITIVE_INFINITY : length))
    throw new RangeError(`randomSampler: ${count} of ${length} samples cannot be drawn without replacement`);
  return samplerOf(count, (epoch) => {
    const random = new HostRandom(seed, epoch);
    if (replacement) return Int32Array.from({ length: count }, () => random.below(length));
    return random.shuffle(numbersBelow(length)).subarray(0, count);
  });
}

/**
 * `count` numbers (default: as many as there are weights), each drawn with a chance in proportion to its weight, from
 * all, or without `replacement` from those not drawn yet. A weight of 0 is never drawn.
 *
 * @example [...weightedSampler([0, 1, 0])]; // => [1, 1, 1]
 */
export function weightedSampler(
  weights: ArrayLike<number>,
  {
    seed = hostSeed(),
    replacement = true,
    count = weights.length,
  }: Seeded & { readonly replacement?: boolean; readonly count?: number } = {},
): Sampler & { length: number } {
  checkCount("weightedSampler", "count", count);
  const given = Float64Array.from(weights);
  const wrong = given.findIndex((weight) => !(weight >= 0 && weight < Number.POSITIVE_INFINITY));
  if (wrong >= 0)
    throw new RangeError(
      `weightedSampler: weight ${wrong} is ${given[wrong]}; weights are finite and not negative`,
    );
  const possible = given.filter((weight) => weight > 0).length;
  if (count > (replacement && possible > 0 ? Number.POSITIVE_INFINITY : possible))
    throw new RangeError(
      `weightedSampler: ${count} samples of ${possible} with a weight above 0 cannot be drawn`,
    );
  const draw = replacement ? drawAgain(given, count) : drawOnce(given, count);
  return samplerOf(count, (epoch) => draw(new HostRandom(seed, epoch)));
}

/** Draws with replacement: the first running sum of weights beyond a random part of the whole. */
function drawAgain(weights: Float64Array, count: number): (random: HostRandom) => Int32Array {
  let sum = 0;
  const sums = weights.map((weight) => (sum += weight));
  const last = weights.findLastIndex((weight) => weight > 0);
  return (random) =>
    Int32Array.from({ length: count }, () => {
      const target = random.uniform() * sum;
      let [low, high] = [0, last];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (sums[middle] > target) high = middle;
        else low = middle + 1;
      }
      return low;
    });
}

/** Draws without replacement: those whose exponential waiting times end first (Efraimidis and Spirakis, 2006). */
function drawOnce(weights: Float64Array, count: number): (random: HostRandom) => Int32Array {
  return (random) => {
    const times = weights.map((weight) => (weight > 0 ? -Math.log1p(-random.uniform()) / weight : Infinity));
    return numbersBelow(weights.length)
      .sort((a, b) => times[a] - times[b])
      .subarray(0, count);
  };
}

/**
 * A sampler's numbers in batches of `batchSize`; the last may be smaller, or is dropped.
 *
 * @example [...batchSampler(sequentialSampler(5), 2)].map((batch) => [...batch]); // => [[0, 1], [2, 3], [4]]
 */
export function batchSampler(sampler: Sampler, batchSize: number, { dropLast = false } = {}): BatchSampler {
  const count = sampler.length;
  return {
    length: count === undefined ? undefined : batchCount(count, batchSize, dropLast),
    *[Symbol.iterator]() {
      let batch = new Int32Array(batchSize);
      let filled = 0;
      for (const index of sampler) {
        batch[filled++] = checkedIndex(index);
        if (filled < batchSize) continue;
        yield batch;
        batch = new Int32Array(batchSize);
        filled = 0;
      }
      if (filled > 0 && !dropLast) yield batch.subarray(0, filled);
    },
  };
}

/** Numbers of samples lie in Int32Arrays, which would wrap others silently. */
export function checkedIndex(index: number, length = 2 ** 31): number {
  if (!Number.isInteger(index) || index < 0 || index >= length)
    throw new RangeError(`the sampler gives ${index}, which is none of ${length} samples`);
  return index;
}

export const batchCount = (samples: number, batchSize: number, dropLast: boolean): number =>
  dropLast ? Math.floor(samples / batchSize) : Math.ceil(samples / batchSize);
