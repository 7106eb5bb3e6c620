// TensorFlow.js with its WebAssembly backend. In Node that backend runs on one thread; its operations are done when the
// call returns. Convolutions are in its own layout, channels last.

import { createRequire } from "node:module";
import { CHAIN, inputsOf, MLP, mlpInputs, samplePlaces, TOP } from "../workloads.mjs";
import { TRAINING_STEPS, Unsupported } from "./peer.mjs";

export async function open() {
  const require = createRequire(import.meta.url);
  // It advertises its native package whenever it runs in Node.
  const { warn } = console;
  console.warn = () => {};
  const tf = require("@tensorflow/tfjs");
  const wasm = require("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(
    require.resolve("@tensorflow/tfjs-backend-wasm/package.json").replace("package.json", "dist/"),
  );
  if (!(await tf.setBackend("wasm"))) throw new Error("the wasm backend did not start");
  console.warn = warn;

  function operation({ kind, groups }) {
    switch (kind) {
      case "matmul":
        return (x, y) => tf.matMul(x, y);
      case "softmax":
        return (x) => tf.softmax(x);
      case "layerNorm":
        return (x, weight, bias) => {
          const { mean, variance } = tf.moments(x, -1, true);
          return x.sub(mean).mul(variance.add(1e-5).rsqrt()).mul(weight).add(bias);
        };
      case "sum":
        return (x) => x.sum();
      case "fused":
        return (a, b, c, d) => a.mul(b).add(c).relu().mul(d);
      case "sumRows":
        return (x) => x.sum(0);
      case "conv":
        return groups === 1
          ? (x, w) => tf.conv2d(x, w, 1, "same")
          : (x, w) => tf.depthwiseConv2d(x, w, 1, "same");
      case "attention":
        return (q, k, v) => tf.matMul(tf.softmax(tf.matMul(q, k, false, true).div(Math.sqrt(q.shape[3]))), v);
      case "transpose":
        return (x) => x.transpose();
      case "strided":
        return (x) => x.stridedSlice([0, 0], x.shape, [1, 2]);
      case "gather":
        return (x, index) => tf.gather(x, index);
      case "cumsum":
        return (x) => x.cumsum(0);
      case "topk":
        return (x) => tf.topk(x, TOP).values;
      case "eager":
        return (x, y) => x.add(y);
      case "chain":
        return (x, y) => {
          let z = x;
          for (let i = 0; i < CHAIN; i++) z = z.add(y);
          return z;
        };
      case "mnist":
        throw new Unsupported("its wasm backend has no gradient of a convolution's weights");
      default:
        throw new Unsupported("not written for it");
    }
  }

  return {
    version: tf.version.tfjs,
    note: "one thread",
    setup(workload) {
      if (workload.kind === "mlp") return mlp();
      const apply = operation(workload);
      const conv = workload.kind === "conv";
      const inputs = inputsOf(workload).map((data, i) => {
        const x = tf.tensor(data, workload.shapes[i]);
        if (!conv) return x;
        if (i === 0) return x.transpose([0, 2, 3, 1]);
        return x.transpose(workload.groups === 1 ? [2, 3, 1, 0] : [2, 3, 0, 1]);
      });
      let result;
      const run = () => {
        result?.dispose();
        result = tf.tidy(() => apply(...inputs));
      };
      run();
      return {
        run,
        sample() {
          const data = (conv ? result.transpose([0, 3, 1, 2]) : result).dataSync();
          return samplePlaces(data.length).map((i) => data[i]);
        },
        close: () => tf.dispose([...inputs, result]),
      };
    },
    first: async () => [
      ...tf
        .tensor1d([1, 2, 3])
        .add(tf.tensor1d([4, 5, 6]))
        .dataSync(),
    ],
  };

  function mlp() {
    const start = mlpInputs();
    const weights = start.weights.map((data, i) => tf.variable(tf.tensor(data, MLP.sizes.slice(i, i + 2))));
    const x = tf.tensor(start.x, [MLP.batch, MLP.sizes[0]]);
    const hot = tf.oneHot(tf.tensor1d(start.labels, "int32"), MLP.sizes[2]);
    const optimiser = tf.train.sgd(MLP.lr);
    const lossOf = () => tf.losses.softmaxCrossEntropy(hot, tf.relu(x.matMul(weights[0])).matMul(weights[1]));
    let loss;
    const run = () => {
      loss?.dispose();
      loss = optimiser.minimize(lossOf, true);
      loss.dataSync();
    };
    const losses = [];
    for (let i = 0; i < TRAINING_STEPS; i++) {
      run();
      losses.push(loss.dataSync()[0]);
    }
    return { run, sample: () => losses, close: () => tf.dispose([...weights, x, hot, loss]) };
  }
}
