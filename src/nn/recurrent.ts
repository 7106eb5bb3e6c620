// Recurrent networks over whole sequences: layers, directions, projections, sequences of different lengths.

import { customGradient } from "../tensor/custom-gradient.js";
import { recurrence } from "../tensor/recurrence.js";
import { Tensor } from "../tensor/tensor.js";
import { elman, type Gates, gru, lstm, type Nonlinearity, type State } from "./gates.js";
import { UNNAMED } from "./module.js";
import { checkSizes, type LayerOptions, uniform } from "./weights.js";

export interface RecurrentOptions extends LayerOptions {
  /** Layers, each of which reads what the one before gave; default 1. */
  readonly layers?: number;
  /** Whether each layer reads from both ends; default false. */
  readonly bidirectional?: boolean;
  /** Probability with which what a layer gives to the next is dropped in training; default 0. */
  readonly dropout?: number;
  /** Whether sequences are [batch, length, width] (the default here) or, as PyTorch's default, [length, batch, width]. */
  readonly batchFirst?: boolean;
}

export interface SequenceOptions {
  /**
   * How many places of each sequence count, [batch]: as PyTorch's packed sequences. Outputs behind them are 0, states
   * are those at the last place that counts, and the way back starts there.
   */
  readonly lengths?: Tensor | readonly number[];
}

/** Weights of one layer and direction. */
interface Weights {
  readonly input: Tensor;
  readonly hidden: Tensor;
  readonly inputBias: Tensor | undefined;
  readonly hiddenBias: Tensor | undefined;
  readonly projection: Tensor | undefined;
}

/** The sequence [length, batch, outputs] and the last state. */
interface Run {
  readonly outputs: Tensor;
  readonly state: State;
}

abstract class Recurrent {
  training = true;
  /**
   * PyTorch's weights under its names: weightIhL0 [gates * hidden, inputs], weightHhL0 [gates * hidden, hidden], biasIhL0
   * and biasHhL0 [gates * hidden], of layer 1 weightIhL1 and so on; of the way back weightIhL0Reverse and so on.
   */
  readonly weights: Record<string, Tensor> = {};
  get [UNNAMED](): readonly string[] {
    return ["weights"];
  }
  private readonly layers: number;
  private readonly directions: readonly string[];
  private readonly dropout: number;
  private readonly batchFirst: boolean;
  /** Width of the outputs of one direction. */
  private readonly width: number;

  constructor(
    private readonly gates: Gates,
    readonly inputs: number,
    readonly hidden: number,
    { layers = 1, bidirectional = false, dropout = 0, batchFirst = true, bias = true }: RecurrentOptions,
    projection: number,
  ) {
    const name = this.constructor.name;
    checkSizes(name, { inputs, hidden, layers });
    if (!Number.isInteger(projection) || projection < 0 || projection >= hidden)
      throw new Error(`${name}: projSize must be an integer in [0, ${hidden}), got ${projection}`);
    this.layers = layers;
    this.directions = bidirectional ? ["", "Reverse"] : [""];
    this.dropout = dropout;
    this.batchFirst = batchFirst;
    this.width = projection === 0 ? hidden : projection;
    const rows = gates.count * hidden;
    const start = (shape: readonly number[]): Tensor => uniform(shape, 1 / Math.sqrt(hidden));
    for (let layer = 0; layer < layers; layer++) {
      const from = layer === 0 ? inputs : this.width * this.directions.length;
      for (const direction of this.directions) {
        const place = `L${layer}${direction}`;
        this.weights[`weightIh${place}`] = start([rows, from]);
        this.weights[`weightHh${place}`] = start([rows, this.width]);
        if (bias) {
          this.weights[`biasIh${place}`] = start([rows]);
          this.weights[`biasHh${place}`] = start([rows]);
        }
        if (projection > 0) this.weights[`weightHr${place}`] = start([projection, hidden]);
      }
    }
  }

  /** Outputs in the form of x, and the last states [layers * directions, batch, ..]. */
  protected run(x: Tensor, initial: State | undefined, lengths: SequenceOptions["lengths"]): [Tensor, State] {
    if (x.ndim === 2) {
      const [outputs, state] = this.run(
        x.unsqueeze(this.batchFirst ? 0 : 1),
        initial?.map((h) => h.unsqueeze(1)),
        lengths,
      );
      return [outputs.squeeze(this.batchFirst ? 0 : 1), state.map((h) => h.squeeze(1))];
    }
    if (x.ndim !== 3 || x.shape[2] !== this.inputs) {
      const form = this.batchFirst ? "batch, length" : "length, batch";
      throw new Error(`${this.constructor.name}: ${x} should be [${form}, ${this.inputs}]`);
    }
    let sequence = this.batchFirst ? x.transpose(0, 1) : x;
    const [length, batch] = sequence.sizes;
    if (length === 0) throw new Error(`${this.constructor.name}: ${x} has no places to read`);
    const first = this.initialState(initial, batch, x);
    const counts =
      lengths === undefined ? undefined : lengthsOf(this.constructor.name, lengths, batch, length);
    const last: State[] = [];
    for (let layer = 0; layer < this.layers; layer++) {
      if (layer > 0) sequence = sequence.dropout(this.dropout, { training: this.training });
      const runs = this.directions.map((direction, i) => {
        const state = first.map((h) => h.select(0, layer * this.directions.length + i));
        return runDirection(this.gates, sequence, state, this.weightsAt(layer, direction), {
          reverse: direction !== "",
          counts,
        });
      });
      sequence = runs.length === 1 ? runs[0].outputs : runs[0].outputs.cat(-1, runs[1].outputs);
      last.push(...runs.map((run) => run.state));
    }
    const outputs = this.batchFirst ? sequence.transpose(0, 1) : sequence;
    return [outputs, first.map((_, part) => Tensor.stack(last.map((state) => state[part])))];
  }

  private weightsAt(layer: number, direction: string): Weights {
    const at = (name: string): Tensor | undefined => this.weights[`${name}L${layer}${direction}`];
    return {
      input: at("weightIh")!,
      hidden: at("weightHh")!,
      inputBias: at("biasIh"),
      hiddenBias: at("biasHh"),
      projection: at("weightHr"),
    };
  }

  private initialState(given: State | undefined, batch: number, x: Tensor): State {
    const lead = [this.layers * this.directions.length, batch];
    const shapes = [[...lead, this.width], ...(this.gates.cell ? [[...lead, this.hidden]] : [])];
    return shapes.map((shape, i) => {
      const state = given?.[i] ?? Tensor.zeros(shape, { dtype: x.dtype });
      if (String(state.shape) !== String(shape))
        throw new Error(`${this.constructor.name}: the initial state ${state} should be [${shape}]`);
      return state;
    });
  }
}

function lengthsOf(layer: string, given: Tensor | readonly number[], batch: number, most: number): Tensor {
  if (!(given instanceof Tensor)) {
    if (given.length !== batch || given.some((n) => !Number.isInteger(n) || n < 0 || n > most))
      throw new Error(`${layer}: lengths must be ${batch} integers in [0, ${most}], got [${given}]`);
    return Tensor.from(given, { dtype: "int32" });
  }
  if (given.ndim !== 1 || given.shape[0] !== batch)
    throw new Error(`${layer}: lengths should be [${batch}], got ${given}`);
  return given.cast("int32");
}

/**
 * One layer in one direction. What the inputs become is computed for all steps at once; and the weights by which the
 * steps go on get their gradients of all steps at once: through `products`, zeros that the steps add to what these
 * weights give.
 */
function runDirection(
  gates: Gates,
  sequence: Tensor,
  initial: State,
  { input, inputBias, hidden, hiddenBias, projection }: Weights,
  { reverse, counts }: { readonly reverse: boolean; readonly counts: Tensor | undefined },
): Run {
  const length = sequence.sizeAt(0);
  const ordered = (x: Tensor): Tensor => (reverse ? x.flip(0) : x);
  const inputs = ordered(sequence.linear(input, inputBias)).contiguous();
  const counted = counts && ordered(Tensor.arange(length).unsqueeze(1)).lt(counts).unsqueeze(-1).contiguous();
  /** The states before each step, once they are known. */
  const before = (): Tensor[] =>
    states.map((x, part) => initial[part].unsqueeze(0).cat(0, x.narrow(0, 0, length - 1)));
  const zeros = (width: number): Tensor =>
    Tensor.zeros([length, sequence.sizeAt(1), width], { dtype: inputs.dtype });
  const product = customGradient(
    zeros(hidden.sizeAt(0)),
    hiddenBias === undefined ? [hidden] : [hidden, hiddenBias],
    (g) => {
      const weight = weightGradient(g, before()[0], hidden);
      return hiddenBias === undefined ? [weight] : [weight, g.sum([0, 1]).cast(hiddenBias.dtype)];
    },
  );
  const projected =
    projection &&
    customGradient(zeros(projection.sizeAt(0)), [projection], (g) => {
      const state = before();
      const [full] = gates.step(inputs, state[0].linear(hidden, hiddenBias), state);
      return [weightGradient(g, full, projection)];
    });
  const given = [inputs, product, projected, counted].filter((x) => x !== undefined);
  const states = recurrence(given, initial, ([x, p, ...others], state) => {
    const [full, ...cell] = gates.step(x, forStep(state[0], hidden, hiddenBias).add(p), state);
    const h = projection === undefined ? full : forStep(full, projection).add(others[0]);
    const runs = counted && others[others.length - 1];
    return [h, ...cell].map((value, part) => runs?.where(value, state[part]) ?? value);
  });
  const outputs = ordered(counted?.where(states[0], 0) ?? states[0]);
  return { outputs, state: states.map((x) => x.select(0, length - 1)) };
}

/** x.linear(weight, bias) whose gradient goes to x only: that of the weight is taken of all steps at once. */
const forStep = (x: Tensor, weight: Tensor, bias?: Tensor): Tensor =>
  customGradient(x.linear(weight.detach(), bias?.detach()), [x], (g) => [g.matmul(weight).cast(x.dtype)]);

/** Of weights [outputs, inputs] that took x [length, batch, inputs] to what has the gradients [length, batch, outputs]. */
const weightGradient = (gradients: Tensor, x: Tensor, weight: Tensor): Tensor =>
  gradients.flatten(0, 1).transpose().matmul(x.flatten(0, 1)).cast(weight.dtype);

export interface RNNOptions extends RecurrentOptions {
  /** Default "tanh". */
  readonly nonlinearity?: Nonlinearity;
}

/**
 * The simple recurrent network h' = tanh(Wx + b + Uh + c). x [batch, length, inputs] gives outputs
 * [batch, length, directions * hidden] and the last states [layers * directions, batch, hidden]; the batch may be
 * missing.
 *
 * @example
 * const [outputs, state] = new nn.RNN(3, 4).forward(Tensor.ones([2, 5, 3])); // [batch, length, inputs]
 * outputs.shape; // => [2, 5, 4]
 */
export class RNN extends Recurrent {
  constructor(inputs: number, hidden: number, { nonlinearity = "tanh", ...options }: RNNOptions = {}) {
    super(elman(nonlinearity), inputs, hidden, options, 0);
  }

  forward(x: Tensor, state?: Tensor, { lengths }: SequenceOptions = {}): [outputs: Tensor, state: Tensor] {
    const [outputs, [h]] = this.run(x, state && [state], lengths);
    return [outputs, h];
  }
}

/**
 * Gated recurrent units; shapes as RNN.
 *
 * @example
 * const gru = new nn.GRU(3, 4);
 * const [outputs] = gru.forward(Tensor.ones([2, 5, 3]), undefined, { lengths: Tensor.from([5, 3]) });
 * outputs.at(1, -1); // => [0, 0, 0, 0]
 */
export class GRU extends Recurrent {
  constructor(inputs: number, hidden: number, options: RecurrentOptions = {}) {
    super(gru, inputs, hidden, options, 0);
  }

  forward(x: Tensor, state?: Tensor, { lengths }: SequenceOptions = {}): [outputs: Tensor, state: Tensor] {
    const [outputs, [h]] = this.run(x, state && [state], lengths);
    return [outputs, h];
  }
}

export interface LSTMOptions extends RecurrentOptions {
  /** Width to which a matrix weightHrL0 brings each output; default 0, none. */
  readonly projSize?: number;
}

/**
 * Long short-term memory; shapes as RNN. The state is [h, c]; with a projection h and the outputs have its width. Weights
 * are in the order of the gates i, f, g, o.
 *
 * @example
 * const lstm = new nn.LSTM(3, 4, { layers: 2, bidirectional: true });
 * const [outputs, [h, c]] = lstm.forward(Tensor.ones([2, 5, 3]));
 * outputs.shape; // => [2, 5, 8]
 * h.shape; // => [4, 2, 4]
 */
export class LSTM extends Recurrent {
  constructor(inputs: number, hidden: number, { projSize = 0, ...options }: LSTMOptions = {}) {
    super(lstm, inputs, hidden, options, projSize);
  }

  forward(
    x: Tensor,
    state?: readonly [h: Tensor, c: Tensor],
    { lengths }: SequenceOptions = {},
  ): [outputs: Tensor, state: [h: Tensor, c: Tensor]] {
    const [outputs, [h, c]] = this.run(x, state, lengths);
    return [outputs, [h, c]];
  }
}
