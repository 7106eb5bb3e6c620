// brisc itself, as built into dist/. Each workload is a captured step; a run is done when the device is idle.

import { readFileSync } from "node:fs";
import { ADAM, inputsOf, MNIST_BATCH, MNIST_SHAPES, mnistInputs, samplePlaces } from "../workloads.mjs";
import { TRAINING_STEPS } from "./peer.mjs";

export async function open(_threads, deviceName) {
  const { Tensor, jit, nn, getDevice, setDefaultDevice } = await import("../../dist/index.js");
  setDefaultDevice(deviceName);
  const device = await getDevice(deviceName);
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

  const OPERATIONS = {
    matmul: (x, y) => x.matmul(y),
    softmax: (x) => x.softmax(-1),
    layerNorm: (x, weight, bias) => x.layerNorm([weight.shape[0]], { weight, bias }),
    sum: (x) => x.sum(),
    conv: (x, w) => x.conv2d(w, undefined, { padding: 1 }),
  };

  return {
    version,
    note: device.target.fingerprint,
    async setup(workload) {
      if (workload.kind === "mnist") return training();
      const inputs = inputsOf(workload).map((data, i) => Tensor.from(data, { shape: workload.shapes[i] }));
      const step = jit(OPERATIONS[workload.kind]);
      let result;
      const run = async () => {
        result?.dispose();
        result = await step(...inputs);
        await device.idle();
      };
      for (let i = 0; i < 3; i++) await run();
      return {
        run,
        async sample() {
          const data = await result.data();
          return samplePlaces(data.length).map((i) => data[i]);
        },
        close() {
          for (const x of [...inputs, result]) x.dispose();
        },
      };
    },
    first: async () => [
      ...(await Tensor.from([1, 2, 3])
        .add(Tensor.from([4, 5, 6]))
        .data()),
    ],
  };

  async function training() {
    const start = mnistInputs();
    const images = Tensor.from(start.images, { shape: [MNIST_BATCH, 1, 28, 28] });
    const labels = Tensor.from(start.labels);
    const weights = start.weights.map((data, i) =>
      Tensor.from(data, { shape: MNIST_SHAPES[i] }).requiresGrad_(),
    );
    const [w1, b1, w2, b2, w3, b3, w4, b4, w5, b5] = weights;
    const optimiser = new nn.Adam(weights, { lr: ADAM.lr, betas: [ADAM.beta1, ADAM.beta2], eps: ADAM.eps });
    const step = jit((images, labels) => {
      let x = images.conv2d(w1, b1).relu().conv2d(w2, b2).relu().maxPool2d(2);
      x = x.conv2d(w3, b3).relu().conv2d(w4, b4).relu().maxPool2d(2);
      const loss = x.flatten(1).matmul(w5).add(b5).crossEntropy(labels);
      optimiser.zeroGrad();
      loss.backward();
      optimiser.step();
      return loss;
    });
    let loss;
    const run = async () => {
      loss = await step(images, labels);
      await device.idle();
    };
    const losses = [];
    for (let i = 0; i < TRAINING_STEPS; i++) {
      await run();
      losses.push(await loss.item());
    }
    return { run, sample: () => losses, close: () => {} };
  }
}
