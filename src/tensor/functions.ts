// Functions of one or two numbers beyond arithmetic: inverse trigonometric and hyperbolic functions, special functions.
// Each is computed in float32 or float64 and carries its derivative in closed form; integers become floats first.

import { Arithmetic } from "./arithmetic.js";
import * as bessel from "./bessel-functions.js";
import { type Operand, TensorError } from "./core.js";
import * as error from "./error-functions.js";
import { withSignOf } from "./float-bits.js";
import * as gamma from "./gamma-functions.js";
import { polynomial, smooth } from "./smooth.js";
import type { Tensor } from "./tensor.js";
import * as trigonometric from "./trigonometric.js";

const ROOT_PI = Math.sqrt(Math.PI);

export abstract class Functions extends Arithmetic {
  // --- inverse trigonometric and hyperbolic functions ----------------------------------------------------------------

  /** The angle in [-pi/2, pi/2] with this sine; NaN beyond 1. */
  asin(): Tensor {
    return smooth([this.toFloats()], trigonometric.asin, (_, x) => x.square().rsub(1).rsqrt());
  }
  arcsin(): Tensor {
    return this.asin();
  }
  /** The angle in [0, pi] with this cosine; NaN beyond 1. */
  acos(): Tensor {
    return smooth([this.toFloats()], trigonometric.acos, (_, x) => x.square().rsub(1).rsqrt().neg());
  }
  arccos(): Tensor {
    return this.acos();
  }
  /** The angle in [-pi/2, pi/2] with this tangent. */
  atan(): Tensor {
    return smooth([this.toFloats()], trigonometric.atan, (_, x) => x.square().add(1).reciprocal());
  }
  arctan(): Tensor {
    return this.atan();
  }
  /**
   * The angle in [-pi, pi] of the point with ordinate this and abscissa x; signs of zeros as in C.
   *
   * @example Tensor.from([1, -1]).atan2(Tensor.from([0, 0])); // => [1.5708, -1.5708]
   */
  atan2(x: Operand): Tensor {
    const squares = (a: Tensor, b: Tensor): Tensor => a.square().add(b.square());
    return smooth(
      this.floats(x, "atan2"),
      trigonometric.atan2,
      (_, b, a) => a.div(squares(a, b)),
      (_, b, a) => b.neg().div(squares(a, b)),
    );
  }
  arctan2(x: Operand): Tensor {
    return this.atan2(x);
  }
  asinh(): Tensor {
    return smooth([this.toFloats()], trigonometric.asinh, (_, x) => x.square().add(1).rsqrt());
  }
  arcsinh(): Tensor {
    return this.asinh();
  }
  /** NaN below 1. */
  acosh(): Tensor {
    // Not of x^2 - 1, which near 1 has few digits.
    return smooth([this.toFloats()], trigonometric.acosh, (_, x) => x.sub(1).mul(x.add(1)).rsqrt());
  }
  arccosh(): Tensor {
    return this.acosh();
  }
  /** NaN beyond 1, infinite at it. */
  atanh(): Tensor {
    return smooth([this.toFloats()], trigonometric.atanh, (_, x) => x.square().rsub(1).reciprocal());
  }
  arctanh(): Tensor {
    return this.atanh();
  }
  deg2rad(): Tensor {
    return this.toFloats().mul(Math.PI / 180);
  }
  rad2deg(): Tensor {
    return this.toFloats().mul(180 / Math.PI);
  }
  /**
   * sin(pi x) / (pi x), 1 at 0.
   *
   * @example Tensor.from([0, 0.5]).sinc(); // => [1, 0.6366]
   */
  sinc(): Tensor {
    const slope = (y: Tensor, x: Tensor): Tensor => {
      // Near 0 its own series: cos(pi x) and sinc(x) cancel.
      const near = x.abs().lt(0.4);
      const inside = near.where(x, 0);
      const series = polynomial(inside.square(), SINC_SLOPE.slice(0, x.dtype === "float64" ? 12 : 6));
      const outside = near.where(1, x);
      return near.where(series.mul(inside), outside.mul(Math.PI).cos().sub(y).div(outside));
    };
    const value = (x: Tensor): Tensor =>
      x.eq(0).where(1, gamma.sinPi(x).div(x.eq(0).where(1, x).mul(Math.PI)));
    return smooth([this.toFloats()], value, slope);
  }
  /**
   * sqrt(this^2 + other^2), where the squares overflow too.
   *
   * @example Tensor.from([3]).hypot(4); // => [5]
   */
  hypot(other: Operand): Tensor {
    const value = (x: Tensor, y: Tensor): Tensor => {
      const [a, b] = [x.abs(), y.abs()];
      const larger = a.maximum(b);
      const length = larger.mul(a.minimum(b).div(larger).square().add(1).sqrt());
      const infinite = a.eq(Number.POSITIVE_INFINITY).logicalOr(b.eq(Number.POSITIVE_INFINITY));
      return infinite.where(Number.POSITIVE_INFINITY, larger.eq(0).where(larger, length));
    };
    const share = (length: Tensor, x: Tensor): Tensor => length.eq(0).where(0, x.div(length));
    return smooth(this.floats(other, "hypot"), value, share, (length, _, y) => share(length, y));
  }
  /**
   * Cube root, of negative numbers too.
   *
   * @example
   * Tensor.from([27, -8]).cbrt(); // => [3, -2]
   */
  cbrt(): Tensor {
    const value = (x: Tensor): Tensor => {
      const size = x.abs();
      const root = size.log2().div(3).exp2();
      // One step of Newton's method mends what the logarithm lost.
      const mended = root.sub(root.sub(size.div(root).div(root)).div(3));
      const special = size.eq(0).logicalOr(size.isfinite().logicalNot());
      return withSignOf(special.where(size, mended), x);
    };
    return smooth([this.toFloats()], value, (y) => y.square().mul(3).reciprocal());
  }

  // --- exponentials and logarithms -----------------------------------------------------------------------------------

  /**
   * log(exp(this) + exp(other)), safe from overflow.
   *
   * @example Tensor.from([0]).logaddexp(0); // => [0.6931]
   */
  logaddexp(other: Operand): Tensor {
    const value = (x: Tensor, y: Tensor): Tensor =>
      x.eq(y).where(x.add(Math.LN2), x.maximum(y).add(x.sub(y).abs().neg().exp().log1p()));
    return smooth(
      this.floats(other, "logaddexp"),
      value,
      (_, x, y) => x.sub(y).sigmoid(),
      (_, x, y) => y.sub(x).sigmoid(),
    );
  }
  /** log2(2^this + 2^other), safe from overflow. */
  logaddexp2(other: Operand): Tensor {
    const value = (x: Tensor, y: Tensor): Tensor =>
      x.eq(y).where(x.add(1), x.maximum(y).add(x.sub(y).abs().neg().exp2().log1p().mul(Math.LOG2E)));
    return smooth(
      this.floats(other, "logaddexp2"),
      value,
      (_, x, y) => x.sub(y).mul(Math.LN2).sigmoid(),
      (_, x, y) => y.sub(x).mul(Math.LN2).sigmoid(),
    );
  }
  /**
   * this * log(other); 0 where this is 0, unless other is NaN.
   *
   * @example Tensor.from([0, 2]).xlogy(Tensor.from([0, 1])); // => [0, 0]
   */
  xlogy(other: Operand): Tensor {
    const [x, y] = this.floats(other, "xlogy");
    const none = x.eq(0).logicalAnd(y.isnan().logicalNot());
    return none.where(0, x.mul(none.where(1, y).log()));
  }
  /** this * log(1 + other); 0 where this is 0, unless other is NaN. */
  xlog1py(other: Operand): Tensor {
    const [x, y] = this.floats(other, "xlog1py");
    const none = x.eq(0).logicalAnd(y.isnan().logicalNot());
    return none.where(0, x.mul(none.where(0, y).log1p()));
  }
  /** -this * log(this): 0 at 0, -infinity below. */
  entr(): Tensor {
    const value = (x: Tensor): Tensor => {
      const positive = x.gt(0);
      const inside = positive.where(x, 1);
      return positive.where(
        inside.neg().mul(inside.log()),
        x.isnan().where(x, x.lt(0).where(Number.NEGATIVE_INFINITY, 0)),
      );
    };
    return smooth([this.toFloats()], value, (_, x) => x.log().add(1).neg());
  }
  /**
   * log(this / (1 - this)); with eps this is limited to [eps, 1 - eps] first.
   *
   * @example
   * Tensor.from([0.25, 0.75]).logit(); // => [-1.0986, 1.0986]
   */
  logit(eps?: number): Tensor {
    const x = eps === undefined ? this.toFloats() : this.toFloats().clamp(eps, 1 - eps);
    return smooth(
      [x],
      (p) => p.div(p.rsub(1)).log(),
      (_, p) => p.mul(p.rsub(1)).reciprocal(),
    );
  }
  /** As sigmoid. */
  expit(): Tensor {
    return this.self.sigmoid();
  }

  // --- special functions ---------------------------------------------------------------------------------------------

  /** 1 - erf(this), with all digits where that is small. */
  erfc(): Tensor {
    return smooth([this.toFloats()], error.erfc, (_, x) =>
      x
        .square()
        .neg()
        .exp()
        .mul(-2 / ROOT_PI),
    );
  }
  /** exp(this^2) erfc(this), where neither has digits of its own. */
  erfcx(): Tensor {
    return smooth([this.toFloats()], error.erfcx, error.erfcxSlope);
  }
  /**
   * The number whose erf this is; infinite at -1 and 1, NaN beyond.
   *
   * @example Tensor.from([0, 0.5]).erfinv(); // => [0, 0.4769]
   */
  erfinv(): Tensor {
    return smooth([this.toFloats()], error.erfinv, (y) =>
      y
        .square()
        .exp()
        .mul(ROOT_PI / 2),
    );
  }
  /** The standard normal distribution's function. */
  ndtr(): Tensor {
    return smooth([this.toFloats()], error.ndtr, (_, x) =>
      x
        .square()
        .mul(-0.5)
        .exp()
        .mul(Math.SQRT1_2 / ROOT_PI),
    );
  }
  /** The logarithm of ndtr, where that itself underflows too. */
  logNdtr(): Tensor {
    return smooth([this.toFloats()], error.logNdtr, (_, x) =>
      x
        .mul(-Math.SQRT1_2)
        .erfcx()
        .reciprocal()
        .mul(Math.SQRT2 / ROOT_PI),
    );
  }
  /** The inverse of ndtr; infinite at 0 and 1, NaN beyond. */
  ndtri(): Tensor {
    return smooth([this.toFloats()], error.ndtri, (y) =>
      y
        .square()
        .mul(0.5)
        .exp()
        .mul(Math.SQRT2 * ROOT_PI),
    );
  }
  /**
   * The logarithm of the gamma function's size; infinite at 0 and negative integers.
   *
   * @example Tensor.from([1, 5]).lgamma(); // => [0, 3.1781]
   */
  lgamma(): Tensor {
    return smooth([this.toFloats()], gamma.lgamma, (_, x) => x.digamma());
  }
  /**
   * The derivative of lgamma. At 0 an infinity of the other sign, at negative integers NaN.
   *
   * @example Tensor.from([1]).digamma(); // => [-0.5772]
   */
  digamma(): Tensor {
    return smooth([this.toFloats()], gamma.digamma, (_, x) => x.polygamma(1));
  }
  /**
   * The derivative of digamma of order n; infinite at 0 and negative integers.
   *
   * @example
   * Tensor.from([1]).polygamma(1); // => [1.6449]
   */
  polygamma(n: number): Tensor {
    if (!Number.isInteger(n) || n < 0)
      throw new TensorError(`polygamma: the order must be a whole number from 0 on, got ${n}`);
    if (n === 0) return this.digamma();
    return smooth(
      [this.toFloats()],
      (x) => gamma.polygamma(n, x),
      (_, x) => x.polygamma(n + 1),
    );
  }
  /** The logarithm of the multivariate gamma function of dimension p. */
  multigammaln(p: number): Tensor {
    if (!Number.isInteger(p) || p < 1)
      throw new TensorError(`multigammaln: the dimension must be a whole number from 1 on, got ${p}`);
    const x = this.toFloats();
    const terms = Array.from({ length: p }, (_, i) => x.sub(i / 2).lgamma());
    return terms.reduce((sum, term) => sum.add(term)).add((p * (p - 1) * Math.log(Math.PI)) / 4);
  }
  /** The logarithm of the beta function: lgamma(a) + lgamma(b) - lgamma(a + b). */
  betaln(other: Operand): Tensor {
    const [a, b] = this.floats(other, "betaln");
    return smooth(
      [a, b],
      gamma.betaln,
      (_, x, y) => x.digamma().sub(x.add(y).digamma()),
      (_, x, y) => y.digamma().sub(x.add(y).digamma()),
    );
  }
  /**
   * Hurwitz's zeta function of this and q: the sum of (q + k)^-this over k >= 0. NaN below 1, and where q is below 0.
   *
   * @example
   * Tensor.from([2]).zeta(1); // => [1.6449]
   */
  zeta(q: Operand): Tensor {
    const [s, y] = this.floats(q, "zeta");
    return smooth(
      [s.detach(), y],
      gamma.zeta,
      (value) => value.mul(0),
      (_, x, z) => x.add(1).zeta(z).mul(x.neg()),
    );
  }
  /**
   * Modified Bessel function of the first kind, order 0.
   *
   * @example
   * Tensor.from([0, 1]).i0(); // => [1, 1.2661]
   */
  i0(): Tensor {
    return smooth([this.toFloats()], bessel.i0, (_, x) => x.i1());
  }
  /** exp(-|this|) i0(this) */
  i0e(): Tensor {
    return smooth([this.toFloats()], bessel.i0e, (y, x) => x.i1e().sub(x.sign().mul(y)));
  }
  /** Modified Bessel function of the first kind, order 1. */
  i1(): Tensor {
    // i0(x) - i1(x) / x, which is 1/2 at 0.
    return smooth([this.toFloats()], bessel.i1, (y, x) => {
      const none = x.eq(0);
      return none.where(0.5, x.i0().sub(y.div(none.where(1, x))));
    });
  }
  /** exp(-|this|) i1(this) */
  i1e(): Tensor {
    return smooth([this.toFloats()], bessel.i1e, (y, x) => {
      const none = x.eq(0);
      return none.where(0.5, x.i0e().sub(y.mul(x.sign().add(none.where(1, x).reciprocal()))));
    });
  }
}

/** d/dx sinc(x) = sum of (-1)^k 2k pi^2k x^(2k-1) / (2k+1)! over k >= 1. */
const SINC_SLOPE = Array.from({ length: 12 }, (_, i) => {
  let term = 2 * i + 2;
  for (let n = 1; n <= 2 * i + 3; n++) term /= n;
  return (i % 2 === 0 ? -term : term) * Math.PI ** (2 * i + 2);
});
