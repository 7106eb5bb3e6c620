// Where the elements of a resized axis come from: for each place of the result the places of the input that it is a
// weighted sum of. Tables are made on the host, in the rounding in which PyTorch computes them, so that a place that
// falls between two elements falls to the same one.

export type InterpolationKernel = "nearest" | "nearest-exact" | "linear" | "cubic";

export interface ResizedAxis {
  /** Lengths of the axis. */
  readonly from: number;
  readonly to: number;
  /** The factor that was asked for, if places follow from it and not from the lengths. */
  readonly factor: number | undefined;
  readonly kernel: InterpolationKernel;
  readonly alignCorners: boolean;
  readonly antialias: boolean;
  /** Whether places and weights are float64 numbers; else they are rounded to float32. */
  readonly wide: boolean;
}

/** For each of `count` places of the result `taps` places of the input, and their weights unless each is 1. */
export interface AxisTaps {
  readonly count: number;
  readonly taps: number;
  readonly places: readonly number[];
  readonly weights: readonly number[] | undefined;
  /** Each element of the input is taken so often, one after the other. */
  readonly repeats: number | undefined;
  /** The axis stays as it is. */
  readonly same: boolean;
}

/** A place of the input, and its weight. */
type Tap = readonly [place: number, weight: number];

export function axisTaps(axis: ResizedAxis): AxisTaps {
  const { from, to, kernel } = axis;
  const all = Array.from({ length: to }, (_, i) => i);
  if (kernel === "nearest" || kernel === "nearest-exact") {
    const places = all.map((i) => nearestPlace(axis, i));
    const repeats = to % from === 0 ? to / from : 0;
    const even = repeats > 0 && places.every((place, i) => place === Math.floor(i / repeats));
    return {
      count: to,
      taps: 1,
      places,
      weights: undefined,
      repeats: even ? repeats : undefined,
      same: even && repeats === 1,
    };
  }
  const scale = scaleOf(axis);
  const tapsOf = axis.antialias ? antialiasedTaps : kernel === "linear" ? linearTaps : cubicTaps;
  const rows = all.map((i) => tapsOf(axis, scale, i));
  const taps = Math.max(...rows.map((row) => row.length));
  // Places without weight are the last one's.
  const filled = rows.map((row) =>
    Array.from({ length: taps }, (_, j): Tap => row[j] ?? [row[row.length - 1][0], 0]),
  );
  return {
    count: to,
    taps,
    places: filled.flatMap((row) => row.map(([place]) => place)),
    weights: filled.flatMap((row) => row.map(([, weight]) => weight)),
    repeats: undefined,
    same: from === to && (scale === 1 || (kernel === "linear" && !axis.antialias)),
  };
}

const rounding = ({ wide }: ResizedAxis): ((x: number) => number) => (wide ? (x) => x : Math.fround);

/** Places of the input from one place of the result to the next. */
function scaleOf(axis: ResizedAxis): number {
  const { from, to, factor, alignCorners } = axis;
  const round = rounding(axis);
  if (alignCorners) return to > 1 ? round((from - 1) / (to - 1)) : 0;
  return round(factor === undefined ? from / to : 1 / factor);
}

/** Always in float32, as PyTorch has it. */
function nearestPlace({ from, to, factor, kernel }: ResizedAxis, i: number): number {
  if (kernel === "nearest" && to === from) return i;
  if (kernel === "nearest" && to === 2 * from) return Math.floor(i / 2);
  const scale = Math.fround(factor === undefined ? from / to : 1 / factor);
  const place = Math.floor(Math.fround((kernel === "nearest" ? i : i + 0.5) * scale));
  return Math.min(place, from - 1);
}

/** The place of the input under place i of the result, between elements. */
function sourcePlace(axis: ResizedAxis, scale: number, i: number): number {
  const round = rounding(axis);
  return axis.alignCorners ? round(scale * i) : round(round(scale * (i + 0.5)) - 0.5);
}

function linearTaps(axis: ResizedAxis, scale: number, i: number): Tap[] {
  const last = axis.from - 1;
  const place = Math.max(0, sourcePlace(axis, scale, i));
  const before = Math.min(Math.floor(place), last);
  const part = rounding(axis)(Math.min(1, Math.max(0, place - before)));
  return [
    [before, rounding(axis)(1 - part)],
    [Math.min(before + 1, last), part],
  ];
}

function cubicTaps(axis: ResizedAxis, scale: number, i: number): Tap[] {
  const last = axis.from - 1;
  const place = sourcePlace(axis, scale, i);
  const before = Math.min(Math.floor(place), last);
  const part = Math.min(1, Math.max(0, place - before));
  return [-1, 0, 1, 2].map((step): Tap => {
    const tap = Math.min(last, Math.max(0, before + step));
    return [tap, rounding(axis)(cubicWeight(Math.abs(part - step), CUBIC))];
  });
}

/** The kernel as wide as a place of the result, if that is more than one of the input; weights add up to 1. */
function antialiasedTaps(axis: ResizedAxis, scale: number, i: number): Tap[] {
  const round = rounding(axis);
  const widening = Math.max(scale, 1);
  const support = round((axis.kernel === "linear" ? 1 : 2) * widening);
  const centre = round(scale * (i + 0.5));
  const start = Math.max(0, Math.trunc(round(round(centre - support) + 0.5)));
  const end = Math.min(axis.from, Math.trunc(round(round(centre + support) + 0.5)));
  const inverse = round(1 / widening);
  const weights = Array.from({ length: Math.max(1, end - start) }, (_, j) => {
    const distance = Math.abs((j + start - centre + 0.5) * inverse);
    return axis.kernel === "linear" ? Math.max(0, 1 - distance) : cubicWeight(distance, ANTIALIASED_CUBIC);
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map(
    (weight, j): Tap => [Math.min(start + j, axis.from - 1), round(total === 0 ? weight : weight / total)],
  );
}

/** The slope of the cubic kernel at distance 1: what PyTorch takes for bicubic, and for bicubic with antialias. */
export const CUBIC = -0.75;
const ANTIALIASED_CUBIC = -0.5;

/** Cubic convolution (Keys, 1981): the weight of an element at a distance. */
function cubicWeight(x: number, a: number): number {
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}
