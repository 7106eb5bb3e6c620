// A model is any object: its tensors are found by walking its fields; arrays, plain objects, Maps and Sets are walked
// too. A tensor's name is the path to it, as in "encoder.layers.0.weight".

import { isFloat, isInteger } from "../scalar/dtype.js";
import { printShape, sameShape } from "../graph/node.js";
import { Tensor } from "../tensor/tensor.js";

/** What a model is made of: something that maps a tensor to another. */
export type Layer = ((x: Tensor) => Tensor) | { forward(x: Tensor): Tensor };

export const apply = (layer: Layer, x: Tensor): Tensor =>
  typeof layer === "function" ? layer(x) : layer.forward(x);

/** Under this symbol an object lists the fields that stand in no name of PyTorch's, as a Sequential's `layers`. */
export const UNNAMED = Symbol("fields without a name in PyTorch");

/** "paths" are those of the fields; "torch" is PyTorch's form: "inProjWeight" is "in_proj_weight". */
export type NameForm = "paths" | "torch";

export interface NameOptions {
  /** The form of the names; default "paths". */
  readonly names?: NameForm;
}

interface Place {
  readonly value: object;
  readonly path: string;
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** What an object holds, by name: a Map its keys, a Set and an array places. */
function fieldsOf(value: object): [string, unknown][] {
  if (value instanceof Map) return [...value].map(([key, field]) => [String(key), field]);
  if (value instanceof Set) return [...value].map((field, i) => [String(i), field]);
  return Object.entries(value);
}

/** Objects in a model with their paths, each object once, each tensor at every place it has. */
function walk(model: object, visit: (value: object, path: string) => void, form: NameForm = "paths"): void {
  const seen = new Set<object>();
  const waiting: Place[] = [{ value: model, path: "" }];
  while (waiting.length > 0) {
    const { value, path } = waiting.pop()!;
    visit(value, path);
    if (value instanceof Tensor || ArrayBuffer.isView(value) || seen.has(value)) continue;
    seen.add(value);
    const unnamed = form === "torch" ? (value as { [UNNAMED]?: readonly string[] })[UNNAMED] : undefined;
    const inside = fieldsOf(value).filter(([, field]) => typeof field === "object" && field !== null);
    for (const [field, held] of inside.reverse()) {
      const name = form === "torch" ? snakeCase(field) : field;
      const own = unnamed?.includes(field) === true ? [] : [name];
      waiting.push({ value: held as object, path: [...(path === "" ? [] : [path]), ...own].join(".") });
    }
  }
}

/**
 * All tensors of a model by name: weights, running statistics, an optimiser's moments.
 *
 * @example
 * const model = { encoder: new nn.Linear(2, 3) };
 * Object.keys(nn.stateDict(model)); // => ["encoder.weight", "encoder.bias"]
 * await saveSafetensors(`${folder}/model.safetensors`, nn.stateDict(model, { names: "torch" }));
 */
export function stateDict(model: object, { names = "paths" }: NameOptions = {}): Record<string, Tensor> {
  const found: Record<string, Tensor> = {};
  const visit = (value: object, path: string): void => {
    if (!(value instanceof Tensor)) return;
    if (Object.hasOwn(found, path) && found[path] !== value)
      throw new Error(`stateDict: two tensors of the model have the name ${path}`);
    found[path] = value;
  };
  walk(model, visit, names);
  return found;
}

/** The tensors of a model whose gradients are wanted, each once, in the order of the fields. */
export function parameters(model: object): Tensor[] {
  const found = new Set<Tensor>();
  walk(model, (value) => {
    if (value instanceof Tensor && value.requiresGrad) found.add(value);
  });
  return [...found];
}

export interface LoadOptions extends NameOptions {
  /** Whether names must agree; default true. Else those that are on both sides are taken. */
  readonly strict?: boolean;
}

/**
 * Assigns tensors to those of the same names in a model; floats and integers of another dtype are converted. With the
 * names of PyTorch the weights of its layers load into those of the same kind here.
 *
 * @example
 * const model = new nn.Linear(2, 1);
 * nn.loadStateDict(model, { weight: Tensor.from([[1, 2]]), bias: Tensor.from([3]) });
 * model.forward(Tensor.from([[1, 1]])); // => [[6]]
 */
export function loadStateDict(
  model: object,
  dict: Readonly<Record<string, Tensor>>,
  { strict = true, names = "paths" }: LoadOptions = {},
): void {
  const own = stateDict(model, { names });
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
    if (!(given instanceof Tensor)) throw new Error(`loadStateDict: ${name} is ${given}, not a tensor`);
    const kinds = [given.dtype, tensor.dtype];
    const convertible = given.dtype === tensor.dtype || kinds.every(isFloat) || kinds.every(isInteger);
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
