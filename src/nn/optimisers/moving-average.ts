// Weights averaged over training (Polyak and Juditsky, 1992), exponentially.

import { isFloat } from "../../scalar/dtype.js";
import { Tensor } from "../../tensor/tensor.js";
import { stateDict } from "../module.js";

export interface MovingAverageOptions {
  /** Share of the old average; default 0.999. */
  readonly decay?: number;
  /** Whether early averages follow faster: at step t by at most (1 + t) / (10 + t). */
  readonly warmup?: boolean;
}

/**
 * A model's float tensors, weights and statistics, averaged: `update` after each step, `swap` to use the averages and
 * again to go on training.
 *
 * @example
 * const model = new nn.Linear(3, 2);
 * const average = new nn.ExponentialMovingAverage(model, { decay: 0.99 });
 * average.update(); // after each step of the optimiser
 * average.swap(); // the model has the averages, until the next swap
 */
export class ExponentialMovingAverage {
  /** The averages, by the model's names. */
  readonly averages: Readonly<Record<string, Tensor>>;
  private readonly own: Readonly<Record<string, Tensor>>;
  /** Updates made, a float32 scalar. */
  private readonly updates = Tensor.zeros([]);

  constructor(
    model: object,
    private readonly options: MovingAverageOptions = {},
  ) {
    const floats = Object.entries(stateDict(model)).filter(([, x]) => isFloat(x.dtype));
    // A tensor of several names has one average, under the first.
    const first = new Map([...floats].reverse().map(([name, x]) => [x, name]));
    this.own = Object.fromEntries(floats.filter(([name, x]) => first.get(x) === name));
    this.averages = Object.fromEntries(
      Object.entries(this.own).map(([name, x]) => [name, x.detach().clone()]),
    );
  }

  /** Brings the averages nearer to the model. */
  update(): void {
    const { decay = 0.999, warmup = false } = this.options;
    const early = this.updates.add(1).div(this.updates.add(10)).minimum(decay);
    const part = warmup ? early.rsub(1).contiguous() : 1 - decay;
    for (const [name, x] of Object.entries(this.own)) {
      const average = this.averages[name];
      const move = x.detach().sub(average).mul(part).cast(average.dtype);
      average.assign(average.add(move));
    }
    this.updates.assign(this.updates.add(1));
  }

  /** Exchanges the model's tensors and the averages. */
  swap(): void {
    for (const [name, x] of Object.entries(this.own)) {
      const average = this.averages[name];
      const [mine, other] = [x.detach().clone(), average.detach().clone()];
      x.assign(other);
      average.assign(mine);
    }
  }
}
