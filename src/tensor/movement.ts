// Operations that move elements and compute nothing. Those that only rename places (reshape, permute, slices, flip)
// give views: writing to them writes to the tensor they show. Repeating and padding make new tensors.

import {
  addDim,
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
  shear,
  sizeOf,
  subDim,
} from "../graph/node.js";
import { exactDiv, toIndex } from "../kernel/index.js";
import { promote } from "../graph/promote.js";
import { castNode } from "../graph/node.js";
import { axisOf, broadcastNode, broadcastShapes, scalarNode, TensorError } from "./core.js";
import { Functions } from "./functions.js";
import type { Tensor } from "./tensor.js";

/** Padding per axis: [before, after]. */
export type Padding = readonly (readonly [number, number])[];

export abstract class Movement extends Functions {
  // --- shape -------------------------------------------------------------------------------------------------------

  /** The same elements in another shape of as many; one size may be -1 and follows from the others. A view. */
  reshape(shape: Shape): Tensor {
    const target = inferSize(shape, this.shape);
    if (!sameDim(sizeOf(target), sizeOf(this.shape))) {
      throw new TensorError(`reshape: ${this} cannot become ${printShape(shape)}: element counts differ`);
    }
    return this.alias({ op: "reshape", shape: target });
  }
  /** As reshape, under PyTorch's other name. */
  viewAs(other: Tensor): Tensor {
    return this.reshape(other.shape);
  }
  /** Axes `start` to `end` (inclusive) as one. */
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
  /** One axis as several. */
  unflatten(axis: number, sizes: Shape): Tensor {
    const at = axisOf(axis, this.ndim, "unflatten");
    const { shape } = this;
    return this.reshape([...shape.slice(0, at), ...inferSize(sizes, [shape[at]]), ...shape.slice(at + 1)]);
  }
  /** Without axes of size 1: all of them, or the one given, which stays if it is larger. */
  squeeze(axis?: number): Tensor {
    if (axis === undefined) return this.reshape(this.shape.filter((d) => d !== 1));
    const at = axisOf(axis, this.ndim, "squeeze");
    return this.shape[at] === 1
      ? this.reshape(this.shape.filter((_, i) => i !== at))
      : this.reshape(this.shape);
  }
  /** With an axis of size 1 inserted before `axis`. */
  unsqueeze(axis: number): Tensor {
    const at = axisOf(axis, this.ndim + 1, "unsqueeze");
    return this.reshape([...this.shape.slice(0, at), 1, ...this.shape.slice(at)]);
  }

  // --- order -------------------------------------------------------------------------------------------------------

  /** Axis i of the result is axis order[i]. A view. */
  permute(order: readonly number[]): Tensor {
    const axes = order.map((axis) => axisOf(axis, this.ndim, "permute"));
    if (axes.length !== this.ndim || new Set(axes).size !== axes.length) {
      throw new TensorError(`permute: [${order.join(", ")}] is not an order of the axes of ${this}`);
    }
    return this.alias({ op: "permute", order: axes });
  }
  /** With two axes exchanged. */
  transpose(a = -2, b = -1): Tensor {
    const order = this.shape.map((_, i) => i);
    const [x, y] = [axisOf(a, this.ndim, "transpose"), axisOf(b, this.ndim, "transpose")];
    [order[x], order[y]] = [order[y], order[x]];
    return this.permute(order);
  }
  /** With all axes in reverse order. */
  get T(): Tensor {
    return this.permute(this.shape.map((_, i) => this.ndim - 1 - i));
  }
  /** With axis `from` moved to place `to`. */
  movedim(from: number, to: number): Tensor {
    const [at, target] = [axisOf(from, this.ndim, "movedim"), axisOf(to, this.ndim, "movedim")];
    const order = this.shape.map((_, i) => i).filter((i) => i !== at);
    order.splice(target, 0, at);
    return this.permute(order);
  }
  /** With the order along axes reversed. A view. */
  flip(axes: number | readonly number[]): Tensor {
    const list = (typeof axes === "number" ? [axes] : axes).map((axis) => axisOf(axis, this.ndim, "flip"));
    return this.alias({ op: "flip", axes: list });
  }
  /** With elements shifted along an axis; those that leave at the end come in at the start. */
  roll(shift: number, axis: number): Tensor {
    const at = axisOf(axis, this.ndim, "roll");
    const size = this.sizeAt(at);
    const by = size === 0 ? 0 : ((shift % size) + size) % size;
    if (by === 0) return this as unknown as Tensor;
    return this.narrow(at, size - by, by).cat(at, this.narrow(at, 0, size - by));
  }

  // --- parts -------------------------------------------------------------------------------------------------------

  /** The half-open range [start, end) of each axis; undefined takes all of an axis. A view. */
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
  /** `length` elements of an axis from `start` on. A view. */
  narrow(axis: number, start: Dim, length: Dim): Tensor {
    const at = axisOf(axis, this.ndim, "narrow");
    return this.shrink(this.shape.map((_, i) => (i === at ? [start, addDim(start, length)] : undefined)));
  }
  /** The elements at one place of an axis, without that axis. A view. */
  select(axis: number, place: number): Tensor {
    const at = axisOf(axis, this.ndim, "select");
    const from = place < 0 ? subDim(this.shape[at], -place) : place;
    return this.narrow(at, from, 1).squeeze(at);
  }
  /** Parts of `size` along an axis, the last maybe smaller; or parts of the given sizes. Views. */
  split(size: number | readonly number[], axis = 0): Tensor[] {
    const at = axisOf(axis, this.ndim, "split");
    const length = this.sizeAt(at);
    const sizes: number[] = [];
    if (typeof size === "number") {
      if (!(size > 0)) throw new TensorError(`split: parts must have a positive size, got ${size}`);
      for (let start = 0; start < length; start += size) sizes.push(Math.min(size, length - start));
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
  /** `count` parts along an axis, the last maybe smaller. Views. */
  chunk(count: number, axis = 0): Tensor[] {
    return this.split(Math.max(1, Math.ceil(this.sizeAt(axisOf(axis, this.ndim, "chunk")) / count)), axis);
  }
  /** The tensors along an axis, one for each place, without that axis. */
  unbind(axis = 0): Tensor[] {
    const at = axisOf(axis, this.ndim, "unbind");
    return Array.from({ length: this.sizeAt(at) }, (_, i) => this.select(at, i));
  }

  // --- repetition --------------------------------------------------------------------------------------------------

  /** Axes of size 1 repeated to the shape; -1 keeps a size; axes may be added in front. Takes no memory. */
  expand(shape: Shape): Tensor {
    const lead = shape.length - this.ndim;
    const target = shape.map((d, i) => (d === -1 ? this.shape[i - lead] : d));
    const meets = lead >= 0 ? broadcastShapes(this.shape, target) : undefined;
    if (!meets?.every((d, i) => sameDim(d, target[i]))) {
      throw new TensorError(`expand: ${this} cannot become ${printShape(shape)}: only axes of size 1 expand`);
    }
    return this.repeated(broadcastNode(this.node, target));
  }
  broadcastTo(shape: Shape): Tensor {
    return this.expand(shape);
  }
  /** The whole tensor repeated so many times along each axis. */
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
  /** Each element repeated along an axis. */
  repeatInterleave(times: number, axis: number): Tensor {
    const at = axisOf(axis, this.ndim, "repeatInterleave");
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

  // --- more elements -----------------------------------------------------------------------------------------------

  /** With `value` (default 0) before and after each axis. Negative padding cuts off. */
  pad(padding: Padding, { value = 0 }: { value?: number } = {}): Tensor {
    if (padding.length !== this.ndim) {
      throw new TensorError(`pad: ${this} needs ${this.ndim} pairs, got ${padding.length}`);
    }
    const cut = padding.map(([before, after], i): [Dim, Dim] => [
      Math.max(0, -before),
      subDim(this.shape[i], Math.max(0, -after)),
    ]);
    const kept = padding.some((pair) => pair.some((n) => n < 0))
      ? this.shrink(cut)
      : (this as unknown as Tensor);
    const more = padding.map(([before, after]): [number, number] => [
      Math.max(0, before),
      Math.max(0, after),
    ]);
    const padded = this.wrap(pad(kept.node, more));
    if (value === 0) return padded;
    const inside = this.wrap(pad(scalarNode(true, "bool", kept.shape), more));
    return inside.where(padded, this.wrap(scalarNode(value, this.dtype, padded.shape)));
  }
  /** This and others one after the other along an axis. Dtypes promote. */
  cat(axis: number, ...others: readonly Tensor[]): Tensor {
    const all = [this as unknown as Tensor, ...others];
    const at = axisOf(axis, this.ndim, "cat");
    const dtype = all.map((x) => x.dtype).reduce(promote);
    for (const x of all) {
      const fits = x.ndim === this.ndim && x.shape.every((d, i) => i === at || sameDim(d, this.shape[i]));
      if (!fits) throw new TensorError(`cat: ${x} does not fit ${this} along axis ${at}`);
    }
    return this.wrap(
      concat(
        all.map((x) => castNode(x.node, dtype)),
        at,
      ),
    );
  }

  // --- windows -----------------------------------------------------------------------------------------------------

  /**
   * Windows of `size` elements, `step` apart, `dilation` between their elements, along an axis: the axis becomes
   * the windows, and a new last axis their elements.
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

  /** Every `step`-th of an axis, `count` of them; the axis has at least (count - 1) * step + 1 elements. */
  strided(axis: number, step: number, count: number): Tensor {
    if (step === 1) return this.narrow(axis, 0, count);
    const wanted = count * step;
    const have = this.sizeAt(axis);
    const whole =
      have < wanted
        ? this.pad(this.shape.map((_, i): [number, number] => [0, i === axis ? wanted - have : 0]))
        : this.narrow(axis, 0, wanted);
    return whole
      .unflatten(axis, [count, step])
      .narrow(axis + 1, 0, 1)
      .squeeze(axis + 1);
  }

  // --- memory and gradients ----------------------------------------------------------------------------------------

  /** A tensor of its own with these values, stored as they stand. */
  contiguous(): Tensor {
    return this.wrap(contiguous(this.node));
  }
  /** A tensor of its own with this value; writing to one does not change the other. */
  clone(): Tensor {
    // A node of its own, so that gradients of the one are not those of the other.
    return this.wrap(identity(this.node));
  }
  /** The same value, through which no gradient flows. */
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
