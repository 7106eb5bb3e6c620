// Images at other places: interpolation to other sizes, grids of places, rearranged pixels.

import { storeBytes } from "../engine/engine.js";
import { type Dim, iota, sameDim, type Shape } from "../graph/node.js";
import { encodeElements } from "../scalar/convert.js";
import { type DType, isFloat } from "../scalar/dtype.js";
import { AdaptivePooling } from "./adaptive-pooling.js";
import { TensorError } from "./core.js";
import { type AxisTaps, axisTaps, CUBIC, type InterpolationKernel } from "./interpolation.js";
import { accumulationType } from "./reduction.js";
import type { Tensor } from "./tensor.js";

export type InterpolationMode =
  | "nearest"
  | "nearest-exact"
  | "linear"
  | "bilinear"
  | "bicubic"
  | "trilinear"
  | "area";

export interface InterpolateOptions {
  /** Sizes of the spatial axes; one number for all. This or `scaleFactor`. */
  readonly size?: number | readonly number[];
  /** Factor of the spatial sizes, which are rounded down. */
  readonly scaleFactor?: number | readonly number[];
  /** Default "nearest". The linear modes are called by their rank: linear, bilinear, trilinear. */
  readonly mode?: InterpolationMode;
  /** Whether the first and last elements stay in place (else the outer edges do); default false. */
  readonly alignCorners?: boolean;
  /** Whether shrinking widens the kernel, so that all elements count (bilinear, bicubic); default false. */
  readonly antialias?: boolean;
  /** Whether places follow from the sizes even where `scaleFactor` is given; default false. */
  readonly recomputeScaleFactor?: boolean;
}

export interface GridSampleOptions {
  /** Default "bilinear", which in three dimensions is trilinear. */
  readonly mode?: "bilinear" | "nearest" | "bicubic";
  /** What lies outside: zeros (default), the nearest element of the border, or the image mirrored. */
  readonly paddingMode?: "zeros" | "border" | "reflection";
  /** Whether -1 and 1 are the middles of the first and last elements (else the outer edges); default false. */
  readonly alignCorners?: boolean;
}

/** Names of modes by their number of spatial axes. */
const RANKS: Partial<Record<InterpolationMode, number>> = {
  linear: 1,
  bilinear: 2,
  bicubic: 2,
  trilinear: 3,
};

const KERNELS: Record<Exclude<InterpolationMode, "area">, InterpolationKernel> = {
  nearest: "nearest",
  "nearest-exact": "nearest-exact",
  linear: "linear",
  bilinear: "linear",
  trilinear: "linear",
  bicubic: "cubic",
};

export abstract class Resampling extends AdaptivePooling {
  // --- other sizes -------------------------------------------------------------------------------------------------

  /**
   * Images [b, c, ..] of one to three spatial axes in another size, as PyTorch's F.interpolate has it; bicubic is the
   * convolution of Keys (1981). Half types are computed in float32.
   *
   * @example
   * Tensor.from([[[1, 3]]]).interpolate({ scaleFactor: 2, mode: "linear" }); // => [[[1, 1.5, 2.5, 3]]]
   */
  interpolate(options: InterpolateOptions): Tensor {
    const { mode = "nearest", alignCorners = false, antialias = false } = options;
    const rank = this.ndim - 2;
    if (rank < 1 || rank > 3 || (RANKS[mode] ?? rank) !== rank) {
      throw new TensorError(
        `interpolate: mode "${mode}" needs [b, c, ..] with ${RANKS[mode] ?? "one to three"} axes behind, got ${this}`,
      );
    }
    if ((mode === "area" || mode.startsWith("nearest")) && alignCorners)
      throw new TensorError(`interpolate: alignCorners has no meaning for mode "${mode}"`);
    if (antialias && mode !== "bilinear" && mode !== "bicubic")
      throw new TensorError(`interpolate: antialias needs mode "bilinear" or "bicubic", got "${mode}"`);
    if (mode.startsWith("nearest") || isFloat(this.dtype)) {
      const { sizes, factors } = interpolatedSizes(this.self, rank, options);
      if (mode === "area") return this.adaptiveMean("interpolate", sizes);
      const kernel = KERNELS[mode];
      const wide = this.dtype === "float64";
      const tables = sizes.map((to, i) =>
        axisTaps({
          from: this.sizeAt(2 + i),
          to,
          factor: factors?.[i],
          kernel,
          alignCorners,
          antialias,
          wide,
        }),
      );
      return this.resampled(tables);
    }
    throw new TensorError(`interpolate: mode "${mode}" needs floats, got ${this}`);
  }
  /** interpolate, under an older name. */
  upsample(options: InterpolateOptions): Tensor {
    return this.interpolate(options);
  }

  /** @internal The last axes, each a weighted sum of some of its elements for each place of the result. */
  resampled(tables: readonly AxisTaps[]): Tensor {
    const { dtype } = this;
    const first = this.ndim - tables.length;
    let result = this.self;
    let axes = 0;
    tables.forEach((table, i) => {
      if (table.same) return;
      const axis = first + i;
      const { count, taps, weights } = table;
      if (weights === undefined) {
        result = result.tapsOf(axis, table);
        return;
      }
      // Axes one after the other: each sum is stored, so that the next does not take it again for each of its taps.
      if (axes++ > 0) result = result.contiguous();
      const wide: Resampling = result.cast(accumulationType(dtype));
      const shape = result.shape.map((_, k) => (k === axis ? count : 1));
      const factors = this.table(weights, wide.dtype, [
        ...shape.slice(0, axis + 1),
        taps,
        ...shape.slice(axis + 1),
      ]);
      result = wide
        .tapsOf(axis, table)
        .unflatten(axis, [count, taps])
        .mul(factors)
        .sum(axis + 1);
    });
    return result.cast(dtype);
  }

  /** The elements of an axis that a table names: [.., count * taps, ..]. */
  private tapsOf(axis: number, { places, repeats }: AxisTaps): Tensor {
    if (repeats !== undefined) return this.repeatInterleave(repeats, axis);
    return this.self.indexSelect(axis, this.table(places, "int32", [places.length]));
  }

  /** Numbers that are known. */
  private table(values: readonly number[], dtype: DType, shape: Shape): Tensor {
    return this.wrap(storeBytes(encodeElements(values, dtype), dtype, shape));
  }

  // --- grids of places ---------------------------------------------------------------------------------------------

  /**
   * The places that affine maps give the elements of an image: maps [b, 2, 3] (or [b, 3, 4]) and the image's size
   * [b, c, h, w] (or [b, c, d, h, w]) give places [b, h, w, 2] (x, y; or [b, d, h, w, 3]) for gridSample. Places run
   * from -1 to 1: between the outer edges, or with `alignCorners` between the middles of the outer elements.
   *
   * @example
   * Tensor.from([[[1, 0, 0], [0, 1, 0]]]).affineGrid([1, 1, 1, 2]); // => [[[[-0.5, 0], [0.5, 0]]]]
   */
  affineGrid(size: readonly number[], { alignCorners = false }: { alignCorners?: boolean } = {}): Tensor {
    const [batch, , ...lengths] = size;
    const rank = lengths.length;
    const fits = (rank === 2 || rank === 3) && this.ndim === 3 && isFloat(this.dtype);
    if (!fits || !sameDim(this.shape[0], batch) || this.shape[1] !== rank || this.shape[2] !== rank + 1) {
      throw new TensorError(
        `affineGrid: needs floats [b, 2, 3] and a size [b, c, h, w], or [b, 3, 4] and [b, c, d, h, w], got ${this} and ` +
          `[${size}]`,
      );
    }
    const maps = this.cast(accumulationType(this.dtype));
    /** Column k of the maps, laid along the last axis of the result. */
    const column = (k: number): Tensor => maps.select(2, k).reshape([batch, ...lengths.map(() => 1), rank]);
    const terms = lengths.map((length, axis) => {
      const shape = [1, ...lengths.map((_, k) => (k === axis ? length : 1)), 1];
      const steps = alignCorners ? Math.max(1, length - 1) : length;
      const from = this.wrap(iota(shape, axis + 1))
        .mul(2)
        .sub(length - 1);
      // The first column is x, the last axis.
      return from
        .cast(maps.dtype)
        .div(steps)
        .mul(column(rank - 1 - axis));
    });
    return terms.reduce((sum, term) => sum.add(term), column(rank)).cast(this.dtype);
  }

  /**
   * Images [b, c, h, w] at places [b, oh, ow, 2] (x, y): [b, c, oh, ow]; or [b, c, d, h, w] at [b, od, oh, ow, 3]. Places
   * are those of affineGrid: -1 to 1 is the image. Half types are computed in float32.
   *
   * @example
   * const image = Tensor.from([[[[0, 10], [20, 30]]]]);
   * image.gridSample(Tensor.from([[[[0, 0]]]]), { alignCorners: true }); // => [[[[15]]]]
   */
  gridSample(
    grid: Tensor,
    { mode = "bilinear", paddingMode = "zeros", alignCorners = false }: GridSampleOptions = {},
  ): Tensor {
    const rank = this.ndim - 2;
    const fits =
      (rank === 2 || rank === 3) &&
      grid.ndim === rank + 2 &&
      sameDim(grid.shape[0], this.shape[0]) &&
      grid.shape[rank + 1] === rank &&
      isFloat(this.dtype) &&
      isFloat(grid.dtype);
    if (!fits || (mode === "bicubic" && rank === 3)) {
      throw new TensorError(
        `gridSample: mode "${mode}" needs floats [b, c, h, w] and [b, oh, ow, 2]` +
          `${mode === "bicubic" ? "" : ", or [b, c, d, h, w] and [b, od, oh, ow, 3]"}, got ${this} and ${grid}`,
      );
    }
    const lengths = this.sizes.slice(2);
    const wide = accumulationType(this.dtype);
    const places = grid.cast(wide).flatten(1, -2);
    // Per axis [b, places, taps], the taps on an axis of their own.
    const spread = (x: Tensor, axis: number): Tensor =>
      x.reshape([...x.shape.slice(0, 2), ...lengths.map((_, k): Dim => (k === axis ? x.shape[2] : 1))]);
    const taps = lengths.map((length, axis) => {
      const across = places.select(-1, rank - 1 - axis).unsqueeze(-1);
      const place = alignCorners
        ? across.add(1).mul((length - 1) / 2)
        : across.add(1).mul(length).sub(1).mul(0.5);
      const bounded = (x: Tensor): Tensor => boundedPlace(x, length, paddingMode, alignCorners);
      const { tap, weight } = this.gridTaps(mode, place, bounded);
      return { tap: spread(tap, axis), weight: weight && spread(weight, axis) };
    });
    const [first, ...others] = taps.map(({ tap }, axis) => tap.ge(0).logicalAnd(tap.le(lengths[axis] - 1)));
    const inside = others.reduce((all, one) => all.logicalAnd(one), first);
    const flat = taps
      .map(({ tap }, axis) => tap.cast("int32").mul(lengths.slice(axis + 1).reduce((n, d) => n * d, 1)))
      .reduce((sum, term) => sum.add(term));
    // Once for all channels. What lies outside is not read.
    const index = inside.where(flat, 0).contiguous();
    const image = this.cast(wide).flatten(2);
    const each = index.flatten(1).unsqueeze(1);
    const read = image
      .gather(2, each.expand([each.shape[0], this.shape[1], each.shape[2]]))
      .reshape([each.shape[0], this.shape[1], ...index.shape.slice(1)]);
    const values = inside.unsqueeze(1).where(read, 0);
    const weights = taps.flatMap(({ weight }) => (weight === undefined ? [] : [weight]));
    const weighted =
      weights.length === 0
        ? values
        : values.mul(
            weights
              .reduce((product, one) => product.mul(one))
              .contiguous()
              .unsqueeze(1),
          );
    const total = weighted.sum(lengths.map((_, axis) => 3 + axis));
    return total.reshape([this.shape[0], this.shape[1], ...grid.shape.slice(1, -1)]).cast(this.dtype);
  }

  /** The elements [b, places, taps] (whole numbers in floats) near places [b, places, 1], and their weights. */
  private gridTaps(
    mode: "bilinear" | "nearest" | "bicubic",
    place: Tensor,
    bounded: (x: Tensor) => Tensor,
  ): { tap: Tensor; weight: Tensor | undefined } {
    if (mode === "nearest") return { tap: bounded(place).round(), weight: undefined };
    const count = mode === "bilinear" ? 2 : 4;
    const step = this.wrap(iota([1, 1, count], 2));
    const at = mode === "bilinear" ? bounded(place) : place;
    const before = at.detach().floor();
    const part = at.sub(before);
    if (mode === "bilinear") return { tap: before.add(step), weight: step.eq(0).where(part.rsub(1), part) };
    const steps = step.sub(1);
    const tap = bounded(before.add(steps)).detach();
    // Cubic convolution (Keys, 1981).
    const x = part.sub(steps).abs();
    const near = x
      .mul(CUBIC + 2)
      .sub(CUBIC + 3)
      .mul(x)
      .mul(x)
      .add(1);
    const far = x.sub(5).mul(x).add(8).mul(x).sub(4).mul(CUBIC);
    return { tap, weight: x.lt(1).where(near, far) };
  }

  // --- rearranged pixels -------------------------------------------------------------------------------------------

  /**
   * Channels as blocks of pixels: [.., c r r, h, w] gives [.., c, h r, w r] (Shi and others, 2016).
   *
   * @example Tensor.arange(4).reshape([1, 4, 1, 1]).pixelShuffle(2); // => [[[[0, 1], [2, 3]]]]
   */
  pixelShuffle(factor: number): Tensor {
    checkFactor("pixelShuffle", this.self, factor, this.ndim >= 3 && this.sizeAt(-3) % factor ** 2 === 0);
    const [channels, rows, columns] = this.shape.slice(-3);
    const lead = this.shape.slice(0, -3);
    const n = lead.length;
    const blocks = Number(channels) / factor ** 2;
    return this.reshape([...lead, blocks, factor, factor, rows, columns])
      .permute([...lead.keys(), n, n + 3, n + 1, n + 4, n + 2])
      .flatten(n + 3)
      .flatten(n + 1, n + 2);
  }
  /** Blocks of pixels as channels, the inverse of pixelShuffle: [.., c, h r, w r] gives [.., c r r, h, w]. */
  pixelUnshuffle(factor: number): Tensor {
    const fits = this.ndim >= 3 && this.sizeAt(-2) % factor === 0 && this.sizeAt(-1) % factor === 0;
    checkFactor("pixelUnshuffle", this.self, factor, fits);
    const [channels, rows, columns] = this.sizes.slice(-3);
    const lead = this.shape.slice(0, -3);
    const n = lead.length;
    return this.reshape([...lead, channels, rows / factor, factor, columns / factor, factor])
      .permute([...lead.keys(), n, n + 2, n + 4, n + 1, n + 3])
      .flatten(n, n + 2);
  }
  /**
   * [b, c, ..] with the channels of `groups` groups dealt out in turn (Zhang and others, 2018).
   *
   * @example
   * Tensor.arange(4).reshape([1, 4]).channelShuffle(2); // => [[0, 2, 1, 3]]
   */
  channelShuffle(groups: number): Tensor {
    checkFactor("channelShuffle", this.self, groups, this.ndim >= 2 && this.sizeAt(1) % groups === 0);
    return this.unflatten(1, [groups, this.sizeAt(1) / groups])
      .transpose(1, 2)
      .flatten(1, 2);
  }
}

/** Places that lie in the image, after the padding mode; zeros leaves them. No gradient flows where they were cut. */
function boundedPlace(
  x: Tensor,
  length: number,
  mode: "zeros" | "border" | "reflection",
  alignCorners: boolean,
): Tensor {
  if (mode === "zeros") return x;
  let place = x;
  if (mode === "reflection") {
    // Mirrored at the middles or the edges of the outer elements.
    const low = alignCorners ? 0 : -0.5;
    const span = alignCorners ? length - 1 : length;
    if (span === 0) return x.mul(0);
    const far = x.sub(low).abs();
    const beyond = far.mod(span);
    const turned = far.detach().div(span).floor().mod(2).ne(0);
    place = turned.where(beyond.rsub(span), beyond).add(low);
  }
  const kept = place.gt(0).logicalAnd(place.lt(length - 1));
  return kept.where(place, place.detach().clamp(0, length - 1));
}

function interpolatedSizes(
  x: Tensor,
  rank: number,
  { size, scaleFactor, recomputeScaleFactor = false }: InterpolateOptions,
): { sizes: readonly number[]; factors: readonly number[] | undefined } {
  const given = size ?? scaleFactor;
  if (given === undefined || (size !== undefined && scaleFactor !== undefined))
    throw new TensorError(`interpolate: needs either a size or a scaleFactor for ${x}`);
  const list = typeof given === "number" ? new Array<number>(rank).fill(given) : given;
  const sizes = size !== undefined ? list : list.map((factor, i) => Math.floor(x.sizeAt(2 + i) * factor));
  const whole = sizes.every((n, i) => Number.isInteger(n) && n >= 1 && x.sizeAt(2 + i) >= 1);
  if (list.length !== rank || !whole) {
    throw new TensorError(
      `interpolate: ${x} cannot become [${sizes}]: it needs ${rank} sizes of at least 1, or as many factors`,
    );
  }
  return { sizes, factors: size !== undefined || recomputeScaleFactor ? undefined : list };
}

function checkFactor(operation: string, x: Tensor, factor: number, fits: boolean): void {
  if (!Number.isInteger(factor) || factor < 1 || !fits)
    throw new TensorError(`${operation}: ${x} does not divide into parts of ${factor}`);
}
