// Corner cases 1 to 10: reductions, padding, sizes.

import { expect } from "vitest";
import { type BoundVariable, type DType, jit, Tensor, Variable } from "../../src/index.js";
import { visitStatements } from "../../src/kernel/ir.js";
import { corner, kernelsOf, numbers, operationsOf } from "./corner.js";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const of = (dtype: DType, ...values: number[]): Tensor => Tensor.from(values, { dtype });
/** Floats without a pattern, the same at every run. */
const wild = (...shape: number[]): Tensor => {
  const size = shape.reduce((n, d) => n * d, 1);
  return Tensor.from(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * i + 1)),
    { shape },
  );
};

corner(1, "a pad counts with its fill value in whatever comes after", async () => {
  const x = of("float32", -3, -2);
  const padded = x.pad([[2, 1]]);
  expect((await numbers(padded.exp().sum()))[0]).toBeCloseTo(3 + Math.exp(-3) + Math.exp(-2), 5);
  expect(await numbers(padded.abs().log().sum())).toEqual([-inf]);
  expect(await numbers(padded.max())).toEqual([0]);
  expect(await numbers(padded.cos().add(1).min())).not.toEqual([0]);
});

corner(2, "tails take nothing in but the reduction's identity", async () => {
  for (const size of [1, 7, 16, 17, 37, 61]) {
    const x = Tensor.arange(size).add(1).neg();
    for (const dtype of ["float32", "int32", "float16"] as const) {
      const rows = x.cast(dtype).reshape([1, size]).expand([3, size]).contiguous();
      expect(await numbers(rows.max(1))).toEqual([-1, -1, -1]);
      expect(await numbers(rows.neg().min(1))).toEqual([1, 1, 1]);
      expect(await numbers(rows.div(rows).cast(dtype).prod(1))).toEqual([1, 1, 1]);
      expect(await numbers(rows.sum(1))).toEqual(new Array(3).fill((-size * (size + 1)) / 2));
    }
  }
});

corner(
  3,
  "reductions of nothing give their identity, and zero-size tensors run no kernel",
  async (device) => {
    const none = Tensor.zeros([0, 3]);
    expect(await numbers(none.sum(0))).toEqual([0, 0, 0]);
    expect(await numbers(none.prod(0))).toEqual([1, 1, 1]);
    expect(await numbers(none.max(0))).toEqual([-inf, -inf, -inf]);
    expect(await numbers(none.min(0))).toEqual([inf, inf, inf]);
    expect(await numbers(none.mean(0))).toEqual([nan, nan, nan]);
    expect(await numbers(none.int().max(0))).toEqual(new Array(3).fill(-(2 ** 31)));
    expect(await numbers(none.cast("uint8").min(0))).toEqual([255, 255, 255]);
    expect(await kernelsOf(device, wild(3, 4).narrow(0, 1, 0).add(1), none.exp())).toEqual([]);
    expect(await numbers(wild(3, 4).narrow(0, 1, 0).add(1))).toEqual([]);
  },
);

corner(
  4,
  "what does not depend on the reduced axis is multiplied, at symbolic lengths too",
  async (device) => {
    const x = wild(5);
    const many = x.unsqueeze(1).expand([5, 1_000_000]);
    expect(await operationsOf(device, many.sum(1))).toBeLessThan(20);
    expect((await numbers(many.sum(1)))[2]).toBeCloseTo(Math.sin(5) * 1e6, -1);
    expect(await operationsOf(device, many.max(1))).toBeLessThan(20);
    const length = new Variable("repeats", 1, 1000);
    const total = jit((y: Tensor, n: BoundVariable) => y.unsqueeze(1).expand([5, n.variable.dim]).sum(1));
    for (const n of [1, 7, 1000]) {
      expect((await numbers(await total(x, length.bind(n))))[0]).toBeCloseTo(Math.sin(1) * n, 2);
    }
  },
);

corner(
  5,
  "reductions used again at full shape are one kernel, and nothing is computed once an element",
  async (device) => {
    const x = wild(8, 50);
    const [once] = [50 * 8];
    for (const [y, operationsAnElement] of [
      [x.softmax(-1), 8],
      [x.softmax(-1).softmax(-1), 16],
      [x.sub(x.mean(-1, { keepdim: true })).div(x.var(-1, { keepdim: true }).add(1e-5).sqrt()), 16],
    ] as const) {
      expect(await kernelsOf(device, y)).toHaveLength(1);
      expect(await operationsOf(device, y)).toBeLessThan(once * operationsAnElement);
    }
  },
);

corner(
  6,
  "reductions over one axis share the loop over rows; axes of different size have loops of their own",
  async (device) => {
    const x = wild(4, 6);
    // One kernel with one loop over rows; within, each reduction has a loop of its own, to have vectors of its own.
    const loops = async (y: Tensor): Promise<number[][]> => {
      const kernels = await kernelsOf(device, y);
      return kernels.map(({ body }) =>
        body.flatMap((s) => (s.kind === "for" ? [Number(s.atom.extent.value)] : [])),
      );
    };
    expect(await loops(x.sum(1).add(x.max(1)))).toEqual([[4]]);
    const inner: number[] = [];
    for (const kernel of await kernelsOf(device, x.sum(1).add(wild(4, 7).max(1)))) {
      visitStatements(kernel.body, (s) => {
        if (s.kind === "for" && s.body.some((t) => t.kind === "accumulate"))
          inner.push(Number(s.atom.extent.value));
      });
    }
    expect(inner.sort()).toEqual([6, 7]);
    // An accumulator starts anew for each turn of the loops around it.
    const y = wild(3, 4, 5);
    const expected = Array.from({ length: 3 }, (_, i) => {
      let total = 0;
      for (let j = 0; j < 4; j++) {
        const row = Array.from({ length: 5 }, (_, k) => Math.sin((20 * i + 5 * j + k) ** 2 + 1));
        total += row.reduce((a, b) => a + b) * Math.max(...row);
      }
      return total;
    });
    const found = await numbers(y.sum(2).mul(y.max(2)).sum(1));
    found.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 4);
    });
  },
);

corner(7, "extremes: of nothing but -inf, the first of equals, NaN in either order", async () => {
  expect(await numbers(Tensor.full([5], -inf).max())).toEqual([-inf]);
  expect(await numbers(Tensor.full([2, 5], -inf).argmax(1))).toEqual([0, 0]);
  expect(await numbers(of("float32", 1, 3, 3, 0, 0).argmax())).toEqual([1]);
  expect(await numbers(of("float32", 1, 3, 3, 0, 0).argmin())).toEqual([3]);
  const [x, y] = [of("float32", NaN, 1, -inf), of("float32", 2, NaN, NaN)];
  for (const result of [x.maximum(y), y.maximum(x), x.minimum(y), y.minimum(x)])
    expect(await numbers(result)).toEqual([nan, nan, nan]);
  expect(await numbers(x.relu())).toEqual([nan, 1, 0]);
  expect(await numbers(x.clamp(0, 1))).toEqual([nan, 1, 0]);
  for (const order of [
    [nan, 1, 2],
    [2, 1, nan],
    [1, nan, 2],
  ]) {
    expect(await numbers(of("float32", ...order).max())).toEqual([nan]);
    expect(await numbers(of("float32", ...order).min())).toEqual([nan]);
  }
});

corner(8, "sums and products of small types are taken in wide ones", async () => {
  expect(await numbers(Tensor.ones([4096], { dtype: "float16" }).contiguous().sum())).toEqual([4096]);
  expect(await numbers(Tensor.ones([4096], { dtype: "bfloat16" }).contiguous().sum())).toEqual([4096]);
  expect(await numbers(Tensor.ones([300], { dtype: "bool" }).contiguous().sum())).toEqual([300]);
  const bytes = Tensor.full([1000], 127, { dtype: "int8" }).contiguous();
  expect(bytes.sum().dtype).toBe("int32");
  expect(await numbers(bytes.sum())).toEqual([127_000]);
  // 300 * 300 is more than a half holds; the mean of such products is not.
  const halves = Tensor.full([1, 8], 300, { dtype: "float16" }).contiguous();
  expect(await numbers(halves.matmul(halves.T.mul(0.05)))).toEqual([36_000]);
});

corner(9, "one configuration gives one result", async () => {
  const x = wild(300, 333);
  const [weights, bias] = [wild(333, 50), wild(50)];
  const results = async (): Promise<number[]> => {
    const y = x.matmul(weights).add(bias).tanh();
    return [...(await numbers(y.sum())), ...(await numbers(y.softmax(0).at(0))), ...(await numbers(x.sum()))];
  };
  const first = await results();
  for (let i = 0; i < 3; i++) expect(await results()).toEqual(first);
});

corner(10, "sizes: primes, ones, none, many axes, many blocks", async () => {
  expect(await numbers(Tensor.from(3).add(4).square())).toEqual([49]);
  expect(await numbers(wild(1, 1, 1).sub(wild(1)).sum())).toEqual([0]);
  const x = Tensor.arange(13 * 17 * 19)
    .reshape([13, 17, 19])
    .cast("float32");
  expect((await numbers(x.permute([2, 0, 1]).sum([0, 2]).at(12)))[0]).toBe(
    17 * 19 * (12 * 17 * 19 + (17 * 19 - 1) / 2),
  );
  const nine = Tensor.arange(2 ** 9).reshape(new Array(9).fill(2));
  const reversed = nine.permute([8, 7, 6, 5, 4, 3, 2, 1, 0]).flatten();
  expect((await numbers(reversed)).slice(0, 4)).toEqual([0, 256, 128, 384]);
  expect(await numbers(nine.sum([0, 2, 4, 6, 8]).sum())).toEqual([(512 * 511) / 2]);
  const many = Tensor.arange(70_001).reshape([70_001, 1]).mul(2).add(Tensor.arange(3));
  expect((await numbers(many)).slice(-3)).toEqual([140_000, 140_001, 140_002]);
});
