// Makes every value one of a register dtype: bool, int32, uint32, int64, uint64, float32, float64.
//
// int8 and int16 are held in int32, uint8 and uint16 in uint32, always within their limits: an operation that can leave
// them is followed by a wrap. float16, bfloat16 and float8 are held as the float32 they equal: an operation that can
// leave them is followed by a rounding; their buffers become buffers of their bits, but for those that the machine
// converts by itself (Target.converts). Operations on bool become logic.

import {
  type Buffer,
  bitcast,
  cast,
  constant,
  type Expr,
  indexValue,
  type LoadExpr,
  load,
  makeBuffer,
  ref,
  type Stmt,
  scalar,
} from "../kernel/ir.js";
import { castScalar, roundTo, wrapInteger } from "../scalar/convert.js";
import {
  bytesOf,
  type DType,
  integerLimits,
  isBigInteger,
  isFloat,
  isInteger,
  isUnsigned,
} from "../scalar/dtype.js";
import type { ScalarOp } from "../scalar/ops.js";
import { and, max, min, ne, not, or, shl, shr, xor } from "./arithmetic.js";
import { isNarrowFloat, NarrowFloats } from "./narrow.js";
import { Ranges } from "./ranges.js";
import { type Rewriter, rebuild, rewriteStatements } from "./rewrite.js";

/** The dtype in which values of `dtype` are held. */
export function registerDType(dtype: DType): DType {
  if (dtype === "bool" || bytesOf(dtype) >= 4) return dtype;
  if (isFloat(dtype)) return "float32";
  return isUnsigned(dtype) ? "uint32" : "int32";
}

/**
 * Legalises a body. Buffers that must be replaced are looked up in `replaced`, or replaced and entered there, so that
 * several bodies can share them.
 */
export function legaliseStatements(
  body: readonly Stmt[],
  replaced: Map<Buffer, Buffer>,
  converts: readonly DType[],
): Stmt[] {
  const context = { narrow: new NarrowFloats(converts), ranges: new Ranges() };
  const { narrow } = context;
  return rewriteStatements(body, {
    expr: (x, args, rewriter) => legalise(x, args, rewriter, context),
    buffer: (buffer) => legalBuffer(buffer, replaced, narrow),
    stored: (value, original, buffer) =>
      isNarrowFloat(original.dtype) && buffer.space !== "register"
        ? narrow.encode(value, original.dtype)
        : value,
  });
}

/** What is known of the values of one body, and how its narrow floats are converted. */
interface Context {
  readonly narrow: NarrowFloats;
  readonly ranges: Ranges;
}

function legalBuffer(buffer: Buffer, replaced: Map<Buffer, Buffer>, narrow: NarrowFloats): Buffer {
  const dtype = bufferDType(buffer, narrow);
  if (dtype === buffer.dtype) return buffer;
  let legal = replaced.get(buffer);
  if (legal === undefined) {
    legal = makeBuffer(buffer.name, dtype, buffer.size, buffer.space, buffer.lanes);
    replaced.set(buffer, legal);
  }
  return legal;
}

function bufferDType({ dtype, space }: Buffer, narrow: NarrowFloats): DType {
  if (space === "register") return registerDType(dtype);
  if (!narrow.isBits(dtype)) return dtype;
  return bytesOf(dtype) === 2 ? "uint16" : "uint8";
}

function legalise(x: Expr, args: readonly Expr[], rewriter: Rewriter, context: Context): Expr {
  const dtype = registerDType(x.dtype);
  switch (x.op) {
    case "const": {
      const value = isFloat(x.dtype) ? roundTo(Number(x.value), x.dtype) : x.value;
      return constant(value, dtype, x.lanes);
    }
    case "index": {
      if (dtype === x.dtype) return rebuild(x, args, rewriter);
      const index = rewriter.index(x.index);
      return wrap(indexValue(index, dtype), x.dtype, context);
    }
    case "load":
      return dtype === x.dtype ? rebuild(x, args, rewriter) : legalLoad(x, rewriter, context.narrow);
    case "ref":
      return ref(x.name, dtype, x.lanes);
    case "cast":
      return legalCast(args[0], x.args[0].dtype, x.dtype, context);
    case "bitcast":
      return legalBitcast(args[0], x.args[0].dtype, x.dtype, context);
    case "valid":
    case "splat":
    case "pack":
    case "extract":
    case "shuffle":
      return rebuild(x, args, rewriter);
    default:
      return legalScalar(x.op, args, x.args[x.args.length - 1].dtype, context);
  }
}

function legalLoad(x: LoadExpr, rewriter: Rewriter, narrow: NarrowFloats): Expr {
  const buffer = rewriter.buffer(x.buffer);
  const valid = x.valid.map((v) => rewriter.index(v));
  const { dtype, lanes } = x;
  const at = (as: DType): Expr => load(buffer, rewriter.index(x.index), valid, { dtype: as, lanes });
  if (!isNarrowFloat(dtype) || x.buffer.space === "register") return at(registerDType(dtype));
  return narrow.decode(at(narrow.isBits(dtype) ? "uint32" : dtype), dtype);
}

// ---------------------------------------------------------------------------------------------------------------
// Operations

/** Operations that can take narrow integers out of their range. */
const LEAVES_INTEGERS = new Set<ScalarOp>(["add", "sub", "mul", "neg", "abs", "not", "shl", "idiv"]);
/** Operations on narrow floats whose results are narrow floats already. */
const KEEPS_FLOATS = new Set<ScalarOp>(["neg", "abs", "floor", "trunc", "round", "max", "min", "where"]);
const COMPARISONS = new Set<ScalarOp>(["lt", "le", "eq", "ne"]);

/** `op` on operands that were of `dtype`. */
function legalScalar(op: ScalarOp, args: readonly Expr[], dtype: DType, context: Context): Expr {
  if (dtype === "bool" && op !== "where") return logic(op, args);
  if (op === "and") return masked(args, context);
  const value = scalar(op, ...args);
  if (COMPARISONS.has(op) || registerDType(dtype) === dtype) return value;
  if (isInteger(dtype)) return LEAVES_INTEGERS.has(op) ? wrap(value, dtype, context) : value;
  if (!isNarrowFloat(dtype) || KEEPS_FLOATS.has(op)) return value;
  // The quotient is rounded before its floor is taken.
  if (op === "idiv") return scalar("floor", context.narrow.round(scalar("div", ...args), dtype));
  return context.narrow.round(value, dtype);
}

/** x & y; (x & m) & n == x & (m & n), and x & (2^n - 1) == x if 0 <= x < 2^n. */
function masked([x, mask]: readonly Expr[], { ranges }: Context): Expr {
  if (mask.op !== "const" || typeof mask.value !== "number") return and(x, mask);
  const { min: low, max: high } = ranges.of(x);
  if (low >= 0 && high <= mask.value && isPowerOfTwo(mask.value + 1)) return x;
  const [inner, first] = x.op === "and" ? x.args : [];
  if (first?.op !== "const" || typeof first.value !== "number") return and(x, mask);
  return and(inner, constant(wrapInteger(first.value & mask.value, x.dtype), x.dtype, x.lanes));
}

const isPowerOfTwo = (x: number): boolean => x > 0 && Number.isInteger(Math.log2(x));

/** Arithmetic and order of false < true. */
function logic(op: ScalarOp, [x, y]: readonly Expr[]): Expr {
  switch (op) {
    case "not":
      return not(x);
    case "add":
    case "max":
    case "or":
      return or(x, y);
    case "mul":
    case "min":
    case "and":
      return and(x, y);
    case "xor":
    case "ne":
      return xor(x, y);
    case "eq":
      return not(xor(x, y));
    case "lt":
      return and(not(x), y);
    case "le":
      return or(not(x), y);
    default:
      throw new TypeError(`${op} is not defined on bool`);
  }
}

/** An integer in a 32-bit register brought into the range of a narrow dtype by dropping high bits, if it may be outside. */
function wrap(x: Expr, dtype: DType, { ranges }: Context): Expr {
  if (ranges.fits(x, dtype)) return x;
  const width = bytesOf(dtype) * 8;
  if (x.op === "const")
    return constant(castScalar(castScalar(x.value, x.dtype, dtype), dtype, x.dtype), x.dtype, x.lanes);
  return isUnsigned(dtype) ? and(x, 2 ** width - 1) : shr(shl(x, 32 - width), 32 - width);
}

// ---------------------------------------------------------------------------------------------------------------
// Conversions

/** A value that was of `from` (and is held in its register dtype) as `to`. */
function legalCast(x: Expr, from: DType, to: DType, context: Context): Expr {
  const dtype = registerDType(to);
  if (from === to) return x;
  if (to === "bool") return ne(x, isBigInteger(x.dtype) ? 0n : 0);
  if (isNarrowFloat(to)) return holdsAll(from, to) ? cast(x, "float32") : context.narrow.convert(x, to);
  // Machines convert signed integers to floats, and many unsigned ones by detours.
  const signed = x.dtype === "uint32" && isFloat(dtype) && context.ranges.fits(x, "int32");
  const value = cast(signed ? bitcast(x, "int32") : x, dtype);
  if (dtype === to || from === "bool") return value;
  const { min: low, max: high } = integerLimits(to);
  if (isFloat(from)) return isUnsigned(to) ? min(value, high) : min(max(value, low), high);
  return holdsAll(from, to) ? value : wrap(value, to, context);
}

/** True if every value of `from` is one of `to` as well; may be false where it is. */
function holdsAll(from: DType, to: DType): boolean {
  if (from === "bool") return true;
  if (!isInteger(from)) return false;
  if (isFloat(to)) return bytesOf(from) === 1 && bytesOf(to) === 2;
  return bytesOf(from) < bytesOf(to) && (isUnsigned(from) || !isUnsigned(to));
}

function legalBitcast(x: Expr, from: DType, to: DType, context: Context): Expr {
  if (from === to) return x;
  if (bytesOf(from) >= 4) return bitcast(x, to);
  const bits = bareBits(x, from, context);
  if (to === "bool") return ne(bits, 0);
  if (isNarrowFloat(to)) return context.narrow.decode(bits, to);
  if (isUnsigned(to)) return bits;
  return wrap(bitcast(bits, "int32"), to, context);
}

/** The bits of a value held in a register, as uint32 with zeros above them. */
function bareBits(x: Expr, dtype: DType, context: Context): Expr {
  if (dtype === "bool") return cast(x, "uint32");
  if (isNarrowFloat(dtype)) return context.narrow.bits(x, dtype);
  const bits = bitcast(x, "uint32");
  return isUnsigned(dtype) ? bits : and(bits, 2 ** (bytesOf(dtype) * 8) - 1);
}
