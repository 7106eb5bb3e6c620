// vmap against a loop over the examples, for many methods; and together with the other transformations.

import { describe, expect, it } from "vitest";
import { grad, jit, jvp, customGradient, manualSeed, Tensor, vmap } from "../../src/index.js";

const device = "interpreter";
const numbers = async (x: Tensor): Promise<number[]> => Array.from(await x.data({ device }), Number);
const values = (count: number, seed = 1): number[] =>
  Array.from({ length: count }, (_, i) => Math.sin((i + 1) * 12.9898 + seed * 78.233) * 1.7 + 0.05);
const tensor = (shape: readonly number[], seed = 1): Tensor =>
  Tensor.from(
    Float64Array.from(
      values(
        shape.reduce((n, d) => n * d, 1),
        seed,
      ),
    ),
    { shape },
  );
const doubles = (list: readonly number[]): Tensor => Tensor.from(Float64Array.from(list));
const ints = (list: readonly number[], shape: readonly number[] = [list.length]): Tensor =>
  Tensor.from(Int32Array.from(list), { shape });

/** Equal to calling the function for each example and stacking the results. */
async function sameAsLoop(fn: (x: Tensor) => Tensor, batch: Tensor): Promise<void> {
  const each = Array.from({ length: batch.sizes[0] }, (_, i) => fn(batch.select(0, i)));
  const all = vmap(fn)(batch);
  const expected = Tensor.stack(each);
  expect(all.dtype).toBe(expected.dtype);
  expect(all.sizes).toEqual(expected.sizes);
  expect(await numbers(all)).toEqual(await numbers(expected));
}

/** Functions of a [3, 4] tensor. */
const functions: Record<string, (x: Tensor) => Tensor> = {
  unary: (x) => x.sin().neg().exp(),
  "unary on two": (x) => x.mul(x).add(1),
  "with a tensor that is the same for all": (x) => x.mul(tensor([3, 4], 5)).add(tensor([4], 6)),
  comparison: (x) => x.gt(0),
  where: (x) => x.gt(0).where(x, 2),
  clamp: (x) => x.clamp(-0.5, 0.5),
  pow: (x) => x.abs().pow(1.5),
  cast: (x) => x.mul(10).cast("int32").idiv(3),
  bitcast: (x) => x.cast("float32").bitcast("int32"),
  reshape: (x) => x.reshape([2, 6]),
  "reshape to a scalar": (x) => x.sum().reshape([]),
  permute: (x) => x.permute([1, 0]).unsqueeze(1),
  expand: (x) => x.sum(0, { keepdim: true }).expand([5, 4]),
  pad: (x) =>
    x.pad([
      [1, 0],
      [0, 2],
    ]),
  flip: (x) => x.flip(1),
  roll: (x) => x.roll(1, 1),
  select: (x) => x.select(1, 2),
  concat: (x) => x.cat(0, tensor([2, 4], 9)),
  stack: (x) => Tensor.stack([x, x.neg()], 1),
  sum: (x) => x.sum(),
  "sum of an axis": (x) => x.sum(1),
  max: (x) => x.amax(0),
  prod: (x) => x.prod(1),
  mean: (x) => x.mean([0, 1]),
  variance: (x) => x.var(1),
  argmax: (x) => x.argmax(1),
  softmax: (x) => x.softmax(1),
  logsumexp: (x) => x.logsumexp(0),
  "matmul of two": (x) => x.matmul(x.permute([1, 0])),
  "matmul with weights": (x) => x.matmul(tensor([4, 5], 3)),
  "gather from an example": (x) => x.gather(1, ints([0, 3, 1, 1, 2, 2], [3, 2])),
  "gather by an example": (x) => tensor([6, 4], 2).gather(0, x.mul(2).abs().floor().cast("int32")),
  "gather along the last axis by an example": (x) =>
    tensor([3, 7], 2).gather(1, x.mul(2).abs().floor().cast("int32")),
  "scatter into an example": (x) => x.scatterAdd(1, ints([0, 1, 1, 2, 3, 3], [3, 2]), tensor([3, 2], 8)),
  "scatter of an example": (x) =>
    Tensor.zeros([3, 9], { dtype: "float64" }).scatterAdd(
      1,
      ints([0, 0, 8, 2, 1, 2, 3, 4, 5, 5, 6, 7], [3, 4]),
      x,
    ),
  windows: (x) => x.unfold(1, 2, 1),
  "integers of a place": (x) => x.mul(Tensor.arange(4).cast("float64")),
  contiguous: (x) => x.exp().contiguous().sum(1),
  "a result that is the same for all": () => tensor([2], 4),
  normalised: (x) => x.sub(x.mean(1, { keepdim: true })).div(x.square().mean(1, { keepdim: true }).sqrt()),
  "a special function": (x) => x.erfc(),
  "a gradient": (x) => grad((y: Tensor) => y.softmax(1).square().sum())(x),
  "a gradient through a product": (x) => grad((y: Tensor) => y.prod(1).sum())(x),
  "a second-order gradient": (x) =>
    grad((y: Tensor) => grad((z: Tensor) => z.pow(3).sin().sum())(y).sum())(x),
  "a pushforward": (x) => jvp((y: Tensor) => y.exp().sum(1), [x], [x.mul(2)])[1],
};

describe("vmap equals a loop", () => {
  for (const [name, fn] of Object.entries(functions)) it(name, () => sameAsLoop(fn, tensor([2, 3, 4])));
  it("convolution", () =>
    sameAsLoop(
      (x) =>
        x
          .unsqueeze(0)
          .conv2d(tensor([2, 3, 2, 2], 4))
          .squeeze(0),
      tensor([2, 3, 4, 4]),
    ));
  it("writing to a tensor of the function's own", () =>
    sameAsLoop(
      (x) => {
        const own = x.mul(1);
        own
          .shrink([
            [1, 3],
            [0, 2],
          ])
          .assign(
            x.shrink([
              [0, 2],
              [2, 4],
            ]),
          );
        return own;
      },
      tensor([2, 3, 4]),
    ));
});

/** As sameAsLoop, where sums may come in another order. */
async function nearLoop(fn: (x: Tensor) => Tensor, batch: Tensor): Promise<void> {
  const expected = Tensor.stack(Array.from({ length: batch.sizes[0] }, (_, i) => fn(batch.select(0, i))));
  const all = vmap(fn)(batch);
  expect(all.sizes).toEqual(expected.sizes);
  const [found, wanted] = [await numbers(all), await numbers(expected)];
  for (const [i, x] of found.entries()) expect(x).toBeCloseTo(wanted[i], 9);
}

describe("vmap of later methods is near a loop", () => {
  const square = (x: Tensor): Tensor =>
    x.matmul(x.permute([1, 0])).add(Tensor.eye(3, 3, { dtype: "float64" }));
  const ofMatrix: Record<string, (x: Tensor) => Tensor> = {
    cumsum: (x) => x.cumsum(1),
    cumprod: (x) => x.cumprod(0),
    cummax: (x) => x.cummax(1).values,
    logcumsumexp: (x) => x.logcumsumexp(1),
    sort: (x) => x.sort({ axis: 1 }).values,
    argsort: (x) => x.argsort({ axis: 1 }),
    topk: (x) => x.topk(2, { axis: 1 }).values,
    median: (x) => x.median(),
    quantile: (x) => x.quantile(0.3, 1),
    searchsorted: (x) => doubles([-1, 0, 1]).searchsorted(x),
    diff: (x) => x.diff(),
    take: (x) => x.take(ints([1, 5, 11])),
    indexSelect: (x) => x.indexSelect(1, ints([3, 0])),
    embedding: (x) => ints([2, 0]).embedding(x),
    layerNorm: (x) => x.layerNorm([4]),
    linear: (x) => x.linear(tensor([5, 4], 3)),
    cov: (x) => x.cov(),
    cholesky: (x) => square(x).cholesky(),
    solve: (x) => square(x).solve(x),
    det: (x) => square(x).det(),
    inv: (x) => square(x).inv(),
    qr: (x) => x.permute([1, 0]).qr().R.abs(),
    svdvals: (x) => x.svdvals(),
    matrixExp: (x) => square(x).mul(0.1).matrixExp(),
    mseLoss: (x) => x.mseLoss(tensor([3, 4], 5)),
    attention: (x) => x.scaledDotProductAttention(tensor([5, 4], 2), tensor([5, 4], 3)),
    "gradient of a sort": (x) =>
      grad((y: Tensor) =>
        y
          .sort({ axis: 1 })
          .values.mul(tensor([4], 3))
          .sum(),
      )(x),
    "gradient of a determinant": (x) => grad((y: Tensor) => square(y).det())(x),
  };
  for (const [name, fn] of Object.entries(ofMatrix)) it(name, () => nearLoop(fn, tensor([2, 3, 4])));
  const ofImage: Record<string, (x: Tensor) => Tensor> = {
    conv2d: (x) => x.conv2d(tensor([4, 2, 2, 2], 3), undefined, { padding: 1, stride: 2 }),
    convTranspose2d: (x) => x.convTranspose2d(tensor([2, 3, 2, 2], 3)),
    maxPool2d: (x) => x.maxPool2d(2),
    avgPool2d: (x) => x.avgPool2d(2),
    interpolate: (x) => x.interpolate({ size: [3, 7], mode: "bilinear" }),
    "gradient of a convolution": (x) =>
      grad((y: Tensor) =>
        y
          .conv2d(tensor([4, 2, 2, 2], 3))
          .square()
          .sum(),
      )(x),
  };
  for (const [name, fn] of Object.entries(ofImage)) it(name, () => nearLoop(fn, tensor([2, 1, 2, 4, 4])));
});

describe("axes of examples", () => {
  it("may be any, and null for what is the same for all", async () => {
    const [x, w] = [tensor([3, 2]), tensor([3], 2)];
    const dot = vmap((a: Tensor, b: Tensor) => a.mul(b).sum(), { inAxes: [1, null] });
    expect(await numbers(dot(x, w))).toEqual(await numbers(x.mul(w.unsqueeze(1)).sum(0)));
  });
  it("go to outAxes in the results", async () => {
    const x = tensor([2, 3]);
    const both = vmap((a: Tensor) => ({ twice: a.mul(2), sum: a.sum() }), { outAxes: { twice: -1, sum: 0 } })(
      x,
    );
    expect(both.twice.sizes).toEqual([3, 2]);
    expect(await numbers(both.twice)).toEqual(await numbers(x.mul(2).permute([1, 0])));
    expect(await numbers(both.sum)).toEqual(await numbers(x.sum(1)));
  });
  it("are given for containers as a whole or one by one", async () => {
    const data = { x: tensor([2, 3]), y: tensor([3, 2], 2), name: "plain" };
    const f = (d: typeof data) => d.x.mul(d.y);
    const found = vmap(f, { inAxes: [{ x: 0, y: 1, name: null }] })(data);
    expect(await numbers(found)).toEqual(await numbers(data.x.mul(data.y.permute([1, 0]))));
    expect(vmap((d: { x: Tensor }) => d.x.sum())({ x: data.x }).sizes).toEqual([2]);
  });
  it("must agree, exist, and be named for each argument", () => {
    const two = (a: Tensor, b: Tensor): Tensor => a.add(b);
    expect(() => vmap(two)(tensor([2]), tensor([3]))).toThrow(/batches differ in size: 2, and 3/);
    expect(() => vmap(two, { inAxes: [0] })(tensor([2]), tensor([2]))).toThrow(/names 1 arguments, got 2/);
    expect(() => vmap(two, { inAxes: null })(tensor([2]), tensor([2]))).toThrow(/no argument has an axis/);
    expect(() => vmap(two, { inAxes: 1 })(tensor([2]), tensor([2]))).toThrow(/axis 1/);
    expect(() => vmap(two, { outAxes: null })(tensor([2]), tensor([2]))).toThrow(/needs an axis/);
  });
});

describe("vmap together with other transformations", () => {
  const loss = (w: Tensor, x: Tensor): Tensor => x.matmul(w).tanh().square().sum();
  const [w, xs] = [tensor([4, 2], 3), tensor([3, 5, 4])];

  it("of a gradient: one for each example", async () => {
    const found = vmap(grad(loss), { inAxes: [null, 0] })(w, xs);
    const each = Tensor.stack([0, 1, 2].map((i) => grad(loss)(w, xs.select(0, i))));
    expect(found.sizes).toEqual([3, 4, 2]);
    expect(await numbers(found)).toEqual(await numbers(each));
  });
  it("under a gradient", async () => {
    const total = (v: Tensor): Tensor => vmap((x: Tensor) => loss(v, x))(xs).sum();
    const looped = (v: Tensor): Tensor => Tensor.stack([0, 1, 2].map((i) => loss(v, xs.select(0, i)))).sum();
    const [found, expected] = [await numbers(grad(total)(w)), await numbers(grad(looped)(w))];
    for (const [i, x] of found.entries()) expect(x).toBeCloseTo(expected[i], 12);
  });
  it("under a gradient with respect to the batch", async () => {
    const total = (x: Tensor): Tensor => vmap((y: Tensor) => y.erfc().mul(y).sum())(x).sum();
    const plain = (x: Tensor): Tensor => x.erfc().mul(x).sum();
    expect(await numbers(grad(total)(xs))).toEqual(await numbers(grad(plain)(xs)));
    const second = (f: (x: Tensor) => Tensor) => grad((x: Tensor) => grad(f)(x).square().sum());
    const [found, expected] = [await numbers(second(total)(xs)), await numbers(second(plain)(xs))];
    for (const [i, x] of found.entries()) expect(x).toBeCloseTo(expected[i], 12);
  });
  it("of vmap", async () => {
    const outer = vmap((a: Tensor) => vmap((b: Tensor) => a.mul(b).sum())(tensor([2, 4], 7)))(tensor([3, 4]));
    const expected = tensor([3, 4]).matmul(tensor([2, 4], 7).permute([1, 0]));
    const [found, wanted] = [await numbers(outer), await numbers(expected)];
    expect(outer.sizes).toEqual([3, 2]);
    for (const [i, x] of found.entries()) expect(x).toBeCloseTo(wanted[i], 12);
  });
  it("of vmap of a gradient in closed form", async () => {
    const cube = (x: Tensor): Tensor =>
      customGradient(x.pow(3), [x], (g, _, y) => [g.mul(y.square().mul(30))]);
    const slope = grad((x: Tensor) => cube(x).sum());
    const x = tensor([2, 3, 4]);
    const expected = await numbers(x.square().mul(30));
    const found = await numbers(vmap(vmap(slope))(x));
    for (const [i, y] of found.entries()) expect(y).toBeCloseTo(expected[i], 12);
    const outside = grad((y: Tensor) => vmap(vmap((z: Tensor) => cube(z).sum()))(y).sum());
    for (const [i, y] of (await numbers(outside(x))).entries()) expect(y).toBeCloseTo(expected[i], 12);
  });
  it("under jvp", async () => {
    const f = vmap((x: Tensor) => x.sin().sum());
    const [, found] = jvp(f, [tensor([2, 3])], [Tensor.ones([2, 3], { dtype: "float64" })]);
    const expected = await numbers(tensor([2, 3]).cos().sum(1));
    for (const [i, x] of (await numbers(found)).entries()) expect(x).toBeCloseTo(expected[i], 12);
  });
  it("inside a captured function", async () => {
    const step = jit((v: Tensor, x: Tensor) => vmap(grad(loss), { inAxes: [null, 0] })(v, x), { device });
    expect(await numbers(await step(w, xs))).toEqual(
      await numbers(vmap(grad(loss), { inAxes: [null, 0] })(w, xs)),
    );
  });
});

describe("random numbers in vmap", () => {
  const draw = (x: Tensor): Tensor => x.add(Tensor.rand([2], { dtype: "float64" }));
  const zeros = (): Tensor => Tensor.zeros([3], { dtype: "float64" });

  it("differ from example to example", async () => {
    manualSeed(1);
    const found = await numbers(vmap(draw)(zeros()));
    expect(new Set(found).size).toBe(6);
    const twice = await numbers(vmap(vmap(draw))(Tensor.zeros([2, 3], { dtype: "float64" })));
    expect(new Set(twice).size).toBe(12);
  });
  it("are the same for all, or refused, if wanted", async () => {
    const found = await numbers(vmap(draw, { randomness: "same" })(zeros()));
    expect(found.slice(2)).toEqual([...found.slice(0, 2), ...found.slice(0, 2)]);
    expect(() => vmap(draw, { randomness: "error" })(zeros())).toThrow(/draws random numbers/);
  });
});

it("values for each example cannot be written to tensors from outside", async () => {
  const outside = Tensor.from([1, 2]);
  const leak = (x: Tensor): Tensor => outside.assign(x.mul(2));
  expect(() =>
    vmap(leak)(
      Tensor.from([
        [1, 2],
        [3, 4],
      ]),
    ),
  ).toThrow(/cannot be written to a float32\[2\] tensor/);
  expect(await numbers(outside)).toEqual([1, 2]);
  const count = Tensor.from([0]);
  expect(
    await numbers(
      vmap((x: Tensor) => {
        count.assign(count.add(1));
        return x.mul(2);
      })(Tensor.from([1, 2])),
    ),
  ).toEqual([2, 4]);
  expect(await numbers(count)).toEqual([1]);
});

it("what does not depend on the examples is computed once, and one table serves all", () => {
  const table = tensor([1000, 8]);
  const found = vmap((i: Tensor) => table.gather(0, i.reshape([1, 1]).expand([1, 8])))(ints([5, 7]));
  const shapes: number[] = [];
  const stack = [found.node];
  while (stack.length > 0) {
    const node = stack.pop()!;
    shapes.push(node.shape.reduce<number>((n, d) => n * Number(d), 1));
    stack.push(...node.inputs);
  }
  expect(Math.max(...shapes)).toBe(8000);
});

it("an async function is refused", () => {
  expect(() => vmap((async (x: Tensor) => x) as unknown as (x: Tensor) => Tensor)(tensor([2]))).toThrow(
    /async/,
  );
});
