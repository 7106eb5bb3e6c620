// Tensors in other sizes, and at grids of places. For each place of an axis the host computes which elements it is a sum of,
// and by which weights; the sums are Tensor's.

import type { AxisTaps } from "../../tensor/interpolation.js";
import { Tensor } from "../../tensor/tensor.js";
import { moveValue } from "../moving.js";
import type { Call, Operators, Result } from "../operator.js";
import { TensorValue } from "../value.js";

/** How one axis is resized. */
interface Axis {
  readonly from: number;
  readonly to: number;
  /** Places of the result for each of the input. */
  readonly scale: number;
  /** The part of the axis that is resized, for the mode that crops. */
  readonly start: number;
  readonly end: number;
}

/** Where a place of the result lies between the elements of the input. */
type Place = (axis: Axis, i: number) => number;

const halfPixel: Place = ({ scale }, i) => (i + 0.5) / scale - 0.5;

const PLACES: Readonly<Record<string, Place>> = {
  half_pixel: halfPixel,
  // Places keep their distance from the middle, though the size was rounded.
  half_pixel_symmetric: ({ from, to, scale }, i) => {
    const adjustment = to / (scale * from);
    return (from / 2) * (1 - adjustment) + (i + 0.5) / scale - 0.5;
  },
  pytorch_half_pixel: (axis, i) => (axis.to > 1 ? halfPixel(axis, i) : 0),
  // The size counts as it was before it was rounded.
  align_corners: ({ from, to, scale }, i) => (to === 1 ? 0 : (i * (from - 1)) / (scale * from - 1)),
  asymmetric: ({ scale }, i) => i / scale,
  tf_half_pixel_for_nn: ({ scale }, i) => (i + 0.5) / scale,
  tf_crop_and_resize: ({ from, to, start, end }, i) =>
    (to > 1 ? start + (i * (end - start)) / (to - 1) : (start + end) / 2) * (from - 1),
};

const NEAREST: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** A kernel by the distance from its middle, and how far it reaches. */
interface Kernel {
  readonly reach: number;
  readonly weight: (distance: number) => number;
}

const LINEAR: Kernel = { reach: 1, weight: (x) => Math.max(0, 1 - x) };

/** Cubic convolution (Keys, 1981). */
const cubic = (a: number): Kernel => ({
  reach: 2,
  weight: (x) => {
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0;
  },
});

interface Weighting {
  readonly kernel: Kernel;
  /** Whether the kernel is as wide as a place of the result, if that is more than one of the input. */
  readonly antialias: boolean;
  /** Whether elements outside count nothing, instead of as those at the edge. */
  readonly excludeOutside: boolean;
}

type Tap = readonly [place: number, weight: number];

/** The elements around a place, and their weights. */
function tapsAt(x: number, axis: Axis, { kernel, antialias, excludeOutside }: Weighting): Tap[] {
  const narrowing = antialias ? Math.min(1, axis.scale) : 1;
  const reach = kernel.reach / narrowing;
  const first = antialias ? Math.ceil(x - reach) : Math.floor(x) - kernel.reach + 1;
  const last = antialias ? Math.floor(x + reach) : Math.floor(x) + kernel.reach;
  const taps: Tap[] = [];
  for (let place = first; place <= last; place++) {
    const outside = place < 0 || place >= axis.from;
    const weight = outside && excludeOutside ? 0 : kernel.weight(Math.abs(place - x) * narrowing);
    taps.push([Math.min(axis.from - 1, Math.max(0, place)), weight]);
  }
  const sum = antialias || excludeOutside ? taps.reduce((total, [, weight]) => total + weight, 0) : 1;
  return taps.map(([place, weight]) => [place, weight / sum]);
}

const SAME: Omit<AxisTaps, "count"> = {
  taps: 1,
  places: [],
  weights: undefined,
  repeats: undefined,
  same: true,
};

function nearestTable(axis: Axis, place: Place, round: (x: number) => number): AxisTaps {
  const places = Array.from({ length: axis.to }, (_, i) =>
    Math.min(axis.from - 1, Math.max(0, round(place(axis, i)))),
  );
  const repeats = axis.to / axis.from;
  const even = Number.isInteger(repeats) && places.every((from, i) => from === Math.floor(i / repeats));
  return { ...SAME, count: axis.to, places, repeats: even ? repeats : undefined, same: false };
}

function weightedTable(axis: Axis, place: Place, weighting: Weighting): AxisTaps {
  const rows = Array.from({ length: axis.to }, (_, i) => tapsAt(place(axis, i), axis, weighting));
  const taps = Math.max(...rows.map((row) => row.length));
  const filled = rows.map((row) => Array.from({ length: taps }, (_, k): Tap => row[k] ?? [0, 0]));
  return {
    ...SAME,
    count: axis.to,
    taps,
    places: filled.flatMap((row) => row.map(([place]) => place)),
    weights: filled.flatMap((row) => row.map(([, weight]) => weight)),
    same: false,
  };
}

/** Sizes of the result and scales, of each axis. */
function axesOf(call: Call, x: Tensor): Axis[] {
  const legacy = call.version < 11;
  const named = (call.ints("axes") ?? x.shape.map((_, axis) => axis)).map((axis) => call.axis(axis, x.ndim));
  const spread = <T>(list: readonly T[], otherwise: (axis: number) => T): T[] =>
    x.shape.map((_, axis) => (named.includes(axis) ? list[named.indexOf(axis)] : otherwise(axis)));
  const numbers = (i: number): number[] | undefined => {
    if (!call.has(i) || call.typed(i).size === 0) return undefined;
    return Array.from(call.known(i) as ArrayLike<number>, Number);
  };
  const roi =
    legacy || call.text("coordinate_transformation_mode") !== "tf_crop_and_resize" ? undefined : numbers(1);
  const starts = spread(roi?.slice(0, named.length) ?? named.map(() => 0), () => 0);
  const ends = spread(roi?.slice(named.length) ?? named.map(() => 1), () => 1);
  const sizes = legacy ? undefined : numbers(3);
  const scales = legacy ? (numbers(1) ?? call.floats("scales")) : numbers(2);
  const axis = (i: number, to: number, scale: number): Axis => ({
    from: x.sizeAt(i),
    to,
    scale,
    start: starts[i],
    end: ends[i],
  });
  if (sizes === undefined) {
    const factors = spread(scales ?? call.fail("it needs scales or sizes"), () => 1);
    return x.sizes.map((from, i) => axis(i, Math.floor(from * factors[i]), factors[i]));
  }
  const wanted = spread(sizes, (i) => x.sizeAt(i));
  const policy = call.text("keep_aspect_ratio_policy", "stretch");
  if (policy === "stretch") return x.sizes.map((from, i) => axis(i, wanted[i], wanted[i] / from));
  const ratios = named.map((i) => wanted[i] / x.sizeAt(i));
  const scale = policy === "not_larger" ? Math.min(...ratios) : Math.max(...ratios);
  return x.sizes.map((from, i) =>
    named.includes(i) ? axis(i, Math.floor(from * scale + 0.5), scale) : axis(i, from, 1),
  );
}

function resize(call: Call): Result {
  const x = call.tensor(0);
  const { type } = call.typed(0);
  const axes = axesOf(call, x);
  const legacy = call.version < 11;
  const mode = call.text("mode", "nearest");
  const way = call.text("coordinate_transformation_mode", legacy ? "asymmetric" : "half_pixel");
  const place = PLACES[way] ?? call.fail(`there is no coordinate_transformation_mode "${way}"`);
  const isSame = ({ from, to, scale }: Axis): boolean =>
    from === to && scale === 1 && way !== "tf_crop_and_resize";
  const same = ({ to }: Axis): AxisTaps => ({ ...SAME, count: to });
  if (mode === "nearest") {
    const rounding = call.text("nearest_mode", legacy ? "floor" : "round_prefer_floor");
    const round = NEAREST[rounding] ?? call.fail(`there is no nearest_mode "${rounding}"`);
    const tables = axes.map((axis) => (isSame(axis) ? same(axis) : nearestTable(axis, place, round)));
    return outside(call, moveValue(call.typed(0), (x) => x.resampled(tables)) as TensorValue, axes, way);
  }
  if (mode !== "linear" && mode !== "bilinear" && mode !== "cubic")
    return call.fail(`there is no mode "${mode}"`);
  const weighting: Weighting = {
    kernel: mode === "cubic" ? cubic(call.float("cubic_coeff_a", -0.75)) : LINEAR,
    antialias: call.flag("antialias"),
    excludeOutside: call.flag("exclude_outside"),
  };
  const tables = axes.map((axis) => (isSame(axis) ? same(axis) : weightedTable(axis, place, weighting)));
  const wide = x.dtype === "float64" ? x : x.cast("float32");
  return outside(call, TensorValue.of(wide.resampled(tables).cast(x.dtype), type), axes, way);
}

/** What was cropped from outside of the tensor has a value of its own. */
function outside(call: Call, value: TensorValue, axes: readonly Axis[], way: string): Result {
  if (way !== "tf_crop_and_resize") return value;
  const inside = axes.flatMap((axis, k) => {
    const flags = Uint8Array.from({ length: axis.to }, (_, i) => {
      const x = PLACES[way](axis, i);
      return x >= 0 && x <= axis.from - 1 ? 1 : 0;
    });
    if (flags.every((flag) => flag === 1)) return [];
    return [Tensor.from(flags, { dtype: "bool", shape: axes.map((_, i) => (i === k ? axis.to : 1)) })];
  });
  if (inside.length === 0) return value;
  const all = inside.reduce((a, b) => a.logicalAnd(b));
  return TensorValue.of(all.where(value.tensor, call.float("extrapolation_value", 0)), value.type);
}

function gridSample(call: Call): Tensor {
  const mode = call.text("mode", "bilinear");
  const names = {
    linear: "bilinear",
    bilinear: "bilinear",
    nearest: "nearest",
    cubic: "bicubic",
    bicubic: "bicubic",
  } as const;
  const padding = call.text("padding_mode", "zeros");
  if (!Object.hasOwn(names, mode)) call.fail(`there is no mode "${mode}"`);
  if (padding !== "zeros" && padding !== "border" && padding !== "reflection")
    return call.fail(`there is no padding_mode "${padding}"`);
  return call.tensor(0).gridSample(call.tensor(1), {
    mode: names[mode as keyof typeof names],
    paddingMode: padding,
    alignCorners: call.flag("align_corners"),
  });
}

export const resizing: Operators = {
  Resize: resize,
  Upsample: resize,
  GridSample: gridSample,
  AffineGrid: (call) =>
    call.tensor(0).affineGrid(call.integers(1), { alignCorners: call.flag("align_corners") }),
};
