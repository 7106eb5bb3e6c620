// Movement of values of any kind: what moves elements and computes nothing moves strings as it moves numbers, and leaves
// their type alone.

import { computeOnHost } from "../engine/host.js";
import { Tensor } from "../tensor/tensor.js";
import type { Call, Operator } from "./operator.js";
import { OnnxError } from "./proto.js";
import { printValue, StringsValue, TensorValue, type Value } from "./value.js";

/** What a movement gives of these values, which have one type. Strings go where their places would. */
export function moveTogether(values: readonly Value[], move: (tensors: Tensor[]) => Tensor): Value {
  const [first] = values;
  if (values.every((value) => value.kind === "tensor")) {
    const [{ type }] = values;
    return TensorValue.of(move(values.map(({ tensor }) => tensor)), type);
  }
  if (!values.every((value) => value instanceof StringsValue))
    throw new OnnxError(`tensors of one type are needed, not ${printValue(first)}`);
  let start = 0;
  const places = values.map(({ strings, shape }) => {
    const numbers = Int32Array.from(strings, () => start++);
    return Tensor.from(numbers, { shape: [...shape] });
  });
  const all = values.flatMap(({ strings }) => strings);
  const constant = values.every((value) => value.constant);
  return pickStrings(all, move(places), constant);
}

/** The strings at places that the host can compute. */
function pickStrings(all: readonly string[], places: Tensor, constant: boolean): StringsValue {
  const [bytes] = computeOnHost([places.node]) ?? [];
  if (bytes === undefined) throw new OnnxError("strings can be moved only by places that the host knows");
  const picked = Array.from(new Int32Array(bytes.buffer as ArrayBuffer), (place) => all[place]);
  return new StringsValue(picked, places.sizes, constant);
}

export const moveValue = (value: Value, move: (x: Tensor) => Tensor): Value =>
  moveTogether([value], ([x]) => move(x));

/** An operator that moves its first input. */
export const moved =
  (move: (call: Call, x: Tensor) => Tensor): Operator =>
  (call) =>
    moveValue(call.value(0), (x) => move(call, x));
