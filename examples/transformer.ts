// A small transformer learns to turn sequences around: symbol i of its answer is symbol length - 1 - i of the question.

import { jit, manualSeed, nn, Tensor } from "brisc";

manualSeed(0);
const [symbols, length, width] = [10, 8, 32];
const model = {
  table: new nn.Embedding(symbols, width),
  places: Tensor.randn([length, width]).requiresGrad_(),
  block: new nn.TransformerEncoderLayer(width, 4, { feedForward: 64, dropout: 0 }),
  head: new nn.Linear(width, symbols),
};
const scores = (x: Tensor) =>
  model.head.forward(model.block.forward(model.table.forward(x).add(model.places)));
const optimiser = new nn.AdamW(nn.parameters(model), { lr: 0.01 });

// Each call draws other sequences: a captured step takes up random numbers anew.
const step = jit(() => {
  const x = Tensor.randint(0, symbols, [64, length]);
  const loss = scores(x).flatten(0, 1).crossEntropy(x.flip(1).flatten());
  optimiser.zeroGrad();
  loss.backward();
  optimiser.step();
  return loss;
});
for (let i = 0; i < 60; i++) await step();

const x = Tensor.randint(0, symbols, [100, length]);
const right = await scores(x).argmax(-1).eq(x.flip(1)).sum().item();
console.log(`${right} of ${x.size} symbols are where they should be`);
