// Places: slices, elements at places that depend on data, and the places at which elements are not zero.

import { type Dim, gather, iota, type Shape, sameDim } from "../graph/node.js";
import { isInteger } from "../scalar/dtype.js";
import { axisOf, broadcastShapes, TensorError } from "./core.js";
import { Loss } from "./loss.js";
import { hostTensor, mergeAxes, type Places, placesOf, type SlicePart, selectionOf } from "./places.js";
import type { Tensor } from "./tensor.js";

export type { Places, SlicePart } from "./places.js";

export abstract class Indexing extends Loss {
  // --- slices ------------------------------------------------------------------------------------------------------

  /**
   * The elements that an index expression takes, axis by axis (see SlicePart); axes not named are taken whole. Without
   * index tensors a view: assigning to it writes to the tensor. Known places out of range are errors, unknown ones
   * read 0.
   *
   * @example
   * const x = Tensor.arange(24).reshape([4, 3, 2]);
   * x.slice([[1, 3], null, -1]); // => [[7, 9, 11], [13, 15, 17]]
   * x.slice([Int32Array.of(0, -1), 0]); // => [[0, 1], [18, 19]]
   * x.slice([[null, null, -2], "...", 0, "new"]).shape; // => [2, 3, 1]
   */
  slice(parts: readonly SlicePart[]): Tensor {
    const selection = selectionOf(this.self, parts, "slice");
    if (selection.mask !== undefined) {
      throw new TensorError(
        "slice: the shape of what a bool tensor takes depends on its elements; await maskedSelect(mask) instead",
      );
    }
    if (selection.indices.length === 0) return selection.view;
    const { merged, at, places, shape } = mergeAxes(selection, "slice");
    return merged.indexSelect(at, places).reshape(shape);
  }

  /**
   * slice with its parts as arguments: x.at(0, [1, 3]).
   *
   * @example
   * const x = Tensor.arange(6).reshape([2, 3]);
   * x.at(0, [1, 3]); // => [1, 2]
   * x.at("...", [null, null, -1]); // => [[2, 1, 0], [5, 4, 3]]
   * x.at(null, Int32Array.of(2, 0)); // => [[2, 0], [5, 3]]
   */
  at(...parts: readonly SlicePart[]): Tensor {
    return this.slice(parts);
  }

  // --- gathering ---------------------------------------------------------------------------------------------------

  /**
   * out[.., i, ..] = this[.., index[.., i, ..], ..] along `axis`. The index has as many axes as this, and off the axis
   * at most its sizes. Negative places count from the end; unknown ones out of range give 0.
   *
   * @example
   * Tensor.from([[1, 2], [3, 4]]).gather(1, Tensor.from([[0], [1]], { dtype: "int32" })); // => [[1], [4]]
   */
  gather(axis: number, index: Places): Tensor {
    const at = axisOf(axis, this.ndim, "gather");
    if (this.ndim === 0) {
      const only = this.placesAt("gather", index, 0);
      return this.reshape([1]).gather(0, only.ravel()).reshape(only.shape);
    }
    const places = this.placesAt("gather", index, at);
    const data = this.upTo("gather", places, at);
    return this.wrap(gather(data.node, places.node, at));
  }

  /**
   * gather, with the axes other than `axis` broadcast to each other; without `axis` along the flattened tensor.
   *
   * @example
   * const x = Tensor.from([[3, 1, 2]]);
   * x.takeAlongAxis(x.argsort(), 1); // => [[1, 2, 3]]
   */
  takeAlongAxis(index: Places, axis?: number): Tensor {
    if (axis === undefined) {
      const flat = this.ravel();
      return flat.gather(0, flat.placesAt("takeAlongAxis", index, 0).ravel());
    }
    const at = axisOf(axis, this.ndim, "takeAlongAxis");
    const places = this.placesAt("takeAlongAxis", index, at);
    const others = (shape: Shape, along: Dim): Shape => shape.map((d, i) => (i === at ? along : d));
    const shape = broadcastShapes(others(this.shape, 1), others(places.shape, 1));
    if (places.ndim !== this.ndim || shape === undefined)
      throw new TensorError(`takeAlongAxis: ${places} does not broadcast to ${this} off axis ${at}`);
    return this.expand(others(shape, this.shape[at])).gather(
      at,
      places.expand(others(shape, places.shape[at])),
    );
  }

  /**
   * The places of an axis that a list (integers [n]) names, in its order.
   *
   * @example Tensor.from([[1, 2], [3, 4]]).indexSelect(0, [1, 1]); // => [[3, 4], [3, 4]]
   */
  indexSelect(axis: number, index: Places): Tensor {
    const at = axisOf(axis, this.ndim, "indexSelect");
    return this.gather(at, this.alongAxis("indexSelect", index, at));
  }

  /**
   * Elements of the flattened tensor, in the index's shape.
   *
   * @example
   * Tensor.from([[1, 2], [3, 4]]).take([3, 0]); // => [4, 1]
   */
  take(index: Places): Tensor {
    const flat = this.ravel();
    const places = flat.placesAt("take", index, 0);
    return flat.gather(0, places.ravel()).reshape(places.shape);
  }

  /**
   * Rows of a table [rows, width] at these (integer) places: [.., width]. The row `paddingIdx` gets no gradient.
   *
   * @example
   * Tensor.arange(2).flip(0).embedding(Tensor.from([[1, 2], [3, 4]])); // => [[3, 4], [1, 2]]
   */
  embedding(table: Tensor, { paddingIdx }: { paddingIdx?: number } = {}): Tensor {
    if (table.ndim !== 2 || !isInteger(this.dtype)) {
      throw new TensorError(`embedding: needs integers and a table [rows, width], got ${this} and ${table}`);
    }
    let rows = table;
    if (paddingIdx !== undefined) {
      const [count] = table.sizes;
      const padding = axisOf(paddingIdx, count, "embedding");
      const isPadding = this.wrap(iota([count, 1], 0)).eq(padding);
      rows = isPadding.where(table.detach(), table);
    }
    return rows.indexSelect(0, this.ravel()).reshape([...this.shape, table.shape[1]]);
  }

  /**
   * Along a new last axis: 1 (int32) at the place this (integer) names, 0 elsewhere.
   *
   * @example
   * Tensor.from([2, 0], { dtype: "int32" }).oneHot(3); // => [[0, 0, 1], [1, 0, 0]]
   */
  oneHot(classes: number): Tensor {
    if (!isInteger(this.dtype)) throw new TensorError(`oneHot: needs integers, got ${this}`);
    const places = this.wrap(iota([...this.shape, classes], this.ndim));
    return places.eq(this.cast("int32").unsqueeze(-1)).cast("int32");
  }

  // --- places of what is not zero ----------------------------------------------------------------------------------

  /**
   * The places [n, axes] (int32) of all elements that are not zero, in row-major order; or with `asTuple` a tensor [n]
   * for each axis. Awaits the elements.
   *
   * @example Tensor.from([0, 5, 0, 7]).nonzero(); // => [[1], [3]]
   */
  nonzero(options?: { readonly asTuple?: false }): Promise<Tensor>;
  nonzero(options: { readonly asTuple: true }): Promise<Tensor[]>;
  async nonzero({ asTuple = false }: { readonly asTuple?: boolean } = {}): Promise<Tensor | Tensor[]> {
    const { sizes } = this;
    const flat = await placesNotZero(this.self);
    const coordinate = (axis: number): number[] => {
      const stride = sizes.slice(axis + 1).reduce((n, d) => n * d, 1);
      return flat.map((place) => Math.floor(place / stride) % sizes[axis]);
    };
    const columns = sizes.map((_, axis) => coordinate(axis));
    if (asTuple) return columns.map((column) => hostTensor(this.self, column, [flat.length]));
    const rows = flat.flatMap((_, i) => columns.map((column) => column[i]));
    return hostTensor(this.self, rows, [flat.length, sizes.length]);
  }
  /** As nonzero: [n, axes]. */
  argwhere(): Promise<Tensor> {
    return this.nonzero();
  }
  /**
   * The elements [n] at which the mask (bool) holds, in row-major order; the two broadcast. Awaits the mask only; the
   * result has a gradient.
   *
   * @example Tensor.from([1, 2, 3]).maskedSelect(Tensor.from([true, false, true])); // => [1, 3]
   */
  async maskedSelect(mask: Tensor): Promise<Tensor> {
    if (mask.dtype !== "bool") throw new TensorError(`maskedSelect: the mask must be bool, got ${mask}`);
    const shape = broadcastShapes(this.shape, mask.shape);
    if (shape === undefined) throw new TensorError(`maskedSelect: ${this} and ${mask} do not broadcast`);
    const all = this.expand(shape);
    const places = await placesNotZero(mask.expand(shape));
    return all.take(hostTensor(this.self, places, [places.length]));
  }

  // --- what index arguments mean -----------------------------------------------------------------------------------

  /** An index argument for an axis as an integer tensor. */
  protected placesAt(operation: string, index: Places, axis: number): Tensor {
    return placesOf(index, this.ndim === 0 ? 1 : this.shape[axis], operation, this.self);
  }

  /** A list of places [n] of an axis, repeated over the others. */
  protected alongAxis(operation: string, index: Places, axis: number): Tensor {
    const list = this.placesAt(operation, index, axis).atleast1d();
    if (list.ndim !== 1) throw new TensorError(`${operation}: the index must have one axis, got ${list}`);
    const laid = list.reshape(this.shape.map((_, i) => (i === axis ? list.shape[0] : 1)));
    return laid.expand(this.shape.map((d, i) => (i === axis ? list.shape[0] : d)));
  }

  /** The part of this that an index for `axis` can reach. */
  protected upTo(operation: string, index: Tensor, axis: number): Tensor {
    const fits =
      index.ndim === this.ndim &&
      index.shape.every(
        (d, i) => i === axis || sameDim(d, this.shape[i]) || Number(d) <= Number(this.shape[i]),
      );
    if (!fits) {
      throw new TensorError(
        `${operation}: the index for axis ${axis} of ${this} must be integers [.., n, ..] of as many axes, with no ` +
          `other axis longer than this one's, got ${index}`,
      );
    }
    return this.shrink(index.shape.map((d, i) => (i === axis ? undefined : [0, d])));
  }
}

/** The numbers of the elements that are not zero. */
async function placesNotZero(x: Tensor): Promise<number[]> {
  const holds = await x.ne(x.dtype === "bool" ? false : 0).data();
  const places: number[] = [];
  holds.forEach((value: number | bigint, place: number) => {
    if (value) places.push(place);
  });
  return places;
}
