// Corner cases 18 to 26: assignment and aliasing, memory and lifetime. 23 is in formats/source.test.ts, 25 in
// engine/memory.test.ts.

import { expect } from "vitest";
import { jit, manualSeed, nn, Tensor } from "../../src/index.js";
import { corner, kernelsOf, limited, NO_FLOAT64, numbers } from "./corner.js";

const of = (...values: number[]): Tensor => Tensor.from(Float32Array.from(values));

corner(
  18,
  "values keep what they were computed from; overlapping and crossed assignments are as if copied",
  async () => {
    const a = of(1, 2, 3, 4);
    const b = a.add(1);
    a.assign(0);
    expect(await numbers(b)).toEqual([2, 3, 4, 5]);
    const between = (): Promise<number[]> => numbers(a);
    a.assign(of(1, 2, 3, 4));
    expect(await between()).toEqual([1, 2, 3, 4]);
    a.assign(a.mul(2));
    expect(await between()).toEqual([2, 4, 6, 8]);
    const [left, right] = [a.at([0, 2]), a.at([2, 4])];
    const kept = left.clone();
    left.assign(right);
    right.assign(kept);
    expect(await numbers(a)).toEqual([6, 8, 2, 4]);
    // A rotation of three.
    const x = of(1, 2, 3);
    const first = x.at([0, 1]).clone();
    x.at([0, 1]).assign(x.at([1, 2]));
    x.at([1, 2]).assign(x.at([2, 3]));
    x.at([2, 3]).assign(first);
    expect(await numbers(x)).toEqual([2, 3, 1]);
    for (const [to, from, expected] of [
      [
        [1, 5],
        [0, 4],
        [0, 0, 1, 2, 3],
      ],
      [
        [0, 4],
        [1, 5],
        [1, 2, 3, 4, 4],
      ],
    ] as const) {
      const y = of(0, 1, 2, 3, 4);
      y.at(to).assign(y.at(from));
      expect(await numbers(y)).toEqual(expected);
    }
    const square = of(1, 2, 3, 4).reshape([2, 2]);
    square.assign(square.transpose());
    expect(await numbers(square)).toEqual([1, 3, 2, 4]);
    square.assign(square.flip([0, 1]));
    expect(await numbers(square)).toEqual([4, 2, 3, 1]);
    const [u, v] = [of(1, 2), of(3, 4)];
    const [newU, newV] = [v.add(0), u.add(0)];
    u.assign(newU);
    v.assign(newV);
    expect([await numbers(u), await numbers(v)]).toEqual([
      [3, 4],
      [1, 2],
    ]);
  },
);

corner(19, "a view that is assigned changes every alias; what cannot be written is an error", async () => {
  const base = of(0, 0, 0, 0, 0, 0).reshape([2, 3]);
  const [column, row] = [base.at(null, 1), base.at(1)];
  await row.realize();
  column.assign(of(5, 6));
  expect(await numbers(base)).toEqual([0, 5, 0, 0, 6, 0]);
  expect(await numbers(row)).toEqual([0, 6, 0]);
  row.assign(row.add(1));
  expect(await numbers(base)).toEqual([0, 5, 0, 1, 7, 1]);
  expect(await numbers(column)).toEqual([5, 7]);
  expect(() => of(1).expand([3]).assign(0)).toThrow("repeats elements");
  expect(() => base.assign(of(1, 2))).toThrow("dtype and shape must agree");
  expect(() => base.assign(Tensor.zeros([2, 3], { dtype: "int32" }))).toThrow("dtype and shape must agree");
});

corner(20, "an optimiser step is one computation; gradients add up and are cleared", async (device) => {
  const parameters = [of(1, 2), of(3)].map((x) => x.requiresGrad_());
  const optimiser = new nn.Adam(parameters, { lr: 0.5 });
  const loss = (): Tensor => parameters[0].square().sum().add(parameters[1].sum());
  loss().backward();
  loss().backward();
  expect(await numbers(parameters[0].grad!)).toEqual([4, 8]);
  optimiser.zeroGrad();
  expect(parameters[0].grad).toBeUndefined();
  loss().backward();
  optimiser.step();
  const state = Object.values(nn.stateDict(optimiser));
  expect((await kernelsOf(device, ...parameters, ...state)).length).toBeLessThanOrEqual(4);
  await Tensor.realize([...parameters, ...state]);
  const moved = (await numbers(parameters[0])).concat(await numbers(parameters[1]));
  [0.5, 1.5, 2.5].forEach((value, i) => {
    expect(moved[i]).toBeCloseTo(value, 5);
  });
});

corner(21, "draws differ, replays draw anew, one seed gives the same bits everywhere", async () => {
  manualSeed(42);
  const [a, b] = [Tensor.rand([4]), Tensor.rand([4])];
  await Tensor.realize([a, b]);
  const first = await numbers(a);
  expect(await numbers(b)).not.toEqual(first);
  // These are the bits of Threefry on every device.
  expect(first.map((x) => Math.round(x * 2 ** 24))).toMatchInlineSnapshot(`
    [
      14580212,
      2527192,
      8729532,
      4193252,
    ]
  `);
  const draw = jit(() => Tensor.rand([3]));
  const seen = new Set<string>();
  for (let i = 0; i < 5; i++) seen.add(String(await numbers(await draw())));
  expect(seen.size).toBe(5);
});

corner(22, "sub-views and other item sizes show the same bytes", async (device) => {
  const x = Tensor.from(Uint8Array.from({ length: 32 }, (_, i) => i * 7));
  await x.realize();
  const words = x.bitcast("uint32");
  expect(words.shape).toEqual([8]);
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i * 7);
  expect(await numbers(words)).toEqual([...new Uint32Array(bytes.buffer)]);
  expect(await numbers(words.bitcast("uint8").at([5, 9]))).toEqual([...bytes.subarray(5, 9)]);
  expect(await numbers(x.at([3, 7]).bitcast("int16"))).toEqual([...new Int16Array(bytes.slice(3, 7).buffer)]);
  if (device !== "limited") {
    const doubles = of(1.5, -2).cast("float64").bitcast("int32");
    expect(doubles.shape).toEqual([4]);
    expect(await numbers(doubles.bitcast("float64"))).toEqual([1.5, -2]);
  }
  expect(() => x.at([0, 6]).bitcast("uint32")).toThrow("does not hold whole uint32 items");
});

corner(24, "results, live tensors and inputs that are results never share memory by mistake", async () => {
  const x = of(1, 2, 3);
  const y = of(10, 20, 30);
  const step = jit((a: Tensor, b: Tensor) => ({
    same: a,
    sum: a.add(b),
    twice: b.mul(2),
    product: a.add(b).mul(b),
  }));
  let held: Tensor | undefined;
  for (let i = 0; i < 4; i++) {
    const { same, sum, twice, product } = await step(x, y);
    expect(await numbers(same)).toEqual([1, 2, 3]);
    expect(await numbers(sum)).toEqual([11, 22, 33]);
    expect(await numbers(twice)).toEqual([20, 40, 60]);
    expect(await numbers(product)).toEqual([110, 440, 990]);
    if (held !== undefined) expect(await numbers(held)).toEqual([11, 22, 33]);
    held = sum;
  }
  const state = of(1, 2);
  const swap = jit((a: Tensor) => {
    const before = state.clone();
    state.assign(a);
    return before;
  });
  const first = await swap(of(3, 4));
  const second = await swap(first);
  expect([await numbers(first), await numbers(second), await numbers(state)]).toEqual([
    [1, 2],
    [3, 4],
    [1, 2],
  ]);
  expect([await numbers(x), await numbers(y)]).toEqual([
    [1, 2, 3],
    [10, 20, 30],
  ]);
});

corner(
  26,
  "disposed twice is disposed once; what was computed from it stays, using it is an error",
  async (device) => {
    const x = of(1, 2, 3).add(1);
    await x.realize();
    const y = x.mul(2);
    await y.realize();
    const bytes = limited.bytesInUse;
    x.dispose();
    x.dispose();
    if (device === "limited") expect(limited.bytesInUse).toBeLessThan(bytes);
    expect(await numbers(y)).toEqual([4, 6, 8]);
    expect(() => x.add(1)).toThrow("disposed");
    await expect(x.data()).rejects.toThrow("disposed");
    expect(await numbers(y.add(1))).toEqual([5, 7, 9]);
  },
);

corner(
  26,
  "float64 too",
  async () => {
    const x = Tensor.ones([2], { dtype: "float64" }).contiguous();
    await x.realize();
    const y = x.add(1);
    x.dispose();
    await expect(y.data()).rejects.toThrow("disposed");
  },
  NO_FLOAT64,
);
