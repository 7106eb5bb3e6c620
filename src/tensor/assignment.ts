// Writing to places: scatters, which give new tensors, and items set, which change the tensor.

import {
  type Dim,
  iota,
  type Node,
  pad,
  scatter,
  type ScatterReduction,
  type Shape,
  sameDim,
} from "../graph/node.js";
import { bytesOf, type DType, integerLimits, isFloat, type Scalar } from "../scalar/dtype.js";
import { axisOf, broadcastShapes, type Operand, scalarNode, TensorCore, TensorError } from "./core.js";
import { Indexing } from "./indexing.js";
import { mergeAxes, type Places, type Selection, type SlicePart, selectionOf } from "./places.js";
import { accumulationType } from "./reduction.js";
import type { Tensor } from "./tensor.js";

/** How scatterReduce joins the values of a place: their sum, product, mean, largest or smallest. */
export type Reduction = "sum" | "prod" | "mean" | "amax" | "amin";

export interface ScatterReduceOptions {
  /** Whether what stands at a place is joined too; default true. */
  readonly includeSelf?: boolean;
}

export interface AccumulateOptions {
  /** Values are added to what is there, instead of written over it; default false. */
  readonly accumulate?: boolean;
}

const JOINS: Readonly<Record<Reduction, ScatterReduction>> = {
  sum: "add",
  prod: "mul",
  mean: "add",
  amax: "max",
  amin: "min",
};

export abstract class Assignment extends Indexing {
  // --- setting items -----------------------------------------------------------------------------------------------

  /**
   * Writes a value to what an index expression takes (see slice), through all views of the same elements; the value is
   * broadcast, and cast to this dtype. Of several values for one place the last one stays. Places out of range are
   * skipped. Under a mask (bool) the value is one for all places, or one for each in row-major order. No gradient flows
   * through what was assigned.
   *
   * @example
   * const x = Tensor.zeros([3, 2]);
   * x.setItem([[0, 2], -1], 5);
   * x.setItem([x.gt(4)], 6);
   * x; // => [[0, 6], [0, 6], [0, 0]]
   */
  setItem(parts: readonly SlicePart[], value: Operand): Tensor {
    const selection = selectionOf(this.self, parts, "setItem");
    const { view, mask, indices } = selection;
    if (mask !== undefined) view.assign(this.maskedWrite(selection, value, "setItem"));
    else if (indices.length === 0) view.assign(view.fitted(value, view.shape, "setItem"));
    else {
      const { merged, at, places, shape } = mergeAxes(selection, "setItem");
      const values = merged.fitted(value, shape, "setItem");
      merged.assign(merged.scatteredRows("setItem", at, places, values, "write"));
    }
    return this.self;
  }
  /** As setItem. */
  set(parts: readonly SlicePart[], value: Operand): Tensor {
    return this.setItem(parts, value);
  }

  /**
   * This with values at the elements that index tensors take, one for each of the first axes, null for all of an axis;
   * a bool tensor stands for as many axes as it has. Of several values for one place the last one stays, or with
   * `accumulate` all are added.
   *
   * @example
   * Tensor.zeros([3]).indexPut([[0, 2, 2]], Tensor.from([1, 2, 3]), { accumulate: true }); // => [1, 0, 5]
   */
  indexPut(
    indices: readonly (Places | null)[],
    values: Operand,
    { accumulate = false }: AccumulateOptions = {},
  ): Tensor {
    const parts = indices.map(
      (index): SlicePart => (isFlatList(index) ? Int32Array.from(index) : (index as SlicePart)),
    );
    const selection = selectionOf(this.self, parts, "indexPut");
    if (selection.mask !== undefined) {
      if (!accumulate) return this.maskedWrite(selection, values, "indexPut");
      const nothing = { ...selection, view: selection.view.zerosLike() };
      return this.add(this.maskedWrite(nothing, values, "indexPut"));
    }
    if (selection.indices.length === 0) {
      const given = this.fitted(values, this.shape, "indexPut");
      return accumulate ? this.add(given) : given;
    }
    const { merged, at, places, shape, restore } = mergeAxes(selection, "indexPut");
    const given = merged.fitted(values, shape, "indexPut");
    const result = accumulate
      ? merged.widely((x) => x.scatteredRows("indexPut", at, places, given, "add"))
      : merged.scatteredRows("indexPut", at, places, given, "write");
    return restore(result);
  }
  /**
   * This with values (as many as places) at places of the flattened tensor; see indexPut.
   *
   * @example
   * Tensor.zeros([2, 2]).put([3], Tensor.from([5])); // => [[0, 0], [0, 5]]
   */
  put(index: Places, values: Tensor, { accumulate = false }: AccumulateOptions = {}): Tensor {
    const flat = this.ravel();
    const places = flat.placesAt("put", index, 0).ravel();
    const given = values.ravel();
    const result = accumulate ? flat.scatterAdd(0, places, given) : flat.scatter(0, places, given);
    return result.reshape(this.shape);
  }

  // --- scatters along an axis --------------------------------------------------------------------------------------

  /**
   * This with values written where the index says: out[.., index[.., i, ..], ..] = values[.., i, ..] along `axis`. Of
   * several values for one place the last one stays. The index has as many axes as this and values, and at most their
   * sizes. With `reduce` values are added to or multiplied with what is there.
   *
   * @example
   * Tensor.zeros([3]).scatter(0, Tensor.from([2], { dtype: "int32" }), Tensor.from([9])); // => [0, 0, 9]
   */
  scatter(
    axis: number,
    index: Places,
    values: Tensor | number,
    { reduce }: { readonly reduce?: "add" | "multiply" } = {},
  ): Tensor {
    if (reduce === "add") return this.scatterReduce(axis, index, values, "sum");
    if (reduce === "multiply") return this.scatterReduce(axis, index, values, "prod");
    return this.scattered("scatter", axis, index, values, "write");
  }
  /**
   * This with values added where the index says, duplicates adding up; the adjoint of gather. See scatter.
   *
   * @example
   * Tensor.zeros([3]).scatterAdd(0, [0, 0, 2], Tensor.from([1, 2, 3])); // => [3, 0, 3]
   */
  scatterAdd(axis: number, index: Places, values: Tensor | number): Tensor {
    return this.widely((x) => x.scattered("scatterAdd", axis, index, values, "add"));
  }
  /**
   * This with the values for a place joined: their sum, product, mean (of integers rounded down), largest or smallest
   * (NaN if any is). Places that the index does not name keep their elements. Equal extremes share the gradient evenly.
   *
   * @example
   * const index = Tensor.from([0, 0, 2], { dtype: "int32" });
   * Tensor.zeros([3]).scatterReduce(0, index, Tensor.from([1, 2, 5]), "amax"); // => [2, 0, 5]
   */
  scatterReduce(
    axis: number,
    index: Places,
    values: Tensor | number,
    reduce: Reduction,
    { includeSelf = true }: ScatterReduceOptions = {},
  ): Tensor {
    const join = JOINS[reduce];
    if (join === undefined)
      throw new TensorError(`scatterReduce: needs sum, prod, mean, amax or amin, got ${reduce}`);
    return this.widely((x) => {
      const start = includeSelf
        ? x
        : x.scattered("scatterReduce", axis, index, neutralOf(reduce, x.dtype), "write");
      const joined = start.scattered("scatterReduce", axis, index, values, join);
      if (reduce !== "mean") return joined;
      const ones = this.wrap(scalarNode(includeSelf ? 1 : 0, "int32", x.shape));
      const count = ones.scattered("scatterReduce", axis, index, 1, "add").maximum(1);
      return isFloat(x.dtype) ? joined.div(count) : joined.idiv(count.cast(x.dtype));
    });
  }
  /**
   * scatter, with the index's other axes and the values broadcast to this tensor's; numpy's put_along_axis.
   *
   * @example
   * Tensor.zeros([2, 2]).putAlongAxis([[1], [0]], 7, 1); // => [[0, 7], [7, 0]]
   */
  putAlongAxis(index: Places, values: Operand, axis: number): Tensor {
    const at = axisOf(axis, this.ndim, "putAlongAxis");
    const places = this.placesAt("putAlongAxis", index, at);
    const wide = places.expand(places.shape.map((d, i) => (i === at ? d : this.shape[i])));
    return this.scatter(at, wide, this.fitted(values, wide.shape, "putAlongAxis"));
  }

  /**
   * This with slices of values added (`alpha` times) at the places of an axis that a list [n] names.
   *
   * @example Tensor.zeros([3]).indexAdd(0, [0, 2, 0], Tensor.from([1, 2, 3])); // => [4, 0, 2]
   */
  indexAdd(
    axis: number,
    index: Places,
    values: Tensor,
    { alpha = 1 }: { readonly alpha?: number } = {},
  ): Tensor {
    const given = alpha === 1 ? values : values.mul(alpha);
    return this.widely((x) => x.scatteredSlices("indexAdd", axis, index, given, "add"));
  }
  /** This with slices of values at the places of an axis that a list [n] names; the last of several stays. */
  indexCopy(axis: number, index: Places, values: Tensor): Tensor {
    return this.scatteredSlices("indexCopy", axis, index, values, "write");
  }
  /**
   * This with one value at the places of an axis that a list [n] names.
   *
   * @example
   * Tensor.zeros([3]).indexFill(0, [0, 2], 9); // => [9, 0, 9]
   */
  indexFill(axis: number, index: Places, value: Operand): Tensor {
    const at = axisOf(axis, this.ndim, "indexFill");
    const places = this.alongAxis("indexFill", index, at);
    return this.scatter(at, places, this.fitted(value, places.shape, "indexFill"));
  }
  /** This with the slices of values for a place of an axis, which a list [n] names, joined; see scatterReduce. */
  indexReduce(
    axis: number,
    index: Places,
    values: Tensor,
    reduce: Reduction,
    options: ScatterReduceOptions = {},
  ): Tensor {
    const at = axisOf(axis, this.ndim, "indexReduce");
    const places = this.alongAxis("indexReduce", index, at);
    checkSlices("indexReduce", this.self, values, places.shape);
    return this.scatterReduce(at, places, values, reduce, options);
  }

  // --- parts replaced ----------------------------------------------------------------------------------------------

  /**
   * This with `values` at one place of an axis; they have the shape of select's result.
   *
   * @example
   * Tensor.zeros([2, 2]).selectScatter(Tensor.ones([2]), 1, 0); // => [[1, 0], [1, 0]]
   */
  selectScatter(values: Tensor, axis: number, place: number): Tensor {
    const at = axisOf(axis, this.ndim, "selectScatter");
    const from = this.select(at, place);
    const on = this.wrap(iota(this.shape, at)).eq(place < 0 ? place + this.sizeAt(at) : place);
    return on.where(from.sameAs(values, "selectScatter").unsqueeze(at), this.self);
  }
  /**
   * This with `values` at every `step`-th place of an axis from `start` to `end`; they have the slice's shape.
   *
   * @example
   * Tensor.zeros([4]).sliceScatter(Tensor.ones([2]), 0, 0, null, 2); // => [1, 0, 1, 0]
   */
  sliceScatter(
    values: Tensor,
    axis = 0,
    start: number | null = null,
    end: number | null = null,
    step = 1,
  ): Tensor {
    const at = axisOf(axis, this.ndim, "sliceScatter");
    const size = this.sizeAt(at);
    if (!(Number.isInteger(step) && step > 0))
      throw new TensorError(`sliceScatter: the step must be a positive integer, got ${step}`);
    const part = [start, end, step] as const;
    const taken = this.slice([...new Array<null>(at).fill(null), part]);
    const given = taken.sameAs(values, "sliceScatter");
    const count = taken.sizeAt(at);
    if (count === 0) return this.self;
    const first = Math.min(size, Math.max(0, (start ?? 0) < 0 ? (start ?? 0) + size : (start ?? 0)));
    // The values spread out over their rows of `step` places, the last row cut off or filled up at the end.
    const around = (rank: number, axis: number, pair: [number, number]): [number, number][] =>
      Array.from({ length: rank }, (_, i) => (i === axis ? pair : [0, 0]));
    const rows = given.unsqueeze(at + 1).pad(around(this.ndim + 1, at + 1, [0, step - 1]));
    const laid = rows.flatten(at, at + 1).pad(around(this.ndim, at, [first, size - first - count * step]));
    const from = this.wrap(iota(this.shape, at)).sub(first);
    const inside = from.ge(0).logicalAnd(from.lt(count * step));
    return inside.logicalAnd(from.mod(step).eq(0)).where(laid, this.self);
  }
  /** This with `values` on the diagonal `offset` of two axes; they have the shape of diagonal's result. */
  diagonalScatter(values: Tensor, offset = 0, axis1 = -2, axis2 = -1): Tensor {
    const given = this.diagonal(offset, axis1, axis2).sameAs(values, "diagonalScatter");
    const matrices = this.movedim([axis1, axis2], [-2, -1]);
    const [rows, columns] = matrices.sizes.slice(-2);
    const [row, column] = [0, 1].map((axis) => this.wrap(iota([rows, columns], axis)));
    const lead = new Array<[number, number]>(this.ndim - 2).fill([0, 0]);
    const square = given.diagEmbed(offset);
    const laid = square.pad([...lead, [0, rows - square.sizeAt(-2)], [0, columns - square.sizeAt(-1)]]);
    return column.eq(row.add(offset)).where(laid, matrices).movedim([-2, -1], [axis1, axis2]);
  }
  /**
   * This with the elements of `values`, in row-major order, at the places at which the mask (bool) holds.
   *
   * @example
   * const x = Tensor.zeros([3]);
   * x.maskedScatter(Tensor.from([true, false, true]), Tensor.from([7, 8])); // => [7, 0, 8]
   */
  maskedScatter(mask: Tensor, values: Tensor): Tensor {
    if (mask.dtype !== "bool") throw new TensorError(`maskedScatter: the mask must be bool, got ${mask}`);
    const shape = broadcastShapes(this.shape, mask.shape);
    if (shape === undefined || values.dtype !== this.dtype) {
      throw new TensorError(
        `maskedScatter: needs a mask that broadcasts to ${this}, and values of its dtype, got ${mask} and ${values}`,
      );
    }
    const holds = mask.expand(shape);
    return holds.where(values.ravel().take(orderAmong(holds)), this.self);
  }

  // --- what they stand on ------------------------------------------------------------------------------------------

  /** What `compute` makes of this in the dtype in which small floats add up, in this dtype again. */
  protected widely(compute: (x: Tensor) => Tensor): Tensor {
    const wide = isFloat(this.dtype) ? accumulationType(this.dtype) : this.dtype;
    return compute(this.cast(wide)).cast(this.dtype);
  }

  /** A value in this dtype, repeated to a shape. */
  protected fitted(value: Operand, shape: Shape, operation: string): Tensor {
    if (!(value instanceof TensorCore))
      return this.wrap(scalarNode(this.heldBy(value, operation), this.dtype, shape));
    let given = value as Tensor;
    while (given.ndim > shape.length && given.shape[0] === 1) given = given.squeeze(0);
    const meets = given.ndim <= shape.length ? broadcastShapes(given.shape, shape) : undefined;
    if (!meets?.every((d, i) => sameDim(d, shape[i])))
      throw new TensorError(`${operation}: ${value} does not broadcast to [${shape.join(", ")}]`);
    return given.cast(this.dtype).expand(shape);
  }
  private heldBy(value: Scalar, operation: string): Scalar {
    if (isFloat(this.dtype) || typeof value !== "number" || Number.isInteger(value)) return value;
    throw new TensorError(`${operation}: ${this} cannot hold ${value}`);
  }

  /** Values of exactly this shape, in this dtype. */
  protected sameAs(values: Tensor, operation: string): Tensor {
    if (values.ndim !== this.ndim || !values.shape.every((d, i) => sameDim(d, this.shape[i])))
      throw new TensorError(
        `${operation}: the values must have shape [${this.shape.join(", ")}], got ${values}`,
      );
    return values.cast(this.dtype);
  }

  /** See scatter. */
  protected scattered(
    operation: string,
    axis: number,
    index: Places,
    values: Operand,
    reduction: ScatterReduction,
  ): Tensor {
    const at = axisOf(axis, this.ndim, operation);
    if (this.ndim === 0) {
      const [place, value] = [
        this.placesAt(operation, index, 0),
        values instanceof TensorCore ? values.reshape([1]) : values,
      ];
      return this.reshape([1])
        .scattered(operation, 0, place.reshape([1]), value as Operand, reduction)
        .reshape([]);
    }
    const places = this.placesAt(operation, index, at);
    this.upTo(operation, places, at);
    const given = this.cutTo(places, values, operation);
    // What the index does not reach gets places out of range.
    const rest = this.shape.map((d, i): [Dim, Dim] => [
      0,
      i === at || sameDim(d, places.shape[i]) ? 0 : Number(d) - Number(places.shape[i]),
    ]);
    const everywhere = rest.every(([, after]) => after === 0);
    const named = everywhere ? places.node : this.beyondReach(places, rest as [number, number][], at);
    return this.wrap(scatter(this.node, named, pad(given, rest), at, reduction));
  }
  private beyondReach(places: Tensor, rest: readonly [number, number][], axis: number): Node {
    const wide = places.cast(bytesOf(places.dtype) < 4 ? "int32" : places.dtype);
    return wide.pad(rest, { value: this.sizeAt(axis) }).node;
  }
  /** The values that an index names, in this dtype. */
  private cutTo(places: Tensor, values: Operand, operation: string): Node {
    if (!(values instanceof TensorCore))
      return scalarNode(this.heldBy(values, operation), this.dtype, places.shape);
    const given = values as Tensor;
    const fits =
      given.ndim === places.ndim &&
      given.shape.every((d, i) => sameDim(d, places.shape[i]) || Number(places.shape[i]) <= Number(d));
    if (!fits)
      throw new TensorError(
        `${operation}: the values for ${places} must have at least its sizes, got ${given}`,
      );
    return given.shrink(places.shape.map((d) => [0, d])).cast(this.dtype).node;
  }

  /** Slices of values, exactly as many as the list of places of an axis names. */
  private scatteredSlices(
    operation: string,
    axis: number,
    index: Places,
    values: Tensor,
    reduction: ScatterReduction,
  ): Tensor {
    const at = axisOf(axis, this.ndim, operation);
    const places = this.alongAxis(operation, index, at);
    checkSlices(operation, this.self, values, places.shape);
    return this.scattered(operation, at, places, values, reduction);
  }

  /** Values in the shape of an index expression's result, to places [n] of an axis. */
  protected scatteredRows(
    operation: string,
    at: number,
    places: Tensor,
    values: Tensor,
    reduction: ScatterReduction,
  ): Tensor {
    const count = places.shape[0];
    const rows = values.reshape(this.shape.map((d, i) => (i === at ? count : d)));
    return this.scatteredSlices(operation, at, places, rows, reduction);
  }

  /** The view of a selection with a value where its mask holds. */
  private maskedWrite({ view, mask }: Selection, value: Operand, operation: string): Tensor {
    const { axis, holds } = mask!;
    const after = view.shape.slice(axis + holds.ndim);
    const laid = holds.reshape([...holds.shape, ...after.map(() => 1)]);
    if (!(value instanceof TensorCore)) return laid.where(view.fitted(value, [], operation), view);
    // As if the mask's axes were one, of the places at which it holds.
    const rank = axis + 1 + after.length;
    let given = (value as Tensor).cast(view.dtype);
    while (given.ndim > rank && given.shape[0] === 1) given = given.squeeze(0);
    if (given.ndim > rank)
      throw new TensorError(`${operation}: ${value} has more axes than the places of ${view}`);
    given = given.reshape([...new Array<number>(rank - given.ndim).fill(1), ...given.shape]);
    const places = given.shape[axis] === 1 ? laid.shape.slice(0, holds.ndim).map(() => 1) : holds.shape;
    const spread = given.shape[axis] === 1 ? given : given.indexSelect(axis, orderAmong(holds).ravel());
    const aligned = spread.reshape([
      ...given.shape.slice(0, axis),
      ...places,
      ...given.shape.slice(axis + 1),
    ]);
    const shape = broadcastShapes(aligned.shape, view.shape);
    if (!shape?.every((d, i) => sameDim(d, view.shape[i])))
      throw new TensorError(`${operation}: ${value} does not broadcast to the places of ${view}`);
    return laid.where(aligned, view);
  }
}

// ---------------------------------------------------------------------------------------------------------------

const isFlatList = (index: Places | null): index is readonly number[] =>
  Array.isArray(index) && index.every((x) => typeof x === "number");

function checkSlices(operation: string, x: Tensor, values: Tensor, shape: Shape): void {
  if (values.ndim !== shape.length || !values.shape.every((d, i) => sameDim(d, shape[i]))) {
    throw new TensorError(
      `${operation}: the values for ${x} must have shape [${shape.join(", ")}], got ${values}`,
    );
  }
}

/** What joining leaves as it is. */
function neutralOf(reduce: Reduction, dtype: DType): Scalar {
  if (reduce === "sum" || reduce === "mean") return 0;
  if (reduce === "prod") return 1;
  if (dtype === "bool") return reduce === "amin";
  if (isFloat(dtype)) return reduce === "amax" ? -Infinity : Infinity;
  const { min, max } = integerLimits(dtype);
  return reduce === "amax" ? min : max;
}

/** For each element of a mask the number of those before it that hold, in row-major order; the mask's shape. */
function orderAmong(mask: Tensor): Tensor {
  return mask.ravel().cast("int32").cumsum(0).sub(1).reshape(mask.shape);
}
