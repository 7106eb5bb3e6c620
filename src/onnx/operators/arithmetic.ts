// Arithmetic of two operands, broadcast together.

import type { Tensor } from "../../tensor/tensor.js";
import type { Call, Operator, Operators } from "../operator.js";

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

const binary =
  (compute: (a: Tensor, b: Tensor) => Tensor): Operator =>
  (call) =>
    compute(...operands(call));

export const arithmetic: Operators = {
  Add: binary((a, b) => a.add(b)),
  Sub: binary((a, b) => a.sub(b)),
  Mul: binary((a, b) => a.mul(b)),
};
