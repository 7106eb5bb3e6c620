// How weights start: each function gives a new tensor of a shape, [outputs, inputs, window..] where fans count. All but
// the constant ones take { dtype, seed } beside their own options.

import { TensorError } from "../tensor/core.js";
import type { SampleOptions, WeightOptions } from "../tensor/sampling.js";
import { fansOf } from "../tensor/random-bits.js";
import { Tensor, type TensorOptions } from "../tensor/tensor.js";

export type Nonlinearity =
  | "linear"
  | "conv"
  | "sigmoid"
  | "tanh"
  | "relu"
  | "leakyRelu"
  | "selu"
  | "silu"
  | "gelu";

/**
 * The factor that keeps the variance of signals through a nonlinearity, as PyTorch has it.
 *
 * @example
 * nn.init.calculateGain("relu"); // => 1.4142
 */
export function calculateGain(nonlinearity: Nonlinearity, slope = 0.01): number {
  switch (nonlinearity) {
    case "linear":
    case "conv":
    case "sigmoid":
    case "silu":
    case "gelu":
      return 1;
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.SQRT2;
    case "leakyRelu":
      return Math.sqrt(2 / (1 + slope ** 2));
    case "selu":
      return 3 / 4;
  }
}

export interface KaimingOptions extends SampleOptions {
  /** Whether variances are kept on the way forward ("fanIn", the default) or back. */
  readonly mode?: "fanIn" | "fanOut";
  /** Default "leakyRelu". */
  readonly nonlinearity?: Nonlinearity;
  /** The slope of leakyRelu below 0; default 0. */
  readonly slope?: number;
}

function kaimingDeviation(
  shape: readonly number[],
  { mode = "fanIn", nonlinearity = "leakyRelu", slope = 0 }: KaimingOptions,
): number {
  const { input, output } = fansOf(checked("kaiming", shape));
  return calculateGain(nonlinearity, slope) / Math.sqrt(mode === "fanIn" ? input : output);
}

function checked(operation: string, shape: readonly number[]): readonly number[] {
  if (shape.length < 2)
    throw new TensorError(`${operation}: fans need two axes or more, got [${shape.join(", ")}]`);
  return shape;
}

/** Uniform, for rectifiers (He and others, "Delving Deep into Rectifiers", 2015). */
export function kaimingUniform(shape: readonly number[], options: KaimingOptions = {}): Tensor {
  const bound = Math.sqrt(3) * kaimingDeviation(shape, options);
  return Tensor.uniform(shape, -bound, bound, options);
}
/** Normal, for rectifiers. */
export function kaimingNormal(shape: readonly number[], options: KaimingOptions = {}): Tensor {
  return Tensor.normal(shape, 0, kaimingDeviation(shape, options), options);
}
/** Uniform in +-gain * sqrt(6 / (fan in + fan out)) (Glorot and Bengio, 2010). */
export function glorotUniform(shape: readonly number[], options: WeightOptions = {}): Tensor {
  return Tensor.glorotUniform(checked("glorotUniform", shape), options);
}
/** Normal with deviation gain * sqrt(2 / (fan in + fan out)). */
export function glorotNormal(shape: readonly number[], options: WeightOptions = {}): Tensor {
  return Tensor.glorotNormal(checked("glorotNormal", shape), options);
}
/** As glorotUniform, under PyTorch's name. */
export const xavierUniform = glorotUniform;
/** As glorotNormal, under PyTorch's name. */
export const xavierNormal = glorotNormal;
/** Uniform with variance 1 / fan in (LeCun and others, "Efficient BackProp", 1998). */
export function lecunUniform(shape: readonly number[], options: SampleOptions = {}): Tensor {
  const bound = Math.sqrt(3 / fansOf(checked("lecunUniform", shape)).input);
  return Tensor.uniform(shape, -bound, bound, options);
}
/** Normal with variance 1 / fan in. */
export function lecunNormal(shape: readonly number[], options: SampleOptions = {}): Tensor {
  return Tensor.normal(shape, 0, 1 / Math.sqrt(fansOf(checked("lecunNormal", shape)).input), options);
}
/** Normal of what lies in [min, max]; see Tensor.truncNormal. */
export const truncNormal = Tensor.truncNormal;
export const constant = (shape: readonly number[], value: number, options: TensorOptions = {}): Tensor =>
  Tensor.full(shape, value, { dtype: "float32", ...options });
/** Ones on the diagonal. */
export const eye = (rows: number, columns = rows, options: TensorOptions = {}): Tensor =>
  Tensor.eye(rows, columns, options);

/**
 * Rows (or columns, where these are fewer) of length `gain` at right angles, the axes behind the first taken as one (Saxe
 * and others, "Exact solutions to the nonlinear dynamics of learning", 2013).
 *
 * @example
 * const w = nn.init.orthogonal([3, 3]);
 * w.matmul(w.T).round(); // => [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
 */
export function orthogonal(shape: readonly number[], { gain = 1, ...options }: WeightOptions = {}): Tensor {
  const [rows] = checked("orthogonal", shape);
  const columns = shape.slice(1).reduce((n, d) => n * d, 1);
  const [long, short] = [Math.max(rows, columns), Math.min(rows, columns)];
  const { Q: q, R: r } = Tensor.randn([long, short], options).qr();
  // With signs that make R's diagonal positive all rotations are equally likely.
  const signed = q.mul(r.diagonal().lt(0).where(-1, 1).cast(q.dtype));
  return (rows < columns ? signed.transpose() : signed).mul(gain).reshape(shape);
}

/** Convolution weights that hand as many channels on unchanged as there are; with groups each of its own. */
export function dirac(
  shape: readonly number[],
  { groups = 1, dtype = "float32" }: TensorOptions & { readonly groups?: number } = {},
): Tensor {
  const [outputs, inputs, ...window] = shape;
  if (shape.length < 3 || shape.length > 5 || outputs % groups !== 0)
    throw new TensorError(`dirac: needs 3 to 5 axes, and outputs in ${groups} groups, got [${shape}]`);
  // In each group output i takes input i, at the middle of the window.
  const place = Tensor.arange(outputs).mod(outputs / groups);
  const chosen = place.unsqueeze(1).eq(Tensor.arange(inputs).unsqueeze(0));
  return window
    .reduce((weights, size, i) => {
      const middle = Tensor.arange(size).eq(Math.floor(size / 2));
      return weights.unsqueeze(-1).logicalAnd(middle.reshape([...new Array<number>(i + 2).fill(1), size]));
    }, chosen)
    .cast(dtype);
}

/** [rows, columns], normal; of each column a share is zero (Martens, "Deep learning via Hessian-free", 2010). */
export function sparse(
  shape: readonly number[],
  sparsity: number,
  { deviation = 0.01, seed, ...options }: SampleOptions & { readonly deviation?: number } = {},
): Tensor {
  if (shape.length !== 2) throw new TensorError(`sparse: needs two axes, got [${shape.join(", ")}]`);
  const zeros = Math.ceil(sparsity * shape[0]);
  const rank = Tensor.rand(shape, { seed }).argsort({ axis: 0 });
  return rank
    .lt(zeros)
    .where(
      0,
      Tensor.normal(shape, 0, deviation, { ...options, seed: seed === undefined ? seed : (seed ^ 1) >>> 0 }),
    );
}
