// Tensors of regular values: sequences, grids, unit matrices, windows.

import { iota } from "../graph/node.js";
import { DEFAULT_FLOAT } from "../graph/promote.js";
import type { DType } from "../scalar/dtype.js";
import { broadcastNode, TensorError } from "./core.js";
import { Creation, type TensorOptions } from "./creation.js";
import type { Tensor } from "./tensor.js";

export interface WindowOptions extends TensorOptions {
  /** Whether it is one period of a sequence without end (the default), or has equal ends. */
  readonly periodic?: boolean;
}

export abstract class Ranges extends Creation {
  /**
   * start, start + step, ... below stop. Whole numbers give int32 (int64 where they must), others float32.
   *
   * @example Tensor.arange(2, 10, 3); // => [2, 5, 8]
   */
  static arange(start: number, stop?: number, step = 1, { dtype }: TensorOptions = {}): Tensor {
    const [from, to] = stop === undefined ? [0, start] : [start, stop];
    if (step === 0) throw new TensorError("arange: step must not be 0");
    const whole = [from, to, step].every(Number.isInteger);
    const integers = Math.max(...[from, to, to - from].map(Math.abs)) < 2 ** 31 ? "int32" : "int64";
    const kind = dtype ?? (whole ? integers : DEFAULT_FLOAT);
    const count = Math.max(0, Math.ceil((to - from) / step));
    if (count === 0) return Ranges.zeros([0], { dtype: kind });
    const places = Ranges.ofNode(iota([count], 0, count > 2 ** 31 ? "int64" : "int32"));
    if (whole) return places.cast(integers).mul(step).add(from).cast(kind);
    return progression(places, count, from, step, kind);
  }
  /**
   * `count` values from start to stop, both included.
   *
   * @example Tensor.linspace(0, 1, 5); // => [0, 0.25, 0.5, 0.75, 1]
   */
  static linspace(
    start: number,
    stop: number,
    count: number,
    { dtype = DEFAULT_FLOAT }: TensorOptions = {},
  ): Tensor {
    if (count < 2) return Ranges.full([count], start, { dtype });
    const places = Ranges.ofNode(iota([count], 0, "int32"));
    const step = (stop - start) / (count - 1);
    // From both ends, so that both are exact.
    return places
      .lt(count / 2)
      .where(
        progression(places, count, start, step, dtype),
        progression(places.rsub(count - 1), count, stop, -step, dtype),
      );
  }
  /**
   * Ones on the diagonal.
   *
   * @example
   * Tensor.eye(2, 3); // => [[1, 0, 0], [0, 1, 0]]
   */
  static eye(rows: number, columns = rows, { dtype = DEFAULT_FLOAT }: TensorOptions = {}): Tensor {
    const shape = [rows, columns];
    return Ranges.ofNode(iota(shape, 0))
      .eq(Ranges.ofNode(iota(shape, 1)))
      .cast(dtype);
  }
  /** As eye. */
  static identity(size: number, options: TensorOptions = {}): Tensor {
    return Ranges.eye(size, size, options);
  }
  /** Frequencies of the places of an fft of length n, in cycles by the distance d of samples: 0, 1, .., -2, -1 over n d. */
  static fftfreq(n: number, d = 1, options: TensorOptions = {}): Tensor {
    const places = Ranges.arange(n);
    return places
      .ge(Math.ceil(n / 2))
      .where(places.sub(n), places)
      .cast(options.dtype ?? DEFAULT_FLOAT)
      .div(n * d);
  }
  /** Frequencies of the places of an rfft of length n: 0, 1, .., n / 2 over n d. */
  static rfftfreq(n: number, d = 1, options: TensorOptions = {}): Tensor {
    return Ranges.arange(Math.floor(n / 2) + 1)
      .cast(options.dtype ?? DEFAULT_FLOAT)
      .div(n * d);
  }
  /**
   * `count` powers of the base, whose exponents go from start to stop.
   *
   * @example
   * Tensor.logspace(0, 2, 3); // => [1, 10, 100]
   */
  static logspace(
    start: number,
    stop: number,
    count: number,
    { base = 10, dtype = DEFAULT_FLOAT }: TensorOptions & { readonly base?: number } = {},
  ): Tensor {
    const exponents = Ranges.linspace(start, stop, count, { dtype: wideOf(dtype) });
    return exponents.rpow(base).cast(dtype);
  }
  /**
   * `count` values from start to stop, each the same multiple of the one before; both of one sign, not 0.
   *
   * @example
   * Tensor.geomspace(1, 8, 4); // => [1, 2, 4, 8]
   */
  static geomspace(
    start: number,
    stop: number,
    count: number,
    { dtype = DEFAULT_FLOAT }: TensorOptions = {},
  ): Tensor {
    if (!(start * stop > 0))
      throw new TensorError(`geomspace: both ends must have one sign and not be 0, got ${start} and ${stop}`);
    if (count < 2) return Ranges.full([count], start, { dtype });
    const share = Ranges.linspace(0, Math.log2(stop / start), count, { dtype: wideOf(dtype) });
    const places = Ranges.ofNode(iota([count], 0));
    return places
      .eq(count - 1)
      .where(stop, share.exp2().mul(start))
      .cast(dtype);
  }
  /**
   * Ones on and below the diagonal `offset` above the main one.
   *
   * @example
   * Tensor.tri(2, 3, { offset: 1 }); // => [[1, 1, 0], [1, 1, 1]]
   */
  static tri(
    rows: number,
    columns = rows,
    { offset = 0, dtype = DEFAULT_FLOAT }: TensorOptions & { readonly offset?: number } = {},
  ): Tensor {
    const shape = [rows, columns];
    return Ranges.ofNode(iota(shape, 1))
      .le(Ranges.ofNode(iota(shape, 0)).add(offset))
      .cast(dtype);
  }
  /**
   * Rows and columns of the places on and below a diagonal, row by row; int32 [2, n].
   *
   * @example
   * Tensor.trilIndices(2); // => [[0, 1, 1], [0, 0, 1]]
   */
  static trilIndices(
    rows: number,
    columns = rows,
    { offset = 0 }: { readonly offset?: number } = {},
  ): Tensor {
    return triangle(rows, (row) => [0, Math.min(columns, row + offset + 1)]);
  }
  /** Rows and columns of the places on and above a diagonal, row by row; int32 [2, n]. */
  static triuIndices(
    rows: number,
    columns = rows,
    { offset = 0 }: { readonly offset?: number } = {},
  ): Tensor {
    return triangle(rows, (row) => [Math.max(0, row + offset), columns]);
  }
  /**
   * Powers of the elements of x [n], the highest first unless `increasing`, [n, columns].
   *
   * @example
   * Tensor.vander(Tensor.from([2, 3]), 3); // => [[4, 2, 1], [9, 3, 1]]
   */
  static vander(
    x: Tensor,
    columns = x.sizeAt(0),
    { increasing = false }: { readonly increasing?: boolean } = {},
  ): Tensor {
    if (x.ndim !== 1) throw new TensorError(`vander: needs one axis, got ${x}`);
    if (columns === 0) return Ranges.zeros([x.sizeAt(0), 0], { dtype: x.dtype });
    const powers = [x.onesLike()];
    for (let i = 1; i < columns; i++) powers.push(powers[i - 1].mul(x));
    const [first, ...rest] = (increasing ? powers : powers.reverse()).map((column) => column.unsqueeze(1));
    return first.cat(1, ...rest);
  }
  /**
   * Coordinates of the grid over some axes, each of the grid's shape. "ij": axis i of the grid is the i-th tensor;
   * "xy": the first two are exchanged, as pictures have it.
   *
   * @example
   * Tensor.meshgrid([Tensor.arange(2), Tensor.arange(3)]).map((grid) => grid.shape); // => [[2, 3], [2, 3]]
   */
  static meshgrid(
    tensors: readonly Tensor[],
    { indexing = "ij" }: { readonly indexing?: "ij" | "xy" } = {},
  ): Tensor[] {
    const long = tensors.find((x) => x.ndim > 1);
    if (long !== undefined) throw new TensorError(`meshgrid: needs tensors of one axis, got ${long}`);
    const axes = tensors.map((_, i) => (indexing === "xy" && i < 2 && tensors.length > 1 ? 1 - i : i));
    const shape: Tensor["shape"][number][] = [];
    tensors.forEach((x, i) => {
      shape[axes[i]] = x.ndim === 0 ? 1 : x.shape[0];
    });
    return tensors.map((x, i) => {
      const line = x.reshape(shape.map((d, axis) => (axis === axes[i] ? d : 1)));
      return Ranges.ofNode(broadcastNode(line.node, shape));
    });
  }

  /**
   * Hann's window: sin^2 over one period.
   *
   * @example
   * Tensor.hannWindow(4); // => [0, 0.5, 1, 0.5]
   */
  static hannWindow(length: number, options: WindowOptions = {}): Tensor {
    return cosineWindow("hannWindow", length, [0.5, 0.5], options);
  }
  /** Hamming's window alpha - beta cos. */
  static hammingWindow(
    length: number,
    { alpha = 0.54, beta = 0.46, ...options }: WindowOptions & { alpha?: number; beta?: number } = {},
  ): Tensor {
    return cosineWindow("hammingWindow", length, [alpha, beta], options);
  }
  /** Blackman's window. */
  static blackmanWindow(length: number, options: WindowOptions = {}): Tensor {
    return cosineWindow("blackmanWindow", length, [0.42, 0.5, 0.08], options);
  }
  /** Bartlett's window, a triangle. */
  static bartlettWindow(length: number, options: WindowOptions = {}): Tensor {
    return windowOf("bartlettWindow", length, options, (x) => x.mul(2).sub(1).abs().rsub(1));
  }
  /** Kaiser's window i0(beta sqrt(1 - x^2)) / i0(beta). */
  static kaiserWindow(
    length: number,
    { beta = 12, ...options }: WindowOptions & { readonly beta?: number } = {},
  ): Tensor {
    return windowOf("kaiserWindow", length, options, (x) => {
      // sqrt(1 - (2x - 1)^2) = 2 sqrt(x (1 - x)): nothing cancels at the ends.
      const argument = x
        .mul(x.rsub(1))
        .clamp(0)
        .sqrt()
        .mul(2 * beta);
      return argument.i0e().mul(argument.sub(beta).exp()).div(x.mul(0).add(beta).i0e());
    });
  }
}

const wideOf = (dtype: DType): DType => (dtype === "float64" ? dtype : "float32");

/** The places of a triangle, of row r those from `start` to `end`, as the host counts them. */
function triangle(rows: number, rangeOf: (row: number) => readonly [number, number]): Tensor {
  const places: [number[], number[]] = [[], []];
  for (let row = 0; row < rows; row++) {
    const [start, end] = rangeOf(row);
    for (let column = start; column < end; column++) {
      places[0].push(row);
      places[1].push(column);
    }
  }
  return Ranges.from(Int32Array.from(places.flat()), { shape: [2, places[0].length] });
}

/** A function of x from 0 to 1 (1 left out, if periodic). */
function windowOf(
  operation: string,
  length: number,
  { periodic = true, dtype = DEFAULT_FLOAT }: WindowOptions,
  value: (x: Tensor) => Tensor,
): Tensor {
  if (!Number.isInteger(length) || length < 0)
    throw new TensorError(`${operation}: the length must be a whole number, got ${length}`);
  if (length < 2) return Ranges.ones([length], { dtype });
  const x = Ranges.arange(0, length, 1, { dtype: wideOf(dtype) }).div(periodic ? length : length - 1);
  return value(x).cast(dtype);
}

/** c0 - c1 cos(2 pi x) + c2 cos(4 pi x) - .. */
function cosineWindow(
  operation: string,
  length: number,
  c: readonly number[],
  options: WindowOptions,
): Tensor {
  return windowOf(operation, length, options, (x) =>
    c
      .map((factor, i) =>
        x
          .mul(2 * Math.PI * i)
          .cos()
          .mul(i % 2 === 0 ? factor : -factor),
      )
      .reduce((sum, term) => sum.add(term)),
  );
}

/**
 * start + step * place, rounded about once. Not every device has float64: in float32 the step is a sum of a part with so
 * few bits that its products with places are exact, and a small rest.
 */
function progression(places: Tensor, count: number, start: number, step: number, dtype: DType): Tensor {
  if (dtype === "float64") return places.cast(dtype).mul(step).add(start);
  const spare = 2 ** Math.min(23, Math.ceil(Math.log2(Math.max(2, count))));
  // Adding and taking off a large number leaves the leading bits (Dekker, 1971).
  const large = Math.fround(step) * spare;
  const lead = Math.fround(Math.fround(large + Math.fround(step)) - large);
  const near = Math.fround(start);
  const x = places.cast("float32");
  return x
    .mul(lead)
    .add(near)
    .add(x.mul(step - lead).add(start - near))
    .cast(dtype);
}
