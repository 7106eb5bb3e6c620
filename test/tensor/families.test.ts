// What the families of operations promise beyond the reference cases: views, limits, messages, random numbers.

import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { availableDevices, jit, manualSeed, setDefaultDevice, Tensor } from "../../src/index.js";
import { threefry2x32 } from "../../src/scalar/random.js";
import type { SlicePart } from "../../src/tensor/indexing.js";

beforeEach(() => setDefaultDevice("interpreter"));

const places = (...shape: number[]): Tensor => Tensor.arange(shape.reduce((n, d) => n * d, 1)).reshape(shape);
const numbers = async (x: Tensor): Promise<number[]> => Array.from((await x.data()) as Float32Array);

/** Elements, each within 1e-5 of what it should be. */
async function expectClose(x: Tensor, expected: readonly number[]): Promise<void> {
  const values = await numbers(x);
  expect(values.length).toBe(expected.length);
  for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i], 5);
}

/** The gradient of the sum of f at some places. */
async function slopes(f: (x: Tensor) => Tensor, at: readonly number[]): Promise<number[]> {
  const x = Tensor.from(at).requiresGrad_();
  f(x).sum().backward();
  return numbers(x.grad!);
}

it("a clone has a gradient of its own", async () => {
  const x = Tensor.from([1, 2]).requiresGrad_();
  const y = x.clone().requiresGrad_();
  x.mul(2).add(y.mul(3)).sum().backward();
  expect(await numbers(y.grad!)).toEqual([3, 3]);
  expect(await numbers(x.grad!)).toEqual([5, 5]);
});

describe("slices", () => {
  /** What Python takes of a list. */
  function taken(size: number, [start, stop, step]: readonly (number | null)[]): number[] {
    const by = step ?? 1;
    const limit = (n: number, low: number, high: number) =>
      Math.min(high, Math.max(low, n < 0 ? n + size : n));
    const result: number[] = [];
    if (by > 0) {
      const end = limit(stop ?? size, 0, size);
      for (let i = limit(start ?? 0, 0, size); i < end; i += by) result.push(i);
    } else {
      const end = stop === null ? -1 : limit(stop, -1, size - 1);
      for (let i = start === null ? size - 1 : limit(start, -1, size - 1); i > end; i += by) result.push(i);
    }
    return result;
  }

  const part = (reach: number) => fc.option(fc.integer({ min: -reach, max: reach }), { nil: null });
  const range = fc.tuple(
    part(9),
    part(9),
    fc.option(fc.integer({ min: -4, max: 4 }).filter((n) => n !== 0), { nil: null }), // biome-ignore format: one line
  );

  it("take what Python's take", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 8 }), range, async (size, given) => {
        expect(await numbers(places(size).slice([given]))).toEqual(taken(size, given));
      }),
      { numRuns: 200 },
    ));

  it("write where they read", () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 8 }), range, async (size, given) => {
        const x = places(size).contiguous();
        const view = x.slice([given]);
        if (view.size === 0) return;
        view.assign(view.neg().sub(1));
        const expected = Array.from({ length: size }, (_, i) =>
          taken(size, given).includes(i) ? -i - 1 : i,
        );
        expect(await numbers(x)).toEqual(expected);
      }),
      { numRuns: 100 },
    ));

  it("know new axes, the rest, and places from the end", () => {
    const x = places(2, 3, 4);
    const shapeOf = (...parts: SlicePart[]) => x.at(...parts).shape;
    expect(shapeOf(0)).toEqual([3, 4]);
    expect(shapeOf("...", -1)).toEqual([2, 3]);
    expect(shapeOf(0, "...", 0)).toEqual([3]);
    expect(shapeOf("new", null, "new", [1])).toEqual([1, 2, 1, 2, 4]);
    expect(shapeOf([1], [null, null, 2], [-2])).toEqual([1, 2, 2]);
  });

  it("refuse what is not there", () => {
    const x = places(2, 3);
    expect(() => x.at(2)).toThrow("place 2 is not one of axis 0 of Tensor(int32[2, 3])");
    expect(() => x.at(0, 0, 0)).toThrow("3 parts are too many");
    expect(() => x.at("...", "...")).toThrow('2 "..."');
    expect(() => x.at([0, 2, 0])).toThrow("the step not 0");
    expect(() => x.at(0.5)).toThrow("place 0.5");
  });
});

describe("places that depend on data", () => {
  it("gather and scatter where the index is smaller than the data", async () => {
    const x = places(3, 4);
    const index = Tensor.from([[3, 0]], { dtype: "int32" });
    expect(await x.gather(1, index).tolist()).toEqual([[3, 0]]);
    const sums = Tensor.zeros([3, 4]).scatterAdd(1, index, Tensor.from([[5, 7]]));
    expect(await numbers(sums)).toEqual([7, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(() => x.gather(0, Tensor.zeros([1, 5], { dtype: "int32" }))).toThrow("no other axis longer");
    expect(() => x.gather(0, Tensor.zeros([1, 4]))).toThrow("must be integers");
  });

  it("read 0 out of range", async () => {
    const index = Tensor.from([0, 4, -5, -4, 100], { dtype: "int32" });
    expect(await numbers(Tensor.from([1, 2, 3, 4]).gather(0, index))).toEqual([1, 0, 0, 1, 0]);
  });

  it("select, take and add", async () => {
    const x = places(2, 3);
    const index = Tensor.from([2, 0, 2], { dtype: "uint8" });
    expect(await x.indexSelect(1, index).tolist()).toEqual([[2, 0, 2], [5, 3, 5]]); // biome-ignore format: rows
    expect(await x.take(index.reshape([3, 1])).tolist()).toEqual([[2], [0], [2]]);
    expect(await x.takeAlongAxis(index.reshape([1, 3]), 1).tolist()).toEqual([[2, 0, 2], [5, 3, 5]]); // biome-ignore format: rows
    const added = Tensor.zeros([2, 3]).indexAdd(1, index, Tensor.ones([2, 3]));
    expect(await added.tolist()).toEqual([[1, 0, 2], [1, 0, 2]]); // biome-ignore format: rows
  });

  it("find diagonals", async () => {
    const x = places(3, 4);
    expect(await numbers(x.diagonal())).toEqual([0, 5, 10]);
    expect(await numbers(x.diagonal(1))).toEqual([1, 6, 11]);
    expect(await numbers(x.diagonal(3))).toEqual([3]);
    expect(await numbers(x.diagonal(-2))).toEqual([8]);
    expect(x.diagonal(4).shape).toEqual([0]);
    expect(await x.trace().item()).toBe(15);
    expect(await places(2, 2, 2).diagonal().tolist()).toEqual([[0, 3], [4, 7]]); // biome-ignore format: rows
    expect(await Tensor.from([1, 2]).diag().tolist()).toEqual([[1, 0], [0, 2]]); // biome-ignore format: rows
  });
});

describe("contractions", () => {
  it("multiply small types in wide ones", async () => {
    const half = Tensor.full([1, 4096], 1, { dtype: "float16" });
    expect(await half.matmul(half.T).item()).toBe(4096);
    const large = Tensor.full([1, 2], 300, { dtype: "float16" });
    expect(
      await large.matmul(large.T.neg().add(Tensor.from([[0], [300]], { dtype: "float16" }))).item(),
    ).toBe(Number.NEGATIVE_INFINITY);
    const bytes = Tensor.full([1, 3], 100, { dtype: "int8" });
    expect(await bytes.matmul(bytes.T).item()).toBe((30000 << 24) >> 24);
  });

  it("say what does not fit", () => {
    expect(() => places(2, 3).matmul(places(4, 5))).toThrow(
      "matmul: Tensor(int32[2, 3]) and Tensor(int32[4, 5])",
    );
    expect(() => places(2, 2, 3).matmul(places(3, 3, 5))).toThrow("those before must broadcast");
    expect(() => Tensor.full([], 1).matmul(places(2))).toThrow("use mul for scalars");
    expect(() => places(2, 3).linear(places(3, 2))).toThrow("needs a weight [out, 3]");
    expect(() => places(2, 2).bool().matmul(places(2, 2).bool())).toThrow("cast them first");
  });
});

describe("activations", () => {
  const far = [-1e4, -100, -20, 20, 100, 1e4];
  const step = [0, 0, 0, 1, 1, 1];

  it("have finite slopes far out", async () => {
    const close = async (f: (x: Tensor) => Tensor, expected: readonly number[]) => {
      for (const [i, slope] of (await slopes(f, far)).entries()) expect(slope).toBeCloseTo(expected[i], 6);
    };
    await close((x) => x.sigmoid(), [0, 0, 0, 0, 0, 0]);
    await close((x) => x.softplus(), step);
    await close((x) => x.logSigmoid(), [1, 1, 1, 0, 0, 0]);
    await close((x) => x.elu(), step);
    await close((x) => x.celu(2), [0, 0, Math.exp(-10), 1, 1, 1]);
    await close((x) => x.silu(), step);
    await close((x) => x.mish(), step);
    await close((x) => x.gelu({ approximate: "tanh" }), step);
    await close((x) => x.softmax(0), [0, 0, 0, 0, 0, 0]);
  });

  it("keep their slope at 0", async () => {
    expect(await slopes((x) => x.sigmoid(), [0])).toEqual([0.25]);
    expect(await slopes((x) => x.softplus(), [0])).toEqual([0.5]);
    expect(await slopes((x) => x.elu(0.5), [0])).toEqual([0.5]);
    expect(await slopes((x) => x.leakyRelu(0.25), [0])).toEqual([0.25]);
    expect(await slopes((x) => x.relu6(), [0, 3, 6, 7])).toEqual([0, 1, 0, 0]);
  });

  it("pass NaN on", async () => {
    const x = Tensor.full([1], Number.NaN);
    for (const f of [
      "relu",
      "relu6",
      "sigmoid",
      "elu",
      "selu",
      "gelu",
      "softplus",
      "hardTanh",
      "softsign",
    ] as const)
      expect(await x[f]().item()).toBeNaN();
  });

  it("log1p is exact near 0, and so is its slope", async () => {
    const at = [1e-10, -1e-10, 3e-8, 1e-7, 2e-4, -0.3, 0.49, 0.51, 1e10];
    const values = await numbers(Tensor.from(at).log1p());
    for (const [i, value] of values.entries()) {
      const exact = Math.log1p(Math.fround(at[i]));
      expect(Math.abs(value - exact)).toBeLessThanOrEqual(3e-7 * Math.abs(exact));
    }
    for (const [i, slope] of (await slopes((x) => x.log1p(), at)).entries())
      expect(slope * (1 + at[i])).toBeCloseTo(1, 5);
    const limits = await numbers(Tensor.from([-1, Number.POSITIVE_INFINITY, Number.NaN, -2]).log1p());
    expect(limits).toEqual([Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN, Number.NaN]);
  });
});

describe("convolutions and pools", () => {
  it("equal the sum that defines them", () => {
    const small = (min: number, max: number) => fc.integer({ min, max });
    const pair = (min: number, max: number) => fc.tuple(small(min, max), small(min, max));
    return fc.assert(
      fc.asyncProperty(
        pair(3, 7),
        pair(1, 3),
        pair(1, 3),
        pair(0, 2),
        pair(1, 2),
        small(1, 2),
        async (size, kernel, stride, padding, dilation, groups) => {
          const span = kernel.map((k, i) => dilation[i] * (k - 1) + 1);
          const out = size.map((n, i) => Math.floor((n + 2 * padding[i] - span[i]) / stride[i]) + 1);
          fc.pre(out.every((n) => n > 0));
          const [inside, filters] = [2, 2 * groups];
          const image = places(1, inside * groups, ...size)
            .mod(7)
            .sub(3)
            .float32();
          const weight = places(filters, inside, ...kernel)
            .mod(5)
            .sub(2)
            .float32();
          const [x, w] = [await numbers(image), await numbers(weight)];
          const at = (c: number, row: number, column: number): number =>
            row < 0 || row >= size[0] || column < 0 || column >= size[1]
              ? 0
              : x[(c * size[0] + row) * size[1] + column];
          const expected: number[] = [];
          for (let o = 0; o < filters; o++)
            for (let i = 0; i < out[0]; i++)
              for (let j = 0; j < out[1]; j++) {
                let sum = 0;
                for (let c = 0; c < inside; c++)
                  for (let a = 0; a < kernel[0]; a++)
                    for (let b = 0; b < kernel[1]; b++) {
                      const channel = Math.floor(o / (filters / groups)) * inside + c;
                      const [row, column] = [
                        i * stride[0] + a * dilation[0],
                        j * stride[1] + b * dilation[1],
                      ];
                      const filter = w[((o * inside + c) * kernel[0] + a) * kernel[1] + b];
                      sum += at(channel, row - padding[0], column - padding[1]) * filter;
                    }
                expected.push(sum);
              }
          const result = image.conv2d(weight, undefined, { stride, padding, dilation, groups });
          expect(result.shape).toEqual([1, filters, ...out]);
          expect(await numbers(result)).toEqual(expected);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("work without a batch and in one dimension", async () => {
    const image = places(2, 5).float32();
    const batched = image.unsqueeze(0).conv1d(Tensor.ones([3, 2, 2]));
    expect(await image.conv1d(Tensor.ones([3, 2, 2])).tolist()).toEqual(await batched.squeeze(0).tolist());
    expect(await numbers(places(6).maxPool1d(3, { stride: 2, padding: 1 }))).toEqual([1, 3, 5]);
    expect(await numbers(places(6).avgPool1d(4, { stride: 2 }))).toEqual([1.5, 3.5]);
    const around = Tensor.ones([2, 2]).avgPool2d(2, { stride: 1, padding: 1, countIncludePad: false });
    expect(await numbers(around)).toEqual(new Array(9).fill(1));
  });

  it("say what does not fit", () => {
    const image = Tensor.zeros([1, 4, 5, 5]);
    expect(() => image.conv2d(Tensor.zeros([2, 3, 3, 3]))).toThrow("it should have 3 channels");
    expect(() => image.conv2d(Tensor.zeros([2, 4, 3]))).toThrow("weight [o, c, h, w]");
    expect(() => image.conv2d(Tensor.zeros([2, 4, 6, 3]))).toThrow(
      /a window of 6 does not fit axis -2 of padded Tensor\(float32\[\d+, \d+, \d+, \d+\]\)/,
    );
    expect(() => image.conv2d(Tensor.zeros([2, 4, 3, 3]), undefined, { stride: 0 })).toThrow(
      "stride must be an integer",
    );
    expect(() => image.conv2d(Tensor.zeros([2, 4, 3, 3]), Tensor.zeros([3]))).toThrow(
      "the bias should be [2]",
    );
    expect(() => image.maxPool2d(2, { padding: 2 })).toThrow("at most half of the window");
    expect(() => image.maxPool2d([2, 2, 2])).toThrow("or 2 of them");
  });
});

describe("norms and losses", () => {
  it("groupNorm normalises each group of channels", async () => {
    const x = places(2, 4, 3).float32().square();
    const groups = x.reshape([2, 2, 6]);
    const centred = groups.sub(groups.mean(2, { keepdim: true }));
    const expected = centred.div(groups.var(2, { keepdim: true, correction: 0 }).add(1e-5).sqrt());
    const weight = Tensor.from([1, 2, 3, 4]);
    const scaled = expected
      .reshape([2, 4, 3])
      .mul(weight.reshape([4, 1]))
      .add(1);
    await expectClose(x.groupNorm(2, { weight, bias: Tensor.ones([4]) }), await numbers(scaled));
    expect(() => x.groupNorm(3)).toThrow("do not make 3 groups");
    expect(() => x.layerNorm([4])).toThrow("are not [4]");
  });

  it("labels that do not count change nothing", async () => {
    const scores = Tensor.from([[1, 2, 3], [3, 1, 0]]); // biome-ignore format: rows
    const first = await scores
      .narrow(0, 0, 1)
      .crossEntropy(Tensor.from([1], { dtype: "int32" }))
      .item();
    const target = Tensor.from([1, -100], { dtype: "int32" });
    expect(await scores.crossEntropy(target).item()).toBeCloseTo(first as number, 6);
    const weight = Tensor.from([1, 2, 3]);
    expect(await scores.crossEntropy(target, { weight }).item()).toBeCloseTo(first as number, 6);
    expect(
      await scores.crossEntropy(Tensor.from([2, 2], { dtype: "int32" }), { ignoreIndex: 2 }).item(),
    ).toBeNaN();
    expect(() => scores.crossEntropy(Tensor.from([1], { dtype: "int32" }))).toThrow(
      "needs integer labels [2]",
    );
    expect(() => scores.crossEntropy(Tensor.from([1, 2]))).toThrow("probabilities should be [2, 3]");
  });

  it("binary cross entropy of scores is finite far out, also with posWeight", async () => {
    const scores = Tensor.from([-200, 200]);
    const wrong = Tensor.from([1, 0]);
    expect(await scores.binaryCrossEntropyWithLogits(wrong).item()).toBe(200);
    const posWeight = Tensor.from([3, 3]);
    expect(await scores.binaryCrossEntropyWithLogits(wrong, { posWeight }).item()).toBe(400);
  });
});

describe("random numbers", () => {
  it("are Threefry bits of place, draw and seed", async () => {
    manualSeed(42);
    const draws = [Tensor.rand([3]), Tensor.rand([3])];
    for (const [draw, x] of draws.entries()) {
      const expected = [0, 1, 2].map((place) => (threefry2x32(place, draw, 42, 0)[0] >>> 8) / 2 ** 24);
      expect(await numbers(x)).toEqual(expected);
    }
  });

  it("are the same on every device, and fresh in each call of a captured function", async () => {
    const results: number[][] = [];
    for (const { name, available } of await availableDevices()) {
      if (!available) continue;
      setDefaultDevice(name);
      manualSeed(3);
      const draw = jit((x: Tensor) => Tensor.stack([Tensor.rand([4]), x.dropout(0.5)]));
      const drawn: number[] = [];
      for (let i = 0; i < 3; i++) drawn.push(...(await numbers(await draw(Tensor.ones([4])))));
      drawn.push(...(await numbers(Tensor.rand([4]))), ...(await numbers(Tensor.randint(-5, 5, [4]))));
      results.push(drawn);
    }
    for (const result of results) expect(result).toEqual(results[0]);
    const uniform = [0, 8, 16, 24].flatMap((start) => results[0].slice(start, start + 4));
    expect(new Set(uniform).size).toBe(16);
  });

  it("go on where the seed starts them anew", async () => {
    manualSeed(1);
    const first = await numbers(Tensor.randn([5]));
    manualSeed(1);
    expect(await numbers(Tensor.randn([5]))).toEqual(first);
    expect(() => manualSeed(-1)).toThrow("must be an integer in [0, 2^32)");
  });

  it("have the distributions they should", async () => {
    manualSeed(0);
    const size = 4000;
    const moments = async (x: Tensor): Promise<number[]> => numbers(Tensor.stack([x.mean(), x.var()]));
    const near = async (x: Tensor, mean: number, variance: number) => {
      const [m, v] = await moments(x.cast("float32"));
      expect(Math.abs(m - mean)).toBeLessThan(4 * Math.sqrt(variance / size));
      expect(v / variance).toBeGreaterThan(0.9);
      expect(v / variance).toBeLessThan(1.1);
    };
    await near(Tensor.rand([size]), 0.5, 1 / 12);
    await near(Tensor.rand([size], { dtype: "float64" }), 0.5, 1 / 12);
    await near(Tensor.randn([size]), 0, 1);
    await near(Tensor.normal([size], 5, 2), 5, 4);
    await near(Tensor.uniform([size], -1, 3), 1, 16 / 12);
    await near(Tensor.randint(0, 10, [size]), 4.5, 99 / 12);
    await near(Tensor.full([size], 0.3).bernoulli(), 0.3, 0.21);
    await near(Tensor.ones([size]).dropout(0.2), 1, 0.25);
    await near(Tensor.kaimingUniform([40, 100]), 0, 2 / 100);
    await near(Tensor.kaimingNormal([40, 10, 10]), 0, 2 / 100);
    await near(Tensor.glorotUniform([40, 100]), 0, 2 / 140);
  });

  it("stay in their bounds in small types", async () => {
    for (const dtype of ["float16", "bfloat16", "float32"] as const) {
      const x = await numbers(Tensor.rand([5000], { dtype }));
      expect(Math.min(...x)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...x)).toBeLessThan(1);
    }
    const order = await numbers(Tensor.randperm(50));
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(order).not.toEqual([...order].sort((a, b) => a - b));
    expect(() => Tensor.randint(3, 3, [1])).toThrow("should hold 1 to 2^32 integers");
    expect(() => Tensor.rand([1], { dtype: "int32" })).toThrow("not a float dtype");
  });

  it("drop nothing out of training, and everything at p = 1", async () => {
    const x = Tensor.ones([8]);
    expect(x.dropout(0.5, { training: false })).toBe(x);
    expect(await numbers(x.dropout(1))).toEqual(new Array(8).fill(0));
    expect(() => x.dropout(1.5)).toThrow("must be in [0, 1]");
  });
});
