// Arithmetic on places (the numbers of a loop's iterations) as arithmetic of indices: it simplifies with the loops, where
// the same arithmetic on values would be done over and over.

import { addIndex, type Index, mulIndex, subIndex, toIndex } from "../kernel/index.js";
import { cast, type Expr, indexValue, scalar } from "../kernel/ir.js";
import { type DType, integerLimits, isBigInteger, isInteger } from "../scalar/dtype.js";
import type { ScalarOp } from "../scalar/ops.js";

const ARITHMETIC: Partial<Record<ScalarOp, (x: Index, y: Index) => Index | undefined>> = {
  add: addIndex,
  sub: subIndex,
  // Products of loops make indices that nothing simplifies.
  mul: (x, y) => (x.value === undefined && y.value === undefined ? undefined : mulIndex(x, y)),
};

/** An operation; of places and constants it is a place again, as long as nothing wraps. */
export function scalarOfPlaces(op: ScalarOp, args: readonly Expr[]): Expr {
  const arithmetic = ARITHMETIC[op];
  const [x, y] = args.map(placeOf);
  const place = arithmetic && x && y && arithmetic(x, y);
  return (place && held(place, args[0].dtype)) ?? scalar(op, ...args);
}

/** A conversion, likewise. */
export function castOfPlaces(x: Expr, dtype: DType): Expr {
  const place = placeOf(x);
  return (place && held(place, dtype)) ?? cast(x, dtype);
}

/** The value of a place or a whole constant as an index. */
function placeOf(x: Expr): Index | undefined {
  if (!isInteger(x.dtype) || isBigInteger(x.dtype)) return undefined;
  if (x.op === "const") return toIndex(Number(x.value));
  return x.op === "index" && fits(x.index, x.dtype) ? x.index : undefined;
}

const held = (index: Index, dtype: DType): Expr | undefined =>
  isInteger(dtype) && fits(index, dtype) ? indexValue(index, dtype) : undefined;

function fits(index: Index, dtype: DType): boolean {
  const { min, max } = integerLimits(dtype);
  return index.min >= Number(min) && index.max <= Number(max);
}
