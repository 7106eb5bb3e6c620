// The WebAssembly instructions kernels are made of, as tables from operation and dtype to opcode.

import type { DType } from "../scalar/dtype.js";
import { type Bytes, miscellaneousCode, vectorCode, type WasmType } from "./wasm-encoder.js";

/** Dtypes that values have in registers. bool is an i32 that is 0 or 1, or a mask of 32-bit lanes. */
export type RegisterDType = "bool" | "int32" | "uint32" | "int64" | "uint64" | "float32" | "float64";

const REGISTER_DTYPES = new Set<DType>(["bool", "int32", "uint32", "int64", "uint64", "float32", "float64"]);
export const isRegisterDType = (dtype: DType): dtype is RegisterDType => REGISTER_DTYPES.has(dtype);

/** How an operation is carried out: integers alike in two's complement share instructions. */
export type Shape = "i32" | "i64" | "f32" | "f64";

const SHAPES: Record<RegisterDType, Shape> = {
  bool: "i32",
  int32: "i32",
  uint32: "i32",
  int64: "i64",
  uint64: "i64",
  float32: "f32",
  float64: "f64",
};
export const shapeOf = (dtype: RegisterDType): Shape => SHAPES[dtype];
/** Bytes a lane of this dtype takes in a vector. */
export const laneBytes = (dtype: RegisterDType): 4 | 8 => (SHAPES[dtype].endsWith("32") ? 4 : 8);

type Table = Readonly<Record<string, number>>;

/** Opcodes of scalar operations by shape; `_u` and `_s` mark signedness where it matters. */
export const SCALAR: Record<Shape, Table> = {
  i32: {
    ...{
      eqz: 0x45,
      eq: 0x46,
      ne: 0x47,
      lt_s: 0x48,
      lt_u: 0x49,
      gt_s: 0x4a,
      gt_u: 0x4b,
      le_s: 0x4c,
      le_u: 0x4d,
    },
    ...{ ge_s: 0x4e, ge_u: 0x4f, add: 0x6a, sub: 0x6b, mul: 0x6c, quot_s: 0x6d, quot_u: 0x6e, rem_s: 0x6f },
    ...{ rem_u: 0x70, and: 0x71, or: 0x72, xor: 0x73, shl: 0x74, shr_s: 0x75, shr_u: 0x76 },
    ...{ wrap_i64: 0xa7, reinterpret: 0xbc },
  },
  i64: {
    ...{
      eqz: 0x50,
      eq: 0x51,
      ne: 0x52,
      lt_s: 0x53,
      lt_u: 0x54,
      gt_s: 0x55,
      gt_u: 0x56,
      le_s: 0x57,
      le_u: 0x58,
    },
    ...{ ge_s: 0x59, ge_u: 0x5a, add: 0x7c, sub: 0x7d, mul: 0x7e, quot_s: 0x7f, quot_u: 0x80, rem_s: 0x81 },
    ...{ rem_u: 0x82, and: 0x83, or: 0x84, xor: 0x85, shl: 0x86, shr_s: 0x87, shr_u: 0x88 },
    ...{ extend_s: 0xac, extend_u: 0xad, reinterpret: 0xbd },
  },
  f32: {
    ...{ eq: 0x5b, ne: 0x5c, lt: 0x5d, gt: 0x5e, le: 0x5f, ge: 0x60, abs: 0x8b, neg: 0x8c, floor: 0x8e },
    ...{
      trunc: 0x8f,
      round: 0x90,
      sqrt: 0x91,
      add: 0x92,
      sub: 0x93,
      mul: 0x94,
      div: 0x95,
      min: 0x96,
      max: 0x97,
    },
    ...{ from_i32_s: 0xb2, from_i32_u: 0xb3, from_i64_s: 0xb4, from_i64_u: 0xb5, from_f64: 0xb6 },
    ...{ reinterpret: 0xbe },
  },
  f64: {
    ...{ eq: 0x61, ne: 0x62, lt: 0x63, gt: 0x64, le: 0x65, ge: 0x66, abs: 0x99, neg: 0x9a, floor: 0x9c },
    ...{
      trunc: 0x9d,
      round: 0x9e,
      sqrt: 0x9f,
      add: 0xa0,
      sub: 0xa1,
      mul: 0xa2,
      div: 0xa3,
      min: 0xa4,
      max: 0xa5,
    },
    ...{ from_i32_s: 0xb7, from_i32_u: 0xb8, from_i64_s: 0xb9, from_i64_u: 0xba, from_f32: 0xbb },
    ...{ reinterpret: 0xbf },
  },
};

/** Opcodes of vector operations by shape of the lanes. */
export const VECTOR: Record<Shape, Table> = {
  i32: {
    ...{
      splat: 17,
      extract: 27,
      replace: 28,
      eq: 55,
      ne: 56,
      lt_s: 57,
      lt_u: 58,
      gt_s: 59,
      gt_u: 60,
      le_s: 61,
    },
    ...{
      le_u: 62,
      ge_s: 63,
      ge_u: 64,
      abs: 160,
      neg: 161,
      shl: 171,
      shr_s: 172,
      shr_u: 173,
      add: 174,
      sub: 177,
    },
    ...{ mul: 181, min_s: 182, min_u: 183, max_s: 184, max_u: 185, from_f32_s: 248, from_f32_u: 249 },
    ...{ from_f64_s: 252, from_f64_u: 253, select: 267 },
  },
  i64: {
    ...{ splat: 18, extract: 29, replace: 30, eq: 214, ne: 215, lt_s: 216, gt_s: 217, le_s: 218, ge_s: 219 },
    ...{ abs: 192, neg: 193, shl: 203, shr_s: 204, shr_u: 205, add: 206, sub: 209, mul: 213 },
    ...{ low_s: 199, high_s: 200, low_u: 201, high_u: 202, select: 268 },
  },
  f32: {
    ...{
      splat: 19,
      extract: 31,
      replace: 32,
      eq: 65,
      ne: 66,
      lt: 67,
      gt: 68,
      le: 69,
      ge: 70,
      abs: 224,
      neg: 225,
    },
    ...{
      sqrt: 227,
      add: 228,
      sub: 229,
      mul: 230,
      div: 231,
      min: 232,
      max: 233,
      pseudo_min: 234,
      pseudo_max: 235,
      floor: 104,
      trunc: 105,
      round: 106,
    },
    ...{ from_i32_s: 250, from_i32_u: 251, from_f64: 94, fma: 261 },
  },
  f64: {
    ...{
      splat: 20,
      extract: 33,
      replace: 34,
      eq: 71,
      ne: 72,
      lt: 73,
      gt: 74,
      le: 75,
      ge: 76,
      abs: 236,
      neg: 237,
    },
    ...{
      sqrt: 239,
      add: 240,
      sub: 241,
      mul: 242,
      div: 243,
      min: 244,
      max: 245,
      pseudo_min: 246,
      pseudo_max: 247,
      floor: 117,
      trunc: 122,
      round: 148,
    },
    ...{ from_i32_s: 254, from_i32_u: 255, from_f32: 95, fma: 263 },
  },
};

/** Instructions on whole vectors. */
export const V128 = {
  constant: vectorCode(12),
  shuffle: vectorCode(13),
  not: vectorCode(77),
  and: vectorCode(78),
  /** The first operand's bits where the second has none. */
  andNot: vectorCode(79),
  or: vectorCode(80),
  xor: vectorCode(81),
  bitselect: vectorCode(82),
  /** Products of 16-bit lanes, each pair of them added up to a 32-bit lane. */
  dot16: vectorCode(186),
  /** Of 16 bytes, the low 8 as signed or unsigned 16-bit lanes. */
  extendLow8: { signed: vectorCode(135), unsigned: vectorCode(137) },
  /** Of eight 16-bit lanes, the low or high 4 as 32-bit lanes. */
  extendLow16: { signed: vectorCode(167), unsigned: vectorCode(169) },
  extendHigh16: { signed: vectorCode(168), unsigned: vectorCode(170) },
} as const;

export const SELECT: Bytes = [0x1b];

/** Conversions of a float to an integer that saturate and give 0 for NaN. */
const TRUNCATE: Record<string, number> = {
  ...{ i32_f32_s: 0, i32_f32_u: 1, i32_f64_s: 2, i32_f64_u: 3 },
  ...{ i64_f32_s: 4, i64_f32_u: 5, i64_f64_s: 6, i64_f64_u: 7 },
};
export const truncateCode = (to: "i32" | "i64", from: "f32" | "f64", unsigned: boolean): Bytes =>
  miscellaneousCode(TRUNCATE[`${to}_${from}_${unsigned ? "u" : "s"}`]);

/** The scalar instruction of this name, with its signed or unsigned form where it has two; undefined if none. */
export function scalarCode(name: string, shape: Shape, unsigned = false): Bytes | undefined {
  const code = SCALAR[shape][name] ?? SCALAR[shape][`${name}_${unsigned ? "u" : "s"}`];
  return code === undefined ? undefined : [code];
}

/** The vector instruction of this name, with its signed or unsigned form where it has two; undefined if none. */
export function laneCode(name: string, shape: Shape, unsigned = false): Bytes | undefined {
  const code = VECTOR[shape][name] ?? VECTOR[shape][`${name}_${unsigned ? "u" : "s"}`];
  return code === undefined ? undefined : vectorCode(code);
}

/** Accesses to memory: the opcode, the binary logarithm of its natural alignment, and what type a load gives. */
export interface AccessCode {
  readonly code: Bytes;
  readonly align: number;
  readonly type: WasmType;
}
const scalarAccess = (code: number, align: number, type: WasmType): AccessCode => ({
  code: [code],
  align,
  type,
});
const vectorAccess = (code: number, align: number): AccessCode => ({
  code: vectorCode(code),
  align,
  type: "v128",
});

export const SCALAR_LOADS: Partial<Record<DType, AccessCode>> = {
  bool: scalarAccess(0x2d, 0, "i32"),
  int8: scalarAccess(0x2c, 0, "i32"),
  uint8: scalarAccess(0x2d, 0, "i32"),
  int16: scalarAccess(0x2e, 1, "i32"),
  uint16: scalarAccess(0x2f, 1, "i32"),
  int32: scalarAccess(0x28, 2, "i32"),
  uint32: scalarAccess(0x28, 2, "i32"),
  int64: scalarAccess(0x29, 3, "i64"),
  uint64: scalarAccess(0x29, 3, "i64"),
  float32: scalarAccess(0x2a, 2, "f32"),
  float64: scalarAccess(0x2b, 3, "f64"),
};
export const SCALAR_STORES: Partial<Record<DType, AccessCode>> = {
  bool: scalarAccess(0x3a, 0, "i32"),
  int8: scalarAccess(0x3a, 0, "i32"),
  uint8: scalarAccess(0x3a, 0, "i32"),
  int16: scalarAccess(0x3b, 1, "i32"),
  uint16: scalarAccess(0x3b, 1, "i32"),
  int32: scalarAccess(0x36, 2, "i32"),
  uint32: scalarAccess(0x36, 2, "i32"),
  int64: scalarAccess(0x37, 3, "i64"),
  uint64: scalarAccess(0x37, 3, "i64"),
  float32: scalarAccess(0x38, 2, "f32"),
  float64: scalarAccess(0x39, 3, "f64"),
};
export const VECTOR_ACCESS = {
  load: vectorAccess(0, 4),
  store: vectorAccess(11, 4),
  /** Load this many bytes into the low end, zero above. */
  loadZero: { 4: vectorAccess(92, 2), 8: vectorAccess(93, 3) },
  /** Load an element into every lane. */
  loadSplat: { 4: vectorAccess(9, 2), 8: vectorAccess(10, 3) },
  /** Load 8 bytes and widen each element to twice its width. */
  loadWiden: {
    int8: vectorAccess(1, 3),
    uint8: vectorAccess(2, 3),
    int16: vectorAccess(3, 3),
    uint16: vectorAccess(4, 3),
  },
  /** Load one element into a lane; the lane's number follows the address. */
  loadLane: { 4: vectorAccess(86, 2), 8: vectorAccess(87, 3) },
  /** Store so many bytes, the first of the vector; lane number 0 follows the address. */
  storeLow: {
    1: vectorAccess(88, 0),
    2: vectorAccess(89, 1),
    4: vectorAccess(90, 2),
    8: vectorAccess(91, 3),
  },
} as const;
