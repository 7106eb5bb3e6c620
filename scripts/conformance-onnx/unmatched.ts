// Tests of the standard's data that no engine can match, each with the reason.

export const UNMATCHED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["bernoulli", "bernoulli_double", "bernoulli_seed"].flatMap((name) =>
      [`test_${name}`, `test_${name}_expanded`].map((test) => [test, "random numbers of numpy's generator"]),
    ),
  ),
};
