// 64-bit integers on machines that have none: every value of int64 or uint64 becomes a pair of uint32 (the low word
// first), every buffer of them one of uint32 with twice the elements. Works on scalars that are lowered already, so
// only the machine's operations appear; see program.ts.
//
// Products, shifts and comparisons are a few operations on words. Quotients are written out as long division: in digits
// of 16 bits where the divisor is a small constant, else bit by bit.

import { type Index, mulIndex, addIndex, substituteIndex, visitAtoms } from "../kernel/index.js";
import {
  type Buffer,
  bitcast,
  cast,
  constant,
  type Expr,
  exprsOf,
  indexValue,
  load,
  loadedIndex,
  loadsOf,
  makeBuffer,
  type Stmt,
  type StoreStmt,
  scalar,
  statementIndices,
  store,
  topologicalOrder,
  validValue,
  withArgs,
} from "../kernel/ir.js";
import { type DType, isBigInteger, isFloat, isUnsigned } from "../scalar/dtype.js";
import {
  abs,
  add,
  and,
  eq,
  floatOf,
  ge,
  lt,
  mul,
  ne,
  not,
  or,
  shl,
  shr,
  sub,
  where,
  xor,
} from "./arithmetic.js";

/** Two words of uint32. */
interface Pair {
  readonly low: Expr;
  readonly high: Expr;
}
type Value = Expr | Pair;

const isPair = (x: Value): x is Pair => "low" in x;
const word = (value: number | bigint): Expr => constant(value, "uint32");
const pairOf = (value: bigint): Pair => ({
  low: word(value & 0xffffffffn),
  high: word((value >> 32n) & 0xffffffffn),
});
const zero = (): Pair => pairOf(0n);

/** Indices stay where 32-bit arithmetic on them cannot overflow; no buffer reaches so far. */
const FARTHEST = 2 ** 30;

/** The body without 64-bit integers, and what its buffers have become. */
export function pairIntegers(body: readonly Stmt[]): {
  body: Stmt[];
  replaced: ReadonlyMap<Buffer, Buffer>;
} {
  const pairing = new Pairing();
  return { body: pairing.body(body), replaced: pairing.replaced };
}

class Pairing {
  readonly replaced = new Map<Buffer, Buffer>();
  private readonly values = new Map<Expr, Value>();

  body(body: readonly Stmt[]): Stmt[] {
    return body.flatMap((s) => this.statement(s));
  }

  private statement(s: Stmt): Stmt[] {
    const roots = [...exprsOf(s)];
    for (const index of statementIndices(s)) {
      visitAtoms(index, (atom) => {
        if (atom.kind === "loaded") roots.push(atom.value);
      });
    }
    for (const x of topologicalOrder(roots)) if (!this.values.has(x)) this.values.set(x, this.rewrite(x));
    switch (s.kind) {
      case "for":
        return [{ ...s, body: this.body(s.body) }];
      case "if":
        return [{ ...s, valid: s.valid.map((x) => this.index(x)), body: this.body(s.body) }];
      case "alloc":
        return [{ ...s, buffer: this.buffer(s.buffer) }];
      case "store":
        return this.store(s);
      default:
        throw new Error(`64-bit integers: ${s.kind} statements appear later`);
    }
  }

  private store(s: StoreStmt): Stmt[] {
    const value = this.values.get(s.value)!;
    const index = this.index(s.index);
    if (!isBigInteger(s.buffer.dtype)) return [store(s.buffer, index, isPair(value) ? value.low : value)];
    const { low, high } = value as Pair;
    const buffer = this.buffer(s.buffer);
    const [first, second] = [mulIndex(index, 2), addIndex(mulIndex(index, 2), 1)];
    const lowFirst = store(buffer, first, low);
    if (!loadsOf([store(buffer, second, high)]).some((x) => x.buffer === buffer)) {
      return [lowFirst, store(buffer, second, high)];
    }
    // The high word may follow from what the low word was.
    const kept = makeBuffer("high", "uint32", 1, "register");
    return [
      { kind: "alloc", buffer: kept },
      store(kept, 0, high),
      lowFirst,
      store(buffer, second, load(kept, 0)),
    ];
  }

  private buffer(buffer: Buffer): Buffer {
    if (!isBigInteger(buffer.dtype)) return buffer;
    let words = this.replaced.get(buffer);
    if (words === undefined) {
      words = makeBuffer(buffer.name, "uint32", mulIndex(buffer.size, 2), buffer.space);
      this.replaced.set(buffer, words);
    }
    return words;
  }

  private index(x: Index): Index {
    return substituteIndex(x, (atom) => {
      if (atom.kind !== "loaded") return undefined;
      const value = this.values.get(atom.value)!;
      if (!isPair(value)) return value === atom.value ? undefined : loadedIndex(value, atom.min, atom.max);
      const near = nearInteger(value, isUnsigned(atom.value.dtype));
      return loadedIndex(near, Math.max(atom.min, -FARTHEST), Math.min(atom.max, FARTHEST));
    });
  }

  private rewrite(x: Expr): Value {
    if (x.lanes !== 1) throw new Error("64-bit integers are emulated on scalars only");
    const args = x.args.map((arg) => this.values.get(arg)!);
    const wide = isBigInteger(x.dtype);
    switch (x.op) {
      case "const":
        return wide ? pairOf(BigInt.asUintN(64, BigInt(x.value))) : x;
      case "index":
        return wide ? fromIndex(this.index(x.index)) : indexValue(this.index(x.index), x.dtype);
      case "valid":
        return validValue(x.valid.map((v) => this.index(v)));
      case "load": {
        const at = this.index(x.index);
        const valid = x.valid.map((v) => this.index(v));
        const buffer = this.buffer(x.buffer);
        if (!wide) return load(buffer, at, valid, { dtype: x.dtype });
        const first = mulIndex(at, 2);
        return { low: load(buffer, first, valid), high: load(buffer, addIndex(first, 1), valid) };
      }
      case "cast":
        return castValue(args[0], x.args[0].dtype, x.dtype);
      case "bitcast": {
        const [only] = args;
        return isPair(only) ? only : bitcast(only, x.dtype);
      }
      case "where": {
        const [condition, yes, no] = args;
        if (!isPair(yes)) return withArgs(x, args as Expr[]);
        return choose(condition as Expr, yes, no as Pair);
      }
      default: {
        const operand = x.args[0]?.dtype;
        if (operand === undefined || !isBigInteger(operand)) return withArgs(x, args as Expr[]);
        return operate(x, args as Pair[], isUnsigned(operand));
      }
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Operations

const choose = (condition: Expr, x: Pair, y: Pair): Pair => ({
  low: where(condition, x.low, y.low),
  high: where(condition, x.high, y.high),
});

function operate(x: Expr, [a, b]: readonly Pair[], unsigned: boolean): Value {
  switch (x.op) {
    case "add":
      return plus(a, b);
    case "sub":
      return minus(a, b);
    case "neg":
      return minus(zero(), a);
    case "abs":
      return magnitude(a);
    case "mul":
      return times(a, b);
    case "and":
      return { low: and(a.low, b.low), high: and(a.high, b.high) };
    case "or":
      return { low: or(a.low, b.low), high: or(a.high, b.high) };
    case "xor":
      return { low: xor(a.low, b.low), high: xor(a.high, b.high) };
    case "not":
      return { low: not(a.low), high: not(a.high) };
    case "shl":
      return shiftLeft(a, b.low);
    case "shr":
      return shiftRight(a, b.low, unsigned);
    case "eq":
      return and(eq(a.low, b.low), eq(a.high, b.high));
    case "ne":
      return or(ne(a.low, b.low), ne(a.high, b.high));
    case "lt":
      return isLess(a, b, unsigned);
    case "le":
      return not(isLess(b, a, unsigned));
    case "max":
      return choose(isLess(a, b, unsigned), b, a);
    case "min":
      return choose(isLess(b, a, unsigned), b, a);
    case "quot":
      return quotient(a, b, unsigned);
    case "rem":
      return minus(a, times(quotient(a, b, unsigned), b));
    default:
      throw new Error(`64-bit integers: ${x.op} is no operation of the machine`);
  }
}

function plus(a: Pair, b: Pair): Pair {
  const low = add(a.low, b.low);
  return { low, high: add(add(a.high, b.high), cast(lt(low, a.low), "uint32")) };
}

function minus(a: Pair, b: Pair): Pair {
  const borrow = cast(lt(a.low, b.low), "uint32");
  return { low: sub(a.low, b.low), high: sub(sub(a.high, b.high), borrow) };
}

const isNegative = (x: Pair): Expr => lt(bitcast(x.high, "int32"), 0);
const magnitude = (x: Pair): Pair => choose(isNegative(x), minus(zero(), x), x);

/** The low 64 bits of a product. */
function times(a: Pair, b: Pair): Pair {
  const crossed = add(mul(a.low, b.high), mul(a.high, b.low));
  return { low: mul(a.low, b.low), high: add(highProduct(a.low, b.low), crossed) };
}

/** The high word of the product of two words, by halves. */
function highProduct(a: Expr, b: Expr): Expr {
  const [lowA, lowB] = [and(a, 0xffff), and(b, 0xffff)];
  const [highA, highB] = [shr(a, 16), shr(b, 16)];
  const middle = add(mul(highA, lowB), shr(mul(lowA, lowB), 16));
  const carried = add(mul(lowA, highB), and(middle, 0xffff));
  return add(add(mul(highA, highB), shr(middle, 16)), shr(carried, 16));
}

function isLess(a: Pair, b: Pair, unsigned: boolean): Expr {
  const above = unsigned ? lt(a.high, b.high) : lt(bitcast(a.high, "int32"), bitcast(b.high, "int32"));
  return or(above, and(eq(a.high, b.high), lt(a.low, b.low)));
}

/** x << by, 0 <= by < 64. */
function shiftLeft(x: Pair, by: Expr): Pair {
  const small = and(by, 31);
  const far = ne(and(by, 32), 0);
  const low = shl(x.low, small);
  // Two shifts, since no word can be shifted by 32.
  const carried = shr(shr(x.low, 1), xor(small, 31));
  return { low: where(far, 0, low), high: where(far, low, or(shl(x.high, small), carried)) };
}

/** x >> by, 0 <= by < 64. */
function shiftRight(x: Pair, by: Expr, unsigned: boolean): Pair {
  const small = and(by, 31);
  const far = ne(and(by, 32), 0);
  const signed = bitcast(x.high, "int32");
  const high = unsigned ? shr(x.high, small) : bitcast(shr(signed, bitcast(small, "int32")), "uint32");
  const fill = unsigned ? word(0) : bitcast(shr(signed, 31), "uint32");
  const carried = shl(shl(x.high, 1), xor(small, 31));
  return { low: where(far, high, or(shr(x.low, small), carried)), high: where(far, fill, high) };
}

/** Towards zero; the divisor is not 0. */
function quotient(a: Pair, b: Pair, unsigned: boolean): Pair {
  if (unsigned) return divide(a, b);
  const size = divide(magnitude(a), isKnown(b) ? absolute(b) : magnitude(b));
  return choose(xor(isNegative(a), isNegative(b)), minus(zero(), size), size);
}

const isKnown = ({ low, high }: Pair): boolean => low.op === "const" && high.op === "const";
function knownValue({ low, high }: Pair): bigint {
  if (low.op !== "const" || high.op !== "const") throw new Error("64-bit integers: not a constant");
  return (BigInt(high.value) << 32n) | BigInt(low.value);
}
function absolute(x: Pair): Pair {
  const value = BigInt.asIntN(64, knownValue(x));
  return pairOf(BigInt.asUintN(64, value < 0n ? -value : value));
}

/** a / b of unsigned pairs. */
function divide(a: Pair, b: Pair): Pair {
  if (isKnown(b) && knownValue(b) < 0x10000n) return divideByDigit(a, Number(knownValue(b)));
  let rest = zero();
  let { low, high } = zero();
  for (let bit = 63; bit >= 0; bit--) {
    const source = bit >= 32 ? a.high : a.low;
    const next = and(shr(source, bit % 32), 1);
    const overflow = ne(shr(rest.high, 31), 0);
    const shifted: Pair = {
      low: or(shl(rest.low, 1), next),
      high: or(shl(rest.high, 1), shr(rest.low, 31)),
    };
    const fits = or(overflow, not(isLess(shifted, b, true)));
    rest = choose(fits, minus(shifted, b), shifted);
    const digit = shl(cast(fits, "uint32"), bit % 32);
    if (bit >= 32) high = or(high, digit);
    else low = or(low, digit);
  }
  return { low, high };
}

/** a / d, 0 < d < 2^16, by digits of 16 bits. */
function divideByDigit(a: Pair, d: number): Pair {
  const digits = [shr(a.high, 16), and(a.high, 0xffff), shr(a.low, 16), and(a.low, 0xffff)];
  let rest: Expr = word(0);
  const quotients = digits.map((digit) => {
    const part = or(shl(rest, 16), digit);
    const quotient = scalar("quot", part, word(d));
    rest = sub(part, mul(quotient, d));
    return quotient;
  });
  return {
    low: or(shl(quotients[2], 16), quotients[3]),
    high: or(shl(quotients[0], 16), quotients[1]),
  };
}

// ---------------------------------------------------------------------------------------------------------------
// Conversions

function castValue(x: Value, from: DType, to: DType): Value {
  if (isPair(x)) {
    if (isBigInteger(to)) return x;
    if (to === "bool") return ne(or(x.low, x.high), 0);
    if (isFloat(to)) return toFloat(x, isUnsigned(from));
    return to === "uint32" ? x.low : bitcast(x.low, to);
  }
  if (!isBigInteger(to)) return cast(x, to);
  if (isFloat(from)) return fromFloat(x, isUnsigned(to));
  const low = from === "int32" ? bitcast(x, "uint32") : cast(x, "uint32");
  return { low, high: from === "int32" ? bitcast(shr(x, 31), "uint32") : word(0) };
}

function fromIndex(x: Index): Pair {
  if (x.min < -(2 ** 31) || x.max >= 2 ** 31) {
    throw new Error(`index ${x}, in [${x.min}, ${x.max}], does not fit into the 32 bits that there are`);
  }
  const value = indexValue(x, "int32");
  return { low: bitcast(value, "uint32"), high: bitcast(shr(value, 31), "uint32") };
}

/** The value where it is near zero, else something as far from zero as any address may be. */
function nearInteger(x: Pair, unsigned: boolean): Expr {
  const low = bitcast(x.low, "int32");
  const bound = pairOf(BigInt(FARTHEST));
  const above = isLess(bound, x, unsigned);
  if (unsigned) return where(above, FARTHEST, low);
  return where(above, FARTHEST, where(isLess(x, minus(zero(), bound), false), -FARTHEST, low));
}

/** Rounded once: the leading 32 bits, the last of which says whether anything follows them, are rounded as a word. */
function toFloat(x: Pair, unsigned: boolean): Expr {
  const size = unsigned ? x : magnitude(x);
  let leading = size.high;
  let shift: Expr = word(0);
  for (const step of [16, 8, 4, 2, 1]) {
    const long = ge(leading, 2 ** step);
    shift = where(long, add(shift, step), shift);
    leading = where(long, shr(leading, step), leading);
  }
  shift = add(shift, cast(ne(leading, 0), "uint32"));
  const shifted = shiftRight(size, shift, true);
  const back = shiftLeft(shifted, shift);
  const follows = or(ne(back.low, size.low), ne(back.high, size.high));
  const digits = or(shifted.low, cast(follows, "uint32"));
  const value = mul(cast(digits, "float32"), floatOf(shl(add(shift, 127), 23)));
  return unsigned ? value : where(isNegative(x), scalar("neg", value), value);
}

/** Towards zero, saturating; NaN gives 0. */
function fromFloat(x: Expr, unsigned: boolean): Pair {
  if (x.dtype !== "float32") throw new Error(`64-bit integers: ${x.dtype} cannot be converted to them`);
  const size = abs(x);
  const high = scalar("trunc", mul(size, 2 ** -32));
  const rest = sub(size, mul(high, 2 ** 32));
  const whole: Pair = { low: cast(rest, "uint32"), high: cast(high, "uint32") };
  const limit = unsigned ? 2 ** 64 : 2 ** 63;
  const inside = choose(ge(size, limit), pairOf(unsigned ? 2n ** 64n - 1n : 2n ** 63n - 1n), whole);
  const most = choose(ne(x, x), zero(), inside);
  if (unsigned) return choose(lt(x, 0), zero(), most);
  const least = choose(ge(size, limit), pairOf(2n ** 63n), minus(zero(), whole));
  return choose(lt(x, 0), least, most);
}
