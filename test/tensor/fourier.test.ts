// Fourier transforms of every length against the sum that defines them, their laws and their errors.

import { beforeEach, describe, expect, it } from "vitest";
import { jit, setDefaultDevice, Tensor } from "../../src/index.js";
import { kernelsOf, operationsOf } from "../corners/corner.js";

beforeEach(() => setDefaultDevice("wasm"));
const numbers = async (x: Tensor): Promise<number[]> => Array.from((await x.data()) as Float32Array);
const signal = (n: number): number[] => Array.from({ length: n }, (_, i) => Math.fround(Math.sin(i * i + 1)));

/** The transform of pairs by its definition, in double precision. */
function direct(x: readonly number[], sign: number): number[] {
  const n = x.length / 2;
  const result: number[] = [];
  for (let k = 0; k < n; k++) {
    let [re, im] = [0, 0];
    for (let j = 0; j < n; j++) {
      const angle = (sign * 2 * Math.PI * ((j * k) % n)) / n;
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      re += x[2 * j] * c - x[2 * j + 1] * s;
      im += x[2 * j] * s + x[2 * j + 1] * c;
    }
    result.push(re, im);
  }
  return result;
}

/** The largest error relative to the root mean square of what should be. */
function error(found: readonly number[], wanted: readonly number[]): number {
  const scale = Math.sqrt(wanted.reduce((sum, v) => sum + v * v, 0) / wanted.length);
  return Math.max(...found.map((v, i) => Math.abs(v - wanted[i]))) / scale;
}

describe("the transform is the sum that defines it", () => {
  const lengths = [...Array.from({ length: 70 }, (_, i) => i + 1), 97, 101, 128, 134, 210, 1000, 1009, 4096];
  it.each(lengths)("of length %i", async (n) => {
    const x = signal(2 * n);
    const pairs = Tensor.from(x).reshape([n, 2]);
    expect(error(await numbers(pairs.fft()), direct(x, -1))).toBeLessThan(4e-6);
    if (n < 200) {
      expect(error(await numbers(pairs.ifft({ norm: "forward" })), direct(x, 1))).toBeLessThan(4e-6);
      const real = Tensor.from(signal(n));
      const whole = direct(
        signal(n).flatMap((v) => [v, 0]),
        -1,
      );
      expect(error(await numbers(real.rfft()), whole.slice(0, 2 * (Math.floor(n / 2) + 1)))).toBeLessThan(
        4e-6,
      );
      expect(error(await numbers(real.rfft().irfft({ n })), signal(n))).toBeLessThan(4e-6);
    }
  });

  it("in float64 to float64's precision", async () => {
    setDefaultDevice("interpreter");
    const x = signal(2 * 90);
    const pairs = Tensor.from(Float64Array.from(x)).reshape([90, 2]);
    expect(error(await numbers(pairs.fft()), direct(x, -1))).toBeLessThan(2e-14);
  });
});

it("energies agree, and the product of spectra is the spectrum of the convolution", async () => {
  const [a, b] = [signal(48), signal(60).slice(12)].map((x) => Tensor.from(x));
  const energy = a
    .rfft()
    .square()
    .sum(-1)
    .mul(Tensor.from([1, ...new Array(23).fill(2), 1]))
    .sum();
  expect(Number(await energy.item()) / 48).toBeCloseTo(Number(await a.square().sum().item()), 3);
  const product = await numbers(a.rfft().complexMul(b.rfft()).irfft());
  const [x, y] = [await numbers(a), await numbers(b)];
  const circular = x.map((_, k) => x.reduce((sum, v, j) => sum + v * y[(k - j + 48) % 48], 0));
  expect(error(product, circular)).toBeLessThan(1e-5);
});

it("takes n log n operations and few kernels", async () => {
  const x = Tensor.from(signal(8192)).reshape([4096, 2]);
  expect(await operationsOf("wasm", x.fft())).toBeLessThan(4096 * 12 * 40);
  expect((await kernelsOf("wasm", x.fft())).length).toBeLessThanOrEqual(12);
});

it("is captured with its tables", async () => {
  const step = jit((x: Tensor) => x.rfft().complexAbs());
  for (const shift of [0, 1, 2]) {
    const x = Tensor.from(signal(96)).roll(shift, 0);
    expect(
      error(await numbers(await step(x)), await numbers(Tensor.from(signal(96)).rfft().complexAbs())),
    ).toBeLessThan(1e-5);
  }
});

it("a signal comes back from its short-time spectra", async () => {
  const x = Tensor.from(signal(300));
  const window = Tensor.hannWindow(32);
  const spectra = x.stft(32, { window, hopLength: 8 });
  expect(spectra.shape).toEqual([17, 38, 2]);
  const back = spectra.istft(32, { window, hopLength: 8, length: 300 });
  const [found, wanted] = [await numbers(back), signal(300)];
  // The last window ends before the last places.
  expect(error(found.slice(0, 296), wanted.slice(0, 296))).toBeLessThan(1e-5);
});

it("says what does not fit", () => {
  expect(() => Tensor.ones([4, 3]).fft()).toThrow("holds no pairs [.., 2] of floats; toComplex()");
  expect(() => Tensor.ones([2]).fft()).toThrow("fft: Tensor(float32[2]) is one complex number");
  expect(() => Tensor.ones([2]).irfft()).toThrow("is one complex number");
  expect(() => Tensor.ones([]).rfft()).toThrow("rfft: Tensor(float32[]) is no signal [.., n]");
  expect(() => Tensor.ones([3, 2]).complexMul(Tensor.ones([3]))).toThrow(
    "complexMul: Tensor(float32[3]) holds no pairs [.., 2]",
  );
  for (const method of ["fft", "irfft", "ihfft"] as const) {
    expect(() => Tensor.ones([4, 2])[method]({ norm: "half" as "ortho" })).toThrow(
      'norm is "backward", "ortho" or "forward", not "half"',
    );
  }
  expect(() => Tensor.ones([4, 2], { dtype: "int32" }).fft()).toThrow("no pairs");
  expect(() => Tensor.ones([4, 2]).fft({ n: 0 })).toThrow("fft: a length must be an integer of at least 1");
  expect(() => Tensor.ones([4, 2]).fft({ axis: 1 })).toThrow("fft: axis 1");
  expect(() => Tensor.ones([0]).rfft()).toThrow("rfft: a length");
  expect(() => Tensor.ones([1, 2]).irfft()).toThrow("irfft: a length");
  expect(() => Tensor.ones([3, 4, 2]).fftn({ sizes: [2], axes: [0, 1] })).toThrow(
    "1 sizes do not fit 2 axes",
  );
  expect(() => Tensor.ones([3, 4, 2]).fftn({ axes: [0, 0] })).toThrow("each once");
  expect(() => Tensor.ones([8]).stft(16, { center: false })).toThrow("shorter than a window of 16");
  expect(() => Tensor.ones([80]).stft(16, { window: Tensor.ones([20]) })).toThrow("at most nFft 16");
  expect(() => Tensor.ones([80]).stft(16, { hopLength: 0 })).toThrow("integers of at least 1");
  expect(() => Tensor.ones([7, 5, 2]).istft(16)).toThrow("should be [.., 9, windows, 2]");
});
