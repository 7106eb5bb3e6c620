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
  gather: ([x, index], [axis]) => x.gather(axis as number, index),
  gatherOfSum: ([x, index]) => x.add(x.sum(0)).gather(1, index),
  indexSelect: ([x, index], [axis]) => x.indexSelect(axis as number, index),
  scatterAdd: ([x, index, values], [axis]) => x.scatterAdd(axis as number, index, values),
  embedding: ([table, index]) => index.embedding(table),
});
