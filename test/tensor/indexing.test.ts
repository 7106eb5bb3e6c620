// Index expressions and items set: against a model that goes place by place, and what is refused.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Tensor } from "../../src/index.js";
import { expressionOver, numberIn, type Numbers, positionIn, product, stream } from "./random-indexing.js";

const places = (...shape: number[]): Tensor => Tensor.arange(product(shape)).reshape(shape);
const own = (...shape: number[]): Tensor =>
  Tensor.from(Int32Array.from({ length: product(shape) }, (_, i) => i)).reshape(shape);
const ints = (...values: number[]): Tensor => Tensor.from(values, { dtype: "int32" });
const elements = async (x: Tensor, device?: string): Promise<number[]> =>
  Array.from(await x.data({ device }), Number);

const numbers = fc.array(fc.nat({ max: 1000 }), { maxLength: 80, size: "max" });
const someShape = (next: Numbers): number[] => Array.from({ length: next(3) + 1 }, () => next(7) + 1);
const devices = ["interpreter", "wasm"] as const;

describe("index expressions", () => {
  for (const device of devices) {
    it(`take what a model takes (${device})`, () =>
      fc.assert(
        fc.asyncProperty(numbers, async (list) => {
          const next = stream(list);
          const shape = someShape(next);
          const { parts, ...expected } = expressionOver(shape, next, true);
          const taken = own(...shape).slice(parts);
          expect(taken.shape).toEqual(expected.shape);
          expect(await elements(taken, device)).toEqual(expected.numbers);
        }),
        { numRuns: 120, seed: 3 },
      ));
  }

  it("stand in front when separated, in place when side by side", () => {
    const x = places(4, 5, 6, 7);
    const [a, b] = [ints(0, 1, 2), ints(1, 1, 0)];
    expect(x.at(null, a, b).shape).toEqual([4, 3, 7]);
    expect(x.at(null, a, null, b).shape).toEqual([3, 4, 6]);
    expect(x.at(a, "new", b).shape).toEqual([3, 1, 6, 7]);
    expect(x.at(0, null, a).shape).toEqual([5, 3, 7]);
    expect(x.at(null, [[0, 1]]).shape).toEqual([4, 1, 2, 6, 7]);
  });

  it("read 0 where unknown places are out of range", async () => {
    const x = own(2, 3).add(1);
    expect(await elements(x.at(ints(0, 2, -3, 1), ints(0, 0, 0, -4)))).toEqual([1, 0, 0, 0]);
    expect(await elements(x.at(ints(5, -2)))).toEqual([0, 0, 0, 1, 2, 3]);
  });

  it("refuse known places out of range, masks and lists that do not fit", () => {
    const x = places(2, 3);
    expect(() => x.at([[0, 2]])).toThrow("slice: place 2 is not one of an axis of 2 elements");
    expect(() => x.gather(1, [[3], [0]])).toThrow("gather: place 3");
    expect(() => x.at(Int32Array.of(-3))).toThrow("place -3");
    expect(() => x.at(x.gt(2))).toThrow("maskedSelect");
    expect(() => x.at(Tensor.from([0.5]))).toThrow("places must be integers");
    expect(() => x.at(ints(0, 1), ints(0, 1, 2))).toThrow("do not broadcast");
    expect(() => x.at([[0, 1], [0]])).toThrow("differ in length"); // biome-ignore format: one line
    expect(() => x.at([0, 1, 1, 1] as never)).toThrow("typed array");
  });
});

// ---------------------------------------------------------------------------------------------------------------

/** A tensor and the numbers of the base's elements that it shows. */
interface Shown {
  readonly tensor: Tensor;
  readonly shape: readonly number[];
  readonly numbers: readonly number[];
}

/** A view of a view. */
function viewed({ tensor, shape, numbers }: Shown, next: Numbers): Shown {
  switch (next(4)) {
    case 0: {
      const order = shape.map((_, i) => i);
      order.sort((a, b) => ((a * 7 + 3) % 5) - ((b * 7 + 3) % 5));
      const target = order.map((axis) => shape[axis]);
      const moved = Array.from({ length: numbers.length }, (_, number) => {
        const position = positionIn(target, number);
        return numbers[numberIn(shape, shape.map((_, axis) => position[order.indexOf(axis)]))]; // biome-ignore format: one line
      });
      return { tensor: tensor.permute(order), shape: target, numbers: moved };
    }
    case 1:
      return { tensor: tensor.ravel(), shape: [numbers.length], numbers };
    default: {
      const taken = expressionOver(shape, next, false);
      return {
        tensor: tensor.slice(taken.parts),
        shape: taken.shape,
        numbers: taken.numbers.map((number) => numbers[number]),
      };
    }
  }
}

/** Sets items of a view, in the tensor and in the model. */
function setSome(view: Shown, model: number[], next: Numbers): void {
  const { tensor, shape, numbers } = view;
  const value = next(1000) + 100;
  if (next(4) === 3) {
    // Under a mask over the leading axes.
    const masked = shape.slice(0, next(shape.length) + 1);
    if (masked.length === 0) return;
    const holds = Array.from({ length: product(masked) }, () => next(2) === 1);
    const rest = product(shape) / product(masked);
    tensor.setItem([Tensor.from(holds, { dtype: "bool", shape: masked })], value);
    numbers.forEach((number, i) => {
      if (holds[Math.floor(i / rest)]) model[number] = value;
    });
    return;
  }
  const taken = expressionOver(shape, next, true);
  const targets = taken.numbers.map((number) => numbers[number]);
  switch (next(3)) {
    case 0:
      tensor.setItem(taken.parts, value);
      for (const target of targets) model[target] = value;
      return;
    case 1: {
      // A value of its own for each, duplicates among them: the last stays.
      const values = targets.map((_, i) => value + i);
      tensor.setItem(taken.parts, Tensor.from(Int32Array.from(values)).reshape(taken.shape));
      targets.forEach((target, i) => {
        model[target] = values[i];
      });
      return;
    }
    default: {
      // From itself, backwards.
      const before = [...model];
      tensor.setItem(taken.parts, tensor.slice(taken.parts).flip(taken.shape.map((_, i) => i)));
      targets.forEach((target, i) => {
        model[target] = before[targets[targets.length - 1 - i]];
      });
    }
  }
}

describe("items set", () => {
  for (const device of devices) {
    it(`change every view as they change a model (${device})`, () =>
      fc.assert(
        fc.asyncProperty(numbers, async (list) => {
          const next = stream(list);
          const shape = someShape(next);
          const count = product(shape);
          const model = Array.from({ length: count }, (_, i) => i);
          const views: Shown[] = [{ tensor: own(...shape).clone(), shape, numbers: [...model] }];
          const before: { tensor: Tensor; expected: number[] }[] = [];
          for (let step = 0; step < 4; step++) {
            views.push(viewed(views[next(views.length)], next));
            const view = views[next(views.length)];
            before.push({
              tensor: view.tensor.add(1),
              expected: view.numbers.map((number) => model[number] + 1),
            });
            if (view.numbers.length > 0) setSome(view, model, next);
            if (next(4) === 0) await views[next(views.length)].tensor.realize({ device });
          }
          for (const view of views) {
            expect(view.tensor.shape).toEqual(view.shape);
            expect(await elements(view.tensor, device)).toEqual(view.numbers.map((number) => model[number]));
          }
          for (const { tensor, expected } of before) expect(await elements(tensor, device)).toEqual(expected);
        }),
        { numRuns: 120, seed: 5 },
      ));
  }

  it("broadcast the value and cast it", async () => {
    const x = own(2, 3);
    x.setItem([null, [0, 2]], Tensor.from([7.9, 8]));
    expect(await x.tolist()).toEqual([[7, 8, 2], [7, 8, 5]]); // biome-ignore format: rows
    x.setItem([1], Tensor.from([[[5]]]));
    expect(await x.tolist()).toEqual([[7, 8, 2], [5, 5, 5]]); // biome-ignore format: rows
    expect(() => x.setItem([0], Tensor.from([1, 2]))).toThrow("does not broadcast");
    expect(() => x.setItem([0], 1.5)).toThrow("cannot hold 1.5");
    expect(() => x.setItem([ints(0)], 1.5)).toThrow("cannot hold 1.5");
  });

  it("take one value, or one for each, under a mask", async () => {
    const x = own(2, 3);
    x.setItem([x.mod(2).eq(1)], Tensor.from([10, 20, 30], { dtype: "int32" }));
    expect(await x.tolist()).toEqual([[0, 10, 2], [20, 4, 30]]); // biome-ignore format: rows
    x.setItem([Tensor.from([false, true])], Tensor.from([7, 8, 9], { dtype: "int32" }));
    expect(await x.tolist()).toEqual([[0, 10, 2], [7, 8, 9]]); // biome-ignore format: rows
    x.setItem([null, Tensor.from([true, false, true])], -1);
    expect(await x.tolist()).toEqual([[-1, 10, -1], [-1, 8, -1]]); // biome-ignore format: rows
    expect(() => x.setItem([Tensor.from([true])], 0)).toThrow("does not fit");
  });

  it("skip unknown places out of range, and are refused by what repeats elements", async () => {
    const x = own(3);
    x.setItem([ints(5, -1, -4)], 9);
    expect(await elements(x)).toEqual([0, 1, 9]);
    expect(() => own(1, 2).expand([3, 2]).setItem([0], 1)).toThrow("cannot be written");
    expect(() => own(3).setItem([[[3]]], 1)).toThrow("place 3");
  });

  it("write once through +=", async () => {
    const x = own(5);
    const part = x.at([null, null, 2]);
    part.assign(part.add(10));
    expect(await elements(x)).toEqual([10, 1, 12, 3, 14]);
  });
});

describe("scatters", () => {
  it("let the last value stay, in the order of the index, on every device", async () => {
    const count = 3000;
    const index = Tensor.from(Int32Array.from({ length: count }, (_, i) => i % 7));
    const values = Tensor.from(Int32Array.from({ length: count }, (_, i) => i));
    const expected = Array.from({ length: 7 }, (_, k) => count - 1 - ((count - 1 - k) % 7));
    for (const device of devices)
      expect(await elements(Tensor.zeros([7]).cast("int32").scatter(0, index, values), device)).toEqual(
        expected,
      );
  });

  it("give the gradient of what was overwritten to nobody", async () => {
    const base = Tensor.from([1, 2, 3], { requiresGrad: true });
    const values = Tensor.from([5, 6, 7], { requiresGrad: true });
    base
      .scatter(0, ints(1, 1, 9), values)
      .mul(Tensor.from([1, 10, 100]))
      .sum()
      .backward();
    expect(await elements(base.grad!)).toEqual([1, 0, 100]);
    expect(await elements(values.grad!)).toEqual([0, 10, 0]);
  });

  it("drop what is out of range, and refuse what does not fit", async () => {
    const x = Tensor.zeros([2, 3]);
    expect(await elements(x.scatterReduce(1, [[0], [2]], 4, "sum"))).toEqual([4, 0, 0, 0, 0, 4]);
    expect(await elements(x.scatterAdd(1, Tensor.from([[3, -4, -1]], { dtype: "int8" }), 1))).toEqual([
      0, 0, 1, 0, 0, 0,
    ]);
    expect(() => x.scatter(1, [[3], [0]], 1)).toThrow("scatter: place 3");
    expect(() => x.scatter(0, [[0, 0, 0, 0]], 1)).toThrow("no other axis longer");
    expect(() => x.scatter(1, [[0, 1]], Tensor.ones([1, 1]))).toThrow("at least its sizes");
    expect(() => x.indexAdd(1, [0, 1], Tensor.ones([2, 3]))).toThrow("must have shape [2, 2]");
    expect(() => x.scatterReduce(1, [[0], [0]], 1, "median" as "sum")).toThrow("got median");
  });

  it("put along an axis, and into places of the flattened tensor", async () => {
    const x = places(2, 3);
    expect(await elements(x.putAlongAxis([[1], [0]], 9, 1))).toEqual([0, 9, 2, 9, 4, 5]);
    expect(await elements(x.putAlongAxis([[2]], Tensor.from([[7], [8]]), 1))).toEqual([0, 1, 7, 3, 4, 8]);
    expect(await elements(x.put([-1, 0], ints(7, 8)))).toEqual([8, 1, 2, 3, 4, 7]);
    expect(await elements(x.indexPut([[1]], 5))).toEqual([0, 1, 2, 5, 5, 5]);
    expect(await elements(x.indexPut([null, [0, -1]], 5))).toEqual([5, 1, 5, 5, 4, 5]);
  });

  it("work on scalars", async () => {
    expect(
      await Tensor.from(3)
        .scatter(0, Tensor.from(0, { dtype: "int32" }), 7)
        .item(),
    ).toBe(7);
    expect(
      await Tensor.from(3)
        .gather(0, Tensor.from(0, { dtype: "int32" }))
        .item(),
    ).toBe(3);
  });
});

describe("what depends on elements", () => {
  const x = Tensor.from([[0, 3, 0], [Number.NaN, 0, -0]]); // biome-ignore format: rows

  it("nonzero, argwhere, countNonzero", async () => {
    expect(await (await x.nonzero()).tolist()).toEqual([[0, 1], [1, 0]]); // biome-ignore format: rows
    const [rows, columns] = await x.nonzero({ asTuple: true });
    expect([await elements(rows), await elements(columns)]).toEqual([[0, 1], [1, 0]]); // biome-ignore format: rows
    expect((await Tensor.zeros([2, 2]).argwhere()).shape).toEqual([0, 2]);
    expect((await Tensor.from(5).nonzero()).shape).toEqual([1, 0]);
    expect(await elements(x.countNonzero(1))).toEqual([1, 1]);
    expect(await x.bool().countNonzero().item()).toBe(2);
    expect(await elements(await Tensor.from([0n, 5n]).nonzero())).toEqual([1]);
  });

  it("maskedSelect broadcasts, and has a gradient", async () => {
    const y = Tensor.from([1, 2, 3], { requiresGrad: true });
    const taken = await y.maskedSelect(Tensor.from([[true, false, true], [true, false, false]])); // biome-ignore format: rows
    expect(await elements(taken)).toEqual([1, 3, 1]);
    taken
      .mul(Tensor.from([1, 10, 100]))
      .sum()
      .backward();
    expect(await elements(y.grad!)).toEqual([101, 0, 10]);
    await expect(y.maskedSelect(y)).rejects.toThrow("must be bool");
  });

  it("repeatInterleave by a tensor", async () => {
    const taken = await places(2, 2).repeatInterleave(ints(2, 0), 0);
    expect(await taken.tolist()).toEqual([[0, 1], [0, 1]]); // biome-ignore format: rows
    expect(() => places(2).repeatInterleave([1, 2, 3], 0)).toThrow("needs 2 counts");
  });
});

describe("movements refuse", () => {
  const x = places(2, 3);
  const refused: readonly (readonly [string, () => unknown, string])[] = [
    ["pairs for other axes", () => x.pad([[1, 1]]), "needs 2 pairs"],
    ["an odd flat list", () => x.pad([1, 2, 3]), "needs 2 pairs"],
    ["reflections of more than there is", () => x.pad([3, 0], { mode: "reflect" }), "at most 2"],
    [
      "copies of the last of nothing",
      () => Tensor.zeros([0]).pad([1, 0], { mode: "replicate" }),
      "at most 0",
    ],
    ["uneven splits", () => x.hsplit(2), "does not divide"],
    ["an axis named twice", () => x.squeeze([0, -2]), "twice"],
    ["unequal lists", () => x.movedim([0, 1], 0), "2 axes cannot move to 1"],
    ["strides beyond the end", () => x.asStrided([2, 2], [3, 3]), "reach beyond"],
    ["joining what does not fit", () => x.cat(0, places(2, 2)), "does not fit"],
    ["matrices of one axis", () => places(3).mT, "no last two axes"],
    ["joining nothing", () => Tensor.hstack([]), "at least one"],
  ];
  for (const [what, call, message] of refused) it(what, () => expect(call).toThrow(message));

  it("diagonals and strides are views", async () => {
    const y = own(3, 3);
    y.diagonal(1).assign(ints(9, 8));
    expect(await elements(y)).toEqual([0, 9, 2, 3, 4, 8, 6, 7, 8]);
  });
});
