// PyTorch's reference values for scripts/fixtures/movement.py.

import { Tensor } from "../../src/index.js";
import { conformance } from "./torch.js";

await conformance("movement", {
  reshapeOfPermute: ([x]) => x.permute([2, 0, 1]).reshape([4, 6]),
  nineAxes: ([x]) => x.permute([8, 0, 7, 1, 6, 2, 5, 3, 4]).sum([0, 3]),
  padExpSum: ([x]) =>
    x
      .pad([
        [0, 0],
        [2, 1],
      ])
      .exp()
      .sum(1),
  padLogSum: ([x]) =>
    x
      .pad([
        [0, 0],
        [2, 1],
      ])
      .log()
      .sum(1),
  padMax: ([x]) =>
    x
      .pad([
        [0, 0],
        [2, 1],
      ])
      .max(1),
  concat: (inputs, [axis]) => Tensor.concat(inputs, axis as number),
  stack: (inputs, [axis]) => Tensor.stack(inputs, axis as number),
  sumOfAll: (inputs) => inputs.reduce((sum, x) => sum.add(x)),
  broadcastTensors: (inputs) => Tensor.broadcastTensors(inputs),
  hstack: (inputs) => Tensor.hstack(inputs),
  vstack: (inputs) => Tensor.vstack(inputs),
  dstack: (inputs) => Tensor.dstack(inputs),
  columnStack: (inputs) => Tensor.columnStack(inputs),
  blockDiag: (inputs) => Tensor.blockDiag(inputs),
  cartesianProd: (inputs) => Tensor.cartesianProd(inputs),
});
