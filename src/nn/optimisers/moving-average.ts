// Weights averaged over training (Polyak and Juditsky, 1992), exponentially.

import { isFloat } from "../../scalar/dtype.js";
import type { Tensor } from "../../tensor/tensor.js";
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
  private updates = 0;

  constructor(
    model: object,
    private readonly options: MovingAverageOptions = {},
  ) {
    const floats = Object.entries(stateDict(model)).filter(([, x]) => isFloat(x.dtype));
    this.own = Object.fromEntries(floats);
    this.averages = Object.fromEntries(floats.map(([name, x]) => [name, x.detach().clone()]));
  }

  /** Brings the averages nearer to the model. With `warmup` a captured step keeps the share it was captured with. */
  update(): void {
    const { decay = 0.999, warmup = false } = this.options;
    const share = warmup ? Math.min(decay, (1 + this.updates) / (10 + this.updates)) : decay;
    this.updates++;
    for (const [name, x] of Object.entries(this.own)) {
      const average = this.averages[name];
      average.assign(
        average.add(
          x
            .detach()
            .sub(average)
            .mul(1 - share),
        ),
      );
    }
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
