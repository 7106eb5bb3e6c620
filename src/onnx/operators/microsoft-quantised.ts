// Operators on quantised tensors of the domain com.microsoft: they compute with what their inputs stand for, and give it
// quantised again, or in floats.

import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operator, Operators, Result } from "../operator.js";
import type { TensorValue } from "../value.js";
import { alongAxis } from "./activations.js";
import { integerProduct, perColumn, perRow } from "./integer-products.js";
import { averagePool } from "./pools.js";
import { dequantized, quantisation, quantized, quantizedDynamically } from "./quantisation.js";

/** What the i-th input stands for, by its scale and zero point, which follow it. */
const meant = (call: Call, i: number): Tensor =>
  dequantized(call.tensor(i), {
    scale: call.tensor(i + 1).reshape([]),
    zeroPoint: call.optional(i + 2)?.reshape([]),
  });

/** Quantised by the scale and zero point that are the inputs from i on. */
const given = (call: Call, y: Tensor, i: number, type = call.typed(0).type): TensorValue =>
  quantized(y, { scale: call.tensor(i).reshape([]), zeroPoint: call.optional(i + 1)?.reshape([]) }, type);

/** An operator of one quantised operand. */
const unary =
  (compute: (x: Tensor, call: Call) => Tensor): Operator =>
  (call) =>
    given(call, compute(meant(call, 0), call), 3);

/** An operator of two quantised operands. */
const binary =
  (compute: (a: Tensor, b: Tensor) => Tensor): Operator =>
  (call) =>
    given(call, compute(meant(call, 0), meant(call, 3)), 6);

function concatenate(call: Call): Result {
  const parts: Tensor[] = [];
  for (let i = 2; i < call.inputs.length; i += 3) parts.push(meant(call, i));
  if (parts.length === 0) return call.fail("it needs a tensor at least to concatenate");
  const axis = call.axis(call.int("axis") ?? call.fail("its attribute axis is missing"), parts[0].ndim);
  return given(call, Tensor.cat(parts, axis), 0, call.typed(2).type);
}

/** By the rules of the version of Softmax that an attribute names. */
const softmax = unary((x, call) =>
  alongAxis(x, call.int("axis", -1), call.int("opset", 13), (y, axis) => y.softmax(axis)),
);

/** Pools [batch, channels, window axes..] with channels last where the attribute says so. */
const pooled =
  (pool: (call: Call, x: Tensor) => Tensor): Operator =>
  (call) => {
    if (!call.flag("channels_last")) return given(call, pool(call, meant(call, 0)), 3);
    return given(call, pool(call, meant(call, 0).moveaxis(-1, 1)).moveaxis(1, -1), 3);
  };

const globalAveragePool = (_: Call, x: Tensor): Tensor =>
  x.mean(x.shape.map((_, axis) => axis).slice(2), { keepdim: true });

/** The mean along axes: all, unless an attribute names some. */
const reduceMean = unary((x, call) => {
  const axes = call.ints("axes")?.map((axis) => call.axis(axis, x.ndim));
  return x.mean(axes, { keepdim: call.flag("keepdims", true) });
});

function choose(call: Call): Result {
  const chosen = call.tensor(0).bool().where(meant(call, 1), meant(call, 4));
  return given(call, chosen, 7, call.typed(1).type);
}

/** alpha a b + c, with c in units of the product's scale: quantised if there is a scale for it. */
function gemm(call: Call): Result {
  const [a, b] = [0, 3].map((i) =>
    call.flag(i === 0 ? "transA" : "transB") ? call.tensor(i).T : call.tensor(i),
  );
  const total = integerProduct({ a, b, aZero: call.optional(2), bZero: call.optional(5) });
  const c = call.optional(6);
  const scale = perRow(call.tensor(1))
    .mul(perColumn(call.tensor(4)))
    .mul(call.float("alpha", 1));
  const y = (c === undefined ? total : total.add(c)).cast(scale.dtype).mul(scale);
  return call.has(7) ? given(call, y, 7) : y;
}

const withBias = (y: Tensor, bias: Tensor | undefined): Tensor => (bias === undefined ? y : y.add(bias));

/** a in floats, quantised on the way, times b. */
function dynamicMatMul(call: Call): Result {
  const { values, scale, zeroPoint } = quantizedDynamically(call.tensor(0));
  const total = integerProduct({ a: values, b: call.tensor(1), aZero: zeroPoint, bZero: call.optional(3) });
  return withBias(total.cast(scale.dtype).mul(scale.mul(perColumn(call.tensor(2)))), call.optional(4));
}

function matMulToFloat(call: Call): Result {
  const [a, b, aScale, bScale] = [0, 1, 2, 3].map((i) => call.tensor(i));
  const total = integerProduct({ a, b, aZero: call.optional(4), bZero: call.optional(5) });
  return withBias(total.cast(aScale.dtype).mul(perRow(aScale).mul(perColumn(bScale))), call.optional(6));
}

export const microsoftQuantised: Operators = {
  QuantizeLinear: quantisation.QuantizeLinear,
  DequantizeLinear: quantisation.DequantizeLinear,
  QLinearAdd: binary((a, b) => a.add(b)),
  QLinearMul: binary((a, b) => a.mul(b)),
  QLinearSigmoid: unary((x) => x.sigmoid()),
  QLinearLeakyRelu: unary((x, call) => x.leakyRelu(call.float("alpha", 0.01))),
  QLinearSoftmax: softmax,
  QLinearConcat: concatenate,
  QLinearAveragePool: pooled(averagePool),
  QLinearGlobalAveragePool: pooled(globalAveragePool),
  QLinearReduceMean: reduceMean,
  QLinearWhere: choose,
  QGemm: gemm,
  DynamicQuantizeMatMul: dynamicMatMul,
  MatMulIntegerToFloat: matMulToFloat,
};
