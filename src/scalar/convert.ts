// How values are held: rounding to each float format, encoding and decoding the ones JavaScript lacks (half, bfloat16,
// float8), casts and bitcasts between any two dtypes, and reading and writing elements in memory (little-endian).
//
// Casts: to an integer truncates towards zero, saturates, NaN gives 0; between integers wraps; to bool is != 0; to a
// float rounds once, to nearest even. Beyond the largest finite value floats give infinity; float8e4m3 (the OCP
// E4M3FN), which has no infinity, gives NaN.

import {
  bytesOf,
  type DType,
  integerLimits,
  isBigInteger,
  isFloat,
  isUnsigned,
  type Scalar,
} from "./dtype.js";

const scratch = new DataView(new ArrayBuffer(8));

// ---------------------------------------------------------------------------------------------------------------
// Float formats narrower than float32

export type NarrowFloat = "float16" | "bfloat16" | "float8e4m3" | "float8e5m2";

interface FloatFormat {
  readonly mantissaBits: number;
  /** Exponent of the smallest normal number. */
  readonly minExponent: number;
  readonly largest: number;
  /** What a magnitude that rounds beyond `largest` becomes. */
  readonly overflow: number;
  readonly signBit: number;
  readonly infinityBits: number;
  readonly nanBits: number;
}

const FORMATS: Record<NarrowFloat, FloatFormat> = {
  float16: {
    mantissaBits: 10,
    minExponent: -14,
    largest: 65504,
    overflow: Number.POSITIVE_INFINITY,
    signBit: 0x8000,
    infinityBits: 0x7c00,
    nanBits: 0x7e00,
  },
  bfloat16: {
    mantissaBits: 7,
    minExponent: -126,
    largest: 255 * 2 ** 120,
    overflow: Number.POSITIVE_INFINITY,
    signBit: 0x8000,
    infinityBits: 0x7f80,
    nanBits: 0x7fc0,
  },
  float8e4m3: {
    mantissaBits: 3,
    minExponent: -6,
    largest: 448,
    overflow: Number.NaN,
    signBit: 0x80,
    infinityBits: 0x7f,
    nanBits: 0x7f,
  },
  float8e5m2: {
    mantissaBits: 2,
    minExponent: -14,
    largest: 57344,
    overflow: Number.POSITIVE_INFINITY,
    signBit: 0x80,
    infinityBits: 0x7c,
    nanBits: 0x7f,
  },
};

const isNarrowFloat = (dtype: DType): dtype is NarrowFloat => Object.hasOwn(FORMATS, dtype);

/** floor(log2 |x|) of a finite, non-zero x; -1023 for float64 subnormals. */
function exponentOf(x: number): number {
  scratch.setFloat64(0, x, true);
  return ((scratch.getUint32(4, true) >>> 20) & 0x7ff) - 1023;
}

/** 2^n for the exponents of normal float64 numbers. */
function powerOfTwo(n: number): number {
  scratch.setUint32(0, 0, true);
  scratch.setUint32(4, (n + 1023) << 20, true);
  return scratch.getFloat64(0, true);
}

/** Adding and taking away this rounds |x| < 2^51 to the nearest integer, ties to even. */
const ROUNDER = 1.5 * 2 ** 52;

function roundToFormat(x: number, format: FloatFormat): number {
  if (x === 0 || Number.isNaN(x)) return x;
  if (Math.abs(x) > format.largest * 2) return x < 0 ? -format.overflow : format.overflow;
  const unit = powerOfTwo(Math.max(exponentOf(x), format.minExponent) - format.mantissaBits);
  const rounded = (x / unit + ROUNDER - ROUNDER) * unit;
  if (rounded === 0) return x < 0 ? -0 : 0;
  if (Math.abs(rounded) > format.largest) return x < 0 ? -format.overflow : format.overflow;
  return rounded;
}

/** The value of `dtype`, a float, nearest to x; ties to even. */
export function roundTo(x: number, dtype: DType): number {
  if (dtype === "float32") return Math.fround(x);
  if (dtype === "float64") return x;
  if (isNarrowFloat(dtype)) return roundToFormat(x, FORMATS[dtype]);
  throw new TypeError(`roundTo: ${dtype} is not a float dtype`);
}

/** The bits of the value of a narrow float format nearest to x. All NaNs become one. */
export function encodeFloat(x: number, dtype: NarrowFloat): number {
  const format = FORMATS[dtype];
  const rounded = roundToFormat(x, format);
  if (Number.isNaN(rounded)) return format.nanBits;
  const sign = rounded < 0 || Object.is(rounded, -0) ? format.signBit : 0;
  const magnitude = Math.abs(rounded);
  if (magnitude === 0) return sign;
  if (magnitude === Number.POSITIVE_INFINITY) return sign | format.infinityBits;
  const exponent = Math.max(exponentOf(magnitude), format.minExponent);
  const significand = magnitude / powerOfTwo(exponent - format.mantissaBits);
  // A normal number's leading one carries into the exponent field, which starts at 1 for `minExponent`.
  return sign | (((exponent - format.minExponent) << format.mantissaBits) + significand);
}

/** The value of narrow float bits. */
export function decodeFloat(bits: number, dtype: NarrowFloat): number {
  const format = FORMATS[dtype];
  const magnitude = bits & (format.signBit - 1);
  const sign = (bits & format.signBit) === 0 ? 1 : -1;
  if (magnitude >= format.infinityBits) {
    return magnitude === format.infinityBits && dtype !== "float8e4m3" ? sign * format.overflow : Number.NaN;
  }
  const field = magnitude >>> format.mantissaBits;
  const fraction = magnitude & ((1 << format.mantissaBits) - 1);
  const significand = field === 0 ? fraction : fraction + (1 << format.mantissaBits);
  const exponent = Math.max(field, 1) - 1 + format.minExponent;
  return sign * significand * powerOfTwo(exponent - format.mantissaBits);
}

/** The largest finite value of a float dtype. */
export function largestFloat(dtype: DType): number {
  if (dtype === "float64") return Number.MAX_VALUE;
  if (dtype === "float32") return (2 - 2 ** -23) * 2 ** 127;
  if (isNarrowFloat(dtype)) return FORMATS[dtype].largest;
  throw new TypeError(`largestFloat: ${dtype} is not a float dtype`);
}

// ---------------------------------------------------------------------------------------------------------------
// Casts

/** An integer brought into the range of an integer dtype by dropping high bits. */
export function wrapInteger(x: number | bigint, dtype: DType): Scalar {
  switch (dtype) {
    case "int64":
      return BigInt.asIntN(64, BigInt(x));
    case "uint64":
      return BigInt.asUintN(64, BigInt(x));
    default: {
      // Number to int32 in JavaScript is modulo 2^32, exact for any safe integer.
      const low = typeof x === "bigint" ? Number(BigInt.asIntN(32, x)) : x | 0;
      switch (dtype) {
        case "int8":
          return (low << 24) >> 24;
        case "int16":
          return (low << 16) >> 16;
        case "int32":
          return low;
        case "uint8":
          return low & 0xff;
        case "uint16":
          return low & 0xffff;
        case "uint32":
          return low >>> 0;
        default:
          throw new TypeError(`wrapInteger: ${dtype} is not an integer dtype`);
      }
    }
  }
}

/** A value as `dtype` holds it, of the right JavaScript type: integers wrap, floats are rounded. */
export function holdScalar(value: Scalar, dtype: DType): Scalar {
  if (dtype === "bool") return Boolean(value);
  if (isFloat(dtype)) return roundTo(Number(value), dtype);
  return wrapInteger(typeof value === "boolean" ? Number(value) : value, dtype);
}

/** A float as an integer dtype: truncated, saturated, NaN gives 0. */
function floatToInteger(x: number, dtype: DType): Scalar {
  const { min, max } = integerLimits(dtype);
  const held = (v: bigint): Scalar => (isBigInteger(dtype) ? v : Number(v));
  if (Number.isNaN(x)) return held(0n);
  if (x <= Number(min)) return held(min);
  if (x >= Number(max)) return held(max);
  return isBigInteger(dtype) ? BigInt(Math.trunc(x)) : Math.trunc(x) + 0;
}

/** A 64-bit integer as a float, rounded once: bits a float64 cannot hold are kept as a sticky lowest bit. */
function bigToFloat(x: bigint, dtype: DType): number {
  const exact = BigInt.asIntN(54, x) === x;
  if (exact || dtype === "float64") return roundTo(Number(x), dtype);
  const sticky = (x & 2047n) === 0n ? 0n : 1n;
  return roundTo(Number((x >> 11n) | sticky) * 2048, dtype);
}

/** The value of dtype `from` converted to dtype `to`. */
export function castScalar(value: Scalar, from: DType, to: DType): Scalar {
  if (from === to) return value;
  if (to === "bool")
    return typeof value === "bigint" ? value !== 0n : typeof value === "number" ? value !== 0 : value;
  const x = typeof value === "boolean" ? (value ? 1 : 0) : value;
  if (isFloat(to)) return typeof x === "bigint" ? bigToFloat(x, to) : roundTo(x, to);
  if (isFloat(from)) return floatToInteger(Number(x), to);
  return wrapInteger(x, to);
}

/** The same bits read as another dtype of the same width. */
export function bitcastScalar(value: Scalar, from: DType, to: DType): Scalar {
  if (bytesOf(from) !== bytesOf(to)) {
    throw new TypeError(`bitcast of ${from} to ${to}: their widths differ`);
  }
  writeElement(scratchForBitcast, 0, from, value);
  return readElement(scratchForBitcast, 0, to);
}
// Encoding uses `scratch`, so a bitcast must not.
const scratchForBitcast = new DataView(new ArrayBuffer(8));

// ---------------------------------------------------------------------------------------------------------------
// Elements in memory

export type ElementReader = (bytes: DataView, byteOffset: number) => Scalar;
export type ElementWriter = (bytes: DataView, byteOffset: number, value: Scalar) => void;

const READERS: Record<DType, ElementReader> = {
  bool: (bytes, at) => bytes.getUint8(at) !== 0,
  int8: (bytes, at) => bytes.getInt8(at),
  int16: (bytes, at) => bytes.getInt16(at, true),
  int32: (bytes, at) => bytes.getInt32(at, true),
  int64: (bytes, at) => bytes.getBigInt64(at, true),
  uint8: (bytes, at) => bytes.getUint8(at),
  uint16: (bytes, at) => bytes.getUint16(at, true),
  uint32: (bytes, at) => bytes.getUint32(at, true),
  uint64: (bytes, at) => bytes.getBigUint64(at, true),
  float8e4m3: (bytes, at) => decodeFloat(bytes.getUint8(at), "float8e4m3"),
  float8e5m2: (bytes, at) => decodeFloat(bytes.getUint8(at), "float8e5m2"),
  float16: (bytes, at) => decodeFloat(bytes.getUint16(at, true), "float16"),
  bfloat16: (bytes, at) => decodeFloat(bytes.getUint16(at, true), "bfloat16"),
  float32: (bytes, at) => bytes.getFloat32(at, true),
  float64: (bytes, at) => bytes.getFloat64(at, true),
};

// The setters of DataView wrap integers and round floats by themselves.
const WRITERS: Record<DType, ElementWriter> = {
  bool: (bytes, at, x) => bytes.setUint8(at, x ? 1 : 0),
  int8: (bytes, at, x) => bytes.setInt8(at, x as number),
  int16: (bytes, at, x) => bytes.setInt16(at, x as number, true),
  int32: (bytes, at, x) => bytes.setInt32(at, x as number, true),
  int64: (bytes, at, x) => bytes.setBigInt64(at, x as bigint, true),
  uint8: (bytes, at, x) => bytes.setUint8(at, x as number),
  uint16: (bytes, at, x) => bytes.setUint16(at, x as number, true),
  uint32: (bytes, at, x) => bytes.setUint32(at, x as number, true),
  uint64: (bytes, at, x) => bytes.setBigUint64(at, x as bigint, true),
  float8e4m3: (bytes, at, x) => bytes.setUint8(at, encodeFloat(x as number, "float8e4m3")),
  float8e5m2: (bytes, at, x) => bytes.setUint8(at, encodeFloat(x as number, "float8e5m2")),
  float16: (bytes, at, x) => bytes.setUint16(at, encodeFloat(x as number, "float16"), true),
  bfloat16: (bytes, at, x) => bytes.setUint16(at, encodeFloat(x as number, "bfloat16"), true),
  float32: (bytes, at, x) => bytes.setFloat32(at, x as number, true),
  float64: (bytes, at, x) => bytes.setFloat64(at, x as number, true),
};

/** The function that reads elements of a dtype: look it up once, outside loops. */
export const elementReader = (dtype: DType): ElementReader => READERS[dtype];
/** The function that writes elements of a dtype, wrapping or rounding values to it. */
export const elementWriter = (dtype: DType): ElementWriter => WRITERS[dtype];

export const readElement = (bytes: DataView, byteOffset: number, dtype: DType): Scalar =>
  READERS[dtype](bytes, byteOffset);

/** Writes a value as `dtype` holds it; numbers are rounded to a float dtype, integers wrap. */
export const writeElement = (bytes: DataView, byteOffset: number, dtype: DType, value: Scalar): void =>
  WRITERS[dtype](bytes, byteOffset, value);

/** A JavaScript value as `dtype` holds it: bigint for 64-bit integers, boolean for bool; casts as from float64. */
export function toScalar(value: Scalar, dtype: DType): Scalar {
  const from: DType = typeof value === "bigint" ? "int64" : typeof value === "boolean" ? "bool" : "float64";
  if (from === "int64" && isUnsigned(dtype)) return wrapInteger(value as bigint, dtype);
  return castScalar(value, from, dtype);
}

/** Values laid out in memory as `dtype`. */
export function encodeElements(values: Iterable<Scalar>, dtype: DType): Uint8Array {
  const list = Array.isArray(values) ? (values as readonly Scalar[]) : [...values];
  const step = bytesOf(dtype);
  const bytes = new Uint8Array(list.length * step);
  const view = new DataView(bytes.buffer);
  const write = WRITERS[dtype];
  for (let i = 0; i < list.length; i++) write(view, i * step, toScalar(list[i], dtype));
  return bytes;
}

/** The elements of `dtype` that lie in memory one after the other. */
export function decodeElements(bytes: Uint8Array, dtype: DType): Scalar[] {
  const step = bytesOf(dtype);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = READERS[dtype];
  return Array.from({ length: Math.floor(bytes.byteLength / step) }, (_, i) => read(view, i * step));
}
