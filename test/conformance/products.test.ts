// PyTorch's reference values for scripts/fixtures/products.py.

import { Tensor } from "../../src/index.js";
import { conformance, optionsOf } from "./torch.js";

await conformance("products", {
  einsum: (operands, [equation]) => Tensor.einsum(equation as string, ...operands),
  multiDot: (matrices) => Tensor.multiDot(matrices),
  attentionMask: ([q, k, v, mask], args) => q.scaledDotProductAttention(k, v, { mask, ...optionsOf(args) }),
  quantizedZeros: ([x, weight, scales, zeroPoints, bias]) =>
    x.quantizedLinear(weight, scales, { zeroPoints, bias }),
});
