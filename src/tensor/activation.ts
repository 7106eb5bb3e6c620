// Activation functions. Those with two branches keep the one that is not taken finite, so that no gradient of it
// becomes NaN; at kinks the slope is PyTorch's.

import { derived, iota } from "../graph/node.js";
import { axisOf, TensorError } from "./core.js";
import { Fourier } from "./fourier.js";
import { gumbelNode, uniformNode } from "./random-bits.js";
import { accumulationType } from "./reduction.js";
import type { Tensor } from "./tensor.js";

export interface RreluOptions {
  readonly lower?: number;
  readonly upper?: number;
  /** Whether slopes are drawn; default false. */
  readonly training?: boolean;
}

export interface GumbelOptions {
  /** The temperature: the nearer to 0, the nearer the result to one-hot. */
  readonly tau?: number;
  readonly hard?: boolean;
  readonly axis?: number;
}

const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

export abstract class Activation extends Fourier {
  /** max(this, 0); NaN stays. */
  relu(): Tensor {
    return this.le(0).where(0, this.self);
  }
  /** relu, at most 6. */
  relu6(): Tensor {
    return this.hardTanh(0, 6);
  }
  /**
   * this where positive, else this * slope.
   *
   * @example
   * Tensor.from([-2, 3]).leakyRelu(0.5); // => [-1, 3]
   */
  leakyRelu(slope = 0.01): Tensor {
    return this.gt(0).where(this.self, this.mul(slope));
  }
  /** Limited to [min, max]. */
  hardTanh(min = -1, max = 1): Tensor {
    return this.le(min).where(min, this.ge(max).where(max, this.self));
  }
  /** As hardTanh. */
  hardtanh(min = -1, max = 1): Tensor {
    return this.hardTanh(min, max);
  }
  /** this where above the threshold, else `value`. */
  threshold(threshold: number, value: number): Tensor {
    return this.le(threshold).where(value, this.self);
  }
  /** this where further than lambda from 0, else 0. */
  hardshrink(lambda = 0.5): Tensor {
    return this.abs().le(lambda).where(0, this.self);
  }
  /** Nearer to 0 by lambda, at most to 0. */
  softshrink(lambda = 0.5): Tensor {
    const beyond = this.lt(0).where(this.add(lambda), this.sub(lambda));
    return this.abs().le(lambda).where(0, beyond);
  }
  /**
   * this where positive, else this * slope; in training slopes are drawn from [lower, upper), else the middle one holds
   * (Xu and others, "Empirical Evaluation of Rectified Activations", 2015).
   */
  rrelu({ lower = 1 / 8, upper = 1 / 3, training = false }: RreluOptions = {}): Tensor {
    if (!(lower <= upper)) throw new TensorError(`rrelu: lower ${lower} must not exceed upper ${upper}`);
    if (!training) return this.leakyRelu((lower + upper) / 2);
    const x = this.toFloats();
    const slope = this.wrap(uniformNode(x.shape, x.dtype, 0))
      .mul(upper - lower)
      .add(lower);
    return x.ge(0).where(x, x.mul(slope));
  }
  /**
   * this where positive, else this * weight; a weight of more than one element has one for each place of axis 1.
   *
   * @example
   * Tensor.from([[-1, -1]]).prelu(Tensor.from([0.1, 0.2])); // => [[-0.1, -0.2]]
   */
  prelu(weight: Tensor): Tensor {
    const places = weight.size === 1 ? 1 : (this.shape[1] ?? 1);
    if (weight.ndim > 1 || weight.size !== places) {
      throw new TensorError(
        `prelu: ${weight} must have one element, or one for each place of axis 1 of ${this}`,
      );
    }
    const rest = new Array<number>(Math.max(0, this.ndim - 2)).fill(1);
    const slope = weight.reshape(weight.size === 1 ? [] : [weight.size, ...rest]);
    return this.gt(0).where(this.self, this.mul(slope));
  }
  /** 1 / (1 + exp(-this)). */
  sigmoid(): Tensor {
    const x = this.toFloats();
    // Of the two forms the one whose exponential is at most 1.
    const positive = x.ge(0);
    const power = positive.where(x.neg(), x).exp();
    return positive.where(1, power).div(power.add(1));
  }
  /** log(sigmoid(this)). */
  logSigmoid(): Tensor {
    return this.neg().softplus().neg();
  }
  /**
   * log(1 + exp(beta * this)) / beta; this itself where beta * this exceeds the threshold, if one is given.
   *
   * @example
   * Tensor.from([0, 100]).softplus(); // => [0.6931, 100]
   */
  softplus(beta = 1, threshold?: number): Tensor {
    const x = beta === 1 ? this.toFloats() : this.toFloats().mul(beta);
    const soft = x.maximum(0).add(x.abs().neg().exp().log1p());
    const result = beta === 1 ? soft : soft.div(beta);
    return threshold === undefined ? result : x.gt(threshold).where(this.self, result);
  }
  /** this * sigmoid(this). */
  silu(): Tensor {
    return this.mul(this.sigmoid());
  }
  /** As silu. */
  swish(): Tensor {
    return this.silu();
  }
  /**
   * this * Phi(this), the normal distribution's; or its approximation by tanh.
   *
   * @example Tensor.from([-1, 0, 1]).gelu(); // => [-0.1587, 0, 0.8413]
   */
  gelu({ approximate = "none" }: { approximate?: "none" | "tanh" } = {}): Tensor {
    const x = this.toFloats();
    const inner =
      approximate === "tanh"
        ? x
            .add(x.pow(3).mul(0.044715))
            .mul(Math.sqrt(2 / Math.PI))
            .tanh()
        : x.mul(Math.SQRT1_2).erf();
    return x.mul(0.5).mul(inner.add(1));
  }
  /** this where positive, else alpha * (exp(this) - 1). */
  elu(alpha = 1): Tensor {
    return this.exponentialBelow(1, alpha);
  }
  /** elu with exp(this / alpha), whose slope has no step. */
  celu(alpha = 1): Tensor {
    return this.exponentialBelow(1 / alpha, alpha);
  }
  private exponentialBelow(rate: number, alpha: number): Tensor {
    const x = this.toFloats();
    const positive = x.gt(0);
    const below = positive.where(0, x);
    return positive.where(x, (rate === 1 ? below : below.mul(rate)).expm1().mul(alpha));
  }
  /** Scaled elu, which keeps mean 0 and variance 1. */
  selu(): Tensor {
    return this.elu(SELU_ALPHA).mul(SELU_SCALE);
  }
  /** Piecewise linear sigmoid: relu6(this + 3) / 6. */
  hardSigmoid(): Tensor {
    return this.toFloats().add(3).relu6().div(6);
  }
  /** this * hardSigmoid(this). */
  hardSwish(): Tensor {
    const x = this.toFloats();
    return x.mul(x.add(3).relu6()).div(6);
  }
  /** As hardSigmoid. */
  hardsigmoid(): Tensor {
    return this.hardSigmoid();
  }
  /** As hardSwish. */
  hardswish(): Tensor {
    return this.hardSwish();
  }
  /** this * tanh(softplus(this)). */
  mish(): Tensor {
    return this.mul(this.softplus().tanh());
  }
  /** this / (1 + |this|). */
  softsign(): Tensor {
    return this.div(this.abs().add(1));
  }
  /** this - tanh(this). */
  tanhshrink(): Tensor {
    return this.sub(this.tanh());
  }
  /**
   * First half along an axis, gated by the sigmoid of the second.
   *
   * @example Tensor.from([1, 2, 0, 0]).glu(); // => [0.5, 1]
   */
  glu(axis = -1): Tensor {
    const [value, gate] = this.chunk(2, axis);
    return value.mul(gate.sigmoid());
  }

  /**
   * exp(this) over its sum along an axis; safe from overflow.
   *
   * @example Tensor.from([0, 0]).softmax(0); // => [0.5, 0.5]
   */
  softmax(axis: number): Tensor {
    const x = this.centred(axis);
    const power = x.exp();
    return power.mul(power.sum(axis, { keepdim: true }).reciprocal()).cast(this.toFloats().dtype);
  }
  /** softmax of -this. */
  softmin(axis: number): Tensor {
    return this.neg().softmax(axis);
  }
  /**
   * softmax of (this + Gumbel noise) / tau: samples of the distribution with these logits, smooth in them (Jang and others,
   * "Categorical Reparameterization with Gumbel-Softmax", 2017). If `hard`, one-hot with the smooth one's gradients.
   */
  gumbelSoftmax({ tau = 1, hard = false, axis = -1 }: GumbelOptions = {}): Tensor {
    const x = this.toFloats();
    const soft = x
      .add(this.wrap(gumbelNode(x.shape, x.dtype)))
      .div(tau)
      .softmax(axis);
    if (!hard) return soft;
    const places = this.wrap(iota(x.shape, axisOf(axis, x.ndim, "gumbelSoftmax")));
    const chosen = places.eq(soft.argmax(axis, { keepdim: true })).cast(soft.dtype);
    return this.wrap(derived(chosen.node, [soft.node], (g) => [g]));
  }
  /**
   * log(softmax(this)).
   *
   * @example
   * Tensor.from([0, 0]).logSoftmax(0); // => [-0.6931, -0.6931]
   */
  logSoftmax(axis: number): Tensor {
    const x = this.centred(axis);
    return x.sub(x.exp().sum(axis, { keepdim: true }).log()).cast(this.toFloats().dtype);
  }
  /** Less the largest along an axis, in the type in which sums are taken. */
  private centred(axis: number): Tensor {
    const x = this.cast(accumulationType(this.toFloats().dtype));
    return x.sub(x.max(axis, { keepdim: true }).detach());
  }
}
