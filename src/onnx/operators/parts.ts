// Operators that cut tensors apart, join them, and change their borders.

import { Tensor } from "../../tensor/tensor.js";
import { moved, moveTogether, moveValue } from "../moving.js";
import type { Call, Operators } from "../operator.js";
import type { Value } from "../value.js";

const concat = (call: Call): Value => {
  const values = call.inputs.map((_, i) => call.value(i));
  const axis = call.int("axis", call.version < 4 ? 1 : 0);
  return moveTogether(values, (tensors) => Tensor.concat(tensors, axis));
};

/** Parts of given sizes, or as many equal ones as there are outputs; with `num_outputs` the last may be smaller. */
function split(call: Call): Value[] {
  const value = call.value(0);
  if (value.kind !== "tensor" && value.kind !== "strings") return call.fail("only tensors are split");
  const axis = call.axis(call.int("axis", 0), value.shape.length);
  const given =
    call.version >= 13 || call.has(1) ? (call.has(1) ? call.integers(1) : undefined) : call.ints("split");
  const length = value.shape[axis];
  const count = call.int("num_outputs") ?? call.outputCount;
  const each = Math.ceil(length / count);
  const sizes =
    given ?? Array.from({ length: count }, (_, i) => Math.max(0, Math.min(each, length - i * each)));
  if (sizes.reduce((a, b) => a + b, 0) !== length)
    call.fail(`parts of [${sizes}] do not add up to the ${length} elements of axis ${axis}`);
  let start = 0;
  return sizes.map((size) => {
    const from = start;
    start += size;
    return moveValue(value, (x) => x.narrow(axis, from, size));
  });
}

/** Elements from `start` on, before `end`, `step` apart, as Python counts them. */
function sliceAxis(x: Tensor, axis: number, start: number, end: number, step: number): Tensor {
  const length = x.sizeAt(axis);
  const clamp = (place: number, low: number, high: number): number =>
    Math.min(high, Math.max(low, place < 0 ? place + length : place));
  if (step > 0) {
    const [from, to] = [clamp(start, 0, length), clamp(end, 0, length)];
    const count = Math.max(0, Math.ceil((to - from) / step));
    return count === 0 ? x.narrow(axis, 0, 0) : x.strided(axis, step, count, from);
  }
  const [from, to] = [clamp(start, -1, length - 1), clamp(end, -1, length - 1)];
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (count === 0) return x.narrow(axis, 0, 0);
  return x.flip(axis).strided(axis, -step, count, length - 1 - from);
}

function slice(call: Call, x: Tensor): Tensor {
  const inputs = call.version >= 10;
  const list = (i: number, name: string): number[] | undefined =>
    inputs ? (call.has(i) ? call.integers(i) : undefined) : call.ints(name);
  const starts = list(1, "starts") ?? call.fail("it needs starts");
  const ends = list(2, "ends") ?? call.fail("it needs ends");
  const axes = list(3, "axes") ?? starts.map((_, i) => i);
  const steps = (inputs && list(4, "")) || starts.map(() => 1);
  return axes.reduce((result, axis, i) => {
    if (steps[i] === 0) call.fail("a step of 0 never ends");
    return sliceAxis(result, call.axis(axis, x.ndim), starts[i], ends[i], steps[i]);
  }, x);
}

const MODES = { constant: "constant", reflect: "reflect", edge: "replicate", wrap: "circular" } as const;

function pad(call: Call, x: Tensor): Tensor {
  const inputs = call.version >= 11;
  const amounts =
    (inputs ? call.integers(1) : (call.ints("pads") ?? call.ints("paddings"))) ?? call.fail("it needs pads");
  const axes = (call.has(3) ? call.integers(3) : x.shape.map((_, axis) => axis)).map((a) =>
    call.axis(a, x.ndim),
  );
  if (amounts.length !== 2 * axes.length)
    call.fail(`pads has ${amounts.length} amounts for ${axes.length} axes, which take two each`);
  const mode = call.text("mode", "constant");
  if (!Object.hasOwn(MODES, mode)) call.fail(`there is no mode "${mode}"`);
  const pairs = x.shape.map((_, axis): [number, number] => {
    const i = axes.indexOf(axis);
    return i < 0 ? [0, 0] : [amounts[i], amounts[i + axes.length]];
  });
  if (mode !== "constant") return x.pad(pairs, { mode: MODES[mode as keyof typeof MODES] });
  if (!inputs) return x.pad(pairs, { value: call.float("value", 0) });
  if (!call.has(2)) return x.pad(pairs);
  const value = call.typed(2);
  if (value.known !== undefined) return x.pad(pairs, { value: toElement(value.known[0], x.dtype) });
  // A value that only a run gives is put where there is nothing of the tensor.
  const inside = Tensor.full(x.shape, true).pad(pairs);
  return inside.where(x.pad(pairs), value.tensor.cast(x.dtype));
}

const toElement = (value: number | bigint, dtype: string): number | bigint | boolean =>
  dtype === "bool" ? Number(value) !== 0 : value;

/** The middle of each axis, cut to a size or filled up to it with zeros. */
function centerCropPad(call: Call, x: Tensor): Tensor {
  const axes = (call.ints("axes") ?? x.shape.map((_, axis) => axis)).map((axis) => call.axis(axis, x.ndim));
  const wanted = call.integers(1);
  const pairs = x.sizes.map((size, axis): [number, number] => {
    const i = axes.indexOf(axis);
    const more = i < 0 ? 0 : wanted[i] - size;
    // Of an odd amount more is filled behind, and more cut off behind.
    const before = more < 0 ? -Math.floor(-more / 2) : Math.floor(more / 2);
    return [before, more - before];
  });
  return x.pad(pairs);
}

/** The first so many elements of each row in reverse; the rest stays. */
function reverseSequence(call: Call, x: Tensor): Tensor {
  const [time, batch] = [call.int("time_axis", 0), call.int("batch_axis", 1)];
  const along = (axis: number): number[] => x.shape.map((_, i) => (i === axis ? -1 : 1));
  const places = Tensor.arange(x.sizeAt(time), undefined, 1, { dtype: "int32" }).reshape(along(time));
  const lengths = call.tensor(1).cast("int32").reshape(along(batch));
  const index = places.lt(lengths).where(lengths.sub(1).sub(places), places);
  return x.gather(time, index.expand(x.shape));
}

/** Above or below a diagonal, all else zero. */
function trilu(call: Call, x: Tensor): Tensor {
  const offset = call.has(1) ? call.number(1) : 0;
  return call.flag("upper", true) ? x.triu(offset) : x.tril(offset);
}

export const parts: Operators = {
  Concat: concat,
  Split: split,
  Slice: moved(slice),
  Pad: moved(pad),
  CenterCropPad: moved(centerCropPad),
  ReverseSequence: moved(reverseSequence),
  Trilu: moved(trilu),
};
