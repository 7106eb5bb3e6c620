// PyTorch's reference values for scripts/fixtures/indexing.py.

import { Tensor } from "../../src/index.js";
import { conformance } from "./torch.js";

await conformance("indexing", {
  gather: ([x, index], [axis]) => x.gather(axis as number, index),
  gatherOfSum: ([x, index]) => x.add(x.sum(0)).gather(1, index),
  indexSelect: ([x, index], [axis]) => x.indexSelect(axis as number, index),
  embedding: ([table, index]) => index.embedding(table),
  embeddingPadded: ([table, index], [paddingIdx]) =>
    index.embedding(table, { paddingIdx: paddingIdx as number }),

  oneIndex: ([x, a]) => x.at(a),
  indexOfSecond: ([x, a]) => x.at(null, a),
  indexOfLast: ([x, a]) => x.at("...", a),
  adjacent: ([x, a, b]) => x.at(a, b),
  adjacentInside: ([x, a, b]) => x.at(null, a, b),
  adjacentBroadcast: ([x, a, b]) => x.at(a, b),
  separated: ([x, a, b]) => x.at(a, null, b),
  separatedInside: ([x, a, b]) => x.at(null, a, null, b),
  separatedByNew: ([x, a, b]) => x.at(a, "new", b),
  three: ([x, a, b, c]) => x.at(a, b, c),
  all: ([x, a, b, c, d]) => x.at(a, b, c, d),
  withPlace: ([x, a]) => x.at(1, a),
  withRanges: ([x, a]) => x.at([1, 3], a, [null, null, 2]),
  withNew: ([x, a]) => x.at("new", a, "...", "new"),
  fromTheEnd: ([x, a, b]) => x.at(a, b),
  twoRows: ([x, a]) => x.at(a.unsqueeze(1), a.unsqueeze(0).mod(5)),

  indexPutRows: ([x, a, values]) => x.indexPut([a], values),
  indexPutElements: ([x, a, b, values]) => x.indexPut([a, b], values),
  indexPutBroadcast: ([x, a, b, values]) => x.indexPut([a, b], values),
  indexPutAccumulate: ([x, a, b, values]) => x.indexPut([a, b], values, { accumulate: true }),
  indexPutHalf: ([x, a, b, values]) => x.indexPut([a, b], values, { accumulate: true }),
  indexPutMask: ([x, mask, value]) => x.indexPut([mask], value),
  indexPutMaskEach: ([x, mask, values]) => x.indexPut([mask], values),
  putAccumulate: ([x, index, values]) => x.put(index, values, { accumulate: true }),
  maskedFill: ([x, mask]) => x.maskedFill(mask, 2.5),
  where: ([condition, x, y]) => Tensor.where(condition, x, y),

  scatterAdd: ([x, index, values], [axis]) => x.scatterAdd(axis as number, index, values),
  scatterTo: ([x, index, values], [axis, options]) =>
    x.scatter(axis as number, index, values, options as { reduce?: "add" | "multiply" }),
  scatterValue: ([x, index], [axis, value]) => x.scatter(axis as number, index, value as number),
  scatterReduce: ([x, index, values], [axis, reduce, options]) =>
    x.scatterReduce(axis as number, index, values, reduce as "sum", options as { includeSelf?: boolean }),
  indexAdd: ([x, index, values], [axis, options]) =>
    x.indexAdd(axis as number, index, values, options as { alpha?: number }),
  indexCopy: ([x, index, values], [axis]) => x.indexCopy(axis as number, index, values),
  indexFill: ([x, index], [axis, value]) => x.indexFill(axis as number, index, value as number),
  indexReduce: ([x, index, values], [axis, reduce, options]) =>
    x.indexReduce(axis as number, index, values, reduce as "prod", options as { includeSelf?: boolean }),
});
