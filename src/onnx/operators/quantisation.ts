// Numbers held as small integers or narrow floats, with a scale and a zero point: y = x / scale + zero point, limited to what
// the type holds. One scale for all, one for each place of an axis, or one for each block along an axis.

import { type DType, isFloat } from "../../scalar/dtype.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators, Result } from "../operator.js";
import { type ElementType, heldAs, integerRange, isFloatType } from "../types.js";
import { TensorValue } from "../value.js";
import { converted } from "./cast.js";

export interface Scaling {
  /** They broadcast with the elements. */
  readonly scale: Tensor;
  readonly zeroPoint?: Tensor;
}

/** (x - zero point) * scale, in the scale's dtype, small floats in float32. */
export function dequantized(x: Tensor, { scale, zeroPoint }: Scaling, dtype: DType = scale.dtype): Tensor {
  return centred(x, zeroPoint).cast(dtype).mul(scale.cast(dtype));
}

/** Less the zero point, in a type that holds the difference: integers of 32 bits, or floats. */
export function centred(x: Tensor, zeroPoint: Tensor | undefined): Tensor {
  const wide: DType = isFloat(x.dtype) ? "float32" : "int32";
  return zeroPoint === undefined ? x.cast(wide) : x.cast(wide).sub(zeroPoint.cast(wide));
}

/** x / scale, rounded to the nearest even, plus the zero point: limited to the type's range. */
export function quantized(
  x: Tensor,
  { scale, zeroPoint }: Scaling,
  type: ElementType,
  saturate = true,
): TensorValue {
  return limited(x.div(scale), zeroPoint, type, saturate);
}

/** What quotients become. */
export function limited(
  quotient: Tensor,
  zeroPoint: Tensor | undefined,
  type: ElementType,
  saturate = true,
): TensorValue {
  // A quotient of float16 and its zero point may be more than float16 holds.
  const x = quotient.dtype === "float64" ? quotient : quotient.cast("float32");
  const moved = (y: Tensor): Tensor => (zeroPoint === undefined ? y : y.add(zeroPoint.cast(x.dtype)));
  if (isFloatType(type)) return converted(moved(x), type, { saturate });
  const { min, max } = integerRange(type);
  return TensorValue.of(moved(x.round()).clamp(min, max).cast(heldAs(type)), type);
}

/** A scale or zero point in the shape that broadcasts with x: of one element, along an axis, or in blocks along it. */
export function alongAxis(given: Tensor, x: Tensor, call: Call): Tensor {
  if (given.size === 1) return given.reshape([]);
  const axis = x.ndim === 1 ? 0 : call.axis(call.int("axis", 1), x.ndim);
  if (given.ndim === 1) return given.reshape(x.shape.map((_, i) => (i === axis ? given.size : 1)));
  const [size, blocks] = [x.sizeAt(axis), given.sizeAt(axis)];
  const block = call.int("block_size", 0) || Math.ceil(size / blocks);
  return given.repeatInterleave(block, axis).narrow(axis, 0, size);
}

function quantize(call: Call): Result {
  const [x, scale] = [call.tensor(0), call.tensor(1)];
  const type = call.has(2) ? call.typed(2).type : (call.typeAttribute("output_dtype") ?? "uint8");
  const precision = heldAs(call.typeAttribute("precision") ?? scale.dtype);
  const scaling = {
    scale: alongAxis(scale, x, call).cast(precision),
    zeroPoint: call.has(2) ? alongAxis(call.tensor(2), x, call) : undefined,
  };
  return quantized(x.cast(precision), scaling, type, call.flag("saturate", true));
}

function dequantize(call: Call): Result {
  const [x, scale] = [call.tensor(0), call.tensor(1)];
  const zeroPoint = call.has(2) ? alongAxis(call.tensor(2), x, call) : undefined;
  const dtype = heldAs(call.typeAttribute("output_dtype") ?? scale.dtype);
  return dequantized(x, { scale: alongAxis(scale, x, call), zeroPoint }, dtype);
}

export interface Quantised extends Scaling {
  readonly values: Tensor;
  readonly zeroPoint: Tensor;
}

/** As bytes without sign, with the scale and zero point by which their range and 0 are held. */
export function quantizedDynamically(x: Tensor): Quantised {
  const [least, most] = [x.min().minimum(0), x.max().maximum(0)];
  const scale = most.sub(least).div(255);
  const zeroPoint = least.neg().div(scale).clamp(0, 255).round().cast("uint8");
  return { values: quantized(x, { scale, zeroPoint }, "uint8").tensor, scale, zeroPoint };
}

function quantizeDynamically(call: Call): Result[] {
  const { values, scale, zeroPoint } = quantizedDynamically(call.tensor(0));
  return [values, scale, zeroPoint];
}

export const quantisation: Operators = {
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: quantizeDynamically,
};
