// Values that do not depend on elements: constants of the model, shapes, ranges.

import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators, Result } from "../operator.js";
import { heldAs } from "../types.js";
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

/** One value in the shape of the input; a float 0 where none is given. */
function constantOfShape(call: Call): Result {
  const shape = call.integers(0);
  const value = call.tensorAttribute("value");
  if (value === undefined) return Tensor.zeros(shape);
  if (value.kind !== "tensor" || value.size !== 1)
    return call.fail("its value must be a tensor of one element");
  return TensorValue.of(value.tensor.reshape([]).expand(shape), value.type);
}

/** Numbers from the first input on, before the second, the third apart. */
function range(call: Call): Result {
  const { type } = call.typed(0);
  const [start, limit, step] = [0, 1, 2].map((i) => call.number(i));
  const count = Math.max(0, Math.ceil((limit - start) / step));
  if (!Number.isSafeInteger(count))
    call.fail(`there is no range from ${start} to ${limit} in steps of ${step}`);
  const dtype = heldAs(type);
  const places = Tensor.arange(count, undefined, 1, { dtype: "int32" }).cast(dtype);
  return TensorValue.of(
    places.mul(Tensor.full([], step).cast(dtype)).add(Tensor.full([], start).cast(dtype)),
    type,
  );
}

/** Ones on a diagonal of a matrix of the input's shape. */
function eyeLike(call: Call): Result {
  const { type, shape } = call.typed(0);
  const [rows, columns] = shape.length === 2 ? shape : call.fail(`a matrix is needed, not [${shape}]`);
  const wanted = call.typeAttribute("dtype") ?? type;
  const places = (size: number): Tensor => Tensor.arange(size, undefined, 1, { dtype: "int32" });
  const onDiagonal = places(columns).eq(places(rows).reshape([rows, 1]).add(call.int("k", 0)));
  return TensorValue.of(onDiagonal.cast(heldAs(wanted)), wanted);
}

export const constants: Operators = {
  ConstantOfShape: constantOfShape,
  Range: range,
  EyeLike: eyeLike,
  Constant: constant,
  Shape: shape,
  Size: size,
  Identity: (call) => call.value(0),
};
