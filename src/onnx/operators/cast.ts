// Conversions between element types: of values, and of bits.

import { encodeElements, largestFloat } from "../../scalar/convert.js";
import { bytesOf, isFloat } from "../../scalar/dtype.js";
import { narrowBits, numbersOfBits, type Rounding, roundToNarrow, wrapToPacked } from "../narrow.js";
import { parseNumber, printNumber } from "../numerals.js";
import type { Call, Operators, Result } from "../operator.js";
import { bitsOf, type ElementType, elementTypeNamed, heldAs, isNative, isPackedInteger } from "../types.js";
import { StringsValue, TensorValue } from "../value.js";
import type { Tensor } from "../../tensor/tensor.js";

/** Numbers of one element type in another. */
export function converted(x: Tensor, type: ElementType, rounding: Rounding = {}): TensorValue {
  return TensorValue.of(toType(x, type, rounding), type);
}

function toType(x: Tensor, type: ElementType, rounding: Rounding): Tensor {
  if (isPackedInteger(type)) return wrapToPacked(x, type);
  if (!isNative(type)) return roundToNarrow(x, type, rounding);
  if (bytesOf(type) > 1 || !isFloat(type) || rounding.saturate === false) return x.cast(type);
  const largest = largestFloat(type);
  return (isFloat(x.dtype) ? x : x.cast("float32")).clamp(-largest, largest).cast(type);
}

function fromStrings({ strings, shape }: StringsValue, type: ElementType, rounding: Rounding): TensorValue {
  const dtype = heldAs(type);
  const bytes = encodeElements(
    strings.map((text) => parseNumber(text, dtype)),
    dtype,
  );
  const value = TensorValue.fromHost({ type: dtype, shape, bytes });
  return isNative(type) ? value : converted(value.tensor, type, rounding);
}

function toStrings(call: Call): StringsValue {
  const { tensor, shape } = call.typed(0);
  const elements = Array.from(call.known(0) as ArrayLike<number | bigint>);
  return new StringsValue(
    elements.map((x) => printNumber(x, tensor.dtype)),
    shape,
  );
}

function castTo(call: Call, type: ElementType): Result {
  const value = call.value(0);
  if (value.kind !== "tensor" && value.kind !== "strings") return call.fail("only tensors are converted");
  if (value.type === type) return value;
  if (type === "string") return toStrings(call);
  const mode = call.text("round_mode", "up");
  if (mode !== "up" && mode !== "down" && mode !== "nearest")
    return call.fail(`its attribute round_mode must be up, down or nearest, not ${mode}`);
  const rounding: Rounding = { saturate: call.flag("saturate", true), mode };
  return value instanceof StringsValue
    ? fromStrings(value, type, rounding)
    : converted(value.tensor, type, rounding);
}

function cast(call: Call): Result {
  // Before version 6 the type was named.
  const named = call.version < 6 ? call.text("to") : undefined;
  const type = named === undefined ? call.typeAttribute("to") : elementTypeNamed(named);
  return castTo(call, type ?? call.fail("its attribute to, the type to convert to, is missing"));
}

function castLike(call: Call): Result {
  const like = call.value(1);
  if (like.kind !== "tensor" && like.kind !== "strings") return call.fail("its input 1 must be a tensor");
  return castTo(call, like.type);
}

const asBytes = (x: Tensor, type: ElementType): Tensor => {
  if (isPackedInteger(type)) return x.cast("int32").bitwiseAnd(2 ** bitsOf(type) - 1);
  return isNative(type) ? x.bitcast("uint8") : narrowBits(x, type);
};

const fromBytes = (bytes: Tensor, type: ElementType): Tensor => {
  if (isPackedInteger(type)) return wrapToPacked(bytes, type);
  return isNative(type) ? bytes.bitcast(type) : numbersOfBits(bytes, type);
};

/** The same bits as another type of the same width. */
function bitCast(call: Call): Result {
  const { tensor, type } = call.typed(0);
  const to = call.typeAttribute("to") ?? call.fail("its attribute to, the type to read bits as, is missing");
  if (to === "string" || bitsOf(to) !== bitsOf(type))
    return call.fail(`elements of ${type} have ${bitsOf(type)} bits, those of ${to} have not`);
  if (to === type) return call.typed(0);
  if (isNative(type) && isNative(to)) return tensor.bitcast(to);
  return TensorValue.of(fromBytes(asBytes(tensor, type), to), to);
}

export const conversions: Operators = { Cast: cast, CastLike: castLike, BitCast: bitCast };
