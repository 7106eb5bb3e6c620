// Fits a line: a layer, an optimiser, and a captured training step.

import { jit, nn, Tensor } from "brisc";

// Points on the line y = 3x - 1, and a layer that is to find it.
const x = Tensor.linspace(-1, 1, 64).reshape([64, 1]);
const y = x.mul(3).sub(1);
const layer = new nn.Linear(1, 1);
const optimiser = new nn.SGD(nn.parameters(layer), { lr: 0.5 });

// The first calls compile the step; later ones replay it as one list of commands.
const step = jit((x: Tensor, y: Tensor) => {
  const loss = layer.forward(x).mseLoss(y);
  optimiser.zeroGrad();
  loss.backward();
  optimiser.step();
  return loss;
});

let loss = Number.NaN;
for (let i = 0; i < 100; i++) loss = (await (await step(x, y)).item()) as number;
console.log(loss, await layer.weight.data(), await layer.bias?.data());
