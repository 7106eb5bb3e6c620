// Functions of square matrices [b, n, n] of float32 or float64: powers and the exponential; and norms.

import { TensorError } from "./core.js";
import { iterate, unitLike, withGradient, zerosLike } from "./iterate.js";
import { inverse } from "./systems.js";
import type { Tensor } from "./tensor.js";

/** The product of |exponent| copies, by repeated squaring; of the inverse if the exponent is negative. */
export function power(a: Tensor, exponent: number): Tensor {
  if (exponent === 0) return unitLike(a);
  let square = exponent < 0 ? inverse(a) : a;
  let result: Tensor | undefined;
  for (let rest = Math.abs(exponent); ; square = square.matmul(square).contiguous()) {
    if (rest % 2 === 1) result = result === undefined ? square : result.matmul(square).contiguous();
    rest = Math.floor(rest / 2);
    if (rest === 0) return result!;
  }
}

/** Up to this norm a Taylor polynomial of degree blocks^2 is exact to rounding (Al-Mohy and Higham, 2011). */
const TAYLOR_NORM = 0.75;
/** How the polynomial is cut, and how often its value is squared at most. */
const EXPONENTIAL = {
  float32: { blocks: 3, squarings: 18 },
  float64: { blocks: 4, squarings: 32 },
};

/**
 * e^A by scaling and squaring (Higham, 2005), with the polynomial of Paterson and Stockmeyer (1973): A is halved until
 * it is small, the exponential of that squared as often. How often depends on the data: steps beyond leave the value
 * alone. Matrices of a norm above 0.75 * 2^squarings give NaN.
 */
export function exponential(a: Tensor): Tensor {
  return withGradient(exponentialValue(a.detach()), [a], (g, _, a) => {
    // The derivative of e^A^T in the direction g stands above the diagonal of e^[A^T g; 0 A^T], and is linear in g.
    const n = a.sizeAt(1);
    const at = a.transpose();
    const top = g.detach().abs().max([1, 2], { keepdim: true });
    const scale = top.eq(0).where(1, top);
    const above = at.cat(2, g.div(scale));
    const block = above.cat(1, zerosLike(a, a.shape).cat(2, at));
    return [exponential(block).narrow(1, 0, n).narrow(2, n, n).mul(scale)];
  });
}

function exponentialValue(a: Tensor): Tensor {
  const { blocks, squarings } = EXPONENTIAL[a.dtype as "float32" | "float64"];
  const norm = a.abs().sum(1, { keepdim: true }).max(2, { keepdim: true });
  const wanted = norm.div(TAYLOR_NORM).log2().ceil();
  const halvings = norm.gt(TAYLOR_NORM).where(wanted, 0).contiguous();
  const small = a.mul(halvings.neg().exp2());
  const start = halvings.gt(squarings).where(Number.NaN, taylor(small, blocks));
  const [result] = iterate(squarings, [start], (k, x) => [halvings.gt(k).where(x.matmul(x), x)]);
  return result;
}

/** Sum of A^i / i! up to i = blocks^2, in blocks of powers below A^blocks. */
function taylor(a: Tensor, blocks: number): Tensor {
  const powers = [unitLike(a), a.contiguous()];
  while (powers.length <= blocks) powers.push(powers[powers.length - 1].matmul(a).contiguous());
  let coefficient = 1;
  const coefficients = Array.from({ length: blocks ** 2 + 1 }, (_, i) => {
    coefficient /= Math.max(1, i);
    return coefficient;
  });
  let result = powers[blocks].mul(coefficients[blocks ** 2]);
  for (let block = blocks - 1; block >= 0; block--) {
    if (block < blocks - 1) result = result.matmul(powers[blocks]);
    for (let i = 0; i < blocks; i++) result = result.add(powers[i].mul(coefficients[block * blocks + i]));
    result = result.contiguous();
  }
  return result;
}

/** Norm of matrices [.., m, n] other than the root of the sum of squares; see Factorisation.matrixNorm. */
export function matrixNormOf(x: Tensor, order: number | string): Tensor {
  const infinite = order === Number.POSITIVE_INFINITY || order === Number.NEGATIVE_INFINITY;
  if (infinite || order === 1 || order === -1) {
    const sums = x.abs().sum(infinite ? -1 : -2);
    return Number(order) > 0 ? sums.max(-1) : sums.min(-1);
  }
  if (order === "nuc") return x.svdvals().sum(-1);
  if (order === 2) return x.svdvals().max(-1);
  if (order === -2) return x.svdvals().min(-1);
  throw new TensorError(
    `matrixNorm: there is "fro", "nuc", 1, -1, 2, -2, Infinity and -Infinity, got ${order}`,
  );
}
