// What a case of a layer calls: the layer with the case's tensors, which are found by PyTorch's names.

import { nn, type Tensor } from "../../src/index.js";
import type { Operation } from "./torch.js";

interface LayerOptions {
  /** The layer is in use, not in training. */
  readonly evaluate?: boolean;
  /** The layer is called with each of the inputs. */
  readonly each?: boolean;
  /** Inputs after the first, or the last ones, are fields of an object under these names. */
  readonly inputs?: readonly string[];
  readonly masks?: readonly string[];
  /** Inputs after the first are a state. */
  readonly state?: boolean;
  readonly lengths?: readonly number[];
  /** A function of nn that the layer goes through, and its options. */
  readonly wrap?: "weightNorm" | "spectralNorm";
  readonly wrapOptions?: object;
  /** Attention gives its weights too. */
  readonly weights?: object;
}

interface AnyLayer {
  forward(...args: readonly unknown[]): unknown;
  forwardWithWeights(...args: readonly unknown[]): unknown;
}

const flat = (x: unknown): Tensor[] => (Array.isArray(x) ? x.flatMap(flat) : [x as Tensor]);

/** Puts a tensor in the place that a path names. */
function put(model: object, path: string, value: Tensor): void {
  const fields = path.split(".");
  const last = fields.pop()!;
  const holder = fields.reduce((at, field) => (at as Record<string, object>)[field], model);
  (holder as Record<string, unknown>)[last] = value;
}

function run(layer: AnyLayer, inputs: readonly Tensor[], options: LayerOptions): unknown {
  const [x, ...rest] = inputs;
  if (options.each === true) return inputs.map((y) => layer.forward(y));
  if (options.inputs !== undefined)
    return layer.forward(x, Object.fromEntries(options.inputs.map((name, i) => [name, rest[i]])));
  if (options.state === true)
    return layer.forward(x, rest.length === 1 ? rest[0] : rest, { lengths: options.lengths });
  const names = options.masks ?? [];
  const given = inputs.slice(0, inputs.length - names.length);
  const masks = Object.fromEntries(names.map((name, i) => [name, inputs[given.length + i]]));
  if (options.weights !== undefined)
    return layer.forwardWithWeights(...given, { ...masks, ...options.weights });
  return names.length === 0 ? layer.forward(...given) : layer.forward(...given, masks);
}

export const layer: Operation = (tensors, args) => {
  const [kind, made, names, options, after] = args as [string, unknown[], string[], LayerOptions, string[]];
  const Kind = (nn as unknown as Record<string, new (...given: unknown[]) => AnyLayer>)[kind];
  const layer = new Kind(...made);
  if (options.wrap === "weightNorm") nn.weightNorm(layer, options.wrapOptions);
  if (options.wrap === "spectralNorm") nn.spectralNorm(layer, options.wrapOptions);
  if (options.evaluate === true) nn.evaluate(layer);
  const paths = Object.keys(nn.stateDict(layer));
  const known = Object.keys(nn.stateDict(layer, { names: "torch" }));
  const own = known.filter((name) => !name.endsWith("num_batches_tracked"));
  if ([...own].sort().join() !== [...names].sort().join())
    throw new Error(`${kind} has ${own.join(", ")}, PyTorch's ${names.join(", ")}`);
  const count = tensors.length - names.length;
  names.forEach((name, i) => {
    const given = tensors[count + i];
    // The layer assigns its statistics; the inputs stay as they are.
    put(layer, paths[known.indexOf(name)], given.clone());
  });
  const result = flat(run(layer, tensors.slice(0, count), options));
  const state = nn.stateDict(layer, { names: "torch" });
  return [...result, ...after.map((name) => state[name])];
};
