// Convolutions with fewer multiplications, after Winograd: along one axis, four outputs of a kernel of three are had from
// six products instead of twelve. Values of two polynomials at six points are multiplied, the result is interpolated:
//
//   y = A (G w * B x),   x six places, w three weights, y four sums
//
// As an algebraic rewrite of the sum it is three contractions, of which the one in the middle is the whole work, and its
// gradients are such again. The other axes stay as they are: transforming them, too, would need fewer multiplications
// still, but four times the memory where this needs half as much again, and errors grow with each axis.
//
// The points are 0, +-3/4, +-3/2 and infinity: errors are 1.4 times those of a plain sum in float32, where the usual
// 0, +-1, +-2 make them twice as large (measured; Barabasz and others 2020 say why). See Lavin and Gray 2016.

import { storeBytes } from "../engine/engine.js";
import type { Node } from "../graph/node.js";
import { encodeElements } from "../scalar/convert.js";
import type { Tensor } from "./tensor.js";

/** Outputs of a tile. */
const OUTPUTS = 4;
/** Elements of the kernel along the axis. */
const TAPS = 3;
const POINTS = [0, 3 / 4, -3 / 4, 3 / 2, -3 / 2];
/** Products of a tile, one a point. */
const PRODUCTS = OUTPUTS + TAPS - 1;

type Matrix = readonly (readonly number[])[];

/** The coefficients of a polynomial times (x - root), the constant term first. */
const timesRoot = (p: readonly number[], root: number): number[] =>
  [...p, 0].map((c, i) => (p[i - 1] ?? 0) - root * (i < p.length ? c : 0));

const others = (point: number): number[] => POINTS.filter((p) => p !== point);
const powers = (point: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => point ** i);
/** What takes the leading coefficient: the value at infinity. */
const leading = (count: number): number[] =>
  Array.from({ length: count }, (_, i) => (i === count - 1 ? 1 : 0));

/** [products, taps]: values of the kernel, divided by what the interpolation divides by. */
const KERNEL: Matrix = [
  ...POINTS.map((point) => {
    const divisor = others(point).reduce((d, other) => d * (point - other), 1);
    return powers(point, TAPS).map((x) => x / divisor);
  }),
  leading(TAPS),
];

/** [products, places]: the transpose of interpolation. A tile has two blocks of places, the last two of which are unused. */
const IMAGE: Matrix = [...POINTS.map(others), POINTS].map((roots) => {
  const p = roots.reduce(timesRoot, [1]);
  return Array.from({ length: 2 * OUTPUTS }, (_, i) => p[i] ?? 0);
});

/** [outputs, products]: the transpose of evaluation. */
const RESULT: Matrix = Array.from({ length: OUTPUTS }, (_, i) => [
  ...POINTS.map((point) => point ** i),
  i === OUTPUTS - 1 ? 1 : 0,
]);

const matrices = new Map<string, Node>();

/** A matrix in a dtype, of the class of x. */
function constant(x: Tensor, name: "kernel" | "image" | "result", matrix: Matrix): Tensor {
  const key = `${name} ${x.dtype}`;
  let node = matrices.get(key);
  if (node === undefined) {
    node = storeBytes(encodeElements(matrix.flat(), x.dtype), x.dtype, [matrix.length, matrix[0].length]);
    matrices.set(key, node);
  }
  return (x.constructor as typeof Tensor).ofNode(node);
}

/** Channels in and out of a group, and places of the result, from which tiles save more than transforms cost. */
const FEWEST_CHANNELS = 16;
const FEWEST_PLACES = 512;

/** What a convolution is: [b, g, c, h, ..] under [g, o, c, kh, ..], one number for each axis from h on. */
export interface TiledConvolution {
  readonly image: Tensor;
  readonly filters: Tensor;
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
}

/** Whether a convolution can be taken in tiles along h, and is large enough for that to pay. */
export function paysInTiles({ image, filters, strides, dilations }: TiledConvolution): boolean {
  const [, outputs, channels, ...kernel] = filters.sizes;
  if (kernel.length < 2 || kernel[0] !== TAPS || dilations[0] !== 1 || strides.some((n) => n !== 1))
    return false;
  const axes = image.shape.slice(3);
  if (axes.some((d) => typeof d !== "number")) return false;
  const lengths = kernel.map((size, i) => (axes[i] as number) - dilations[i] * (size - 1));
  const batch = image.shape[0];
  const places = lengths.reduce((n, d) => n * d, typeof batch === "number" ? batch : 1);
  return Math.min(outputs, channels) >= FEWEST_CHANNELS && places >= FEWEST_PLACES;
}

/** The image, which has its border, under the filters, along h in tiles: [b, g, o, oh, ..]. */
export function convolveInTiles({ image, filters, dilations }: TiledConvolution): Tensor {
  const sizes = filters.sizes.slice(4);
  const apart = sizes.map(() => 1);
  const rows = image.sizeAt(3) - TAPS + 1;
  const tiles = Math.ceil(rows / OUTPUTS);
  const missing = (tiles + 1) * OUTPUTS - image.sizeAt(3);
  const whole = image.pad(image.shape.map((_, i): [number, number] => [0, i === 3 ? missing : 0]));
  // [b, g, c, t, 2, 4, ..]: the places of a tile are two blocks, so that tiles overlap in steps of whole blocks.
  const places = whole
    .unflatten(3, [tiles + 1, OUTPUTS])
    .unfold(3, 2, 1)
    .movedim(-1, 4);
  const toImage = constant(image, "image", IMAGE).reshape([PRODUCTS, 1, 1, 1, 1, 2, OUTPUTS, ...apart]);
  const values = places.unsqueeze(0).mul(toImage).sum([5, 6]).contiguous();
  const toKernel = constant(image, "kernel", KERNEL).reshape([PRODUCTS, 1, 1, 1, TAPS, ...apart]);
  const weights = filters.unsqueeze(0).mul(toKernel).sum(4).contiguous();
  // [6, b, g, 1, c, t, .., ..] x [6, 1, g, o, c, 1, .., ..]
  const windows = sizes.reduce(
    (x, size, i) => x.unfold(6 + i, size, 1, dilations[1 + i]),
    values.unsqueeze(3),
  );
  const [groups, outputs, channels] = filters.sizes;
  const shaped = weights.reshape([PRODUCTS, 1, groups, outputs, channels, 1, ...apart, ...sizes]);
  const sums = windows
    .mul(shaped)
    .sum([4, ...sizes.map((_, i) => 6 + sizes.length + i)])
    .contiguous();
  const toResult = constant(image, "result", RESULT)
    .transpose()
    .reshape([PRODUCTS, 1, 1, 1, 1, OUTPUTS, ...apart]);
  return sums.unsqueeze(5).mul(toResult).sum(0).flatten(3, 4).narrow(3, 0, rows);
}
