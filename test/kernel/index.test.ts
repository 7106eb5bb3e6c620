// The index algebra against brute force: every simplification must keep the value for all values of the atoms, every
// range must hold, and what is claimed certain must be so.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Atom,
  addIndex,
  divIndex,
  evaluateIndex,
  exactDiv,
  type Index,
  type IndexLike,
  isNonNegative,
  isWithin,
  letAtom,
  loopAtom,
  mentions,
  modIndex,
  mulIndex,
  negIndex,
  printIndex,
  strideOf,
  subIndex,
  substituteIndex,
  symbolAtom,
  toIndex,
} from "../../src/kernel/index.js";

const n = symbolAtom("index_n", 1, 4);
const i = loopAtom("i", 6);
const j = loopAtom("j", 4);
const k = loopAtom("k", n);
const s = letAtom("s", -5, 3);
const ATOMS = [n, i, j, k, s] as const;
type Point = Map<Atom, number>;

/** Every value of the atoms; k runs below n. */
const POINTS: Point[] = [];
for (let vn = n.min; vn <= n.max; vn++)
  for (let vi = 0; vi < 6; vi++)
    for (let vj = 0; vj < 4; vj++)
      for (let vk = 0; vk < vn; vk++)
        for (let vs = s.min; vs <= s.max; vs += 2)
          POINTS.push(
            new Map<Atom, number>([
              [n, vn],
              [i, vi],
              [j, vj],
              [k, vk],
              [s, vs],
            ]),
          );

const at = (x: Index, point: Point): number => evaluateIndex(x, (atom) => point.get(atom)!);

/** An index together with its meaning, computed without the algebra. */
interface Case {
  readonly index: Index;
  readonly value: (point: Point) => number;
}
const floorMod = (a: number, b: number): number => a - b * Math.floor(a / b);

const leaf: fc.Arbitrary<Case> = fc.oneof(
  fc.integer({ min: -20, max: 20 }).map((c) => ({ index: toIndex(c), value: () => c })),
  fc.constantFrom(...ATOMS).map((atom) => ({ index: toIndex(atom), value: (p: Point) => p.get(atom)! })),
);
const divisor: fc.Arbitrary<Case> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.integer({ min: 1, max: 13 }).map((c) => ({ index: toIndex(c), value: () => c })),
  },
  fc.constantFrom<Case>(
    { index: toIndex(n), value: (p) => p.get(n)! },
    { index: mulIndex(n, 3), value: (p) => p.get(n)! * 3 },
    { index: addIndex(n, 2), value: (p) => p.get(n)! + 2 },
  ),
);
const { tree } = fc.letrec<{ tree: Case }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 6, depthSize: "large", withCrossShrink: true },
    leaf,
    fc.tuple(tie("tree"), tie("tree")).map(([a, b]) => ({
      index: addIndex(a.index, b.index),
      value: (p: Point) => a.value(p) + b.value(p),
    })),
    fc.tuple(tie("tree"), tie("tree")).map(([a, b]) => ({
      index: subIndex(a.index, b.index),
      value: (p: Point) => a.value(p) - b.value(p),
    })),
    fc.tuple(tie("tree"), fc.integer({ min: -9, max: 9 })).map(([a, c]) => ({
      index: mulIndex(a.index, c),
      value: (p: Point) => a.value(p) * c + 0,
    })),
    fc.tuple(tie("tree"), leaf).map(([a, b]) => ({
      index: mulIndex(a.index, b.index),
      value: (p: Point) => a.value(p) * b.value(p) + 0,
    })),
    fc.tuple(tie("tree"), divisor).map(([a, b]) => ({
      index: divIndex(a.index, b.index),
      value: (p: Point) => Math.floor(a.value(p) / b.value(p)),
    })),
    fc.tuple(tie("tree"), divisor).map(([a, b]) => ({
      index: modIndex(a.index, b.index),
      value: (p: Point) => floorMod(a.value(p), b.value(p)),
    })),
  ),
}));

const RUNS = { numRuns: 2000 };

describe("against brute force", () => {
  test("values and ranges", () => {
    fc.assert(
      fc.property(tree, ({ index, value }) => {
        for (const point of POINTS) {
          const expected = value(point);
          if (at(index, point) !== expected || expected < index.min || expected > index.max) {
            throw new Error(
              `${index} in [${index.min}, ${index.max}] is ${at(index, point)}, not ${expected}, at ${[...point.values()]}`,
            );
          }
        }
      }),
      RUNS,
    );
  });

  test("isNonNegative and isWithin are never wrong", () => {
    fc.assert(
      fc.property(tree, tree, (a, b) => {
        const sure = isNonNegative(a.index);
        const within = isWithin(a.index, b.index);
        for (const point of POINTS) {
          const value = a.value(point);
          if (sure && value < 0) throw new Error(`${a.index} is ${value}`);
          if (within && (value < 0 || value >= b.value(point))) throw new Error(`${a.index} is ${value}`);
        }
      }),
      RUNS,
    );
  });

  test("exactDiv is exact, and undoes a product", () => {
    fc.assert(
      fc.property(tree, divisor, (a, b) => {
        const quotient = exactDiv(a.index, b.index);
        if (quotient !== undefined) expect(mulIndex(quotient, b.index).key).toBe(a.index.key);
        const back = exactDiv(mulIndex(a.index, b.index), b.index);
        const single = b.index.value !== undefined || (b.index.terms.length === 1 && b.index.constant === 0);
        if (back !== undefined || single) expect(back?.key).toBe(a.index.key);
      }),
      RUNS,
    );
  });

  test("substituteIndex: a split loop gives the same values", () => {
    const outer = loopAtom("outer", 3);
    const inner = loopAtom("inner", 2);
    fc.assert(
      fc.property(tree, ({ index }) => {
        const split = substituteIndex(index, (atom) =>
          atom === i ? addIndex(mulIndex(outer, 2), inner) : undefined,
        );
        expect(mentions(split, i)).toBe(false);
        for (const point of POINTS) {
          const value = point.get(i)!;
          const both = new Map(point).set(outer, Math.floor(value / 2)).set(inner, value % 2);
          if (at(split, both) !== at(index, point)) throw new Error(`${index} became ${split}`);
        }
        expect(substituteIndex(index, () => undefined)).toBe(index);
      }),
      RUNS,
    );
  });

  test("atoms replaced by twins and back: quotients are rebuilt with the same values", () => {
    fc.assert(
      fc.property(tree, ({ index }) => {
        const twins = new Map<Atom, Atom>(ATOMS.map((atom) => [atom, letAtom("t", atom.min, atom.max)]));
        const back = new Map([...twins].map(([a, b]) => [b, a]));
        const there = substituteIndex(index, (atom) => twins.get(atom));
        const again = substituteIndex(there, (atom) => back.get(atom));
        for (const point of POINTS.slice(0, 40)) {
          const twin = new Map([...point].map(([a, v]) => [twins.get(a)!, v]));
          if (at(there, twin) !== at(index, point)) throw new Error(`${index} became ${there}`);
          if (at(again, point) !== at(index, point)) throw new Error(`${index} became ${again}`);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("strideOf is the difference of neighbours", () => {
    fc.assert(
      fc.property(tree, ({ index }) => {
        const stride = strideOf(index, i);
        if (stride === undefined) return;
        for (const point of POINTS) {
          const value = point.get(i)!;
          if (value === 5) continue;
          const step = at(index, new Map(point).set(i, value + 1)) - at(index, point);
          if (step !== stride) throw new Error(`${index} moves by ${step}, not ${stride}`);
        }
      }),
      RUNS,
    );
  });
});

const k4 = loopAtom("k4", 4);
const big = symbolAtom("index_big", 1, Number.POSITIVE_INFINITY);
const r = loopAtom("r", big);
const row = (a: IndexLike, width: number, b: IndexLike): Index => addIndex(mulIndex(a, width), b);

test.each<[string, IndexLike, IndexLike]>([
  ["(4i + j) / 4 == i", divIndex(row(i, 4, j), 4), i],
  ["(4i + j) % 4 == j", modIndex(row(i, 4, j), 4), j],
  ["4(x/4) + x%4 == x", row(divIndex(row(i, 3, j), 4), 4, modIndex(row(i, 3, j), 4)), row(i, 3, j)],
  ["(6i + 3) / 9 == (2i + 1) / 3", divIndex(row(i, 6, 3), 9), divIndex(row(i, 2, 1), 3)],
  [
    "(x/3 + 1)/2 == (x + 3)/6",
    divIndex(addIndex(divIndex(row(i, 2, j), 3), 1), 2),
    divIndex(addIndex(row(i, 2, j), 3), 6),
  ],
  ["(x%12)%4 == x%4", modIndex(modIndex(row(i, 5, j), 12), 4), modIndex(row(i, 5, j), 4)],
  ["(i - 6) / 6 == -1", divIndex(subIndex(i, 6), 6), -1],
  ["(i - 6) % 6 == i", modIndex(subIndex(i, 6), 6), i],
  ["(4i + k) / 8 == i / 2 for k < 4", divIndex(row(i, 4, k4), 8), divIndex(i, 2)],
  [
    "(4i + k + 8) % 16 == 4 ((i + 2) % 4) + k for k < 4",
    modIndex(addIndex(row(i, 4, k4), 8), 16),
    row(modIndex(addIndex(i, 2), 4), 4, k4),
  ],
  ["(n*i + k) / n == i for k < n", divIndex(addIndex(mulIndex(n, i), k), n), i],
  ["(n*i + k) % n == k for k < n", modIndex(addIndex(mulIndex(n, i), k), n), k],
  ["(big*i + r) / big == i, unbounded", divIndex(addIndex(mulIndex(big, i), r), big), i],
  ["x*y == y*x", mulIndex(addIndex(i, 1), addIndex(j, n)), mulIndex(addIndex(n, j), addIndex(1, i))],
  ["x - x == 0", subIndex(row(i, 3, j), row(i, 3, j)), 0],
  [
    "10(i/3) + 3(i/3) + i%3 over 10 joins again",
    modIndex(addIndex(row(divIndex(i, 4), 14, 0), modIndex(i, 4)), 10),
    i,
  ],
])("%s", (_, x, y) => {
  expect(printIndex(toIndex(x))).toBe(printIndex(toIndex(y)));
});

test("symbolic bounds: n-1-i >= 0 for i < n, and not n-2-i", () => {
  expect(isNonNegative(addIndex(n, negIndex(k), -1))).toBe(true);
  expect(isNonNegative(addIndex(n, negIndex(k), -2))).toBe(false);
  expect(isNonNegative(addIndex(big, negIndex(r), -1))).toBe(true);
  expect(isNonNegative(subIndex(mulIndex(n, 4), addIndex(mulIndex(k, 4), j, 1)))).toBe(true);
});

test("faults", () => {
  expect(() => divIndex(i, 0)).toThrow("index division by 0");
  expect(() => modIndex(i, -2)).toThrow("index remainder by -2");
  expect(() => symbolAtom("index_n", 0, 4)).toThrow("variable index_n has bounds [1, 4]");
  expect(() => mulIndex(2 ** 52, 4)).toThrow("exceeds 2^53");
});

test("quotients by unbounded symbols keep true ranges", () => {
  const q = divIndex(big, addIndex(big, 1));
  expect(q.min <= 0 && q.max >= 0 && !Number.isNaN(q.max)).toBe(true);
  const negative = divIndex(subIndex(0, i), big);
  expect([negative.min, negative.max]).toEqual([-5, 0]);
});
