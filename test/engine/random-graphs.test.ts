// Random graphs give the same on every device as when evaluated element by element.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { availableDevices, readNode, realizeNodes, registerDevice } from "../../src/engine/engine.js";
import { topologicalNodes } from "../../src/graph/node.js";
import { decodeElements } from "../../src/scalar/convert.js";
import type { Scalar } from "../../src/scalar/dtype.js";
import { LimitedDevice } from "../devices/limited.js";
import { evaluateNodes } from "../reference.js";
import { buildGraph, type GraphRecipe, graphRecipe, outputsOf } from "./random-graph.js";

registerDevice("limited", async () => new LimitedDevice());

/** More graphs by hand: RANDOM_GRAPHS=10000 RANDOM_SEED=7. */
const RUNS: Readonly<Record<string, number>> = { interpreter: 150, wasm: 100, cpu: 30, limited: 60 };
const runs = (device: string): number => Number(process.env.RANDOM_GRAPHS ?? RUNS[device] ?? 20);
const seed = Number(process.env.RANDOM_SEED ?? 1);

const agrees = (actual: Scalar, expected: Scalar, error: number): boolean =>
  actual === expected || (typeof actual === "number" && Math.abs(actual - (expected as number)) <= 4 * error);

async function check(recipe: GraphRecipe, device: string): Promise<void> {
  const outputs = outputsOf(recipe, buildGraph(recipe));
  const nodes = topologicalNodes(outputs.map((x) => x.node));
  // WebGPU has no float64.
  if (device === "limited" && nodes.some((x) => x.dtype === "float64")) return;
  const text = nodes
    .map(
      (x) =>
        `${x.id}: ${x.op} ${x.dtype}[${x.shape}] ${x.inputs.map((y) => y.id)} ${JSON.stringify(attributes(x))}`,
    )
    .join("\n");
  const expected = await evaluateNodes(outputs.map((x) => x.node));
  const reference = outputs.map((x) => expected.get(x.node)!);
  try {
    await realizeNodes(
      outputs.map((x) => x.node),
      { device },
    );
  } catch (error) {
    // A gathered place less one may leave 32 bits; where there are no others it is refused.
    if (device === "limited" && (error as Error).message.includes("into the 32 bits that there are")) return;
    throw error;
  }
  for (const [i, { node, error }] of outputs.entries()) {
    const actual = decodeElements(await readNode(node, { device }), node.dtype);
    expect(actual.length).toBe(reference[i].length);
    const wrong = actual.findIndex((x, k) => !agrees(x, reference[i][k], error));
    if (wrong >= 0) {
      throw new Error(
        `output ${i} of ${outputs.length}, element ${wrong} is ${actual[wrong]}, should be ${reference[i][wrong]}\n${text}`,
      );
    }
  }
}

function attributes(node: object): Record<string, unknown> {
  const common = new Set([
    "id",
    "op",
    "dtype",
    "shape",
    "inputs",
    "storage",
    "readers",
    "differentiable",
    "value",
  ]);
  return Object.fromEntries(Object.entries(node).filter(([name]) => !common.has(name)));
}

for (const { name: device, available, reason } of await availableDevices()) {
  describe.skipIf(!available)(`${device}${available ? "" : ` (not available: ${reason})`}`, () => {
    it("random graphs give what they mean", async () => {
      await fc.assert(
        fc.asyncProperty(graphRecipe(14), (recipe) => check(recipe, device)),
        { numRuns: runs(device), seed, interruptAfterTimeLimit: 50_000, endOnFailure: false },
      );
    });
  });
}
