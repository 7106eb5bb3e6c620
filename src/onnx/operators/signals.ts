// Fourier transforms of signals, windows, and scales of pitch. Transforms are computed in float64: where a sum should be zero,
// float32 leaves a ten thousandth.

import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators } from "../operator.js";
import { heldAs } from "../types.js";
import { TensorValue } from "../value.js";

/** Pairs of numbers, as float64; real signals get imaginary parts of zero. */
function complexPairs(x: Tensor): Tensor {
  const wide = x.cast("float64");
  return x.sizeAt(-1) === 2 ? wide : wide.cat(-1, wide.zerosLike());
}

function dft(call: Call): Tensor {
  const x = call.tensor(0);
  const axis = call.axis(
    call.version >= 20 ? (call.has(2) ? call.number(2) : -2) : call.int("axis", 1),
    x.ndim,
  );
  const [inverse, onesided] = [call.flag("inverse"), call.flag("onesided")];
  const whole = inverse && onesided ? 2 * (x.sizeAt(axis) - 1) : x.sizeAt(axis);
  const length = call.has(1) ? call.number(1) : whole;
  // The axis of pairs last, the axis of the signal before it.
  const signal = complexPairs(x).movedim(axis, -2);
  const result = transform(signal, { inverse, onesided, length });
  return result.movedim(-2, axis).cast(x.dtype);
}

interface Transform {
  readonly inverse: boolean;
  readonly onesided: boolean;
  readonly length: number;
}

/** Of pairs [.., n, 2]. An inverse transform of half a spectrum gives real numbers. */
function transform(x: Tensor, { inverse, onesided, length }: Transform): Tensor {
  if (inverse && onesided) return x.irfft({ n: length }).unsqueeze(-1);
  if (inverse) return x.ifft({ n: length });
  const whole = x.fft({ n: length });
  return onesided ? whole.narrow(-2, 0, Math.floor(length / 2) + 1) : whole;
}

/** Spectra of windows that step along a signal [b, n, 1 or 2], or as some exporters give it [b, n]. */
function stft(call: Call): Tensor {
  const x = call.tensor(0).ndim === 2 ? call.tensor(0).unsqueeze(-1) : call.tensor(0);
  const step = call.number(1);
  const window = call.optional(2)?.cast("float64");
  const length = call.has(3) ? call.number(3) : (window?.sizeAt(0) ?? x.sizeAt(1));
  const frames = complexPairs(x).unfold(1, length, step).movedim(-1, -2);
  const shaped = window === undefined ? frames : frames.mul(window.unsqueeze(-1));
  const onesided = call.flag("onesided", true);
  return transform(shaped, { inverse: false, onesided, length }).cast(x.dtype);
}

/** Cosines of i / n or, symmetric, of i / (n - 1), weighted and added up. */
const cosineWindow =
  (weights: readonly number[]) =>
  (call: Call): TensorValue => {
    const size = call.number(0);
    const type = call.typeAttribute("output_datatype") ?? "float32";
    const period = call.flag("periodic", true) ? size : size - 1;
    const values = Float64Array.from({ length: size }, (_, i) =>
      weights.reduce((sum, weight, k) => sum + weight * Math.cos((2 * Math.PI * k * i) / period), 0),
    );
    return TensorValue.of(Tensor.from(values).cast(heldAs(type)), type);
  };

/** Triangles, evenly spaced in mel, that sum a spectrum's bins: [bins, triangles]. */
function melWeights(call: Call): TensorValue {
  const [triangles, length, rate, low, high] = [0, 1, 2, 3, 4].map((i) => call.number(i));
  const type = call.typeAttribute("output_datatype") ?? "float32";
  const bins = Math.floor(length / 2) + 1;
  const mel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
  const step = (mel(high) - mel(low)) / (triangles + 2);
  const edges = Array.from({ length: triangles + 2 }, (_, i) => {
    const hertz = 700 * (10 ** ((mel(low) + i * step) / 2595) - 1);
    return Math.floor(((length + 1) * hertz) / rate);
  });
  const values = new Float64Array(bins * triangles);
  for (let k = 0; k < triangles; k++) {
    const [start, middle, end] = edges.slice(k, k + 3);
    for (let bin = start; bin < Math.max(end, middle + 1) && bin < bins; bin++) {
      const height =
        bin === middle ? 1 : bin < middle ? (bin - start) / (middle - start) : (end - bin) / (end - middle);
      values[bin * triangles + k] = height;
    }
  }
  return TensorValue.of(Tensor.from(values, { shape: [bins, triangles] }).cast(heldAs(type)), type);
}

export const signals: Operators = {
  DFT: dft,
  STFT: stft,
  HannWindow: cosineWindow([0.5, -0.5]),
  HammingWindow: cosineWindow([25 / 46, -21 / 46]),
  BlackmanWindow: cosineWindow([0.42, -0.5, 0.08]),
  MelWeightMatrix: melWeights,
};
