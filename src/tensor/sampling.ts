// Tensors of random numbers: each element by the bits of its own counter, so that a seed gives the same numbers on
// every device. All take { dtype, seed }; without a seed of their own draws follow manualSeed.

import type { Shape } from "../graph/node.js";
import { DEFAULT_FLOAT } from "../graph/promote.js";
import { type DType, isFloat } from "../scalar/dtype.js";
import { erf } from "../scalar/special.js";
import { type Operand, TensorError } from "./core.js";
import type { TensorOptions } from "./creation.js";
import { bitsOfSeed, exponentialNode, fansOf, normalNode, uniformNode } from "./random-bits.js";
import type { DrawOptions } from "./random.js";
import { Ranges } from "./ranges.js";
import type { Tensor } from "./tensor.js";

export interface SampleOptions extends TensorOptions, DrawOptions {}

export interface WeightOptions extends SampleOptions {
  readonly gain?: number;
}

const wideOf = (dtype: DType): DType => (dtype === "float64" ? dtype : "float32");

export abstract class Sampling extends Ranges {
  /**
   * Uniform in [0, 1).
   *
   * @example
   * manualSeed(1);
   * const [x, y] = [Tensor.rand([3]), Tensor.rand([3])]; // two draws differ
   * manualSeed(1);
   * await x.equal(Tensor.rand([3])); // => true
   */
  static rand(shape: Shape, { dtype = DEFAULT_FLOAT, seed }: SampleOptions = {}): Tensor {
    return Sampling.ofNode(uniformNode(shape, dtype, 0, bitsOfSeed(seed)));
  }
  /** Normal with mean 0 and variance 1. */
  static randn(shape: Shape, { dtype = DEFAULT_FLOAT, seed }: SampleOptions = {}): Tensor {
    return Sampling.ofNode(normalNode(shape, dtype, bitsOfSeed(seed)));
  }
  /** Uniform in [low, high). */
  static uniform(shape: Shape, low = 0, high = 1, options: SampleOptions = {}): Tensor {
    return Sampling.rand(shape, options)
      .mul(high - low)
      .add(low);
  }
  /** Normal with a mean and a standard deviation: numbers, or tensors that broadcast with the shape. */
  static normal(
    shape: Shape,
    mean: Operand = 0,
    deviation: Operand = 1,
    options: SampleOptions = {},
  ): Tensor {
    return Sampling.randn(shape, options).mul(deviation).add(mean);
  }
  /**
   * Normal with mean and deviation, of what lies in [min, max] (default: two deviations), by inverting ndtr.
   *
   * @example
   * Tensor.truncNormal([100]).abs().le(2).all(); // => true
   */
  static truncNormal(
    shape: Shape,
    {
      mean = 0,
      deviation = 1,
      min = mean - 2 * deviation,
      max = mean + 2 * deviation,
      ...options
    }: TruncOptions = {},
  ): Tensor {
    if (!(deviation > 0 && min < max))
      throw new TensorError(
        `truncNormal: needs a deviation above 0 and min < max, got ${deviation}, ${min}, ${max}`,
      );
    const below = (x: number): number => (1 + erf((x - mean) / deviation / Math.SQRT2)) / 2;
    const { dtype = DEFAULT_FLOAT } = options;
    const share = Sampling.uniform(shape, below(min), below(max), { ...options, dtype: wideOf(dtype) });
    return share.ndtri().mul(deviation).add(mean).clamp(min, max).cast(dtype);
  }
  /** Exponential with a rate. */
  static exponential(shape: Shape, rate = 1, { dtype = DEFAULT_FLOAT, seed }: SampleOptions = {}): Tensor {
    if (!(rate > 0)) throw new TensorError(`exponential: the rate must be above 0, got ${rate}`);
    return Sampling.ofNode(exponentialNode(shape, dtype, bitsOfSeed(seed))).div(rate);
  }
  /** How many trials of probability p it takes to succeed: 1, 2, .. */
  static geometric(shape: Shape, p: number, { dtype = DEFAULT_FLOAT, seed }: SampleOptions = {}): Tensor {
    if (!(p > 0 && p <= 1)) throw new TensorError(`geometric: the probability must be in (0, 1], got ${p}`);
    const time = Sampling.ofNode(exponentialNode(shape, wideOf(dtype), bitsOfSeed(seed)));
    return time.div(-Math.log1p(-p)).floor().add(1).cast(dtype);
  }
  /** Cauchy's distribution with a median and a half width. */
  static cauchy(
    shape: Shape,
    median = 0,
    width = 1,
    { dtype = DEFAULT_FLOAT, seed }: SampleOptions = {},
  ): Tensor {
    const angle = Sampling.ofNode(uniformNode(shape, wideOf(dtype), 1, bitsOfSeed(seed))).sub(0.5);
    return angle.mul(Math.PI).tan().mul(width).add(median).cast(dtype);
  }
  /** exp of a normal with this mean and deviation. */
  static logNormal(shape: Shape, mean = 1, deviation = 2, options: SampleOptions = {}): Tensor {
    return Sampling.normal(shape, mean, deviation, options).exp();
  }
  /** True with probability p. */
  static bernoulli(shape: Shape, p = 0.5, { dtype = "bool", seed }: SampleOptions = {}): Tensor {
    return Sampling.full(shape, p, { dtype: "float32" }).bernoulli({ seed }).cast(dtype);
  }
  /**
   * Uniform integers in [low, high).
   *
   * @example
   * Tensor.randint(3, 4, [2]); // => [3, 3]
   */
  static randint(
    low: number,
    high: number,
    shape: Shape,
    { dtype = "int32", seed }: SampleOptions = {},
  ): Tensor {
    const range = high - low;
    if (!Number.isInteger(low) || !Number.isInteger(high) || range < 1 || range > 2 ** 32)
      throw new TensorError(`randint: [${low}, ${high}) should hold 1 to 2^32 integers`);
    const bits = Sampling.ofNode(bitsOfSeed(seed)(shape));
    const below = range === 2 ** 32 ? bits : bits.mod(range);
    const wide = range <= 2 ** 31 && low >= -(2 ** 31) && high <= 2 ** 31 ? "int32" : "int64";
    return below.cast(wide).add(low).cast(dtype);
  }
  /**
   * 0 to count - 1 in random order; int32.
   *
   * @example
   * Tensor.randperm(4).sort().values; // => [0, 1, 2, 3]
   */
  static randperm(count: number, { dtype = "int32", seed }: SampleOptions = {}): Tensor {
    return Sampling.ofNode(bitsOfSeed(seed)([count]))
      .argsort()
      .cast(dtype);
  }

  /** As rand, of this shape; dtype as this unless another is given. */
  randLike({ dtype = this.dtype, seed }: SampleOptions = {}): Tensor {
    return Sampling.rand(this.shape, { dtype: isFloat(dtype) ? dtype : DEFAULT_FLOAT, seed });
  }
  /** As randn, of this shape; dtype as this unless another is given. */
  randnLike({ dtype = this.dtype, seed }: SampleOptions = {}): Tensor {
    return Sampling.randn(this.shape, { dtype: isFloat(dtype) ? dtype : DEFAULT_FLOAT, seed });
  }
  /** As randint, of this shape; dtype as this unless another is given. */
  randintLike(low: number, high: number, { dtype = this.dtype, seed }: SampleOptions = {}): Tensor {
    return Sampling.randint(low, high, this.shape, { dtype, seed });
  }

  /**
   * Weights [outputs, inputs, window..], uniform in +-gain * sqrt(3 / fan in) (He and others, 2015). With a gain of
   * sqrt(1 / 3) PyTorch's layers start.
   *
   * @example
   * Tensor.kaimingUniform([16, 3, 3, 3]).abs().le(Math.sqrt(6 / 27)).all(); // => true
   */
  static kaimingUniform(
    shape: readonly number[],
    { gain = Math.SQRT2, ...options }: WeightOptions = {},
  ): Tensor {
    const bound = gain * Math.sqrt(3 / fansOf(shape).input);
    return Sampling.uniform(shape, -bound, bound, options);
  }
  /** Weights [outputs, inputs, window..], normal with deviation gain / sqrt(fan in). */
  static kaimingNormal(
    shape: readonly number[],
    { gain = Math.SQRT2, ...options }: WeightOptions = {},
  ): Tensor {
    return Sampling.normal(shape, 0, gain / Math.sqrt(fansOf(shape).input), options);
  }
  /** Weights uniform in +-gain * sqrt(6 / (fan in + fan out)) (Glorot and Bengio, 2010). */
  static glorotUniform(shape: readonly number[], { gain = 1, ...options }: WeightOptions = {}): Tensor {
    const { input, output } = fansOf(shape);
    const bound = gain * Math.sqrt(6 / (input + output));
    return Sampling.uniform(shape, -bound, bound, options);
  }
  /** Weights normal with deviation gain * sqrt(2 / (fan in + fan out)). */
  static glorotNormal(shape: readonly number[], { gain = 1, ...options }: WeightOptions = {}): Tensor {
    const { input, output } = fansOf(shape);
    return Sampling.normal(shape, 0, gain * Math.sqrt(2 / (input + output)), options);
  }
}

export interface TruncOptions extends SampleOptions {
  readonly mean?: number;
  readonly deviation?: number;
  readonly min?: number;
  readonly max?: number;
}
