// jax-js with its WebAssembly backend. It looks for a browser's Worker, which Node lacks: without the stand-in below it
// would compute on one thread.

import { Worker as NodeWorker } from "node:worker_threads";
import { resolveObjectURL } from "node:buffer";
import {
  ADAM,
  inputsOf,
  MLP,
  MNIST_BATCH,
  MNIST_SHAPES,
  mlpInputs,
  mnistInputs,
  samplePlaces,
  TRANSFORMER,
  transformerInputs,
} from "../workloads.mjs";
import { TRAINING_STEPS, Unsupported } from "./peer.mjs";

const PRELUDE = `
  const { parentPort } = require("node:worker_threads");
  globalThis.self = globalThis;
  globalThis.postMessage = (message) => parentPort.postMessage(message);
  parentPort.on("message", (data) => self.onmessage({ data }));
`;

/** As much of a browser's Worker as jax-js uses, over a Node worker thread. */
class BrowserWorker {
  onmessage = () => {};
  onerror = () => {};

  constructor(url) {
    this.worker = resolveObjectURL(url)
      .text()
      .then((source) => {
        const worker = new NodeWorker(PRELUDE + source, { eval: true });
        worker.on("message", (data) => this.onmessage({ data }));
        worker.on("error", (error) => this.onerror(error));
        return worker;
      });
  }

  postMessage(message) {
    this.worker.then((worker) => worker.postMessage(message));
  }
}

export async function open(threads) {
  globalThis.navigator ??= { hardwareConcurrency: threads, userAgent: "node" };
  globalThis.Worker ??= BrowserWorker;
  const jax = await import("@jax-js/jax");
  const { numpy: np, lax, nn, jit, valueAndGrad } = jax;
  jax.defaultDevice("wasm");

  function operation({ kind, shapes, groups }) {
    switch (kind) {
      case "matmul":
        return (x, y) => np.matmul(x, y);
      case "softmax":
        return (x) => nn.softmax(x, -1);
      case "layerNorm":
        return (x, weight, bias) => nn.standardize(x, -1, { epsilon: 1e-5 }).mul(weight).add(bias);
      case "sum":
        return (x) => np.sum(x);
      case "fused":
        return (a, b, c, d) => nn.relu(a.mul(b).add(c)).mul(d);
      case "sumRows":
        return (x) => np.sum(x, 0);
      case "conv":
        if (groups > 1) throw new Unsupported("no grouped convolution");
        return (x, w) => lax.conv(x, w, [1, 1], "SAME");
      case "attention":
        return (q, k, v) => {
          const scores = np.matmul(q, np.swapaxes(k, -1, -2)).mul(1 / Math.sqrt(shapes[0][3]));
          return np.matmul(nn.softmax(scores, -1), v);
        };
      case "eager":
        return (x, y) => x.add(y);
      case "transpose":
        return (x) => np.transpose(x).add(0);
      default:
        throw new Unsupported("not written for it");
    }
  }

  return {
    version: "0.1.25",
    note: "its browser threads over Node's, by a stand-in",
    async setup(workload) {
      if (workload.kind === "mnist") return training();
      if (workload.kind === "mlp") return descent(mlp());
      if (workload.kind === "transformer") return descent(transformer());
      const inputs = inputsOf(workload).map((data, i) => np.array(data).reshape(workload.shapes[i]));
      const apply = operation(workload);
      const step = workload.kind === "eager" ? apply : jit(apply);
      let result;
      const run = async () => {
        result?.dispose();
        result = step(...inputs.map((x) => x.ref));
        await result.blockUntilReady();
      };
      await run();
      return {
        run,
        async sample() {
          const data = await result.ref.data();
          return samplePlaces(data.length).map((i) => data[i]);
        },
        close() {
          for (const x of [...inputs, result]) x.dispose();
        },
      };
    },
    async first() {
      return [
        ...(await np
          .array([1, 2, 3])
          .add(np.array([4, 5, 6]))
          .data()),
      ];
    },
  };

  function forward(weights, images) {
    const [w1, b1, w2, b2, w3, b3, w4, b4, w5, b5] = weights;
    const conv = (x, w, b) => nn.relu(lax.conv(x, w, [1, 1], "VALID").add(b.reshape([1, -1, 1, 1])));
    const pool = (x) => lax.reduceWindow(x, np.max, [1, 1, 2, 2], [1, 1, 2, 2]);
    let x = pool(conv(conv(images, w1, b1), w2, b2));
    x = pool(conv(conv(x, w3, b3), w4, b4));
    return np.matmul(x.reshape([MNIST_BATCH, 576]), w5).add(b5);
  }

  function mlp() {
    const start = mlpInputs();
    const hot = nn.oneHot(np.array(start.labels, { dtype: np.int32 }), MLP.sizes[2]);
    return {
      lr: MLP.lr,
      weights: start.weights.map((data, i) => np.array(data).reshape(MLP.sizes.slice(i, i + 2))),
      data: [np.array(start.x).reshape([MLP.batch, MLP.sizes[0]]), hot],
      lossOf: ([w1, w2], x, hot) => {
        const scores = np.matmul(nn.relu(np.matmul(x, w1)), w2);
        return np.mean(np.sum(nn.logSoftmax(scores, -1).mul(hot), -1)).neg();
      },
    };
  }

  function transformer() {
    const { batch, tokens, width, heads, lr } = TRANSFORMER;
    const start = transformerInputs();
    const split = (y) => np.transpose(y.reshape([batch, tokens, heads, width / heads]), [0, 2, 1, 3]);
    return {
      lr,
      weights: start.weights.map((data, i) => np.array(data).reshape(start.shapes[i])),
      data: [np.array(start.x).reshape([batch, tokens, width])],
      lossOf: ([wq, wk, wv, wo, w1, w2], x) => {
        const [q, k, v] = [wq, wk, wv].map((w) => split(np.matmul(x.ref, w)));
        const scores = np.matmul(q, np.swapaxes(k, -1, -2)).mul(1 / Math.sqrt(width / heads));
        const seen = np.transpose(np.matmul(nn.softmax(scores, -1), v), [0, 2, 1, 3]);
        const y = x.add(np.matmul(seen.reshape([batch, tokens, width]), wo));
        return np.mean(np.square(y.ref.add(np.matmul(nn.relu(np.matmul(y, w1)), w2))));
      },
    };
  }

  /** Steps of plain descent. */
  async function descent({ lr, weights, data, lossOf }) {
    const step = jit((weights, ...data) => {
      const [loss, gradients] = valueAndGrad(lossOf)(
        weights.map((w) => w.ref),
        ...data,
      );
      return [loss, weights.map((w, i) => w.sub(gradients[i].mul(lr)))];
    });
    let loss;
    const run = async () => {
      loss?.dispose();
      [loss, weights] = step(weights, ...data.map((x) => x.ref));
      await jax.blockUntilReady([loss.ref, ...weights.map((w) => w.ref)]);
    };
    const losses = [];
    for (let i = 0; i < TRAINING_STEPS; i++) {
      await run();
      losses.push(...(await loss.ref.data()));
    }
    return { run, sample: () => losses, close: () => {} };
  }

  async function training() {
    const start = mnistInputs();
    const images = np.array(start.images).reshape([MNIST_BATCH, 1, 28, 28]);
    const hot = nn.oneHot(np.array(start.labels, { dtype: np.int32 }), 10);
    let weights = start.weights.map((data, i) => np.array(data).reshape(MNIST_SHAPES[i]));
    let firsts = MNIST_SHAPES.map((shape) => np.zeros(shape));
    let seconds = MNIST_SHAPES.map((shape) => np.zeros(shape));
    const lossOf = (weights, images, hot) =>
      np.mean(np.sum(nn.logSoftmax(forward(weights, images), -1).mul(hot), -1)).neg();
    const step = jit((weights, firsts, seconds, images, hot, scales) => {
      const [loss, gradients] = valueAndGrad(lossOf)(
        weights.map((w) => w.ref),
        images,
        hot,
      );
      const m = firsts.map((x, i) => x.mul(ADAM.beta1).add(gradients[i].ref.mul(1 - ADAM.beta1)));
      const v = seconds.map((x, i) => x.mul(ADAM.beta2).add(np.square(gradients[i]).mul(1 - ADAM.beta2)));
      const [first, second] = np.split(scales, 2);
      const updated = weights.map((w, i) =>
        w.sub(
          m[i].ref
            .mul(first.ref)
            .div(np.sqrt(v[i].ref.mul(second.ref)).add(ADAM.eps))
            .mul(ADAM.lr),
        ),
      );
      first.dispose();
      second.dispose();
      return [loss, updated, m, v];
    });
    let t = 0;
    let loss;
    const run = async () => {
      t++;
      const scales = np.array(Float32Array.of(1 / (1 - ADAM.beta1 ** t), 1 / (1 - ADAM.beta2 ** t)));
      loss?.dispose();
      [loss, weights, firsts, seconds] = step(weights, firsts, seconds, images.ref, hot.ref, scales);
      await jax.blockUntilReady([loss.ref, ...weights.map((w) => w.ref)]);
    };
    const losses = [];
    for (let i = 0; i < TRAINING_STEPS; i++) {
      await run();
      losses.push(...(await loss.ref.data()));
    }
    return { run, sample: () => losses, close: () => {} };
  }
}
