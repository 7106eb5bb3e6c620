// What stands between the brackets of an index expression: its parts, and the places that index tensors name.

import { storeBytes } from "../engine/engine.js";
import { type Dim, type Shape, sizeOf } from "../graph/node.js";
import { encodeElements } from "../scalar/convert.js";
import { bytesOf, isInteger } from "../scalar/dtype.js";
import { broadcastShapes, TensorCore, TensorError, type TypedArray } from "./core.js";
import type { Tensor } from "./tensor.js";

/** Nested lists of numbers, each level of one length. */
export type NestedNumbers = readonly number[] | readonly NestedNumbers[];

/** Places of an axis: an integer tensor, or numbers on the host, which are checked. Negative ones count from the end. */
export type Places = Tensor | TypedArray | NestedNumbers;

/**
 * What to take of an axis:
 * - a place: the axis goes;
 * - a range [start, stop, step] whose parts may be left out or null; a negative step goes backwards;
 * - null for all of it, "..." for all of as many axes as are left, "new" for a new axis of size 1;
 * - several places, as an integer tensor, a typed array or lists within a list (one list alone is a range). Several such
 *   parts broadcast, and together name elements; their axes stand in the result where the parts stand if these are side
 *   by side, else in front, as numpy has it. Plain places are taken before, as PyTorch has it;
 * - a bool tensor for as many axes as it has: in assignments only, as the shape of what it takes depends on data.
 * Negative places count from the end.
 */
export type SlicePart =
  | number
  | readonly [start?: number | null, stop?: number | null, step?: number | null]
  | null
  | undefined
  | "..."
  | "new"
  | Tensor
  | TypedArray
  | readonly NestedNumbers[];

type Range = readonly [start?: number | null, stop?: number | null, step?: number | null];

/** What an index expression comes to: a view, and the axes of it of which index tensors or a mask take places. */
export interface Selection {
  readonly view: Tensor;
  readonly indices: readonly IndexedAxis[];
  readonly mask: { readonly axis: number; readonly holds: Tensor } | undefined;
}

interface IndexedAxis {
  readonly axis: number;
  readonly places: Tensor;
  /** The places are known to lie within the axis, none negative. */
  readonly certain: boolean;
}

/** Reads an index expression over a tensor. */
export function selectionOf(x: Tensor, parts: readonly SlicePart[], operation: string): Selection {
  let view = x;
  let axis = 0;
  let mask: Selection["mask"];
  const indices: IndexedAxis[] = [];
  for (const part of completeParts(parts, x, operation)) {
    if (part === "new") view = view.unsqueeze(axis++);
    else if (typeof part === "number") view = takePlace(view, axis, part, operation);
    else if (part === null || part === undefined || part === "...") axis++;
    else if (isMask(part)) {
      if (mask !== undefined)
        throw new TensorError(`${operation}: an index expression holds at most one mask`);
      checkMask(view, axis, part, operation);
      mask = { axis, holds: part };
      axis += part.ndim;
    } else if (isRange(part)) view = takeRange(view, axis++, part, operation);
    else {
      indices.push({ axis, ...placesWithin(part, view.shape[axis], operation, view) });
      axis++;
    }
  }
  if (mask !== undefined && indices.length > 0)
    throw new TensorError(`${operation}: a mask and index tensors do not go together in one expression`);
  return { view, indices, mask };
}

const isMask = (part: SlicePart): part is Tensor => part instanceof TensorCore && part.dtype === "bool";
const isRange = (part: SlicePart): part is Range =>
  Array.isArray(part) && !part.some((x) => Array.isArray(x) || ArrayBuffer.isView(x));

function checkMask(view: Tensor, axis: number, mask: Tensor, operation: string): void {
  const fits = mask.ndim > 0 && mask.shape.every((d, i) => d === view.shape[axis + i]);
  if (!fits)
    throw new TensorError(`${operation}: the mask ${mask} does not fit ${view} from axis ${axis} on`);
}

/** The parts with "..." written out. */
function completeParts(parts: readonly SlicePart[], x: Tensor, operation: string): SlicePart[] {
  const dots = parts.filter((part) => part === "...").length;
  const named = parts.reduce<number>((sum, part) => {
    if (part === "new" || part === "...") return sum;
    return sum + (isMask(part) ? part.ndim : 1);
  }, 0);
  if (named > x.ndim || dots > 1) {
    throw new TensorError(
      `${operation}: ${named} parts${dots > 1 ? ` and ${dots} "..."` : ""} are too many for ${x}`,
    );
  }
  return parts.flatMap((part): SlicePart[] =>
    part === "..." ? new Array<SlicePart>(x.ndim - named).fill(null) : [part],
  );
}

function takePlace(x: Tensor, axis: number, place: number, operation: string): Tensor {
  const size = x.shape[axis];
  const inside = typeof size !== "number" || (place >= -size && place < size);
  if (!Number.isInteger(place) || !inside)
    throw new TensorError(`${operation}: place ${place} is not one of axis ${axis} of ${x}`);
  return x.select(axis, place);
}

function takeRange(x: Tensor, axis: number, part: Range, operation: string): Tensor {
  const [start, stop, step] = part;
  const by = step ?? 1;
  if (part.length > 3 || ![start ?? 0, stop ?? 0, by].every(Number.isInteger) || by === 0) {
    throw new TensorError(
      `${operation}: the range [${part}] of axis ${axis} of ${x} must be integers [start, stop, step], the step not 0; ` +
        "a list of places is written as a tensor or a typed array",
    );
  }
  const size = x.sizeAt(axis);
  if (by < 0) {
    // Backwards from `start`: forwards in the flipped axis, where place i is size - 1 - i.
    const mirror = (place: number): number => size - 1 - (place < 0 ? Math.max(place + size, -1) : place);
    const from = start === undefined || start === null ? 0 : Math.max(0, mirror(start));
    const to = stop === undefined || stop === null ? size : mirror(stop);
    const mirrored = [Math.min(from, size), Math.max(0, Math.min(to, size)), -by] as const;
    return takeRange(x.flip(axis), axis, mirrored, operation);
  }
  const place = (n: number): number => Math.min(size, Math.max(0, n < 0 ? n + size : n));
  const from = place(start ?? 0);
  const count = Math.max(0, Math.ceil((place(stop ?? size) - from) / by));
  return x.strided(axis, by, count, from);
}

// ---------------------------------------------------------------------------------------------------------------
// Places

/** An integer tensor of places of an axis of `size`; numbers from the host are checked, and none is negative. */
export function placesOf(given: Places, size: Dim, operation: string, x: Tensor): Tensor {
  return placesWithin(given, size, operation, x).places;
}

function placesWithin(
  given: Places | SlicePart,
  size: Dim,
  operation: string,
  x: Tensor,
): { places: Tensor; certain: boolean } {
  if (given instanceof TensorCore) {
    const places = given as Tensor;
    if (!isInteger(places.dtype))
      throw new TensorError(`${operation}: places must be integers, got ${places}`);
    return { places, certain: false };
  }
  const { values, shape } = numbersOf(given as TypedArray | NestedNumbers, operation);
  for (const value of values) {
    const known = typeof size === "number";
    if (!Number.isInteger(value) || (known && (value < -size || value >= size)))
      throw new TensorError(`${operation}: place ${value} is not one of an axis of ${size} elements of ${x}`);
  }
  if (typeof size !== "number") return { places: hostTensor(x, values, shape), certain: false };
  const forwards = values.map((value) => (value < 0 ? value + size : value));
  return { places: hostTensor(x, forwards, shape), certain: true };
}

function numbersOf(
  given: TypedArray | NestedNumbers,
  operation: string,
): { values: number[]; shape: number[] } {
  if (ArrayBuffer.isView(given)) return { values: Array.from(given, Number), shape: [given.length] };
  const shape: number[] = [];
  let level: readonly unknown[] = [given];
  while (level.length > 0 && Array.isArray(level[0])) {
    const { length } = level[0];
    if (level.some((x) => !Array.isArray(x) || x.length !== length))
      throw new TensorError(`${operation}: the lists of places at depth ${shape.length} differ in length`);
    shape.push(length);
    level = level.flat();
  }
  return { values: level as number[], shape };
}

/** Whole numbers as an int32 tensor (int64 where they must), of the class of another. */
export function hostTensor(like: Tensor, values: readonly number[], shape: Shape): Tensor {
  const dtype = values.every((value) => Math.abs(value) < 2 ** 31) ? "int32" : "int64";
  const elements = dtype === "int64" ? values.map(BigInt) : values;
  return (like.constructor as typeof Tensor).ofNode(
    storeBytes(encodeElements(elements, dtype), dtype, shape),
  );
}

/** Index tensors of several axes as one of a single axis. */
export interface MergedAxes {
  /** The indexed axes as axis `at`. A view. */
  readonly merged: Tensor;
  readonly at: number;
  /** Places of the merged axis, [n]; those out of range stay out of range. */
  readonly places: Tensor;
  /** The shape of what the expression takes. */
  readonly shape: Shape;
  /** A tensor of merged's shape in the shape of what was merged. */
  restore(merged: Tensor): Tensor;
}

export function mergeAxes({ view, indices }: Selection, operation: string): MergedAxes {
  const axes = indices.map(({ axis }) => axis);
  const taken = indices.reduce<Shape | undefined>(
    (s, { places }) => s && broadcastShapes(s, places.shape),
    [],
  );
  if (taken === undefined) {
    const given = indices.map(({ places }) => places.toString()).join(", ");
    throw new TensorError(`${operation}: index tensors ${given} do not broadcast`);
  }
  const at = axes.every((axis, i) => axis === axes[0] + i) ? axes[0] : 0;
  const together = axes.map((_, i) => at + i);
  const moved = view.movedim(axes, together);
  const sizes = moved.shape.slice(at, at + axes.length);
  return {
    merged: moved.flatten(at, at + axes.length - 1),
    at,
    places: joinPlaces(indices, sizes, taken).ravel(),
    shape: [...moved.shape.slice(0, at), ...taken, ...moved.shape.slice(at + axes.length)],
    restore: (merged) => merged.unflatten(at, sizes).movedim(together, axes),
  };
}

/** Row-major places among axes of the given sizes. */
function joinPlaces(indices: readonly IndexedAxis[], sizes: Shape, shape: Shape): Tensor {
  if (indices.length === 1) return indices[0].places;
  const count = Number(sizeOf(sizes));
  const dtype = count < 2 ** 31 ? "int32" : "int64";
  let outside: Tensor | undefined;
  let joined: Tensor | undefined;
  indices.forEach(({ places, certain }, i) => {
    const size = Number(sizes[i]);
    // What 32 bits do not hold must stay out of range.
    const wide = !certain && bytesOf(places.dtype) >= 4 && places.dtype !== "int32";
    let place = places.cast(wide ? "int64" : dtype);
    if (!certain) {
      place = place.lt(0).where(place.add(size), place);
      const beyond = place.lt(0).logicalOr(place.ge(size));
      outside = outside?.logicalOr(beyond) ?? beyond;
    }
    joined = joined?.mul(size).add(place) ?? place;
  });
  const inside = joined!.expand(shape);
  return outside === undefined ? inside : outside.expand(shape).where(count, inside);
}
