// PyTorch's reference values for scripts/fixtures/layers.py.

import { nn } from "../../src/index.js";
import { layer } from "./layer.js";
import { conformance } from "./torch.js";

await conformance("layers", {
  layer,
  rotary: ([x, positions], [width, made, options]) =>
    new nn.RotaryEmbedding(width as number, made as object).forward(x, {
      positions,
      ...(options as object | undefined),
    }),
  sinusoidal: (_, [length, width]) => nn.sinusoidalPositions(length as number, width as number),
});
