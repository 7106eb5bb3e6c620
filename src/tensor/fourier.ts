// Discrete Fourier transforms. Complex tensors are pairs (real, imaginary) along a last axis of 2, which axes given to
// these methods do not count: axis -1 of pairs [.., n, 2] is n.

import { isFloat } from "../scalar/dtype.js";
import { axisOf, TensorError } from "./core.js";
import { type Sign, transform } from "./dft.js";
import { Factorisation } from "./factorisation.js";
import type { PadMode } from "./arrangement.js";
import { accumulationType } from "./reduction.js";
import type { Tensor } from "./tensor.js";

/** Which transform divides by n: the one backwards (the default), both by its root, or the one forwards. */
export type FourierNorm = "backward" | "ortho" | "forward";

export interface FourierOptions {
  /** Length of the signal (of the result, for those that give real numbers): it is cut off, or filled with zeros. */
  readonly n?: number;
  /** Default: the last. */
  readonly axis?: number;
  readonly norm?: FourierNorm;
}

export interface FourierAxesOptions {
  /** Length along each axis. */
  readonly sizes?: readonly number[];
  /** Default: the last two, or in n dimensions as many as there are sizes, or all. */
  readonly axes?: readonly number[];
  readonly norm?: FourierNorm;
}

export interface StftOptions {
  /** Places from window to window; default a quarter of nFft. */
  readonly hopLength?: number;
  /** Length of the window, in the middle of nFft; default nFft. */
  readonly winLength?: number;
  /** [winLength]; default ones. */
  readonly window?: Tensor;
  /** Whether window t stands around place t * hopLength (the default) or begins there. */
  readonly center?: boolean;
  /** How the signal is lengthened to both sides for that; default "reflect". */
  readonly padMode?: PadMode;
  /** Whether to divide by the root of nFft. */
  readonly normalized?: boolean;
  /** Whether to leave out the frequencies that real signals have twice; default true. */
  readonly onesided?: boolean;
}

export interface IstftOptions extends Omit<StftOptions, "padMode"> {
  /** Length of the signal. */
  readonly length?: number;
}

export abstract class Fourier extends Factorisation {
  // --- pairs -------------------------------------------------------------------------------------------------------

  /** Real numbers as pairs with imaginary parts of 0: [..] gives [.., 2]. */
  toComplex(): Tensor {
    const x = this.toFloats();
    return x.unsqueeze(-1).cat(-1, x.zerosLike().unsqueeze(-1));
  }
  /** Product of complex numbers, pairs [.., 2]; the other axes broadcast. */
  complexMul(other: Tensor): Tensor {
    this.pairs("complexMul");
    other.pairs("complexMul");
    const [a, b, c, d] = [this.self, other].flatMap((x) => [x.select(-1, 0), x.select(-1, 1)]);
    const [re, im] = [a.mul(c).sub(b.mul(d)), a.mul(d).add(b.mul(c))];
    return re.unsqueeze(-1).cat(-1, im.unsqueeze(-1));
  }
  /** Sizes of complex numbers, pairs [.., 2]: [..]. */
  complexAbs(): Tensor {
    return this.pairs("complexAbs").norm(2, -1);
  }
  /** Angles of complex numbers, pairs [.., 2], in (-pi, pi]: [..]. */
  complexAngle(): Tensor {
    this.pairs("complexAngle");
    return this.select(-1, 1).atan2(this.select(-1, 0));
  }
  /** Complex numbers with the sign of their imaginary parts changed. */
  complexConj(): Tensor {
    this.pairs("complexConj");
    return this.narrow(-1, 0, 1).cat(-1, this.narrow(-1, 1, 1).neg());
  }
  private pairs(operation: string): Tensor {
    if (this.ndim === 0 || this.shape[this.ndim - 1] !== 2 || !isFloat(this.dtype)) {
      throw new TensorError(
        `${operation}: ${this} holds no pairs [.., 2] of floats; toComplex() makes them of real numbers`,
      );
    }
    return this.self;
  }

  private signals(operation: string): Tensor {
    if (this.ndim === 1 && this.shape[0] === 2)
      throw new TensorError(`${operation}: ${this} is one complex number, and no signal [.., n, 2]`);
    return this.pairs(operation);
  }

  // --- along one axis ----------------------------------------------------------------------------------------------

  /**
   * Discrete Fourier transform of pairs [.., n, .., 2]; of real numbers see rfft and toComplex.
   *
   * @example await Tensor.from([1, 0, 0, 0]).toComplex().fft().complexAbs().tolist(); // => [1, 1, 1, 1]
   */
  fft(options: FourierOptions = {}): Tensor {
    return this.complexTransform("fft", -1, options);
  }
  /** The inverse of fft. */
  ifft(options: FourierOptions = {}): Tensor {
    return this.complexTransform("ifft", 1, options);
  }
  private complexTransform(operation: string, sign: Sign, { n, axis = -1, norm }: FourierOptions): Tensor {
    const x = this.signals(operation);
    const at = axisOf(axis, x.ndim - 1, operation);
    const length = lengthOf(operation, x, at, n);
    const result = transform(planesOf(resized(x, at, length), at), sign);
    return pairsOf(scaled(result, length, sign, norm), at).cast(x.dtype);
  }

  /**
   * fft of real numbers [.., n, ..], without the frequencies that repeat: pairs [.., n / 2 + 1, .., 2].
   *
   * @example Tensor.from([1, 2, 3, 4]).rfft(); // => [[10, 0], [-2, 2], [-2, 0]]
   */
  rfft({ n, axis = -1, norm }: FourierOptions = {}): Tensor {
    const x = this.toFloats();
    if (x.ndim === 0) throw new TensorError(`rfft: ${this} is no signal [.., n]`);
    const at = axisOf(axis, x.ndim, "rfft");
    const length = lengthOf("rfft", x, at, n);
    const result = transform(planesOf(resized(x, at, length).unsqueeze(-1), at), -1);
    const half = result.narrow(-1, 0, Math.floor(length / 2) + 1);
    return pairsOf(scaled(half, length, -1, norm), at).cast(x.dtype);
  }
  /** The inverse of rfft: real numbers of length n, default 2 * (m - 1), of pairs [.., m, .., 2]. */
  irfft(options: FourierOptions = {}): Tensor {
    return this.realTransform("irfft", 1, options);
  }
  /** fft of a signal that is conjugate to itself backwards, of which half is given: real numbers of length n. */
  hfft(options: FourierOptions = {}): Tensor {
    return this.realTransform("hfft", -1, options);
  }
  /** The inverse of hfft: pairs [.., n / 2 + 1, .., 2] of real numbers. */
  ihfft({ n, axis = -1, norm = "backward" }: FourierOptions = {}): Tensor {
    const turned = { backward: "forward", ortho: "ortho", forward: "backward" } as const;
    return this.rfft({ n, axis, norm: turned[norm] ?? norm }).complexConj();
  }
  /** What a whole signal with this half gives: its other half is conjugate, so that the result is real. */
  private realTransform(operation: string, sign: Sign, { n, axis = -1, norm }: FourierOptions): Tensor {
    const x = this.signals(operation);
    const at = axisOf(axis, x.ndim - 1, operation);
    const length = lengthOf(operation, x, at, n ?? 2 * (x.sizeAt(at) - 1));
    const half = planesOf(resized(x, at, Math.floor(length / 2) + 1), at);
    const mirrored = half.narrow(-1, 1, length - half.sizeAt(-1)).flip(-1);
    const conjugate = mirrored.narrow(-2, 0, 1).cat(-2, mirrored.narrow(-2, 1, 1).neg());
    const result = transform(half.cat(-1, conjugate), sign).narrow(-2, 0, 1);
    return pairsOf(scaled(result, length, sign, norm), at)
      .squeeze(-1)
      .cast(x.dtype);
  }

  // --- along several axes ------------------------------------------------------------------------------------------

  /** fft along two axes of pairs; default the last two. */
  fft2({ axes = [-2, -1], ...options }: FourierAxesOptions = {}): Tensor {
    return this.fftn({ axes, ...options });
  }
  /** The inverse of fft2. */
  ifft2({ axes = [-2, -1], ...options }: FourierAxesOptions = {}): Tensor {
    return this.ifftn({ axes, ...options });
  }
  /** rfft along the last of two axes, fft along the other. */
  rfft2({ axes = [-2, -1], ...options }: FourierAxesOptions = {}): Tensor {
    return this.rfftn({ axes, ...options });
  }
  /** The inverse of rfft2. */
  irfft2({ axes = [-2, -1], ...options }: FourierAxesOptions = {}): Tensor {
    return this.irfftn({ axes, ...options });
  }
  /** fft along several axes of pairs. */
  fftn(options: FourierAxesOptions = {}): Tensor {
    return this.several("fftn", options, this.ndim - 1).reduce((x, own) => x.fft(own), this.self);
  }
  /** The inverse of fftn. */
  ifftn(options: FourierAxesOptions = {}): Tensor {
    return this.several("ifftn", options, this.ndim - 1).reduce((x, own) => x.ifft(own), this.self);
  }
  /** rfft along the last of several axes, fft along the others. */
  rfftn(options: FourierAxesOptions = {}): Tensor {
    const [last, ...others] = this.several("rfftn", options, this.ndim).reverse();
    return others.reduce((x, own) => x.fft(own), this.rfft(last));
  }
  /** The inverse of rfftn; the last size defaults to 2 * (m - 1). */
  irfftn(options: FourierAxesOptions = {}): Tensor {
    const [last, ...others] = this.several("irfftn", options, this.ndim - 1).reverse();
    return others.reduce((x, own) => x.ifft(own), this.self).irfft(last);
  }
  /** hfft along the last of several axes, fft along the others. */
  hfftn(options: FourierAxesOptions = {}): Tensor {
    const [last, ...others] = this.several("hfftn", options, this.ndim - 1).reverse();
    return others.reduce((x, own) => x.fft(own), this.self).hfft(last);
  }
  /** The inverse of hfftn. */
  ihfftn(options: FourierAxesOptions = {}): Tensor {
    const [last, ...others] = this.several("ihfftn", options, this.ndim).reverse();
    return others.reduce((x, own) => x.ifft(own), this.ihfft(last));
  }
  /** hfftn along two axes; default the last two. */
  hfft2({ axes = [-2, -1], ...options }: FourierAxesOptions = {}): Tensor {
    return this.hfftn({ axes, ...options });
  }
  /** The inverse of hfft2. */
  ihfft2({ axes = [-2, -1], ...options }: FourierAxesOptions = {}): Tensor {
    return this.ihfftn({ axes, ...options });
  }
  /** Each axis with its options; axes are counted among `rank`. */
  private several(
    operation: string,
    { sizes, axes, norm }: FourierAxesOptions,
    rank: number,
  ): FourierOptions[] {
    const count = sizes?.length ?? rank;
    const list = axes ?? Array.from({ length: count }, (_, i) => rank - count + i);
    const named = list.map((axis) => axisOf(axis, rank, operation));
    if (named.length === 0 || new Set(named).size !== named.length)
      throw new TensorError(`${operation}: [${list}] should name at least one axis, each once`);
    if (sizes !== undefined && sizes.length !== named.length)
      throw new TensorError(`${operation}: ${sizes.length} sizes do not fit ${named.length} axes`);
    return named.map((axis, i) => ({ axis, n: sizes?.[i], norm }));
  }

  /** With frequency 0 moved to the middle of axes, of this tensor as it stands: the axis of pairs counts as one. */
  fftshift(axes: number | readonly number[]): Tensor {
    return this.shifted("fftshift", axes, (size) => Math.floor(size / 2));
  }
  /** The inverse of fftshift. */
  ifftshift(axes: number | readonly number[]): Tensor {
    return this.shifted("ifftshift", axes, (size) => Math.ceil(size / 2));
  }
  private shifted(operation: string, axes: number | readonly number[], by: (size: number) => number): Tensor {
    const list = (typeof axes === "number" ? [axes] : axes).map((axis) => axisOf(axis, this.ndim, operation));
    return list.reduce((x, axis) => x.roll(by(x.sizeAt(axis)), axis), this.self);
  }

  // --- short windows -----------------------------------------------------------------------------------------------

  /**
   * Short-time Fourier transform of signals [.., length]: pairs [.., frequencies, windows, 2], as torch.stft gives them.
   *
   * @example Tensor.ones([400]).stft(64, { window: Tensor.hannWindow(64) }).shape; // => [33, 26, 2]
   */
  stft(nFft: number, options: StftOptions = {}): Tensor {
    const { hopLength, center = true, padMode = "reflect", normalized = false, onesided = true } = options;
    const hop = hopOf("stft", nFft, hopLength);
    const x = this.toFloats();
    if (x.ndim === 0) throw new TensorError(`stft: ${this} is no signal [.., length]`);
    const border = x.shape.map((_, i): [number, number] => {
      const by = i === x.ndim - 1 && center ? Math.floor(nFft / 2) : 0;
      return [by, by];
    });
    const long = center ? x.pad(border, { mode: padMode }) : x;
    if (long.sizeAt(-1) < nFft) throw new TensorError(`stft: ${this} is shorter than a window of ${nFft}`);
    const windows = long.unfold(-1, nFft, hop);
    const seen =
      options.window === undefined && options.winLength === undefined
        ? windows
        : windows.mul(windowOf("stft", x, nFft, options));
    const norm = normalized ? "ortho" : "backward";
    const spectra = onesided ? seen.rfft({ norm }) : seen.toComplex().fft({ norm });
    return spectra.transpose(-3, -2);
  }

  /** The inverse of stft, of pairs [.., frequencies, windows, 2]; where all windows are 0 the result is NaN. */
  istft(nFft: number, options: IstftOptions = {}): Tensor {
    const { hopLength, center = true, normalized = false, onesided = true, length } = options;
    const hop = hopOf("istft", nFft, hopLength);
    const x = this.pairs("istft");
    const frequencies = onesided ? Math.floor(nFft / 2) + 1 : nFft;
    if (x.ndim < 3 || x.sizeAt(-3) !== frequencies)
      throw new TensorError(`istft: ${this} should be [.., ${frequencies}, windows, 2] for nFft ${nFft}`);
    const norm = normalized ? "ortho" : "backward";
    const spectra = x.transpose(-3, -2);
    // Of a real signal half of the frequencies tell all.
    const signals = spectra.narrow(-2, 0, Math.floor(nFft / 2) + 1).irfft({ n: nFft, norm });
    const window = windowOf("istft", signals, nFft, options);
    const count = signals.sizeAt(-2);
    const squares = window.square().unsqueeze(0).expand([count, nFft]);
    const whole = overlapped(signals.mul(window).contiguous(), hop).div(overlapped(squares, hop));
    const start = center ? Math.floor(nFft / 2) : 0;
    const available = whole.sizeAt(-1) - start;
    const wanted = length ?? (center ? available - Math.floor(nFft / 2) : available);
    return resized(whole.narrow(-1, start, Math.min(available, wanted)), whole.ndim - 1, wanted);
  }
}

/** The length to transform: as given, or as it is. */
function lengthOf(operation: string, x: Tensor, axis: number, n: number | undefined): number {
  const length = n ?? x.sizeAt(axis);
  if (!Number.isInteger(length) || length < 1)
    throw new TensorError(`${operation}: a length must be an integer of at least 1, got ${length} for ${x}`);
  return length;
}

/** Cut off, or filled with zeros. */
function resized(x: Tensor, axis: number, length: number): Tensor {
  const missing = length - x.sizeAt(axis);
  if (missing <= 0) return x.narrow(axis, 0, length);
  return x.pad(x.shape.map((_, i): [number, number] => [0, i === axis ? missing : 0]));
}

/** Pairs [.., n, .., 2] as planes [.., 2, n], in the type in which sums are taken. */
function planesOf(x: Tensor, axis: number): Tensor {
  const last = x.ndim - 1;
  const others = x.shape.map((_, i) => i).filter((i) => i !== axis && i !== last);
  return x.permute([...others, last, axis]).cast(accumulationType(x.dtype));
}

/** Planes [.., 2, n] as pairs with n at an axis. */
function pairsOf(x: Tensor, axis: number): Tensor {
  const order = Array.from({ length: x.ndim - 2 }, (_, i) => i);
  order.splice(axis, 0, x.ndim - 1);
  return x.permute([...order, x.ndim - 2]);
}

function scaled(x: Tensor, length: number, sign: Sign, norm: FourierNorm = "backward"): Tensor {
  if (!["backward", "ortho", "forward"].includes(norm))
    throw new TensorError(`Fourier transforms: norm is "backward", "ortho" or "forward", not "${norm}"`);
  if (norm === "ortho") return x.div(Math.sqrt(length));
  return (norm === "backward") === (sign === 1) ? x.div(length) : x;
}

function hopOf(operation: string, nFft: number, hop = Math.floor(nFft / 4)): number {
  if (!Number.isInteger(nFft) || nFft < 1 || !Number.isInteger(hop) || hop < 1)
    throw new TensorError(
      `${operation}: nFft and hopLength must be integers of at least 1, got ${nFft}, ${hop}`,
    );
  return hop;
}

/** The window in the middle of nFft places, in the dtype of x. */
function windowOf(
  operation: string,
  x: Tensor,
  nFft: number,
  {
    window,
    winLength = window?.sizeAt(0) ?? nFft,
  }: { readonly window?: Tensor; readonly winLength?: number },
): Tensor {
  const own = window ?? (x.constructor as typeof Tensor).ones([winLength], { dtype: x.dtype });
  if (own.ndim !== 1 || own.sizeAt(0) !== winLength || winLength > nFft || winLength < 1) {
    throw new TensorError(
      `${operation}: the window should be [${winLength}], and winLength at most nFft ${nFft}, got ${own}`,
    );
  }
  const before = Math.floor((nFft - winLength) / 2);
  return own.cast(x.dtype).pad([[before, nFft - winLength - before]]);
}

/** Windows [.., count, size], each `hop` places after the one before, added up: [.., (count - 1) * hop + size]. */
function overlapped(x: Tensor, hop: number): Tensor {
  const [count, size] = [x.sizeAt(-2), x.sizeAt(-1)];
  const parts = Math.ceil(size / hop);
  const chunks = resized(x, x.ndim - 1, parts * hop).unflatten(-1, [parts, hop]);
  const shifted = Array.from({ length: parts }, (_, part) => {
    const chunk = chunks.select(-2, part);
    const border = chunk.shape.map((_, i): [number, number] =>
      i === chunk.ndim - 2 ? [part, parts - 1 - part] : [0, 0],
    );
    return chunk.pad(border);
  });
  const total = shifted.reduce((sum, chunk) => sum.add(chunk));
  return total.flatten(-2).narrow(-1, 0, (count - 1) * hop + size);
}
