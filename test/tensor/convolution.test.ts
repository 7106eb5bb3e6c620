// Convolutions, pools and resampling beyond the reference cases: random parameters against the loops that define them
// on every device, adjoints, ties, what PyTorch has no function for, and errors.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  availableDevices,
  type BoundVariable,
  grad,
  jit,
  manualSeed,
  Tensor,
  Variable,
} from "../../src/index.js";
import type { Around } from "../../src/tensor/convolution.js";

const devices = (await availableDevices())
  .filter(({ name, available }) => available && ["interpreter", "wasm", "cpu"].includes(name))
  .map(({ name }) => name);
const device = "interpreter";

const numbers = async (x: Tensor, on = device): Promise<number[]> =>
  Array.from((await x.data({ device: on })) as ArrayLike<number>);

/** Small whole numbers, exact in every order of summation. */
const whole = (shape: readonly number[], by: number): Tensor =>
  Tensor.arange(shape.reduce((n, d) => n * d, 1))
    .mul(by)
    .mod(11)
    .sub(5)
    .float32()
    .reshape(shape);

/** All places of a shape, row by row. */
function placesOf(shape: readonly number[]): number[][] {
  let list: number[][] = [[]];
  for (const size of shape)
    list = list.flatMap((head) => Array.from({ length: size }, (_, i) => [...head, i]));
  return list;
}
const flat = (place: readonly number[], shape: readonly number[]): number =>
  place.reduce((n, p, i) => n * shape[i] + p, 0);
const within = (place: readonly number[], shape: readonly number[]): boolean =>
  place.every((p, i) => p >= 0 && p < shape[i]);

interface Parameters {
  readonly size: number[];
  readonly kernel: number[];
  readonly stride: number[];
  readonly padding: [number, number][];
  readonly dilation: number[];
  readonly extra: number[];
  readonly groups: number;
}
const axis = fc.record({
  size: fc.integer({ min: 1, max: 6 }),
  kernel: fc.integer({ min: 1, max: 4 }),
  stride: fc.integer({ min: 1, max: 4 }),
  padding: fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })),
  dilation: fc.integer({ min: 1, max: 3 }),
  extra: fc.integer({ min: 0, max: 3 }),
});
const parameters = fc
  .record({ axes: fc.array(axis, { minLength: 1, maxLength: 3 }), groups: fc.integer({ min: 1, max: 2 }) })
  .map(({ axes, groups }): Parameters => {
    const list = <K extends keyof (typeof axes)[0]>(key: K) => axes.map((one) => one[key]);
    return {
      size: list("size"),
      kernel: list("kernel"),
      stride: list("stride"),
      padding: list("padding"),
      dilation: list("dilation"),
      extra: list("extra"),
      groups,
    };
  });
const spanOf = ({ kernel, dilation }: Parameters, i: number): number => dilation[i] * (kernel[i] - 1) + 1;
/** Where element k of window i lies. */
const touched = ({ stride, dilation, padding }: Parameters, i: number[], k: number[]): number[] =>
  i.map((n, a) => n * stride[a] + k[a] * dilation[a] - padding[a][0]);

const small = (shape: readonly number[]): boolean =>
  shape.every((n) => n > 0) && shape.reduce((n, d) => n * d, 1) < 300;

describe.each(devices)("on %s, with random parameters", (on) => {
  // Each run on the cpu device calls a compiler.
  const runs = { numRuns: on === "interpreter" ? 25 : on === "wasm" ? 12 : 6 };

  it("a convolution is the sum that defines it", () =>
    fc.assert(
      fc.asyncProperty(parameters, async (p) => {
        const rank = p.size.length;
        const out = p.size.map(
          (n, i) => Math.floor((n + p.padding[i][0] + p.padding[i][1] - spanOf(p, i)) / p.stride[i]) + 1,
        );
        fc.pre(small(out));
        const [inside, filters] = [2, 2 * p.groups];
        const image = whole([2, inside * p.groups, ...p.size], 7);
        const weight = whole([filters, inside, ...p.kernel], 5);
        const [x, w] = [await numbers(image), await numbers(weight)];
        const expected = placesOf([2, filters, ...out]).map(([b, o, ...i]) => {
          const group = Math.floor(o / (filters / p.groups));
          let sum = 0;
          for (const [c, ...k] of placesOf([inside, ...p.kernel])) {
            const at = touched(p, i, k);
            if (!within(at, p.size)) continue;
            sum += x[flat([b, group * inside + c, ...at], image.sizes)] * w[flat([o, c, ...k], weight.sizes)];
          }
          return sum;
        });
        const method = `conv${rank as 1 | 2 | 3}d` as const;
        const { stride, padding, dilation, groups } = p;
        const result = image[method](weight, undefined, { stride, padding, dilation, groups });
        expect(result.shape).toEqual([2, filters, ...out]);
        expect(await numbers(result, on)).toEqual(expected.map((n) => n + 0));
      }),
      runs,
    ));

  it("a transposed convolution is the sum that defines it", () =>
    fc.assert(
      fc.asyncProperty(parameters, async (p) => {
        const rank = p.size.length;
        fc.pre(p.extra.every((n, i) => n < Math.max(p.stride[i], p.dilation[i])));
        const out = p.size.map(
          (n, i) => (n - 1) * p.stride[i] - p.padding[i][0] - p.padding[i][1] + spanOf(p, i) + p.extra[i],
        );
        fc.pre(small(out));
        const inside = 2;
        const image = whole([1, 2 * p.groups, ...p.size], 7);
        const weight = whole([2 * p.groups, inside, ...p.kernel], 5);
        const [x, w] = [await numbers(image), await numbers(weight)];
        const shape = [1, inside * p.groups, ...out];
        const expected = new Array<number>(shape.reduce((n, d) => n * d, 1)).fill(0);
        for (const [c, ...i] of placesOf(image.sizes.slice(1)))
          for (const [o, ...k] of placesOf([inside, ...p.kernel])) {
            const at = touched(p, i, k);
            if (!within(at, out)) continue;
            const place = flat([Math.floor(c / 2) * inside + o, ...at], shape.slice(1));
            expected[place] += x[flat([c, ...i], image.sizes.slice(1))] * w[flat([c, o, ...k], weight.sizes)];
          }
        const method = `convTranspose${rank as 1 | 2 | 3}d` as const;
        const { stride, padding, dilation, groups, extra: outputPadding } = p;
        const result = image[method](weight, undefined, { stride, padding, dilation, groups, outputPadding });
        expect(result.shape).toEqual(shape);
        expect(await numbers(result, on)).toEqual(expected.map((n) => n + 0));
      }),
      runs,
    ));

  it("pools are the largest and the mean of what their windows hold", () =>
    fc.assert(
      fc.asyncProperty(parameters, fc.boolean(), async (given, countIncludePad) => {
        const rank = given.size.length;
        const p = {
          ...given,
          padding: given.padding.map(([before, after], i): [number, number] => {
            const most = given.kernel[i] >> 1;
            return [Math.min(before, most), Math.min(after, most)];
          }),
        };
        const counts = (dilation: readonly number[]): number[] =>
          p.size.map((n, i) => {
            const room = n + p.padding[i][0] + p.padding[i][1] - dilation[i] * (p.kernel[i] - 1) - 1;
            return Math.floor(room / p.stride[i]) + 1;
          });
        const ones = p.kernel.map(() => 1);
        fc.pre(small(counts(p.dilation)) && small(counts(ones)));
        const image = whole([2, ...p.size], 7);
        const x = await numbers(image);
        const held = (b: number, i: number[], dilation: number[]): number[][] =>
          placesOf(p.kernel)
            .map((k) => touched({ ...p, dilation }, i, k))
            .filter((at) => within(at, p.size))
            .map((at) => [x[flat([b, ...at], [2, ...p.size])], flat(at, p.size)]);
        const { stride, padding, kernel } = p;
        const largest = placesOf([2, ...counts(p.dilation)]).map(([b, ...i]) => {
          const elements = held(b, i, p.dilation);
          return elements.reduce(
            (best, one) => (one[0] > best[0] ? one : best),
            [Number.NEGATIVE_INFINITY, 0],
          );
        });
        fc.pre(largest.every(([value]) => value > Number.NEGATIVE_INFINITY));
        const n = rank as 1 | 2 | 3;
        const { values, indices } = image[`maxPool${n}dWithIndices`](kernel, {
          stride,
          padding,
          dilation: p.dilation,
        });
        expect(await numbers(values, on)).toEqual(largest.map(([value]) => value));
        expect(await numbers(indices, on)).toEqual(largest.map(([, place]) => place));
        const volume = kernel.reduce((product, k) => product * k, 1);
        const mean = placesOf([2, ...counts(ones)]).map(([b, ...i]) => {
          const elements = held(b, i, ones);
          const total = elements.reduce((sum, [value]) => sum + value, 0);
          return Math.fround(total / (countIncludePad ? volume : elements.length));
        });
        const pooled = image[`avgPool${n}d`](kernel, { stride, padding, countIncludePad });
        const found = await numbers(pooled, on);
        for (const [i, value] of found.entries()) expect(value).toBeCloseTo(mean[i], 5);
      }),
      runs,
    ));

  it("adaptive pools cover an axis with windows of any size", () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 14 }),
        async (length, count) => {
          const image = whole([2, length], 7);
          const x = await numbers(image);
          const windows = placesOf([2, count]).map(([b, i]) => {
            const [from, to] = [Math.floor((i * length) / count), Math.ceil(((i + 1) * length) / count)];
            return x.slice(b * length + from, b * length + to);
          });
          const largest = await numbers(image.adaptiveMaxPool1d(count), on);
          expect(largest).toEqual(windows.map((window) => Math.max(...window)));
          const mean = await numbers(image.adaptiveAvgPool1d(count), on);
          for (const [i, window] of windows.entries())
            expect(mean[i]).toBeCloseTo(window.reduce((sum, n) => sum + n, 0) / window.length, 5);
        },
      ),
      runs,
    ));
});

describe("convolutions", () => {
  it("have gradients that are adjoint, with random parameters", () =>
    fc.assert(
      fc.asyncProperty(parameters, fc.boolean(), async (p, transposed) => {
        const { stride, padding, dilation, groups, size, kernel } = p;
        const rank = size.length as 1 | 2 | 3;
        const length = (i: number): number =>
          transposed
            ? (size[i] - 1) * stride[i] - padding[i][0] - padding[i][1] + spanOf(p, i)
            : Math.floor((size[i] + padding[i][0] + padding[i][1] - spanOf(p, i)) / stride[i]) + 1;
        fc.pre(small(size.map((_, i) => length(i))));
        const method = `${transposed ? "convTranspose" : "conv"}${rank}d` as "conv2d" | "convTranspose2d";
        const f = (x: Tensor, w: Tensor): Tensor =>
          x[method](w, undefined, { stride, padding, dilation, groups });
        // Bilinear: the product of either gradient with any other argument is the value there.
        const [x, other] = [5, 7].map((by) => whole([1, 2 * groups, ...size], by));
        const [w, filter] = [3, 4].map((by) => whole([2 * groups, 2, ...kernel], by));
        const g = whole(f(x, w).sizes, 9);
        const [toX, toW] = grad((x: Tensor, w: Tensor) => f(x, w).mul(g).sum(), [0, 1])(x, w);
        expect(await numbers(toX.mul(other).sum())).toEqual(await numbers(f(other, w).mul(g).sum()));
        expect(await numbers(toW.mul(filter).sum())).toEqual(await numbers(f(x, filter).mul(g).sum()));
      }),
      { numRuns: 30 },
    ));

  it("and their transposes are adjoint", async () => {
    const [x, w] = [whole([1, 2, 7, 6], 3), whole([3, 2, 3, 2], 5)];
    const options = { stride: [2, 3], padding: [1, 0], dilation: [1, 2] };
    const y = x.conv2d(w, undefined, options);
    const g = whole(y.sizes, 7);
    const [there] = await numbers(y.mul(g).sum());
    const back = g.convTranspose2d(w, undefined, { ...options, outputPadding: [0, 0] });
    const fitted = x.narrow(2, 0, back.sizeAt(2)).narrow(3, 0, back.sizeAt(3));
    expect(await numbers(fitted.mul(back).sum())).toEqual([there]);
  });

  it("of windows as columns are matrix products, and columns add up to windows", async () => {
    const [x, w] = [whole([2, 3, 5, 6], 3), whole([4, 3, 3, 2], 5)];
    const options = { stride: [2, 1], padding: 1 };
    const product = w.flatten(1).matmul(x.im2col([3, 2], options));
    const direct = x.conv2d(w, undefined, options);
    expect(await numbers(product)).toEqual(await numbers(direct.flatten(2)));
    const counted = x.onesLike().im2col(2, { stride: 2 }).col2im([5, 6], 2, { stride: 2 });
    expect(await numbers(counted.sum([0, 1]))).toEqual(placesOf([5, 6]).map(([row]) => (row < 4 ? 6 : 0)));
    expect(x.im2col([2, 2, 2].slice(1)).shape).toEqual([2, 12, 20]);
    expect(x.unsqueeze(2).im2col([1, 2, 2]).shape).toEqual([2, 12, 20]);
  });

  it("have finite differences for gradients where strides and windows overlap", async () => {
    const f = (x: Tensor): Tensor =>
      x
        .conv1d(whole([2, 1, 3], 5).cast("float64"), undefined, { stride: 2, padding: [[2, 1]] })
        .pow(3)
        .sum();
    const x = whole([1, 1, 8], 7).cast("float64").div(4);
    const slopes = await numbers(grad(f)(x));
    const step = 1e-5;
    for (let i = 0; i < 8; i++) {
      const bump = Tensor.arange(8).eq(i).cast("float64").mul(step).reshape([1, 1, 8]);
      const [up] = await numbers(f(x.add(bump)));
      const [down] = await numbers(f(x.sub(bump)));
      expect(slopes[i]).toBeCloseTo((up - down) / (2 * step), 4);
    }
  });

  it("say what does not fit", () => {
    const image = Tensor.zeros([1, 4, 5, 5]);
    const weight = Tensor.zeros([4, 2, 3, 3]);
    const pairs = { padding: [[1, 2, 3]] as unknown as Around };
    expect(() => image.conv2d(Tensor.zeros([2, 4, 3, 3]), undefined, pairs)).toThrow("pairs [before, after]");
    expect(() => image.conv2d(Tensor.zeros([2, 4, 3, 3]), undefined, { padding: [-1, 0] })).toThrow(
      "padding",
    );
    expect(() => image.conv2d(Tensor.zeros([2, 4, 3, 3]), undefined, { padding: "same", stride: 2 })).toThrow(
      "needs stride 1",
    );
    expect(() => image.convTranspose2d(Tensor.zeros([3, 2, 3, 3]))).toThrow("it should have 3 channels");
    expect(() => image.convTranspose2d(weight, undefined, { groups: 3 })).toThrow("should divide");
    expect(() => image.convTranspose2d(weight, Tensor.zeros([4]))).toThrow("the bias should be [2]");
    expect(() => image.convTranspose2d(weight, undefined, { outputPadding: 1 })).toThrow(
      "smaller than the stride or the dilation",
    );
    expect(() => image.convTranspose2d(weight, undefined, { padding: 4 })).toThrow("nothing is left");
    expect(() => image.convTranspose2d(Tensor.zeros([4, 2, 3]))).toThrow("weight [c, o, h, w]");
    expect(() => Tensor.zeros([1, 5, 4]).col2im([3, 3], 2)).toThrow("[b, c * 4, 4]");
    expect(() => Tensor.zeros([5, 4]).im2col(2)).toThrow("im2col");
  });
});

describe("pools", () => {
  it("share the gradient of equal elements evenly", async () => {
    const slopes = grad((x: Tensor) => x.maxPool2d(2).sum())(Tensor.ones([1, 2, 2]));
    expect(await numbers(slopes)).toEqual([0.25, 0.25, 0.25, 0.25]);
  });

  it("are undone where the largest was, the last of several staying", async () => {
    const x = Tensor.from([[1, 5, 2, 4, 3, 9]]);
    const { values, indices } = x.maxPool1dWithIndices(2);
    expect(await numbers(values.maxUnpool1d(indices, 2))).toEqual([0, 5, 0, 4, 0, 9]);
    const twice = Tensor.from([[7, 8]]).maxUnpool1d(Tensor.from([[1, 1]], { dtype: "int32" }), 2);
    expect(await numbers(twice)).toEqual([0, 8, 0, 0]);
  });

  it("at random places are the same from the same seed, and windows of the image", async () => {
    const x = whole([1, 2, 9, 9], 7);
    const draw = async (): Promise<number[]> => {
      manualSeed(3);
      return numbers(x.fractionalMaxPool2d(2, { outputRatio: 0.6 }));
    };
    const first = await draw();
    expect(first.length).toBe(2 * 5 * 5);
    expect(await draw()).toEqual(first);
    const { values, indices } = x.fractionalMaxPool2dWithIndices(2, { outputSize: [8, 4] });
    const [found, at] = [values.flatten(2), indices.flatten(2)];
    await Tensor.realize([found, at], { device });
    expect(await numbers(x.flatten(2).gather(2, at))).toEqual(await numbers(found));
    expect(() => x.fractionalMaxPool2d(2, {})).toThrow("either outputSize or outputRatio");
    expect(() => x.fractionalMaxPool2d(3, { outputSize: 8 })).toThrow("cannot give [8,8]");
  });

  it("of a norm have slope 0 where a window is all zeros", async () => {
    const slopes = grad((x: Tensor) => x.lpPool1d(2, 2).sum())(Tensor.from([[0, 0, 3, 4]]));
    const found = await numbers(slopes);
    for (const [i, slope] of [0, 0, 0.6, 0.8].entries()) expect(found[i]).toBeCloseTo(slope, 6);
  });

  it("say what does not fit", () => {
    const x = Tensor.zeros([2, 5, 5]);
    expect(() => x.maxPool2d(6)).toThrow("a window of 6 does not fit axis -2");
    expect(() => x.avgPool2d(2, { padding: 2 })).toThrow("at most half");
    expect(() => x.avgPool2d(2, { divisorOverride: 0 })).toThrow("must not be 0");
    expect(() => x.lpPool2d(0, 2)).toThrow("p must be");
    expect(() => x.adaptiveAvgPool2d(0)).toThrow("at least 1");
    expect(() => x.maxUnpool2d(Tensor.zeros([2, 5, 4], { dtype: "int32" }), 2)).toThrow("the shape of");
    const indices = Tensor.zeros([2, 5, 5], { dtype: "int32" });
    expect(() => x.maxUnpool2d(indices, 2, { outputSize: [12, 10] })).toThrow("less than a stride");
  });
});

describe("resampling", () => {
  it("and windows serve batches of any size in one captured function", async () => {
    const batch = new Variable("batch of images", 1, 4);
    const [w, v] = [whole([4, 2, 3, 3], 3), whole([4, 2, 2, 2], 5)];
    const f = (x: Tensor): Tensor =>
      x
        .conv2d(w, undefined, { stride: 2, padding: 1 })
        .convTranspose2d(v, undefined, { stride: 2 })
        .maxPool2d(2, { stride: 1 })
        .interpolate({ size: [4, 6], mode: "bilinear" })
        .sum([1, 2]);
    const step = jit((x: Tensor, n: BoundVariable) => f(x.narrow(0, 0, n.variable.dim)), { device });
    const x = whole([4, 2, 6, 6], 7);
    for (const n of [1, 3]) {
      const found = await numbers(await step(x, batch.bind(n)));
      expect(found.slice(0, 6 * n)).toEqual(await numbers(f(x.narrow(0, 0, n))));
    }
  });

  it("works in captured functions", async () => {
    const enlarge = jit((x: Tensor) => x.interpolate({ scaleFactor: 1.5, mode: "bilinear" }), { device });
    for (const by of [1, 2]) {
      const x = whole([1, 1, 4, 4], 7).mul(by);
      const direct = x.interpolate({ scaleFactor: 1.5, mode: "bilinear" });
      expect(await numbers(await enlarge(x))).toEqual(await numbers(direct));
    }
  });

  it("keeps constants and, between corners, straight lines", async () => {
    const line = Tensor.linspace(-1, 1, 5).reshape([1, 1, 5]);
    const longer = line.interpolate({ size: 9, mode: "linear", alignCorners: true });
    const expected = await numbers(Tensor.linspace(-1, 1, 9));
    for (const [i, value] of (await numbers(longer)).entries()) expect(value).toBeCloseTo(expected[i], 6);
    const flatImage = Tensor.full([1, 1, 9, 7], 3);
    for (const antialias of [false, true]) {
      const smaller = flatImage.interpolate({ size: [4, 5], mode: "bicubic", antialias });
      for (const value of await numbers(smaller)) expect(value).toBeCloseTo(3, 5);
    }
  });

  it("reads nothing outside a grid's image, whatever lies there", async () => {
    const image = Tensor.full([1, 1, 2, 2], Number.POSITIVE_INFINITY);
    const outside = Tensor.full([1, 1, 1, 2], 5);
    expect(await numbers(image.gridSample(outside))).toEqual([0]);
  });

  it("says what does not fit", () => {
    const x = Tensor.zeros([1, 2, 4, 4]);
    expect(() => x.interpolate({})).toThrow("either a size or a scaleFactor");
    expect(() => x.interpolate({ size: 3, scaleFactor: 2 })).toThrow("either");
    expect(() => x.interpolate({ size: [3] })).toThrow("needs 2 sizes");
    expect(() => x.interpolate({ scaleFactor: 0.1 })).toThrow("at least 1");
    expect(() => x.interpolate({ size: 3, mode: "linear" })).toThrow('mode "linear" needs');
    expect(() => x.interpolate({ size: 3, alignCorners: true })).toThrow("no meaning");
    expect(() => x.interpolate({ size: 3, antialias: true })).toThrow("antialias needs");
    expect(() => x.int().interpolate({ size: 3, mode: "bilinear" })).toThrow("needs floats");
    expect(() => x.gridSample(Tensor.zeros([2, 3, 3, 2]))).toThrow("gridSample");
    expect(() => x.affineGrid([1, 1, 2, 2])).toThrow("affineGrid");
    expect(() => x.pixelShuffle(2)).toThrow("parts of 2");
    expect(() => x.pixelUnshuffle(3)).toThrow("parts of 3");
    expect(() => x.channelShuffle(3)).toThrow("parts of 3");
  });
});
