// Corner cases 27 to 38: index arithmetic, and what scalar operations give.

import { expect } from "vitest";
import { type DType, grad, Tensor } from "../../src/index.js";
import { corner, NO_FLOAT64, numbers } from "./corner.js";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const of = (dtype: DType, ...values: (number | bigint)[]): Tensor =>
  Tensor.from(values.map((x) => x) as number[], { dtype });
const f = (...values: number[]): Tensor => of("float32", ...values);
const ints = (...values: number[]): Tensor => of("int32", ...values);
const list = async (x: Tensor) => [...((await x.data()) as Iterable<unknown>)];

corner(27, "more than 2^31 places, and 64-bit constants", async (device) => {
  const n = 2 ** 31 + 10;
  const places = Tensor.arange(0, n).at([-3, null]);
  // Where indices have 32 bits only, it is refused.
  if (device === "limited") await expect(list(places)).rejects.toThrow("does not fit into the 32 bits");
  else expect(await list(places)).toEqual([2n ** 31n + 7n, 2n ** 31n + 8n, 2n ** 31n + 9n]);
  const rows = Tensor.from([1, 2, 3], { dtype: "int32" })
    .reshape([3, 1])
    .expand([3, 2 ** 30])
    .reshape([3 * 2 ** 30]);
  expect(await numbers(rows.at([2 ** 30 - 1, 2 ** 30 + 1]))).toEqual([1, 2]);
  expect(await numbers(rows.at([-1, null]))).toEqual([3]);
  const big = Tensor.full([2], 2n ** 62n, { dtype: "int64" });
  expect(await list(big.add(big))).toEqual([-(2n ** 63n), -(2n ** 63n)]);
  expect(await list(big.sub(1).add(big))).toEqual([2n ** 63n - 1n, 2n ** 63n - 1n]);
  expect(await list(Tensor.full([1], 2n ** 53n + 1n, { dtype: "int64" }).mul(3))).toEqual([
    3n * (2n ** 53n + 1n),
  ]);
});

corner(28, "division and remainder floor; truncation has names of its own", async () => {
  const [x, y] = [ints(7, -7, 7, -7), ints(2, 2, -2, -2)];
  expect(await numbers(x.idiv(y))).toEqual([3, -4, -4, 3]);
  expect(await numbers(x.mod(y))).toEqual([1, 1, -1, -1]);
  expect(await numbers(x.remainder(y))).toEqual([1, 1, -1, -1]);
  expect(await numbers(x.fmod(y))).toEqual([1, -1, 1, -1]);
  expect(await numbers(x.cast("float32").fmod(y.cast("float32")))).toEqual([1, -1, 1, -1]);
  expect(await numbers(of("int8", -128, -128, 127, -128).fmod(of("int8", 3, -3, -128, 0)))).toEqual([
    -2, -2, 127, 0,
  ]);
  expect(await numbers(x.cast("float32").div(y).trunc())).toEqual([3, -3, -3, 3]);
  // Places before 0 in index arithmetic: a shift to the left of a row read in steps.
  const moved = Tensor.arange(10)
    .roll(-3, 0)
    .reshape([5, 2])
    .flip(0)
    .pad([
      [1, 0],
      [0, 1],
    ]);
  expect(await numbers(moved.at(1))).toEqual([1, 2, 0]);
});

corner(29, "what a condition forbids is not read, nested places included", async () => {
  const table = f(1, 2, 3);
  const [outside, inside] = [ints(0, 1_000_000_000, 2), ints(0, 1, 2)];
  const second = ints(5, -900_000_000, 2);
  expect(await numbers(table.take(outside))).toEqual([1, 0, 3]);
  // A place outside reads 0, and what is found there is a place again.
  expect(await numbers(table.take(second.take(outside)))).toEqual([0, 1, 3]);
  expect(await numbers(outside.lt(3).where(table.take(outside), -1))).toEqual([1, -1, 3]);
  expect(await numbers(table.take(inside).pad([[2, 1]]))).toEqual([0, 0, 1, 2, 3, 0]);
});

corner(30, "floats keep their rules: nothing times 0, over itself or less itself is simplified", async () => {
  const x = f(1, nan, inf, -inf, -0, 0);
  expect(await numbers(x.mul(0))).toEqual([0, nan, nan, nan, -0, 0]);
  expect(await numbers(x.div(x))).toEqual([1, nan, nan, nan, nan, nan]);
  expect(await numbers(x.sub(x))).toEqual([0, nan, nan, nan, 0, 0]);
  expect(await numbers(x.add(0))).toEqual([1, nan, inf, -inf, 0, 0]);
  expect(await numbers(x.mul(1))).toEqual([1, nan, inf, -inf, -0, 0]);
  expect(
    await numbers(
      f(3, 1, 0)
        .mul(f(1e38, inf, 0))
        .mul(10)
        .div(f(1e38, inf, 0)),
    ),
  ).toEqual([inf, nan, nan]);
  expect(await numbers(x.neg())).toEqual([-1, nan, -inf, inf, 0, -0]);
});

corner(31, "conversions truncate, saturate, wrap and round in one way", async () => {
  const x = f(1.9, -1.9, 3e9, -3e9, nan, inf, -inf, 300);
  expect(await numbers(x.cast("int32"))).toEqual([
    1, -1, 2147483647, -2147483648, 0, 2147483647, -2147483648, 300,
  ]);
  expect(await numbers(x.cast("uint8"))).toEqual([1, 0, 255, 0, 0, 255, 0, 255]);
  expect(await numbers(ints(300, -1, 128).cast("int8"))).toEqual([44, -1, -128]);
  expect(await numbers(ints(300, -1, 256).cast("uint8"))).toEqual([44, 255, 0]);
  expect(await numbers(f(0, -0, 0.1, nan).cast("bool"))).toEqual([0, 0, 1, 1]);
  expect(await numbers(f(1 + 2 ** -11, 1 + 3 * 2 ** -11, 65520, 65519).cast("float16"))).toEqual([
    1,
    1 + 2 ** -9,
    inf,
    65504,
  ]);
  expect(await numbers(f(1 + 2 ** -8, 1 + 3 * 2 ** -8).cast("bfloat16"))).toEqual([1, 1 + 2 ** -6]);
  expect(await numbers(f(1e6, 57344).cast("float8e5m2"))).toEqual([inf, 57344]);
});

corner(
  32,
  "integers never trap: division by 0 gives 0, the least by -1 wraps, wide shifts give 0 or the sign",
  async () => {
    for (const dtype of ["int8", "int32", "int64", "uint8", "uint32"] as const) {
      const x = of(dtype, 7, 0);
      expect(await numbers(x.idiv(of(dtype, 0, 0)))).toEqual([0, 0]);
      expect(await numbers(x.mod(of(dtype, 0, 0)))).toEqual([0, 0]);
    }
    expect(await numbers(ints(-(2 ** 31)).idiv(ints(-1)))).toEqual([-(2 ** 31)]);
    expect(await numbers(ints(-(2 ** 31)).mod(ints(-1)))).toEqual([0]);
    expect(await list(of("int64", -(2n ** 63n)).idiv(of("int64", -1n)))).toEqual([-(2n ** 63n)]);
    expect(await numbers(ints(5, 5, 5).shl(ints(31, 32, -1)))).toEqual([-(2 ** 31), 0, 0]);
    expect(await numbers(ints(-5, -5, 5).shr(ints(31, 40, -1)))).toEqual([-1, -1, 0]);
    expect(await numbers(of("uint8", 255, 255).shr(of("uint8", 7, 8)))).toEqual([1, 0]);
  },
);

corner(33, "special constants reach the device as they are", async () => {
  for (const dtype of ["float32", "float16", "bfloat16"] as const) {
    for (const value of [-0, 0, nan, inf, -inf]) {
      const x = Tensor.full([2], value, { dtype });
      expect(await numbers(x.contiguous())).toEqual([value, value]);
      expect(await numbers(Tensor.zeros([2], { dtype }).contiguous().eq(0).where(x, 1))).toEqual([
        value,
        value,
      ]);
    }
  }
  expect(
    await numbers(
      ints(0)
        .contiguous()
        .add(-(2 ** 31)),
    ),
  ).toEqual([-(2 ** 31)]);
  expect(
    await list(
      of("uint64", 0)
        .contiguous()
        .add(2n ** 64n - 1n),
    ),
  ).toEqual([2n ** 64n - 1n]);
  const special = f(nan, inf, -inf, 0, 1e-45, 3e38).contiguous();
  expect(await numbers(special.isnan())).toEqual([1, 0, 0, 0, 0, 0]);
  expect(await numbers(special.isinf())).toEqual([0, 1, 1, 0, 0, 0]);
  // Division tells the zeros apart.
  expect(await numbers(f(1, 1).div(Tensor.concat([Tensor.full([1], 0), Tensor.full([1], -0)])))).toEqual([
    inf,
    -inf,
  ]);
});

corner(34, "promotion is PyTorch's, and numbers are weak", async () => {
  const dtypes: readonly (readonly [Tensor, DType])[] = [
    [ints(1).add(2), "int32"],
    [ints(1).add(2.5), "float32"],
    [ints(1).add(2n), "int32"],
    [of("float16", 1).add(2.5), "float16"],
    [of("float16", 1).add(of("bfloat16", 1)), "float32"],
    [of("uint8", 1).add(of("int8", 1)), "int16"],
    [of("uint8", 1).mul(of("bool", 1)), "uint8"],
    [of("int64", 1).add(of("float16", 1)), "float16"],
    [of("bool", 1).add(1), "int32"],
    [ints(4).div(ints(2)), "float32"],
    [of("bool", 1).sum(), "int32"],
  ];
  for (const [x, dtype] of dtypes) expect(x.dtype).toBe(dtype);
  expect(await numbers(of("float16", 1).add(2.5))).toEqual([3.5]);
});

corner(35, "transcendentals agree with their exact values everywhere, far out and near 0 too", async () => {
  const points = [0, 1e-45, 1e-38, 1e-5, 0.1, 0.5, 1, 1.5, 2, 3.7, 10, 30, 80, 1e3, 1e10];
  const both = [...points, ...points.map((x) => -x)].map(Math.fround);
  const functions: readonly (readonly [string, (x: Tensor) => Tensor, (x: number) => number])[] = [
    ["exp", (x) => x.exp(), Math.exp],
    ["log", (x) => x.log(), Math.log],
    ["sin", (x) => x.sin(), Math.sin],
    ["cos", (x) => x.cos(), Math.cos],
    ["tanh", (x) => x.tanh(), Math.tanh],
    ["exp2", (x) => x.exp2(), (x) => 2 ** x],
    ["sqrt", (x) => x.sqrt(), Math.sqrt],
  ];
  for (const [name, ours, exact] of functions) {
    const found = await numbers(ours(f(...both)));
    found.forEach((value, i) => {
      const wanted = Math.fround(exact(both[i]));
      // Two units in the last place, or of the smallest numbers.
      const fits =
        Object.is(value, wanted) || Math.abs(value - wanted) <= 2 ** -22 * Math.abs(wanted) + 3e-45;
      expect({ name, x: both[i], value, fits }).toEqual({ name, x: both[i], value, fits: true });
    });
  }
  // A root beside its radicand must not round the argument of a logarithm to 0.
  expect(await numbers(f(0.5, -2, -3000, -1e10, -inf).acosh())).toEqual([nan, nan, nan, nan, nan]);
  const [base, power] = [f(0, 0, -2, -2, -8, 1, nan, 2, inf), f(0, 1, 0.5, 3, 1 / 3, nan, 0, -inf, -1)];
  expect(await numbers(base.pow(power))).toEqual([1, 0, nan, -8, nan, 1, 1, 0, 0]);
});

corner(36, "rounding: half to even, and floats that are whole already", async () => {
  const x = f(0.5, 1.5, 2.5, -0.5, -1.5, 2 ** 31 + 256, -(2 ** 40), 1e30, inf, nan);
  expect(await numbers(x.round())).toEqual([
    0,
    2,
    2,
    -0,
    -2,
    2 ** 31 + 256,
    -(2 ** 40),
    Math.fround(1e30),
    inf,
    nan,
  ]);
  const y = f(2 ** 31 + 256, -(2 ** 40), 1e30, -1.5, 1.5);
  expect(await numbers(y.floor())).toEqual([2 ** 31 + 256, -(2 ** 40), Math.fround(1e30), -2, 1]);
  expect(await numbers(y.ceil())).toEqual([2 ** 31 + 256, -(2 ** 40), Math.fround(1e30), -1, 2]);
  expect(await numbers(y.trunc())).toEqual([2 ** 31 + 256, -(2 ** 40), Math.fround(1e30), -1, 1]);
});

corner(37, "a fused multiply-add changes no branch", async () => {
  const x = Tensor.from(Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i) * 3));
  const y = x.mul(x).add(-0.3).contiguous();
  const [direct, stored] = [x.mul(x).add(-0.3), y];
  // The same sum, asked twice, once through memory: its sign decides, and the sign is the same.
  const [a, b] = [direct.gt(0).where(1, -1), stored.gt(0).where(1, -1)];
  expect(await numbers(a)).toEqual(await numbers(b));
  expect(await numbers(x.mul(x).sub(x.mul(x)).abs().sum())).toEqual([0]);
});

corner(38, "gradients at kinks, of products with zeros, of halves, and of the second order", async () => {
  const slope = (fn: (x: Tensor) => Tensor, ...at: number[]) =>
    numbers(grad((x: Tensor) => fn(x).sum())(f(...at)));
  expect(await slope((x) => x.max(), 1, 3, 3)).toEqual([0, 0.5, 0.5]);
  expect(await slope((x) => x.prod(), 0, 2, 3)).toEqual([6, 0, 0]);
  expect(await slope((x) => x.prod(), 0, 0, 3)).toEqual([0, 0, 0]);
  expect(await slope((x) => x.gt(0).where(x.sqrt(), 0), 0, 4)).toEqual([nan, 0.25]);
  expect(await slope((x) => x.pow(0), 0, 2)).toEqual([0, 0]);
  expect(await slope((x) => x.pow(2), 0, 2)).toEqual([0, 4]);
  expect(await slope((x) => x.abs(), 0, -2)).toEqual([0, -1]);
  expect(await slope((x) => x.sign(), 0, -2)).toEqual([0, 0]);
  expect(await slope((x) => x.clamp(-1, 1), -1, 1, 2)).toEqual([1, 1, 0]);
  expect(await slope((x) => x.detach().mul(x), 3)).toEqual([3]);
  const half = Tensor.ones([1], { dtype: "float16" }).requiresGrad_();
  half.expand([4096]).sum().backward();
  expect(half.grad!.dtype).toBe("float16");
  expect(await numbers(half.grad!)).toEqual([4096]);
  expect(() => Tensor.ones([2], { dtype: "int32" }).requiresGrad_()).toThrow("float");
  const twice = grad((x: Tensor) => grad((y: Tensor) => y.pow(3).sum())(x).sum());
  expect(await numbers(twice(f(2, -1)))).toEqual([12, -6]);
  const x = f(2).requiresGrad_();
  for (let i = 0; i < 3; i++) x.square().sum().backward();
  expect(await numbers(x.grad!)).toEqual([12]);
});

corner(
  35,
  "in float64 too",
  async () => {
    const at = [1e-300, 1e-5, 0.3, 1, 7.5, 1e5, 1e10];
    const x = Tensor.from(Float64Array.from(at));
    for (const [found, exact] of [
      [await numbers(x.sin()), at.map(Math.sin)],
      [await numbers(x.log()), at.map(Math.log)],
      [await numbers(x.neg().exp()), at.map((v) => Math.exp(-v))],
      [await numbers(x.tanh()), at.map(Math.tanh)],
    ]) {
      found.forEach((value, i) => {
        expect(Math.abs(value - exact[i])).toBeLessThanOrEqual(4 * 2 ** -52 * Math.abs(exact[i]) + 1e-323);
      });
    }
  },
  NO_FLOAT64,
);

corner(38, "a NaN that is the extreme gets its gradient", async () => {
  const slope = grad((x: Tensor) => x.max());
  expect(await numbers(slope(f(1, Number.NaN, 3)))).toEqual([0, 1, 0]);
});
