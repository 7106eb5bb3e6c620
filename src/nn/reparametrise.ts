// Weights that are computed from others whenever they are used: weightNorm and spectralNorm. The weight's own field is no
// longer enumerable, so that only what it is computed from counts among a model's tensors.

import { Tensor } from "../tensor/tensor.js";

export interface WeightNormOptions {
  /** Field of the layer; default "weight". */
  readonly name?: string;
  /** Axis whose places each have a length of their own; default 0, the outputs. */
  readonly axis?: number;
}

export interface SpectralNormOptions extends WeightNormOptions {
  /** Iterations of the power method for each forward pass in training; default 1. */
  readonly iterations?: number;
  /** The least length that is divided by; default 1e-12. */
  readonly eps?: number;
}

type Fields = Record<string, unknown>;

function takeWeight(wrapper: string, layer: object, name: string): Tensor {
  const weight = (layer as Fields)[name];
  if (!(weight instanceof Tensor))
    throw new Error(`${wrapper}: the layer ${layer.constructor.name} has no tensor ${name}`);
  return weight;
}

function compute(layer: object, name: string, value: () => Tensor): void {
  Object.defineProperty(layer, name, { get: value, enumerable: false, configurable: true });
}

/**
 * Parts a weight into lengths (`weightG`) and directions (`weightV`), which are learned apart: weight = g * v / |v|
 * (Salimans and Kingma, 2016). Gives the layer.
 *
 * @example
 * const layer = nn.weightNorm(new nn.Linear(3, 2));
 * layer.forward(Tensor.ones([1, 3])).shape; // => [1, 2]
 */
export function weightNorm<L extends object>(
  layer: L,
  { name = "weight", axis = 0 }: WeightNormOptions = {},
): L {
  const weight = takeWeight("weightNorm", layer, name);
  const axes = weight.shape.map((_, i) => i).filter((i) => i !== axis);
  const size = (x: Tensor): Tensor => x.square().sum(axes, { keepdim: true }).sqrt();
  const fields = layer as Fields;
  fields[`${name}G`] = size(weight.detach()).clone().requiresGrad_();
  fields[`${name}V`] = weight.detach().clone().requiresGrad_();
  compute(layer, name, () => {
    const [g, v] = [fields[`${name}G`] as Tensor, fields[`${name}V`] as Tensor];
    return v.mul(g.div(size(v)));
  });
  return layer;
}

/**
 * Divides a weight (`weightOrig`) by its largest singular value, which the power method follows in training: one step
 * for each forward pass, from the vectors `weightU` and `weightV` of the step before (Miyato and others, 2018). Gives
 * the layer.
 */
export function spectralNorm<L extends { forward(...args: never[]): unknown }>(
  layer: L,
  { name = "weight", axis = 0, iterations = 1, eps = 1e-12 }: SpectralNormOptions = {},
): L {
  const weight = takeWeight("spectralNorm", layer, name);
  const fields = layer as unknown as Fields;
  const rowsOf = (x: Tensor): Tensor => x.movedim(axis, 0).flatten(1);
  const unit = (x: Tensor): Tensor => x.div(x.square().sum().sqrt().clamp(eps));
  const [rows, columns] = rowsOf(weight).sizes;
  fields[`${name}Orig`] = weight;
  fields[`${name}U`] = unit(Tensor.randn([rows]));
  fields[`${name}V`] = unit(Tensor.randn([columns]));
  if (!("training" in layer)) fields.training = true;
  const parts = () => ["Orig", "U", "V"].map((part) => fields[name + part] as Tensor);
  compute(layer, name, () => {
    const [original, u, v] = parts();
    return original.div(u.detach().dot(rowsOf(original).matmul(v.detach())));
  });
  const forward = layer.forward;
  const following = (...args: never[]): unknown => {
    if (fields.training === true) {
      const [original, u, v] = parts();
      const matrix = rowsOf(original).detach();
      for (let i = 0; i < iterations; i++) {
        v.assign(unit(matrix.transpose().matmul(u)));
        u.assign(unit(matrix.matmul(v)));
      }
    }
    return forward.apply(layer, args);
  };
  Object.defineProperty(layer, "forward", { value: following, enumerable: false, configurable: true });
  return layer;
}
