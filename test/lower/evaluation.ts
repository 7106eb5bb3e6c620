// Evaluates single expressions over named values, fast enough to try many thousands of arguments.

import { type Expr, ref, store, topologicalOrder, makeBuffer } from "../../src/kernel/ir.js";
import { lowerScalars } from "../../src/lower/scalars.js";
import type { Target } from "../../src/device/target.js";
import { bitcastScalar, castScalar } from "../../src/scalar/convert.js";
import { DTYPES, type DType, type Scalar } from "../../src/scalar/dtype.js";
import { scalarFunction } from "../../src/scalar/evaluate.js";
import type { ScalarOp } from "../../src/scalar/ops.js";

/** How a machine treats x * y + z: rounding once (also where it was written as two operations) or twice. */
export type Contraction = "fused" | "separate";

export const TARGET: Target = {
  language: "c",
  threads: 1,
  vectorBytes: 64,
  vectorRegisters: 32,
  fma: true,
  dtypes: new Set(DTYPES),
  maxBuffers: 64,
  maxBufferBytes: 2 ** 32,
  maxLocalBytes: 2 ** 20,
  l1Bytes: 2 ** 15,
  l2Bytes: 2 ** 20,
  fingerprint: "",
};

/** A function of the values of `inputs` (refs) that computes `root`. */
export function compileExpr(
  root: Expr,
  inputs: readonly Expr[],
  contraction: Contraction = "separate",
): (...values: Scalar[]) => Scalar {
  const order = topologicalOrder([root]);
  const slots = new Map(order.map((x, i) => [x, i]));
  const values: Scalar[] = new Array(order.length).fill(0);
  const inputSlots = inputs.map((x) => slots.get(x));
  const steps: (() => void)[] = [];
  for (const [slot, x] of order.entries()) {
    const step = stepOf(
      x,
      slot,
      x.args.map((a) => slots.get(a)!),
      slots,
      values,
      contraction,
    );
    if (step !== undefined) steps.push(step);
    else if (!inputs.includes(x)) throw new Error(`cannot evaluate ${x.op}`);
  }
  const result = slots.get(root)!;
  return (...given) => {
    for (const [i, slot] of inputSlots.entries()) if (slot !== undefined) values[slot] = given[i];
    for (const step of steps) step();
    return values[result];
  };
}

function stepOf(
  x: Expr,
  slot: number,
  [a, b, c]: readonly number[],
  slots: ReadonlyMap<Expr, number>,
  v: Scalar[],
  contraction: Contraction,
): (() => void) | undefined {
  switch (x.op) {
    case "const":
      v[slot] = x.value;
      return () => {};
    case "ref":
      return undefined;
    case "cast": {
      const from = x.args[0].dtype;
      return () => {
        v[slot] = castScalar(v[a], from, x.dtype);
      };
    }
    case "bitcast": {
      const from = x.args[0].dtype;
      return () => {
        v[slot] = bitcastScalar(v[a], from, x.dtype);
      };
    }
    case "fma":
      if (contraction === "fused") break;
      return () => {
        const product = (v[a] as number) * (v[b] as number);
        v[slot] =
          x.dtype === "float32"
            ? Math.fround(Math.fround(product) + (v[c] as number))
            : product + (v[c] as number);
      };
    case "add":
    case "sub": {
      if (contraction === "separate" || x.dtype !== "float32") break;
      const left = slotsOfProduct(x.args[0], slots);
      const right = slotsOfProduct(x.args[1], slots);
      const sign = x.op === "add" ? 1 : -1;
      if (left !== undefined) {
        return () => {
          v[slot] = Math.fround((v[left[0]] as number) * (v[left[1]] as number) + sign * (v[b] as number));
        };
      }
      if (right !== undefined) {
        return () => {
          v[slot] = Math.fround((v[a] as number) + sign * (v[right[0]] as number) * (v[right[1]] as number));
        };
      }
      break;
    }
  }
  const dtype = x.args[x.args.length - 1].dtype;
  const f = scalarFunction(x.op as ScalarOp, dtype);
  return () => {
    v[slot] = f(v[a], v[b], v[c]);
  };
}

function slotsOfProduct(x: Expr, slots: ReadonlyMap<Expr, number>): [number, number] | undefined {
  return x.op === "mul" ? [slots.get(x.args[0])!, slots.get(x.args[1])!] : undefined;
}

/** Inputs of an operation on `dtype`, as refs. */
export const inputsOf = (dtypes: readonly DType[], lanes = 1): Expr[] =>
  dtypes.map((dtype, i) => ref("xyz"[i], dtype, lanes));

/** What an expression becomes, as the value stored into a buffer of 32-bit or wider elements. */
export function lowered(x: Expr): Expr {
  const buffer = makeBuffer("out", x.dtype, x.lanes, "register", x.lanes);
  const { body } = lowerScalars([store(buffer, 0, x)], TARGET);
  const [only] = body;
  if (only.kind !== "store") throw new Error(`a store became ${only.kind}`);
  return only.value;
}

/** Numbers in [0, 1) that are the same on every run (mulberry32). */
export function randomSource(seed: number): () => number {
  let state = seed * 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
