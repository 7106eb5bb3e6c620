// The cost model: a network of two hidden layers from the features of a scheduled kernel to the logarithm of its time.
// brisc trained it on measured schedules (scripts/cost-model). Plain loops: some thousand multiplications a candidate.

import { FEATURE_COUNT } from "./features.js";
import type { Candidate } from "./space.js";
import { WEIGHTS } from "./weights.js";

/** Width of the hidden layers. */
export const HIDDEN = 48;

/** One after the other in the weights: scales of the features, then each layer's weights, a row an output, and biases. */
const SHAPES = {
  mean: FEATURE_COUNT,
  deviation: FEATURE_COUNT,
  first: HIDDEN * FEATURE_COUNT,
  firstBias: HIDDEN,
  second: HIDDEN * HIDDEN,
  secondBias: HIDDEN,
  last: HIDDEN,
  lastBias: 1,
};

type Model = Record<keyof typeof SHAPES, Float32Array>;

let model: Model | undefined;

function decode(text: string): Model {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  let at = 0;
  const parts = Object.entries(SHAPES).map(([name, size]) => {
    const part = new Float32Array(bytes.buffer, at, size);
    at += size * 4;
    return [name, part];
  });
  if (at !== bytes.length) throw new Error(`the cost model has ${bytes.length} bytes of weights, not ${at}`);
  return Object.fromEntries(parts) as Model;
}

/** A layer's outputs: weights times x plus bias. */
function linear(x: Float32Array, weights: Float32Array, bias: Float32Array): Float32Array {
  return bias.map((start, row) => {
    let sum = start;
    for (let i = 0; i < x.length; i++) sum += weights[row * x.length + i] * x[i];
    return sum;
  });
}

const relu = (x: Float32Array): Float32Array => x.map((value) => Math.max(0, value));

/** The logarithm, to base 2, of the nanoseconds that a schedule of these features is predicted to take. */
export function predictTime(features: Float32Array): number {
  model ??= decode(WEIGHTS);
  const { mean, deviation, first, firstBias, second, secondBias, last, lastBias } = model;
  const x = features.map((value, i) => (value - mean[i]) / deviation[i]);
  const hidden = relu(linear(relu(linear(x, first, firstBias)), second, secondBias));
  return linear(hidden, last, lastBias)[0];
}

/** Predicted times of candidates, to rank them by. */
export const predictTimes = (candidates: readonly Candidate[]): number[] =>
  candidates.map(({ features }) => predictTime(features));
