// Places: slices, and elements at places that depend on data.

import { type Dim, gather, iota, pad, type Shape, sameDim, scatterAdd } from "../graph/node.js";
import { isInteger } from "../scalar/dtype.js";
import { axisOf, TensorError } from "./core.js";
import { Loss } from "./loss.js";
import type { Tensor } from "./tensor.js";

/**
 * What to take of an axis: a place (the axis goes), a range [start, stop, step] whose parts may be left out or null,
 * null for all of it, "..." for all of as many axes as are left, "new" for a new axis of size 1. Negative places count
 * from the end; a negative step goes backwards.
 */
export type SlicePart =
  | number
  | readonly [start?: number | null, stop?: number | null, step?: number | null]
  | null
  | undefined
  | "..."
  | "new";

export abstract class Indexing extends Loss {
  // --- slices ------------------------------------------------------------------------------------------------------

  /**
   * The elements of a slice, axis by axis; axes not named are taken whole. A view: assigning to it writes to the tensor.
   *
   * @example x.slice([[1, 3], null, -1]) // Python's x[1:3, :, -1]
   */
  slice(parts: readonly SlicePart[]): Tensor {
    const given = completeParts(parts, this.ndim, this.self);
    let result = this.self;
    let axis = 0;
    for (const part of given) {
      if (part === "new") result = result.unsqueeze(axis++);
      else if (typeof part === "number") result = takePlace(result, axis, part);
      else if (part === null || part === undefined || part === "...") axis++;
      else result = takeRange(result, axis++, part);
    }
    return result;
  }

  /** slice with its parts as arguments: x.at(0, [1, 3]). */
  at(...parts: readonly SlicePart[]): Tensor {
    return this.slice(parts);
  }

  // --- gathering ---------------------------------------------------------------------------------------------------

  /**
   * out[.., i, ..] = this[.., index[.., i, ..], ..] along `axis`. The index has as many axes as this, and off the axis
   * at most its sizes. Negative places count from the end; those out of range give 0.
   */
  gather(axis: number, index: Tensor): Tensor {
    const at = axisOf(axis, this.ndim, "gather");
    const data = this.upTo("gather", index, at);
    return this.wrap(gather(data.node, index.node, at));
  }

  /** gather with the index's other axes broadcast to this tensor's. */
  takeAlongAxis(index: Tensor, axis: number): Tensor {
    const at = axisOf(axis, this.ndim, "takeAlongAxis");
    return this.gather(at, index.expand(index.shape.map((d, i) => (i === at ? d : this.shape[i]))));
  }

  /** The places of an axis that a list (integers [n]) names, in its order. */
  indexSelect(axis: number, index: Tensor): Tensor {
    const at = axisOf(axis, this.ndim, "indexSelect");
    if (index.ndim !== 1) throw new TensorError(`indexSelect: the index must have one axis, got ${index}`);
    return this.gather(at, alongAxis(index, at, this.shape));
  }

  /** Elements of the flattened tensor, in the index's shape. */
  take(index: Tensor): Tensor {
    return this.flatten().gather(0, index.flatten()).reshape(index.shape);
  }

  /** Rows of a table [rows, width] at these (integer) places: [.., width]. */
  embedding(table: Tensor): Tensor {
    if (table.ndim !== 2 || !isInteger(this.dtype)) {
      throw new TensorError(`embedding: needs integers and a table [rows, width], got ${this} and ${table}`);
    }
    return table.indexSelect(0, this.flatten()).reshape([...this.shape, table.shape[1]]);
  }

  /** This with values added where the index says, duplicates adding up; the adjoint of gather. */
  scatterAdd(axis: number, index: Tensor, values: Tensor): Tensor {
    const at = axisOf(axis, this.ndim, "scatterAdd");
    this.upTo("scatterAdd", index, at);
    // What the index does not reach gets zeros added.
    const rest = this.shape.map((d, i): [Dim, Dim] => [0, i === at ? 0 : difference(d, index.shape[i])]);
    const cut = values.shrink(index.shape.map((d) => [0, d]));
    const added = pad(cut.cast(this.dtype).node, rest);
    return this.wrap(scatterAdd(this.node, pad(index.node, rest), added, at));
  }

  /** This with slices of values added at the places of an axis that a list [n] names. */
  indexAdd(axis: number, index: Tensor, values: Tensor): Tensor {
    const at = axisOf(axis, this.ndim, "indexAdd");
    return this.scatterAdd(at, alongAxis(index, at, this.shape), values);
  }

  /** Along a new last axis: 1 (int32) at the place this (integer) names, 0 elsewhere. */
  oneHot(classes: number): Tensor {
    if (!isInteger(this.dtype)) throw new TensorError(`oneHot: needs integers, got ${this}`);
    const places = this.wrap(iota([...this.shape, classes], this.ndim));
    return places.eq(this.cast("int32").unsqueeze(-1)).cast("int32");
  }

  /** The part of this that an index for `axis` can reach. */
  private upTo(operation: string, index: Tensor, axis: number): Tensor {
    const fits =
      isInteger(index.dtype) &&
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

  // --- triangles and diagonals -------------------------------------------------------------------------------------

  /** With zeros above the diagonal `offset` of the last two axes. */
  tril(offset = 0): Tensor {
    return this.triangle((row, column) => column.le(row.add(offset)));
  }
  /** With zeros below the diagonal `offset` of the last two axes. */
  triu(offset = 0): Tensor {
    return this.triangle((row, column) => column.ge(row.add(offset)));
  }
  private triangle(keep: (row: Tensor, column: Tensor) => Tensor): Tensor {
    if (this.ndim < 2) throw new TensorError(`tril, triu: ${this} has no last two axes`);
    const shape = this.shape.slice(-2);
    const kept = keep(this.wrap(iota(shape, 0)), this.wrap(iota(shape, 1)));
    return kept.where(this.self, this.dtype === "bool" ? false : 0);
  }
  /** The diagonal `offset` of the last two axes, along a new last one. */
  diagonal(offset = 0): Tensor {
    if (this.ndim < 2) throw new TensorError(`diagonal: ${this} has no last two axes`);
    const [rows, columns] = this.sizes.slice(-2);
    const [top, left] = [Math.max(0, -offset), Math.max(0, offset)];
    const count = Math.max(0, Math.min(rows - top, columns - left));
    const square = this.narrow(-2, Math.min(top, rows), count).narrow(-1, Math.min(left, columns), count);
    if (count === 0) return square.flatten(-2);
    // In rows one longer than the square, the diagonal is the first column.
    const lead = square.shape.slice(0, -2);
    const around = [...lead.map((): [number, number] => [0, 0]), [0, count] as [number, number]];
    return square
      .flatten(-2)
      .pad(around)
      .reshape([...lead, count, count + 1])
      .select(-1, 0);
  }
  /** A matrix with this vector on its diagonal; or the diagonal of a matrix. */
  diag(): Tensor {
    if (this.ndim === 2) return this.diagonal();
    if (this.ndim !== 1) throw new TensorError(`diag: needs a vector or a matrix, got ${this}`);
    const shape = [this.shape[0], this.shape[0]];
    const on = this.wrap(iota(shape, 0)).eq(this.wrap(iota(shape, 1)));
    return on.where(this.self, this.dtype === "bool" ? false : 0);
  }
  /** Sum of the diagonal. */
  trace(): Tensor {
    return this.diagonal().sum(-1);
  }
}

// ---------------------------------------------------------------------------------------------------------------

const difference = (a: Dim, b: Dim): number => (sameDim(a, b) ? 0 : Number(a) - Number(b));

/** A list [n] laid along `axis` and repeated over the others. */
function alongAxis(index: Tensor, axis: number, shape: Shape): Tensor {
  const laid = index.reshape(shape.map((_, i) => (i === axis ? index.shape[0] : 1)));
  return laid.expand(shape.map((d, i) => (i === axis ? index.shape[0] : d)));
}

/** The parts with "..." written out. */
function completeParts(parts: readonly SlicePart[], rank: number, x: Tensor): SlicePart[] {
  const named = parts.filter((part) => part !== "new" && part !== "...").length;
  const dots = parts.filter((part) => part === "...").length;
  if (named > rank || dots > 1) {
    throw new TensorError(
      `slice: ${named} parts${dots > 1 ? ` and ${dots} "..."` : ""} are too many for ${x}`,
    );
  }
  return parts.flatMap((part): SlicePart[] =>
    part === "..." ? new Array<SlicePart>(rank - named).fill(null) : [part],
  );
}

function takePlace(x: Tensor, axis: number, place: number): Tensor {
  const size = x.shape[axis];
  const inside = typeof size !== "number" || (place >= -size && place < size);
  if (!Number.isInteger(place) || !inside)
    throw new TensorError(`slice: place ${place} is not one of axis ${axis} of ${x}`);
  return x.select(axis, place);
}

function takeRange(
  x: Tensor,
  axis: number,
  part: Exclude<SlicePart, number | string | null | undefined>,
): Tensor {
  const [start, stop, step] = part;
  const by = step ?? 1;
  if (![start ?? 0, stop ?? 0, by].every(Number.isInteger) || by === 0)
    throw new TensorError(
      `slice: the range [${part}] of axis ${axis} of ${x} must be integers, the step not 0`,
    );
  const size = x.sizeAt(axis);
  if (by < 0) {
    // Backwards from `start`: forwards in the flipped axis, where place i is size - 1 - i.
    const mirror = (place: number): number => size - 1 - (place < 0 ? Math.max(place + size, -1) : place);
    const from = start === undefined || start === null ? 0 : Math.max(0, mirror(start));
    const to = stop === undefined || stop === null ? size : mirror(stop);
    return takeRange(x.flip(axis), axis, [Math.min(from, size), Math.max(0, Math.min(to, size)), -by]);
  }
  const place = (n: number): number => Math.min(size, Math.max(0, n < 0 ? n + size : n));
  const from = place(start ?? 0);
  const count = Math.max(0, Math.ceil((place(stop ?? size) - from) / by));
  return by === 1 || count < 2
    ? x.narrow(axis, from, Math.min(count, size))
    : everyOther(x, axis, from, by, count);
}

/** `count` places of an axis, `step` apart, from `start` on. A view where rows of `step` places around them fit. */
function everyOther(x: Tensor, axis: number, start: number, step: number, count: number): Tensor {
  const size = x.sizeAt(axis);
  const first = Math.min(start, size - count * step);
  const offset = start - first;
  if (first < 0 || offset >= step) {
    const taken = x.narrow(axis, start, size - start).strided(axis, step, count);
    // Not to be written: it is no view of x.
    return taken.expand(taken.shape);
  }
  return x
    .narrow(axis, first, count * step)
    .unflatten(axis, [count, step])
    .select(axis + 1, offset);
}
