// onnxruntime, native (onnxruntime-node) or as WebAssembly (onnxruntime-web). Runs models of one node. Inputs are JavaScript
// arrays at every run, as its interface asks; the WebAssembly one copies them in and the result out.

import { createRequire } from "node:module";
import { onnxModel } from "../onnx.mjs";
import { CHAIN, inputsOf, samplePlaces, TOP } from "../workloads.mjs";
import { Unsupported } from "./peer.mjs";

/** One node over all inputs. */
const single = (operator, attributes, shapes, shape, more) => {
  const inputs = [...shapes.map((_, i) => `x${i}`), ...Object.keys(more?.constants ?? {})];
  return {
    shape,
    model: onnxModel([{ operator, attributes, inputs, outputs: more?.outputs }], shapes, shape, more),
  };
};

function modelOf({ kind, shapes, padding, groups }) {
  const [first, second] = shapes;
  switch (kind) {
    case "matmul":
      return single("MatMul", {}, shapes, [first[0], second[1]]);
    case "fused": {
      const nodes = [
        { operator: "Mul", inputs: ["x0", "x1"], outputs: ["ab"] },
        { operator: "Add", inputs: ["ab", "x2"], outputs: ["abc"] },
        { operator: "Relu", inputs: ["abc"], outputs: ["r"] },
        { operator: "Mul", inputs: ["r", "x3"] },
      ];
      return { shape: first, model: onnxModel(nodes, shapes, first) };
    }
    case "eager":
      return single("Add", {}, shapes, first);
    case "chain": {
      const nodes = Array.from({ length: CHAIN }, (_, i) => ({
        operator: "Add",
        inputs: [i === 0 ? "x0" : `t${i - 1}`, "x1"],
        outputs: [i === CHAIN - 1 ? "y" : `t${i}`],
      }));
      return { shape: first, model: onnxModel(nodes, shapes, first) };
    }
    case "softmax":
      return single("Softmax", { axis: -1 }, shapes, first);
    case "layerNorm":
      return single("LayerNormalization", { axis: -1 }, shapes, first);
    case "sum":
      return single("ReduceSum", { keepdims: 0 }, shapes, []);
    case "sumRows":
      return single("ReduceSum", { keepdims: 0 }, shapes, [first[1]], { constants: { axes: [0] } });
    case "conv": {
      const pads = [padding, padding, padding, padding];
      return single("Conv", { pads, group: groups }, shapes, [first[0], second[0], first[2], first[3]]);
    }
    case "attention": {
      const nodes = [
        { operator: "Transpose", attributes: { perm: [0, 1, 3, 2] }, inputs: ["x1"], outputs: ["k"] },
        { operator: "MatMul", inputs: ["x0", "k"], outputs: ["s"] },
        { operator: "Sqrt", inputs: ["depth"], outputs: ["root"] },
        { operator: "Div", inputs: ["s", "root"], outputs: ["scaled"] },
        { operator: "Softmax", attributes: { axis: -1 }, inputs: ["scaled"], outputs: ["p"] },
        { operator: "MatMul", inputs: ["p", "x2"] },
      ];
      nodes.unshift({ operator: "Cast", attributes: { to: 1 }, inputs: ["size"], outputs: ["depth"] });
      return { shape: first, model: onnxModel(nodes, shapes, first, { constants: { size: [first[3]] } }) };
    }
    case "transpose":
      return single("Transpose", { perm: [1, 0] }, shapes, [first[1], first[0]]);
    case "strided": {
      const constants = { starts: [0], ends: [first[1]], axes: [1], steps: [2] };
      return single("Slice", {}, shapes, [first[0], first[1] / 2], { constants });
    }
    case "gather":
      return single("Gather", { axis: 0 }, shapes, [second[0], first[1]], { integers: [1] });
    case "cumsum":
      return single("CumSum", {}, shapes, first, { constants: { axis: [0] } });
    case "sort":
      return single("TopK", { largest: 0 }, shapes, first, {
        constants: { k: first },
        outputs: ["y", "places"],
      });
    case "topk":
      return single("TopK", { axis: -1 }, shapes, [first[0], TOP], {
        constants: { k: [TOP] },
        outputs: ["y", "places"],
      });
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
        new ort.Tensor(data instanceof Int32Array ? "int32" : "float32", data, workload.shapes[i]),
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
      const { model } = single("Add", {}, [[3], [3]], [3]);
      const session = await ort.InferenceSession.create(model, options);
      const vector = (...data) => new ort.Tensor("float32", Float32Array.from(data), [3]);
      const { y } = await session.run({ x0: vector(1, 2, 3), x1: vector(4, 5, 6) });
      return [...y.data];
    },
  };
}
