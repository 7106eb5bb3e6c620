// Products of matrices, and what is made of them.

import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators } from "../operator.js";

/** alpha A B + beta C, A and B transposed if so asked. */
export function gemm(call: Call): Tensor {
  const transposed = (i: number, name: string): Tensor =>
    call.flag(name) ? call.tensor(i).transpose(0, 1) : call.tensor(i);
  const product = transposed(0, "transA").matmul(transposed(1, "transB"));
  const alpha = call.float("alpha", 1);
  const scaled = alpha === 1 ? product : product.mul(alpha);
  const c = call.optional(2);
  if (c === undefined) return scaled.cast(call.tensor(0).dtype);
  const beta = call.float("beta", 1);
  return scaled.add(beta === 1 ? c : c.mul(beta)).cast(call.tensor(0).dtype);
}

export const products: Operators = {
  MatMul: (call) => call.tensor(0).matmul(call.tensor(1)),
  Gemm: gemm,
  Einsum: (call) => Tensor.einsum(call.text("equation", ""), ...call.tensors()),
  Det: (call) => call.tensor(0).det(),
};
