// Every machine operation on every register dtype and several vector lengths: wasm gives what the interpreter gives.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createWasmDevice, WasmDevice } from "../../src/device/wasm/device.js";
import { currentPlatform } from "../../src/device/wasm/platform.js";
import { loopAtom, mulIndex, toIndex } from "../../src/kernel/index.js";
import { bitcast, type Buffer, cast, constant, type Expr, extract, forLoop } from "../../src/kernel/ir.js";
import { load, pack, scalar, shuffle, splat, type Stmt, store } from "../../src/kernel/ir.js";
import {
  bytesOf,
  type DType,
  isBigInteger,
  isFloat,
  integerLimits,
  type Scalar,
} from "../../src/scalar/dtype.js";
import type { ScalarOp } from "../../src/scalar/ops.js";
import { executed, interpreted, param, program } from "./wasm-programs.js";

let device: WasmDevice;
beforeAll(async () => {
  await createWasmDevice({ threads: 1 }); // sets the engine's flags
});

const FLOATS: readonly DType[] = ["float32", "float64"];
const INTEGERS: readonly DType[] = ["int32", "uint32", "int64", "uint64"];
const REGISTER: readonly DType[] = ["bool", ...INTEGERS, ...FLOATS];
const LANES = [1, 2, 4, 8, 16];
const COUNT = 16;

const FLOAT_VALUES = [
  ...[0, -0, 1, -1, 1.5, -2.5, 2.5, 0.1, Number.NaN, Infinity, -Infinity],
  ...[3e9, -3e9, 1e-40, 1e20, -7.75],
];

/** Sixteen values of a dtype, its corners among them, turned by `shift` places. */
function values(dtype: DType, shift = 0): Scalar[] {
  const { min, max } = isFloat(dtype) ? { min: 0n, max: 0n } : integerLimits(dtype);
  const list: Scalar[] = Array.from({ length: COUNT }, (_, i) => {
    if (dtype === "bool") return i % 3 === 0;
    if (isFloat(dtype)) return dtype === "float32" ? Math.fround(FLOAT_VALUES[i]) : FLOAT_VALUES[i];
    const whole = [min, max, 0n, 1n, max - 1n, min + 1n][i] ?? BigInt(i * i * 7919);
    const wrapped = min < 0n && i % 2 === 1 ? -whole : whole;
    const held = bytesOf(dtype) === 8 ? wrapped : BigInt.asIntN(bytesOf(dtype) * 8, wrapped);
    const fitted =
      min === 0n ? BigInt.asUintN(bytesOf(dtype) * 8, held) : BigInt.asIntN(bytesOf(dtype) * 8, held);
    return isBigInteger(dtype) ? fitted : Number(fitted);
  });
  return list.map((_, i) => list[(i + shift) % COUNT]);
}

/** out[i] = make(inputs at i), `lanes` at a time. */
function elementwise(
  inputs: readonly DType[],
  result: DType,
  lanes: number,
  make: (...args: readonly Expr[]) => Expr,
): ReturnType<typeof program> {
  const i = loopAtom("i", COUNT / lanes);
  const at = mulIndex(i, lanes);
  const buffers = inputs.map((dtype, n) => param(`in${n}`, dtype, COUNT));
  const out = param("out", result, COUNT);
  const value = make(...buffers.map((buffer) => load(buffer, at, [], { lanes })));
  return program([out, ...buffers], [forLoop(i, [store(out, at, value)])]);
}

async function expectEqual(
  p: ReturnType<typeof program>,
  inputs: Record<string, readonly Scalar[]>,
  held: (x: Scalar) => Scalar = (x) => x,
): Promise<void> {
  expect((await executed(device, p, inputs)).map(held)).toEqual(interpreted(p, inputs).map(held));
  expect(device.codeOf(p)).toContain("local.get"); // every instruction has a text
}

describe.each([true, false].flatMap((relaxed) => LANES.map((lanes) => ({ lanes, relaxed }))))(
  "$lanes lanes, relaxed $relaxed",
  ({ lanes, relaxed }) => {
    beforeAll(() => {
      device = new WasmDevice(currentPlatform(), { simd: true, relaxed, threads: false }, 1);
    });
    afterAll(() => device.close());

    const each = async (
      op: ScalarOp,
      dtypes: readonly DType[],
      more: Partial<Record<"in1" | "in2", (d: DType) => Scalar[]>> = {},
      arity = 2,
      held?: (x: Scalar) => Scalar,
    ): Promise<void> => {
      for (const dtype of dtypes) {
        const result = ["lt", "le", "eq", "ne"].includes(op) ? "bool" : dtype;
        const p = elementwise(new Array(arity).fill(dtype), result, lanes, (...args) => scalar(op, ...args));
        for (const shift of arity === 1 ? [0] : [0, 1, 5]) {
          await expectEqual(
            p,
            {
              in0: values(dtype),
              in1: more.in1?.(dtype) ?? values(dtype, shift),
              in2: values(dtype, 2 * shift),
            },
            held,
          );
        }
      }
    };

    test.each(["neg", "abs"] as const)("%s", (op) => each(op, [...INTEGERS, ...FLOATS], {}, 1));
    test.each(["sqrt", "floor", "trunc", "round"] as const)("%s", (op) => each(op, FLOATS, {}, 1));
    test("not", () => each("not", ["bool", ...INTEGERS], {}, 1));
    test.each(["add", "sub", "mul"] as const)("%s", (op) => each(op, [...INTEGERS, ...FLOATS]));
    test.each(["max", "min"] as const)("%s, of two zeros either", (op) =>
      each(op, [...INTEGERS, ...FLOATS], {}, 2, (x) => (x === 0 ? 0 : x)),
    );
    test("div", () => each("div", FLOATS));
    test.each(["and", "or", "xor"] as const)("%s", (op) => each(op, ["bool", ...INTEGERS]));
    test.each(["lt", "le", "eq", "ne"] as const)("%s", (op) => each(op, REGISTER));
    test.each(["shl", "shr"] as const)("%s by amounts that differ", (op) =>
      each(op, INTEGERS, {
        in1: (dtype) => values("uint8").map((_, i) => (isBigInteger(dtype) ? BigInt(i * 4 + 3) : i * 2 + 1)),
      }),
    );
    test.each(["quot", "rem"] as const)("%s", (op) =>
      each(op, INTEGERS, {
        in1: (dtype) => values("uint8").map((_, i) => (isBigInteger(dtype) ? BigInt(i * i + 1) : i * i + 1)),
      }),
    );

    test("shifts by one amount", async () => {
      for (const dtype of INTEGERS) {
        const amount = constant(isBigInteger(dtype) ? 7n : 7, dtype);
        const first = param("first", dtype, 1);
        for (const op of ["shl", "shr"] as const) {
          const p = elementwise([dtype], dtype, lanes, (x) => scalar(op, x, splat(amount, lanes)));
          await expectEqual(p, { in0: values(dtype) });
          const q = elementwise([dtype], dtype, lanes, (x) => scalar(op, x, splat(load(first, 0), lanes)));
          await expectEqual(
            { ...q, params: [...q.params, first] },
            {
              in0: values(dtype),
              first: [isBigInteger(dtype) ? 5n : 5],
            },
          );
        }
      }
    });

    test("where, with the condition from either lane width", async () => {
      for (const dtype of REGISTER) {
        for (const compared of ["int32", "float64", "uint64"] as const) {
          const p = elementwise([compared, compared, dtype, dtype], dtype, lanes, (a, b, x, y) =>
            scalar("where", scalar("lt", a, b), x, y),
          );
          const inputs = { in0: values(compared), in1: values(compared, 3) };
          await expectEqual(p, { ...inputs, in2: values(dtype), in3: values(dtype, 1) });
        }
      }
    });

    test("a condition stored as bytes", async () => {
      for (const dtype of REGISTER) {
        const p = elementwise(["bool", dtype, dtype], dtype, lanes, (c, x, y) => scalar("where", c, x, y));
        await expectEqual(p, { in0: values("bool"), in1: values(dtype), in2: values(dtype, 1) });
      }
    });

    test("casts between all register dtypes", async () => {
      for (const from of REGISTER) {
        for (const to of REGISTER) {
          await expectEqual(
            elementwise([from], to, lanes, (x) => cast(x, to)),
            { in0: values(from) },
          );
        }
      }
    });

    test("bitcasts", async () => {
      for (const [from, to] of [
        ["float32", "int32"],
        ["uint32", "float32"],
        ["float64", "int64"],
        ["uint64", "float64"],
        ["int32", "uint32"],
      ] as const) {
        await expectEqual(
          elementwise([from], to, lanes, (x) => bitcast(x, to)),
          { in0: values(from) },
        );
      }
    });

    test("narrow integers are widened by loads and wrapped by stores", async () => {
      const i = loopAtom("i", COUNT / lanes);
      const at = mulIndex(i, lanes);
      for (const narrow of ["int8", "uint8", "int16", "uint16"] as const) {
        const wide: DType = narrow.startsWith("u") ? "uint32" : "int32";
        const [out, source] = [param("out", wide, COUNT), param("in", narrow, COUNT)];
        const widening = program(
          [out, source],
          [forLoop(i, [store(out, at, load(source, at, [], { lanes, dtype: wide }))])],
        );
        await expectEqual(widening, { in: values(narrow) });
        const [less, more] = [param("less", narrow, COUNT), param("more", wide, COUNT)];
        const wrapping = program(
          [less, more],
          [forLoop(i, [store(less, at, load(more, at, [], { lanes }))])],
        );
        await expectEqual(wrapping, { more: values(wide) });
      }
    });

    test("packs, splats and extracts", async () => {
      for (const dtype of REGISTER) {
        const [out, source] = [param("out", dtype, COUNT), param("in", dtype, COUNT)];
        const i = loopAtom("i", COUNT / lanes);
        const at = mulIndex(i, lanes);
        const vector = load(source, at, [], { lanes });
        const lane = (n: number): Expr => extract(vector, n % lanes);
        const first = load(source, 0, [], { lanes });
        const picked = (step: number): Expr => {
          const picks = Array.from({ length: lanes }, (_, n) => (n * step + 3) % (2 * lanes));
          return lanes === 1 ? vector : shuffle(vector, first, picks);
        };
        const statements: [string, Expr][] = [
          ["reversed", pack(Array.from({ length: lanes }, (_, n) => lane(lanes - 1 - n)))],
          ["shuffled", picked(5)],
          ["interleaved", picked(lanes)],
          ["turned", picked(2 * lanes - 1)],
          ["spread", splat(lane(lanes - 1), lanes)],
          ["gathered", pack(Array.from({ length: lanes }, (_, n) => load(source, (n * 7) % COUNT)))],
          ["broadcast", splat(load(source, toIndex(i)), lanes)],
          [
            "mixed",
            pack(Array.from({ length: lanes }, (_, n) => (n % 2 === 0 ? lane(n) : constant(1, dtype)))),
          ],
          ["literal", pack(Array.from({ length: lanes }, (_, n) => constant(values(dtype)[n], dtype)))],
        ];
        for (const [, value] of statements) {
          await expectEqual(program([out, source], [forLoop(i, [store(out, at, value)])]), {
            in: values(dtype),
          });
        }
      }
    });

    test("variables and names hold whole vectors", async () => {
      const { alloc, makeBuffer, ref } = await import("../../src/kernel/ir.js");
      for (const dtype of REGISTER) {
        const [out, source] = [param("out", dtype, COUNT), param("in", dtype, COUNT)];
        const acc: Buffer = makeBuffer("acc", dtype, 2, "register", lanes);
        const i = loopAtom("i", COUNT / lanes);
        const at = mulIndex(i, lanes);
        const vector = (n: number): Expr => load(acc, n, [], { lanes });
        const body: Stmt[] = [
          alloc(acc),
          store(acc, 0, load(source, at, [], { lanes })),
          store(acc, 1, load(source, 0, [], { lanes })),
          { kind: "let", name: "x", value: vector(0) },
          store(acc, 0, vector(1)),
          store(
            acc,
            1,
            scalar(
              "where",
              scalar("eq", ref("x", dtype, lanes), vector(1)),
              ref("x", dtype, lanes),
              vector(0),
            ),
          ),
          store(out, at, vector(1)),
        ];
        await expectEqual(program([out, source], [forLoop(i, body)]), { in: values(dtype) });
      }
    });
  },
);
