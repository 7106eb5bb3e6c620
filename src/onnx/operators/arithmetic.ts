// Arithmetic of two or more operands, broadcast together.

import { isFloat, isInteger } from "../../scalar/dtype.js";
import type { Operand } from "../../tensor/core.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Call, Operator, Operators, Result } from "../operator.js";

/**
 * Two operands for an elementwise operator. Before version 7 only the second was broadcast, where `broadcast` said so, along
 * the axes from `axis` on.
 */
export function operands(call: Call): readonly [Tensor, Tensor] {
  const [a, b] = [call.tensor(0), call.tensor(1)];
  const axis = call.int("axis");
  if (call.version >= 7 || !call.flag("broadcast") || axis === undefined) return [a, b];
  const missing = a.ndim - call.axis(axis, a.ndim) - b.ndim;
  if (missing < 0) call.fail(`the second operand ${b} does not lie along the axes from ${axis} of ${a}`);
  return [a, b.reshape([...b.shape, ...Array<number>(missing).fill(1)])];
}

/** An operator of two operands. */
export const binary =
  (compute: (a: Tensor, b: Tensor, call: Call) => Tensor): Operator =>
  (call) =>
    compute(...operands(call), call);

/** An operator of any number of operands, one at least. */
const joined =
  (join: (a: Tensor, b: Tensor) => Tensor): Operator =>
  (call) => {
    if (call.inputs.length === 0) call.fail("it needs an input at least");
    return call.tensors().reduce(join);
  };

/** Remainders have the divisor's sign, or the dividend's where `fmod` says so. */
const remainder = binary((a, b, call) => (call.flag("fmod") ? a.fmod(b) : a.mod(b)));

/** Quotients of integers are rounded towards zero. */
const quotient = binary((a, b) => (isFloat(a.dtype) ? a.div(b) : a.div(b, { roundingMode: "trunc" })));

/** Powers have the base's type, whatever the exponent's. */
function power(call: Call): Result {
  const [base, exponent] = operands(call);
  const { known, shape } = call.typed(1);
  // A number has shorter ways: squares, roots.
  const by: Operand = known?.length === 1 && shape.length <= base.ndim ? Number(known[0]) : exponent;
  if (isFloat(base.dtype)) return base.pow(typeof by === "number" ? by : exponent.cast(base.dtype));
  if (typeof by === "number" && Number.isInteger(by) && by >= 0) return base.pow(by).cast(base.dtype);
  const result = base.floatPower(exponent);
  // Powers of whole numbers are computed by logarithms, and may lie beside the whole number they are.
  const whole = isInteger(exponent.dtype)
    ? result.round()
    : exponent.eq(exponent.floor()).where(result.round(), result);
  return whole.cast(base.dtype);
}

/** Limits to [minimum, maximum]: inputs, or attributes before version 11; the maximum holds where they cross. */
function clip(call: Call): Result {
  const x = call.tensor(0);
  const bound = (i: number, name: string): Operand | undefined =>
    call.version >= 11 ? call.optional(i)?.reshape([]) : call.float(name);
  const [min, max] = [bound(1, "min"), bound(2, "max")];
  return min === undefined && max === undefined ? x : x.clamp(min, max);
}

const sum = joined((a, b) => a.add(b));

export const arithmetic: Operators = {
  Add: binary((a, b) => a.add(b)),
  Sub: binary((a, b) => a.sub(b)),
  Mul: binary((a, b) => a.mul(b)),
  Div: quotient,
  Mod: remainder,
  Pow: power,
  Sum: sum,
  Mean: (call) => (sum(call) as Tensor).div(call.inputs.length),
  Max: joined((a, b) => a.maximum(b)),
  Min: joined((a, b) => a.minimum(b)),
  Clip: clip,
};
