// The element types of tensors and kernels, and the facts about each: its width, its kind, its limits.

export type DType =
  | "bool"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "float8e4m3"
  | "float8e5m2"
  | "float16"
  | "bfloat16"
  | "float32"
  | "float64";

/** A value of any dtype as JavaScript holds it: 64-bit integers are bigint, bool is boolean, all others number. */
export type Scalar = number | bigint | boolean;

export type DTypeKind = "bool" | "signed" | "unsigned" | "float";

interface DTypeFacts {
  readonly kind: DTypeKind;
  /** Bytes one element takes in memory. */
  readonly bytes: number;
}

const FACTS: Record<DType, DTypeFacts> = {
  bool: { kind: "bool", bytes: 1 },
  int8: { kind: "signed", bytes: 1 },
  int16: { kind: "signed", bytes: 2 },
  int32: { kind: "signed", bytes: 4 },
  int64: { kind: "signed", bytes: 8 },
  uint8: { kind: "unsigned", bytes: 1 },
  uint16: { kind: "unsigned", bytes: 2 },
  uint32: { kind: "unsigned", bytes: 4 },
  uint64: { kind: "unsigned", bytes: 8 },
  float8e4m3: { kind: "float", bytes: 1 },
  float8e5m2: { kind: "float", bytes: 1 },
  float16: { kind: "float", bytes: 2 },
  bfloat16: { kind: "float", bytes: 2 },
  float32: { kind: "float", bytes: 4 },
  float64: { kind: "float", bytes: 8 },
};

export const DTYPES = Object.keys(FACTS) as readonly DType[];

export const isDType = (name: string): name is DType => Object.hasOwn(FACTS, name);
export const bytesOf = (dtype: DType): number => FACTS[dtype].bytes;
export const kindOf = (dtype: DType): DTypeKind => FACTS[dtype].kind;
export const isFloat = (dtype: DType): boolean => FACTS[dtype].kind === "float";
export const isInteger = (dtype: DType): boolean =>
  FACTS[dtype].kind === "signed" || FACTS[dtype].kind === "unsigned";
export const isUnsigned = (dtype: DType): boolean => FACTS[dtype].kind === "unsigned";
/** 64-bit integers, whose values are bigint in JavaScript. */
export const isBigInteger = (dtype: DType): boolean => dtype === "int64" || dtype === "uint64";

/** From 1 to the next larger number of a float dtype. */
export function epsilonOf(dtype: DType): number {
  if (dtype === "bfloat16") return 2 ** -7;
  if (dtype === "float8e4m3") return 2 ** -3;
  if (dtype === "float8e5m2") return 2 ** -2;
  return { 2: 2 ** -10, 4: 2 ** -23, 8: 2 ** -52 }[bytesOf(dtype) as 2 | 4 | 8];
}

/** Smallest and largest value of an integer dtype, as bigint. */
export function integerLimits(dtype: DType): { readonly min: bigint; readonly max: bigint } {
  const bits = BigInt(bytesOf(dtype) * 8);
  if (dtype === "bool") return { min: 0n, max: 1n };
  if (isUnsigned(dtype)) return { min: 0n, max: (1n << bits) - 1n };
  if (isInteger(dtype)) return { min: -(1n << (bits - 1n)), max: (1n << (bits - 1n)) - 1n };
  throw new TypeError(`integerLimits: ${dtype} is not an integer dtype`);
}

/** Whether integers of one dtype are all integers of the other. */
export function holds(wide: DType, narrow: DType): boolean {
  if (!isInteger(wide) || !isInteger(narrow)) return wide === narrow;
  const [a, b] = [integerLimits(wide), integerLimits(narrow)];
  return a.min <= b.min && b.max <= a.max;
}
