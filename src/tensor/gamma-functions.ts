// The gamma function's relatives: values in float32 and float64 by recurrence, Stirling's series and reflection
// (Abramowitz and Stegun, "Handbook of Mathematical Functions", chapters 6 and 23).

import { coefficientsFor, polynomial } from "./smooth.js";
import type { Tensor } from "./tensor.js";

/** B(2), B(4), ..: Bernoulli's numbers. */
const BERNOULLI = [
  1 / 6,
  -1 / 30,
  1 / 42,
  -1 / 30,
  5 / 66,
  -691 / 2730,
  7 / 6,
  -3617 / 510,
  43867 / 798,
  -174611 / 330,
];

/** Terms of asymptotic series, and where they begin to be exact. */
const reachOf = (x: Tensor): { readonly terms: number; readonly start: number } =>
  x.dtype === "float64" ? { terms: 8, start: 10 } : { terms: 4, start: 5 };

/** x less the nearest integer, and whether that is odd. */
function nearestInteger(x: Tensor): { readonly rest: Tensor; readonly odd: Tensor } {
  const whole = x.round();
  const half = whole.mul(0.5);
  return { rest: x.sub(whole), odd: half.floor().ne(half) };
}

/** sin(pi x), with all digits near integers. */
export function sinPi(x: Tensor): Tensor {
  const { rest, odd } = nearestInteger(x);
  const sine = rest.mul(Math.PI).sin();
  return odd.where(sine.neg(), sine);
}

/** pi / tan(pi x) */
function cotPi(x: Tensor): Tensor {
  const angle = nearestInteger(x).rest.mul(Math.PI);
  return angle.cos().div(angle.sin()).mul(Math.PI);
}

/** Stirling's series for x from 8 on: lgamma(x) - (x - 1/2) (log(x) - 1) - log(2 pi) / 2 + 1/2. */
function stirlingRest(x: Tensor): Tensor {
  const { terms } = reachOf(x);
  const c = BERNOULLI.slice(0, terms).map((b, i) => b / ((2 * i + 2) * (2 * i + 1)));
  const inverse = x.reciprocal();
  return polynomial(inverse.square(), c).mul(inverse);
}

/**
 * log |Gamma(x)|. Near its zeros 1 and 2 a polynomial on [3/2, 5/2] times them; from there by recurrence to -1/2 and
 * to 8; beyond Stirling's series; below -1/2 by reflection.
 */
export function lgamma(x: Tensor): Tensor {
  const reflected = x.lt(-0.5);
  const z = reflected.where(x.rsub(1), x);
  const far = z.ge(8);
  // Down to (3/2, 5/2] by z - 1, z - 2, .., or up by z, z + 1: the factors passed.
  const inside = far.where(2, z);
  let [place, product] = [inside, inside.mul(0).add(1)];
  for (let i = 0; i < 6; i++) {
    const above = place.gt(2.5);
    place = above.where(place.sub(1), place);
    product = above.where(product.mul(place), product);
  }
  for (let i = 0; i < 2; i++) {
    const below = place.lt(1.5);
    product = below.where(product.mul(place), product);
    place = below.where(place.add(1), place);
  }
  const d = place.sub(2);
  const near = polynomial(d, coefficientsFor(x).lgamma).mul(d).mul(d.add(1));
  const log = far.where(z, product.abs()).log();
  const large = z
    .sub(0.5)
    .mul(log.sub(1))
    .add(stirlingRest(z).add(0.5 * Math.log(2 * Math.PI) - 0.5));
  const factors = inside.gt(2.5).where(log, log.neg());
  const value = far.where(z.eq(Number.POSITIVE_INFINITY).where(z, large), near.add(factors));
  const mirror = sinPi(x).abs().div(Math.PI).log().neg();
  const infinite = x.abs().eq(Number.POSITIVE_INFINITY);
  return infinite.where(Number.POSITIVE_INFINITY, reflected.where(mirror.sub(value), value));
}

/** The slope of lgamma. At 0 an infinity of the other sign than x, at negative integers NaN. */
export function digamma(x: Tensor): Tensor {
  const reflected = x.lt(0);
  const z = reflected.where(x.rsub(1), x);
  const { terms, start } = reachOf(x);
  let passed = z.reciprocal();
  for (let i = 1; i < start; i++) passed = passed.add(z.add(i).reciprocal());
  const shifted = z.add(start);
  const inverse = shifted.reciprocal();
  const c = BERNOULLI.slice(0, terms).map((b, i) => b / (2 * i + 2));
  const series = polynomial(inverse.square(), c).mul(inverse.square()).add(inverse.mul(0.5));
  const value = shifted.log().sub(series).sub(passed);
  const whole = x.round().eq(x);
  const mirrored = whole.where(Number.NaN, value.sub(cotPi(x)));
  return reflected.where(mirrored, x.eq(0).where(x.reciprocal().neg(), value));
}

const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));

/** x^n for whole n > 0 by squaring. */
function wholePower(x: Tensor, n: number): Tensor {
  let [result, square]: [Tensor | undefined, Tensor] = [undefined, x];
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result = result === undefined ? square : result.mul(square);
    if (rest > 1) square = square.mul(square);
  }
  return result!;
}

/** The coefficients of P in d^n/dx^n cot(x) = P(cot(x)), constant term first: P' of the one before times -(1 + c^2). */
function cotDerivative(n: number): number[] {
  let p = [0, 1];
  for (let i = 0; i < n; i++) {
    const slope = p.slice(1).map((c, k) => -c * (k + 1));
    p = Array.from({ length: slope.length + 2 }, (_, k) => (slope[k] ?? 0) + (slope[k - 2] ?? 0));
  }
  return p;
}

/** The derivative of order n >= 1 of digamma: (-1)^(n+1) n! times the sum of (x + k)^-(n+1) over k >= 0. */
export function polygamma(n: number, x: Tensor): Tensor {
  const sign = n % 2 === 1 ? 1 : -1;
  const reflected = x.lt(0);
  const z = reflected.where(x.rsub(1), x);
  const { terms, start } = reachOf(x);
  const steps = start + n;
  const total = sumOfPowers(z, steps, terms, (y) => wholePower(y.reciprocal(), n + 1), n + 1);
  const value = total.mul(sign * factorial(n));
  // psi_n(1 - x) + (-1)^(n+1) psi_n(x) = (-1)^n pi d^n/dx^n cot(pi x)
  const mirror = polynomial(cotPi(x).div(Math.PI), cotDerivative(n)).mul(-(Math.PI ** (n + 1)));
  const mirrored = reflected.where(mirror.sub(value.mul(sign)), value);
  const pole = x.le(0).logicalAnd(x.floor().eq(x));
  return pole.where(sign * Number.POSITIVE_INFINITY, mirrored);
}

/**
 * The sum of (q + k)^-s over k >= 0 (Euler and Maclaurin): `steps` terms, the integral of the rest, and its corrections.
 * `power` gives y^-s.
 */
function sumOfPowers(
  q: Tensor,
  steps: number,
  terms: number,
  power: (y: Tensor) => Tensor,
  s: number | Tensor,
): Tensor {
  let sum = power(q);
  for (let k = 1; k < steps; k++) sum = sum.add(power(q.add(k)));
  const y = q.add(steps);
  const last = power(y);
  const inverse = y.reciprocal();
  const square = inverse.square();
  // B(2j) / (2j)! s (s+1) .. (s+2j-2) y^(1-2j)
  const at = (n: number): Tensor => (typeof s === "number" ? inverse.mul(0).add(s + n) : s.add(n));
  let factor = at(0).mul(inverse);
  let corrections = factor.mul(BERNOULLI[0] / 2);
  for (let j = 2; j <= terms; j++) {
    factor = factor
      .mul(at(2 * j - 3))
      .mul(at(2 * j - 2))
      .mul(square);
    corrections = corrections.add(factor.mul(BERNOULLI[j - 1] / factorial(2 * j)));
  }
  const total = sum.add(last.mul(y.div(at(-1)).add(0.5).add(corrections)));
  return q.eq(Number.POSITIVE_INFINITY).where(0, total);
}

/** Hurwitz's zeta: the sum of (q + k)^-x over k >= 0, for x > 1 and q > 0. */
export function zeta(x: Tensor, q: Tensor): Tensor {
  const { terms, start } = reachOf(x);
  const value = sumOfPowers(q, start, terms, (y) => y.pow(x.neg()), x);
  const pole = q.le(0).logicalAnd(q.eq(q.floor())).logicalOr(x.eq(1));
  const defined = x.gt(1).logicalAnd(q.gt(0));
  return pole.logicalAnd(x.ge(1)).where(Number.POSITIVE_INFINITY, defined.where(value, Number.NaN));
}

/**
 * log of the beta function. Where both are large the large parts of Stirling's three series cancel, and are left out;
 * where one is, it is lgamma of the smaller and the logarithm of a ratio of gammas (Didonato and Morris, "Significant
 * digit computation of the incomplete beta function ratios", 1992).
 */
export function betaln(x: Tensor, y: Tensor): Tensor {
  const [a, b] = [x.minimum(y), x.maximum(y)];
  const plain = lgamma(a)
    .add(lgamma(b))
    .sub(lgamma(a.add(b)));
  const large = b.maximum(8);
  const ratio = a.div(large);
  const lift = ratio.log1p();
  const rest = stirlingRest(large).sub(stirlingRest(a.add(large)));
  // lgamma(b) - lgamma(a + b)
  const quotient = rest.sub(large.sub(0.5).add(a).mul(lift)).sub(a.mul(large.log().sub(1)));
  const both = a.maximum(8);
  const balanced = stirlingRest(both)
    .add(rest)
    .add(both.sub(0.5).mul(ratio.div(ratio.add(1)).log()))
    .sub(large.mul(lift))
    .sub(large.log().mul(0.5))
    .add(0.5 * Math.log(2 * Math.PI));
  return a.ge(8).where(balanced, b.ge(8).where(lgamma(a).add(quotient), plain));
}
