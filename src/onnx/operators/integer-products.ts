// Matrix products and convolutions of small integers, summed in 32 bits.

import type { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators, Result } from "../operator.js";
import { convolve } from "./convolutions.js";
import { centred, limited } from "./quantisation.js";

/** One number for each row of a matrix, or as it is. */
export const perRow = (given: Tensor): Tensor =>
  given.size === 1 ? given.reshape([]) : given.ndim === 1 ? given.unsqueeze(1) : given;

/** One number for each column of a matrix: those broadcast as they are. */
export const perColumn = (given: Tensor): Tensor => (given.size === 1 ? given.reshape([]) : given);

/** One number for each output of a convolution [outputs, inputs, window..], beside `rest` more axes. */
const perOutput = (given: Tensor, rest: number): Tensor =>
  given.size === 1 ? given.reshape([]) : given.reshape([given.size, ...Array<number>(rest).fill(1)]);

interface MatrixProduct {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly aZero?: Tensor;
  readonly bZero?: Tensor;
}

/** The product of two matrices less their zero points, in int32. */
export const integerProduct = ({ a, b, aZero, bZero }: MatrixProduct): Tensor =>
  centred(a, aZero && perRow(aZero)).matmul(centred(b, bZero && perColumn(bZero)));

const matMulInteger = (call: Call): Result =>
  integerProduct({ a: call.tensor(0), b: call.tensor(1), aZero: call.optional(2), bZero: call.optional(3) });

/** Two operands and a result, each with scale and zero point. */
const eight = (call: Call): Tensor[] => Array.from({ length: 8 }, (_, i) => call.tensor(i));

function quantizedMatMul(call: Call): Result {
  const [a, aScale, aZero, b, bScale, bZero, yScale, yZero] = eight(call);
  const total = integerProduct({ a, b, aZero, bZero }).cast("float32");
  const scale = perRow(aScale).cast("float32").mul(perColumn(bScale)).div(perRow(yScale));
  return limited(total.mul(scale), perRow(yZero), call.typed(7).type);
}

/** The convolution of integers less their zero points, in int32. */
function integerConvolution(
  call: Call,
  x: Tensor,
  weight: Tensor,
  xZero?: Tensor,
  wZero?: Tensor,
  bias?: Tensor,
): Tensor {
  const filters = centred(weight, wZero && perOutput(wZero, weight.ndim - 1));
  return convolve(call, centred(x, xZero?.reshape([])), filters, bias);
}

const convInteger = (call: Call): Result =>
  integerConvolution(call, call.tensor(0), call.tensor(1), call.optional(2), call.optional(3));

function quantizedConv(call: Call): Result {
  const [x, xScale, xZero, w, wScale, wZero, yScale, yZero] = eight(call);
  const total = integerConvolution(call, x, w, xZero, wZero, call.optional(8)).cast("float32");
  const scale = xScale
    .reshape([])
    .mul(perOutput(wScale, w.ndim - 2))
    .div(yScale.reshape([]));
  return limited(total.mul(scale), yZero.reshape([]), call.typed(7).type);
}

export const integerProducts: Operators = {
  MatMulInteger: matMulInteger,
  QLinearMatMul: quantizedMatMul,
  ConvInteger: convInteger,
  QLinearConv: quantizedConv,
};
