// Random numbers: Threefry bits of a counter. The counter is an element's place and the number of the draw, the key is
// the seed. Seed and draw number are state as any tensor's is, so that a captured step draws fresh numbers at each
// replay; one seed gives the same bits on every device.

import {
  binary,
  castNode,
  constNode,
  expand,
  iota,
  type Node,
  reshape,
  type Shape,
  sizeOf,
  threefry,
  unary,
} from "../graph/node.js";
import { type DType, isFloat } from "../scalar/dtype.js";
import { TensorError } from "./core.js";
import { Assignment } from "./assignment.js";
import { isTracked, TensorStorage } from "./storage.js";
import type { Tensor } from "./tensor.js";

const word = (value: number): Node => constNode(value >>> 0, "uint32");

const seed = new TensorStorage(word(0));
const draws = new TensorStorage(word(0));

/** Starts the random numbers anew: the same seed is followed by the same draws. An integer below 2^32. */
export function manualSeed(value: number): void {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32)
    throw new RangeError(`manualSeed: the seed must be an integer in [0, 2^32), got ${value}`);
  seed.replace(word(value));
  draws.replace(word(0));
}

/** The next draw number. It stays one addition deep, and a constant as long as nothing captured has drawn. */
function nextDraw(): Node {
  const now = draws.current;
  let [base, count] = [now, 1];
  if (now.storage === undefined && now.op === "add" && now.inputs[1].op === "const")
    [base, count] = [now.inputs[0], Number(now.inputs[1].value) + 1];
  const known = now.op === "const" && !isTracked();
  draws.replace(known ? word(Number(now.value) + 1) : binary("add", base, word(count)));
  return now;
}

/** Random bits for each place of a shape. */
export function randomBits(shape: Shape): Node {
  const size = sizeOf(shape);
  const spread = (x: Node): Node => expand(reshape(x, [1]), [size]);
  const flat = threefry(iota([size], 0, "uint32"), spread(nextDraw()), spread(seed.current));
  return reshape(flat, shape);
}

/** Bits of a float dtype's significand: as many as make every multiple of 2^-n below 1 a number of its own. */
const SIGNIFICAND: Partial<Record<DType, number>> = {
  float8e5m2: 3,
  float8e4m3: 4,
  bfloat16: 8,
  float16: 11,
  float32: 24,
  float64: 32,
};

export abstract class Random extends Assignment {
  /** True with the probability this holds, for each element. */
  bernoulli(): Tensor {
    const x = this.toFloats();
    return this.wrap(uniformNode(x.shape, x.dtype === "float64" ? "float64" : "float32", 0)).lt(x);
  }
  /** Zero with probability p, else this / (1 - p); unchanged if not `training`. */
  dropout(p = 0.5, { training = true }: { readonly training?: boolean } = {}): Tensor {
    if (!(p >= 0 && p <= 1)) throw new TensorError(`dropout: the probability must be in [0, 1], got ${p}`);
    if (!training || p === 0) return this.self;
    if (p === 1) return this.mul(0);
    const kept = this.wrap(uniformNode(this.shape, "float32", 0)).ge(p);
    return kept.where(this.toFloats().mul(1 / (1 - p)), 0);
  }
}

function floatType(operation: string, dtype: DType): DType {
  if (!isFloat(dtype)) throw new TensorError(`${operation}: ${dtype} is not a float dtype`);
  return dtype;
}

/** Uniform in [0, 1), or (0, 1] if `lift` is 1. */
export function uniformNode(shape: Shape, dtype: DType, lift: 0 | 1): Node {
  const significand = SIGNIFICAND[floatType("rand", dtype)]!;
  const share = (x: Node, op: "shr" | "add" | "mul", by: number): Node =>
    binary(op, x, constNode(by, x.dtype, shape));
  const whole = castNode(
    significand === 32 ? randomBits(shape) : share(randomBits(shape), "shr", 32 - significand),
    dtype,
  );
  if (dtype !== "float64")
    return share(lift === 0 ? whole : share(whole, "add", 1), "mul", 2 ** -significand);
  // 21 more bits, which with the first 32 fill the significand.
  const fine = share(castNode(share(randomBits(shape), "shr", 11), dtype), "add", lift);
  return share(binary("add", share(whole, "mul", 2 ** 21), fine), "mul", 2 ** -53);
}

/** Normal with mean 0 and variance 1 (Box and Muller, 1958), small floats rounded from float32. */
export function normalNode(shape: Shape, dtype: DType): Node {
  const wide = dtype === "float64" ? dtype : "float32";
  const times = (x: Node, by: number): Node => binary("mul", x, constNode(by, wide, shape));
  // The logarithm's argument is in (0, 1].
  const radius = unary("sqrt", times(unary("log", uniformNode(shape, wide, 1)), -2));
  const angle = times(uniformNode(shape, wide, 0), 2 * Math.PI);
  return castNode(binary("mul", radius, unary("cos", angle)), floatType("randn", dtype));
}

/** How many inputs an output of a weight [outputs, inputs, window..] has, and how many outputs an input. */
export function fansOf(shape: readonly number[]): { readonly input: number; readonly output: number } {
  const [outputs = 1, inputs = outputs, ...window] = shape;
  const places = window.reduce((n, d) => n * d, 1);
  return { input: inputs * places, output: outputs * places };
}
