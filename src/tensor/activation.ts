// Activation functions. Those with two branches keep the one that is not taken finite, so that no gradient of it
// becomes NaN; at kinks the slope is PyTorch's.

import { accumulationType } from "./reduction.js";
import { Fourier } from "./fourier.js";
import type { Tensor } from "./tensor.js";

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
  /** this where positive, else this * slope. */
  leakyRelu(slope = 0.01): Tensor {
    return this.gt(0).where(this.self, this.mul(slope));
  }
  /** Limited to [min, max]. */
  hardTanh(min = -1, max = 1): Tensor {
    return this.le(min).where(min, this.ge(max).where(max, this.self));
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
  /** log(1 + exp(beta * this)) / beta. */
  softplus(beta = 1): Tensor {
    const x = beta === 1 ? this.toFloats() : this.toFloats().mul(beta);
    const result = x.maximum(0).add(x.abs().neg().exp().log1p());
    return beta === 1 ? result : result.div(beta);
  }
  /** this * sigmoid(this). */
  silu(): Tensor {
    return this.mul(this.sigmoid());
  }
  /** this * Phi(this), the normal distribution's; or its approximation by tanh. */
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
  /** First half along an axis, gated by the sigmoid of the second. */
  glu(axis = -1): Tensor {
    const [value, gate] = this.chunk(2, axis);
    return value.mul(gate.sigmoid());
  }

  /** exp(this) over its sum along an axis; safe from overflow. */
  softmax(axis: number): Tensor {
    const x = this.centred(axis);
    const power = x.exp();
    return power.mul(power.sum(axis, { keepdim: true }).reciprocal()).cast(this.toFloats().dtype);
  }
  /** log(softmax(this)). */
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
