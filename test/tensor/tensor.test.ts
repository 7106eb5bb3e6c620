// Tensors as users meet them: creation, shapes, dtypes, views, assignment through views, errors. Numbers of single
// operations are compared in the conformance tests.

import { describe, expect, it } from "vitest";
import { Tensor, TensorError } from "../../src/index.js";

const device = "interpreter";

const list = (x: Tensor) => x.tolist({ device });
const ints = (...values: number[]): Tensor => Tensor.from(Int32Array.from(values));
const range = (...shape: number[]): Tensor => Tensor.arange(shape.reduce((n, d) => n * d, 1)).reshape(shape);

describe("creation", () => {
  it("takes the shape and dtype of what it is given", async () => {
    expect(`${Tensor.from(1)}`).toBe("Tensor(float32[])");
    expect(
      `${Tensor.from([
        [1, 2, 3],
        [4, 5, 6],
      ])}`,
    ).toBe("Tensor(float32[2, 3])");
    expect(`${Tensor.from([true])}`).toBe("Tensor(bool[1])");
    expect(`${Tensor.from([1n])}`).toBe("Tensor(int64[1])");
    expect(`${Tensor.from(Uint8Array.of(1, 2), { shape: [2, 1] })}`).toBe("Tensor(uint8[2, 1])");
    expect(`${Tensor.from([])}`).toBe("Tensor(float32[0])");
    expect(`${Tensor.from([1.9], { dtype: "int8" })}`).toBe("Tensor(int8[1])");
    expect(
      await list(
        Tensor.from([
          [1, 2],
          [3, 4],
        ]),
      ),
    ).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });
  it("does not see later changes of the array", async () => {
    const values = Float32Array.of(1, 2);
    const x = Tensor.from(values);
    values[0] = 9;
    expect(await list(x)).toEqual([1, 2]);
  });
  it("keeps special values in every dtype", async () => {
    const special = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const dtype of ["float16", "bfloat16", "float32", "float64"] as const) {
      expect(await list(Tensor.from(special, { dtype }))).toEqual(special);
      for (const value of special) expect(await list(Tensor.full([1], value, { dtype }))).toEqual([value]);
    }
    expect(await list(Tensor.full([1], 2n ** 64n - 1n, { dtype: "uint64" }))).toEqual([2n ** 64n - 1n]);
    expect(await list(Tensor.full([1], -(2 ** 31), { dtype: "int32" }).neg())).toEqual([-(2 ** 31)]);
  });
  it("makes ranges", async () => {
    expect(await list(Tensor.arange(3))).toEqual([0, 1, 2]);
    expect(await list(Tensor.arange(5, 0, -2))).toEqual([5, 3, 1]);
    expect(await list(Tensor.arange(0, 1, 0.25))).toEqual([0, 0.25, 0.5, 0.75]);
    expect(Tensor.arange(3, 3).shape).toEqual([0]);
    expect(await list(Tensor.linspace(0, 1, 5))).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect(await list(Tensor.eye(2, 3))).toEqual([
      [1, 0, 0],
      [0, 1, 0],
    ]);
  });
  it("takes no memory for constants, whatever their size", async () => {
    const huge = Tensor.ones([1_000_000_000]);
    expect(huge.size).toBe(1_000_000_000);
    expect(await list(huge.narrow(0, 5, 2).add(1))).toEqual([2, 2]);
  });
  it("refuses what has no shape", () => {
    expect(() => Tensor.from([[1], [2, 3]])).toThrow(/rows of axis 1 differ in length/);
    expect(() => Tensor.from(Float32Array.of(1, 2, 3), { shape: [2] })).toThrow(/does not hold 3 elements/);
    expect(() => Tensor.arange(0, 3, 0)).toThrow(/step must not be 0/);
  });
});

describe("reading", () => {
  it("gives typed arrays of the dtype, and booleans and bigints in lists", async () => {
    expect(await Tensor.from([1, 2]).data({ device })).toEqual(Float32Array.of(1, 2));
    expect(await Tensor.from([1.5], { dtype: "float16" }).data({ device })).toEqual(Float32Array.of(1.5));
    expect(await Tensor.from([true, false]).data({ device })).toEqual(Uint8Array.of(1, 0));
    expect(await list(Tensor.from([true, false]))).toEqual([true, false]);
    expect(await Tensor.from(5n).item({ device })).toBe(5n);
    expect(await Tensor.from(true).item({ device })).toBe(true);
  });
  it("of one element refuses several", async () => {
    await expect(Tensor.from([1, 2]).item({ device })).rejects.toThrow(/has 2 elements/);
  });
  it("of nothing gives nothing, and reductions of nothing their identity", async () => {
    const empty = Tensor.zeros([0, 3]);
    expect(await list(empty)).toEqual([]);
    expect(await list(empty.add(1).exp())).toEqual([]);
    expect(await list(empty.sum(0))).toEqual([0, 0, 0]);
    expect(await list(empty.prod(0))).toEqual([1, 1, 1]);
    expect(await list(empty.max(0))).toEqual([1, 1, 1].map(() => Number.NEGATIVE_INFINITY));
    expect(await list(empty.min(0))).toEqual([1, 1, 1].map(() => Number.POSITIVE_INFINITY));
    expect(await list(empty.mean(0))).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect(await list(Tensor.zeros([0], { dtype: "int32" }).max())).toBe(-(2 ** 31));
    expect(await list(Tensor.concat([empty, Tensor.ones([1, 3])]))).toEqual([[1, 1, 1]]);
  });
});

describe("operands", () => {
  it("broadcast", async () => {
    expect(
      await list(
        ints(1, 2)
          .reshape([2, 1])
          .add(ints(10, 20, 30)),
      ),
    ).toEqual([
      [11, 21, 31],
      [12, 22, 32],
    ]);
    expect(() => ints(1, 2).add(ints(1, 2, 3))).toThrow(/int32\[2\].*int32\[3\].*do not broadcast/);
  });
  it("promote; numbers are weak", () => {
    expect(ints(1).add(2).dtype).toBe("int32");
    expect(ints(1).add(2.5).dtype).toBe("float32");
    expect(Tensor.from([1], { dtype: "float16" }).add(2.5).dtype).toBe("float16");
    expect(ints(1).div(2).dtype).toBe("float32");
    expect(ints(1).sqrt().dtype).toBe("float32");
    expect(ints(1).lt(2).dtype).toBe("bool");
    expect(Tensor.from([true]).add(1).dtype).toBe("int32");
    expect(ints(1).add(Tensor.from([1], { dtype: "float16" })).dtype).toBe("float16");
    expect(Tensor.from([true, true]).sum().dtype).toBe("int32");
    expect(Tensor.from([1], { dtype: "int8" }).sum().dtype).toBe("int32");
    expect(() => Tensor.from([true]).sub(Tensor.from([true]))).toThrow(/cast them first/);
  });
  it("convert with one result: truncated, saturated, wrapped", async () => {
    const x = Tensor.from([-1.9, 1.9, 300, Number.NaN, Number.POSITIVE_INFINITY]);
    expect(await list(x.cast("int32"))).toEqual([-1, 1, 300, 0, 2 ** 31 - 1]);
    expect(await list(x.cast("uint8"))).toEqual([0, 1, 255, 0, 255]);
    expect(await list(ints(300, -1).cast("uint8"))).toEqual([44, 255]);
    expect(await list(x.bool())).toEqual([true, true, true, true, true]);
  });
  it("divide integers by zero to zero, and with floor semantics", async () => {
    expect(await list(ints(7, -7, 7, -7, 5).idiv(ints(2, 2, -2, -2, 0)))).toEqual([3, -4, -4, 3, 0]);
    expect(await list(ints(7, -7, 7, -7, 5).mod(ints(2, 2, -2, -2, 0)))).toEqual([1, 1, -1, -1, 0]);
    expect(await list(ints(-(2 ** 31)).idiv(-1))).toEqual([-(2 ** 31)]);
    expect(await list(ints(-7).fmod(ints(2)))).toEqual([-1]);
    expect(await list(ints(1, -1, 1).shl(ints(31, 40, -1)))).toEqual([-(2 ** 31), 0, 0]);
  });
  it("bitcast between item sizes, low parts first", async () => {
    const x = Tensor.from(Int32Array.of(0x04030201, -1));
    expect(await list(x.bitcast("uint8"))).toEqual([1, 2, 3, 4, 255, 255, 255, 255]);
    expect(await list(x.bitcast("uint8").bitcast("int32"))).toEqual([0x04030201, -1]);
    expect(await list(x.bitcast("int64"))).toEqual([-4227661311n]);
    expect(await list(Tensor.from([1]).bitcast("uint16"))).toEqual([0, 0x3f80]);
    expect(() => Tensor.from(Uint8Array.of(1, 2, 3)).bitcast("int32")).toThrow(/does not hold whole int32/);
  });
});

describe("shapes", () => {
  it("are checked, with the shapes in the message", () => {
    const x = range(2, 3);
    expect(() => x.reshape([4])).toThrow(/int32\[2, 3\].*\[4\]/);
    expect(() => x.reshape([-1, -1])).toThrow(TensorError);
    expect(() => x.permute([0, 0])).toThrow(/not an order/);
    expect(() => x.sum(2)).toThrow(/axis 2/);
    expect(() => x.expand([2, 4])).toThrow(/only axes of size 1 expand/);
    expect(() => x.narrow(0, 1, 5)).toThrow(/does not lie within/);
    expect(() => x.cat(0, range(2, 4))).toThrow(/does not fit/);
    expect(() => x.where(1, 2)).toThrow(/must be bool/);
  });
  it("follow from reshapes, moves and parts", async () => {
    const x = range(2, 3);
    expect(x.reshape([-1]).shape).toEqual([6]);
    expect(await list(x.T)).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
    expect(await list(x.flip(1))).toEqual([
      [2, 1, 0],
      [5, 4, 3],
    ]);
    expect(await list(x.roll(1, 1))).toEqual([
      [2, 0, 1],
      [5, 3, 4],
    ]);
    expect(await list(x.select(1, -1))).toEqual([2, 5]);
    expect(x.split(2, 1).map((part) => part.shape)).toEqual([
      [2, 2],
      [2, 1],
    ]);
    expect(await list(x.repeat([1, 2]))).toEqual([
      [0, 1, 2, 0, 1, 2],
      [3, 4, 5, 3, 4, 5],
    ]);
    expect(
      await list(
        x.pad(
          [
            [0, 1],
            [-1, 0],
          ],
          { value: 9 },
        ),
      ),
    ).toEqual([
      [1, 2],
      [4, 5],
      [9, 9],
    ]);
    expect(await list(Tensor.arange(7).unfold(0, 3, 2))).toEqual([
      [0, 1, 2],
      [2, 3, 4],
      [4, 5, 6],
    ]);
    expect(await list(Tensor.arange(5).unfold(0, 2, 1, 3))).toEqual([
      [0, 3],
      [1, 4],
    ]);
  });
  it("have more than eight axes", async () => {
    const x = range(2, 1, 2, 1, 2, 1, 2, 1, 2, 2);
    expect(await list(x.permute([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]).sum([0, 1, 2, 3, 4, 5, 6, 7, 8]))).toEqual([
      496, 1520,
    ]);
  });
});

describe("assignment", () => {
  it("leaves values computed before as they were", async () => {
    const a = ints(1, 2, 3);
    const b = a.add(1);
    a.assign(0);
    expect(await list(b)).toEqual([2, 3, 4]);
    expect(await list(a)).toEqual([0, 0, 0]);
  });
  it("between two reads shows each its own value", async () => {
    const a = ints(1, 2);
    const before = a.mul(10);
    a.assign(a.add(5));
    const between = a.mul(10);
    a.assign(7);
    const results = [before, between, a.mul(10)];
    await Tensor.realize(results, { device });
    expect(await Promise.all(results.map(list))).toEqual([
      [10, 20],
      [60, 70],
      [70, 70],
    ]);
  });
  for (const realised of [false, true]) {
    describe(realised ? "to realised elements" : "to elements not yet computed", () => {
      const start = async (...shape: number[]): Promise<Tensor> => {
        const x = range(...shape).add(0);
        return realised ? x.realize({ device }) : x;
      };
      it("is seen through every view, and by the whole", async () => {
        const x = await start(2, 3);
        const row = x.select(0, 1);
        const flipped = x.flip(1);
        const column = x.T.narrow(0, 2, 1);
        x.narrow(1, 1, 2).assign(9);
        expect(await list(x)).toEqual([
          [0, 9, 9],
          [3, 9, 9],
        ]);
        expect(await list(row)).toEqual([3, 9, 9]);
        expect(await list(flipped)).toEqual([
          [9, 9, 0],
          [9, 9, 3],
        ]);
        row.assign(ints(4, 5, 6));
        expect(await list(x)).toEqual([
          [0, 9, 9],
          [4, 5, 6],
        ]);
        expect(await list(column)).toEqual([[9, 6]]);
      });
      it("through steps of views reaches the right places", async () => {
        const x = await start(4, 4);
        x.shrink([
          [1, 3],
          [0, 4],
        ])
          .flip(0)
          .T.reshape([8])
          .narrow(0, 2, 3)
          .assign(ints(-1, -2, -3));
        // flipped rows 2, 1; transposed to columns; flat: 8 4 9 5 10 6 11 7
        expect(await list(x.flatten())).toEqual([0, 1, 2, 3, 4, -2, 6, 7, 8, -1, -3, 11, 12, 13, 14, 15]);
      });
      it("swaps slices", async () => {
        const x = await start(2, 2);
        const [a, b] = x.unbind(0);
        const old = a.clone();
        a.assign(b);
        b.assign(old);
        expect(await list(x)).toEqual([
          [2, 3],
          [0, 1],
        ]);
      });
      it("rotates three slices", async () => {
        const x = await start(3);
        const [a, b, c] = x.split(1);
        const old = a.clone();
        a.assign(b);
        b.assign(c);
        c.assign(old);
        expect(await list(x)).toEqual([1, 2, 0]);
      });
      it("copies overlapping parts in both directions", async () => {
        const up = await start(6);
        up.narrow(0, 1, 5).assign(up.narrow(0, 0, 5));
        expect(await list(up)).toEqual([0, 0, 1, 2, 3, 4]);
        const down = await start(6);
        down.narrow(0, 0, 5).assign(down.narrow(0, 1, 5));
        expect(await list(down)).toEqual([1, 2, 3, 4, 5, 5]);
      });
      it("takes a flipped or transposed self", async () => {
        const flipped = await start(5);
        flipped.assign(flipped.flip(0));
        expect(await list(flipped)).toEqual([4, 3, 2, 1, 0]);
        const square = await start(2, 2);
        square.assign(square.T);
        expect(await list(square)).toEqual([
          [0, 2],
          [1, 3],
        ]);
      });
      it("crosses two tensors", async () => {
        const a = await start(2);
        const b = (await start(2)).add(10);
        const old = a.clone();
        a.assign(b);
        b.assign(old);
        await Tensor.realize([a, b], { device });
        expect(await list(a)).toEqual([10, 11]);
        expect(await list(b)).toEqual([0, 1]);
      });
      it("adds to a slice once", async () => {
        const x = await start(4);
        const part = x.narrow(0, 1, 2);
        part.assign(part.add(10));
        expect(await list(part)).toEqual([11, 12]);
        expect(await list(x)).toEqual([0, 11, 12, 3]);
        expect(await list(x)).toEqual([0, 11, 12, 3]);
      });
    });
  }
  it("does not touch clones", async () => {
    const a = ints(1, 2);
    const copy = a.clone();
    copy.assign(5);
    expect(await list(a)).toEqual([1, 2]);
    expect(await list(copy)).toEqual([5, 5]);
  });
  it("refuses repeated elements, other dtypes and other shapes", () => {
    const x = ints(1, 2);
    expect(() => x.expand([3, 2]).assign(0)).toThrow(/cannot be written/);
    expect(() => x.expand([3, 2]).narrow(0, 0, 1).assign(0)).toThrow(/cannot be written/);
    expect(() => x.assign(Tensor.from([1, 2]))).toThrow(/dtype and shape must agree/);
    expect(() => x.assign(ints(1, 2, 3))).toThrow(/int32\[2\].*int32\[3\]/);
    expect(() => x.assign(1.5)).toThrow(/cannot hold 1.5/);
  });
});

describe("memory", () => {
  it("given back twice is given back once; use afterwards is an error", async () => {
    const x = Tensor.from([1, 2]);
    const doubled = await x.mul(2).realize({ device });
    x.dispose();
    x.dispose();
    expect(() => x.add(1)).toThrow(/was disposed/);
    await expect(x.data({ device })).rejects.toThrow(/was disposed/);
    expect(await list(doubled)).toEqual([2, 4]);
  });
  it("of results realised together is shared work: outputs may be inputs of one another", async () => {
    const x = Tensor.from([1, 2, 3]).add(1);
    const y = x.sum();
    const z = x.reshape([3, 1]).div(y);
    await Tensor.realize([z, x, y, x.narrow(0, 1, 2)], { device });
    expect(await list(y)).toBe(9);
    expect(await list(x)).toEqual([2, 3, 4]);
    expect(await list(z)).toEqual([[2 / 9], [3 / 9], [4 / 9]].map((row) => row.map(Math.fround)));
  });
});

describe("kernels", () => {
  it("have no parameters that their values turned out not to need", async () => {
    const x = Tensor.from(5n);
    const never = x
      .bool()
      .reshape([1])
      .narrow(0, 0, 0)
      .pad([[0, 1]]);
    expect(await list(never.where(x.reshape([1]), 7n))).toEqual([7n]);
  });
});

describe("gathers", () => {
  it("of what a reduction went into compute the reduction before them", async () => {
    const x = ints(3, 1, 4);
    const less = x.sub(x.max());
    const picked = less.gather(0, x.sub(3));
    expect(await list(Tensor.concat([picked, x.narrow(0, 0, 1), picked]))).toEqual([
      -1, -3, -3, 3, -1, -3, -3,
    ]);
  });
  it("read zero outside, and count negative places from the end", async () => {
    expect(await list(ints(5, 6, 7).gather(0, ints(2, -1, -3, 3, -4)))).toEqual([7, 7, 5, 0, 0]);
  });
});

describe("large graphs", () => {
  it("10,000 operations deep", async () => {
    let x = ints(0);
    for (let i = 0; i < 10_000; i++) x = x.add(ints(1));
    expect(await list(x)).toEqual([10_000]);
  });
  it("do not grow with the uses of a value", async () => {
    let x = ints(1, 2);
    for (let i = 0; i < 40; i++) x = x.add(x.flip(0));
    expect(await list(x.bitwiseAnd(0))).toEqual([0, 0]);
  });
  it("take many inputs", async () => {
    const parts = Array.from({ length: 100 }, (_, i) => ints(i));
    expect(await list(Tensor.concat(parts).sum())).toBe(4950);
    expect(await list(parts.reduce((sum, x) => sum.add(x)))).toEqual([4950]);
    expect((await list(Tensor.stack(parts, 1))) as number[][]).toHaveLength(1);
  });
});
