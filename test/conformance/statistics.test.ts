// PyTorch's reference values for scripts/fixtures/statistics.py.

import type { Axes, ReduceOptions } from "../../src/tensor/reduction.js";
import type { HistogramOptions } from "../../src/tensor/statistics.js";
import type { Tensor } from "../../src/index.js";
import { conformance } from "./torch.js";

const pair = ({ values, indices }: { values: Tensor; indices: Tensor }) => [values, indices];

await conformance("statistics", {
  norm: ([x], [p, axes, options]) =>
    x.norm(Number(`${p}`.replace("inf", "Infinity")), axes as Axes, options as object),
  covFrequent: ([x, fweights]) => x.cov({ fweights }),
  covWeighted: ([x, aweights]) => x.cov({ aweights }),
  covBoth: ([x, fweights, aweights]) => x.cov({ fweights, aweights }),
  histogram: ([x], [bins, options]) => {
    const { histogram, edges } = x.histogram(bins as number, options as HistogramOptions);
    return [histogram, edges];
  },
  histogramBetween: ([x, bins]) => Object.values(x.histogram(bins)),
  histogramWeighted: ([x, bins, weight]) => Object.values(x.histogram(bins, { weight })),
  bincountWeighted: ([x, weights], [length]) => x.bincount({ length: length as number, weights }),
  maxWithIndices: ([x], [axis, options]) => pair(x.maxWithIndices(axis as number, options as ReduceOptions)),
  minWithIndices: ([x], [axis, options]) => pair(x.minWithIndices(axis as number, options as ReduceOptions)),
  aminmax: ([x], [axes]) => Object.values(x.aminmax(axes as Axes)),
});
