// Where choices come from: random numbers under a seed in a search, lists of numbers in tests.

export interface Choices {
  /** An integer in [0, n). */
  below(n: number): number;
}

export const pick = <T>(choices: Choices, items: readonly T[]): T => items[choices.below(items.length)];
