// Diagonals and triangles of matrices.

import { iota } from "../graph/node.js";
import { TensorError } from "./core.js";
import { Packing } from "./packing.js";
import type { Tensor } from "./tensor.js";

export abstract class Diagonals extends Packing {
  /**
   * With zeros above the diagonal `offset` of the last two axes.
   *
   * @example Tensor.ones([2, 2]).tril(); // => [[1, 0], [1, 1]]
   */
  tril(offset = 0): Tensor {
    return this.triangle("tril", offset, (row, column) => column.le(row.add(offset)));
  }
  /** With zeros below the diagonal `offset` of the last two axes. */
  triu(offset = 0): Tensor {
    return this.triangle("triu", offset, (row, column) => column.ge(row.add(offset)));
  }
  private triangle(operation: string, offset: number, keep: (row: Tensor, column: Tensor) => Tensor): Tensor {
    if (!Number.isInteger(offset))
      throw new TensorError(`${operation}: offset must be an integer, got ${offset}`);
    if (this.ndim < 2) throw new TensorError(`${operation}: ${this} has no last two axes`);
    const shape = this.shape.slice(-2);
    const kept = keep(this.wrap(iota(shape, 0)), this.wrap(iota(shape, 1)));
    return kept.where(this.self, this.dtype === "bool" ? false : 0);
  }

  /**
   * The diagonal `offset` (above the main one, if positive) of two axes, along a new last one. A view.
   *
   * @example Tensor.arange(9).reshape([3, 3]).diagonal(1); // => [1, 5]
   */
  diagonal(offset = 0, axis1 = -2, axis2 = -1): Tensor {
    if (!Number.isInteger(offset))
      throw new TensorError(`diagonal: offset must be an integer, got ${offset}`);
    if (this.ndim < 2) throw new TensorError(`diagonal: ${this} has no two axes`);
    const matrices = this.movedim(this.axesIn([axis1, axis2], "diagonal"), [-2, -1]);
    const [rows, columns] = matrices.sizes.slice(-2);
    const [top, left] = [Math.max(0, -offset), Math.max(0, offset)];
    const count = Math.max(0, Math.min(rows - top, columns - left));
    const square = matrices
      .narrow(-2, Math.min(top, rows), count)
      .narrow(-1, Math.min(left, columns), count)
      .flatten(-2);
    return count === 0 ? square : square.strided(-1, count + 1, count);
  }
  /**
   * The vectors along the last axis [.., n] as diagonal `offset` of matrices, zero elsewhere, whose rows and columns
   * (n + |offset| each) become axes `axis1` and `axis2` of the result.
   *
   * @example Tensor.from([1, 2]).diagEmbed(); // => [[1, 0], [0, 2]]
   */
  diagEmbed(offset = 0, axis1 = -2, axis2 = -1): Tensor {
    if (this.ndim === 0) throw new TensorError(`diagEmbed: ${this} has no axis`);
    const beyond = Math.abs(offset);
    const size = this.sizeAt(-1) + beyond;
    // Above the main diagonal the row says which element it is, below it the column.
    const long = this.self.pad(
      this.shape.map((_, i): [number, number] => [0, i === this.ndim - 1 ? beyond : 0]),
    );
    const laid = long.unsqueeze(offset < 0 ? -2 : -1);
    const on = this.wrap(iota([size, size], 1)).eq(this.wrap(iota([size, size], 0)).add(offset));
    const matrices = on.where(laid, this.dtype === "bool" ? false : 0);
    return matrices.movedim([-2, -1], [axis1, axis2]);
  }
  /**
   * A matrix with this vector on its diagonal `offset`; or the diagonal of a matrix.
   *
   * @example
   * Tensor.from([1, 2]).diag(); // => [[1, 0], [0, 2]]
   */
  diag(offset = 0): Tensor {
    if (this.ndim === 2) return this.diagonal(offset);
    if (this.ndim !== 1) throw new TensorError(`diag: needs a vector or a matrix, got ${this}`);
    return this.diagEmbed(offset);
  }
  /** A matrix with all elements on its diagonal `offset`. */
  diagflat(offset = 0): Tensor {
    return this.ravel().diagEmbed(offset);
  }
  /**
   * Sum of the diagonal of a matrix.
   *
   * @example
   * Tensor.from([[1, 2], [3, 4]]).trace(); // => 5
   */
  trace(): Tensor {
    if (this.ndim !== 2) throw new TensorError(`trace: needs a matrix, got ${this}`);
    return this.diagonal().sum(-1);
  }
}
