// PyTorch's reference values for scripts/fixtures/training.py.

import { nn, Tensor } from "../../src/index.js";
import { conformance } from "./torch.js";

const OPTIMISERS = { SGD: nn.SGD, Adam: nn.Adam, AdamW: nn.AdamW };

await conformance("training", {
  optimiser([w0, b0, x, y], [name, given, steps]) {
    const w = w0.clone().requiresGrad_();
    const b = b0.clone().requiresGrad_();
    const optimiser = new OPTIMISERS[name as keyof typeof OPTIMISERS]([w, b], given as { lr: number });
    const losses: Tensor[] = [];
    for (let i = 0; i < (steps as number); i++) {
      optimiser.zeroGrad();
      const loss = x.matmul(w).add(b).tanh().sub(y).square().mean();
      loss.backward();
      optimiser.step();
      losses.push(loss.detach());
    }
    return [w, b, Tensor.stack(losses)];
  },
});
