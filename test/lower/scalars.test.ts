import { describe, expect, test } from "vitest";
import { loopAtom, mulIndex, toIndex } from "../../src/kernel/index.js";
import { interpretProgram } from "../../src/kernel/interpret.js";
import {
  accumulate,
  alloc,
  bitcast,
  type Buffer,
  cast,
  constant,
  type Expr,
  forLoop,
  load,
  loadedIndex,
  makeBuffer,
  type Stmt,
  scalar,
  splat,
  store,
} from "../../src/kernel/ir.js";
import { verifyProgram } from "../../src/kernel/verify.js";
import type { Program } from "../../src/lower/program.js";
import { RULES } from "../../src/lower/rules.js";
import { lowerScalars } from "../../src/lower/scalars.js";
import {
  bitcastScalar,
  castScalar,
  decodeElements,
  encodeElements,
  encodeFloat,
  type NarrowFloat,
  wrapInteger,
} from "../../src/scalar/convert.js";
import {
  bytesOf,
  DTYPES,
  type DType,
  integerLimits,
  isBigInteger,
  isFloat,
  kindOf,
  type Scalar,
} from "../../src/scalar/dtype.js";
import { evaluateScalar, isDefinedOn } from "../../src/scalar/evaluate.js";
import {
  arityOf,
  BINARY_OPS,
  resultDType,
  type ScalarOp,
  TERNARY_OPS,
  UNARY_OPS,
} from "../../src/scalar/ops.js";
import { randomSource, TARGET } from "./evaluation.js";

const APPROXIMATE = new Set<ScalarOp>(["exp", "exp2", "log", "log2", "sin", "cos", "tanh", "erf", "pow"]);
const COUNT = 256;

/** Corners first, then random values of all sizes; the same on every run. */
function samples(dtype: DType, seed: number): Scalar[] {
  const random = randomSource(seed);
  const values: Scalar[] = [];
  if (dtype === "bool") {
    for (let i = 0; i < COUNT; i++) values.push(random() < 0.5);
  } else if (isFloat(dtype)) {
    const { NaN: nan, POSITIVE_INFINITY: infinity, MIN_VALUE: least } = Number;
    const corners = [
      0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3, 448, 449, 1e4, 65504, 65520, 3e9, -3e9, 1e19,
    ];
    corners.push(
      infinity,
      -infinity,
      nan,
      least,
      2 ** -149,
      2 ** -24,
      2 ** -25,
      2 ** -9,
      2 ** -16,
      3.4e38,
      1e300,
    );
    for (let i = 0; values.length < COUNT; i++) {
      const wide = (random() - 0.5) * 2 ** (random() * 60 - 30);
      const x =
        i < corners.length * 2 && random() < 0.8
          ? corners[i % corners.length]
          : i % 3
            ? (random() - 0.5) * 16
            : wide;
      values.push(castScalar(x, "float64", dtype));
    }
  } else {
    const { min, max } = integerLimits(dtype);
    const corners = [
      0n,
      1n,
      -1n,
      2n,
      3n,
      -3n,
      7n,
      8n,
      15n,
      16n,
      31n,
      32n,
      63n,
      64n,
      min,
      max,
      min + 1n,
      max - 1n,
    ];
    corners.push(1n << 24n, (1n << 24n) + 1n, (1n << 25n) + 3n, (1n << 53n) + 1n, -(1n << 40n) - 1n);
    while (values.length < COUNT) {
      const any = BigInt(Math.floor(random() * 2 ** 32)) * BigInt(Math.floor(random() * 2 ** 32));
      const x =
        random() < 0.6
          ? corners[Math.floor(random() * corners.length)]
          : any >> BigInt(Math.floor(random() * 64));
      values.push(wrapInteger(random() < 0.8 ? x : -x, dtype));
    }
  }
  return values;
}

/** Lowers `value` over loads of the inputs, checks the program, runs it, and gives what it stored. */
function runLowered(
  inputs: readonly { dtype: DType; values: readonly Scalar[] }[],
  output: DType,
  lanes: number,
  value: (...args: readonly Expr[]) => Expr,
): Scalar[] {
  const count = inputs[0].values.length;
  const buffers = inputs.map(({ dtype }, i) => makeBuffer(`in${i}`, dtype, count, "global"));
  const out = makeBuffer("out", output, count, "global");
  const i = loopAtom("i", count / lanes);
  const at = mulIndex(i, lanes);
  const loads = buffers.map((buffer) => load(buffer, at, [], { lanes }));
  const body = [store(out, at, value(...loads))];
  const [bytes] = runBody(
    [...buffers, out],
    [forLoop(i, body)],
    new Map(buffers.map((b, k) => [b, inputs[k].values])),
    [out],
  );
  return decodeElements(bytes, output);
}

/** The bytes of `outputs` after running a lowered body; other buffers hold the given values. */
function runBody(
  params: readonly Buffer[],
  body: readonly Stmt[],
  contents: ReadonlyMap<Buffer, readonly Scalar[]>,
  outputs: readonly Buffer[],
  target = TARGET,
): Uint8Array[] {
  const { body: lowered, replaced } = lowerScalars(body, target);
  const legal = (b: Buffer): Buffer => replaced.get(b) ?? b;
  const program: Program = {
    name: "test",
    params: params.map(legal),
    scratch: [],
    symbols: [],
    phases: [{ atom: loopAtom("once", 1), grain: 1, body: lowered }],
    localBytes: 4096,
    flops: toIndex(0),
    bytes: toIndex(0),
  };
  verifyProgram(program);
  const memory = new Map<Buffer, Uint8Array>();
  for (const b of params) {
    const values = contents.get(b);
    memory.set(
      legal(b),
      values ? encodeElements(values, b.dtype) : new Uint8Array(bytesOf(b.dtype) * b.size.value!),
    );
  }
  interpretProgram(program, memory);
  return outputs.map((b) => memory.get(legal(b))!);
}

/** How many values of the dtype lie between two floats, about; 0 for equal ones, with 0 and -0 apart. */
function distance(a: number, b: number, dtype: DType): number {
  if (Object.is(a, b)) return 0;
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.POSITIVE_INFINITY;
  const place = (x: number): bigint => {
    const wide = dtype === "float32" || dtype === "float64";
    const bits = wide
      ? BigInt(
          bitcastScalar(Math.abs(x), dtype, dtype === "float32" ? "uint32" : "uint64") as number | bigint,
        )
      : BigInt(encodeFloat(Math.abs(x), dtype as NarrowFloat));
    return x < 0 || Object.is(x, -0) ? -1n - bits : bits;
  };
  const between = place(a) - place(b);
  return Number(between < 0n ? -between : between);
}

function tolerance(op: ScalarOp, dtype: DType): number {
  if (!APPROXIMATE.has(op)) return 0;
  // The reference for erf in float64 is itself a few units off.
  if (dtype === "float64") return op === "erf" ? 12 : 4;
  return dtype === "float32" ? 2 : 1;
}

function expectSame(
  actual: readonly Scalar[],
  expected: readonly Scalar[],
  dtype: DType,
  allowed: number,
  say: (i: number) => string,
): void {
  for (const [i, want] of expected.entries()) {
    const got = actual[i];
    const near = isFloat(dtype) ? distance(got as number, want as number, dtype) <= allowed : got === want;
    if (!near) expect.fail(`${say(i)} gave ${got} instead of ${want}`);
  }
}

/** Quotients so large that float remainders are not exact. */
function isBeyondRemainder(op: ScalarOp, dtype: DType, [x, y]: readonly Scalar[]): boolean {
  return op === "mod" && isFloat(dtype) && Math.abs((x as number) / (y as number)) > 2 ** 43;
}

const OPS: readonly ScalarOp[] = [...UNARY_OPS, ...BINARY_OPS, ...TERNARY_OPS];

describe.each([1, 4])("operations in %i lanes equal their definition", (lanes) => {
  test.each(OPS)("%s", (op) => {
    for (const [d, dtype] of DTYPES.entries()) {
      if (!isDefinedOn(op, dtype)) continue;
      const dtypes: DType[] = Array.from({ length: arityOf(op) }, (_, i) =>
        op === "where" && i === 0 ? "bool" : dtype,
      );
      const inputs = dtypes.map((t, i) => ({ dtype: t, values: samples(t, 7 * d + i) }));
      const output = resultDType(op, dtypes);
      const actual = runLowered(inputs, output, lanes, (...args) => scalar(op, ...args));
      const given = (i: number): Scalar[] => inputs.map(({ values }) => values[i]);
      const expected = actual.map((value, i) =>
        isBeyondRemainder(op, dtype, given(i)) ? value : evaluateScalar(op, dtype, given(i)),
      );
      expectSame(
        actual,
        expected,
        output,
        tolerance(op, dtype),
        (i) => `${op}(${given(i).join(", ")}) of ${dtype}`,
      );
    }
  });
});

test.each(DTYPES)("casts from %s equal their definition", (from) => {
  for (const to of DTYPES) {
    const values = samples(from, 3);
    const actual = runLowered([{ dtype: from, values }], to, 2, (x) => cast(x, to));
    const expected = values.map((x) => castScalar(x, from, to));
    expectSame(actual, expected, to, 0, (i) => `cast of ${values[i]} from ${from} to ${to}`);
  }
});

test("every 16-bit and 8-bit float survives being read and written, and being read as its bits", () => {
  for (const dtype of ["float16", "bfloat16", "float8e4m3", "float8e5m2"] as const) {
    const bits = bytesOf(dtype) === 1 ? "uint8" : "uint16";
    const all = Array.from({ length: 2 ** (8 * bytesOf(dtype)) }, (_, i) => i);
    const values = all.map((x) => bitcastScalar(x, bits, dtype));
    const decoded = runLowered([{ dtype: bits, values: all }], dtype, 1, (x) => bitcast(x, dtype));
    expectSame(decoded, values, dtype, 0, (i) => `${dtype} of bits ${i}`);
    const encoded = runLowered([{ dtype, values }], bits, 1, (x) => bitcast(x, bits));
    const canonical = values.map((x) => bitcastScalar(x, dtype, bits));
    expectSame(encoded, canonical, bits, 0, (i) => `bits of ${dtype} ${values[i]}`);
  }
});

test("a narrow float that the machine converts stays in memory as it is", () => {
  const target = { ...TARGET, converts: ["float16" as const] };
  const values = samples("float16", 9) as number[];
  const [x, y, out] = ["x", "y", "out"].map((name) => makeBuffer(name, "float16", COUNT, "global"));
  const i = loopAtom("i", COUNT);
  const product = scalar("mul", load(x, i), load(y, i));
  const body = [forLoop(i, [store(out, i, scalar("add", product, load(x, i)))])];
  expect(lowerScalars(body, target).replaced.size).toBe(0);
  const other = [...values].reverse();
  const contents = new Map([
    [x, values],
    [y, other],
  ]);
  const [bytes] = runBody([x, y, out], body, contents, [out], target);
  const expected = values.map((v, k) =>
    evaluateScalar("add", "float16", [evaluateScalar("mul", "float16", [v, other[k]]), v]),
  );
  expectSame(decodeElements(bytes, "float16"), expected, "float16", 0, (k) => `${values[k]} * ${other[k]}`);
});

test("bitcasts between dtypes of one width equal their definition", () => {
  for (const from of DTYPES) {
    for (const to of DTYPES) {
      if (bytesOf(from) !== bytesOf(to) || isFloat(from) || (to === "bool" && from !== "bool")) continue;
      const values = samples(from, 5);
      const actual = runLowered([{ dtype: from, values }], to, 1, (x) => bitcast(x, to));
      const expected = values.map((x) => bitcastScalar(x, from, to));
      expectSame(actual, expected, to, 0, (i) => `bitcast of ${values[i]} from ${from} to ${to}`);
    }
  }
});

test("float32 rounds to every narrow float as it is defined, ties and borders included", () => {
  const random = randomSource(1);
  for (const to of ["float16", "bfloat16", "float8e4m3", "float8e5m2"] as const) {
    const bits = bytesOf(to) === 1 ? "uint8" : "uint16";
    for (const from of ["float32", "float64"] as const) {
      const values: number[] = [];
      while (values.length < 8192) {
        const a = bitcastScalar(Math.floor(random() * 2 ** (8 * bytesOf(to))), bits, to) as number;
        // Midway to the next value, a hair beside it, or anywhere near.
        const next = bitcastScalar((encodeFloat(a, to) + 1) % 2 ** (8 * bytesOf(to)), bits, to) as number;
        const middle = (a + next) / 2;
        const factor = [1, 1 + 2 ** -23, 1 - 2 ** -24, 1 + 2 ** -40, 1 - 2 ** -40, 0.9 + random() / 5][
          values.length % 6
        ];
        values.push(castScalar(middle * factor, "float64", from) as number);
      }
      const actual = runLowered([{ dtype: from, values }], to, 1, (x) => cast(x, to));
      const expected = values.map((x) => castScalar(x, from, to));
      expectSame(actual, expected, to, 0, (i) => `cast of ${values[i]} from ${from} to ${to}`);
    }
  }
});

test("constant operands give the same results as loaded ones", () => {
  for (const op of ["idiv", "mod", "shl", "shr", "pow"] as const) {
    for (const dtype of ["int8", "uint8", "int32", "uint32", "int64", "uint64", "float32"] as const) {
      if (!isDefinedOn(op, dtype)) continue;
      const values = samples(dtype, 11);
      for (const plain of [0, 1, -1, 2, 3, -2, 0.5, 8, 31, 32, 64, -5]) {
        if (!isFloat(dtype) && !Number.isInteger(plain)) continue;
        const y = castScalar(
          isBigInteger(dtype) ? BigInt(plain) : plain,
          isFloat(dtype) ? "float64" : "int64",
          dtype,
        );
        const actual = runLowered([{ dtype, values }], dtype, 2, (x) => scalar(op, x, constant(y, dtype, 2)));
        const expected = values.map((x, i) =>
          isBeyondRemainder(op, dtype, [x, y]) ? actual[i] : evaluateScalar(op, dtype, [x, y]),
        );
        expectSame(
          actual,
          expected,
          dtype,
          tolerance(op, dtype),
          (i) => `${op}(${values[i]}, ${y}) of ${dtype}`,
        );
      }
    }
  }
});

test.each(RULES.map((rule) => [rule.name, rule] as const))(
  "rule %s is tested by its operation",
  (_, rule) => {
    expect(OPS).toContain(rule.op);
    expect(DTYPES.some((dtype) => rule.kinds.includes(kindOf(dtype)) && isDefinedOn(rule.op, dtype))).toBe(
      true,
    );
  },
);

test("accumulations become a load, the operation and a store, in half as in local memory", () => {
  const source = makeBuffer("source", "float16", 8, "global");
  const out = makeBuffer("out", "float16", 1, "global");
  const sum = makeBuffer("sum", "float16", 1, "local");
  const i = loopAtom("i", 8);
  const body = [
    alloc(sum),
    store(sum, 0, constant(1, "float16")),
    forLoop(i, [accumulate("add", sum, 0, load(source, i))]),
    store(out, 0, load(sum, 0)),
  ].map((s): Stmt => (s.kind === "alloc" ? { ...s, offset: 0 } : s));
  const values = [2048, 1, 1, 1, 0.5, 3, 4, -2048];
  const [bytes] = runBody([source, out], body, new Map([[source, values]]), [out]);
  let expected = 1;
  for (const x of values) expected = evaluateScalar("add", "float16", [expected, x]) as number;
  expect(decodeElements(bytes, "float16")).toEqual([expected]);
});

test("indices loaded from narrow and wide integer buffers are legal", () => {
  const table = makeBuffer("table", "bfloat16", 4, "global");
  const chosen = makeBuffer("chosen", "uint8", 3, "global");
  const out = makeBuffer("out", "float32", 3, "global");
  const i = loopAtom("i", 3);
  const at = loadedIndex(scalar("add", load(chosen, i), constant(1, "uint8")), 0, 3);
  const body = [forLoop(i, [store(out, i, cast(load(table, at), "float32"))])];
  const contents = new Map<Buffer, readonly Scalar[]>([
    [table, [1, 2, 3, 4]],
    [chosen, [2, 255, 0]],
  ]);
  const [bytes] = runBody([table, chosen, out], body, contents, [out]);
  expect(decodeElements(bytes, "float32")).toEqual([4, 1, 2]);
});

test("a scalar spread over lanes is lowered once", () => {
  const actual = runLowered([{ dtype: "float32", values: [1, 2, 3, 4] }], "float32", 4, (x) =>
    scalar("add", x, splat(scalar("exp", constant(0, "float32")), 4)),
  );
  expect(actual).toEqual([2, 3, 4, 5]);
});
