// Corner cases 11 to 17: fusion and dependencies.

import { expect } from "vitest";
import { readNode } from "../../src/engine/engine.js";
import { Tensor } from "../../src/index.js";
import { exprsOf, topologicalOrder, visitStatements } from "../../src/kernel/ir.js";
import { printKernel } from "../../src/kernel/print.js";
import { corner, kernelsOf, numbers, operationsOf } from "./corner.js";

const given = (...shape: number[]): Tensor => {
  const size = shape.reduce((n, d) => n * d, 1);
  return Tensor.from(
    Float32Array.from({ length: size }, (_, i) => i),
    { shape },
  );
};

async function expressionsOf(device: string, ...tensors: Tensor[]): Promise<number> {
  let count = 0;
  for (const kernel of await kernelsOf(device, ...tensors)) {
    visitStatements(kernel.body, (s) => {
      count += topologicalOrder(exprsOf(s)).length;
    });
  }
  return count;
}

corner(11, "diamonds grow neither code nor work", async (device) => {
  const x = given(4, 4);
  expect(await numbers(x.add(x.transpose()).at(1))).toEqual([5, 10, 15, 20]);
  const chain = (depth: number): Tensor => {
    let y = Tensor.arange(64).eq(0).cast("float32").contiguous();
    for (let i = 0; i < depth; i++) y = y.add(y.pad([[1, 0]]).narrow(0, 0, 64));
    return y;
  };
  // Row 24 of Pascal's triangle.
  expect((await numbers(chain(24))).slice(0, 5)).toEqual([1, 24, 276, 2024, 10626]);
  const [short, long] = [await expressionsOf(device, chain(10)), await expressionsOf(device, chain(40))];
  expect(long).toBeLessThan(6 * short);
  expect(await operationsOf(device, chain(40))).toBeLessThan(6 * (await operationsOf(device, chain(10))));
  const self = (depth: number): Tensor => {
    let y = x;
    for (let i = 0; i < depth; i++) y = y.add(y).mul(0.5).add(y.sum(0)).sub(y.max(0));
    return y;
  };
  expect(await operationsOf(device, self(30))).toBeLessThan(8 * (await operationsOf(device, self(6))));
});

corner(
  12,
  "results computed together share producers, are inputs of one another, and views",
  async (device) => {
    const x = given(3, 4);
    const shared = x.exp().add(1);
    const [a, b] = [shared.sum(1), shared.max(1)];
    const c = a.mul(b);
    const view = c.reshape([3, 1]).expand([3, 2]);
    expect(await kernelsOf(device, a, b, c)).toHaveLength(1);
    await Tensor.realize([view, c, shared, a, b, shared.at(1)]);
    const rows = [0, 1, 2].map((i) => [0, 1, 2, 3].map((j) => Math.exp(4 * i + j) + 1));
    const expected = rows.map((row) => row.reduce((s, v) => s + v) * Math.max(...row));
    (await numbers(view)).forEach((value, i) => {
      expect(value / expected[i >> 1]).toBeCloseTo(1, 5);
    });
    expect((await numbers(c))[2] / expected[2]).toBeCloseTo(1, 5);
  },
);

corner(13, "more operands than a device has buffers", async (device) => {
  const many = Array.from({ length: 40 }, (_, i) => Tensor.from(Float32Array.of(i, 2 * i, 3 * i)));
  const sum = many.reduce((s, x) => s.add(x));
  expect(await numbers(sum)).toEqual([780, 1560, 2340]);
  expect((await numbers(Tensor.stack(many))).slice(-3)).toEqual([39, 78, 117]);
  expect((await numbers(Tensor.concat(many).mul(2))).slice(3, 6)).toEqual([2, 4, 6]);
  expect(await numbers(Tensor.stack(many).sum(0))).toEqual([780, 1560, 2340]);
  for (const kernel of await kernelsOf(
    device,
    Tensor.stack(many),
    many.reduce((s, x) => s.mul(x)),
  ))
    if (device === "limited") expect(kernel.params.length).toBeLessThanOrEqual(8);
});

corner(14, "graphs 10,000 operations deep, printed too", async (device) => {
  let x = given(4);
  for (let i = 0; i < 10_000; i++) x = x.add(1).maximum(0.5);
  const kernels = await kernelsOf(device, x);
  expect(kernels.map(printKernel).join("").length).toBeGreaterThan(10_000);
  expect(await numbers(x)).toEqual([10_000, 10_001, 10_002, 10_003]);
  let reduced = given(2, 2);
  for (let i = 0; i < 1000; i++) reduced = reduced.sub(reduced.mean(0)).add(1);
  expect(await numbers(reduced)).toEqual([0, 0, 2, 2]);
});

corner(15, "what names places costs as much as its results", async (device) => {
  const [n, index] = [1000, Tensor.from(Int32Array.from({ length: 1000 }, (_, i) => (i * 7) % 50))];
  const table = given(50, 8);
  const costs: readonly (readonly [string, Tensor, number])[] = [
    ["arange", Tensor.arange(n), n],
    ["eye", Tensor.eye(100), 10_000],
    ["tril", given(100, 100).tril(), 10_000],
    ["one-hot", index.oneHot(50), 50 * n],
    ["gather", table.gather(0, index.unsqueeze(1).expand([n, 8])), 8 * n],
    ["embedding", index.embedding(table), 8 * n],
    ["its gradient", Tensor.zeros([50, 8]).indexAdd(0, index, given(n, 8)), 8 * n],
    // n log n
    ["cumsum", given(4096).cumsum(0), 12 * 4096],
    ["cumprod", given(4, 1024).cumprod(1), 10 * 4096],
  ];
  for (const [name, x, outputs] of costs)
    expect({ name, cheap: (await operationsOf(device, x)) <= 6 * outputs }).toEqual({ name, cheap: true });
  expect(await numbers(given(4, 5).cumsum(1).at(1))).toEqual([5, 11, 18, 26, 35]);
});

corner(16, "gathered places: from the end, repeated, of any integer dtype, outside", async () => {
  const x = given(3, 2);
  for (const dtype of ["int64", "int32", "int8", "uint8"] as const) {
    const index = Tensor.from([2, 0, 2], { dtype });
    expect(await numbers(x.indexSelect(0, index))).toEqual([4, 5, 0, 1, 4, 5]);
  }
  expect(await numbers(x.indexSelect(0, Tensor.from([-1, -3], { dtype: "int64" })))).toEqual([4, 5, 0, 1]);
  expect(() => x.at(3)).toThrow("place 3 is not one of axis 0");
  expect(() => x.narrow(0, 2, 2)).toThrow();
  const outside = Tensor.from([3, -4, 1_000_000, 1], { dtype: "int32" });
  expect(await numbers(x.add(1).indexSelect(0, outside))).toEqual([0, 0, 0, 0, 0, 0, 3, 4]);
  const weights = given(3, 2).requiresGrad_();
  weights
    .indexSelect(0, Tensor.from([2, 0, 2, -1], { dtype: "int32" }))
    .sum()
    .backward();
  expect(await numbers(weights.grad!)).toEqual([1, 1, 0, 0, 3, 3]);
});

corner(17, "a billion ones take no memory until they must", async (device) => {
  const ones = Tensor.ones([1_000_000_000]);
  expect(ones.shape).toEqual([1_000_000_000]);
  expect(await kernelsOf(device, ones.at([5, 8]))).toHaveLength(1);
  expect(await numbers(ones.at([5, 8]))).toEqual([1, 1, 1]);
  expect(await numbers(ones.sum())).toEqual([1e9]);
  const stored = Tensor.ones([1000]).contiguous();
  await stored.realize();
  expect(stored.node.storage!.bytes).toBe(4000);
  expect((await readNode(stored.node)).length).toBe(4000);
});
