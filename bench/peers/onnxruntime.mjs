// onnxruntime, native (onnxruntime-node) or as WebAssembly (onnxruntime-web). Runs models of one node. Inputs are JavaScript
// arrays at every run, as its interface asks; the WebAssembly one copies them in and the result out.

import { createRequire } from "node:module";
import { onnxModel } from "../onnx.mjs";
import { inputsOf, samplePlaces } from "../workloads.mjs";
import { Unsupported } from "./peer.mjs";

function modelOf({ kind, shapes }) {
  switch (kind) {
    case "matmul": {
      const shape = [shapes[0][0], shapes[1][1]];
      return { shape, model: onnxModel("MatMul", {}, shapes, shape) };
    }
    case "softmax":
      return { shape: shapes[0], model: onnxModel("Softmax", { axis: -1 }, shapes, shapes[0]) };
    case "layerNorm":
      return { shape: shapes[0], model: onnxModel("LayerNormalization", { axis: -1 }, shapes, shapes[0]) };
    case "sum":
      return { shape: [], model: onnxModel("ReduceSum", { keepdims: 0 }, shapes, []) };
    case "conv": {
      const [[batch, , height, width], [channels]] = shapes;
      const shape = [batch, channels, height, width];
      return { shape, model: onnxModel("Conv", { pads: [1, 1, 1, 1] }, shapes, shape) };
    }
    default:
      throw new Unsupported("it does not train");
  }
}

export async function open(threads, { web }) {
  const require = createRequire(import.meta.url);
  const ort = web ? await import("onnxruntime-web") : require("onnxruntime-node");
  if (web) ort.env.wasm.numThreads = threads;
  const options = web ? { executionProviders: ["wasm"] } : { intraOpNumThreads: threads };
  const size = (shape) => shape.reduce((a, b) => a * b, 1);

  return {
    version: web ? ort.env.versions.web : ort.env.versions.node,
    note: web ? "inputs and results are copied at each run" : "",
    async setup(workload) {
      const { shape, model } = modelOf(workload);
      const session = await ort.InferenceSession.create(model, options);
      const inputs = inputsOf(workload).map((data, i) => [
        `x${i}`,
        new ort.Tensor("float32", data, workload.shapes[i]),
      ]);
      const feeds = Object.fromEntries(inputs);
      // The native one writes into memory it is given: no fresh pages at each run.
      const fetches = web ? ["y"] : { y: new ort.Tensor("float32", new Float32Array(size(shape)), shape) };
      let result;
      const run = async () => {
        result = (await session.run(feeds, fetches)).y;
      };
      await run();
      return {
        run,
        sample: () => samplePlaces(result.data.length).map((i) => result.data[i]),
        close: () => session.release(),
      };
    },
    async first() {
      const model = onnxModel("Add", {}, [[3], [3]], [3]);
      const session = await ort.InferenceSession.create(model, options);
      const vector = (...data) => new ort.Tensor("float32", Float32Array.from(data), [3]);
      const { y } = await session.run({ x0: vector(1, 2, 3), x1: vector(4, 5, 6) });
      return [...y.data];
    },
  };
}
