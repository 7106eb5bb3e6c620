// PyTorch's reference values for scripts/fixtures/network.py.

import { nn, type Tensor } from "../../src/index.js";
import { conformance } from "./torch.js";

/** A layer whose tensors are the given ones. */
function withTensors<T extends object>(layer: T, tensors: Readonly<Record<string, Tensor>>): T {
  return Object.assign(layer, tensors);
}

await conformance("network", {
  layerNorm: ([x], [size]) => x.layerNorm([size as number]),
  matmulTransposed: ([x, y]) => x.matmul(y.transpose(0, 1)),
  linearGelu: ([x, w, b]) => x.linear(w, b).gelu(),
  convBlock: ([x, w, mean, variance, weight, bias]) =>
    x
      .conv2d(w, undefined, { padding: 1 })
      .batchNorm(mean, variance, { weight, bias })
      .relu()
      .add(x.narrow(1, 0, 1)),
  batchNormEval: ([x, mean, variance, weight, bias]) => x.batchNorm(mean, variance, { weight, bias }),
  batchNormTrain([x, weight, bias, runningMean, runningVar]) {
    // The layer assigns its statistics; the inputs stay as they are.
    const statistics = { runningMean: runningMean.clone(), runningVar: runningVar.clone() };
    const layer = withTensors(new nn.BatchNorm2d(3), { weight, bias, ...statistics });
    const y = layer.forward(x);
    return [y, layer.runningMean!, layer.runningVar!];
  },
  crossEntropyWeight: ([x, target, weight]) => x.crossEntropy(target, { weight }),
  attentionMask: ([q, k, v, mask]) => q.scaledDotProductAttention(k, v, { mask }),
  multiheadAttention([x, inWeight, inBias, outWeight, outBias], [heads]) {
    const layer = new nn.MultiheadAttention(8, heads as number);
    withTensors(layer, { inProjWeight: inWeight, inProjBias: inBias });
    withTensors(layer.outProj, { weight: outWeight, bias: outBias });
    return layer.forward(x);
  },
});
