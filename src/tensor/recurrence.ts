// Recurrences over a sequence: one step again and again, each from its part of the inputs and the state before. All steps
// are one kernel to the compiler, see iterate.ts; and so are those of the gradient, which goes back through the states.

import { contiguous, identity, type Node } from "../graph/node.js";
import { isFloat } from "../scalar/dtype.js";
import { gradientsOf } from "./gradient.js";
import { iterate, tensorOf, withGradient, zerosLike } from "./iterate.js";
import type { Tensor } from "./tensor.js";

/** The next state, part by part, from a step's inputs and the state before. */
export type RecurrentStep = (inputs: readonly Tensor[], state: readonly Tensor[]) => readonly Tensor[];

/**
 * The states after each step, [steps, batch, width] for each part of the state, [batch, width]. Inputs are
 * [steps, batch, ..], at least one step, and best contiguous: each step reads them. Gradients go to the inputs and the
 * first state, not to what else the step uses.
 */
export function recurrence(
  inputs: readonly Tensor[],
  initial: readonly Tensor[],
  step: RecurrentStep,
): Tensor[] {
  const count = inputs[0].sizeAt(0);
  const widths = initial.map((x) => x.sizeAt(-1));
  const parts = (x: Tensor): Tensor[] => x.split(widths, -1);
  const history: Tensor[][] = [];
  const held = inputs.map((x) => x.detach());
  const last = iterate(
    count,
    initial.map((x) => x.detach()),
    (number, ...state) => {
      history.push(state);
      return step(held.map((x) => pick(x, number)), state); // biome-ignore format: one step
    },
  );
  const after = [...history.slice(1), last];
  const value = stacked(after.map(([first, ...others]) => first.cat(-1, ...others)));
  const floats = inputs.filter((x) => isFloat(x.dtype));
  const result = withGradient(value, [...floats, ...initial], (g, states, ...sources) => {
    // What a step had before it, all steps side by side.
    const [given, start] = [sources.slice(0, floats.length), sources.slice(floats.length)];
    const before = parts(states).map((x, i) =>
      start[i]
        .unsqueeze(0)
        .cat(0, x.narrow(0, 0, count - 1))
        .contiguous(),
    );
    const every = inputs.map((x) => (isFloat(x.dtype) ? given.shift()! : x));
    const wanted = parts(g).map((x) => x.contiguous());
    const found: Tensor[][] = [];
    const zeros = [...start, ...floats.map((x) => x.select(0, 0))].map((x) => zerosLike(x, x.shape));
    const back = iterate(count, zeros, (number, ...carried) => {
      found.push(carried.slice(start.length));
      const place = number.rsub(count - 1);
      const gradients = wanted.map((x, i) => pick(x, place).add(carried[i]));
      return stepGradients(step, every.map((x) => pick(x, place)), before.map((x) => pick(x, place)), gradients); // biome-ignore format: one step
    });
    const ordered = [...found.slice(1), back.slice(start.length)].reverse();
    const ofInputs = floats.map((_, i) => stacked(ordered.map((each) => each[i])));
    return [...ofInputs, ...back.slice(0, start.length)];
  });
  return parts(result);
}

/** What the state before and the floats among the inputs get of the gradients of the state after. */
function stepGradients(
  step: RecurrentStep,
  inputs: readonly Tensor[],
  state: readonly Tensor[],
  gradients: readonly Tensor[],
): Tensor[] {
  const leaves = [...state, ...inputs.filter((x) => isFloat(x.dtype))].map((x) => {
    const node = identity(x.node);
    node.differentiable = true;
    return { node, tensor: tensorOf(x, node) };
  });
  const given = leaves.slice(state.length).map(({ tensor }) => tensor);
  const next = step(
    inputs.map((x) => (isFloat(x.dtype) ? given.shift()! : x)),
    leaves.slice(0, state.length).map(({ tensor }) => tensor),
  );
  const nodes = new Set<Node>(leaves.map(({ node }) => node));
  const found = gradientsOf(
    next.map((x, i) => [x.node, gradients[i].node]),
    (node) => nodes.has(node),
  );
  return leaves.map(({ node, tensor }) => {
    const own = found.get(node);
    return own === undefined ? zerosLike(tensor, tensor.shape) : tensorOf(tensor, own);
  });
}

/** The part of a step, whose number is a tensor of one element. */
const pick = (x: Tensor, number: Tensor): Tensor =>
  x.gather(0, number.reshape(x.shape.map(() => 1)).expand([1, ...x.shape.slice(1)])).squeeze(0);

/** How many tensors a kernel joins: few enough for every device, and the same kernel for every such group. */
const GROUP = 8;

/** Tensors of one shape side by side along a new first axis. */
function stacked(list: readonly Tensor[]): Tensor {
  let level = list.map((x) => x.unsqueeze(0));
  while (level.length > 1) {
    const groups: Tensor[] = [];
    for (let i = 0; i < level.length; i += GROUP) {
      const [first, ...others] = level.slice(i, i + GROUP);
      const joined = first.cat(0, ...others);
      groups.push(tensorOf(joined, contiguous(joined.node)));
    }
    level = groups;
  }
  return level[0];
}
