// Random numbers, and dropout. With a seed each run draws the same numbers, without one others.

import { Tensor } from "../../tensor/tensor.js";
import { uniformNumbers } from "../mersenne-twister.js";
import type { Call, Operator, Operators, Result } from "../operator.js";
import type { ElementType } from "../types.js";
import { converted } from "./cast.js";

/** The seed attribute's bits: it is a float, of which any may be given. */
function seedOf(call: Call): number | undefined {
  const seed = call.float("seed");
  return seed === undefined ? undefined : new Uint32Array(Float32Array.of(seed).buffer)[0];
}

type Draw = (call: Call, shape: readonly number[]) => Tensor;

const normal: Draw = (call, shape) =>
  Tensor.normal(shape, call.float("mean", 0), call.float("scale", 1), { seed: seedOf(call) });

const uniform: Draw = (call, shape) =>
  Tensor.uniform(shape, call.float("low", 0), call.float("high", 1), { seed: seedOf(call) });

/** Numbers of the shape in an attribute. */
const ofShape =
  (draw: Draw): Operator =>
  (call) => {
    const shape = call.ints("shape") ?? call.fail("its attribute shape is missing");
    return converted(draw(call, shape), call.typeAttribute("dtype") ?? "float32");
  };

/** Numbers of the input's shape and, unless another is given, type. */
const like =
  (draw: Draw): Operator =>
  (call) =>
    converted(draw(call, call.typed(0).shape), typeLike(call));

const typeLike = (call: Call): ElementType => call.typeAttribute("dtype") ?? call.typed(0).type;

/** Places drawn by unnormalised logarithms of their probabilities: [batch, samples]. */
function multinomial(call: Call): Result {
  const weights = call.tensor(0).softmax(-1);
  const places = weights.multinomial(call.int("sample_size", 1), { replacement: true, seed: seedOf(call) });
  return converted(places, call.typeAttribute("dtype") ?? "int32");
}

/** In training elements are dropped at random, the others grow as much; else, and before version 12, nothing is. */
function dropout(call: Call): Result[] {
  const x = call.tensor(0);
  if (call.version >= 12) return dropped(call, x, 1);
  // Before version 10 the mask had the type of the elements.
  return [x, Tensor.ones(x.shape, { dtype: call.version >= 10 ? "bool" : x.dtype })];
}

/** Dropout of a sum with a bias, and another one after it. */
function biasDropout(call: Call): Result[] {
  const [y, mask] = dropped(call, call.tensor(0).add(call.tensor(1)), 3);
  const residual = call.optional(2);
  return [residual === undefined ? y : y.add(residual), mask];
}

/** What is left of x, and the mask. The ratio is the i-th input, behind it lies whether this is training. */
function dropped(call: Call, x: Tensor, i: number): [Tensor, Tensor] {
  const training = call.has(i + 1) && call.number(i + 1) !== 0;
  if (!training) return [x, Tensor.full(x.shape, true)];
  const ratio = call.has(i) ? call.tensor(i).reshape([]) : Tensor.full([], 0.5);
  const kept = drawsOf(call, x.sizes).ge(ratio.cast("float64"));
  const scale = ratio.rsub(1).reciprocal().cast(x.dtype);
  return [kept.where(x.mul(scale), 0), kept];
}

function drawsOf(call: Call, shape: readonly number[]): Tensor {
  const seed = call.int("seed");
  if (seed === undefined) return Tensor.rand(shape).cast("float64");
  const count = shape.reduce((n, d) => n * d, 1);
  return Tensor.from(uniformNumbers(count, seed >>> 0), { shape });
}

export const random: Operators = {
  RandomNormal: ofShape(normal),
  RandomNormalLike: like(normal),
  RandomUniform: ofShape(uniform),
  RandomUniformLike: like(uniform),
  Bernoulli: (call) => converted(call.tensor(0).bernoulli({ seed: seedOf(call) }), typeLike(call)),
  Multinomial: multinomial,
  Dropout: dropout,
};

export const microsoftRandom: Operators = { BiasDropout: biasDropout };
