// Single steps of recurrent networks.

import { Tensor } from "../tensor/tensor.js";
import { elman, type Gates, gru, lstm, type Nonlinearity, type State } from "./gates.js";
import { checkAxisSize, checkSizes, type LayerOptions, uniform } from "./weights.js";

abstract class Cell {
  /** [gates * hidden, inputs] */
  weightIh: Tensor;
  /** [gates * hidden, hidden] */
  weightHh: Tensor;
  /** [gates * hidden] */
  biasIh: Tensor | undefined;
  /** [gates * hidden] */
  biasHh: Tensor | undefined;

  constructor(
    private readonly gates: Gates,
    readonly inputs: number,
    readonly hidden: number,
    { bias = true }: LayerOptions,
  ) {
    checkSizes(this.constructor.name, { inputs, hidden });
    const start = (...shape: number[]): Tensor => uniform(shape, 1 / Math.sqrt(hidden));
    const rows = gates.count * hidden;
    this.weightIh = start(rows, inputs);
    this.weightHh = start(rows, hidden);
    this.biasIh = bias ? start(rows) : undefined;
    this.biasHh = bias ? start(rows) : undefined;
  }

  protected step(x: Tensor, given: State | undefined): State {
    const { gates, hidden, inputs } = this;
    const name = this.constructor.name;
    checkAxisSize(name, x, -1, inputs, "inputs");
    const zeros = (): Tensor => Tensor.zeros([...x.shape.slice(0, -1), hidden], { dtype: x.dtype });
    const state = given ?? (gates.cell ? [zeros(), zeros()] : [zeros()]);
    for (const part of state) checkAxisSize(name, part, -1, hidden, "elements of state");
    return gates.step(
      x.linear(this.weightIh, this.biasIh),
      state[0].linear(this.weightHh, this.biasHh),
      state,
    );
  }
}

/** One step of RNN: x [batch, inputs] and h [batch, hidden] to the next h; the batch may be missing. */
export class RNNCell extends Cell {
  constructor(
    inputs: number,
    hidden: number,
    { nonlinearity = "tanh", ...options }: LayerOptions & { readonly nonlinearity?: Nonlinearity } = {},
  ) {
    super(elman(nonlinearity), inputs, hidden, options);
  }
  forward(x: Tensor, h?: Tensor): Tensor {
    return this.step(x, h && [h])[0];
  }
}

/** One step of GRU: x [batch, inputs] and h [batch, hidden] to the next h; the batch may be missing. */
export class GRUCell extends Cell {
  constructor(inputs: number, hidden: number, options: LayerOptions = {}) {
    super(gru, inputs, hidden, options);
  }
  forward(x: Tensor, h?: Tensor): Tensor {
    return this.step(x, h && [h])[0];
  }
}

/**
 * One step of LSTM: x [batch, inputs] and state [h, c], [batch, hidden] each, to the next; the batch may be missing.
 *
 * @example
 * const [h, c] = new nn.LSTMCell(3, 4).forward(Tensor.ones([2, 3]));
 * h.shape; // => [2, 4]
 */
export class LSTMCell extends Cell {
  constructor(inputs: number, hidden: number, options: LayerOptions = {}) {
    super(lstm, inputs, hidden, options);
  }
  forward(x: Tensor, state?: readonly [h: Tensor, c: Tensor]): [h: Tensor, c: Tensor] {
    const [h, c] = this.step(x, state);
    return [h, c];
  }
}
