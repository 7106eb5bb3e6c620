// Operators on sequences of values and on optional values.

import { Tensor } from "../../tensor/tensor.js";
import { moveTogether, moveValue } from "../moving.js";
import type { Call, Operators } from "../operator.js";
import { AbsentValue, SequenceValue, TensorValue, type Value } from "../value.js";

/** A place in a sequence of `length` items, negative ones counted from its end; `behind` all of them is one, too, if so asked. */
function placeIn(call: Call, input: number, length: number, behind = false): number {
  const given = call.number(input);
  const place = given < 0 ? given + length : given;
  if (place < 0 || place >= length + (behind ? 1 : 0))
    call.fail(`there is no place ${given} in a sequence of ${length}`);
  return place;
}

function insert(call: Call): Value {
  const { items } = call.sequence(0);
  const place = call.has(2) ? placeIn(call, 2, items.length, true) : items.length;
  return new SequenceValue([...items.slice(0, place), call.value(1), ...items.slice(place)]);
}

function erase(call: Call): Value {
  const { items } = call.sequence(0);
  const place = call.has(1) ? placeIn(call, 1, items.length) : items.length - 1;
  return new SequenceValue(items.filter((_, i) => i !== place));
}

/** Parts of an axis: of one size, of given sizes, or of one element each, whose axis may go. */
function splitToSequence(call: Call): Value {
  const value = call.value(0);
  if (value.kind !== "tensor" && value.kind !== "strings") return call.fail("only tensors are split");
  const axis = call.axis(call.int("axis", 0), value.shape.length);
  const length = value.shape[axis];
  const given = call.has(1) ? call.integers(1) : [1];
  const single = call.has(1) ? call.typed(1).shape.length === 0 : true;
  const sizes = single
    ? Array.from({ length: Math.ceil(length / given[0]) }, (_, i) =>
        Math.min(given[0], length - i * given[0]),
      )
    : given;
  const keep = call.has(1) || call.flag("keepdims", true);
  let start = 0;
  return new SequenceValue(
    sizes.map((size) => {
      const from = start;
      start += size;
      return moveValue(value, (x) => (keep ? x.narrow(axis, from, size) : x.select(axis, from)));
    }),
  );
}

const concatFromSequence = (call: Call): Value => {
  const axis = call.int("axis") ?? call.fail("it needs the attribute axis");
  return moveTogether(call.sequence(0).items, (tensors) =>
    call.flag("new_axis") ? Tensor.stack(tensors, axis) : Tensor.concat(tensors, axis),
  );
};

export const sequences: Operators = {
  SequenceConstruct: (call) => new SequenceValue(call.inputs.map((_, i) => call.value(i))),
  SequenceEmpty: () => new SequenceValue([]),
  SequenceInsert: insert,
  SequenceErase: erase,
  SequenceAt: (call) => call.sequence(0).items[placeIn(call, 1, call.sequence(0).items.length)],
  SequenceLength: (call) => {
    const { items } = call.sequence(0);
    return TensorValue.ofIntegers([items.length], { shape: [], constant: true });
  },
  SplitToSequence: splitToSequence,
  ConcatFromSequence: concatFromSequence,
  Optional: (call) => (call.has(0) ? call.value(0) : new AbsentValue()),
  OptionalHasElement: (call) => {
    const there = call.has(0) && call.value(0).kind !== "absent";
    return TensorValue.of(Tensor.full([], there), "bool", true);
  },
  OptionalGetElement: (call) => {
    const value = call.value(0);
    return value.kind === "absent" ? call.fail("the optional value is absent") : value;
  },
};
