// Real functions that JavaScript lacks, or gives with other corner cases than IEEE and C.

/** To nearest, ties to even. */
export function roundHalfEven(x: number): number {
  return Math.abs(x - Math.trunc(x)) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x);
}

/** x^y with C's corners: 1 to any power is 1, and (-1)^(+-infinity) is 1, even where y is NaN or infinite. */
export function pow(x: number, y: number): number {
  if (x === 1 || (x === -1 && Math.abs(y) === Number.POSITIVE_INFINITY)) return 1;
  return x ** y;
}

const TWO_OVER_ROOT_PI = 2 / Math.sqrt(Math.PI);

/** The Gauss error function, to a few units in the last place of a float64. */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (Number.isNaN(x) || x === 0) return x;
  if (size >= 6) return Math.sign(x);
  if (size < 1e-8) return x * TWO_OVER_ROOT_PI;
  const value = size < 1.25 ? erfBySeries(size) : 1 - erfcByFraction(size);
  return x < 0 ? -value : value;
}

/** e^(-x^2); the square is split into a part held exactly and a small rest, which keeps all its digits. */
function gauss(x: number): number {
  const high = Math.fround(x);
  return Math.exp(-high * high) * Math.exp((high - x) * (high + x));
}

/** erf(x) = 2/sqrt(pi) e^(-x^2) sum of 2^n x^(2n+1) / (1*3*...*(2n+1)): all terms positive, so nothing cancels. */
function erfBySeries(x: number): number {
  const terms = [x];
  for (let n = 1; terms[n - 1] > x * 1e-18; n++) terms.push((terms[n - 1] * 2 * x * x) / (2 * n + 1));
  let sum = 0;
  for (let n = terms.length - 1; n >= 0; n--) sum += terms[n];
  return TWO_OVER_ROOT_PI * gauss(x) * sum;
}

/** erfc(x) = e^(-x^2) / sqrt(pi) / (x + (1/2) / (x + (2/2) / (x + (3/2) / ...))). */
function erfcByFraction(x: number): number {
  let tail = x;
  // Its error falls as exp(-2x sqrt(2n)).
  for (let n = Math.ceil(220 / (x * x)); n > 0; n--) tail = x + n / 2 / tail;
  return gauss(x) / Math.sqrt(Math.PI) / tail;
}
