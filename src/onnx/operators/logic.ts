// Comparisons, logic, bits, and the choice between two values.

import { Tensor } from "../../tensor/tensor.js";
import { moveTogether } from "../moving.js";
import type { Call, Operators, Result } from "../operator.js";
import { StringsValue } from "../value.js";
import { binary, operands } from "./arithmetic.js";
import { unary } from "./functions.js";

/** Strings are equal where their numbers in a list of all of them are. */
function equal(call: Call): Result {
  if (!(call.value(0) instanceof StringsValue)) {
    const [x, y] = operands(call);
    return x.eq(y);
  }
  const numbers = new Map<string, number>();
  const [a, b] = [call.strings(0), call.strings(1)].map(({ strings, shape }) =>
    Tensor.from(
      Int32Array.from(strings, (text) => {
        if (!numbers.has(text)) numbers.set(text, numbers.size);
        return numbers.get(text)!;
      }),
      { shape },
    ),
  );
  return a.eq(b);
}

/** The one or the other by a condition, which must be known where strings are chosen. */
function choose(call: Call): Result {
  const values = [call.value(1), call.value(2)];
  if (values[0] instanceof StringsValue) call.known(0);
  const condition = values[0] instanceof StringsValue ? call.typed(0).onHost().tensor : call.tensor(0);
  return moveTogether(values, ([x, y]) => condition.where(x, y));
}

function shift(a: Tensor, amount: Tensor, call: Call): Tensor {
  const direction = call.text("direction");
  if (direction === "LEFT") return a.shl(amount);
  if (direction === "RIGHT") return a.shr(amount);
  return call.fail(`its direction must be LEFT or RIGHT, not ${direction}`);
}

export const logic: Operators = {
  Equal: equal,
  Less: binary((a, b) => a.lt(b)),
  LessOrEqual: binary((a, b) => a.le(b)),
  Greater: binary((a, b) => a.gt(b)),
  GreaterOrEqual: binary((a, b) => a.ge(b)),

  And: binary((a, b) => a.logicalAnd(b)),
  Or: binary((a, b) => a.logicalOr(b)),
  Xor: binary((a, b) => a.logicalXor(b)),
  Not: unary((x) => x.logicalNot()),

  BitwiseAnd: binary((a, b) => a.bitwiseAnd(b)),
  BitwiseOr: binary((a, b) => a.bitwiseOr(b)),
  BitwiseXor: binary((a, b) => a.bitwiseXor(b)),
  BitwiseNot: unary((x) => x.bitwiseNot()),
  BitShift: binary(shift),

  Where: choose,
};
