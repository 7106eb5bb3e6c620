// What sets an optimiser's learning rate from step to step: a schedule, or how a measured value goes on. The rate is
// assigned to the optimiser's tensor, so that captured steps see it.

import type { Optimiser } from "./optimisers/optimiser.js";
import type { Schedule } from "./schedules.js";

export type { Schedule };

/**
 * Gives an optimiser the rates of a schedule: the first at once, the next with each `step`.
 *
 * @example
 * const optimiser = new nn.SGD([Tensor.zeros([2]).requiresGrad_()]);
 * const scheduler = new nn.Scheduler(optimiser, nn.schedules.linear(0.1, 10));
 * for (let i = 0; i < 5; i++) scheduler.step(); // after each step of the optimiser
 * scheduler.rate; // => 0.05
 */
export class Scheduler {
  /** Steps made. */
  steps = 0;

  constructor(
    private readonly optimiser: Optimiser,
    private readonly schedule: Schedule,
  ) {
    this.optimiser.lr = schedule(0);
  }

  /** The rate now. */
  get rate(): number {
    return this.schedule(this.steps);
  }

  step(): void {
    this.steps++;
    this.optimiser.lr = this.rate;
  }
}

export interface PlateauOptions {
  /** Whether the measured value should fall (the default) or rise. */
  readonly mode?: "min" | "max";
  /** What the rate is multiplied by; default 0.1. */
  readonly factor?: number;
  /** Steps without improvement that pass before; default 10. */
  readonly patience?: number;
  /** The least that counts as improvement; default 1e-4, relative to the best value or not. */
  readonly threshold?: number;
  readonly thresholdMode?: "relative" | "absolute";
  /** Steps after a change in which nothing is counted; default 0. */
  readonly cooldown?: number;
  /** The rate never falls below; default 0. */
  readonly minRate?: number;
}

/**
 * Lowers the rate when a measured value has stopped improving; PyTorch's ReduceLROnPlateau.
 *
 * @example
 * const weight = Tensor.ones([1]).requiresGrad_();
 * const optimiser = new nn.SGD([weight], { lr: 1 });
 * const scheduler = new nn.PlateauScheduler(optimiser, { patience: 0, factor: 0.5 });
 * for (const loss of [3, 3, 3]) scheduler.step(loss);
 * optimiser.lr; // => 0.25
 */
export class PlateauScheduler {
  private rateNow: number;
  private best: number | undefined;
  private badSteps = 0;
  private rest = 0;

  constructor(
    private readonly optimiser: Optimiser,
    private readonly options: PlateauOptions = {},
  ) {
    if (optimiser.lastRate === undefined)
      throw new Error("PlateauScheduler: the optimiser's rate is a tensor; give it as a number");
    this.rateNow = optimiser.lastRate;
  }

  /** The rate now. */
  get rate(): number {
    return this.rateNow;
  }

  /** To be called with each measured value. */
  step(value: number): void {
    const { factor = 0.1, patience = 10, cooldown = 0, minRate = 0 } = this.options;
    if (this.improves(value)) {
      this.best = value;
      this.badSteps = 0;
    } else this.badSteps++;
    if (this.rest > 0) {
      this.rest--;
      this.badSteps = 0;
    }
    if (this.badSteps <= patience) return;
    this.rest = cooldown;
    this.badSteps = 0;
    // Changes too small to matter are left out, as PyTorch does.
    const next = Math.max(this.rateNow * factor, minRate);
    if (this.rateNow - next <= 1e-8) return;
    this.rateNow = next;
    this.optimiser.lr = next;
  }

  private improves(value: number): boolean {
    const { mode = "min", threshold = 1e-4, thresholdMode = "relative" } = this.options;
    const { best } = this;
    if (best === undefined) return !Number.isNaN(value);
    const sign = mode === "min" ? -1 : 1;
    const wanted = thresholdMode === "relative" ? best * (1 + sign * threshold) : best + sign * threshold;
    return mode === "min" ? value < wanted : value > wanted;
  }
}
