// Training: gradients of a part of the graph, and steps: of weights, their gradients and what an optimiser remembers of them, the next ones.

import { gradientsFor } from "../../tensor/functional.js";
import type { Tensor } from "../../tensor/tensor.js";
import {
  type AnyOperator,
  type Call,
  type Operator,
  type Operators,
  PART,
  type Request,
  type Result,
} from "../operator.js";
import { TensorValue, type Value } from "../value.js";

/** One weight's next values, of its values now: the weight, its gradient with the penalty of its size, and its memories. */
type Step = (weight: Tensor, gradient: Tensor, memories: readonly Tensor[]) => readonly Tensor[];

/** The rate and the count of steps come first; then all weights, all gradients, all memories of a kind; so do results. */
const optimiser =
  (memories: number, stepOf: (call: Call, rate: Tensor, count: Tensor) => Step): Operator =>
  (call) => {
    const [rate, count, ...rest] = call.tensors();
    const kinds = memories + 2;
    if (rest.length % kinds !== 0) call.fail(`${rest.length} tensors are not ${kinds} for each weight`);
    const weights = rest.length / kinds;
    const step = stepOf(call, rate.reshape([]), count.reshape([]));
    const penalty = call.float("norm_coefficient", 0);
    const next = Array.from({ length: weights }, (_, i) => {
      const [weight, gradient, ...own] = Array.from({ length: kinds }, (_, k) => rest[k * weights + i]);
      return step(weight, gradient.add(weight.mul(penalty)), own);
    });
    return Array.from({ length: memories + 1 }, (_, k) => next.map((results) => results[k])).flat();
  };

/** Duchi and others, 2011. */
const adagrad = optimiser(1, (call, rate, count) => {
  const slower = count.cast(rate.dtype).mul(call.float("decay_factor", 0)).add(1);
  const epsilon = call.float("epsilon", 1e-6);
  return (weight, gradient, [squares]) => {
    const next = squares.add(gradient.square());
    return [weight.sub(gradient.mul(rate.div(slower)).div(next.sqrt().add(epsilon))), next];
  };
});

/** Kingma and Ba, 2015. */
const adam = optimiser(2, (call, rate, count) => {
  const [alpha, beta] = [call.float("alpha", 0.9), call.float("beta", 0.999)];
  const steps = count.cast(rate.dtype);
  const left = (decay: number): Tensor => steps.rpow(decay).rsub(1);
  const adjusted = count.gt(0).where(rate.mul(left(beta).sqrt()).div(left(alpha)), rate);
  const epsilon = call.float("epsilon", 1e-6);
  const kept = 1 - call.float("norm_coefficient_post", 0);
  return (weight, gradient, [mean, square]) => {
    const nextMean = mean.mul(alpha).add(gradient.mul(1 - alpha));
    const nextSquare = square.mul(beta).add(gradient.square().mul(1 - beta));
    const next = weight.sub(adjusted.mul(nextMean).div(nextSquare.sqrt().add(epsilon)));
    return [next.mul(kept), nextMean, nextSquare];
  };
});

/** Gradients gather speed; Nesterov's way looks one step ahead. */
const momentum = optimiser(1, (call, rate, count) => {
  const needed = (name: string): number => call.float(name) ?? call.fail(`it needs the attribute ${name}`);
  const alpha = needed("alpha");
  const mode = call.text("mode", "standard");
  if (mode !== "standard" && mode !== "nesterov") call.fail(`there is no mode "${mode}"`);
  const share = count.gt(0).where(needed("beta"), 1).cast(rate.dtype);
  return (weight, gradient, [speed]) => {
    const next = speed.mul(alpha).add(gradient.mul(share));
    const way = mode === "nesterov" ? gradient.add(next.mul(alpha)) : next;
    return [weight.sub(way.mul(rate)), next];
  };
});

export const optimisers: Operators = { Adagrad: adagrad, Adam: adam, Momentum: momentum };

/** Of the tensor y, with respect to those that xs names; the inputs are their values and those of the tensors zs. */
function* gradient(call: Call): Generator<Request, readonly Result[], readonly Value[]> {
  const sources = (call.texts("xs") ?? []).map((_, i) => call.tensor(i).clone().requiresGrad_());
  const inputs = call.inputs.map((_, i) => (i < sources.length ? TensorValue.of(sources[i]) : call.value(i)));
  const [y] = yield { kind: "graph", graph: call.graph(PART), inputs };
  if (y?.kind !== "tensor" || !y.tensor.node.differentiable)
    return call.fail("y must be a tensor of floats that is computed from xs without reading elements");
  return gradientsFor(y.tensor, sources, y.tensor.onesLike());
}

export const gradients: Readonly<Record<string, AnyOperator>> = {
  Gradient: { control: gradient, part: { from: ["xs", "zs"], to: "y" } },
};
