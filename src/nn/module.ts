// A model is any object: its tensors are found by walking its fields, arrays and plain objects included. A tensor's name
// is the path to it, as in "encoder.layers.0.weight".

import { isFloat } from "../scalar/dtype.js";
import { printShape, sameShape } from "../graph/node.js";
import { Tensor } from "../tensor/tensor.js";

/** What a model is made of: something that maps a tensor to another. */
export type Layer = ((x: Tensor) => Tensor) | { forward(x: Tensor): Tensor };

export const apply = (layer: Layer, x: Tensor): Tensor =>
  typeof layer === "function" ? layer(x) : layer.forward(x);

/** Objects in a model with their paths, each object once, each tensor at every place it has. */
function walk(model: object, visit: (value: object, path: string) => void): void {
  const seen = new Set<object>();
  const waiting: { readonly value: object; readonly path: string }[] = [{ value: model, path: "" }];
  while (waiting.length > 0) {
    const { value, path } = waiting.pop()!;
    visit(value, path);
    if (value instanceof Tensor || ArrayBuffer.isView(value) || seen.has(value)) continue;
    seen.add(value);
    const inside = Object.entries(value).filter(([, field]) => typeof field === "object" && field !== null);
    for (const [name, field] of inside.reverse()) {
      waiting.push({ value: field as object, path: path === "" ? name : `${path}.${name}` });
    }
  }
}

/** All tensors of a model by name: weights, running statistics, an optimiser's moments. */
export function stateDict(model: object): Record<string, Tensor> {
  const found: Record<string, Tensor> = {};
  walk(model, (value, path) => {
    if (value instanceof Tensor) found[path] = value;
  });
  return found;
}

/** The tensors of a model whose gradients are wanted, each once, in the order of the fields. */
export function parameters(model: object): Tensor[] {
  return [...new Set(Object.values(stateDict(model)))].filter((tensor) => tensor.requiresGrad);
}

/**
 * Assigns tensors to those of the same names in a model; floats of another dtype are converted. With `strict` (the
 * default) names must agree.
 */
export function loadStateDict(
  model: object,
  dict: Readonly<Record<string, Tensor>>,
  { strict = true }: { readonly strict?: boolean } = {},
): void {
  const own = stateDict(model);
  const missing = Object.keys(own).filter((name) => !Object.hasOwn(dict, name));
  const unknown = Object.keys(dict).filter((name) => !Object.hasOwn(own, name));
  if (strict && missing.length + unknown.length > 0) {
    const parts = [
      missing.length > 0 ? `it lacks ${missing.join(", ")}` : "",
      unknown.length > 0 ? `the model has no ${unknown.join(", ")}` : "",
    ];
    throw new Error(`loadStateDict: names differ: ${parts.filter((part) => part !== "").join("; ")}`);
  }
  const pairs = Object.entries(own).filter(([name]) => Object.hasOwn(dict, name));
  for (const [name, tensor] of pairs) {
    const given = dict[name];
    const convertible = given.dtype === tensor.dtype || (isFloat(given.dtype) && isFloat(tensor.dtype));
    if (!convertible || !sameShape(given.shape, tensor.shape)) {
      throw new Error(
        `loadStateDict: ${name} is ${tensor.dtype}${printShape(tensor.shape)}, ` +
          `but ${given.dtype}${printShape(given.shape)} was given`,
      );
    }
  }
  for (const [name, tensor] of pairs) tensor.assign(dict[name].detach().cast(tensor.dtype));
}

/**
 * Sets the field `training` of every layer that has one: BatchNorm then uses and follows the batch's statistics, Dropout
 * drops. Layers start in training. A captured function keeps the mode in which it was captured.
 */
export function train(model: object, training = true): void {
  walk(model, (value) => {
    if ("training" in value) (value as { training: boolean }).training = training;
  });
}

/** The opposite of train: layers behave as in use. */
export function evaluate(model: object): void {
  train(model, false);
}
