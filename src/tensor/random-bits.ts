// Random numbers: Threefry bits of a counter. The counter is an element's place and the number of the draw, the key is
// the seed. Seed and draw number are state as any tensor's is, so that a captured step draws fresh numbers at each
// replay; one seed gives the same bits on every device.

import {
  binary,
  type ConstNode,
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
import { threefry2x32 } from "../scalar/random.js";
import { TensorError } from "./core.js";
import { isTracked, TensorStorage } from "./storage.js";

const word = (value: number): Node => constNode(value >>> 0, "uint32");

const seed = new TensorStorage(word(0));
const draws = new TensorStorage(word(0));

/**
 * Starts the random numbers anew: the same seed is followed by the same draws. An integer below 2^32.
 *
 * @example
 * manualSeed(7);
 * const x = Tensor.rand([3]);
 * manualSeed(7);
 * await x.equal(Tensor.rand([3])); // => true
 */
export function manualSeed(value: number): void {
  seed.replace(seedWord(value, "manualSeed"));
  draws.replace(word(0));
}

let asked = { version: -1, count: 0 };

/** A seed for a generator on the host: at each call another, and the same ones after each `manualSeed`. */
export function hostSeed(): number {
  asked = { version: seed.version, count: asked.version === seed.version ? asked.count + 1 : 0 };
  return threefry2x32(asked.count, 0, Number((seed.peek() as ConstNode).value), 0xda7a)[0];
}

function seedWord(value: number, operation: string): Node {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32)
    throw new RangeError(`${operation}: the seed must be an integer in [0, 2^32), got ${value}`);
  return word(value);
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

/** Random bits (uint32) for each place of a shape; at each call others. */
export type BitSource = (shape: Shape) => Node;

function bitsAt(shape: Shape, draw: Node, key: Node): Node {
  const size = sizeOf(shape);
  const spread = (x: Node): Node => expand(reshape(x, [1]), [size]);
  return reshape(threefry(iota([size], 0, "uint32"), spread(draw), spread(key)), shape);
}

/** The bits that `manualSeed` starts anew. */
export const randomBits: BitSource = (shape) => bitsAt(shape, nextDraw(), seed.current);

/** Bits of their own for one seed, the same each time: those that follow `manualSeed` of it. */
export function bitsOfSeed(value: number | undefined): BitSource {
  if (value === undefined) return randomBits;
  const key = seedWord(value, "seed");
  let draw = 0;
  return (shape) => bitsAt(shape, word(draw++), key);
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

function floatType(operation: string, dtype: DType): DType {
  if (!isFloat(dtype)) throw new TensorError(`${operation}: ${dtype} is not a float dtype`);
  return dtype;
}

/** Uniform in [0, 1), or (0, 1] if `lift` is 1. */
export function uniformNode(shape: Shape, dtype: DType, lift: 0 | 1, bits: BitSource = randomBits): Node {
  const significand = SIGNIFICAND[floatType("rand", dtype)]!;
  const share = (x: Node, op: "shr" | "add" | "mul", by: number): Node =>
    binary(op, x, constNode(by, x.dtype, shape));
  const whole = castNode(
    significand === 32 ? bits(shape) : share(bits(shape), "shr", 32 - significand),
    dtype,
  );
  if (dtype !== "float64")
    return share(lift === 0 ? whole : share(whole, "add", 1), "mul", 2 ** -significand);
  // 21 more bits, which with the first 32 fill the significand.
  const fine = share(castNode(share(bits(shape), "shr", 11), dtype), "add", lift);
  return share(binary("add", share(whole, "mul", 2 ** 21), fine), "mul", 2 ** -53);
}

/** Normal with mean 0 and variance 1 (Box and Muller, 1958), small floats rounded from float32. */
export function normalNode(shape: Shape, dtype: DType, bits: BitSource = randomBits): Node {
  const wide = dtype === "float64" ? dtype : "float32";
  const times = (x: Node, by: number): Node => binary("mul", x, constNode(by, wide, shape));
  // The logarithm's argument is in (0, 1].
  const radius = unary("sqrt", times(unary("log", uniformNode(shape, wide, 1, bits)), -2));
  const angle = times(uniformNode(shape, wide, 0, bits), 2 * Math.PI);
  return castNode(binary("mul", radius, unary("cos", angle)), floatType("randn", dtype));
}

/** Exponential with rate 1: -log of a uniform in (0, 1], small floats rounded from float32. */
export function exponentialNode(shape: Shape, dtype: DType, bits: BitSource = randomBits): Node {
  const wide = dtype === "float64" ? dtype : "float32";
  const node = unary("neg", unary("log", uniformNode(shape, wide, 1, bits)));
  return castNode(node, floatType("exponential", dtype));
}

/** Gumbel's standard distribution: -log of an exponential, whose smallest value stands for 0. */
export function gumbelNode(shape: Shape, dtype: DType, bits: BitSource = randomBits): Node {
  const wide = dtype === "float64" ? dtype : "float32";
  const least = constNode(2 ** -26, wide, shape);
  const positive = binary("max", exponentialNode(shape, wide, bits), least);
  return castNode(unary("neg", unary("log", positive)), floatType("gumbel", dtype));
}
/** How many inputs an output of a weight [outputs, inputs, window..] has, and how many outputs an input. */
export function fansOf(shape: readonly number[]): { readonly input: number; readonly output: number } {
  const [outputs = 1, inputs = outputs, ...window] = shape;
  const places = window.reduce((n, d) => n * d, 1);
  return { input: inputs * places, output: outputs * places };
}
