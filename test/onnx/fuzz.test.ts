// Damaged models: ten thousand files of small models with some bytes changed. Whatever they have become, they load and run,
// or are refused with an error that is meant for a user. Nothing crashes, cannot be stopped, or takes memory for what a size says.

import { expect, test } from "vitest";
import { Tensor } from "../../src/index.js";
import { load, OnnxError } from "../../src/onnx/index.js";
import { floats, integers, type ModelText, writeModel } from "./write.js";

const MODELS: readonly ModelText[] = [
  {
    graph: {
      inputs: { x: ["float32", ["n", 4]] },
      outputs: { y: ["float32", [2, 2]] },
      constants: {
        w: floats([4, 2], [1, 2, 3, 4, 5, 6, 7, 8]),
        b: floats([2], [1, 2]),
        s: integers([2], [2, 2]),
      },
      nodes: [
        { op: "Gemm", name: "gemm", inputs: ["x", "w", "b"], outputs: ["h"], attributes: { alpha: 0.5 } },
        { op: "Relu", inputs: ["h"], outputs: ["r"] },
        { op: "Reshape", inputs: ["r", "s"], outputs: ["y"] },
      ],
    },
  },
  {
    graph: {
      inputs: { x: ["float32", [1, 1, 4, 4]] },
      outputs: ["y"],
      constants: { k: floats([1, 1, 2, 2], [1, -1, 2, -2]) },
      nodes: [
        {
          op: "Conv",
          inputs: ["x", "k"],
          outputs: ["c"],
          attributes: { strides: [1n, 1n], pads: [0n, 1n, 0n, 1n] },
        },
        { op: "MaxPool", inputs: ["c"], outputs: ["p"], attributes: { kernel_shape: [2n, 2n] } },
        { op: "Softmax", inputs: ["p"], outputs: ["y"], attributes: { axis: -1n } },
      ],
    },
  },
  {
    graph: {
      inputs: { x: ["int64", [3]], go: ["bool", []] },
      outputs: ["y", "at"],
      constants: { most: integers([], [3]) },
      nodes: [
        { op: "NonZero", inputs: ["x"], outputs: ["at"] },
        {
          op: "Loop",
          inputs: ["most", "go", "x"],
          outputs: ["y"],
          attributes: {
            body: {
              graph: {
                inputs: { i: ["int64", []], c: ["bool", []], v: ["int64", [3]] },
                outputs: ["d", "w"],
                nodes: [
                  { op: "Identity", inputs: ["c"], outputs: ["d"] },
                  { op: "Add", inputs: ["v", "x"], outputs: ["w"] },
                ],
              },
            },
          },
        },
      ],
    },
  },
  {
    opsets: { "": 21, mine: 1 },
    functions: [
      {
        name: "Twice",
        domain: "mine",
        inputs: ["a"],
        outputs: ["b"],
        nodes: [{ op: "Add", inputs: ["a", "a"], outputs: ["b"] }],
      },
    ],
    graph: {
      inputs: { s: ["string", [2]], x: ["float32", [2]] },
      outputs: ["t", "y"],
      nodes: [
        { op: "Twice", domain: "mine", inputs: ["x"], outputs: ["y"] },
        {
          op: "StringNormalizer",
          inputs: ["s"],
          outputs: ["t"],
          attributes: { case_change_action: "UPPER" },
        },
      ],
    },
  },
];
const EACH = 2500;
/** Sizes beyond this are not run: they are legal, and only large. */
const SMALL = 4096;

/** Milliseconds of a run. */
const PATIENCE = 300;

/** Numbers below a limit, the same in each run. */
function drawer(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

function damaged(bytes: Uint8Array, draw: (limit: number) => number): Uint8Array {
  const result = bytes.slice();
  for (let count = 1 + draw(3); count > 0; count--) {
    const place = draw(result.length);
    const kind = draw(4);
    if (kind === 0) result[place] = draw(256);
    else if (kind === 1) result[place] ^= 1 << draw(8);
    else if (kind === 2) result.copyWithin(place, draw(result.length), draw(result.length));
    else return result.subarray(0, place);
  }
  return result;
}

async function loadAndRun(bytes: Uint8Array): Promise<void> {
  const model = await load(bytes, { device: "interpreter" });
  const inputs: Record<string, Tensor | readonly string[]> = {};
  for (const { name, kind, type, dtype, shape } of model.inputs) {
    if (kind !== "tensor" || shape === undefined) continue;
    const sizes = shape.map((size) => (typeof size === "number" ? size : 2));
    if (sizes.some((size) => size < 0) || sizes.reduce((n, size) => n * size, 1) > SMALL) continue;
    if (type === "string") inputs[name] = ["a", "b"];
    else if (dtype !== undefined) inputs[name] = Tensor.ones(sizes, { dtype });
  }
  // A loop whose limit was damaged may have no end; it is stopped.
  await model.run(inputs, { signal: AbortSignal.timeout(PATIENCE) });
}

test.each(MODELS.map((text, i) => [i, text] as const))("mutations of model %i", async (i, text) => {
  const bytes = writeModel(text);
  await loadAndRun(bytes);
  const draw = drawer(i + 1);
  let refused = 0;
  for (let n = 0; n < EACH; n++) {
    try {
      await loadAndRun(damaged(bytes, draw));
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "TimeoutError"))
        expect(error).toBeInstanceOf(OnnxError);
      refused++;
    }
  }
  // Most damage shows.
  expect(refused).toBeGreaterThan(EACH / 4);
});
