// Bounds of integers: no value that evaluation gives lies outside of them, and they are as near as the code needs.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bitcast, cast, constant, type Expr, load, makeBuffer, ref, scalar } from "../../src/kernel/ir.js";
import { Ranges } from "../../src/lower/ranges.js";
import { bitcastScalar, castScalar, wrapInteger } from "../../src/scalar/convert.js";
import type { DType, Scalar } from "../../src/scalar/dtype.js";
import { evaluateScalar } from "../../src/scalar/evaluate.js";
import type { ScalarOp } from "../../src/scalar/ops.js";

const OPS: readonly ScalarOp[] = ["add", "sub", "mul", "and", "or", "xor", "shl", "shr", "max", "min"];

/** A random expression over one byte, beside what it gives for a byte. */
interface Sample {
  readonly expr: Expr;
  readonly value: (byte: number) => Scalar;
}

const bytes = makeBuffer("bytes", "uint8", 16, "global");
const byte: Sample = { expr: load(bytes, 0, [], { dtype: "uint32" }), value: (x) => x };

function applied(op: ScalarOp, x: Sample, by: number): Sample {
  const { dtype } = x.expr;
  const amount = op === "shl" || op === "shr" ? by & 31 : wrapInteger(by, dtype);
  return {
    expr: scalar(op, x.expr, constant(amount, dtype)),
    value: (b) => evaluateScalar(op, dtype, [x.value(b), amount]),
  };
}

function turned(x: Sample, to: DType, bits: boolean): Sample {
  const from = x.expr.dtype;
  const convert = bits ? bitcastScalar : castScalar;
  return { expr: bits ? bitcast(x.expr, to) : cast(x.expr, to), value: (b) => convert(x.value(b), from, to) };
}

describe("bounds of integers", () => {
  it("hold for every value", () => {
    const step = fc.record({
      op: fc.constantFrom(...OPS, "bitcast", "cast"),
      by: fc.oneof(fc.integer({ min: -20, max: 40 }), fc.integer()),
    });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 6 }),
        fc.array(fc.nat(255), { minLength: 4 }),
        (steps, values) => {
          let x = byte;
          for (const { op, by } of steps) {
            const other = x.expr.dtype === "uint32" ? "int32" : "uint32";
            x =
              op === "bitcast" || op === "cast"
                ? turned(x, other, op === "bitcast")
                : applied(op as ScalarOp, x, by);
          }
          const { min, max } = new Ranges().of(x.expr);
          for (const b of [0, 255, ...values]) {
            expect(Number(x.value(b))).toBeGreaterThanOrEqual(min);
            expect(Number(x.value(b))).toBeLessThanOrEqual(max);
          }
        },
      ),
      { numRuns: 2000, seed: 1 },
    );
  });

  it("of four bits are those of four bits", () => {
    const high = scalar("shr", byte.expr, constant(4, "uint32"));
    expect(new Ranges().of(high)).toEqual({ min: 0, max: 15 });
    const word = ref("x", "int32", 1);
    const signed = scalar("shr", scalar("shl", word, constant(28, "int32")), constant(28, "int32"));
    expect(new Ranges().of(signed)).toEqual({ min: -8, max: 7 });
    expect(new Ranges().fits(signed, "int8")).toBe(true);
    expect(new Ranges().fits(word, "int8")).toBe(false);
  });
});
