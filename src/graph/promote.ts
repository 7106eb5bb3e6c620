// Type promotion: the dtype in which two operands meet. Follows PyTorch; JavaScript numbers are weak: an integral
// number takes the dtype of the tensor beside it, a fractional one lifts integers to the default float.

import { type DType, isFloat, isUnsigned, kindOf, bytesOf, type Scalar } from "../scalar/dtype.js";

/** The dtype of fractional numbers that meet no float. */
export const DEFAULT_FLOAT: DType = "float32";

/** The dtype that holds the values of both. uint64 with a signed integer meets in float32, as no integer holds both. */
export function promote(a: DType, b: DType): DType {
  if (a === b) return a;
  if (a === "bool") return b;
  if (b === "bool") return a;
  if (isFloat(a) && isFloat(b)) {
    if (bytesOf(a) === bytesOf(b)) return bytesOf(a) === 1 ? "float16" : "float32";
    return bytesOf(a) > bytesOf(b) ? a : b;
  }
  if (isFloat(a)) return a;
  if (isFloat(b)) return b;
  if (kindOf(a) === kindOf(b)) return bytesOf(a) >= bytesOf(b) ? a : b;
  const unsigned = isUnsigned(a) ? a : b;
  const signed = isUnsigned(a) ? b : a;
  if (bytesOf(signed) > bytesOf(unsigned)) return signed;
  if (unsigned === "uint64") return DEFAULT_FLOAT;
  return ({ uint8: "int16", uint16: "int32", uint32: "int64" } as const)[
    unsigned as "uint8" | "uint16" | "uint32"
  ];
}

/** The dtype in which a number meets a tensor. */
export function promoteScalar(dtype: DType, value: Scalar): DType {
  if (typeof value === "boolean" || isFloat(dtype)) return dtype;
  if (typeof value === "number" && !Number.isInteger(value)) return DEFAULT_FLOAT;
  return dtype === "bool" ? "int32" : dtype;
}

/** The dtype of a number that stands alone. */
export function dtypeOfScalar(value: Scalar): DType {
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int64";
  return DEFAULT_FLOAT;
}
