// The exact result of every scalar operation on every dtype: what all devices must reproduce (transcendental functions
// up to a tolerance). Integers wrap; float32 and narrower results are computed in float64 and rounded once to their
// dtype; 64-bit integers are bigint. Operations a dtype does not have (such as div on integers) are a TypeError.

import { largestFloat, roundTo, wrapInteger } from "./convert.js";
import { bytesOf, type DType, integerLimits, isBigInteger, isFloat, kindOf, type Scalar } from "./dtype.js";
import type { ReduceOp, ScalarOp } from "./ops.js";
import { threefry2x32 } from "./random.js";
import { erf, pow, roundHalfEven } from "./special.js";

/** Operands beyond an operation's arity are ignored. */
export type ScalarFunction = (x: Scalar, y: Scalar, z: Scalar) => Scalar;

type Table<V> = { readonly [op in ScalarOp]?: (x: V, y: V, z: V) => V | boolean };

const where = (condition: Scalar, x: Scalar, y: Scalar): Scalar => (condition ? x : y);

/** Comparisons hold for numbers, bigints and booleans alike. */
const COMPARE: Table<Scalar> = {
  lt: (x, y) => x < y,
  le: (x, y) => x <= y,
  eq: (x, y) => x === y,
  ne: (x, y) => x !== y,
};

const FLOAT: Table<number> = {
  neg: (x) => -x,
  abs: Math.abs,
  sqrt: Math.sqrt,
  reciprocal: (x) => 1 / x,
  exp: Math.exp,
  exp2: (x) => 2 ** x,
  log: Math.log,
  log2: Math.log2,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  erf,
  floor: Math.floor,
  trunc: Math.trunc,
  round: roundHalfEven,
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  div: (x, y) => x / y,
  mod: (x, y) => {
    const rest = x % y;
    return rest !== 0 && rest < 0 !== y < 0 ? rest + y : rest;
  },
  pow,
  max: (x, y) => Math.max(x, y),
  min: (x, y) => Math.min(x, y),
  fma: (x, y, z) => x * y + z,
};

const BOOL: Table<boolean> = {
  not: (x) => !x,
  add: (x, y) => x || y,
  mul: (x, y) => x && y,
  max: (x, y) => x || y,
  min: (x, y) => x && y,
  and: (x, y) => x && y,
  or: (x, y) => x || y,
  xor: (x, y) => x !== y,
};

/** Results may leave the dtype's range: they are wrapped afterwards. */
const SMALL_INTEGER: Table<number> = {
  neg: (x) => -x,
  abs: Math.abs,
  not: (x) => ~x,
  floor: (x) => x,
  trunc: (x) => x,
  round: (x) => x,
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: Math.imul,
  idiv: (x, y) => (y === 0 ? 0 : Math.floor(x / y)),
  mod: (x, y) => (y === 0 ? 0 : x - y * Math.floor(x / y)),
  max: (x, y) => Math.max(x, y),
  min: (x, y) => Math.min(x, y),
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
  quot: (x, y) => (y === 0 ? 0 : Math.trunc(x / y)),
  rem: (x, y) => (y === 0 ? 0 : x % y),
};

function floorDivide(x: bigint, y: bigint): bigint {
  if (y === 0n) return 0n;
  const quotient = x / y;
  return quotient * y !== x && x < 0n !== y < 0n ? quotient - 1n : quotient;
}

const BIG_INTEGER: Table<bigint> = {
  neg: (x) => -x,
  abs: (x) => (x < 0n ? -x : x),
  not: (x) => ~x,
  floor: (x) => x,
  trunc: (x) => x,
  round: (x) => x,
  add: (x, y) => x + y,
  sub: (x, y) => x - y,
  mul: (x, y) => x * y,
  idiv: floorDivide,
  mod: (x, y) => (y === 0n ? 0n : x - y * floorDivide(x, y)),
  max: (x, y) => {
    if (x > y) return x;
    return y;
  },
  min: (x, y) => {
    if (x < y) return x;
    return y;
  },
  and: (x, y) => x & y,
  or: (x, y) => x | y,
  xor: (x, y) => x ^ y,
  shl: (x, y) => (y < 0n || y >= 64n ? 0n : x << y),
  shr: (x, y) => (y < 0n || y >= 64n ? (x < 0n ? -1n : 0n) : x >> y),
  quot: (x, y) => (y === 0n ? 0n : x / y),
  rem: (x, y) => (y === 0n ? 0n : x % y),
};

type Function3<V> = (x: V, y: V, z: V) => V | boolean;

/** A function of one kind of value seen as one of any: dtypes of operands are checked where IR is made. */
const general = <V extends Scalar>(f: Function3<V>): ScalarFunction => f as ScalarFunction;

function makeFunction(op: ScalarOp, dtype: DType): ScalarFunction | undefined {
  if (op === "where") return where;
  const compare = COMPARE[op];
  if (compare !== undefined) return compare;
  if (dtype === "bool") {
    const f = BOOL[op];
    return f && general(f);
  }
  if (isFloat(dtype)) return floatFunction(op, dtype);
  if (isBigInteger(dtype)) {
    const f = BIG_INTEGER[op] as ((x: bigint, y: bigint, z: bigint) => bigint) | undefined;
    if (f === undefined) return undefined;
    const wrap = dtype === "int64" ? BigInt.asIntN : BigInt.asUintN;
    return general<bigint>((x, y, z) => wrap(64, f(x, y, z)));
  }
  return smallIntegerFunction(op, dtype);
}

function floatFunction(op: ScalarOp, dtype: DType): ScalarFunction | undefined {
  if (op === "idiv") {
    if (dtype === "float64") return general<number>((x, y) => Math.floor(x / y));
    // The quotient is rounded before its floor is taken, as a device that divides in this dtype does.
    return general<number>((x, y) => roundTo(Math.floor(roundTo(x / y, dtype)), dtype));
  }
  const f = FLOAT[op] as ((x: number, y: number, z: number) => number) | undefined;
  if (f === undefined) return undefined;
  if (dtype === "float64") return general(f);
  if (dtype === "float32") return general<number>((x, y, z) => Math.fround(f(x, y, z)));
  return general<number>((x, y, z) => roundTo(f(x, y, z), dtype));
}

function smallIntegerFunction(op: ScalarOp, dtype: DType): ScalarFunction | undefined {
  if (op === "threefry") {
    return dtype === "uint32" ? general<number>((x, y, z) => threefry2x32(x, y, z, 0)[0]) : undefined;
  }
  const width = bytesOf(dtype) * 8;
  if (op === "shl") {
    return general<number>((x, y) => (y < 0 || y >= width ? 0 : (wrapInteger(x << y, dtype) as number)));
  }
  if (op === "shr") {
    if (kindOf(dtype) === "unsigned") return general<number>((x, y) => (y >= width ? 0 : x >>> y));
    return general<number>((x, y) => x >> (y < 0 || y >= width ? 31 : y));
  }
  const f = SMALL_INTEGER[op] as ((x: number, y: number, z: number) => number) | undefined;
  if (f === undefined) return undefined;
  if (dtype === "int32") return general<number>((x, y, z) => f(x, y, z) | 0);
  if (dtype === "uint32") return general<number>((x, y, z) => f(x, y, z) >>> 0);
  return general<number>((x, y, z) => wrapInteger(f(x, y, z), dtype) as number);
}

const known = new Map<string, ScalarFunction>();

/** The function that computes `op` on operands of `dtype` (for where: of its last two). Look it up outside loops. */
export function scalarFunction(op: ScalarOp, dtype: DType): ScalarFunction {
  const key = `${op} ${dtype}`;
  let f = known.get(key);
  if (f === undefined) {
    f = makeFunction(op, dtype);
    if (f === undefined) throw new TypeError(`${op} is not defined on ${dtype}`);
    known.set(key, f);
  }
  return f;
}

/** True if `op` has a meaning on operands of `dtype`. */
export function isDefinedOn(op: ScalarOp, dtype: DType): boolean {
  return known.has(`${op} ${dtype}`) || makeFunction(op, dtype) !== undefined;
}

/** The result of one operation on operands of `dtype` (for where: of its last two operands). */
export const evaluateScalar = (op: ScalarOp, dtype: DType, args: readonly Scalar[]): Scalar =>
  scalarFunction(op, dtype)(args[0], args[1], args[2]);

/**
 * The value that leaves every other unchanged: 0, 1, or the lowest or highest value of the dtype. (A float sum starts
 * at +0, so that the sum of -0 alone is +0, as in PyTorch.)
 */
export function reduceIdentity(op: ReduceOp, dtype: DType): Scalar {
  if (op === "add" || op === "mul") {
    if (dtype === "bool") return op === "mul";
    const value = op === "add" ? 0 : 1;
    return isBigInteger(dtype) ? BigInt(value) : value;
  }
  if (isFloat(dtype)) {
    const highest = dtype === "float8e4m3" ? largestFloat(dtype) : Number.POSITIVE_INFINITY;
    return op === "max" ? -highest : highest;
  }
  const { min, max } = integerLimits(dtype);
  const value = op === "max" ? min : max;
  if (dtype === "bool") return value !== 0n;
  return isBigInteger(dtype) ? value : Number(value);
}
