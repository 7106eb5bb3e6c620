// Index expressions made from lists of numbers, and what they take, worked out place by place.

import { type SlicePart, Tensor } from "../../src/index.js";

/** Numbers one after the other; zeros when there are no more, so that shorter lists make simpler expressions. */
export function stream(numbers: readonly number[]): (below: number) => number {
  let at = 0;
  return (below) => (at < numbers.length ? numbers[at++] % below : 0);
}
export type Numbers = ReturnType<typeof stream>;

/** A part of an index expression, as written and as understood here. */
type Part =
  | { readonly kind: "place"; readonly place: number }
  | { readonly kind: "range"; readonly places: readonly number[] }
  | { readonly kind: "new" }
  | { readonly kind: "places"; readonly shape: readonly number[]; readonly places: readonly number[] };

/** An expression over an array, and the numbers of the elements it takes, in order. */
export interface Taken {
  readonly parts: readonly SlicePart[];
  readonly shape: readonly number[];
  readonly numbers: readonly number[];
}

export const product = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** The position of element `number` of a shape. */
export function positionIn(shape: readonly number[], number: number): number[] {
  const position = new Array<number>(shape.length);
  let rest = number;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    position[axis] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return position;
}
export const numberIn = (shape: readonly number[], position: readonly number[]): number =>
  position.reduce((n, x, axis) => n * shape[axis] + x, 0);

const shaped = (places: readonly number[], shape: readonly number[], kind: number): SlicePart => {
  if (kind % 3 === 0 && shape.length === 1) return Int32Array.from(places);
  if (kind % 3 === 1 && shape.length === 2) {
    return Array.from({ length: shape[0] }, (_, i) => places.slice(i * shape[1], (i + 1) * shape[1]));
  }
  return Tensor.from(places, { dtype: kind % 2 === 0 ? "int32" : "int64", shape });
};

/** The places a Python range takes of an axis. */
function rangeOf(size: number, next: Numbers): { part: SlicePart; places: number[] } {
  const bound = (): number | null => (next(2) === 0 ? null : next(2 * size + 3) - size - 1);
  const [start, stop] = [bound(), bound()];
  const step = [1, 2, 3, -1, -2, 2][next(6)];
  const limit = (n: number, low: number, high: number): number =>
    Math.min(high, Math.max(low, n < 0 ? n + size : n));
  const places: number[] = [];
  if (step > 0) {
    const end = limit(stop ?? size, 0, size);
    for (let i = limit(start ?? 0, 0, size); i < end; i += step) places.push(i);
  } else {
    const end = stop === null ? -1 : limit(stop, -1, size - 1);
    for (let i = start === null ? size - 1 : limit(start, -1, size - 1); i > end; i += step) places.push(i);
  }
  return { part: [start, stop, step], places };
}

/** An index expression over an array of this shape. */
export function expressionOver(shape: readonly number[], next: Numbers, advanced: boolean): Taken {
  const parts: SlicePart[] = [];
  const understood: Part[] = [];
  // Index arrays broadcast to this.
  const common = [[2], [3], [2, 3], [1], []][next(5)];
  for (const size of shape) {
    if (next(8) === 7) {
      parts.push("new");
      understood.push({ kind: "new" });
    }
    const kind = size === 0 ? 0 : next(advanced ? 6 : 3);
    if (kind === 0) {
      parts.push(null);
      understood.push({ kind: "range", places: Array.from({ length: size }, (_, i) => i) });
    } else if (kind === 1) {
      const place = next(size);
      parts.push(next(2) === 0 ? place : place - size);
      understood.push({ kind: "place", place });
    } else if (kind === 2) {
      const { part, places } = rangeOf(size, next);
      parts.push(part);
      understood.push({ kind: "range", places });
    } else {
      const own = common.slice(next(common.length + 1)).map((d) => (next(3) === 0 ? 1 : d));
      const places = Array.from({ length: product(own) }, () => next(size));
      const written = places.map((place) => (next(2) === 0 ? place : place - size));
      parts.push(shaped(written, own, next(6)));
      understood.push({ kind: "places", shape: own, places });
    }
  }
  return { parts, ...take(shape, understood) };
}

function take(shape: readonly number[], parts: readonly Part[]): { shape: number[]; numbers: number[] } {
  const left = parts.filter((part) => part.kind !== "place");
  const indexed = left.flatMap((part, i) => (part.kind === "places" ? [{ i, own: part.shape }] : []));
  const rank = Math.max(0, ...indexed.map(({ own }) => own.length));
  const common = new Array<number>(rank).fill(1);
  for (const { own } of indexed) {
    own.forEach((d, axis) => {
      if (d !== 1) common[rank - own.length + axis] = d;
    });
  }
  const together = indexed.every(({ i }, k) => i === indexed[0].i + k);
  const lead = indexed.length > 0 && together ? indexed[0].i : 0;
  const others = left.flatMap((part): { part: Part; size: number }[] =>
    part.kind === "range"
      ? [{ part, size: part.places.length }]
      : part.kind === "new"
        ? [{ part, size: 1 }]
        : [],
  );
  const sizes = others.map(({ size }) => size);
  const result = [...sizes.slice(0, lead), ...common, ...sizes.slice(lead)];
  const numbers = Array.from({ length: product(result) }, (_, number) => {
    const position = positionIn(result, number);
    const among = position.slice(lead, lead + rank);
    const rest = [...position.slice(0, lead), ...position.slice(lead + rank)];
    const source: number[] = [];
    let other = 0;
    for (const part of parts) {
      if (part.kind === "place") source.push(part.place);
      else if (part.kind === "new") other++;
      else if (part.kind === "range") source.push(part.places[rest[other++]]);
      else {
        const own = part.shape.map((d, axis) => (d === 1 ? 0 : among[rank - part.shape.length + axis]));
        source.push(part.places[numberIn(part.shape, own)]);
      }
    }
    return numberIn(shape, source);
  });
  return { shape: result, numbers };
}
