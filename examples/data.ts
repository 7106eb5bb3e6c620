// Trains a classifier from a DataLoader: points of two interleaved spirals, in another order each epoch.

import { DataLoader, jit, manualSeed, nn, randomSplit, Tensor, tensorDataset } from "brisc";

manualSeed(1);
const count = 500;
const turn = Tensor.linspace(0.5, 3, count);
const spiral = (sign: number) =>
  Tensor.stack([turn.mul(2).cos(), turn.mul(2).sin()], 1).mul(turn.mul(sign).unsqueeze(1));
const points = Tensor.cat([spiral(1), spiral(-1)]).add(Tensor.randn([2 * count, 2]).mul(0.05));
const labels = Tensor.arange(2 * count)
  .ge(count)
  .cast("int32");

// One part to learn from, one to test with.
const [train, test] = randomSplit(tensorDataset({ points, labels }), [0.8, 0.2]);

const layers = [new nn.Linear(2, 32), new nn.Linear(32, 32), new nn.Linear(32, 2)];
const classify = (x: Tensor) => layers.reduce((y, layer, i) => layer.forward(i === 0 ? y : y.tanh()), x);
const optimiser = new nn.Adam(nn.parameters(layers), { lr: 0.01 });
const step = jit((points: Tensor, labels: Tensor) => {
  const loss = classify(points).crossEntropy(labels);
  optimiser.zeroGrad();
  loss.backward();
  optimiser.step();
});

const loader = new DataLoader(train, { batchSize: 100, shuffle: true });
for (let epoch = 0; epoch < 40; epoch++) {
  for await (const { points, labels } of loader) await step(points, labels);
}

let right = 0;
for await (const { points, labels } of new DataLoader(test, { batchSize: 100 })) {
  right += (await classify(points).argmax(1).eq(labels).sum().item()) as number;
}
console.log(`${right} of ${test.length} points are put into their spiral`);
