// Recurrent networks: RNN, GRU and LSTM, in both directions, over sequences of different lengths. What a step needs of the
// inputs is one product for all steps; the steps themselves are Tensor's recurrence.

import { recurrence } from "../../tensor/recurrence.js";
import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators, Result } from "../operator.js";

export type Activation = (x: Tensor) => Tensor;

/** Activations by name, of their two numbers. */
export const ACTIVATIONS: Readonly<Record<string, (alpha?: number, beta?: number) => Activation>> = {
  Relu: () => (x) => x.relu(),
  Tanh: () => (x) => x.tanh(),
  Sigmoid: () => (x) => x.sigmoid(),
  Affine:
    (alpha = 1, beta = 0) =>
    (x) =>
      x.mul(alpha).add(beta),
  LeakyRelu:
    (alpha = 0.01) =>
    (x) =>
      x.gt(0).where(x, x.mul(alpha)),
  ThresholdedRelu:
    (alpha = 1) =>
    (x) =>
      x.gt(alpha).where(x, 0),
  ScaledTanh:
    (alpha = 1, beta = 1) =>
    (x) =>
      x.mul(beta).tanh().mul(alpha),
  HardSigmoid:
    (alpha = 0.2, beta = 0.5) =>
    (x) =>
      x.mul(alpha).add(beta).clamp(0, 1),
  Elu:
    (alpha = 1) =>
    (x) =>
      x.gt(0).where(x, x.exp().sub(1).mul(alpha)),
  Softsign: () => (x) => x.div(x.abs().add(1)),
  Softplus: () => (x) => x.softplus(),
};

/** One direction's part of the inputs. */
interface Cell {
  /** [steps, batch, inputs] */
  readonly x: Tensor;
  /** [gates * hidden, inputs] */
  readonly weight: Tensor;
  /** [gates * hidden, hidden] */
  readonly recurrent: Tensor;
  /** [gates * hidden] each: that of the inputs and that of the state. */
  readonly biases: readonly [Tensor, Tensor] | undefined;
  readonly hidden: number;
  readonly clip: (x: Tensor) => Tensor;
  readonly activations: readonly Activation[];
  readonly initial: (input: number) => Tensor;
  /** [steps, batch, 1], true while a sequence lasts. */
  readonly lasts: Tensor | undefined;
}

/** The states after each step, [steps, batch, hidden] each, the first of which is what the cell gives. */
type RunCell = (call: Call, cell: Cell, direction: number) => Tensor[];

/** States as long as a sequence lasts; after that they stay. */
function runSteps(
  cell: Cell,
  inputs: readonly Tensor[],
  initial: readonly Tensor[],
  step: (inputs: readonly Tensor[], state: readonly Tensor[]) => readonly Tensor[],
): Tensor[] {
  const given = inputs.map((x) => x.contiguous());
  const start = initial.map((x) => x.contiguous());
  const { lasts } = cell;
  if (lasts === undefined) return recurrence(given, start, step);
  return recurrence([...given, lasts.contiguous()], start, (all, state) => {
    const next = step(all.slice(0, -1), state);
    return next.map((x, i) => all[all.length - 1].where(x, state[i]));
  });
}

const times = (x: Tensor, weight: Tensor): Tensor => x.matmul(weight.transpose(0, 1));
const gates = (x: Tensor, count: number): Tensor[] => x.chunk(count, -1);

function runRnn(_: Call, cell: Cell): Tensor[] {
  const { x, weight, recurrent, biases, clip, activations } = cell;
  const [f] = activations;
  const inputs = plus(times(x, weight), biases?.[0].add(biases[1]));
  return runSteps(cell, [inputs], [cell.initial(5)], ([now], [h]) => [f(clip(now.add(times(h, recurrent))))]);
}

const plus = (x: Tensor, bias: Tensor | undefined): Tensor => (bias === undefined ? x : x.add(bias));

function runGru(call: Call, cell: Cell): Tensor[] {
  const { x, weight, recurrent, biases, hidden, clip, activations } = cell;
  const [f, g] = activations;
  const resetLate = call.flag("linear_before_reset");
  const inputs = plus(times(x, weight), biases?.[0]);
  const ofState = biases?.[1];
  const [updateReset, candidate] = recurrent.split([2 * hidden, hidden]);
  const [biasUpdateReset, biasCandidate] = ofState?.split([2 * hidden, hidden]) ?? [];
  return runSteps(cell, [inputs], [cell.initial(5)], ([now], [h]) => {
    const [nowUpdateReset, nowCandidate] = now.split([2 * hidden, hidden], -1);
    const [update, reset] = gates(
      f(clip(nowUpdateReset.add(plus(times(h, updateReset), biasUpdateReset)))),
      2,
    );
    const remembered = resetLate
      ? reset.mul(plus(times(h, candidate), biasCandidate))
      : plus(times(reset.mul(h), candidate), biasCandidate);
    const next = g(clip(nowCandidate.add(remembered)));
    return [next.add(update.mul(h.sub(next)))];
  });
}

function runLstm(call: Call, cell: Cell, direction: number): Tensor[] {
  const { x, weight, recurrent, biases, hidden, clip, activations } = cell;
  const [f, g, h] = activations;
  const peepholes = call.optional(7)?.select(0, direction).split(hidden);
  const coupled = call.flag("input_forget");
  const inputs = plus(times(x, weight), biases?.[0].add(biases[1]));
  const seen = (gate: Tensor, c: Tensor, i: number): Tensor =>
    peepholes === undefined ? gate : gate.add(c.mul(peepholes[i]));
  return runSteps(cell, [inputs], [cell.initial(5), cell.initial(6)], ([now], [before, c]) => {
    const [inGate, outGate, forgetGate, candidate] = gates(now.add(times(before, recurrent)), 4);
    const i = f(clip(seen(inGate, c, 0)));
    const keep = coupled ? i.rsub(1) : f(clip(seen(forgetGate, c, 2)));
    const next = keep.mul(c).add(i.mul(g(clip(candidate))));
    const o = f(clip(seen(outGate, next, 1)));
    return [o.mul(h(next)), next];
  });
}

/** The sequences the other way round, each within its length. */
function reversed(x: Tensor, lengths: Tensor | undefined): Tensor {
  if (lengths === undefined) return x.flip(0);
  const places = Tensor.arange(x.sizeAt(0), undefined, 1, { dtype: "int32" }).reshape([-1, 1]);
  const all = lengths.reshape([1, -1]);
  const index = places.lt(all).where(all.sub(1).sub(places), places);
  return x.gather(0, index.unsqueeze(-1).expand(x.shape));
}

/** Activations of a direction, which take the numbers listed for them in order. */
function activationsOf(call: Call, defaults: readonly string[], directions: number): Activation[] {
  const names = call.texts("activations") ?? Array.from({ length: directions }, () => defaults).flat();
  const [alphas, betas] = [call.floats("activation_alpha") ?? [], call.floats("activation_beta") ?? []];
  const takes = (name: string): readonly [boolean, boolean] => [
    ["Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu"].includes(name),
    ["Affine", "ScaledTanh", "HardSigmoid"].includes(name),
  ];
  return names.map((name) => {
    const known = Object.keys(ACTIVATIONS).find((each) => each.toLowerCase() === name.toLowerCase());
    const make = known === undefined ? call.fail(`there is no activation "${name}"`) : ACTIVATIONS[known];
    const [alpha, beta] = takes(known!);
    return make(alpha ? alphas.shift() : undefined, beta ? betas.shift() : undefined);
  });
}

const recurrentOperator =
  (defaults: readonly string[], run: RunCell) =>
  (call: Call): Result[] => {
    const batchFirst = call.flag("layout");
    const x = batchFirst ? call.tensor(0).transpose(0, 1) : call.tensor(0);
    const [weights, recurrents] = [call.tensor(1), call.tensor(2)];
    const direction = call.text("direction", "forward");
    const directions = weights.sizeAt(0);
    const [steps, batch] = x.sizes;
    const hidden = recurrents.sizeAt(-1);
    const limit = call.float("clip");
    const activations = activationsOf(call, defaults, directions);
    const lengths = call.optional(4)?.cast("int32");
    const lasts =
      lengths === undefined
        ? undefined
        : Tensor.arange(steps, undefined, 1, { dtype: "int32" })
            .reshape([steps, 1, 1])
            .lt(lengths.reshape([1, batch, 1]));
    const results = Array.from({ length: directions }, (_, d) => {
      const backwards = direction === "reverse" || d === 1;
      const initial = (input: number): Tensor => {
        const given = call.optional(input);
        if (given === undefined) return Tensor.zeros([batch, hidden], { dtype: x.dtype });
        return given.select(batchFirst ? 1 : 0, d);
      };
      const bias = call.optional(3)?.select(0, d).chunk(2);
      const cell: Cell = {
        x: backwards ? reversed(x, lengths) : x,
        weight: weights.select(0, d),
        recurrent: recurrents.select(0, d),
        biases: bias && [bias[0], bias[1]],
        hidden,
        clip: (y) => (limit === undefined ? y : y.clamp(-limit, limit)),
        activations: activations.slice(d * defaults.length, (d + 1) * defaults.length),
        initial,
        lasts,
      };
      const states = run(call, cell, d);
      const whole = lasts === undefined ? states[0] : lasts.where(states[0], 0);
      return {
        all: backwards ? reversed(whole, lengths) : whole,
        last: states.map((state) => state.select(0, steps - 1)),
      };
    });
    const all = Tensor.stack(
      results.map((result) => result.all),
      1,
    );
    const last = results[0].last.map((_, i) =>
      Tensor.stack(
        results.map((result) => result.last[i]),
        batchFirst ? 1 : 0,
      ),
    );
    return [batchFirst ? all.permute([2, 0, 1, 3]) : all, ...last];
  };

export const recurrent: Operators = {
  RNN: recurrentOperator(["Tanh"], runRnn),
  GRU: recurrentOperator(["Sigmoid", "Tanh"], runGru),
  LSTM: recurrentOperator(["Sigmoid", "Tanh", "Tanh"], runLstm),
};
