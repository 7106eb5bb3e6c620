// PyTorch's reference values for scripts/fixtures/training.py.

import { nn, Tensor } from "../../src/index.js";
import { conformance } from "./torch.js";

type Maker = new (parameters: readonly Tensor[], options: nn.OptimiserOptions) => nn.Optimiser;

/** Weights after some steps, and the losses on the way. */
function train(
  [w0, b0, x, y]: readonly Tensor[],
  steps: number,
  make: (w: Tensor, b: Tensor) => nn.Optimiser,
) {
  const w = w0.clone().requiresGrad_();
  const b = b0.clone().requiresGrad_();
  const optimiser = make(w, b);
  const losses: Tensor[] = [];
  for (let i = 0; i < steps; i++) {
    optimiser.zeroGrad();
    const loss = x.matmul(w).add(b).tanh().sub(y).square().mean();
    loss.backward();
    optimiser.step();
    losses.push(loss.detach());
  }
  return [w, b, Tensor.stack(losses)];
}

const rates = (list: readonly number[]): Tensor => Tensor.from(list);
const places = (x: Tensor): number[] => Array.from({ length: x.size }, (_, i) => i);

await conformance("training", {
  optimiser: (inputs, [name, options, steps]) => {
    const Kind = nn[name as "SGD"] as unknown as Maker;
    return train(inputs, steps as number, (w, b) => new Kind([w, b], options as nn.OptimiserOptions));
  },
  optimiserGroups: (inputs) =>
    train(inputs, 5, (w, b) => {
      return new nn.AdamW([{ parameters: [w] }, { parameters: [b], weightDecay: 0, lr: 0.01 }], { lr: 0.05 });
    }),
  muon([w0, x]) {
    const w = w0.clone().requiresGrad_();
    const optimiser = new nn.Muon([w], { lr: 0.1 });
    for (let i = 0; i < 3; i++) {
      optimiser.zeroGrad();
      x.matmul(w).tanh().square().mean().backward();
      optimiser.step();
    }
    return w;
  },
  schedule([x], [name, args]) {
    const make = nn.schedules[name as "constant"] as (...given: unknown[]) => nn.Schedule;
    return rates(places(x).map(make(...(args as unknown[]))));
  },
  plateau([x], [measured, options]) {
    const optimiser = new nn.SGD([Tensor.zeros([1]).requiresGrad_()], { lr: 0.5 });
    const scheduler = new nn.PlateauScheduler(optimiser, options as nn.PlateauOptions);
    const list = places(x).map((i) => {
      scheduler.step((measured as number[])[i]);
      return scheduler.rate;
    });
    return rates(list);
  },
  clipGradNorm([x0, y0], [maxNorm, norm]) {
    const [x, y] = [x0.clone().requiresGrad_(), y0.clone().requiresGrad_()];
    x.square().sum().add(y.pow(3).sum()).backward();
    const order = norm === "inf" ? Number.POSITIVE_INFINITY : (norm as number);
    const total = nn.clipGradNorm([x, y], maxNorm as number, { norm: order });
    return [total, x.grad!, y.grad!];
  },
});
