import { describe, expect, test } from "vitest";
import { cast, constant, type Expr, scalar, topologicalOrder } from "../../src/kernel/ir.js";
import { bitcastScalar } from "../../src/scalar/convert.js";
import { erf, pow } from "../../src/scalar/special.js";
import type { ScalarOp } from "../../src/scalar/ops.js";
import { compileExpr, type Contraction, inputsOf, lowered, randomSource } from "./evaluation.js";

type Format = "float32" | "float64";
const { POSITIVE_INFINITY: INFINITY, NaN: NAN } = Number;
const LARGEST = (2 - 2 ** -23) * 2 ** 127;

const REFERENCE = {
  exp: Math.exp,
  exp2: (x: number) => 2 ** x,
  log: Math.log,
  log2: Math.log2,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  erf,
} as const;
type UnaryName = keyof typeof REFERENCE;
const NAMES = Object.keys(REFERENCE) as UnaryName[];
const CONTRACTIONS: readonly Contraction[] = ["separate", "fused"];

const round = (x: number, format: Format): number => (format === "float32" ? Math.fround(x) : x);

/** |actual - exact| in units of the last place of `exact`; results that are not finite must be the same. */
function error(actual: number, exact: number, format: Format): number {
  const [digits, least] = format === "float32" ? [23, -126] : [52, -1022];
  if (Object.is(actual, round(exact, format))) return 0;
  if (!Number.isFinite(actual) || !Number.isFinite(exact)) {
    // One of the two may have rounded to infinity, from just below it.
    const limit = format === "float32" ? LARGEST : Number.MAX_VALUE;
    return Math.min(Math.abs(actual), Math.abs(exact)) >= limit ? 1 : INFINITY;
  }
  if (exact === 0 && Object.is(actual < 0 || Object.is(actual, -0), Object.is(exact, -0)) === false)
    return INFINITY;
  const exponent = Math.max(least, Math.floor(Math.log2(Math.abs(exact))));
  return Math.abs(actual - exact) / Math.max(2 ** (exponent - digits), Number.MIN_VALUE);
}

const SPECIAL = [
  0,
  1,
  0.5,
  2,
  INFINITY,
  2 ** -149,
  2 ** -127,
  2 ** -126,
  LARGEST,
  88.72283,
  88.72284,
  87.33655,
  103.97,
];
SPECIAL.push(
  127.99999,
  128,
  126,
  149,
  150,
  0.6,
  0.59999996,
  1.0000001,
  0.99999994,
  3.92,
  3.93,
  9.01,
  710,
  745,
  1e10,
  2 ** 100,
);
SPECIAL.push(
  Math.PI,
  Math.PI / 2,
  Math.PI / 4,
  355,
  710 / 226,
  16367173 * 2 ** 72,
  1e22,
  6381956970095103 * 2 ** 797,
  NAN,
);

/** Special values of both signs, any bits, and values of ordinary size. */
function argumentsOf(format: Format, count: number): number[] {
  const random = randomSource(17);
  const values = SPECIAL.flatMap((x) => [x, -x]);
  while (values.length < count) {
    values.push((random() - 0.5) * 2 ** (random() * 16 - 8));
    if (format === "float32")
      values.push(bitcastScalar(Math.floor(random() * 2 ** 32), "uint32", format) as number);
    else values.push((random() - 0.5) * 2 ** (random() * 2100 - 1070));
  }
  return values.map((x) => round(x, format));
}

const ARGUMENTS = { float32: argumentsOf("float32", 12000), float64: argumentsOf("float64", 6000) };

function worstOf(
  make: (x: Expr) => Expr,
  reference: (x: number) => number,
  format: Format,
  contraction: Contraction,
): { worst: number; at: number } {
  const inputs = inputsOf([format]);
  const f = compileExpr(lowered(make(inputs[0])), inputs, contraction);
  let [worst, at] = [0, 0];
  for (const x of ARGUMENTS[format]) {
    const size = error(f(x) as number, reference(x), format);
    if (size > worst) [worst, at] = [size, x];
  }
  return { worst, at };
}

const worstError = (op: UnaryName, format: Format, contraction: Contraction) =>
  worstOf((x) => scalar(op, x), REFERENCE[op], format, contraction);

/** What is seen to be at most 0. */
const LIMITED = {
  "the smaller of x and 0": [
    (x: Expr) => scalar("min", x, constant(0, x.dtype)),
    (x: number) => Math.min(x, 0),
  ],
  "-|x|": [(x: Expr) => scalar("neg", scalar("abs", x)), (x: number) => -Math.abs(x)],
} as const;

describe.each(CONTRACTIONS)("with %s products and sums", (contraction) => {
  test.each(NAMES)("%s of float32 is within 2 units in the last place everywhere", (op) => {
    const { worst, at } = worstError(op, "float32", contraction);
    expect(worst, `at ${at}`).toBeLessThan(2);
  });
  test.each(Object.keys(LIMITED) as (keyof typeof LIMITED)[])(
    "the exponential of %s is as near, by fewer operations",
    (name) => {
      const [make, reference] = LIMITED[name];
      for (const [format, most] of [
        ["float32", 2],
        ["float64", 4],
      ] as const) {
        const { worst, at } = worstOf(
          (x) => scalar("exp", make(x)),
          (x) => Math.exp(reference(x)),
          format,
          contraction,
        );
        expect(worst, `${format} at ${at}`).toBeLessThan(most);
        const operations = (x: Expr): number =>
          topologicalOrder([lowered(scalar("exp", x))]).filter(({ args }) => args.length > 0).length;
        const [input] = inputsOf([format]);
        expect(operations(make(input))).toBeLessThan(operations(input));
      }
    },
  );
  test.each(NAMES)("%s of float64 is within 4 units in the last place everywhere", (op) => {
    const { worst, at } = worstError(op, "float64", contraction);
    // erf's reference itself is up to 6 units off.
    expect(worst, `at ${at}`).toBeLessThan(op === "erf" ? 10 : 4);
  });

  test.each(["float32", "float64"] as const)(
    "pow of %s is within 2 units, and exact in the corners of C",
    (format) => {
      const inputs = inputsOf([format, format]);
      const f = compileExpr(lowered(scalar("pow", ...inputs)), inputs, contraction);
      const check = (a: number, b: number, allowed: number): void => {
        const [x, y] = [round(a, format), round(b, format)];
        const size = error(f(x, y) as number, pow(x, y), format);
        if (!(size <= allowed)) expect.fail(`pow(${x}, ${y}) gave ${f(x, y)} instead of ${pow(x, y)}`);
      };
      const corners = [
        0,
        1,
        2,
        3,
        0.5,
        1.5,
        2.5,
        5,
        1e38,
        2 ** -149,
        2 ** 24 - 1,
        2 ** 24,
        2 ** 24 + 2,
        3e9,
        2 ** 53 - 1,
      ];
      corners.push(0.99999994, 1.0000001, INFINITY, NAN);
      const signed = corners.flatMap((x) => [x, -x]);
      for (const x of signed) for (const y of signed) check(x, y, 2);
      const random = randomSource(23);
      for (let i = 0; i < 4000; i++) {
        const x = i % 2 === 0 ? Math.exp((random() - 0.5) * 4) : 2 ** (random() * 250 - 130);
        // Results of all sizes, those near overflow and the smallest numbers included.
        check(x, (random() - 0.5) * Math.abs((format === "float32" ? 290 : 2140) / Math.log2(x)), 2);
      }
    },
  );
});

test("erf of float64 agrees with exact values", () => {
  // Rounded from 30-digit arithmetic
  const known: [number, number][] = [
    [0.25, 0.27632639016823696],
    [0.75, 0.7111556336535151],
    [1.3, 0.9340079449406524],
    [-2.027513375052648, -0.9958605791286588],
    [2.2416196652763847, 0.9984762868970802],
    [3.1, 0.9999883513426328],
  ];
  const inputs = inputsOf(["float64"]);
  const f = compileExpr(lowered(scalar("erf", ...inputs)), inputs);
  for (const [x, exact] of known) expect(error(f(x) as number, exact, "float64")).toBeLessThanOrEqual(1);
});

test("sin and cos of arguments known to be moderate are cheaper and as good", () => {
  const operations = (x: Expr): number => topologicalOrder([x]).filter((e) => e.args.length > 0).length;
  const [bits] = inputsOf(["uint32"]);
  const anyAngle = lowered(scalar("sin", ...inputsOf(["float32"])));
  // Turns of a full circle, and angles up to 2000.
  for (const [shift, factor] of [
    [8, 2 * Math.PI * 2 ** -24],
    [8, 2000 * 2 ** -24],
  ]) {
    const fraction = cast(scalar("shr", bits, constant(shift, "uint32")), "float32");
    const angle = scalar("mul", fraction, constant(factor, "float32"));
    for (const op of ["sin", "cos"] as const) {
      const value = lowered(scalar(op, angle));
      expect(operations(value)).toBeLessThan(operations(anyAngle) / 3);
      for (const contraction of CONTRACTIONS) {
        const f = compileExpr(value, [bits], contraction);
        const random = randomSource(5);
        for (let i = 0; i < 4000; i++) {
          const word = Math.floor(random() * 2 ** 32);
          const x = Math.fround((word >>> shift) * Math.fround(factor));
          const size = error(f(word) as number, REFERENCE[op](x), "float32");
          if (!(size < 2)) expect.fail(`${op}(${x}) is ${size} units off`);
        }
      }
    }
  }
});

test("what activation functions are made of stays cheap", () => {
  const counts = Object.fromEntries(
    (["exp", "exp2", "log", "tanh", "erf"] as const).map((op: ScalarOp) => {
      const nodes = topologicalOrder([lowered(scalar(op, ...inputsOf(["float32"])))]);
      return [op, nodes.filter((e) => e.args.length > 0 && e.op !== "bitcast").length];
    }),
  );
  expect(counts).toEqual({ exp: 18, exp2: 17, log: 31, tanh: 29, erf: 27 });
});
