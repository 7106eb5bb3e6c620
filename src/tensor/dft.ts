// The discrete Fourier transform as dense products by small constant matrices: a length that is a product is transformed
// in stages (Cooley and Tukey, 1965), each a contraction of two dozen places or so; a length with a large prime factor by
// a convolution with a chirp (Bluestein, 1970). Complex numbers are planes: an axis of 2 before the axis transformed.

import { storeBytes } from "../engine/engine.js";
import { encodeElements } from "../scalar/convert.js";
import type { DType } from "../scalar/dtype.js";
import type { Tensor } from "./tensor.js";

/** Up to this length a transform is one product; stages are at most half as wide. */
const DENSE = 64;
const WIDEST_STAGE = 32;
/** What a stage costs beside its products, in operations an element. */
const STAGE_COST = 40;

/** e^(sign * i * angle) summed over places: -1 forwards, 1 backwards. */
export type Sign = -1 | 1;

/**
 * X[k] = sum over j of x[j] e^(sign 2 pi i j k / n) along the last axis of planes [.., 2, n] (or [.., 1, n] of real
 * numbers): [.., 2, n]. The dtype is float32 or float64.
 */
export function transform(x: Tensor, sign: Sign): Tensor {
  const n = x.sizeAt(-1);
  const stages = stagesOf(n);
  if (stages === undefined) return chirp(x, sign);
  let [y, length] = [x, n];
  const widths: number[] = [];
  for (const width of stages.slice(0, -1)) {
    const rest = length / width;
    // Place j1 * rest + j2 to [.., planes, j1, j2]; the sum over j1 leaves [.., k1, planes, j2].
    y = turned(product(y.unflatten(-1, [width, rest]), sign)).contiguous();
    y = twiddled(y, width, rest, sign).contiguous();
    widths.push(width);
    length = rest;
  }
  y = product(y.unsqueeze(-1), sign).squeeze(-1);
  if (widths.length === 0) return y;
  // Stored as it comes: products that were written in the last order would step far from place to place.
  y = y.contiguous();
  // [.., k1, k2, .., planes, k] to [.., planes, k * .. + k2 * width + k1].
  const lead = y.ndim - 2 - widths.length;
  const axes = widths.map((_, i) => lead + i).reverse();
  const kept = Array.from({ length: lead }, (_, i) => i);
  return y.permute([...kept, y.ndim - 2, y.ndim - 1, ...axes]).flatten(lead + 1);
}

/** [.., planes, k, j] to [.., k, planes, j]. */
const turned = (x: Tensor): Tensor => x.transpose(-3, -2);

/** Widths of the stages with the least work; undefined if a factor is too large. */
function stagesOf(n: number): readonly number[] | undefined {
  const best = new Map<number, { readonly cost: number; readonly stages: readonly number[] } | undefined>();
  const search = (
    length: number,
  ): { readonly cost: number; readonly stages: readonly number[] } | undefined => {
    if (best.has(length)) return best.get(length);
    let found: { readonly cost: number; readonly stages: readonly number[] } | undefined;
    if (length <= DENSE) found = { cost: 4 * length, stages: [length] };
    for (let width = 2; width <= WIDEST_STAGE; width++) {
      if (length % width !== 0 || length === width) continue;
      const rest = search(length / width);
      if (rest === undefined) continue;
      const cost = rest.cost + 4 * width + STAGE_COST;
      if (found === undefined || cost < found.cost) found = { cost, stages: [width, ...rest.stages] };
    }
    best.set(length, found);
    return found;
  };
  return search(n)?.stages;
}

/** The transform along the axis before the last, of planes [.., p, n, m]: [.., 2, n, m]. */
function product(x: Tensor, sign: Sign): Tensor {
  const [planes, n] = [x.sizeAt(-3), x.sizeAt(-2)];
  const matrix = table(x, `dense ${sign} ${planes} ${n}`, [2, n, planes, n, 1], (part, k, plane, j) => {
    const [re, im] = root(((j as number) * (k as number)) % n, n, sign);
    // (re + i im) times plane 0 as it is, plane 1 times i.
    if (part === 0) return plane === 0 ? re : -im;
    return plane === 0 ? im : re;
  });
  return x.unsqueeze(-4).unsqueeze(-4).mul(matrix).sum([-3, -2]);
}

/** Planes [.., k, 2, j] times e^(sign 2 pi i j k / (width * rest)). */
function twiddled(x: Tensor, width: number, rest: number, sign: Sign): Tensor {
  const n = width * rest;
  const [re, im] = [0, 1].map((part) =>
    table(x, `twiddle ${sign} ${width} ${rest} ${part}`, [width, 2, rest], (k, plane, j) => {
      const value = root((k * (j as number)) % n, n, sign);
      return part === 0 ? value[0] : plane === 0 ? -value[1] : value[1];
    }),
  );
  return x.mul(re).add(x.flip(-2).mul(im));
}

/** Of any length, by a convolution: j k = (j^2 + k^2 - (k - j)^2) / 2. */
function chirp(x: Tensor, sign: Sign): Tensor {
  const n = x.sizeAt(-1);
  let m = 1;
  while (m < 2 * n - 1) m *= 2;
  // j^2 modulo 2n, exact: a square may be beyond 2^53.
  const square = (j: number): number => Number((BigInt(j) * BigInt(j)) % BigInt(2 * n));
  const wave = (j: number, direction: Sign): readonly [number, number] => root(square(j), 2 * n, direction);
  const waves = (direction: Sign): Tensor =>
    table(x, `chirp ${direction} ${n}`, [2, n], (plane, j) => wave(j as number, direction)[plane]);
  const filter = table(x, `chirp filter ${sign} ${n} ${m}`, [2, m], (plane, j) => {
    const distance = Math.min(j as number, m - (j as number));
    return distance < n ? wave(distance, -sign as Sign)[plane] : 0;
  });
  const modulated = times(x.sizeAt(-2) === 1 ? withZeros(x) : x, waves(sign)).contiguous();
  const border = x.shape.map((_, i): [number, number] => [0, i === x.ndim - 1 ? m - n : 0]);
  const spectrum = transform(modulated.pad(border), -1);
  const filtered = times(spectrum, transform(filter, -1).contiguous()).contiguous();
  const convolved = transform(filtered, 1).narrow(-1, 0, n).div(m);
  return times(convolved.contiguous(), waves(sign));
}

/** Complex products of planes [.., 2, n]. */
function times(x: Tensor, y: Tensor): Tensor {
  const [re, im] = [0, 1].map((plane) => y.narrow(-2, plane, 1));
  const [left, right] = [0, 1].map((plane) => x.narrow(-2, plane, 1));
  return left
    .mul(re)
    .sub(right.mul(im))
    .cat(-2, left.mul(im).add(right.mul(re)));
}

/** Real planes with imaginary ones of 0. */
const withZeros = (x: Tensor): Tensor => x.cat(-2, x.zerosLike());

/** e^(sign 2 pi i j / n), from the nearest quarter turn. */
function root(j: number, n: number, sign: Sign): readonly [number, number] {
  const quarter = Math.round((4 * j) / n);
  const angle = (2 * Math.PI * (j - (quarter * n) / 4)) / n;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [re, im] = [
    [cos, sin],
    [-sin, cos],
    [-cos, -sin],
    [sin, -cos],
  ][quarter % 4];
  return [re, sign * im];
}

// ---------------------------------------------------------------------------------------------------------------
// Tables

/** Elements that are kept for the next transforms of the same lengths. */
const KEPT = 1 << 22;
const tables = new Map<string, Tensor>();
let kept = 0;

/** A constant tensor by its places, in the dtype and of the class of x. */
function table(
  x: Tensor,
  key: string,
  shape: readonly number[],
  value: (...place: readonly number[]) => number,
): Tensor {
  const full = `${key} ${x.dtype}`;
  const known = tables.get(full);
  if (known !== undefined) return known;
  const size = shape.reduce((n, d) => n * d, 1);
  const values = Array.from({ length: size }, (_, flat) => {
    const place: number[] = [];
    let rest = flat;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place[axis] = rest % shape[axis];
      rest = Math.floor(rest / shape[axis]);
    }
    return value(...place);
  });
  const dtype: DType = x.dtype;
  const made = (x.constructor as typeof Tensor).ofNode(
    storeBytes(encodeElements(values, dtype), dtype, shape),
  );
  for (const [old, tensor] of tables) {
    if (kept + size <= KEPT) break;
    tables.delete(old);
    kept -= tensor.size;
  }
  tables.set(full, made);
  kept += size;
  return made;
}
