// PyTorch's reference values for scripts/fixtures/reductions.py.

import { conformance, optionsOf } from "./torch.js";

await conformance("reductions", {
  meanOfFloat: ([x]) => x.cast("float32").mean(1),
  sumExpanded: ([x]) => x.expand([3, 5]).sum(1),
  softmaxTwice: ([x]) => x.softmax(-1).softmax(-1),
  layerNorm: ([x], [size]) => x.layerNorm([size as number]),
  layerNormAffine: ([x, weight, bias], args) =>
    x.layerNorm(weight.shape as number[], { weight, bias, ...optionsOf(args) }),
  rmsNorm: ([x], [size, given]) => x.rmsNorm([size as number], given as Readonly<Record<string, unknown>>),
  rmsNormAffine: ([x, weight], args) => x.rmsNorm(weight.shape as number[], { weight, ...optionsOf(args) }),
});
