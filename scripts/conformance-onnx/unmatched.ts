// Tests of the standard's data that no engine can match, each with the reason.

export const UNMATCHED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ["bernoulli", "bernoulli_double", "bernoulli_seed"].flatMap((name) =>
      [`test_${name}`, `test_${name}_expanded`].map((test) => [test, "random numbers of numpy's generator"]),
    ),
  ),
  test_adam_multiple: "its results were computed with an epsilon of 0.01, which the model does not say",
  test_dft_inverse_opset19: "where a sum is zero it expects what float32 left of it",
};
