// Operations that move elements and compute nothing. Those that only rename places (reshape, permute, slices, flip)
// give views: writing to them writes to the tensor they show. Repeating and padding make new tensors.

import {
  addDim,
  castNode,
  concat,
  type Dim,
  detach,
  contiguous,
  expand,
  identity,
  mulDim,
  pad,
  printShape,
  reshape,
  type Shape,
  sameDim,
  sizeOf,
  subDim,
} from "../graph/node.js";
import { exactDiv, toIndex } from "../kernel/index.js";
import { promote } from "../graph/promote.js";
import { axisOf, broadcastNode, broadcastShapes, TensorError } from "./core.js";
import { Functions } from "./functions.js";
import type { Tensor } from "./tensor.js";

/** Padding per axis: [before, after]. */
export type Padding = readonly (readonly [number, number])[];

export abstract class Movement extends Functions {
  // --- shape -------------------------------------------------------------------------------------------------------

  /**
   * The same elements in another shape of as many; one size may be -1 and follows from the others. A view.
   *
   * @example Tensor.arange(6).reshape([2, -1]); // => [[0, 1, 2], [3, 4, 5]]
   */
  reshape(shape: Shape): Tensor {
    const target = inferSize(shape, this.shape);
    if (!sameDim(sizeOf(target), sizeOf(this.shape))) {
      throw new TensorError(`reshape: ${this} cannot become ${printShape(shape)}: element counts differ`);
    }
    return this.alias({ op: "reshape", shape: target });
  }
  /** As reshape. */
  view(shape: Shape): Tensor {
    return this.reshape(shape);
  }
  /** The same elements in the shape of another tensor. A view. */
  viewAs(other: Tensor): Tensor {
    return this.reshape(other.shape);
  }
  /** As viewAs. */
  reshapeAs(other: Tensor): Tensor {
    return this.reshape(other.shape);
  }
  /** All elements along one axis. A view. */
  ravel(): Tensor {
    return this.reshape([sizeOf(this.shape)]);
  }
  /**
   * Axes `start` to `end` (inclusive) as one.
   *
   * @example
   * Tensor.zeros([2, 3, 4]).flatten(1).shape; // => [2, 12]
   */
  flatten(start = 0, end = -1): Tensor {
    if (this.ndim === 0) return this.reshape([1]);
    const first = axisOf(start, this.ndim, "flatten");
    const last = axisOf(end, this.ndim, "flatten");
    const { shape } = this;
    return this.reshape([
      ...shape.slice(0, first),
      sizeOf(shape.slice(first, last + 1)),
      ...shape.slice(last + 1),
    ]);
  }
  /**
   * One axis as several.
   *
   * @example Tensor.arange(4).unflatten(0, [2, 2]); // => [[0, 1], [2, 3]]
   */
  unflatten(axis: number, sizes: Shape): Tensor {
    const at = axisOf(axis, this.ndim, "unflatten");
    const { shape } = this;
    return this.reshape([...shape.slice(0, at), ...inferSize(sizes, [shape[at]]), ...shape.slice(at + 1)]);
  }
  /**
   * Without axes of size 1: all of them, or of those given, of which larger ones stay. A view.
   *
   * @example
   * Tensor.zeros([1, 3, 1]).squeeze().shape; // => [3]
   * Tensor.zeros([1, 3, 1]).squeeze(0).shape; // => [3, 1]
   */
  squeeze(axes?: number | readonly number[]): Tensor {
    const list = axes === undefined ? this.shape.map((_, i) => i) : this.axesIn(axes, "squeeze");
    return this.reshape(this.shape.filter((d, i) => d !== 1 || !list.includes(i)));
  }
  /**
   * With an axis of size 1 inserted before `axis`.
   *
   * @example
   * Tensor.zeros([2, 3]).unsqueeze(-1).shape; // => [2, 3, 1]
   */
  unsqueeze(axis: number): Tensor {
    const at = axisOf(axis, this.ndim + 1, "unsqueeze");
    return this.reshape([...this.shape.slice(0, at), 1, ...this.shape.slice(at)]);
  }

  // --- order -------------------------------------------------------------------------------------------------------

  /**
   * Axis i of the result is axis order[i]. A view.
   *
   * @example Tensor.zeros([2, 3, 4]).permute([2, 0, 1]).shape; // => [4, 2, 3]
   */
  permute(order: readonly number[]): Tensor {
    const axes = order.map((axis) => axisOf(axis, this.ndim, "permute"));
    if (axes.length !== this.ndim || new Set(axes).size !== axes.length) {
      throw new TensorError(`permute: [${order.join(", ")}] is not an order of the axes of ${this}`);
    }
    return this.alias({ op: "permute", order: axes });
  }
  /**
   * With two axes exchanged.
   *
   * @example
   * Tensor.from([[1, 2, 3], [4, 5, 6]]).transpose(); // => [[1, 4], [2, 5], [3, 6]]
   */
  transpose(a = -2, b = -1): Tensor {
    const order = this.shape.map((_, i) => i);
    const [x, y] = [axisOf(a, this.ndim, "transpose"), axisOf(b, this.ndim, "transpose")];
    [order[x], order[y]] = [order[y], order[x]];
    return this.permute(order);
  }
  /** As transpose, under numpy's name. */
  swapaxes(a: number, b: number): Tensor {
    return this.transpose(a, b);
  }
  /** As transpose. */
  swapdims(a: number, b: number): Tensor {
    return this.transpose(a, b);
  }
  /** With all axes in reverse order. A view. */
  get T(): Tensor {
    return this.permute(this.shape.map((_, i) => this.ndim - 1 - i));
  }
  /** Matrices, along the last two axes, transposed. A view. */
  get mT(): Tensor {
    if (this.ndim < 2) throw new TensorError(`mT: ${this} has no last two axes`);
    return this.transpose();
  }
  /** As mT: all elements are real. */
  adjoint(): Tensor {
    return this.mT;
  }
  /**
   * With axes `from`, one or several, moved to places `to`; the others keep their order. A view.
   *
   * @example Tensor.zeros([2, 3, 4]).movedim(0, -1).shape; // => [3, 4, 2]
   */
  movedim(from: number | readonly number[], to: number | readonly number[]): Tensor {
    const [sources, targets] = [this.axesIn(from, "movedim"), this.axesIn(to, "movedim")];
    if (sources.length !== targets.length)
      throw new TensorError(`movedim: ${sources.length} axes cannot move to ${targets.length} places`);
    const others = this.shape.map((_, i) => i).filter((i) => !sources.includes(i));
    const order = this.shape.map((_, i) => {
      const at = targets.indexOf(i);
      return at < 0 ? others.shift()! : sources[at];
    });
    return this.permute(order);
  }
  /** As movedim, under numpy's name. */
  moveaxis(from: number | readonly number[], to: number | readonly number[]): Tensor {
    return this.movedim(from, to);
  }
  /**
   * With the order along axes reversed. A view.
   *
   * @example Tensor.arange(3).flip(0); // => [2, 1, 0]
   */
  flip(axes: number | readonly number[]): Tensor {
    return this.alias({ op: "flip", axes: this.axesIn(axes, "flip") });
  }

  /** An axis or several as a list without repetition, none negative. */
  protected axesIn(axes: number | readonly number[], operation: string): number[] {
    const list = (typeof axes === "number" ? [axes] : axes).map((axis) => axisOf(axis, this.ndim, operation));
    if (new Set(list).size !== list.length)
      throw new TensorError(`${operation}: [${axes}] names an axis of ${this} twice`);
    return list;
  }

  // --- parts -------------------------------------------------------------------------------------------------------

  /**
   * The half-open range [start, end) of each axis; undefined takes all of an axis. A view.
   *
   * @example
   * Tensor.arange(9).reshape([3, 3]).shrink([[1, 3], undefined]); // => [[3, 4, 5], [6, 7, 8]]
   */
  shrink(ranges: readonly (readonly [Dim, Dim] | undefined)[]): Tensor {
    const full = this.shape.map((d, i): readonly [Dim, Dim] => ranges[i] ?? [0, d]);
    full.forEach(([start, end], axis) => {
      const outside = (inner: Dim, outer: Dim) =>
        typeof inner === "number" && typeof outer === "number" && inner > outer;
      if (outside(0, start) || outside(start, end) || outside(end, this.shape[axis])) {
        throw new TensorError(`shrink: [${start}, ${end}) does not lie within axis ${axis} of ${this}`);
      }
    });
    return this.alias({ op: "shrink", ranges: full });
  }
  /**
   * `length` elements of an axis from `start` on, which if negative counts from the end. A view.
   *
   * @example Tensor.arange(5).narrow(0, 1, 3); // => [1, 2, 3]
   */
  narrow(axis: number, start: Dim, length: Dim): Tensor {
    const at = axisOf(axis, this.ndim, "narrow");
    const from = typeof start === "number" && start < 0 ? subDim(this.shape[at], -start) : start;
    return this.shrink(this.shape.map((_, i) => (i === at ? [from, addDim(from, length)] : undefined)));
  }
  /**
   * The elements at one place of an axis, without that axis. A view.
   *
   * @example
   * Tensor.from([[1, 2], [3, 4]]).select(1, -1); // => [2, 4]
   */
  select(axis: number, place: number): Tensor {
    const at = axisOf(axis, this.ndim, "select");
    const from = place < 0 ? subDim(this.shape[at], -place) : place;
    return this.narrow(at, from, 1).squeeze(at);
  }
  /**
   * The tensors along an axis, one for each place, without that axis.
   *
   * @example
   * const [first, second] = Tensor.from([[1, 2], [3, 4]]).unbind();
   * second; // => [3, 4]
   */
  unbind(axis = 0): Tensor[] {
    const at = axisOf(axis, this.ndim, "unbind");
    return Array.from({ length: this.sizeAt(at) }, (_, i) => this.select(at, i));
  }

  /** Every `step`-th of an axis, `count` of them; it has at least (count - 1) * step + 1 elements. A view. */
  strided(axis: number, step: number, count: number, start = 0): Tensor {
    if (step === 1 || count < 2) return this.narrow(axis, start, count);
    return this.alias({ op: "stride", axis: axisOf(axis, this.ndim, "strided"), start, step, count });
  }

  // --- repetition --------------------------------------------------------------------------------------------------

  /**
   * Axes of size 1 repeated to the shape; -1 keeps a size; axes may be added in front. Takes no memory.
   *
   * @example Tensor.from([[1], [2]]).expand([2, 3]); // => [[1, 1, 1], [2, 2, 2]]
   */
  expand(shape: Shape): Tensor {
    const lead = shape.length - this.ndim;
    const target = shape.map((d, i) => (d === -1 ? this.shape[i - lead] : d));
    const meets = lead >= 0 ? broadcastShapes(this.shape, target) : undefined;
    if (!meets?.every((d, i) => sameDim(d, target[i]))) {
      throw new TensorError(`expand: ${this} cannot become ${printShape(shape)}: only axes of size 1 expand`);
    }
    return this.repeated(broadcastNode(this.node, target));
  }
  /** As expand. */
  broadcastTo(shape: Shape): Tensor {
    return this.expand(shape);
  }
  /** Repeated to the shape of another tensor. */
  expandAs(other: Tensor): Tensor {
    return this.expand(other.shape);
  }
  /**
   * The whole tensor repeated so many times along each axis.
   *
   * @example Tensor.from([1, 2]).repeat([2]); // => [1, 2, 1, 2]
   */
  repeat(times: readonly number[]): Tensor {
    const lead = times.length - this.ndim;
    if (lead < 0)
      throw new TensorError(`repeat: ${this} needs at least ${this.ndim} counts, got ${times.length}`);
    const shape = [...new Array<Dim>(lead).fill(1), ...this.shape];
    const split = reshape(
      this.node,
      shape.flatMap((d) => [1, d]),
    );
    const wide = expand(
      split,
      shape.flatMap((d, i) => [times[i], d]),
    );
    return this.wrap(
      reshape(
        wide,
        shape.map((d, i) => mulDim(d, times[i])),
      ),
    );
  }

  // --- more elements -----------------------------------------------------------------------------------------------

  /** With zeros (false) before and after each axis; negative amounts cut off. What pad stands on. */
  protected padZeros(padding: Padding): Tensor {
    const cut = padding.map(([before, after], i): [Dim, Dim] => [
      Math.max(0, -before),
      subDim(this.shape[i], Math.max(0, -after)),
    ]);
    const kept = padding.some((pair) => pair.some((n) => n < 0)) ? this.shrink(cut) : this.self;
    const more = padding.map((pair) => pair.map((n) => Math.max(0, n)) as [number, number]);
    return this.wrap(pad(kept.node, more));
  }
  /**
   * This and others one after the other along an axis. Dtypes promote. Tensors of shape [0] fit all others and add
   * nothing.
   *
   * @example
   * Tensor.from([1, 2]).cat(0, Tensor.from([3]), Tensor.from([4, 5])); // => [1, 2, 3, 4, 5]
   */
  cat(axis: number, ...others: readonly Tensor[]): Tensor {
    const given = [this.self, ...others];
    const dtype = given.map((x) => x.dtype).reduce(promote);
    const isNothing = (x: Tensor): boolean => x.ndim === 1 && x.shape[0] === 0;
    const first = given.find((x) => !isNothing(x)) ?? this.self;
    const all = isNothing(first) ? [first] : given.filter((x) => !isNothing(x));
    const at = axisOf(axis, first.ndim, "cat");
    for (const x of all) {
      const fits = x.ndim === first.ndim && x.shape.every((d, i) => i === at || sameDim(d, first.shape[i]));
      if (!fits || x.ndim === 0) throw new TensorError(`cat: ${x} does not fit ${first} along axis ${at}`);
    }
    return this.wrap(
      concat(
        all.map((x) => castNode(x.node, dtype)),
        at,
      ),
    );
  }

  // --- memory and gradients ----------------------------------------------------------------------------------------

  /** A tensor of its own with these values, stored as they stand. */
  contiguous(): Tensor {
    return this.wrap(contiguous(this.node));
  }
  /**
   * A tensor of its own with this value; writing to one does not change the other.
   *
   * @example
   * const x = Tensor.from([1, 2]);
   * const y = x.clone();
   * y.assign(0);
   * x; // => [1, 2]
   */
  clone(): Tensor {
    // A node of its own, so that gradients of the one are not those of the other.
    return this.wrap(identity(this.node));
  }
  /**
   * The same value, through which no gradient flows.
   *
   * @example
   * const x = Tensor.from([2], { requiresGrad: true });
   * x.mul(x.detach()).sum().backward();
   * x.grad; // => [2]
   */
  detach(): Tensor {
    return this.wrap(detach(this.node));
  }
}

/** The shape with its -1 replaced by what the element count leaves. */
function inferSize(shape: Shape, from: Shape): Shape {
  const unknown = shape.indexOf(-1);
  if (unknown < 0) return shape;
  const known = sizeOf(shape.filter((_, i) => i !== unknown));
  const rest = sameDim(known, 0) ? undefined : exactDiv(toIndex(sizeOf(from)), toIndex(known));
  if (rest === undefined || shape.indexOf(-1, unknown + 1) >= 0) {
    throw new TensorError(
      `reshape: the -1 in [${shape.join(", ")}] has no one value for ${printShape(from)}`,
    );
  }
  return shape.map((d, i) => (i === unknown ? (rest.value ?? rest) : d));
}
