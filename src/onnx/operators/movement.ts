// Operators that move elements and compute nothing.

import type { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators } from "../operator.js";
import { TensorValue } from "../value.js";

/** The same elements in another arrangement keep their type. */
const moved =
  (move: (call: Call, x: Tensor) => Tensor) =>
  (call: Call): TensorValue =>
    TensorValue.of(move(call, call.tensor(0)), call.typed(0).type);

/** The shape in the second input, before version 5 in an attribute; 0 is the input's size, -1 what is left. */
function reshape(call: Call, x: Tensor): Tensor {
  const wanted = call.version >= 5 ? call.integers(1) : (call.ints("shape") ?? []);
  const zeroIsSize = !call.flag("allowzero");
  const sizes = wanted.map((size, axis) => (size === 0 && zeroIsSize ? x.sizeAt(axis) : size));
  return x.reshape(sizes);
}

export const movement: Operators = {
  Reshape: moved(reshape),
  Transpose: moved((call, x) => x.permute(call.ints("perm") ?? x.shape.map((_, axis) => x.ndim - 1 - axis))),
};
