// Functions whose values are put together from pieces, and whose slopes are known in closed form: the pieces would give
// gradients of fewer digits and many more nodes.

import { binary, derived } from "../graph/node.js";
import { bytesOf, type DType } from "../scalar/dtype.js";
import type { Operand, TensorClass } from "./core.js";
import { type SpecialCoefficients, SPECIAL32, SPECIAL64 } from "./special-coefficients.js";
import { TensorStorage } from "./storage.js";
import type { Tensor } from "./tensor.js";

/** The float dtype in which a function of this one is computed: small floats in float32, rounded once at the end. */
export const computationType = (dtype: DType): DType => (bytesOf(dtype) < 4 ? "float32" : dtype);

/** A partial derivative at x by the value y there. */
type Slope = (y: Tensor, ...x: Tensor[]) => Tensor;

/**
 * A function of tensors of one shape and float dtype, element by element. `value` computes it in float32 or float64;
 * slope i is its derivative with respect to argument i, itself differentiable.
 */
export function smooth(
  args: readonly Tensor[],
  value: (...x: Tensor[]) => Tensor,
  ...slopes: readonly Slope[]
): Tensor {
  const { dtype } = args[0];
  const Kind = args[0].constructor as TensorClass;
  const inputs = args.map((x) => x.cast(computationType(dtype)));
  const result = derived(
    value(...inputs).node,
    inputs.map((x) => x.node),
    (g, node) => {
      const [y, ...x] = [node, ...node.inputs.slice(1)].map((part) => new Kind(new TensorStorage(part)));
      return slopes.map((slope, i) =>
        node.inputs[i + 1].differentiable ? binary("mul", g, slope(y, ...x).node) : undefined,
      );
    },
  );
  return new Kind(new TensorStorage(result)).cast(dtype);
}

/** The coefficients for a tensor's format. */
export const coefficientsFor = (x: Tensor): SpecialCoefficients =>
  x.dtype === "float64" ? SPECIAL64 : SPECIAL32;

/** The sum of coefficients[i] * x^i (Horner's rule). */
export function polynomial(x: Tensor, coefficients: readonly number[]): Tensor {
  const rest = coefficients.slice(0, -1);
  const start: Operand = coefficients[coefficients.length - 1];
  return rest.length === 0
    ? x.mul(0).add(start)
    : rest.slice(0, -1).reduceRight((sum, c) => sum.mul(x).add(c), x.mul(start).add(rest[rest.length - 1]));
}
