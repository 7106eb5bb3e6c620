"""Computes the polynomial coefficients of src/lower/coefficients.ts (mpmath and numpy needed; not part of any build).

Each function is fitted with the Remez exchange algorithm in 60 digits, with the weight that makes the error that
matters (mostly the relative one) equal everywhere. Coefficients are rounded to the format one after the other,
leading one first, and the rest are fitted again, so that rounding one is made good by the next.

usage: python3 scripts/minimax.py > coefficients.txt
"""

import struct

from mpmath import mp, mpf, matrix, lu_solve, cos, pi, exp, log, log1p, expm1, sin, tanh, erf, erfc, sqrt

mp.dps = 60


def round_to(value, bits):
    """value rounded to float32 or float64 (nearest, ties to even)."""
    # mpf to double is correctly rounded; double to float then may round twice, which costs nothing here.
    double = float(value)
    return mpf(struct.unpack("f", struct.pack("f", double))[0]) if bits == 32 else mpf(double)


def remez(f, weight, powers, low, high, rounds=40):
    """Coefficients c of sum c_i x^powers_i that minimise max |weight(x) (f(x) - p(x))|, and that maximum."""
    n = len(powers) + 1
    low, high = mpf(low), mpf(high)
    points = [(low + high) / 2 - (high - low) / 2 * cos(pi * i / (n - 1)) for i in range(n)]
    coefficients, error = None, mpf(0)
    for _ in range(rounds):
        rows = matrix(n, n)
        values = matrix(n, 1)
        for i, x in enumerate(points):
            for j, power in enumerate(powers):
                rows[i, j] = x**power
            rows[i, n - 1] = (-1) ** i / weight(x)
            values[i] = f(x)
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


def fit(name, f, weight, powers, low, high, bits, fixed=()):
    """Fits, rounding each coefficient to `bits` and refitting the others; `fixed` are leading ones given."""
    powers = list(powers)
    done = [mpf(c) for c in fixed]
    first = None
    while len(done) < len(powers):
        k = len(done)
        known = list(zip(done, powers))

        def rest(x, known=known, k=k):
            return (f(x) - sum(c * x**p for c, p in known)) / x ** powers[k]

        shifted = [p - powers[k] for p in powers[k:]]
        coefficients, error = remez(
            rest, lambda x, k=k: weight(x) * x ** powers[k], shifted, low, high
        ) if len(shifted) > 1 or True else (None, None)
        if first is None:
            first = error
        done.append(round_to(coefficients[0], bits))
    worst = mpf(0)
    for i in range(2000):
        x = mpf(low) + (mpf(high) - mpf(low)) * (i + mpf("0.5")) / 2000
        worst = max(worst, abs(weight(x) * (f(x) - sum(c * x**p for c, p in zip(done, powers)))))
    digits = 9 if bits == 32 else 17
    print(f"{name}: 2^{float(log(first, 2)):.1f}, rounded 2^{float(log(worst, 2)):.1f}")
    print("  [" + ", ".join(("%." + str(digits) + "g") % float(c) for c in done) + "]")
    return done
