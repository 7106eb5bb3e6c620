// Captured functions: state, random access to storages, variables, containers, and what must not be frozen.

import { beforeAll, describe, expect, test } from "vitest";
import {
  availableDevices,
  type BoundVariable,
  customGradient,
  jit,
  setDefaultDevice,
  Tensor,
  Variable,
} from "../../src/index.js";

const devices = await availableDevices();

describe.each(devices.map((d) => [d.name, d] as const))("jit on %s", (name, device) => {
  if (!device.available) {
    test.skip(`not here: ${device.reason}`, () => {});
    return;
  }
  beforeAll(() => setDefaultDevice(name));
  const values = async (x: Tensor) => [...(await x.data())].map(Number);

  test("replays on new arguments and keeps state that the function assigns", async () => {
    const w = Tensor.from([1, 2, 3]).mul(2);
    const step = jit((x: Tensor) => {
      const y = x.mul(w).sum();
      w.assign(w.add(1));
      return { y, scaled: [w.mul(10)] };
    });
    for (let i = 0; i < 4; i++) {
      const { y, scaled } = await step(Tensor.from([1, 1, i]));
      expect(Number(await y.item())).toBe(2 + i + 4 + i + i * (6 + i));
      expect(await values(scaled[0])).toEqual([30 + 10 * i, 50 + 10 * i, 70 + 10 * i]);
      expect(await values(w)).toEqual([3 + i, 5 + i, 7 + i]);
    }
  });

  test("leaves alone what was built on the state before: clones and values still to be computed", async () => {
    const w = Tensor.from([1, 2]);
    const step = jit(() => {
      w.assign(w.add(1));
    });
    await step();
    const clone = w.clone();
    const lazy = w.mul(100);
    await step();
    await step();
    expect([await values(clone), await values(lazy), await values(w)]).toEqual([
      [2, 3],
      [200, 300],
      [4, 5],
    ]);
  });

  test("reads the weight of each call where a gradient's rule made a tensor of it", async () => {
    const w = Tensor.from([2, 3]).requiresGrad_();
    const step = jit((x: Tensor) => {
      w.grad = undefined;
      const square = customGradient(w.detach().square(), [w], (g, _, own) => [g.mul(own).mul(2)]);
      square.mul(x).sum().backward();
      w.assign(w.detach().sub(w.grad!));
    });
    for (const x of [0.25, 0.25]) await step(Tensor.full([2], x));
    expect(await values(w)).toEqual([0.5, 0.75]);
  });

  test("a result of one call is an argument of the next", async () => {
    const next = jit((x: Tensor) => x.mul(2));
    let x = Tensor.from([1, 3]);
    for (let i = 0; i < 5; i++) x = await next(x);
    expect(await values(x)).toEqual([32, 96]);
  });

  test("state assigned from outside between calls is seen", async () => {
    const w = Tensor.from([1, 2]);
    const f = jit((x: Tensor) => x.add(w));
    const x = Tensor.from([0, 0]);
    await f(x);
    w.assign(Tensor.from([5, 6]));
    expect(await values(await f(x))).toEqual([5, 6]);
  });

  test("two storages with equal elements are told apart", async () => {
    const a = Tensor.from([1, 2]);
    await a.realize();
    const b = a.clone();
    const f = jit(() => {
      a.assign(a.add(b));
      return b.mul(1);
    });
    await f();
    await f();
    expect(await values(a)).toEqual([3, 6]);
    expect(await values(b)).toEqual([1, 2]);
  });

  test("another shape, another number or another sharing captures anew", async () => {
    let runs = 0;
    const f = jit((x: Tensor, y: Tensor, scale: number) => {
      runs++;
      return x.add(y).mul(scale).sum();
    });
    const [a, b, c] = [Tensor.from([1, 2]), Tensor.from([3, 4]), Tensor.from([1, 2, 3])];
    expect(await (await f(a, b, 2)).item()).toBe(20);
    expect(await (await f(b, a, 2)).item()).toBe(20);
    expect(runs).toBe(1);
    expect(await (await f(a, b, 3)).item()).toBe(30);
    expect(await (await f(c, c, 2)).item()).toBe(24);
    expect(await (await f(a, a, 2)).item()).toBe(12);
    expect(runs).toBe(4);
  });

  test("one capture serves all values of a variable, its bounds included", async () => {
    let runs = 0;
    const n = new Variable(`jit_${name}`, 1, 8);
    const f = jit((x: Tensor, bound: BoundVariable) => {
      runs++;
      return x.shrink([[0, bound.variable.dim]]).sum();
    });
    const x = Tensor.arange(8).cast("float32");
    for (const k of [1, 3, 8]) expect(await (await f(x, n.bind(k))).item()).toBe((k * (k - 1)) / 2);
    expect(runs).toBe(1);
    expect(() => n.bind(9)).toThrow(/must be an integer in \[1, 8\]/);
  });

  test("a result of symbolic size keeps its variable's value, and does not meet another", async () => {
    const n = new Variable(`kept_${name}`, 1, 8);
    const f = jit((x: Tensor, bound: BoundVariable) => x.shrink([[0, bound.variable.dim]]).mul(2));
    const y = await f(Tensor.arange(8), n.bind(3));
    expect(await values(y)).toEqual([0, 2, 4]);
    expect(await values(y.add(1))).toEqual([1, 3, 5]);
    await expect(y.mul(3).data({ variables: { [n.name]: 5 } })).rejects.toThrow(/two values: 5, and 3/);
  });

  test("a variable with two values in one call is an error", async () => {
    const n = new Variable(`twice_${name}`, 1, 8);
    const f = jit((a: BoundVariable, _b: BoundVariable) => a.variable.tensor.add(1));
    await expect(f(n.bind(1), n.bind(2))).rejects.toThrow(/two values/);
  });

  test("a function that computes nothing, and one that awaits", async () => {
    await expect(jit(() => undefined)()).resolves.toBeUndefined();
    const wrong = jit((async () => {}) as unknown as () => undefined);
    await expect(wrong()).rejects.toThrow(/must not be async/);
  });

  test("an argument given back unchanged", async () => {
    const f = jit((x: Tensor, y: Tensor) => [y, x]);
    const [y, x] = await f(Tensor.from([1]), Tensor.from([2]));
    expect([await y.item(), await x.item()]).toEqual([2, 1]);
  });
});
