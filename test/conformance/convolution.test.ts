// PyTorch's reference values for scripts/fixtures/convolution.py.

import type { ConvolutionTransposeOptions } from "../../src/tensor/convolution.js";
import type { AdaptiveSize, MaxPoolOptions, ValuesAndIndices } from "../../src/tensor/pooling.js";
import { conformance, type Operation } from "./torch.js";

const both = ({ values, indices }: ValuesAndIndices) => [values, indices];

const maxPool =
  (method: "maxPool1dWithIndices" | "maxPool2dWithIndices" | "maxPool3dWithIndices"): Operation =>
  ([x], [size, options]) =>
    both(x[method](size as number, options as MaxPoolOptions | undefined));

await conformance("convolution", {
  /** A convolution without bias. */
  convolveBare: ([x, weight], [method, options]) =>
    x[method as "conv2d" | "convTranspose2d"](weight, undefined, options as ConvolutionTransposeOptions),
  fractionalMaxPool: ([x, randomSamples], [rank, size, outputSize]) =>
    both(
      x[`fractionalMaxPool${rank as 2 | 3}dWithIndices`](size as number, {
        outputSize: outputSize as number[],
        randomSamples,
      }),
    ),
  maxPool1dWithIndices: maxPool("maxPool1dWithIndices"),
  maxPool2dWithIndices: maxPool("maxPool2dWithIndices"),
  maxPool3dWithIndices: maxPool("maxPool3dWithIndices"),
  adaptiveMaxPool1dWithIndices: ([x], [size]) => both(x.adaptiveMaxPool1dWithIndices(size as number)),
  adaptiveMaxPool2dWithIndices: ([x], [size]) => both(x.adaptiveMaxPool2dWithIndices(size as AdaptiveSize)),
  adaptiveMaxPool3dWithIndices: ([x], [size]) => both(x.adaptiveMaxPool3dWithIndices(size as AdaptiveSize)),
});
