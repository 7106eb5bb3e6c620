// Attention whose scores and probabilities go through graphs of the model's own.

import { isFloat } from "../../scalar/dtype.js";
import type { Tensor } from "../../tensor/tensor.js";
import type { Call, ControlOperator, Request, Result } from "../operator.js";
import { heldAs } from "../types.js";
import { TensorValue, type Value } from "../value.js";
import { shared } from "./attention.js";

type Steps<T> = Generator<Request, T, readonly Value[]>;

/** What the graph that an attribute holds makes of a tensor; without one, the tensor. */
function* modified(call: Call, name: string, x: Tensor): Steps<Tensor> {
  if (!call.node.graphs.has(name)) return x;
  const [result] = yield { kind: "graph", graph: call.graph(name), inputs: [TensorValue.of(x)] };
  if (result?.kind !== "tensor" || String(result.shape) !== String(x.shape))
    return call.fail(`its graph ${name} must give one tensor [${x.shape}]`);
  return result.tensor;
}

function* flexibleAttention(call: Call): Steps<readonly Result[]> {
  const [q, k, v] = [0, 1, 2].map((i) => call.tensor(i));
  const heads = q.sizeAt(1);
  const precision = call.typeAttribute("softmax_precision");
  const wide =
    precision !== undefined ? heldAs(precision) : q.dtype === "float64" ? "float64" : ("float32" as const);
  if (!isFloat(wide)) call.fail(`a softmax is of floats, not of ${wide}`);
  const scale = Math.sqrt(call.float("scale") ?? 1 / Math.sqrt(q.sizeAt(-1)));
  const scores = q.mul(scale).matmul(shared(k, heads).mul(scale).transpose(2, 3)).cast(wide);
  const weights = (yield* modified(call, "score_mod", scores)).softmax(-1);
  const probabilities = yield* modified(call, "prob_mod", weights);
  return [probabilities.matmul(shared(v, heads).cast(wide)).cast(q.dtype)];
}

export const flexible: Readonly<Record<string, ControlOperator>> = { FlexAttention: flexibleAttention };
