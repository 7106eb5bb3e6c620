// Runs one node of a graph made for it.

import type { Tensor } from "../../src/index.js";
import { load } from "../../src/onnx/index.js";
import { type AttributeText, type ValueText, writeModel } from "./write.js";

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, AttributeText>>;
  readonly opset?: number;
  readonly domain?: string;
  /** How many outputs are asked for. */
  readonly outputs?: number;
}

/** The outputs of an operator for inputs; those left out are not given. */
export async function runNode(
  op: string,
  inputs: readonly (Tensor | undefined)[],
  { attributes = {}, opset = 21, domain = "", outputs = 1 }: NodeOptions = {},
): Promise<Tensor[]> {
  const given = inputs.flatMap((tensor, i) => (tensor === undefined ? [] : [[`i${i}`, tensor] as const]));
  const names = Array.from({ length: outputs }, (_, i) => `o${i}`);
  const node = {
    op,
    domain,
    inputs: inputs.map((tensor, i) => (tensor === undefined ? "" : `i${i}`)),
    outputs: names,
    attributes,
  };
  const model = await load(
    writeModel({
      opsets: { "": opset, ...(domain === "" ? {} : { [domain]: 1 }) },
      graph: {
        inputs: Object.fromEntries(
          given.map(([name, { dtype, sizes }]): [string, ValueText] => [name, [dtype, sizes]]),
        ),
        outputs: names,
        nodes: [node],
      },
    }),
  );
  const results = await model.run(Object.fromEntries(given));
  return names.map((name) => results[name] as Tensor);
}

/** The one output, as nested lists. */
export const listOf = async (...node: Parameters<typeof runNode>): Promise<unknown> =>
  (await runNode(...node))[0].tolist();
