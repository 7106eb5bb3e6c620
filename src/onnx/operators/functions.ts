// Functions of one number.

import { isFloat } from "../../scalar/dtype.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Call, Operator, Operators } from "../operator.js";

/** An operator of one operand. */
export const unary =
  (compute: (x: Tensor, call: Call) => Tensor): Operator =>
  (call) =>
    compute(call.tensor(0), call);

/** Whether infinite, of the signs that are asked for. */
function isInfinite(x: Tensor, call: Call): Tensor {
  const [negative, positive] = [call.flag("detect_negative", true), call.flag("detect_positive", true)];
  if (negative && positive) return x.isinf();
  if (!negative && !positive) return x.isinf().logicalAnd(false);
  return negative ? x.isneginf() : x.isposinf();
}

export const functions: Operators = {
  Abs: unary((x) => x.abs()),
  Neg: unary((x) => x.neg()),
  Sign: unary((x) => x.sign()),
  Reciprocal: unary((x) => x.reciprocal()),
  Sqrt: unary((x) => x.sqrt()),
  Exp: unary((x) => x.exp()),
  Log: unary((x) => x.log()),
  Erf: unary((x) => (isFloat(x.dtype) ? x.erf() : x.erf().cast(x.dtype))),

  Ceil: unary((x) => x.ceil()),
  Floor: unary((x) => x.floor()),
  Round: unary((x) => x.round()),

  Sin: unary((x) => x.sin()),
  Cos: unary((x) => x.cos()),
  Tan: unary((x) => x.tan()),
  Asin: unary((x) => x.asin()),
  Acos: unary((x) => x.acos()),
  Atan: unary((x) => x.atan()),
  Sinh: unary((x) => x.sinh()),
  Cosh: unary((x) => x.cosh()),
  Tanh: unary((x) => x.tanh()),
  Asinh: unary((x) => x.asinh()),
  Acosh: unary((x) => x.acosh()),
  Atanh: unary((x) => x.atanh()),

  IsInf: unary(isInfinite),
  IsNaN: unary((x) => x.isnan()),
};
