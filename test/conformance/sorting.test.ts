// PyTorch's reference values for scripts/fixtures/sorting.py.

import type { Tensor } from "../../src/index.js";
import { conformance, type Operation } from "./torch.js";

type Placing = "sort" | "topk" | "kthvalue" | "median" | "nanmedian" | "mode" | "cummax" | "cummin";

/** A method that gives values and places, as a list of the two. */
const placing =
  (name: Placing): Operation =>
  ([x], args) => {
    const method = x[name] as (...given: readonly unknown[]) => { values: Tensor; indices: Tensor };
    const { values, indices } = method.apply(x, [...args]);
    return [values, indices];
  };

await conformance("sorting", {
  sort: placing("sort"),
  topk: placing("topk"),
  kthvalue: placing("kthvalue"),
  median: placing("median"),
  nanmedian: placing("nanmedian"),
  mode: placing("mode"),
  cummax: placing("cummax"),
  cummin: placing("cummin"),
  medianOfAll: ([x]) => x.median(),
  nanmedianOfAll: ([x]) => x.nanmedian(),
  diffBetween: ([x, prepend, append]) => x.diff({ prepend, append }),
  trapezoidOver: ([y, x]) => y.trapezoid({ x }),
  cumulativeTrapezoidOver: ([y, x]) => y.cumulativeTrapezoid({ x }),
});
