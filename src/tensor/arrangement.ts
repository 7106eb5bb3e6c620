// Arrangements of elements made of movements: rolling, turning, repeating, splitting, joining, borders, windows.

import { type Dim, expand, iota, mulDim, reshape, type Shape, shear } from "../graph/node.js";
import { promote } from "../graph/promote.js";
import type { Scalar } from "../scalar/dtype.js";
import { axisOf, scalarNode, TensorError } from "./core.js";
import { Diagonals } from "./diagonals.js";
import type { Padding } from "./movement.js";
import type { Tensor } from "./tensor.js";

/** What lies beyond an axis: one value, the elements mirrored at the last one, the last one, or the axis again. */
export type PadMode = "constant" | "reflect" | "replicate" | "circular";

export interface PadOptions {
  /** What "constant" puts around; default 0. */
  readonly value?: Scalar;
  /** Default "constant". */
  readonly mode?: PadMode;
}

export abstract class Arrangement extends Diagonals {
  // --- order -------------------------------------------------------------------------------------------------------

  /**
   * With elements shifted along axes, a shift each; those that leave at the end come in at the start. Without axes the
   * flattened elements are shifted.
   *
   * @example Tensor.arange(4).roll(1, 0); // => [3, 0, 1, 2]
   */
  roll(shifts: number | readonly number[], axes?: number | readonly number[]): Tensor {
    if (axes === undefined) return this.ravel().roll(shifts, 0).reshape(this.shape);
    const [by, along] = [[shifts].flat(), [axes].flat() as number[]];
    if (by.length !== along.length)
      throw new TensorError(`roll: ${by.length} shifts do not fit ${along.length} axes`);
    return along.reduce((x, axis, i) => rolled(x, axisOf(axis, this.ndim, "roll"), by[i]), this.self);
  }
  /**
   * Turned so many times by 90 degrees, from the first of two axes towards the second. A view.
   *
   * @example Tensor.from([[1, 2], [3, 4]]).rot90(); // => [[2, 4], [1, 3]]
   */
  rot90(times = 1, axes: readonly [number, number] = [0, 1]): Tensor {
    if (!Number.isInteger(times)) throw new TensorError(`rot90: times must be an integer, got ${times}`);
    const [from, to] = this.axesIn(axes, "rot90");
    switch (((times % 4) + 4) % 4) {
      case 1:
        return this.flip(to).transpose(from, to);
      case 2:
        return this.flip([from, to]);
      case 3:
        return this.flip(from).transpose(from, to);
      default:
        return this.self;
    }
  }
  /** With the columns (axis 1) in reverse order. A view. */
  fliplr(): Tensor {
    return this.flip(1);
  }
  /** With the rows (axis 0) in reverse order. A view. */
  flipud(): Tensor {
    return this.flip(0);
  }

  // --- shape -------------------------------------------------------------------------------------------------------

  /** A scalar as a vector of one element; all else as it is. */
  atleast1d(): Tensor {
    return this.ndim === 0 ? this.reshape([1]) : this.self;
  }
  /** With axes of size 1 in front, so that there are at least two. */
  atleast2d(): Tensor {
    return this.ndim < 2 ? this.atleast1d().unsqueeze(0) : this.self;
  }
  /** With at least three axes: a vector [n] becomes [1, n, 1], a matrix [n, m] becomes [n, m, 1]. */
  atleast3d(): Tensor {
    return this.ndim < 3 ? this.atleast2d().unsqueeze(-1) : this.self;
  }

  // --- repetition --------------------------------------------------------------------------------------------------

  /**
   * The whole tensor repeated along its last axes, so many times each.
   *
   * @example Tensor.from([1, 2]).tile([2, 2]); // => [[1, 2, 1, 2], [1, 2, 1, 2]]
   */
  tile(times: readonly number[]): Tensor {
    const lead = Math.max(0, this.ndim - times.length);
    return this.repeat([...new Array<number>(lead).fill(1), ...times]);
  }
  /**
   * Each element repeated along an axis (without one, of the flattened tensor): all so many times, or each as a list of
   * the axis' length says. If a tensor says it, its elements are awaited.
   *
   * @example Tensor.from([1, 2]).repeatInterleave(2, 0); // => [1, 1, 2, 2]
   */
  repeatInterleave(times: number | readonly number[], axis?: number): Tensor;
  repeatInterleave(times: Tensor, axis?: number): Promise<Tensor>;
  repeatInterleave(times: number | readonly number[] | Tensor, axis?: number): Tensor | Promise<Tensor> {
    if (axis === undefined) return this.ravel().repeatInterleave(times as number, 0);
    const at = axisOf(axis, this.ndim, "repeatInterleave");
    if (typeof times === "number") return this.repeatedEach(times, at);
    if (!isList(times))
      return times.data().then((data) => this.repeatInterleave(Array.from(data, Number), at));
    if (times.length === 1) return this.repeatedEach(times[0], at);
    if (times.length !== this.sizeAt(at) || !times.every(isCount)) {
      throw new TensorError(
        `repeatInterleave: axis ${at} of ${this} needs ${this.sizeAt(at)} counts >= 0, got [${times}]`,
      );
    }
    return this.self.indexSelect(
      at,
      times.flatMap((n, place) => new Array<number>(n).fill(place)),
    );
  }
  private repeatedEach(times: number, at: number): Tensor {
    if (!isCount(times)) throw new TensorError(`repeatInterleave: ${times} is no count`);
    const { shape } = this;
    const split = reshape(this.node, [...shape.slice(0, at + 1), 1, ...shape.slice(at + 1)]);
    const wide = expand(split, [...shape.slice(0, at + 1), times, ...shape.slice(at + 1)]);
    return this.wrap(
      reshape(
        wide,
        shape.map((d, i) => (i === at ? mulDim(d, times) : d)),
      ),
    );
  }

  // --- parts -------------------------------------------------------------------------------------------------------

  /**
   * Parts of `size` along an axis, the last maybe smaller; or parts of the given sizes. Views.
   *
   * @example
   * Tensor.arange(5).split(2).map((part) => part.size); // => [2, 2, 1]
   */
  split(size: number | readonly number[], axis = 0): Tensor[] {
    const at = axisOf(axis, this.ndim, "split");
    const length = this.sizeAt(at);
    const sizes: number[] = [];
    if (typeof size === "number") {
      if (!(size > 0)) throw new TensorError(`split: parts must have a positive size, got ${size}`);
      for (let start = 0; start < length; start += size) sizes.push(Math.min(size, length - start));
      if (length === 0) sizes.push(0);
    } else sizes.push(...size);
    if (sizes.reduce((sum, n) => sum + n, 0) !== length) {
      throw new TensorError(`split: parts of [${sizes.join(", ")}] do not make up axis ${at} of ${this}`);
    }
    let start = 0;
    return sizes.map((n) => {
      start += n;
      return this.narrow(at, start - n, n);
    });
  }
  /**
   * `count` parts along an axis, the last maybe smaller. Views.
   *
   * @example
   * Tensor.arange(5).chunk(2).map((part) => part.size); // => [3, 2]
   */
  chunk(count: number, axis = 0): Tensor[] {
    return this.split(Math.max(1, Math.ceil(this.sizeAt(axisOf(axis, this.ndim, "chunk")) / count)), axis);
  }
  /**
   * So many parts along an axis, the first ones maybe longer by one; or parts that end at the given places. Views.
   *
   * @example Tensor.arange(5).tensorSplit(2).map((part) => part.size); // => [3, 2]
   */
  tensorSplit(parts: number | readonly number[], axis = 0): Tensor[] {
    const at = axisOf(axis, this.ndim, "tensorSplit");
    const size = this.sizeAt(at);
    if (typeof parts === "number") {
      if (!isCount(parts) || parts === 0)
        throw new TensorError(`tensorSplit: ${this} cannot be split into ${parts} parts`);
      const [each, longer] = [Math.floor(size / parts), size % parts];
      return this.split(
        Array.from({ length: parts }, (_, i) => each + (i < longer ? 1 : 0)),
        at,
      );
    }
    const ends = parts.map((n) => Math.min(size, Math.max(0, n < 0 ? n + size : n)));
    return [...ends, size].map((end, i) => {
      const start = i === 0 ? 0 : ends[i - 1];
      return this.narrow(at, start, Math.max(0, end - start));
    });
  }
  /** Equal parts, or parts that end at the given places, along axis 1 (of a vector: 0). Views. */
  hsplit(parts: number | readonly number[]): Tensor[] {
    return this.evenSplit("hsplit", parts, this.ndim === 1 ? 0 : 1);
  }
  /** As hsplit, along axis 0 of at least two. */
  vsplit(parts: number | readonly number[]): Tensor[] {
    if (this.ndim < 2) throw new TensorError(`vsplit: needs at least two axes, got ${this}`);
    return this.evenSplit("vsplit", parts, 0);
  }
  /** As hsplit, along axis 2. */
  dsplit(parts: number | readonly number[]): Tensor[] {
    return this.evenSplit("dsplit", parts, 2);
  }
  private evenSplit(operation: string, parts: number | readonly number[], axis: number): Tensor[] {
    const size = this.sizeAt(axisOf(axis, this.ndim, operation));
    if (typeof parts === "number" && size % parts !== 0)
      throw new TensorError(`${operation}: axis ${axis} of ${this} does not divide into ${parts} parts`);
    return this.tensorSplit(parts, axis);
  }

  /**
   * The elements two by two, or `length` by `length`, in order: [combinations, length]. Of a vector.
   *
   * @example Tensor.from([1, 2, 3]).combinations(); // => [[1, 2], [1, 3], [2, 3]]
   */
  combinations(length = 2, { withReplacement = false }: { withReplacement?: boolean } = {}): Tensor {
    if (this.ndim !== 1 || !isCount(length))
      throw new TensorError(`combinations: needs a vector and a length >= 0, got ${this} and ${length}`);
    const size = this.sizeAt(0);
    let rows: number[][] = [[]];
    for (let i = 0; i < length; i++) {
      rows = rows.flatMap((row) => {
        const first = i === 0 ? 0 : row[i - 1] + (withReplacement ? 0 : 1);
        return Array.from({ length: Math.max(0, size - first) }, (_, k) => [...row, first + k]);
      });
    }
    if (length === 0 || rows.length === 0)
      return this.narrow(0, 0, 0).reshape([0, ...(length === 0 ? [] : [length])]);
    return this.self.take(rows);
  }

  // --- borders -----------------------------------------------------------------------------------------------------

  /**
   * With more elements before and after each axis: [before, after] for every axis, or PyTorch's flat list, which begins
   * with the last axis. Negative amounts cut off.
   *
   * @example Tensor.from([1, 2, 3]).pad([[2, 1]], { mode: "reflect" }); // => [3, 2, 1, 2, 3, 2]
   */
  pad(padding: Padding | readonly number[], { value = 0, mode = "constant" }: PadOptions = {}): Tensor {
    const pairs = pairsOf(padding, this.self);
    if (mode !== "constant") {
      const kept = this.padZeros(pairs.map((pair) => pair.map((n) => Math.min(0, n)) as [number, number]));
      return pairs.reduce((x, [before, after], axis) => bordered(x, axis, before, after, mode), kept);
    }
    const padded = this.padZeros(pairs);
    if (value === 0 || value === false) return padded;
    const inside = this.wrap(scalarNode(true, "bool", this.shape)).padZeros(pairs);
    return inside.where(padded, this.wrap(scalarNode(value, this.dtype, padded.shape)));
  }

  // --- windows -----------------------------------------------------------------------------------------------------
  /**
   * Windows of `size` elements, `step` apart, `dilation` between their elements, along an axis: the axis becomes
   * the windows, and a new last axis their elements.
   *
   * @example Tensor.arange(5).unfold(0, 3, 2); // => [[0, 1, 2], [2, 3, 4]]
   */
  unfold(axis: number, size: number, step: number, dilation = 1): Tensor {
    const at = axisOf(axis, this.ndim, "unfold");
    const length = this.sizeAt(at);
    const span = dilation * (size - 1) + 1;
    if (size < 1 || step < 1 || span > length) {
      throw new TensorError(
        `unfold: windows of ${size} (span ${span}, step ${step}) do not fit axis ${at} of ${this}`,
      );
    }
    const count = Math.floor((length - span) / step) + 1;
    const last = this.ndim;
    if (size === 1) return this.strided(at, step, count).unsqueeze(last);
    if (size === step && dilation === 1) {
      // Windows side by side: nothing slides.
      return this.narrow(at, 0, count * size)
        .unflatten(at, [count, size])
        .movedim(at + 1, last);
    }
    const repeated = expand(reshape(this.node, [...this.shape, 1]), [...this.shape, size]);
    // Whole steps, so that they can be cut; what lies beyond the axis is cut off again.
    const slid = this.wrap(shear(repeated, at, last, dilation, 0, count * step));
    return slid.strided(at, step, count);
  }

  /**
   * The elements in row-major order, seen with other strides: place i of the result is element offset + sum(i * stride).
   * A copy: writing to it writes to nothing else.
   *
   * @example
   * Tensor.arange(6).asStrided([2, 2], [1, 2], 1); // => [[1, 3], [2, 4]]
   */
  asStrided(shape: readonly number[], strides: readonly number[], offset = 0): Tensor {
    const furthest = shape.reduce((sum, d, i) => sum + Math.max(0, d - 1) * strides[i], offset);
    const whole = [...strides, offset].every(isCount);
    if (strides.length !== shape.length || !whole || furthest >= Math.max(1, this.size)) {
      throw new TensorError(
        `asStrided: shape [${shape}], strides [${strides}] and offset ${offset} reach beyond ${this}`,
      );
    }
    const start = this.wrap(scalarNode(offset, "int32", shape));
    const places = strides.reduce(
      (sum, stride, axis) => sum.add(this.wrap(iota(shape, axis)).mul(stride)),
      start,
    );
    return this.self.take(places);
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Joining several tensors: the static functions of Tensor.

/** Along axis 1, of vectors 0. */
export function hstack(tensors: readonly Tensor[]): Tensor {
  const [first, ...others] = some(tensors, "hstack").map((x) => x.atleast1d());
  return first.cat(first.ndim === 1 ? 0 : 1, ...others);
}
/** Along axis 0, vectors as rows. */
export function vstack(tensors: readonly Tensor[]): Tensor {
  const [first, ...others] = some(tensors, "vstack").map((x) => x.atleast2d());
  return first.cat(0, ...others);
}
/** Along axis 2, see atleast3d. */
export function dstack(tensors: readonly Tensor[]): Tensor {
  const [first, ...others] = some(tensors, "dstack").map((x) => x.atleast3d());
  return first.cat(2, ...others);
}
/** Along axis 1, vectors as columns. */
export function columnStack(tensors: readonly Tensor[]): Tensor {
  return hstack(some(tensors, "columnStack").map((x) => (x.ndim < 2 ? x.reshape([-1, 1]) : x)));
}
/** A matrix with matrices (vectors as rows) along its diagonal, zero elsewhere. */
export function blockDiag(tensors: readonly Tensor[]): Tensor {
  const blocks = some(tensors, "blockDiag").map((x) => x.atleast2d());
  for (const x of blocks) if (x.ndim > 2) throw new TensorError(`blockDiag: needs matrices, got ${x}`);
  const width = blocks.reduce((sum, x) => sum + x.sizeAt(1), 0);
  let left = 0;
  const rows = blocks.map((x) => {
    const before = left;
    left += x.sizeAt(1);
    return x.pad([
      [0, 0],
      [before, width - left],
    ]);
  });
  return rows[0].cat(0, ...rows.slice(1));
}
/** All choices of one element of each vector, the last changing fastest: [choices, vectors]. Of one vector: itself. */
export function cartesianProd(tensors: readonly Tensor[]): Tensor {
  const vectors = some(tensors, "cartesianProd");
  for (const x of vectors) if (x.ndim !== 1) throw new TensorError(`cartesianProd: needs vectors, got ${x}`);
  const shape = vectors.map((x) => x.sizeAt(0));
  const dtype = vectors.map((x) => x.dtype).reduce(promote);
  if (vectors.length === 1) return vectors[0];
  const columns = vectors.map((x, i) => {
    const laid = x.cast(dtype).reshape(shape.map((d, axis) => (axis === i ? d : 1)));
    return laid.expand(shape).ravel().unsqueeze(1);
  });
  return columns[0].cat(1, ...columns.slice(1));
}

function some(tensors: readonly Tensor[], operation: string): readonly Tensor[] {
  if (tensors.length === 0) throw new TensorError(`${operation}: needs at least one tensor`);
  return tensors;
}

// ---------------------------------------------------------------------------------------------------------------

const isCount = (n: number): boolean => Number.isInteger(n) && n >= 0;
const isList = (x: unknown): x is readonly number[] => Array.isArray(x);

function rolled(x: Tensor, axis: number, shift: number): Tensor {
  if (!Number.isInteger(shift)) throw new TensorError(`roll: shifts must be integers, got ${shift}`);
  if (x.ndim === 0) return x;
  const size = x.sizeAt(axis);
  const by = size === 0 ? 0 : ((shift % size) + size) % size;
  if (by === 0) return x;
  return x.narrow(axis, size - by, by).cat(axis, x.narrow(axis, 0, size - by));
}

/** [before, after] for every axis. */
function pairsOf(padding: Padding | readonly number[], x: Tensor): [number, number][] {
  const flat = padding as readonly number[];
  const isFlat = padding.length > 0 && flat.every((n) => typeof n === "number");
  const pairs = isFlat
    ? x.shape.map((_, axis): [number, number] => {
        const at = 2 * (x.ndim - 1 - axis);
        return [flat[at] ?? 0, flat[at + 1] ?? 0];
      })
    : (padding as Padding).map(([before, after]): [number, number] => [before, after]);
  if (pairs.length !== x.ndim || (isFlat && (flat.length > 2 * x.ndim || flat.length % 2 === 1))) {
    throw new TensorError(
      `pad: ${x} needs ${x.ndim} pairs, or a flat list of at most as many, got ${JSON.stringify(padding)}`,
    );
  }
  return pairs;
}

/** With `before` and `after` elements of its own around an axis; negative amounts have been cut off. */
function bordered(x: Tensor, axis: number, before: number, after: number, mode: PadMode): Tensor {
  const [head, tail] = [Math.max(0, before), Math.max(0, after)];
  if (head === 0 && tail === 0) return x;
  const size = x.sizeAt(axis);
  const most = { reflect: size - 1, circular: size, replicate: size > 0 ? Infinity : 0, constant: 0 }[mode];
  if (Math.max(head, tail) > most) {
    throw new TensorError(
      `pad: axis ${axis} of ${x} has ${mode} borders of at most ${most} elements, not ${[before, after]}`,
    );
  }
  const [start, end] = bordersOf(x, axis, head, tail, mode);
  const parts = [...(head > 0 ? [start] : []), x, ...(tail > 0 ? [end] : [])];
  return parts[0].cat(axis, ...parts.slice(1));
}

function bordersOf(x: Tensor, axis: number, head: number, tail: number, mode: PadMode): [Tensor, Tensor] {
  const size = x.sizeAt(axis);
  switch (mode) {
    case "reflect":
      return [
        x.narrow(axis, Math.min(1, size), head).flip(axis),
        x.narrow(axis, size - 1 - tail, tail).flip(axis),
      ];
    case "circular":
      return [x.narrow(axis, size - head, head), x.narrow(axis, 0, tail)];
    default: {
      const repeated = (place: number, times: number): Tensor => {
        const shape: Shape = x.shape.map((d, i): Dim => (i === axis ? times : d));
        return x.narrow(axis, place, 1).expand(shape);
      };
      return [repeated(0, head), repeated(size - 1, tail)];
    }
  }
}
