// Gradients against finite differences in float64, where they have no one value, of higher order, and of deep graphs.

import { describe, expect, it } from "vitest";
import { grad, Tensor, valueAndGrad } from "../../src/index.js";

const device = "interpreter";

const numbers = async (x: Tensor): Promise<number[]> => Array.from(await x.data({ device }), Number);
const doubles = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  Tensor.from(Float64Array.from(values), { shape });

/** Values far from the places where abs, max and the like have no gradient. */
const sample = (count: number, seed = 1): number[] =>
  Array.from({ length: count }, (_, i) => Math.sin((i + 1) * 12.9898 + seed * 78.233) * 1.7 + 0.05);

/** The sum of the result with weights that tell its elements apart. */
const weighted = (y: Tensor): Tensor => y.mul(doubles(sample(y.size, 7)).reshape(y.shape)).sum();

type Inputs = readonly { readonly values: readonly number[]; readonly shape: readonly number[] }[];

/** Gradients of the weighted sum with respect to each input equal central differences. */
async function checkGradients(f: (...inputs: Tensor[]) => Tensor, inputs: Inputs): Promise<void> {
  const total = (...given: Tensor[]) => weighted(f(...given));
  const tensors = inputs.map(({ values, shape }) => doubles(values, shape));
  const gradients = grad(
    total,
    inputs.map((_, i) => i),
  )(...tensors);
  const step = 1e-6;
  for (const [place, { values, shape }] of inputs.entries()) {
    const found = await numbers(gradients[place]);
    const moved = (i: number, by: number): Tensor => {
      const other = values.map((x, k) => (k === i ? x + by : x));
      return total(...tensors.map((x, k) => (k === place ? doubles(other, shape) : x)));
    };
    const sides = values.map((_, i) =>
      moved(i, step)
        .sub(moved(i, -step))
        .div(2 * step),
    );
    const expected = await numbers(Tensor.stack(sides));
    expected.forEach((slope, i) => {
      const close = Math.abs(found[i] - slope) <= 1e-7 * (1 + Math.abs(slope));
      expect(close, `input ${place}, element ${i}: ${found[i]}, should be ${slope}`).toBe(true);
    });
  }
}

const vector = (count: number, seed = 1) => ({ values: sample(count, seed), shape: [count] });
const grid = (shape: readonly number[], seed = 1) => ({
  values: sample(
    shape.reduce((n, d) => n * d, 1),
    seed,
  ),
  shape,
});
const positive = (count: number, seed = 1) => ({
  values: sample(count, seed).map((x) => Math.abs(x) + 0.3),
  shape: [count],
});

const ints = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  Tensor.from(Int32Array.from(values), { shape });

describe("gradients equal finite differences", () => {
  const unary: Record<string, (x: Tensor) => Tensor> = {
    neg: (x) => x.neg(),
    abs: (x) => x.abs(),
    reciprocal: (x) => x.reciprocal(),
    exp: (x) => x.exp(),
    exp2: (x) => x.exp2(),
    expm1: (x) => x.expm1(),
    log1p: (x) => x.abs().log1p(),
    sin: (x) => x.sin(),
    cos: (x) => x.cos(),
    tan: (x) => x.tan(),
    tanh: (x) => x.tanh(),
    sinh: (x) => x.sinh(),
    erf: (x) => x.erf(),
    square: (x) => x.square(),
    cube: (x) => x.pow(3),
    floor: (x) => x.floor().mul(x),
    clamp: (x) => x.clamp(-0.7, 0.9),
    castsToFloat32AndBack: (x) => x.mul(0).cast("float32").cast("float64").add(x),
  };
  for (const [name, f] of Object.entries(unary)) {
    it(name, () => checkGradients(f, [vector(9)]));
  }
  const ofPositive: Record<string, (x: Tensor) => Tensor> = {
    sqrt: (x) => x.sqrt(),
    rsqrt: (x) => x.rsqrt(),
    log: (x) => x.log(),
    log2: (x) => x.log2(),
    log10: (x) => x.log10(),
    pow: (x) => x.pow(2.7),
    cumprod: (x) => x.cumprod(0),
  };
  for (const [name, f] of Object.entries(ofPositive)) {
    it(name, () => checkGradients(f, [positive(6)]));
  }
  const binary: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
    add: (x, y) => x.add(y),
    sub: (x, y) => x.sub(y),
    mul: (x, y) => x.mul(y),
    div: (x, y) => x.div(y),
    mod: (x, y) => x.mod(y),
    pow: (x, y) => x.abs().pow(y),
    maximum: (x, y) => x.maximum(y),
    minimum: (x, y) => x.minimum(y),
    where: (x, y) => x.gt(0.2).where(x.mul(y), y.exp()),
  };
  for (const [name, f] of Object.entries(binary)) {
    it(name, () => checkGradients(f, [vector(7), vector(7, 2)]));
    it(`${name}, broadcast`, () => checkGradients(f, [grid([3, 1]), grid([2, 1, 4], 2)]));
  }
  const movement: Record<string, (x: Tensor) => Tensor> = {
    reshape: (x) => x.reshape([2, 12]),
    expand: (x) => x.unsqueeze(1).expand([3, 5, 2, 4]),
    permute: (x) => x.permute([2, 0, 1]),
    pad: (x) =>
      x.pad([
        [1, 0],
        [0, 2],
        [1, 1],
      ]),
    shrink: (x) => x.shrink([[1, 3], undefined, [0, 3]]),
    flip: (x) => x.flip([0, 2]),
    roll: (x) => x.roll(3, 2),
    unfold: (x) => x.unfold(2, 2, 1),
    unfoldDilated: (x) => x.unfold(2, 2, 1, 2),
    strided: (x) => x.strided(2, 2, 2),
    repeat: (x) => x.repeat([2, 1, 3]),
    repeatInterleave: (x) => x.repeatInterleave(2, 1),
    catWithSelf: (x) => x.cat(1, x.mul(2), x),
    contiguous: (x) => x.contiguous().square(),
  };
  for (const [name, f] of Object.entries(movement)) {
    it(name, () => checkGradients((x) => f(x).sin(), [grid([3, 2, 4])]));
  }
  const reductions: Record<string, (x: Tensor) => Tensor> = {
    sum: (x) => x.sum(1),
    sumAll: (x) => x.sum().square(),
    mean: (x) => x.mean([0, 2]).exp(),
    max: (x) => x.max(1),
    min: (x) => x.min([1, 2]),
    prod: (x) => x.prod(2),
    prodOfTwoAxes: (x) => x.prod([0, 2]),
    variance: (x) => x.var(1),
    logsumexp: (x) => x.logsumexp(2),
    norm: (x) => x.norm(2, 1),
    cumsum: (x) => x.cumsum(2).square(),
    softmax: (x) => {
      const e = x.sub(x.max(2, { keepdim: true })).exp();
      return e.div(e.sum(2, { keepdim: true }));
    },
    layerNorm: (x) => {
      const centred = x.sub(x.mean(2, { keepdim: true }));
      return centred.div(centred.square().mean(2, { keepdim: true }).add(1e-5).sqrt());
    },
  };
  for (const [name, f] of Object.entries(reductions)) {
    it(name, () => checkGradients(f, [grid([3, 2, 4])]));
  }
  it("windows times weights, as a convolution", () =>
    checkGradients((x, w) => x.unfold(1, 3, 2).mul(w).sum(2), [grid([2, 9]), grid([3], 2)]));
  it("gather with duplicates and negative places", () =>
    checkGradients((x) => x.gather(0, ints([0, 2, 2, -1, 0])).square(), [vector(4)]));
  it("gather along an axis", () =>
    checkGradients((x) => x.gather(1, ints([0, 2, 1, 1, -1, 0], [2, 3])).square(), [grid([2, 4])]));
  it("scatterAdd", () =>
    checkGradients((x, y) => x.scatterAdd(0, ints([1, 1, -1]), y).square(), [vector(4), vector(3, 2)]));
  it("a product with one zero, and with two", () =>
    checkGradients((x) => x.prod(1), [{ values: [1.5, 0, 2, 3, 0, -1, 0, 2, 0.5, 2, 3, 4], shape: [3, 4] }]));
  it("a matrix product", () =>
    checkGradients((x, y) => x.unsqueeze(2).mul(y).sum(1), [grid([3, 4]), grid([4, 2], 2)]));
});

describe("where a gradient has no one value, PyTorch's", () => {
  const slope = async (f: (x: Tensor) => Tensor, values: number[]): Promise<number[]> =>
    numbers(grad((x: Tensor) => f(x).sum())(doubles(values)));

  it("is 0 for abs and sign at 0", async () => {
    expect(await slope((x) => x.abs(), [-2, 0, 3])).toEqual([-1, 0, 1]);
    expect(await slope((x) => x.sign(), [-2, 0, 3])).toEqual([0, 0, 0]);
  });
  it("passes clamp's bounds themselves", async () => {
    expect(await slope((x) => x.clamp(-1, 1), [-2, -1, 0, 1, 2])).toEqual([0, 1, 1, 1, 0]);
  });
  it("splits ties of max evenly", async () => {
    expect(await slope((x) => x.max(), [3, 1, 3, 3, 0])).toEqual([1 / 3, 0, 1 / 3, 1 / 3, 0]);
    expect(await slope((x) => x.min(), [3, 0, 3, 3, 0])).toEqual([0, 0.5, 0, 0, 0.5]);
  });
  it("splits ties of maximum evenly between its operands", async () => {
    const both = grad((x: Tensor, y: Tensor) => x.maximum(y).sum(), [0, 1]);
    const [x, y] = both(doubles([1, 2, 3]), doubles([2, 2, 2]));
    expect(await numbers(x)).toEqual([0, 0.5, 1]);
    expect(await numbers(y)).toEqual([1, 0.5, 0]);
  });
  it("is 0 for x^0 and finite for powers of 0", async () => {
    const exponent = (e: number) => slope((x) => x.pow(doubles([e])), [0]);
    expect(await exponent(0)).toEqual([0]);
    expect(await exponent(1)).toEqual([1]);
    expect(await exponent(2)).toEqual([0]);
    const toExponent = grad((x: Tensor, y: Tensor) => x.pow(y).sum(), 1);
    expect(await numbers(toExponent(doubles([0, 0, 2]), doubles([0, 3, 1])))).toEqual([
      0,
      0,
      2 * Math.log(2),
    ]);
  });
  it("is NaN for where(x > 0, sqrt(x), 0) at 0", async () => {
    expect(await slope((x) => x.gt(0).where(x.sqrt(), 0), [0, 4])).toEqual([Number.NaN, 0.25]);
  });
  it("is none for integers and comparisons", async () => {
    expect(await slope((x) => x.cast("int32").cast("float64").add(x.gt(0).cast("float64")), [1, 2])).toEqual([
      0, 0,
    ]);
  });
});

describe("higher orders", () => {
  it("differentiates gradients of functions", async () => {
    const cube = (x: Tensor) => x.pow(3).sum();
    const first = grad(cube);
    const second = grad((x: Tensor) => first(x).sum());
    const third = grad((x: Tensor) => second(x).sum());
    const x = doubles([1, 2, -3]);
    expect(await numbers(first(x))).toEqual([3, 12, 27]);
    expect(await numbers(second(x))).toEqual([6, 12, -18]);
    expect(await numbers(third(x))).toEqual([6, 6, 6]);
  });
  it("keeps inner and outer variables apart", async () => {
    // d/dx (x * d/dy (x * y^2 at y = x)) = d/dx (2 x^3) = 6 x^2
    const outer = grad((x: Tensor) => x.mul(grad((y: Tensor) => x.mul(y.square()).sum())(x)).sum());
    expect(await numbers(outer(doubles([3])))).toEqual([54]);
  });
  const functions: Record<string, (x: Tensor) => Tensor> = {
    softmax: (x) => x.exp().div(x.exp().sum()),
    tanh: (x) => x.tanh(),
    divided: (x) => x.div(x.square().add(1)),
    power: (x) => x.abs().pow(2.5),
    product: (x) => x.prod(),
    windows: (x) => x.unfold(0, 3, 1).prod(1),
    gathered: (x) => x.gather(0, ints([1, 1, -1])).pow(3),
    rootMeanSquare: (x) => x.div(x.square().mean().sqrt()),
  };
  for (const [name, f] of Object.entries(functions)) {
    it(`second order of ${name}`, () =>
      checkGradients(
        grad((x: Tensor) => weighted(f(x))),
        [vector(5)],
      ));
  }
  it("second order of a product with a zero", () =>
    checkGradients(
      grad((x: Tensor) => x.prod()),
      [{ values: [2, 0, 3, 0.5], shape: [4] }],
    ));
});

describe("functional gradients", () => {
  it("give the value too, and gradients by place", async () => {
    const f = (x: Tensor, scale: number, y: Tensor) => x.mul(y).sum().mul(scale);
    const [value, [toY, toX]] = valueAndGrad(f, [2, 0])(doubles([1, 2]), 10, doubles([3, 4]));
    expect(await value.item({ device })).toBe(110);
    expect(await numbers(toX)).toEqual([30, 40]);
    expect(await numbers(toY)).toEqual([10, 20]);
  });
  it("are zero for what the value does not depend on", async () => {
    expect(await numbers(grad((x: Tensor) => x.detach().sum())(doubles([1, 2])))).toEqual([0, 0]);
  });
  it("are refused for integers, and for values that are no float scalar", () => {
    expect(() => grad((x: Tensor) => x.sum())(ints([1]))).toThrow(/argument 0 must be a float tensor/);
    expect(() => grad((x: Tensor) => x)(doubles([1, 2]))).toThrow(/one element/);
    expect(() => grad((x: Tensor) => x.gt(0).sum())(doubles([1]))).toThrow(/float tensor of one element/);
  });
  it("leave gradients of tensors that require them alone", async () => {
    const w = doubles([2]).requiresGrad_();
    await numbers(grad((x: Tensor) => x.mul(w).sum())(doubles([1])));
    expect(w.grad).toBeUndefined();
  });
});

describe("backward", () => {
  it("adds up over several calls, and starts again when cleared", async () => {
    const x = doubles([1, 2]).requiresGrad_();
    x.square().sum().backward();
    x.mul(10).sum().backward();
    expect(await numbers(x.grad!)).toEqual([12, 14]);
    x.grad = undefined;
    x.sum().backward();
    expect(await numbers(x.grad!)).toEqual([1, 1]);
  });
  it("takes the gradient of a result that is no scalar", async () => {
    const x = doubles([1, 2]).requiresGrad_();
    x.square().backward(doubles([1, 10]));
    expect(await numbers(x.grad!)).toEqual([2, 40]);
    expect(() => x.square().backward()).toThrow(/is no scalar/);
    expect(() => x.square().backward(doubles([1]))).toThrow(/shape and dtype/);
  });
  it("stops at detach", async () => {
    const x = doubles([3]).requiresGrad_();
    x.mul(x.detach()).sum().backward();
    expect(await numbers(x.grad!)).toEqual([3]);
    expect(x.grad!.requiresGrad).toBe(false);
    expect(() => x.detach().sum().backward()).toThrow(/no tensor that requires a gradient/);
  });
  it("works on values that were realised before", async () => {
    const x = doubles([1, 2]).requiresGrad_();
    const y = x.exp();
    await y.realize({ device });
    const z = y.square().sum();
    await z.realize({ device });
    z.backward();
    expect(await numbers(x.grad!)).toEqual(
      [2 * Math.exp(2), 2 * Math.exp(4)].map((v) => expect.closeTo(v, 9)),
    );
  });
  it("reaches the whole through views, and views that ask for themselves", async () => {
    const x = doubles([1, 2, 3, 4]).requiresGrad_();
    x.narrow(0, 1, 2).square().sum().backward();
    expect(await numbers(x.grad!)).toEqual([0, 4, 6, 0]);
  });
  it("starts again at a parameter that was assigned", async () => {
    const w = doubles([4]).requiresGrad_();
    for (let step = 0; step < 3; step++) {
      w.grad = undefined;
      w.square().sum().backward();
      w.assign(w.sub(w.grad!.mul(0.25)));
    }
    // Each step halves w.
    expect(await numbers(w)).toEqual([0.5]);
    w.grad = undefined;
    w.square().sum().backward();
    expect(await numbers(w.grad!)).toEqual([1]);
  });
  it("keeps nothing of the steps before of a realised parameter", async () => {
    const w = doubles([4]).requiresGrad_();
    for (let step = 0; step < 3; step++) {
      w.grad = undefined;
      w.square().sum().backward();
      w.assign(w.sub(w.grad!.mul(0.25)));
      await w.realize({ device });
      expect(w.node.inputs).toEqual([]);
    }
    expect(await numbers(w)).toEqual([0.5]);
  });
  it("sums broadcast half gradients in float32", async () => {
    const x = Tensor.from([1], { dtype: "float16" }).requiresGrad_();
    x.expand([4096]).contiguous().sum().backward();
    expect(await numbers(x.grad!)).toEqual([4096]);
    const rows = Tensor.from([1], { dtype: "float16" }).requiresGrad_();
    rows
      .gather(0, Tensor.zeros([4096], { dtype: "int32" }))
      .sum()
      .backward();
    expect(await numbers(rows.grad!)).toEqual([4096]);
  });
  it("takes a graph 10,000 operations deep", async () => {
    const x = doubles([1]).requiresGrad_();
    let y: Tensor = x;
    for (let i = 0; i < 10_000; i++) y = y.add(x);
    y.sum().backward();
    expect(await numbers(x.grad!)).toEqual([10_001]);
  });
});
