// Tensor.from of all that tensors are made of.

import { describe, expect, it } from "vitest";
import { Tensor } from "../../src/index.js";

describe("from", () => {
  it("stacks tensors, typed arrays and lists of them", async () => {
    const x = Tensor.from([Float32Array.of(1, 2), Float32Array.of(3, 4)]);
    expect([x.dtype, x.shape]).toEqual(["float32", [2, 2]]);
    const y = Tensor.from([[x, x.mul(2)]]);
    expect(y.shape).toEqual([1, 2, 2, 2]);
    expect(await y.tolist()).toEqual([
      [
        [
          [1, 2],
          [3, 4],
        ],
        [
          [2, 4],
          [6, 8],
        ],
      ],
    ]);
    expect(await Tensor.from([Tensor.full([], 3), 4]).tolist()).toEqual([3, 4]);
    expect(() => Tensor.from([x, Float32Array.of(1)])).toThrow("cannot stack");
  });
  it("takes iterables", async () => {
    expect(await Tensor.from(new Set([1, 2, 3])).tolist()).toEqual([1, 2, 3]);
    expect(await Tensor.from([new Set([1, 2]), [3, 4]]).tolist()).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });
  it("takes the bytes of an ArrayBuffer", async () => {
    const { buffer } = Int16Array.of(1, -2, 3);
    expect(await Tensor.from(buffer, { dtype: "int16" }).tolist()).toEqual([1, -2, 3]);
    expect(() => Tensor.from(buffer)).toThrow("need a dtype");
    expect(() => Tensor.from(buffer, { dtype: "float32" })).toThrow("no whole number");
  });
  it("gathers what an asynchronous iterable gives", async () => {
    async function* rows() {
      yield [1, 2];
      yield Float32Array.of(3, 4);
      yield Tensor.from([5, 6]);
    }
    expect(await (await Tensor.fromAsync(rows())).tolist()).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
  });
  it("says what is wrong", () => {
    expect(() => Tensor.from([[1], 2])).toThrow("differ in depth");
    expect(() => Tensor.from([[1], [2, 3]])).toThrow("differ in length");
    expect(() => Tensor.from("no" as never)).toThrow("from: string no is no number");
  });
});

describe("alike", () => {
  it("keep shape, and dtype unless told", () => {
    const x = Tensor.zeros([2, 3], { dtype: "int32" });
    expect(x.onesLike().dtype).toBe("int32");
    expect(x.fullLike(2.5, { dtype: "float64" }).dtype).toBe("float64");
    expect(x.randnLike().shape).toEqual([2, 3]);
  });
});
