// Values that do not depend on elements: constants of the model, shapes, ranges.

import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators, Result } from "../operator.js";
import { StringsValue, TensorValue } from "../value.js";

/** A constant, from whichever attribute gives it. */
function constant(call: Call): Result {
  const tensor = call.tensorAttribute("value") ?? call.tensorAttribute("sparse_value");
  if (tensor !== undefined) return tensor;
  const float = call.float("value_float");
  if (float !== undefined) return Tensor.full([], float, { dtype: "float32" });
  const floats = call.floats("value_floats");
  if (floats !== undefined) return Tensor.from(Float32Array.from(floats));
  const { int } = call.node.attributes.get("value_int") ?? {};
  if (int !== undefined) return TensorValue.ofIntegers([int], { shape: [], constant: true });
  const ints = call.node.attributes.get("value_ints")?.ints;
  if (ints !== undefined) return TensorValue.ofIntegers(ints, { constant: true });
  const text = call.text("value_string");
  if (text !== undefined) return new StringsValue([text], [], true);
  const texts = call.texts("value_strings");
  if (texts !== undefined) return new StringsValue(texts, [texts.length], true);
  return call.fail("it has none of the attributes that give a constant its value");
}

/** Sizes of the axes from `start` to `end`. */
function shape(call: Call): Result {
  const value = call.value(0);
  if (value.kind !== "tensor" && value.kind !== "strings") return call.fail("only tensors have a shape");
  const sizes = value.shape.slice(call.int("start", 0), call.int("end"));
  return TensorValue.ofIntegers(sizes, { constant: true });
}

function size(call: Call): Result {
  const value = call.value(0);
  if (value.kind !== "tensor" && value.kind !== "strings") return call.fail("only tensors have a size");
  const count = value.shape.reduce((n, d) => n * d, 1);
  return TensorValue.ofIntegers([count], { shape: [], constant: true });
}

export const constants: Operators = {
  Constant: constant,
  Shape: shape,
  Size: size,
  Identity: (call) => call.value(0),
};
