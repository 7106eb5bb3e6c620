// How attention learns where things stand: rotations of queries and keys, biases by distance, waves added to inputs.

import { iota } from "../graph/node.js";
import { accumulationType } from "../tensor/reduction.js";
import { Tensor } from "../tensor/tensor.js";
import { checkSizes } from "./weights.js";

export interface RotaryOptions {
  /** The base of the wavelengths; default 10000. */
  readonly theta?: number;
  /** How many of a head's elements are turned, the first ones; default all. */
  readonly rotated?: number;
  /** Whether pairs are neighbours (2i, 2i + 1), or element i of the first half with that of the second (the default). */
  readonly interleaved?: boolean;
  /** Positions are divided by it, which stretches what was learned over longer texts; default 1. */
  readonly scaling?: number;
}

export interface PositionOptions {
  /** The position of each place: integers or floats that broadcast to [.., length]; default 0, 1, 2, ... */
  readonly positions?: Tensor;
  /** Added to every position; default 0. */
  readonly offset?: number | Tensor;
}

/**
 * Rotary positions (Su and others, 2021): pair i of a place's elements is turned by position * theta^(-2i / rotated). Of
 * x [.., length, width], in the shape and dtype of x; angles are taken in float32.
 *
 * @example
 * new nn.RotaryEmbedding(16).forward(Tensor.randn([2, 4, 10, 16])).shape; // => [2, 4, 10, 16]
 */
export class RotaryEmbedding {
  private readonly rotated: number;
  private readonly interleaved: boolean;
  /** Turns of each pair per position. */
  private readonly frequencies: readonly number[];

  constructor(
    readonly width: number,
    { theta = 10000, rotated = width, interleaved = false, scaling = 1 }: RotaryOptions = {},
  ) {
    checkSizes("RotaryEmbedding", { width, rotated });
    if (rotated % 2 !== 0 || rotated > width)
      throw new Error(`RotaryEmbedding: ${rotated} elements of a width of ${width} make no pairs`);
    this.rotated = rotated;
    this.interleaved = interleaved;
    this.frequencies = waves(rotated, theta).map((frequency) => frequency / scaling);
  }

  forward(x: Tensor, { positions, offset = 0 }: PositionOptions = {}): Tensor {
    const { width, rotated, interleaved } = this;
    if (x.ndim < 2 || x.shape[x.ndim - 1] !== width)
      throw new Error(`RotaryEmbedding: ${x} should be [.., length, ${width}]`);
    const places = (positions ?? Tensor.ofNode(iota([x.shape[x.ndim - 2]], 0))).add(offset);
    const angles = places.float32().unsqueeze(-1).mul(Tensor.from(this.frequencies));
    const [cosine, sine] = [angles.cos(), angles.sin()];
    const wide = x.cast(accumulationType(x.dtype));
    const turning = wide.narrow(-1, 0, rotated);
    const pairs = interleaved ? turning.unflatten(-1, [-1, 2]) : turning.unflatten(-1, [2, -1]);
    const axis = interleaved ? -1 : -2;
    const [a, b] = [pairs.select(axis, 0), pairs.select(axis, 1)];
    const turned = [a.mul(cosine).sub(b.mul(sine)), b.mul(cosine).add(a.mul(sine))];
    const joined = Tensor.stack(turned, axis).flatten(-2).cast(x.dtype);
    return rotated === width ? joined : joined.cat(-1, x.narrow(-1, rotated, width - rotated));
  }
}

/** theta^(-2i / width) for each pair i of `width` elements. */
const waves = (width: number, theta: number): number[] =>
  Array.from({ length: Math.ceil(width / 2) }, (_, i) => theta ** ((-2 * i) / width));

/**
 * sin and cos of position * theta^(-2i / width), by turns: [length, width] (Vaswani and others, 2017).
 *
 * @example
 * nn.sinusoidalPositions(10, 16).shape; // => [10, 16]
 */
export function sinusoidalPositions(
  length: number,
  width: number,
  { theta = 10000 }: { readonly theta?: number } = {},
): Tensor {
  checkSizes("sinusoidalPositions", { length, width });
  const angles = Tensor.arange(length)
    .float32()
    .unsqueeze(1)
    .mul(Tensor.from(waves(width, theta)));
  return Tensor.stack([angles.sin(), angles.cos()], -1).flatten(1).narrow(1, 0, width);
}

/**
 * The slope of each head's bias (Press and others, 2021), [heads]: 2^(-8i / n) for i from 1 to n, a power of 2; more
 * heads take every other slope of 2n.
 */
export function alibiSlopes(heads: number): Tensor {
  checkSizes("alibiSlopes", { heads });
  const whole = 2 ** Math.floor(Math.log2(heads));
  const slopes = (n: number): number[] => Array.from({ length: n }, (_, i) => 2 ** ((-8 * (i + 1)) / n));
  const others = slopes(2 * whole).filter((_, i) => i % 2 === 0);
  return Tensor.from([...slopes(whole), ...others.slice(0, heads - whole)]);
}

/**
 * What ALiBi adds to the scores, [heads, queries, keys]: minus the slope times the distance of query and key. The last
 * query stands at the last key.
 *
 * @example
 * nn.alibiBias(8, 10).shape; // => [8, 10, 10]
 */
export function alibiBias(heads: number, queries: number, keys = queries): Tensor {
  const row = Tensor.arange(keys - queries, keys).unsqueeze(1);
  const distance = row.sub(Tensor.arange(keys)).abs().float32();
  return distance.mul(alibiSlopes(heads).reshape([heads, 1, 1])).neg();
}
