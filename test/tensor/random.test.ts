// Distributions by their moments with fixed seeds, the same bits on every device, masks, weights' starts.

import { describe, expect, it } from "vitest";
import { availableDevices, manualSeed, nn, Tensor } from "../../src/index.js";

const numbers = async (x: Tensor): Promise<number[]> =>
  Array.from((await x.data()) as ArrayLike<number>, Number);

async function moments(x: Tensor): Promise<{ mean: number; variance: number }> {
  const values = await numbers(x);
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return { mean, variance: values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length };
}

const N = [20000];

describe("distributions", () => {
  // Five standard errors or so of 20000 draws.
  it.each([
    ["rand", () => Tensor.rand(N, { seed: 1 }), 1 / 2, 1 / 12],
    ["randn", () => Tensor.randn(N, { seed: 2 }), 0, 1],
    ["normal", () => Tensor.normal(N, 3, 2, { seed: 3 }), 3, 4],
    ["normal of tensors", () => Tensor.normal(N, Tensor.full(N, 3), Tensor.full(N, 2), { seed: 3 }), 3, 4],
    ["exponential", () => Tensor.exponential(N, 2, { seed: 4 }), 1 / 2, 1 / 4],
    ["geometric", () => Tensor.geometric(N, 0.4, { seed: 5 }), 2.5, 3.75],
    [
      "logNormal",
      () => Tensor.logNormal(N, 0, 0.25, { seed: 6 }),
      Math.exp(0.03125),
      Math.exp(0.0625) * Math.expm1(0.0625),
    ],
    ["truncNormal", () => Tensor.truncNormal(N, { seed: 7 }), 0, 0.7737],
    ["bernoulli", () => Tensor.bernoulli(N, 0.3, { seed: 8, dtype: "float32" }), 0.3, 0.21],
    ["randint", () => Tensor.randint(-3, 4, N, { seed: 9 }), 0, 4],
  ] as const)("%s has its mean and variance", async (_, draw, mean, variance) => {
    const found = await moments(draw());
    expect(Math.abs(found.mean - mean)).toBeLessThan(5 * Math.sqrt(variance / N[0]));
    expect(Math.abs(found.variance / variance - 1)).toBeLessThan(0.12);
  });

  it("cauchy has its quartiles", async () => {
    const values = (await numbers(Tensor.cauchy(N, 1, 2, { seed: 10 }))).sort((a, b) => a - b);
    expect(values[5000]).toBeCloseTo(-1, 0);
    expect(values[10000]).toBeCloseTo(1, 0);
    expect(values[15000]).toBeCloseTo(3, 0);
  });

  it("multinomial draws in proportion, never what weighs nothing", async () => {
    const weights = Tensor.from([0, 1, 0, 3, 4]);
    const drawn = await numbers(weights.multinomial(20000, { replacement: true, seed: 11 }));
    const counts = [0, 1, 2, 3, 4].map((place) => drawn.filter((x) => x === place).length / drawn.length);
    [0, 1 / 8, 0, 3 / 8, 1 / 2].forEach((share, i) => {
      expect(Math.abs(counts[i] - share)).toBeLessThan(0.02);
    });
    const rows = Tensor.from([weights, weights]).multinomial(3, { seed: 12 });
    expect(rows.shape).toEqual([2, 3]);
    const list = (await rows.tolist()) as number[][];
    for (const row of list) expect([...row].sort()).toEqual([1, 3, 4]);
    expect(() => weights.multinomial(6)).toThrow("cannot draw 6 of 5 places");
  });

  it("randperm is a permutation", async () => {
    const order = await numbers(Tensor.randperm(500, { seed: 13 }));
    expect([...order].sort((a, b) => a - b)).toEqual(order.map((_, i) => i));
    expect(order.filter((x, i) => x === i).length).toBeLessThan(10);
  });
});

describe("seeds", () => {
  it("an own seed draws what manualSeed of it draws, and leaves the common draws alone", async () => {
    manualSeed(5);
    const first = await numbers(Tensor.randn([4]));
    manualSeed(5);
    expect(await numbers(Tensor.randn([4], { seed: 5 }))).toEqual(first);
    expect(await numbers(Tensor.randn([4]))).toEqual(first);
    expect(() => Tensor.rand([2], { seed: -1 })).toThrow("seed");
  });

  it("gives the same bits on every device", async () => {
    const found: string[] = [];
    for (const { name, available } of await availableDevices()) {
      if (!available) continue;
      const draws = [
        Tensor.rand([7], { seed: 3 }),
        Tensor.randint(0, 1000, [7], { seed: 3 }),
        Tensor.randperm(7, { seed: 3 }),
        Tensor.bernoulli([7], 0.5, { seed: 3 }),
      ];
      const data = [];
      for (const x of draws) data.push(Array.from((await x.data({ device: name })) as ArrayLike<number>));
      found.push(JSON.stringify(data));
    }
    expect(found.length).toBeGreaterThan(1);
    expect(new Set(found).size).toBe(1);
  });
});

describe("masks", () => {
  it("drop whole channels", async () => {
    manualSeed(1);
    const x = Tensor.ones([8, 16, 3, 3]);
    const rows = (await x.dropout2d(0.5).reshape([128, 9]).tolist()) as number[][];
    for (const row of rows) expect(new Set(row).size).toBe(1);
    const dropped = rows.filter((row) => row[0] === 0).length;
    expect(dropped).toBeGreaterThan(40);
    expect(dropped).toBeLessThan(90);
    expect(() => x.dropout1d()).toThrow("dropout1d: needs channels and 1 more axes");
  });
  it("alphaDropout keeps mean and variance", async () => {
    manualSeed(2);
    const { mean, variance } = await moments(Tensor.randn(N).alphaDropout(0.3));
    expect(mean).toBeCloseTo(0, 1);
    expect(variance).toBeCloseTo(1, 1);
  });
  it("gumbelSoftmax of hard choices is one-hot, with the soft one's gradients", async () => {
    manualSeed(3);
    const x = Tensor.randn([5, 4]).requiresGrad_();
    const hard = x.gumbelSoftmax({ hard: true });
    for (const row of (await hard.tolist()) as number[][]) expect([...row].sort()).toEqual([0, 0, 0, 1]);
    hard
      .mul(Tensor.arange(4, undefined, 1, { dtype: "float32" }))
      .sum()
      .backward();
    expect((await numbers(x.grad!)).every(Number.isFinite)).toBe(true);
  });
});

describe("starts of weights", () => {
  it("orthogonal rows", async () => {
    const q = nn.init.orthogonal([3, 2, 4], { seed: 4 }).reshape([3, 8]);
    expect(await q.matmul(q.transpose()).allclose(Tensor.eye(3), { atol: 1e-5 }).item()).toBe(true);
  });
  it("dirac hands channels on", async () => {
    const weight = nn.init.dirac([3, 3, 3]);
    const x = Tensor.randn([1, 3, 6], { seed: 5 });
    expect(await x.conv1d(weight, undefined, { padding: 1 }).equal(x)).toBe(true);
  });
  it("sparse columns have their zeros", async () => {
    const columns = await nn.init.sparse([10, 4], 0.3, { seed: 6 }).eq(0).sum(0).tolist();
    expect(columns).toEqual([3, 3, 3, 3]);
  });
  it("kaiming by mode and gain", async () => {
    const { variance } = await moments(
      nn.init.kaimingNormal([200, 100], { mode: "fanOut", nonlinearity: "relu", seed: 7 }),
    );
    expect(variance).toBeCloseTo(2 / 200, 3);
    expect(nn.init.calculateGain("tanh")).toBe(5 / 3);
  });
});
