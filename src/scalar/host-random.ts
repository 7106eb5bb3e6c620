// Random numbers on the host, for orders of samples and of candidates: Threefry bits of a counter under a seed and the number of a stream.

import { threefry2x32 } from "./random.js";

export class HostRandom {
  private counter = 0;
  private spare: number | undefined;

  /** Equal seeds (integers below 2^32) and streams give equal numbers. */
  constructor(
    private readonly seed: number,
    private readonly stream = 0,
  ) {
    checkedSeed(seed);
  }

  /** 32 random bits. */
  word(): number {
    const { spare } = this;
    if (spare !== undefined) {
      this.spare = undefined;
      return spare;
    }
    const [first, second] = threefry2x32(this.counter++, 0, this.seed, this.stream);
    this.spare = second;
    return first;
  }

  /** An integer below n, each as likely as the others. */
  below(n: number): number {
    // Words beyond the last whole multiple of n would favour the small numbers.
    const limit = 2 ** 32 - (2 ** 32 % n);
    let word = this.word();
    while (word >= limit) word = this.word();
    return word % n;
  }

  /** A multiple of 2^-53 in [0, 1). */
  uniform(): number {
    return ((this.word() >>> 5) * 2 ** 26 + (this.word() >>> 6)) / 2 ** 53;
  }

  /** Brings the elements into a random order, all orders being equally likely (Fisher and Yates). */
  shuffle(values: Int32Array): Int32Array {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [values[i], values[j]] = [values[j], values[i]];
    }
    return values;
  }
}

/** 0, 1, .. count - 1. */
export function numbersBelow(count: number): Int32Array {
  const values = new Int32Array(count);
  for (let i = 0; i < count; i++) values[i] = i;
  return values;
}

export function checkedSeed(seed: number): number {
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32)
    throw new RangeError(`the seed must be an integer in [0, 2^32), got ${seed}`);
  return seed;
}
