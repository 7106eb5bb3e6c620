// brisc itself, as built into dist/. Each workload is a captured step; a run is done when the device is idle.

import { readFileSync } from "node:fs";
import {
  ADAM,
  CHAIN,
  inputsOf,
  MLP,
  MNIST_BATCH,
  MNIST_SHAPES,
  mlpInputs,
  mnistInputs,
  samplePlaces,
  TOP,
  TRANSFORMER,
  transformerInputs,
} from "../workloads.mjs";
import { TRAINING_STEPS } from "./peer.mjs";

export async function open(threads, deviceName) {
  process.env.BRISC_THREADS = String(threads);
  const { Tensor, jit, nn, getDevice, openRoofline, setDefaultDevice } = await import("../../dist/index.js");
  setDefaultDevice(deviceName);
  const device = await getDevice(deviceName);
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

  const OPERATIONS = {
    matmul: (x, y) => x.matmul(y),
    softmax: (x) => x.softmax(-1),
    layerNorm: (x, weight, bias) => x.layerNorm([weight.shape[0]], { weight, bias }),
    sum: (x) => x.sum(),
    fused: (a, b, c, d) => a.mul(b).add(c).relu().mul(d),
    sumRows: (x) => x.sum(0),
    attention: (q, k, v) => q.scaledDotProductAttention(k, v),
    transpose: (x) => x.T.contiguous(),
    strided: (x) => x.strided(1, 2, x.shape[1] / 2).contiguous(),
    gather: (x, index) => x.indexSelect(0, index),
    cumsum: (x) => x.cumsum(0),
    sort: (x) => x.sort({ axis: 0 }).values,
    topk: (x) => x.topk(TOP, -1).values,
    eager: (x, y) => x.add(y),
    chain: (x, y) => {
      let z = x;
      for (let i = 0; i < CHAIN; i++) z = z.add(y).contiguous();
      return z;
    },
  };

  return {
    version,
    note: device.target.fingerprint,
    async setup(workload) {
      if (workload.kind === "mnist") return training();
      if (workload.kind === "mlp") return mlp();
      if (workload.kind === "transformer") return transformer();
      const { groups, padding } = workload;
      const conv = (x, w) => x.conv2d(w, undefined, { padding, groups });
      const inputs = inputsOf(workload).map((data, i) => Tensor.from(data, { shape: workload.shapes[i] }));
      const operation = workload.kind === "conv" ? conv : OPERATIONS[workload.kind];
      const step = workload.kind === "eager" ? (...args) => operation(...args).realize() : jit(operation);
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
    openRoofline: (amount) => openRoofline(device, amount),
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
    return steps(() => step(images, labels));
  }

  /** A training step whose result is its loss. */
  async function steps(step) {
    let loss;
    const run = async () => {
      loss = await step();
      await device.idle();
    };
    const losses = [];
    for (let i = 0; i < TRAINING_STEPS; i++) {
      await run();
      losses.push(await loss.item());
    }
    return { run, sample: () => losses, close: () => {} };
  }

  async function mlp() {
    const start = mlpInputs();
    const x = Tensor.from(start.x, { shape: [MLP.batch, MLP.sizes[0]] });
    const labels = Tensor.from(start.labels);
    const weights = start.weights.map((data, i) =>
      Tensor.from(data, { shape: MLP.sizes.slice(i, i + 2) }).requiresGrad_(),
    );
    const optimiser = new nn.SGD(weights, { lr: MLP.lr });
    const step = jit((x, labels) => {
      const loss = x.matmul(weights[0]).relu().matmul(weights[1]).crossEntropy(labels);
      optimiser.zeroGrad();
      loss.backward();
      optimiser.step();
      return loss;
    });
    return steps(() => step(x, labels));
  }

  async function transformer() {
    const { batch, tokens, width, heads, lr } = TRANSFORMER;
    const start = transformerInputs();
    const x = Tensor.from(start.x, { shape: [batch, tokens, width] });
    const weights = start.weights.map((data, i) =>
      Tensor.from(data, { shape: start.shapes[i] }).requiresGrad_(),
    );
    const [wq, wk, wv, wo, w1, w2] = weights;
    const optimiser = new nn.SGD(weights, { lr });
    const split = (y) => y.reshape([batch, tokens, heads, width / heads]).permute([0, 2, 1, 3]);
    const step = jit((x) => {
      const seen = split(x.matmul(wq)).scaledDotProductAttention(split(x.matmul(wk)), split(x.matmul(wv)));
      const y = x.add(seen.permute([0, 2, 1, 3]).reshape([batch, tokens, width]).matmul(wo));
      const loss = y.add(y.matmul(w1).relu().matmul(w2)).square().mean();
      optimiser.zeroGrad();
      loss.backward();
      optimiser.step();
      return loss;
    });
    return steps(() => step(x));
  }
}
