// Sorting against Array.prototype.sort, methods that await data, symbolic sizes, and errors.

import { describe, expect, it } from "vitest";
import { registerDevice } from "../../src/engine/engine.js";
import { availableDevices, jit, Tensor, Variable, type BoundVariable } from "../../src/index.js";
import { LimitedDevice } from "../devices/limited.js";

registerDevice("limited", async () => new LimitedDevice());

/** Rows of few different numbers, of which some are NaN or -0; the same at every run. */
function rowsOf(count: number, size: number): number[][] {
  let state = 1 + size;
  const next = (): number => {
    state = (state * 48271) % 2147483647;
    return state;
  };
  const odd = [Number.NaN, -0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  return Array.from({ length: count }, () =>
    Array.from({ length: size }, () => (next() % 7 === 0 ? odd[next() % 5] : (next() % 200) / 8 - 12)),
  );
}

/** The places of a row in order: NaN is the largest, equals keep their order. */
function sortedPlaces(row: readonly number[], descending: boolean): number[] {
  const sign = descending ? -1 : 1;
  const compare = (a: number, b: number): number => {
    const [x, y] = [row[a], row[b]];
    if (Number.isNaN(x) || Number.isNaN(y)) return sign * (Number(Number.isNaN(x)) - Number(Number.isNaN(y)));
    return sign * (x < y ? -1 : x > y ? 1 : 0);
  };
  return row.map((_, i) => i).sort(compare);
}

for (const { name: device, available } of await availableDevices()) {
  const sizes =
    device === "limited" || device === "interpreter"
      ? [1, 2, 63, 64, 65, 131]
      : [1, 3, 31, 64, 65, 127, 128, 129, 509, 1000, 40_001];
  describe.skipIf(!available)(`order on ${device}`, () => {
    for (const size of sizes) {
      it(`rows of ${size} are sorted as Array.prototype.sort does`, async () => {
        const rows = rowsOf(3, size);
        for (const descending of [false, true]) {
          const { values, indices } = Tensor.from(rows).sort({ descending });
          await Tensor.realize([values, indices], { device });
          const places = rows.map((row) => sortedPlaces(row, descending));
          expect(await indices.tolist({ device })).toEqual(places);
          expect(await values.tolist({ device })).toEqual(rows.map((row, r) => places[r].map((i) => row[i])));
        }
      });
    }
    it("the first of a row are those that a sort puts first", async () => {
      for (const size of device === "cpu" || device === "wasm" ? [130, 1000, 40_000] : [130, 300]) {
        const rows = rowsOf(2, size);
        for (const [k, largest] of [
          [1, true],
          [3, false],
          [10, true],
        ] as const) {
          const { values, indices } = Tensor.from(rows).topk(k, { largest });
          await Tensor.realize([values, indices], { device });
          const places = rows.map((row) => sortedPlaces(row, largest).slice(0, k));
          expect(await indices.tolist({ device })).toEqual(places);
          expect(await values.tolist({ device })).toEqual(rows.map((row, r) => places[r].map((i) => row[i])));
        }
      }
    });
    it("uint64 and uint32 beyond the signed range are in order", async () => {
      const wide = Tensor.from(BigUint64Array.of(2n ** 63n, 1n, 2n ** 64n - 1n, 2n ** 63n - 1n, 0n));
      expect(await wide.argsort().tolist({ device })).toEqual([4, 1, 3, 0, 2]);
      const narrow = Tensor.from(Uint32Array.of(2 ** 31, 1, 2 ** 32 - 1, 2 ** 31 - 1, 0));
      expect(await narrow.argsort({ descending: true }).tolist({ device })).toEqual([2, 0, 3, 1, 4]);
    });
  });
}

describe("what occurs", () => {
  it("unique gives values in order, the place of each element, and counts", async () => {
    const x = Tensor.from([
      [3, 1],
      [2, 3],
      [3, 1],
    ]);
    const { values, inverse, counts } = await x.unique();
    expect(await values.tolist()).toEqual([1, 2, 3]);
    expect(await inverse.tolist()).toEqual([
      [2, 0],
      [1, 2],
      [2, 0],
    ]);
    expect(await counts.tolist()).toEqual([2, 1, 3]);
    const rows = await x.unique({ axis: 0 });
    expect(await rows.values.tolist()).toEqual([
      [2, 3],
      [3, 1],
    ]);
    expect(await rows.inverse.tolist()).toEqual([1, 0, 1]);
    const columns = await x.unique({ axis: 1 });
    expect(await columns.values.tolist()).toEqual([
      [1, 3],
      [3, 2],
      [1, 3],
    ]);
  });
  it("every NaN is one of its own", async () => {
    const { values, counts } = await Tensor.from([Number.NaN, 1, Number.NaN]).unique();
    expect(await values.tolist()).toEqual([1, Number.NaN, Number.NaN]);
    expect(await counts.tolist()).toEqual([1, 1, 1]);
  });
  it("uniqueConsecutive joins neighbours only", async () => {
    const { values, inverse, counts } = await Tensor.from([1, 1, 2, 2, 1]).uniqueConsecutive();
    expect(await values.tolist()).toEqual([1, 2, 1]);
    expect(await inverse.tolist()).toEqual([0, 0, 1, 1, 2]);
    expect(await counts.tolist()).toEqual([2, 2, 1]);
  });
  it("unique of nothing is nothing", async () => {
    expect((await Tensor.zeros([0]).unique()).values.shape).toEqual([0]);
  });
  it("bincount finds the number of bins", async () => {
    const x = Tensor.from(Int32Array.of(1, 4, 1, 0));
    expect(await (await x.bincount()).tolist()).toEqual([1, 2, 0, 0, 1]);
    expect(await (await x.bincount({ minlength: 7 })).tolist()).toEqual([1, 2, 0, 0, 1, 0, 0]);
    expect(await x.bincount({ length: 2 }).tolist()).toEqual([1, 2]);
  });
});

describe("numpy's names", () => {
  it("digitize gives the bin behind the left edge", async () => {
    const x = Tensor.from([0.2, 6.4, 3, 1.6]);
    const bins = Tensor.from([0, 1, 2.5, 4, 10]);
    expect(await x.digitize(bins).tolist()).toEqual([1, 4, 3, 2]);
    expect(await Tensor.from([1, 4]).digitize(bins, { right: true }).tolist()).toEqual([1, 3]);
  });
  it("percentile is quantile of a hundredth", async () => {
    expect(await Tensor.from([1, 2, 3, 4]).percentile(50).item()).toBe(2.5);
  });
});

describe("symbolic sizes", () => {
  it("mean and variance divide by the size of the call", async () => {
    const length = new Variable("statistics_length", 1, 8);
    const moments = jit((x: Tensor, n: BoundVariable) => {
      const part = x.shrink([[0, n.variable.dim]]);
      return [part.mean(), part.var(0, { correction: 0 })];
    });
    const x = Tensor.from([1, 2, 3, 4, 5, 6, 7, 8]);
    for (const n of [2, 5, 8]) {
      const [mean, variance] = await moments(x, length.bind(n));
      expect(await mean.item()).toBeCloseTo((n + 1) / 2, 5);
      expect(await variance.item()).toBeCloseTo((n * n - 1) / 12, 5);
    }
  });
});

describe("errors", () => {
  const x = Tensor.ones([2, 3]);
  it("say what was wanted", () => {
    expect(() => x.topk(4)).toThrow(/topk: needs a k from 0 to 3/);
    expect(() => x.kthvalue(0)).toThrow(/kthvalue: needs a k from 1 to 3/);
    expect(() => x.sort({ axis: 2 })).toThrow(/sort: axis 2/);
    expect(() => x.quantile(1.5)).toThrow(/quantile: needs a q from 0 to 1/);
    expect(() => x.searchsorted(Tensor.ones([4]))).toThrow(/searchsorted/);
    expect(() => x.bincount({ length: 3 })).toThrow(/bincount: needs integers/);
    expect(() => x.histc(0)).toThrow(/histc: needs at least 1 bin/);
    expect(() => Tensor.ones([3, 0]).median(1)).toThrow(/median: axis 1 of .* is empty/);
  });
});
