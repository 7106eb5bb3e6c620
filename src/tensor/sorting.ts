// Order: sorting, ranks, searching in what is sorted.

import { constNode, gather, reshape } from "../graph/node.js";
import { bytesOf, isFloat } from "../scalar/dtype.js";
import { axisOf, TensorError } from "./core.js";
import { orderOf } from "./order.js";
import { Scan } from "./scan.js";
import type { Tensor } from "./tensor.js";

/** Values, and the places (int32) along the axis that they come from. */
export interface Placed {
  readonly values: Tensor;
  readonly indices: Tensor;
}

export interface SortOptions {
  /** Default: the last. */
  readonly axis?: number;
  readonly descending?: boolean;
  /** Equal elements keep their order, whether this is asked for or not. */
  readonly stable?: boolean;
}

export abstract class Sorting extends Scan {
  /**
   * Elements in order along an axis, and where they were. NaN counts as largest, -0 equals 0, and equal elements keep
   * their order.
   */
  sort({ axis = -1, descending = false }: SortOptions = {}): Placed {
    return this.ordered("sort", axis, descending);
  }
  /** The places (int32) of the elements in order along an axis; as sort. */
  argsort(options: SortOptions = {}): Tensor {
    return this.sort(options).indices;
  }
  /**
   * The `k` largest (or smallest) elements along an axis, in order, and where they were. Of equal ones the first are
   * taken; NaN counts as largest.
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
