"""Writes src/tensor/special-coefficients.ts: polynomials of special functions (mpmath needed; not part of any build).

Fitted as those of minimax.py; what each approximates, and where, is said where it is used.

usage: python3 scripts/special-functions.py > src/tensor/special-coefficients.ts, then format that file
"""

from mpmath import atan, asin, besseli, erfc, erfinv, exp, loggamma, log, mp, mpf, pi, sqrt

from minimax import fit

mp.dps = 50

HEADER = """// Coefficients of the special functions' polynomials, per float format. Written by scripts/special-functions.py: change
// them there. Each list starts with the constant term; what it approximates is said where it is used.

export interface SpecialCoefficients {
  readonly atan: readonly number[];
  readonly asin: readonly number[];
  readonly erfcx: readonly number[];
  readonly lgamma: readonly number[];
  readonly i0Near: readonly number[];
  readonly i0Far: readonly number[];
  readonly i1Near: readonly number[];
  readonly i1Far: readonly number[];
}
"""


def erfcx(x):
    # exp(x^2) erfc(x) far out by its continued fraction: the product of a huge and a tiny number has no digits left.
    if x < 6:
        return exp(x * x) * erfc(x)
    tail = x
    for n in range(300, 0, -1):
        tail = x + mpf(n) / 2 / tail
    return 1 / (sqrt(pi) * tail)


def bessel_far(order):
    """sqrt(x) e^-x I(x) as a function of 8 / x."""

    def f(v):
        x = 8 / v
        return sqrt(x) * exp(-x) * besseli(order, x)

    return f


def main():
    print(HEADER)
    tiny = mpf("1e-9")
    for bits in (32, 64):
        single = bits == 32
        print(f"export const SPECIAL{bits}: SpecialCoefficients = {{")
        edge = mpf("0.1716")
        near = lambda u: (atan(sqrt(u)) / sqrt(u) - 1) / u
        fit("atan", near, lambda u: u, range(5 if single else 11), tiny, edge, bits)
        near = lambda u: (asin(sqrt(u)) / sqrt(u) - 1) / u
        fit("asin", near, lambda u: u, range(5 if single else 13), tiny, mpf("0.2501"), bits)
        # t = 1 - 7.5 / (x + 3.75)
        near = lambda t: (lambda x: (1 + 2 * x) * erfcx(x))(mpf("7.5") / (1 - t) - mpf("3.75"))
        fit("erfcx", near, lambda t: 1 / near(t), range(13 if single else 24), mpf(-1), mpf("0.999999"), bits)
        near = lambda d: loggamma(2 + d) / (d * (1 + d)) if abs(d) > mpf("1e-20") else 1 - mp.euler
        fit("lgamma", near, lambda d: 1 / near(d), range(9 if single else 20), mpf("-0.5005"), mpf("0.5007"), bits)
        near = lambda u: besseli(0, sqrt(u))
        fit("i0Near", near, lambda u: 1 / near(u), range(11 if single else 18), tiny, mpf(64), bits)
        near0 = bessel_far(0)
        fit("i0Far", near0, lambda v: 1 / near0(v), range(6 if single else 22), mpf("1e-4"), mpf(1), bits)
        near1 = lambda u: besseli(1, sqrt(u)) / sqrt(u)
        fit("i1Near", near1, lambda u: 1 / near1(u), range(11 if single else 18), tiny, mpf(64), bits)
        near1f = bessel_far(1)
        fit("i1Far", near1f, lambda v: 1 / near1f(v), range(6 if single else 22), mpf("1e-4"), mpf(1), bits)
        print("};")
    # Only starting values of more digits are needed of these.
    print("/** Inverse of the error function, from w = -log((1 - x) (1 + x)); see erfinv. */")
    print("export const ERFINV = {")
    x_of = lambda w: sqrt(-mp.expm1(-w))
    near = lambda v: erfinv(x_of(v + mpf("2.5"))) / x_of(v + mpf("2.5"))
    fit("near", near, lambda v: 1 / near(v), range(10), mpf("-2.499999"), mpf("2.5"), 32)

    def inverse_far(w):
        # y with erfc(y) = c, where c (2 - c) = exp(-w): Newton's method on the logarithm.
        c = -mp.expm1(mp.log1p(-exp(-w)) / 2)
        y = sqrt(w) - log(w) / (4 * sqrt(w)) - mpf("0.25")
        for _ in range(60):
            value = erfc(y)
            step = value * log(value / c) * sqrt(pi) / 2 * exp(y * y)
            y += step
            if abs(step) < mpf("1e-40"):
                break
        return y

    far = lambda v: inverse_far((v + 3) ** 2)
    fit("far", far, lambda v: 1 / far(v), range(10), sqrt(mpf(5)) - 3 - mpf("1e-3"), mpf("1.2"), 32)
    # d = 1 / sqrt(w) - 0.14
    root = lambda d: 1 / (d + mpf("0.14"))
    further = lambda d: inverse_far(root(d) ** 2) - root(d)
    fit("further", further, lambda d: 1 / inverse_far(root(d) ** 2), range(11), mpf(1) / 28 - mpf("0.14"), mpf("0.11"), 32)
    print("} as const;")


if __name__ == "__main__":
    main()
