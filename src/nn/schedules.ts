// Learning rates as functions of the step, which counts from 0. With the same numbers they are PyTorch's schedulers of
// the same names.

/** A learning rate for each step. */
export type Schedule = (step: number) => number;

/**
 * lr, times `factor` for the first `total` steps.
 *
 * @example
 * nn.schedules.constant(0.1, { factor: 0.5, total: 10 })(3); // => 0.05
 */
export const constant = (lr: number, { factor = 1, total = 0 } = {}): Schedule => {
  return (step) => (step < total ? lr * factor : lr);
};

/**
 * From lr * start to lr * end over `total` steps.
 *
 * @example
 * nn.schedules.linear(1, 10)(5); // => 0.5
 */
export const linear = (lr: number, total: number, { start = 1, end = 0 } = {}): Schedule => {
  return (step) => lr * (start + (end - start) * Math.min(1, step / total));
};

/**
 * lr * gamma^step.
 *
 * @example
 * nn.schedules.exponential(1, 0.5)(3); // => 0.125
 */
export const exponential = (lr: number, gamma: number): Schedule => {
  return (step) => lr * gamma ** step;
};

/**
 * lr times gamma after every `every` steps.
 *
 * @example
 * nn.schedules.stepwise(1, 30)(65); // => 0.01
 */
export const stepwise = (lr: number, every: number, gamma = 0.1): Schedule => {
  return (step) => lr * gamma ** Math.floor(step / every);
};

/**
 * lr times gamma at each milestone.
 *
 * @example
 * nn.schedules.multiStep(1, [10, 20])(15); // => 0.1
 */
export const multiStep = (lr: number, milestones: readonly number[], gamma = 0.1): Schedule => {
  return (step) => lr * gamma ** milestones.filter((milestone) => step >= milestone).length;
};

/**
 * lr * (1 - step / total)^power, then 0.
 *
 * @example
 * nn.schedules.polynomial(1, 10, 2)(5); // => 0.25
 */
export const polynomial = (lr: number, total: number, power = 1): Schedule => {
  return (step) => lr * (1 - Math.min(step, total) / total) ** power;
};

/**
 * Half a cosine from lr to `min` over `total` steps (Loshchilov and Hutter, 2016), then `min`.
 *
 * @example nn.schedules.cosine(1, 10)(5); // => 0.5
 */
export const cosine = (lr: number, total: number, { min = 0 } = {}): Schedule => {
  return (step) => min + ((lr - min) * (1 + Math.cos(Math.PI * Math.min(1, step / total)))) / 2;
};

/**
 * Cosines again and again: the first of `period` steps, each `factor` times as long as the one before.
 *
 * @example
 * nn.schedules.cosineWarmRestarts(1, 10, { factor: 2 })(10); // => 1
 */
export const cosineWarmRestarts = (lr: number, period: number, { factor = 1, min = 0 } = {}): Schedule => {
  return (step) => {
    let [start, length] = [0, period];
    while (step >= start + length) {
      start += length;
      length *= factor;
    }
    return cosine(lr, length, { min })(step - start);
  };
};

/**
 * lr for `warmup` steps of linear growth, then falling with the root of the step (Vaswani and others, 2017).
 *
 * @example
 * nn.schedules.inverseSquareRoot(1, 100)(399); // => 0.5
 */
export const inverseSquareRoot = (lr: number, warmup: number): Schedule => {
  return (step) => lr * Math.min((step + 1) / warmup, Math.sqrt(warmup / (step + 1)));
};

export interface OneCycleOptions {
  /** Share of the steps in which the rate grows; default 0.3. */
  readonly growing?: number;
  /** The first rate is lr / divide; default 25. */
  readonly divide?: number;
  /** The last rate is the first / finalDivide; default 10,000. */
  readonly finalDivide?: number;
  readonly anneal?: "cosine" | "linear";
  /** Whether the rate falls to its first value as fast as it grew, and then to the last. */
  readonly threePhases?: boolean;
}

/**
 * From a small rate up to lr and down to a tiny one, once (Smith and Topin, 2017).
 *
 * @example nn.schedules.oneCycle(1, 10)(9); // => 0
 */
export const oneCycle = (lr: number, total: number, options: OneCycleOptions = {}): Schedule => {
  const { growing = 0.3, divide = 25, finalDivide = 1e4, anneal = "cosine", threePhases = false } = options;
  const [first, last] = [lr / divide, lr / divide / finalDivide];
  const top = growing * total - 1;
  const phases = threePhases
    ? [
        { end: top, from: first, to: lr },
        { end: 2 * top, from: lr, to: first },
        { end: total - 1, from: first, to: last },
      ]
    : [
        { end: top, from: first, to: lr },
        { end: total - 1, from: lr, to: last },
      ];
  return (step) => {
    if (step >= total) throw new RangeError(`oneCycle: step ${step} is not one of its ${total} steps`);
    const place = phases.findIndex(({ end }) => step <= end);
    const { end, from, to } = phases[place < 0 ? phases.length - 1 : place];
    const start = place <= 0 ? 0 : phases[place - 1].end;
    const share = (step - start) / (end - start);
    return anneal === "linear"
      ? from + (to - from) * share
      : to + ((from - to) / 2) * (1 + Math.cos(Math.PI * share));
  };
};

export interface CyclicOptions {
  /** Steps up, and steps down (default as many). */
  readonly up?: number;
  readonly down?: number;
  /** Halves every cycle's height, or multiplies it by gamma^step. */
  readonly mode?: "triangular" | "triangular2" | "expRange";
  readonly gamma?: number;
}

/**
 * Up from `min` to `max` and down again, over and over (Smith, 2015).
 *
 * @example
 * nn.schedules.cyclic(0, 1, { up: 10 })(15); // => 0.5
 */
export const cyclic = (min: number, max: number, options: CyclicOptions = {}): Schedule => {
  const { up = 2000, down = up, mode = "triangular", gamma = 1 } = options;
  return (step) => {
    const cycle = Math.floor(step / (up + down));
    const place = step - cycle * (up + down);
    const height = (max - min) * (place <= up ? place / up : (up + down - place) / down);
    const scale = { triangular: 1, triangular2: 2 ** -cycle, expRange: gamma ** step }[mode];
    return min + height * scale;
  };
};

/**
 * Another schedule after `steps` steps of linear growth from `start` times its first rate.
 *
 * @example nn.schedules.warmup(nn.schedules.constant(1), 4)(2); // => 0.5
 */
export const warmup = (schedule: Schedule, steps: number, { start = 0 } = {}): Schedule => {
  return (step) =>
    step < steps ? schedule(0) * (start + ((1 - start) * step) / steps) : schedule(step - steps);
};

/**
 * Schedules one after the other, each counting from 0 at its milestone.
 *
 * @example
 * nn.schedules.sequential([() => 1, nn.schedules.exponential(1, 0.5)], [10])(12); // => 0.25
 */
export const sequential = (schedules: readonly Schedule[], milestones: readonly number[]): Schedule => {
  if (schedules.length !== milestones.length + 1)
    throw new RangeError(
      `sequential: ${schedules.length} schedules have ${schedules.length - 1} milestones between them`,
    );
  return (step) => {
    const place = milestones.filter((milestone) => step >= milestone).length;
    return schedules[place](place === 0 ? step : step - milestones[place - 1]);
  };
};
