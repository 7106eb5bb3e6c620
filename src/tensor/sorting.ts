// Order: sorting, ranks, searching in what is sorted.

import { storeBytes } from "../engine/engine.js";
import { constNode, gather, iota, reshape, type Shape, sameShape } from "../graph/node.js";
import { promote } from "../graph/promote.js";
import { bytesOf, isFloat } from "../scalar/dtype.js";
import { axisOf, TensorError, type TypedArray } from "./core.js";
import { orderOf, placesAmong } from "./order.js";
import { accumulationType, type Placed, type ReduceOptions } from "./reduction.js";
import { Scan } from "./scan.js";
import type { Tensor } from "./tensor.js";

export interface SortOptions {
  /** Default: the last. */
  readonly axis?: number;
  readonly descending?: boolean;
  /** Equal elements keep their order, whether this is asked for or not. */
  readonly stable?: boolean;
}

export interface QuantileOptions extends ReduceOptions {
  /** What lies between two elements: a point on the line (default), one of the two, or their mean. */
  readonly interpolation?: "linear" | "lower" | "higher" | "nearest" | "midpoint";
}

export interface SearchOptions {
  readonly right?: boolean;
  /** numpy's name for it. */
  readonly side?: "left" | "right";
}

/** The different values; for each element its place among them, and for each of them how often it occurs (int32). */
export interface Unique {
  readonly values: Tensor;
  readonly inverse: Tensor;
  readonly counts: Tensor;
}

export abstract class Sorting extends Scan {
  /**
   * Elements in order along an axis, and where they were. NaN counts as largest, -0 equals 0, and equal elements keep
   * their order.
   *
   * @example Tensor.from([3, 1, 2]).sort().values; // => [1, 2, 3]
   */
  sort({ axis = -1, descending = false }: SortOptions = {}): Placed {
    return this.ordered("sort", axis, descending);
  }
  /**
   * The places (int32) of the elements in order along an axis; as sort.
   *
   * @example Tensor.from([3, 1, 2]).argsort(); // => [1, 2, 0]
   */
  argsort(options: SortOptions = {}): Tensor {
    return this.sort(options).indices;
  }
  /**
   * The `k` largest (or smallest) elements along an axis, in order, and where they were. Of equal ones the first are
   * taken; NaN counts as largest.
   *
   * @example Tensor.from([3, 1, 2]).topk(2).values; // => [3, 2]
   */
  topk(
    k: number,
    { axis = -1, largest = true }: { axis?: number; largest?: boolean; sorted?: boolean } = {},
  ): Placed {
    const size = this.ndim === 0 ? 1 : this.sizeAt(axis);
    if (!Number.isInteger(k) || k < 0 || k > size)
      throw new TensorError(
        `topk: needs a k from 0 to ${size}, the size of axis ${axis} of ${this}, got ${k}`,
      );
    return this.ordered("topk", axis, largest, k);
  }

  /** In order along the first axis. */
  msort(): Tensor {
    return this.sort({ axis: 0 }).values;
  }
  /**
   * The k-th smallest (from 1) along an axis, and its place.
   *
   * @example
   * Tensor.from([3, 9, 1]).kthvalue(2).values; // => 3
   */
  kthvalue(k: number, axis = -1, options: ReduceOptions = {}): Placed {
    const size = this.ndim === 0 ? 1 : this.sizeAt(axis);
    if (!Number.isInteger(k) || k < 1 || k > size)
      throw new TensorError(
        `kthvalue: needs a k from 1 to ${size}, the size of axis ${axis} of ${this}, got ${k}`,
      );
    const { indices } = this.topk(k, { axis, largest: false });
    return this.takenAt(this.ndim === 0 ? indices : indices.narrow(axis, k - 1, 1), axis, options);
  }
  /**
   * The median: the lower of the two in the middle; NaN if there is one. Of all elements the value, along an axis the
   * values and their places.
   *
   * @example
   * Tensor.from([1, 2, 3, 4]).median(); // => 2
   * Tensor.from([[1, 5, 3], [4, 2, 6]]).median(1).values; // => [3, 4]
   */
  median(): Tensor;
  median(axis: number, options?: ReduceOptions): Placed;
  median(axis?: number, options: ReduceOptions = {}): Tensor | Placed {
    if (axis === undefined) return this.flatten().median(0).values;
    const indices = this.middle(axis, "median");
    if (!isFloat(this.dtype) || this.ndim === 0) return this.takenAt(indices, axis, options);
    const broken = this.isnan().any(axis, { keepdim: true });
    return this.takenAt(broken.where(this.argmax(axis, { keepdim: true }), indices), axis, options);
  }
  /** The median of what is not NaN; NaN where there is nothing else. Results as median. */
  nanmedian(): Tensor;
  nanmedian(axis: number, options?: ReduceOptions): Placed;
  nanmedian(axis?: number, options: ReduceOptions = {}): Tensor | Placed {
    if (axis === undefined) return this.flatten().nanmedian(0).values;
    return this.takenAt(this.middle(axis, "nanmedian"), axis, options);
  }
  /** The places of the middle among what is not NaN, the axis kept. */
  private middle(axis: number, operation: string): Tensor {
    if (this.ndim === 0) return this.wrap(constNode(0, "int32", []));
    if (this.sizeAt(axis) === 0) throw new TensorError(`${operation}: axis ${axis} of ${this} is empty`);
    const count = this.isnan().logicalNot().sum(axis, { keepdim: true });
    return this.argsort({ axis }).gather(axis, count.sub(1).maximum(0).idiv(2));
  }
  /**
   * The most frequent along an axis, the smallest of several such, and the last place where it is.
   *
   * @example
   * const { values, indices } = Tensor.from([2, 1, 2, 1, 3]).mode();
   * values; // => 1
   * indices; // => 3
   */
  mode(axis = -1, options: ReduceOptions = {}): Placed {
    const at = axisOf(axis, this.ndim, "mode");
    if (this.ndim === 0) return { values: this.self, indices: this.wrap(constNode(0, "int32", [])) };
    const size = this.sizeAt(at);
    if (size === 0) throw new TensorError(`mode: axis ${at} of ${this} is empty`);
    const { values, indices } = this.detach().sort({ axis: at });
    const places = this.wrap(iota(this.shape, at));
    const same = values.narrow(at, 1, size - 1).eq(values.narrow(at, 0, size - 1));
    const first = this.wrap(
      constNode(
        false,
        "bool",
        same.narrow(at, 0, 0).shape.map((d, i) => (i === at ? 1 : d)),
      ),
    );
    const start = first.cat(at, same).where(0, places).scan(at, "max");
    const length = places.sub(start);
    return this.takenAt(indices.gather(at, length.argmax(at, { keepdim: true })), at, options);
  }

  /**
   * Quantiles of all elements or along an axis: a number gives one, a tensor [n] of them a new first axis. NaN where one
   * is among the elements.
   *
   * @example
   * Tensor.from([1, 2, 3, 4]).quantile(0.5); // => 2.5
   * Tensor.from([1, 2, 3, 4]).quantile(Tensor.from([0, 0.25])); // => [1, 1.75]
   */
  quantile(q: number | Tensor, axis?: number, options: QuantileOptions = {}): Tensor {
    return this.quantiles("quantile", q, axis, options, false);
  }
  /** quantile of what is not NaN. */
  nanquantile(q: number | Tensor, axis?: number, options: QuantileOptions = {}): Tensor {
    return this.quantiles("nanquantile", q, axis, options, true);
  }
  /** quantile(p / 100). */
  percentile(p: number | Tensor, axis?: number, options: QuantileOptions = {}): Tensor {
    return this.quantiles("percentile", typeof p === "number" ? p / 100 : p.div(100), axis, options, false);
  }
  private quantiles(
    operation: string,
    q: number | Tensor,
    axis: number | undefined,
    { keepdim = false, interpolation = "linear" }: QuantileOptions,
    skip: boolean,
  ): Tensor {
    if (typeof q === "number" ? !(q >= 0 && q <= 1) : q.ndim > 1)
      throw new TensorError(`${operation}: needs a q from 0 to 1 or a tensor [n] of such, got ${q}`);
    const whole = axis === undefined || this.ndim === 0;
    const at = whole ? 0 : axisOf(axis, this.ndim, operation);
    const x = (whole ? this.flatten() : this.movedim(at, -1)).toFloats();
    const size = x.sizeAt(-1);
    if (size === 0) throw new TensorError(`${operation}: ${this} has no elements`);
    const wide = accumulationType(x.dtype);
    const fractions = typeof q === "number" ? this.wrap(constNode(q, wide, [1])) : q.cast(wide).reshape([-1]);
    const { values } = x.sort();
    const count = x.isnan().logicalNot().sum(-1, { keepdim: true });
    const last = (skip ? count.sub(1).maximum(0) : count.mul(0).add(size - 1)).cast(wide);
    const shape = [...x.shape.slice(0, -1), fractions.sizeAt(0)];
    const rank = fractions.mul(last).expand(shape).detach();
    const broken = skip ? count.eq(0) : count.ne(size);
    const found = broken.where(Number.NaN, between(values.cast(wide), rank, interpolation)).cast(x.dtype);
    const first = found.movedim(-1, 0);
    const kept = keepdim
      ? whole
        ? this.shape.map(() => 1)
        : this.shape.map((d, i) => (i === at ? 1 : d))
      : first.shape.slice(1);
    return first.reshape(typeof q === "number" || q.ndim === 0 ? kept : [first.shape[0], ...kept]);
  }

  // --- searching ---------------------------------------------------------------------------------------------------

  /**
   * The places (int32) in this, which is in order along its last axis, before which each value belongs: with `right`
   * behind equal elements, else before them. This has one axis, or all of the values' but the last.
   *
   * @example Tensor.from([1, 3, 5]).searchsorted(Tensor.from([0, 3, 6])); // => [0, 1, 3]
   */
  searchsorted(values: Tensor | number, { right = false, side }: SearchOptions = {}): Tensor {
    const given = typeof values === "number" ? this.wrap(constNode(values, this.dtype, [])) : values;
    const lead = this.shape.slice(0, -1);
    const fits = this.ndim === 1 || (given.ndim === this.ndim && sameShape(lead, given.shape.slice(0, -1)));
    if (this.ndim === 0 || !fits)
      throw new TensorError(
        `searchsorted: ${this} must have one axis, or those of ${given} but for the last`,
      );
    if (side !== undefined && (side === "right") !== right && right)
      throw new TensorError("searchsorted: side is left, but right was asked for");
    if (given.size === 0 || this.size === 0) return this.wrap(constNode(0, "int32", given.shape));
    const dtype = promote(this.dtype, given.dtype);
    const size = this.sizeAt(-1);
    const rows = this.ndim === 1 ? [1, given.size] : [-1, given.sizeAt(-1)];
    const keys = this.detach().cast(dtype).reshape([-1, size]);
    const sought = given.detach().cast(dtype).reshape(rows);
    return this.wrap(placesAmong(keys.node, sought.node, right || side === "right")).reshape(given.shape);
  }
  /**
   * The places (int32) of this tensor's elements among boundaries [n] in order; see searchsorted.
   *
   * @example Tensor.from([0, 3, 6]).bucketize(Tensor.from([1, 3, 5])); // => [0, 1, 3]
   */
  bucketize(boundaries: Tensor, { right = false }: { right?: boolean } = {}): Tensor {
    return boundaries.searchsorted(this.self, { right });
  }
  /** numpy's bucketize: bin i holds bins[i - 1] <= x < bins[i]; with `right` bins[i - 1] < x <= bins[i]. */
  digitize(bins: Tensor, { right = false }: { right?: boolean } = {}): Tensor {
    return this.bucketize(bins, { right: !right });
  }
  /**
   * Whether each element is among those of another tensor; a NaN never is.
   *
   * @example Tensor.from([1, 2, 3]).isin(Tensor.from([2, 4])); // => [false, true, false]
   */
  isin(others: Tensor, { invert = false }: { invert?: boolean } = {}): Tensor {
    const dtype = promote(this.dtype, others.dtype);
    const x = this.cast(dtype);
    if (others.size === 0 || this.size === 0) return this.wrap(constNode(invert, "bool", this.shape));
    const ordered = others.cast(dtype).flatten().sort().values;
    const found = ordered.searchsorted(x).minimum(others.size - 1);
    const hit = ordered.gather(0, found.flatten()).reshape(this.shape).eq(x);
    return invert ? hit.logicalNot() : hit;
  }

  // --- what occurs -------------------------------------------------------------------------------------------------

  /**
   * The different elements in order, or the different slices along an axis; where each element of this is among them,
   * and how often each occurs (int32). Every NaN is one of its own.
   *
   * @example
   * const { values, inverse, counts } = await Tensor.from([3, 1, 3]).unique();
   * values; // => [1, 3]
   * inverse; // => [1, 0, 1]
   * counts; // => [1, 2]
   */
  async unique({ axis }: { axis?: number } = {}): Promise<Unique> {
    return this.groups("unique", axis, true);
  }
  /**
   * unique, where only neighbours count as equal, and the order stays.
   *
   * @example
   * const { values, counts } = await Tensor.from([1, 1, 2, 1]).uniqueConsecutive();
   * values; // => [1, 2, 1]
   */
  async uniqueConsecutive({ axis }: { axis?: number } = {}): Promise<Unique> {
    return this.groups("uniqueConsecutive", axis, false);
  }
  private async groups(operation: string, axis: number | undefined, ordered: boolean): Promise<Unique> {
    const at = axis === undefined ? 0 : axisOf(axis, this.ndim, operation);
    const x = axis === undefined ? this.flatten() : this.self;
    const data = await x.movedim(at, 0).contiguous().data();
    const size = x.sizeAt(at);
    const { places, inverse, counts } = groupSlices(data, size, ordered);
    const list = (values: readonly number[], shape: Shape): Tensor =>
      this.wrap(storeBytes(new Uint8Array(Int32Array.from(values).buffer), "int32", shape));
    return {
      values: x.indexSelect(at, list(places, [places.length])),
      inverse: list(inverse, axis === undefined ? this.shape : [size]),
      counts: list(counts, [counts.length]),
    };
  }

  private ordered(operation: string, axis: number, descending: boolean, count?: number): Placed {
    const at = axisOf(axis, this.ndim, operation);
    if (this.ndim === 0) {
      const placed = this.reshape([1]).ordered(operation, 0, descending, count);
      if (count === 0) return placed;
      return { values: placed.values.reshape([]), indices: placed.indices.reshape([]) };
    }
    const size = this.sizeAt(at);
    const kept = count ?? size;
    const rows = this.movedim(at, -1);
    const lead = rows.shape.slice(0, -1);
    const shape = [...lead, kept];
    if (this.size === 0 || kept === 0) {
      const nothing = this.wrap(constNode(0, "int32", shape)).movedim(-1, at);
      return { values: nothing.cast(this.dtype), indices: nothing };
    }
    const keys = rows.detach().sortKeys();
    const order = orderOf((descending ? keys.bitwiseNot() : keys).reshape([-1, size]).node, kept);
    const indices = this.wrap(reshape(order, shape)).movedim(-1, at);
    return { values: this.wrap(gather(this.node, indices.node, at)), indices };
  }

  /** Signed integers, 32 or 64 bits wide, in the order of the elements. */
  private sortKeys(): Tensor {
    const wide = bytesOf(this.dtype) === 8;
    const word = wide ? "int64" : "int32";
    if (isFloat(this.dtype)) {
      const x = this.cast(wide ? "float64" : "float32");
      const largest = wide ? 2n ** 63n - 1n : 2 ** 31 - 1;
      // Both zeros get key 0. Among negative numbers the larger bits are the smaller value.
      const bits = x.eq(0).where(0, x).bitcast(word);
      return x.isnan().where(largest, bits.lt(0).where(bits.bitwiseXor(largest), bits));
    }
    if (this.dtype === "uint32") return this.bitwiseXor(2 ** 31).bitcast(word);
    if (this.dtype === "uint64") return this.bitwiseXor(2n ** 63n).bitcast(word);
    return this.cast(word);
  }
}

/** What rows of values, in order, have at fractional ranks along the last axis. */
function between(values: Tensor, rank: Tensor, interpolation: QuantileOptions["interpolation"]): Tensor {
  const at = (place: Tensor): Tensor => values.gather(-1, place.cast("int32"));
  if (interpolation === "lower") return at(rank.floor());
  if (interpolation === "higher") return at(rank.ceil());
  if (interpolation === "nearest") return at(rank.round());
  const [below, above] = [at(rank.floor()), at(rank.ceil())];
  const step = above.sub(below);
  if (interpolation === "midpoint") return below.add(step.mul(0.5));
  const weight = rank.sub(rank.floor());
  // From the nearer end, so that both ends are exact.
  return weight.lt(0.5).where(below.add(step.mul(weight)), above.sub(step.mul(weight.rsub(1))));
}

/** Slices of an axis by what they hold: the place of the first of each kind, the kind of each, how many there are. */
function groupSlices(data: TypedArray, size: number, ordered: boolean) {
  const length = size === 0 ? 0 : data.length / size;
  const compare = (a: number, b: number): number => {
    for (let i = 0; i < length; i++) {
      const [x, y] = [data[a * length + i], data[b * length + i]];
      if (x === y) continue;
      const [xNaN, yNaN] = [x, y].map((value) => Number.isNaN(value));
      if (xNaN || yNaN) return xNaN && yNaN ? a - b : xNaN ? 1 : -1;
      return x < y ? -1 : 1;
    }
    return 0;
  };
  const order = Array.from({ length: size }, (_, i) => i);
  if (ordered) order.sort(compare);
  const places: number[] = [];
  const counts: number[] = [];
  const inverse: number[] = new Array(size);
  order.forEach((place, i) => {
    if (i === 0 || compare(order[i - 1], place) !== 0) {
      places.push(place);
      counts.push(0);
    }
    counts[counts.length - 1]++;
    inverse[place] = places.length - 1;
  });
  return { places, inverse, counts };
}
