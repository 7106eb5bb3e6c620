// The element types of ONNX, and how brisc holds them: most are dtypes; integers of four and two bits are held as bytes,
// narrow floats that brisc has no dtype for as float32 of the values they can be, strings by the host.

import type { DType } from "../scalar/dtype.js";
import { OnnxError } from "./proto.js";

export type ElementType =
  | DType
  | "string"
  | "float8e4m3fnuz"
  | "float8e5m2fnuz"
  | "float8e8m0"
  | "float4e2m1"
  | "int4"
  | "uint4"
  | "int2"
  | "uint2"
  | "complex64"
  | "complex128";

interface TypeFacts {
  /** As TensorProto.DataType numbers it. */
  readonly code: number;
  /** Bits of an element in a file. */
  readonly bits: number;
  /** The dtype of the tensor that holds it; none for what no tensor holds. */
  readonly held: DType | undefined;
}

const FACTS: Readonly<Record<ElementType, TypeFacts>> = {
  float32: { code: 1, bits: 32, held: "float32" },
  uint8: { code: 2, bits: 8, held: "uint8" },
  int8: { code: 3, bits: 8, held: "int8" },
  uint16: { code: 4, bits: 16, held: "uint16" },
  int16: { code: 5, bits: 16, held: "int16" },
  int32: { code: 6, bits: 32, held: "int32" },
  int64: { code: 7, bits: 64, held: "int64" },
  string: { code: 8, bits: 0, held: undefined },
  bool: { code: 9, bits: 8, held: "bool" },
  float16: { code: 10, bits: 16, held: "float16" },
  float64: { code: 11, bits: 64, held: "float64" },
  uint32: { code: 12, bits: 32, held: "uint32" },
  uint64: { code: 13, bits: 64, held: "uint64" },
  complex64: { code: 14, bits: 64, held: undefined },
  complex128: { code: 15, bits: 128, held: undefined },
  bfloat16: { code: 16, bits: 16, held: "bfloat16" },
  float8e4m3: { code: 17, bits: 8, held: "float8e4m3" },
  float8e4m3fnuz: { code: 18, bits: 8, held: "float32" },
  float8e5m2: { code: 19, bits: 8, held: "float8e5m2" },
  float8e5m2fnuz: { code: 20, bits: 8, held: "float32" },
  uint4: { code: 21, bits: 4, held: "uint8" },
  int4: { code: 22, bits: 4, held: "int8" },
  float4e2m1: { code: 23, bits: 4, held: "float32" },
  float8e8m0: { code: 24, bits: 8, held: "float32" },
  uint2: { code: 25, bits: 2, held: "uint8" },
  int2: { code: 26, bits: 2, held: "int8" },
};

const BY_CODE = new Map(Object.entries(FACTS).map(([type, { code }]) => [code, type as ElementType]));

/** The type that a file means by a number. */
export function elementType(code: number): ElementType {
  const type = BY_CODE.get(code);
  if (type === undefined) throw new OnnxError(`${code} is the number of no element type`);
  return type;
}

/** The type that early versions of an operator name: FLOAT, DOUBLE, or another as here. */
export function elementTypeNamed(name: string): ElementType {
  const lower = name.toLowerCase();
  const type = { float: "float32", double: "float64" }[lower] ?? lower;
  if (!Object.hasOwn(FACTS, type)) throw new OnnxError(`${name} is the name of no element type`);
  return type as ElementType;
}

export const codeOf = (type: ElementType): number => FACTS[type].code;
export const bitsOf = (type: ElementType): number => FACTS[type].bits;

/** The dtype of tensors that hold elements of a type. */
export function heldAs(type: ElementType): DType {
  const { held } = FACTS[type];
  if (held === undefined) throw new OnnxError(`elements of type ${type} are not held by tensors`);
  return held;
}

/** Whether a tensor's dtype says all there is to say about its elements. */
export const isNative = (type: ElementType): type is DType => FACTS[type].held === type;

/** Integers narrower than a byte. */
export const isPackedInteger = (type: ElementType): boolean =>
  type === "int4" || type === "uint4" || type === "int2" || type === "uint2";

/** Smallest and largest of integers of at most 32 bits. */
export function integerRange(type: ElementType): { readonly min: number; readonly max: number } {
  const { bits } = FACTS[type];
  if (!/^u?int/.test(type) || bits > 32) throw new OnnxError(`${type} is no type of small integers`);
  return type.startsWith("u")
    ? { min: 0, max: 2 ** bits - 1 }
    : { min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 };
}

/** All floating point types. */
export const isFloatType = (type: ElementType): boolean => type.startsWith("float") || type === "bfloat16";

// --- narrow floats -----------------------------------------------------------------------------------------------

interface NarrowFormat {
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  readonly signed: boolean;
  /** Whether negative zero's bits are the one NaN, and there is no infinity. */
  readonly negativeZeroIsNaN: boolean;
}

/**
 * Formats of 8 and 4 bits without infinities that brisc has no dtype for: FNUZ (finite, NaN where -0 would be), of Noune et
 * al. 2022; E2M1 and E8M0 of the OCP microscaling formats 1.0.
 */
const NARROW: Readonly<Partial<Record<ElementType, NarrowFormat>>> = {
  float8e4m3fnuz: { exponentBits: 4, mantissaBits: 3, bias: 8, signed: true, negativeZeroIsNaN: true },
  float8e5m2fnuz: { exponentBits: 5, mantissaBits: 2, bias: 16, signed: true, negativeZeroIsNaN: true },
  float4e2m1: { exponentBits: 2, mantissaBits: 1, bias: 1, signed: true, negativeZeroIsNaN: false },
};

/** What the bits of an element of a narrow float stand for. */
export function narrowValue(bits: number, type: ElementType): number {
  // A power of two alone; all ones are NaN.
  if (type === "float8e8m0") return bits === 255 ? Number.NaN : 2 ** (bits - 127);
  const format = NARROW[type];
  if (format === undefined) throw new TypeError(`${type} is no narrow float`);
  const { exponentBits, mantissaBits, bias } = format;
  const sign = (bits >> (exponentBits + mantissaBits)) & 1;
  const exponent = (bits >> mantissaBits) & (2 ** exponentBits - 1);
  const mantissa = bits & (2 ** mantissaBits - 1);
  if (format.negativeZeroIsNaN && sign === 1 && exponent === 0 && mantissa === 0) return Number.NaN;
  const magnitude =
    exponent === 0
      ? mantissa * 2 ** (1 - bias - mantissaBits)
      : (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - bias);
  return sign === 1 ? -magnitude : magnitude;
}

/** The largest number, the mantissa's bits, and the smallest normal number's exponent of a narrow float. */
export function narrowLimits(type: ElementType): {
  largest: number;
  mantissaBits: number;
  minExponent: number;
} {
  if (type === "float8e8m0") return { largest: 2 ** 127, mantissaBits: 0, minExponent: -127 };
  const format = NARROW[type];
  if (format === undefined) throw new TypeError(`${type} is no narrow float`);
  const { exponentBits, mantissaBits, bias } = format;
  const largest = (2 - 2 ** -mantissaBits) * 2 ** (2 ** exponentBits - 1 - bias);
  return { largest, mantissaBits, minExponent: 1 - bias };
}
