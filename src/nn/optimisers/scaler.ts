// Loss scaling for training in float16, whose smallest gradients would become 0 (Micikevicius and others, 2017).

import { Tensor } from "../../tensor/tensor.js";
import type { Optimiser, StepOptions } from "./optimiser.js";

export interface GradScalerOptions {
  /** The first scale; default 65536. */
  readonly scale?: number;
  /** By what the scale grows after `growthInterval` (default 2000) good steps; default 2. */
  readonly growth?: number;
  readonly growthInterval?: number;
  /** By what it falls after a step with an infinite or NaN gradient, which is left out; default 0.5. */
  readonly backoff?: number;
}

/**
 * Scales losses, takes the scale off gradients again, leaves out steps whose gradients are not finite, and finds the scale
 * while training. All of it lazy and made of tensors, so that a captured step carries it.
 *
 * @example
 * const layer = new nn.Linear(2, 1);
 * const optimiser = new nn.SGD(nn.parameters(layer), { lr: 0.1 });
 * const scaler = new nn.GradScaler();
 * const output = autocast("float16", () => layer.forward(Tensor.ones([4, 2])));
 * scaler.scale(output.mseLoss(Tensor.zeros([4, 1]))).backward();
 * scaler.step(optimiser);
 * scaler.update();
 */
export class GradScaler {
  /** The scale now, a float32 scalar. */
  readonly factor: Tensor;
  private readonly goodSteps = Tensor.zeros([]);
  private readonly options: Required<GradScalerOptions>;
  /** Since the last update: the optimisers whose gradients are unscaled, and whether any of these was not finite. */
  private readonly unscaled = new Map<object, Tensor>();

  constructor(options: GradScalerOptions = {}) {
    this.options = { scale: 65536, growth: 2, growthInterval: 2000, backoff: 0.5, ...options };
    this.factor = Tensor.full([], this.options.scale);
  }

  /** The loss times the scale, in float32 at least. */
  scale(loss: Tensor): Tensor {
    return loss.mul(this.factor);
  }

  /** Takes the scale off an optimiser's gradients, as must be done before they are clipped. Once a step. */
  unscale(optimiser: Optimiser): void {
    if (this.unscaled.has(optimiser))
      throw new Error("GradScaler: these gradients are unscaled already; call update() after each step");
    const inverse = this.factor.reciprocal().contiguous();
    let bad = Tensor.full([], false);
    for (const x of optimiser.parameters) {
      if (x.grad === undefined) continue;
      const g = x.grad.mul(inverse).cast(x.grad.dtype);
      bad = bad.logicalOr(g.isfinite().all().logicalNot());
      x.grad = g;
    }
    this.unscaled.set(optimiser, bad.contiguous());
  }

  /** The optimiser's step, which changes nothing if a gradient is not finite. */
  step(optimiser: Optimiser, options: StepOptions = {}): void {
    if (!this.unscaled.has(optimiser)) this.unscale(optimiser);
    optimiser.step({ ...options, skip: this.unscaled.get(optimiser) });
  }

  /** The scale for the next step. To be called after the steps of all optimisers. */
  update(): void {
    if (this.unscaled.size === 0) throw new Error("GradScaler: update() without a step before it");
    const { growth, growthInterval, backoff } = this.options;
    const bad = [...this.unscaled.values()].reduce((a, b) => a.logicalOr(b));
    const good = bad.where(0, this.goodSteps.add(1));
    const grows = good.ge(growthInterval);
    this.factor.assign(this.factor.mul(bad.where(backoff, grows.where(growth, 1))));
    this.goodSteps.assign(grows.where(0, good));
    this.unscaled.clear();
  }
}
