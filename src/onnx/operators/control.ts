// Operators that run graphs: If, Loop, Scan.

import { Tensor } from "../../tensor/tensor.js";
import type { Slot } from "../graph.js";
import type { Call, ControlOperator, Request, Result } from "../operator.js";
import { elementType, heldAs } from "../types.js";
import { TensorValue, type Value } from "../value.js";

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

export const control: Readonly<Record<string, ControlOperator>> = { If: runIf, Loop: runLoop };
