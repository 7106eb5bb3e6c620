// Operators whose results are as large as the data say. They are computed on the host, from elements that it knows.

import type { TypedArray } from "../../tensor/core.js";
import type { Call, Operators } from "../operator.js";
import { moveValue } from "../moving.js";
import { TensorValue, type Value } from "../value.js";

type Numbers = ArrayLike<number | bigint>;

/** Coordinates of everything that is not zero, an axis a row. */
function nonZero(call: Call): Value {
  const known = call.known(0) as Numbers;
  const { shape } = call.typed(0);
  const flat = Array.from({ length: known.length }, (_, i) => i).filter((i) => Number(known[i]) !== 0);
  const rows = shape.flatMap((size, axis) => {
    const stride = shape.slice(axis + 1).reduce((n, d) => n * d, 1);
    return flat.map((place) => Math.floor(place / stride) % size);
  });
  return TensorValue.ofIntegers(rows, { shape: [shape.length, flat.length] });
}

/** The places of an axis, or of the flattened tensor, where the condition holds. */
function compress(call: Call): Value {
  const condition = Array.from(call.known(1) as Numbers, Number);
  const chosen = condition.flatMap((flag, i) => (flag !== 0 ? [i] : []));
  const given = call.int("axis");
  return moveValue(call.value(0), (x) => {
    const [from, axis] = given === undefined ? [x.ravel(), 0] : [x, call.axis(given, x.ndim)];
    const places = chosen.filter((place) => place < from.sizeAt(axis));
    return places.length === 0 ? from.narrow(axis, 0, 0) : from.indexSelect(axis, Int32Array.from(places));
  });
}

/** The different elements, or slices of an axis; where each was first; which each is; how many. */
function unique(call: Call): Value[] {
  const { shape } = call.typed(0);
  const known = call.known(0) as Numbers;
  const given = call.int("axis");
  const axis = given === undefined ? 0 : call.axis(given, shape.length);
  const count = given === undefined ? known.length : shape[axis];
  const inner = given === undefined ? 1 : shape.slice(axis + 1).reduce((n, d) => n * d, 1);
  const outer = given === undefined ? 1 : shape.slice(0, axis).reduce((n, d) => n * d, 1);
  const slices = Array.from({ length: count }, (_, i) =>
    Array.from({ length: outer * inner }, (_, k) => {
      const [row, column] = [Math.floor(k / inner), k % inner];
      return known[(row * count + i) * inner + column];
    }),
  );
  const first = new Map<string, number>();
  slices.forEach((slice, i) => {
    const key = slice.join();
    if (!first.has(key)) first.set(key, i);
  });
  const order = [...first.values()];
  if (call.flag("sorted", true)) order.sort((a, b) => compareLists(slices[a], slices[b]));
  const rank = new Map(order.map((place, i) => [slices[place].join(), i]));
  const inverse = slices.map((slice) => rank.get(slice.join())!);
  const counts = order.map((_, i) => inverse.filter((which) => which === i).length);
  const places = Int32Array.from(order);
  return [
    moveValue(call.value(0), (x) =>
      given === undefined ? x.ravel().indexSelect(0, places) : x.indexSelect(axis, places),
    ),
    TensorValue.ofIntegers(order),
    TensorValue.ofIntegers(inverse),
    TensorValue.ofIntegers(counts),
  ];
}

/** NaN is largest. */
function compareLists(a: readonly (number | bigint)[], b: readonly (number | bigint)[]): number {
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) continue;
    if (Number.isNaN(a[i])) return 1;
    if (Number.isNaN(b[i])) return -1;
    return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

interface Box {
  readonly low: readonly [number, number];
  readonly high: readonly [number, number];
}

/** The corners of a box, which come in any order, or of one given by its middle and sizes. */
function boxOf(boxes: TypedArray, at: number, byMiddle: boolean): Box {
  const [a, b, c, d] = [0, 1, 2, 3].map((i) => Number(boxes[at + i]));
  if (byMiddle) return { low: [b - d / 2, a - c / 2], high: [b + d / 2, a + c / 2] };
  return { low: [Math.min(a, c), Math.min(b, d)], high: [Math.max(a, c), Math.max(b, d)] };
}

const area = ({ low, high }: Box): number => Math.max(0, high[0] - low[0]) * Math.max(0, high[1] - low[1]);

/** The part of two boxes' union that both cover. */
function overlap(a: Box, b: Box): number {
  const both = area({
    low: [Math.max(a.low[0], b.low[0]), Math.max(a.low[1], b.low[1])],
    high: [Math.min(a.high[0], b.high[0]), Math.min(a.high[1], b.high[1])],
  });
  const either = area(a) + area(b) - both;
  return either === 0 ? 0 : both / either;
}

/** Of each class the best boxes that do not overlap much with better ones: [batch, class, box]. */
function nonMaxSuppression(call: Call): Value {
  const [boxes, scores] = [call.known(0), call.known(1)];
  const [batches, classes, count] = call.typed(1).shape;
  const scalar = (i: number, otherwise: number): number => (call.has(i) ? call.number(i) : otherwise);
  const [most, limit] = [scalar(2, 0), scalar(3, 0)];
  const least = call.has(4) ? call.number(4) : Number.NEGATIVE_INFINITY;
  const byMiddle = call.flag("center_point_box");
  const found: number[] = [];
  for (let batch = 0; batch < batches; batch++) {
    const all = Array.from({ length: count }, (_, i) => boxOf(boxes, 4 * (batch * count + i), byMiddle));
    for (let kind = 0; kind < classes; kind++) {
      const score = (i: number): number => Number(scores[(batch * classes + kind) * count + i]);
      const order = all.map((_, i) => i).filter((i) => score(i) > least);
      order.sort((a, b) => score(b) - score(a) || a - b);
      const kept: number[] = [];
      for (const i of order) {
        if (kept.length >= most) break;
        if (kept.every((other) => overlap(all[i], all[other]) <= limit)) kept.push(i);
      }
      found.push(...kept.flatMap((i) => [batch, kind, i]));
    }
  }
  return TensorValue.ofIntegers(found, { shape: [found.length / 3, 3] });
}

export const places: Operators = {
  NonZero: nonZero,
  Compress: compress,
  Unique: unique,
  NonMaxSuppression: nonMaxSuppression,
};
