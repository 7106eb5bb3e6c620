// Where dtypes end: numbers they do not hold, halves whose squares overflow, floats without infinity, values near 0.

import { beforeEach, expect, it } from "vitest";
import { type DType, grad, setDefaultDevice, Tensor } from "../../src/index.js";
import { registerDevice } from "../../src/engine/engine.js";
import { LimitedDevice } from "../devices/limited.js";

beforeEach(() => setDefaultDevice("interpreter"));

const numbers = async (x: Tensor): Promise<number[]> =>
  Array.from((await x.data()) as ArrayLike<number | bigint>, Number);
const of = (dtype: DType, ...values: number[]): Tensor => Tensor.from(values, { dtype });

it("a number beyond an integer dtype enters sums and products modulo 2^n", async () => {
  expect(await numbers(of("uint8", 0, 1).add(-1))).toEqual([255, 0]);
  expect(await numbers(of("uint8", 1).rsub(-1))).toEqual([254]);
  expect(await numbers(of("int8", 100).add(300))).toEqual([-112]);
  expect(await numbers(of("int32", -1).bitwiseAnd(0xffffffff))).toEqual([-1]);
});

it("a comparison with a number beyond an integer dtype is what it is among integers", async () => {
  const x = of("uint8", 0, 255);
  for (const beyond of [-1, 300]) {
    expect(await numbers(x.lt(beyond))).toEqual([0, 255].map((n) => Number(n < beyond)));
    expect(await numbers(x.le(beyond))).toEqual([0, 255].map((n) => Number(n <= beyond)));
    expect(await numbers(x.gt(beyond))).toEqual([0, 255].map((n) => Number(n > beyond)));
    expect(await numbers(x.ge(beyond))).toEqual([0, 255].map((n) => Number(n >= beyond)));
    expect(await numbers(x.eq(beyond))).toEqual([0, 0]);
    expect(await numbers(x.ne(beyond))).toEqual([1, 1]);
  }
  expect(await numbers(x.clamp(-5, 300))).toEqual([0, 255]);
  expect(await numbers(x.lt(255))).toEqual([1, 0]);
});

it("squares of halves may be more than halves hold", async () => {
  expect(await numbers(of("float16", 0, 600).std())).toEqual([424.25]);
  expect(await numbers(of("float16", 300, 400).norm())).toEqual([500]);
  expect(of("float16", 1, 2).norm(3).dtype).toBe("float16");
});

it("the gradient of a norm is 0 at 0", async () => {
  const slope = grad((x: Tensor) => x.norm());
  expect(await numbers(slope(of("float32", 0, 0)))).toEqual([0, 0]);
  expect((await numbers(slope(of("float64", 3, 4))))[0]).toBeCloseTo(0.6, 12);
});

it("all numbers of a dtype without infinity are finite", async () => {
  const x = of("float8e4m3", 448, Number.NaN, 1);
  expect(await numbers(x.isfinite())).toEqual([1, 0, 1]);
  expect(await numbers(x.isinf())).toEqual([0, 0, 0]);
});

it("padding never is the largest of a window", async () => {
  for (const dtype of ["float8e4m3", "float16", "int8"] as const) {
    const image = of(dtype, -120, -3, -2, -1).reshape([1, 2, 2]);
    expect(await numbers(image.maxPool2d(2, { padding: 1 }))).toEqual([-120, -3, -2, -1]);
  }
});

it("sinh is exact near 0 and goes as far as the dtype, with its slopes", async () => {
  const places = [1e-5, -1e-3, 0.5, 0.99, 1, 3, -89];
  const found = await numbers(of("float32", ...places).sinh());
  for (const [i, x] of places.entries()) {
    const wanted = Math.sinh(Math.fround(x));
    expect(Math.abs(found[i] / wanted - 1)).toBeLessThan(1e-5);
  }
  expect(await numbers(of("float32", Infinity, -Infinity).sinh())).toEqual([Infinity, -Infinity]);
  const slope = grad((x: Tensor) => x.sinh().sum());
  const second = grad((x: Tensor) => grad((y: Tensor) => y.cosh().sum())(x).sum());
  for (const f of [slope, second]) {
    const [zero, one] = await numbers(f(of("float64", 0, 1)));
    expect(zero).toBeCloseTo(1, 12);
    expect(one).toBeCloseTo(Math.cosh(1), 12);
  }
});

it("arange counts beyond int32", async () => {
  const x = Tensor.arange(3e9, 3e9 + 3);
  expect(x.dtype).toBe("int64");
  expect(await numbers(x)).toEqual([3e9, 3e9 + 1, 3e9 + 2]);
  expect(await numbers(Tensor.arange(3e9, 3e9 + 2, 1, { dtype: "uint32" }))).toEqual([3e9, 3e9 + 1]);
  expect(Tensor.arange(-3, 3).dtype).toBe("int32");
});

it("steps in float32 are off by little more than their rounding, and both ends are exact", async () => {
  for (const [start, stop, count] of [
    [0, 1, 11],
    [-1, 1, 21],
    [0.1, 0.7, 1000],
    [3, -5.3, 4097],
  ]) {
    const found = await numbers(Tensor.linspace(start, stop, count));
    expect([found[0], found[count - 1]]).toEqual([start, stop].map(Math.fround));
    for (const [i, x] of found.entries()) {
      const wanted = start + ((stop - start) * i) / (count - 1);
      expect(Math.abs(x - wanted)).toBeLessThanOrEqual(1.5 * 2 ** -23 * Math.abs(wanted) + 1e-9);
    }
  }
});

it("steps need no float64", async () => {
  registerDevice("limited", async () => new LimitedDevice());
  const steps = () => [Tensor.arange(0, 1, 0.1), Tensor.linspace(-1, 1, 7)];
  const [a, b] = await Promise.all(steps().map((x) => x.data({ device: "limited" })));
  const [c, d] = await Promise.all(steps().map((x) => x.data({ device: "interpreter" })));
  expect([a, b]).toEqual([c, d]);
});

it("an axis is reduced once, and errors name what was called", () => {
  const x = Tensor.ones([2, 3]);
  expect(() => x.mean([0, -2])).toThrow("mean: [0,-2] names an axis of Tensor(float32[2, 3]) twice");
  expect(() => x.sum(3)).toThrow("sum: axis 3");
  expect(() => x.prod(3)).toThrow("prod: axis 3");
});

it("is disposed of by its symbol", async () => {
  const x = await Tensor.from([1]).realize();
  const y = await x.add(1).realize();
  x[Symbol.dispose]();
  x.dispose();
  expect(() => x.add(1)).toThrow("disposed");
  expect(await y.item()).toBe(2);
});
