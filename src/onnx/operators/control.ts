// Operators that run graphs: If, Loop, Scan, SequenceMap.

import { Tensor } from "../../tensor/tensor.js";
import type { Slot } from "../graph.js";
import type { Call, ControlOperator, Request, Result } from "../operator.js";
import { elementType, heldAs } from "../types.js";
import { SequenceValue, TensorValue, type Value } from "../value.js";

type Steps = Generator<Request, readonly Result[], readonly Value[]>;

/** One of two graphs. */
function* runIf(call: Call): Steps {
  const condition = call.typed(0);
  yield { kind: "read", value: condition };
  const chosen = Number(condition.known![0]) !== 0 ? "then_branch" : "else_branch";
  return yield { kind: "graph", graph: call.graph(chosen), inputs: [] };
}

/**
 * A graph of (iteration, condition, carried values...) that gives (condition, carried values..., elements...), so often as
 * the first input says and as long as the condition holds. Elements of all iterations are stacked.
 */
function* runLoop(call: Call): Steps {
  const body = call.graph("body");
  let most = Number.POSITIVE_INFINITY;
  if (call.has(0)) {
    yield { kind: "read", value: call.typed(0) };
    most = call.number(0);
  }
  let condition = call.has(1) ? call.typed(1) : TensorValue.of(Tensor.full([], true), "bool", true);
  let carried: readonly Value[] = call.inputs.slice(2).map((_, i) => call.value(i + 2));
  const elements: Tensor[][] = body.outputs.slice(1 + carried.length).map(() => []);
  for (let i = 0; i < most; i++) {
    yield { kind: "read", value: condition };
    if (Number(condition.known![0]) === 0) break;
    const iteration = TensorValue.ofIntegers([i], { shape: [], constant: true });
    const given: readonly Value[] = yield {
      kind: "graph",
      graph: body,
      inputs: [iteration, condition, ...carried],
    };
    const [next] = given;
    if (next.kind !== "tensor")
      return call.fail("its body's first output must be a tensor, whether to go on");
    condition = next;
    carried = given.slice(1, 1 + carried.length);
    const rest = given.slice(1 + carried.length);
    for (const [k, list] of elements.entries()) list.push(tensorOf(call, rest[k]));
  }
  const kinds = body.outputs.slice(1 + carried.length);
  return [
    ...carried,
    ...elements.map((list, k) => (list.length > 0 ? Tensor.stack(list) : noneOf(kinds[k]))),
  ];
}

/** What no iteration gave: as many as none of what the body declares. */
function noneOf({ type }: Slot): TensorValue {
  const { tensor } = type ?? {};
  const kind = tensor === undefined || tensor.type === 0 ? "float32" : elementType(tensor.type);
  const sizes = tensor?.shape?.map((size) => (typeof size === "number" ? size : 0)) ?? [];
  return TensorValue.of(Tensor.zeros([0, ...sizes], { dtype: heldAs(kind) }), kind);
}

const tensorOf = (call: Call, value: Value): Tensor =>
  value.kind === "tensor"
    ? value.tensor
    : call.fail("what its body gives for each iteration must be tensors");

/**
 * A graph of (states..., a slice of each scanned input...) that gives (states..., elements...), for each slice along an axis.
 * In version 8 all inputs have a batch axis before, and the first of them may say how long each sequence is.
 */
function* runScan(call: Call): Steps {
  if (call.version >= 9) {
    const inputs = call.inputs.map((_, i) => call.value(i));
    return yield* scan(call, inputs, Number.POSITIVE_INFINITY);
  }
  const rest = call.inputs.slice(1).map((_, i) => call.typed(i + 1));
  let lengths: number[] | undefined;
  if (call.has(0)) {
    yield { kind: "read", value: call.typed(0) };
    lengths = call.integers(0);
  }
  const results: Tensor[][] = [];
  for (let b = 0; b < rest[0].shape[0]; b++) {
    const inputs = rest.map(({ tensor, type }) => TensorValue.of(tensor.select(0, b), type));
    const given = yield* scan(call, inputs, lengths?.[b] ?? Number.POSITIVE_INFINITY);
    results.push(given.map((value) => (value instanceof Tensor ? value : tensorOf(call, value as Value))));
  }
  return results[0].map((_, i) => Tensor.stack(results.map((each) => each[i])));
}

function* scan(
  call: Call,
  inputs: readonly Value[],
  most: number,
): Generator<Request, readonly Result[], readonly Value[]> {
  const body = call.graph("body");
  const scanned = call.int("num_scan_inputs") ?? call.fail("it needs the attribute num_scan_inputs");
  const stateCount = inputs.length - scanned;
  const outputs = body.outputs.length - stateCount;
  const list = (name: string, length: number): number[] => call.ints(name) ?? Array<number>(length).fill(0);
  const axes = list("scan_input_axes", scanned);
  const backwards = list(call.version >= 9 ? "scan_input_directions" : "directions", scanned);
  const outputAxes = list("scan_output_axes", outputs);
  const outputBackwards = list("scan_output_directions", outputs);
  const slices = inputs.slice(stateCount).map((value, i) => {
    const tensor = tensorOf(call, value);
    const axis = call.axis(axes[i], tensor.ndim);
    return backwards[i] === 0 ? tensor.unbind(axis) : tensor.unbind(axis).reverse();
  });
  let states: readonly Value[] = inputs.slice(0, stateCount);
  const elements: Tensor[][] = Array.from({ length: outputs }, () => []);
  const steps = Math.min(most, slices[0].length);
  for (let i = 0; i < steps; i++) {
    const given: readonly Value[] = yield {
      kind: "graph",
      graph: body,
      inputs: [...states, ...slices.map((each) => TensorValue.of(each[i]))],
    };
    states = given.slice(0, stateCount);
    const rest = given.slice(stateCount);
    for (const [k, each] of elements.entries()) each.push(tensorOf(call, rest[k]));
  }
  const kinds = body.outputs.slice(stateCount);
  const stacked = elements.map((each, k) => {
    if (each.length === 0) return noneOf(kinds[k]);
    const ordered = outputBackwards[k] === 0 ? each : [...each].reverse();
    const axis = outputAxes[k] < 0 ? outputAxes[k] + each[0].ndim + 1 : outputAxes[k];
    return Tensor.stack(ordered, axis);
  });
  return [...states, ...stacked];
}

/** A graph on each item of sequences, and of tensors that are the same for all. */
function* runSequenceMap(call: Call): Steps {
  const body = call.graph("body");
  const { items } = call.sequence(0);
  const results: (readonly Value[])[] = [];
  for (let i = 0; i < items.length; i++) {
    const inputs = call.inputs.map((_, k) => {
      const value = call.value(k);
      return value.kind === "sequence" ? value.items[i] : value;
    });
    results.push(yield { kind: "graph", graph: body, inputs });
  }
  return body.outputs.map((_, k) => new SequenceValue(results.map((each) => each[k])));
}

export const control: Readonly<Record<string, ControlOperator>> = {
  If: runIf,
  Loop: runLoop,
  Scan: runScan,
  SequenceMap: runSequenceMap,
};
