// Wrong arguments: every error names its operation, and none comes from inside.

import { describe, expect, it } from "vitest";
import { Tensor, TensorError } from "../../src/index.js";

type Method = (...args: unknown[]) => unknown;

const methodOf = (x: Tensor, name: string): Method =>
  ((x as unknown as Record<string, Method>)[name] as Method).bind(x);

const matrix = (): Tensor =>
  Tensor.from([
    [1, 2, 3],
    [4, 5, 6],
  ]);

/** Methods that take an axis first. */
const AXIS_FIRST = [
  "sum",
  "prod",
  "mean",
  "max",
  "min",
  "argmax",
  "argmin",
  "all",
  "any",
  "std",
  "var",
].concat(
  ["median", "logsumexp", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "softmax", "logSoftmax"],
  ["squeeze", "unsqueeze", "flip", "mode", "nansum", "countNonzero", "select", "transpose"],
);

/** Methods that take an integer first: a number of times, pieces or places. */
const INTEGER_FIRST = ["rot90", "tril", "triu", "diagonal", "roll", "topk", "kthvalue", "repeatInterleave"];

/** A method's wrong arguments on a float32[2, 3]. */
const TABLE: readonly (readonly [string, readonly unknown[]])[] = [
  ...AXIS_FIRST.flatMap((name) =>
    [99, -99, 0.5, Number.NaN].map(
      (axis) => [name, name === "transpose" ? [axis, 0] : name === "select" ? [axis, 0] : [axis]] as const,
    ),
  ),
  ...INTEGER_FIRST.flatMap((name) =>
    [0.5, Number.NaN].map((n) => [name, [n, ...(name === "rot90" ? [] : [0])]] as const),
  ),
  ["reshape", [[4, 2]]],
  ["expand", [[2, 4]]],
  ["add", [Tensor.zeros([4])]],
  ["matmul", [Tensor.zeros([2, 3])]],
  ["narrow", [0, 1, 5]],
  ["unfold", [0, 5, 1]],
  ["clamp", []],
  ["gcd", [Tensor.zeros([3])]],
];

describe("wrong arguments", () => {
  for (const [name, args] of TABLE) {
    it(`${name}(${args.map(String).join(", ")})`, () => {
      let thrown: unknown;
      try {
        methodOf(matrix(), name)(...args);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(Error);
      const { message } = thrown as Error;
      expect({
        kind:
          thrown instanceof TensorError ||
          (thrown as Error).name === "GraphError" ||
          thrown instanceof RangeError,
        message,
      }).toMatchObject({ kind: true });
      expect(message).toMatch(/^\w+: /);
    });
  }
});
