// PyTorch's (and, where it has none, numpy's) reference values for scripts/fixtures/creation.py.

import { Tensor } from "../../src/index.js";
import { conformance, type Operation, optionsOf } from "./torch.js";

/** A static function of the case's name, called with its arguments. */
const named = (name: string): [string, Operation] => {
  const make = (Tensor as unknown as Record<string, (...args: readonly unknown[]) => Tensor>)[name];
  return [name, (_, args) => make(...args)];
};

const NAMES = [
  "arange",
  "linspace",
  "logspace",
  "geomspace",
  "eye",
  "identity",
  "full",
  "tri",
  "trilIndices",
];
NAMES.push("triuIndices", "hannWindow", "hammingWindow", "blackmanWindow", "bartlettWindow", "kaiserWindow");

await conformance("creation", {
  ...Object.fromEntries(NAMES.map(named)),
  vander: ([x], [columns, options]) => Tensor.vander(x, columns as number | undefined, options as object),
  meshgrid: (inputs, args) => Tensor.meshgrid(inputs, optionsOf(args)),
});
