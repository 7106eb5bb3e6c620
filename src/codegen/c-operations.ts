// How operations and casts look in C, given the text of their operands.

import type { Expr, ScalarExpr } from "../kernel/ir.js";
import { type DType, isFloat } from "../scalar/dtype.js";
import type { Helpers } from "./c-helpers.js";

/** Text of an expression; `simple` if it binds tighter than any operator. */
export interface Code {
  readonly text: string;
  readonly simple: boolean;
}
export const simple = (text: string): Code => ({ text, simple: true });
export const compound = (text: string): Code => ({ text, simple: false });

/** An operand: parenthesised unless simple. */
export const operand = (code: Code): string => (code.simple ? code.text : `(${code.text})`);

const OPERATORS: Record<string, string> = {
  add: "+",
  sub: "-",
  mul: "*",
  div: "/",
  quot: "/",
  rem: "%",
  shl: "<<",
  shr: ">>",
  and: "&",
  or: "|",
  xor: "^",
  lt: "<",
  le: "<=",
  eq: "==",
  ne: "!=",
};
/** bool has other operators; each is right for 0 and 1 as for masks of 0 and -1. */
const BOOL_OPERATORS: Record<string, string> = {
  and: "&",
  or: "|",
  xor: "^",
  add: "|",
  mul: "&",
  max: "|",
  min: "&",
  ne: "^",
};

export function splatCode(helpers: Helpers, text: string, dtype: DType, lanes: number): Code {
  return simple(`${helpers.splat(dtype, lanes)}(${text})`);
}

export function castCode(helpers: Helpers, value: Code, from: DType, to: DType, lanes: number): Code {
  const type = helpers.type(to, lanes);
  if (from === "float16" || to === "float16") return simple(`${helpers.half(to, lanes)}(${value.text})`);
  if (lanes === 1) {
    if (to === "bool") return compound(`${operand(value)} != 0`);
    if (isFloat(from) && !isFloat(to)) {
      return simple(`${helpers.toInteger(from, to, lanes)}(${value.text})`);
    }
    return compound(`(${type})${operand(value)}`);
  }
  if (to === "bool") return maskCode(helpers, `${operand(value)} != 0`, from, lanes);
  if (isFloat(from) && !isFloat(to)) {
    return simple(`${helpers.toInteger(from, to, lanes)}(${value.text})`);
  }
  const number = from === "bool" ? compound(`${operand(value)} & 1`) : value;
  if (from === "bool" && to === "int32") return number;
  return simple(`__builtin_convertvector(${number.text}, ${type})`);
}

/** A comparison of lanes as a mask of 32-bit lanes. */
function maskCode(helpers: Helpers, comparison: string, dtype: DType, lanes: number): Code {
  const mask = helpers.vector("i32", lanes);
  const wide = dtype === "int64" || dtype === "uint64" || dtype === "float64";
  return wide
    ? simple(`__builtin_convertvector(${comparison}, ${mask})`)
    : compound(`(${mask})(${comparison})`);
}

export function operationCode(helpers: Helpers, x: ScalarExpr, args: readonly Code[]): Code {
  const { op, lanes } = x;
  const dtype = x.args[x.args.length - 1].dtype;
  const [a, b, c] = args.map(operand);
  if (op === "where") {
    if (lanes === 1) return compound(`${a} ? ${b} : ${c}`);
    const texts = args.map((arg) => arg.text).join(", ");
    return simple(`${helpers.select(x.dtype, lanes)}(${texts})`);
  }
  if (dtype === "bool") return boolOperation(op, a, b, lanes);
  switch (op) {
    case "neg":
      return compound(`-${a}`);
    case "not":
      return compound(`~${a}`);
    case "fma":
      return compound(`${a} * ${b} + ${c}`);
    case "abs":
      return simple(`${helpers.absolute(dtype, lanes)}(${args[0].text})`);
    case "sqrt":
    case "floor":
    case "trunc":
    case "round":
      return simple(`${helpers.rounding(op, dtype, lanes)}(${args[0].text})`);
    case "max":
    case "min": {
      const swapped = isNumber(x.args[0]) && !isNumber(x.args[1]);
      const [first, second] = swapped ? [1, 0] : [0, 1];
      const f = helpers.extremum(op, dtype, lanes, isNumber(x.args[second]));
      return simple(`${f}(${args[first].text}, ${args[second].text})`);
    }
    case "lt":
    case "le":
    case "eq":
    case "ne": {
      const comparison = `${a} ${OPERATORS[op]} ${b}`;
      return lanes === 1 ? compound(comparison) : maskCode(helpers, comparison, dtype, lanes);
    }
    default: {
      const sign = OPERATORS[op];
      if (sign === undefined) refuse(`there is no ${op} of ${dtype}; lowering must replace it`);
      return compound(`${a} ${sign} ${b}`);
    }
  }
}

function boolOperation(op: string, a: string, b: string, lanes: number): Code {
  const not = lanes === 1 ? "!" : "~";
  if (op === "not") return compound(`${not}${a}`);
  if (op === "lt") return compound(`${not}${a} & ${b}`);
  if (op === "le") return compound(`${not}${a} | ${b}`);
  if (op === "eq") return compound(`${not}(${a} ^ ${b})`);
  const sign = BOOL_OPERATORS[op];
  if (sign === undefined) refuse(`there is no ${op} of bool; lowering must replace it`);
  return compound(`${a} ${sign} ${b}`);
}

function refuse(message: string): never {
  throw new Error(message);
}

/** A literal, in all lanes, that is not NaN. */
const isNumber = (x: Expr): boolean => x.op === "const" && !Number.isNaN(x.value);
