"""Writes test/fixtures/accuracy.json: arguments and exact values of functions, for scripts/accuracy.ts (mpmath needed).

Per function and float dtype: arguments over the stated ranges, logarithmically spread where these span magnitudes, and
the values rounded to float64 from 40 digits (a function of a float32 argument is thus known to 29 bits more).
"""

import json
import random
import struct
from pathlib import Path

from mpmath import mp, mpf
import mpmath as m

mp.dps = 40


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def erfcx(x):
    return m.exp(x * x) * m.erfc(x) if x < 50 else m.erfc(x) * m.exp(x * x)


def spread(low, high, count, rng):
    """Of both signs where low is below 0, as many of each magnitude."""
    if low == "around":
        sizes = [mpf(10) ** (rng.uniform(-8, 0)) * high for _ in range(count)]
        return [float(s) * rng.choice([-1, 1]) for s in sizes]
    return [rng.uniform(low, high) for _ in range(count)]


def tiny(order):
    return lambda x: m.besseli(order, x)


# name: (function, range for float32, for float64)
FUNCTIONS = {
    "exp": (m.exp, (-103, 88.7), (-744, 709)),
    "exp2": (lambda x: mpf(2) ** x, (-149, 127.9), (-1073, 1023)),
    "expm1": (m.expm1, ("around", 80), ("around", 700)),
    "log": (m.log, ("positive", 1e38), ("positive", 1e300)),
    "log2": (lambda x: m.log(x) / m.log(2), ("positive", 1e38), ("positive", 1e300)),
    "log10": (m.log10, ("positive", 1e38), ("positive", 1e300)),
    "log1p": (m.log1p, ("above -1", 1e30), ("above -1", 1e30)),
    "sin": (m.sin, ("around", 1e6), ("around", 1e10)),
    "cos": (m.cos, ("around", 1e6), ("around", 1e10)),
    "tan": (m.tan, ("around", 1e3), ("around", 1e3)),
    "sinh": (m.sinh, ("around", 88), ("around", 700)),
    "cosh": (m.cosh, ("around", 88), ("around", 700)),
    "tanh": (m.tanh, ("around", 20), ("around", 30)),
    "asin": (m.asin, ("around", 1), ("around", 1)),
    "acos": (m.acos, ("around", 1), ("around", 1)),
    "atan": (m.atan, ("around", 1e8), ("around", 1e8)),
    "asinh": (m.asinh, ("around", 1e30), ("around", 1e100)),
    "acosh": (m.acosh, (1.0, 100.0), (1.0, 100.0)),
    "atanh": (m.atanh, ("around", 0.999), ("around", 0.999)),
    "cbrt": (lambda x: m.sign(x) * abs(x) ** (mpf(1) / 3), ("around", 1e30), ("around", 1e200)),
    "sigmoid": (lambda x: 1 / (1 + m.exp(-x)), (-80, 80), (-700, 700)),
    "erf": (m.erf, ("around", 5), ("around", 7)),
    "erfc": (m.erfc, (-5, 9), (-6, 26)),
    "erfcx": (erfcx, (-3, 100), (-3, 100)),
    "erfinv": (m.erfinv, ("around", 0.999999), ("around", 0.999999)),
    "ndtr": (m.ncdf, (-12, 5), (-36, 8)),
    "logNdtr": (lambda x: m.log(m.ncdf(x)) if x < 3 else m.log1p(-m.erfc(x / m.sqrt(2)) / 2), (-50, 5), (-50, 8)),
    "lgamma": (lambda x: m.loggamma(x).real, ("positive", 1e30), ("positive", 1e30)),
    "digamma": (lambda x: m.psi(0, x), ("positive", 1e30), ("positive", 1e30)),
    "i0e": (lambda x: m.exp(-abs(x)) * m.besseli(0, x), ("around", 1e3), ("around", 1e3)),
    "i1e": (lambda x: m.exp(-abs(x)) * m.besseli(1, x), ("around", 1e3), ("around", 1e3)),
    "sinc": (lambda x: m.sin(m.pi * x) / (m.pi * x), ("around", 100), ("around", 100)),
}


def arguments(low, high, single, rng, count):
    if low == "positive":
        xs = [float(mpf(10) ** rng.uniform(-30, float(m.log10(high)))) for _ in range(count // 2)]
        xs += [rng.uniform(0.01, 12) for _ in range(count // 2)]
    elif low == "above -1":
        xs = [rng.uniform(-0.9999, 3) for _ in range(count // 2)] + spread("around", 0.5, count // 4, rng)
        xs += [float(mpf(10) ** rng.uniform(0, 30)) for _ in range(count // 4)]
    elif low == "around":
        xs = spread("around", high, count // 2, rng) + [rng.uniform(-1, 1) * min(high, 10) for _ in range(count // 2)]
    else:
        xs = spread(low, high, count, rng)
    return [f32(x) if single else x for x in xs]


def main():
    rng = random.Random(1)
    rows = []
    for name, (function, *ranges) in FUNCTIONS.items():
        for dtype, (low, high) in zip(("float32", "float64"), ranges):
            xs = arguments(low, high, dtype == "float32", rng, 64)
            values = [float(function(mpf(x))) for x in xs]
            said = {"around": f"|x| up to {high:g}", "positive": f"0 to {high:g}", "above -1": f"-1 to {high:g}"}
            rows.append({"name": name, "dtype": dtype, "range": said.get(low, f"{low} to {high}"), "x": xs, "y": values})
    target = Path(__file__).parents[1] / "test" / "fixtures" / "accuracy.json"
    target.write_text("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]\n")
    print(f"{len(rows)} rows, {target.stat().st_size} bytes")


main()
