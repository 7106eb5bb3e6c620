"""Writes src/lower/coefficients.ts: polynomial coefficients and split constants (mpmath and numpy needed; not part of any build).

Each function is fitted with the Remez exchange algorithm in 60 digits, with the weight that makes the error that
matters (mostly the relative one) equal everywhere; the coefficients are then rounded to the format.

usage: python3 scripts/minimax.py > src/lower/coefficients.ts, then format that file
"""

import struct

from mpmath import mp, mpf, matrix, lu_solve, cos, pi, exp, log, log1p, expm1, sin, tanh, erf, erfc, sqrt, floor, nint

mp.dps = 60

# Makes intervals lopsided, so that no sample falls on 0, where weights vanish.
SKEW = mpf("1.0007")


def round_to(value, bits):
    """value rounded to float32 or float64 (nearest, ties to even)."""
    # mpf to double is correctly rounded; double to float then may round twice, which costs nothing here.
    double = float(value)
    return mpf(struct.unpack("f", struct.pack("f", double))[0]) if bits == 32 else mpf(double)


def remez(f, weight, powers, low, high, rounds=40):
    """Coefficients c of sum c_i x^powers_i that minimise max |weight(x) (f(x) - p(x))|, and that maximum."""
    n = len(powers) + 1
    low, high = mpf(low), mpf(high)
    points = [(low + high) / 2 - (high - low) / 2 * cos(pi * i / (n - 1)) for i in range(n)] if n > 1 else [high]
    coefficients, error = None, mpf(0)
    for _ in range(rounds):
        rows = matrix(n, n)
        values = matrix(n, 1)
        for i, x in enumerate(points):
            for j, power in enumerate(powers):
                rows[i, j] = weight(x) * x**power
            rows[i, n - 1] = (-1) ** i
            values[i] = weight(x) * f(x)
        solution = lu_solve(rows, values)
        coefficients = [solution[j] for j in range(n - 1)]

        def deviation(x):
            return weight(x) * (f(x) - sum(c * x**p for c, p in zip(coefficients, powers)))

        # Extremes of the error: sampled between points, refined by a parabola.
        count = 24 * n
        grid = [(low + high) / 2 - (high - low) / 2 * cos(pi * i / count) for i in range(count + 1)]
        samples = [deviation(x) for x in grid]
        extremes = []
        for i in range(count + 1):
            left = samples[i - 1] if i > 0 else None
            right = samples[i + 1] if i < count else None
            here = abs(samples[i])
            if (left is None or here >= abs(left) or left * samples[i] < 0) and (
                right is None or here >= abs(right) or right * samples[i] < 0
            ):
                if extremes and extremes[-1][1] * samples[i] > 0:
                    if here > abs(extremes[-1][1]):
                        extremes[-1] = (grid[i], samples[i])
                else:
                    extremes.append((grid[i], samples[i]))
        while len(extremes) > n:
            extremes.pop(0 if abs(extremes[0][1]) < abs(extremes[-1][1]) else -1)
        error = max(abs(e[1]) for e in extremes)
        if len(extremes) < n:
            break
        points = [e[0] for e in extremes]
        if error - min(abs(e[1]) for e in extremes) < error * mpf("1e-3"):
            break
    return coefficients, error


def literal(value, bits):
    if value == round_to(1 / log(2), 64):
        return "Math.LOG2E"
    return ("%.9g" if bits == 32 else "%.17g") % float(value)


def fit(name, f, weight, powers, low, high, bits, fixed=()):
    """Fits and prints; `fixed` are the leading coefficients where they are given, not fitted."""
    powers = list(powers)
    given = [(mpf(c), p) for c, p in zip(fixed, powers)]
    free = powers[len(given) :]

    def rest(x):
        return f(x) - sum(c * x**p for c, p in given)

    coefficients, error = remez(rest, weight, free, low, high)
    rounded = [round_to(c, bits) for c in [c for c, _ in given] + coefficients]
    worst = mpf(0)
    for i in range(1000):
        x = mpf(low) + (mpf(high) - mpf(low)) * (i + mpf("0.5")) / 1000
        worst = max(worst, abs(weight(x) * (f(x) - sum(c * x**p for c, p in zip(rounded, powers)))))
    print(f"  /** Error 2^{float(log(worst, 2)):.1f}. */")
    print(f"  {name}: [" + ", ".join(literal(c, bits) for c in rounded) + "],")


def split(name, value, bits, leading, parts):
    """value as a sum of `parts` numbers, all but the last of `leading` bits, so that small multiples are exact."""
    rest, numbers = mpf(value), []
    for i in range(parts):
        if i < parts - 1:
            scale = mpf(2) ** (leading - 1 - int(floor(log(abs(rest), 2))))
            part = mpf(int(nint(rest * scale))) / scale
        else:
            part = round_to(rest, bits)
        numbers.append(part)
        rest -= part
    print(f"  {name}: [" + ", ".join(literal(c, bits) for c in numbers) + "],")


HEADER = """// Coefficients of polynomial approximations and constants in parts, per float format. Written by scripts/minimax.py:
// change them there. Each list starts with the constant term; what it approximates is said where it is used.

export interface Coefficients {
  readonly exp: readonly number[];
  readonly exp2: readonly number[];
  readonly sin: readonly number[];
  readonly cos: readonly number[];
  readonly tanh: readonly number[];
  readonly erfNear: readonly number[];
  readonly erfFar: readonly number[];
  readonly pow: readonly number[];
  /** ln 2, pi/2, log2(e) and log2(e)*2/3 in parts whose sum has more digits than one number. */
  readonly logOf2: readonly number[];
  readonly halfPi3: readonly number[];
  readonly halfPi4: readonly number[];
  readonly halfPi: readonly number[];
  readonly log2OfE: readonly number[];
  readonly twoThirdsLog2OfE: readonly number[];
}
export interface Coefficients32 extends Coefficients {
  readonly log: readonly number[];
  readonly log2: readonly number[];
}
export interface Coefficients64 extends Coefficients {
  readonly logQuotient: readonly number[];
}
"""


def main():
    print(HEADER)
    for bits in (32, 64):
        single = bits == 32
        print(f"export const FLOAT{bits}: Coefficients{bits} = {{")
        edge = log(2) / 2 * mpf("1.001")
        half = mpf("0.5005")
        end = (pi / 4 * mpf("1.001")) ** 2
        start = mpf("1e-8")
        low, high = sqrt(mpf(1) / 2) - 1, sqrt(mpf(2)) - 1
        square = mpf("0.02945")

        fit("exp", lambda r: 2 * exp(r), lambda r: exp(-r), range(7 if single else 12), -edge * SKEW, edge, bits, (2, 2))
        fixed = (2, 2 * log(2))
        fit("exp2", lambda r: mpf(2) ** (r + 1), lambda r: mpf(2) ** -r, range(7 if single else 12), -half * SKEW, half, bits, fixed)
        if single:
            near = lambda f: (log1p(f) - f + f**2 / 2) / f**3
            fit("log", near, lambda f: abs(f**3 / log1p(f)), range(8), low, high, bits)
            near = lambda f: (log1p(f) - f) / log(2) / f**2
            fit("log2", near, lambda f: abs(f**2 * log(2) / log1p(f)), range(9), low, high, bits)
        else:
            near = lambda z: (log((1 + sqrt(z)) / (1 - sqrt(z))) / sqrt(z) - 2) / z
            fit("logQuotient", near, lambda z: z, range(7), start, square, bits)
        fit("sin", lambda u: (sin(sqrt(u)) / sqrt(u) - 1) / u, lambda u: u, range(3 if single else 6), start, end, bits)
        fit("cos", lambda u: (cos(sqrt(u)) - 1 + u / 2) / u**2, lambda u: u**2, range(3 if single else 6), start, end, bits)
        near = lambda u: (tanh(sqrt(u)) / sqrt(u) - 1) / u
        weight = lambda u: u * sqrt(u) / tanh(sqrt(u))
        fit("tanh", near, weight, range(5 if single else 11), start, mpf("0.601") ** 2, bits)
        near = lambda u: erf(sqrt(u)) / sqrt(u) - 1
        fit("erfNear", near, lambda u: sqrt(u) / erf(sqrt(u)), range(7 if single else 12), start, mpf(1), bits)
        if single:
            far = lambda t: erfc(t + mpf(1.5)) ** (mpf(1) / 4)
            fit("erfFar", far, lambda t: 4 * far(t) ** 3, range(10), mpf("-0.5"), mpf("2.43"), bits)
        else:
            fit("erfFar", lambda t: log(erfc(t + 2)), lambda t: erfc(t + 2), range(18), -1, mpf("3.95"), bits)
        near = lambda z: (3 * log((1 + sqrt(z)) / (1 - sqrt(z))) / (2 * sqrt(z)) - 3 - z) / z**2
        fit("pow", near, lambda z: z**2 / 3, range(3 if single else 7), start, square, bits)
        split("logOf2", log(2), bits, 16 if single else 42, 2)
        split("halfPi3", pi / 2, bits, 18 if single else 39, 3)
        split("halfPi4", pi / 2, bits, 13 if single else 33, 4)
        split("halfPi", pi / 2, bits, 12 if single else 26, 2)
        split("log2OfE", 1 / log(2), bits, 24 if single else 53, 2)
        split("twoThirdsLog2OfE", 2 / (3 * log(2)), bits, 12 if single else 26, 2)
        print("};")


if __name__ == "__main__":
    main()
