// Numbers as strings, as Cast reads and writes them.

import { type DType, isBigInteger, isFloat, type Scalar } from "../scalar/dtype.js";
import { roundTo } from "../scalar/convert.js";
import { OnnxError } from "./proto.js";

/** The number that a string stands for, as a dtype takes it. */
export function parseNumber(text: string, dtype: DType): Scalar {
  const plain = text.trim();
  if (isBigInteger(dtype) && /^[+-]?\d+$/.test(plain)) return BigInt(plain.replace("+", ""));
  if (/^[+-]?inf(inity)?$/i.test(plain))
    return plain.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^[+-]?nan$/i.test(plain)) return Number.NaN;
  const value = Number(plain);
  if (plain === "" || Number.isNaN(value))
    throw new OnnxError(`the string ${JSON.stringify(text)} is not a number`);
  return value;
}

/** A number as a string: floats by the fewest digits that tell them from their neighbours. */
export function printNumber(value: number | bigint, dtype: DType): string {
  if (typeof value === "bigint" || !isFloat(dtype)) return String(value);
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? "-INF" : "INF";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  let shortest = value;
  for (let digits = 1; digits <= 17; digits++) {
    shortest = Number(value.toPrecision(digits));
    if (roundTo(shortest, dtype) === value) break;
  }
  const text = String(shortest);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}
