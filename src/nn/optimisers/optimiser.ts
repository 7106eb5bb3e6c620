// What optimisers share. A step assigns new values to the weights and to the optimiser's own state, all of it tensors, so
// that a captured step carries them; nothing is computed before something is read. State and arithmetic are float32 at
// least.

import { type DType, isFloat } from "../../scalar/dtype.js";
import { accumulationType } from "../../tensor/reduction.js";
import { Tensor } from "../../tensor/tensor.js";

export interface StepOptions {
  /** The learning rate of this step alone, instead of the optimiser's. A captured step keeps a number given here. */
  readonly lr?: number | Tensor;
  /** Where this bool of one element is true, the step changes nothing: see GradScaler. */
  readonly skip?: Tensor;
}

export interface OptimiserOptions {
  /** The learning rate: a number, or a tensor of one element that may be assigned. */
  readonly lr?: number | Tensor;
  /** How much of the weights is taken off at each step; how, each optimiser says. */
  readonly weightDecay?: number;
}

/** Parameters with options of their own. A learning rate here must be a number: its ratio to the optimiser's stays. */
export type ParameterGroup<O> = Omit<O, "lr"> & {
  readonly parameters: readonly Tensor[];
  readonly lr?: number;
};

/** What an optimiser moves: tensors, or groups of them with options of their own. */
export type Parameters<O> = readonly Tensor[] | readonly ParameterGroup<O>[];

/** A parameter's value and gradient, through which nothing is differentiated, and its place in lists of state. */
export interface Update {
  readonly value: Tensor;
  readonly gradient: Tensor;
  readonly place: number;
}

/** What a step does to each parameter of a group: gives its new value, and puts its new state. */
export type Rule = (update: Update) => Tensor;

interface Group<O> {
  readonly options: O;
  readonly places: readonly number[];
  /** Its learning rate over the optimiser's. */
  readonly ratio: number;
}

export abstract class Optimiser<O extends OptimiserOptions = OptimiserOptions> {
  readonly parameters: readonly Tensor[];
  /** Steps made, a scalar as exact as the learning rate. */
  protected readonly steps: Tensor;
  private readonly groups: readonly Group<O>[];
  private rate: Tensor;
  private rateKnown: number | undefined;
  private skip: Tensor | undefined;

  /** `options` hold the defaults, `lr` among them. */
  constructor(parameters: Parameters<O>, options: O & { readonly lr: number | Tensor }) {
    const given: readonly ParameterGroup<O>[] = parameters.every((x) => x instanceof Tensor)
      ? [{ parameters } as unknown as ParameterGroup<O>]
      : (parameters as readonly ParameterGroup<O>[]);
    let place = 0;
    this.groups = given.map(({ parameters: own, lr, ...rest }) => ({
      options: { ...options, ...rest },
      places: own.map(() => place++),
      ratio: lr === undefined ? 1 : lr / this.numberOf(options.lr),
    }));
    this.parameters = given.flatMap((group) => group.parameters);
    if (new Set(this.parameters).size !== place)
      throw new Error(`${this.constructor.name}: a parameter is given twice`);
    for (const x of this.parameters) {
      if (!x.requiresGrad || !isFloat(x.dtype))
        throw new Error(`${this.constructor.name}: ${x} wants no gradient; call requiresGrad_() on it first`);
    }
    const { lr } = options;
    this.steps = Tensor.zeros([], { dtype: this.rateType });
    this.rate = lr instanceof Tensor ? lr : Tensor.from(lr, { dtype: this.rateType });
    this.rateKnown = lr instanceof Tensor ? undefined : lr;
  }

  private numberOf(lr: number | Tensor): number {
    if (typeof lr === "number" && lr !== 0) return lr;
    throw new Error(
      `${this.constructor.name}: groups can have rates of their own beside a number only that is not 0`,
    );
  }

  /**
   * The learning rate, a tensor of one element. A number given to it is assigned to that tensor: a captured step sees it,
   * as it sees every value of the tensor. Another tensor given takes its place, which only steps captured later see.
   */
  get lr(): Tensor {
    return this.rate;
  }
  set lr(value: number | Tensor) {
    if (value instanceof Tensor) this.rate = value;
    else this.rate.assign(this.rate.fullLike(value));
    this.rateKnown = value instanceof Tensor ? undefined : value;
  }

  /** The learning rate as it was last given as a number; undefined if it is a tensor of the caller's. */
  get lastRate(): number | undefined {
    return this.rateKnown;
  }

  /** float32, but as exact as the parameters. */
  protected get rateType(): DType {
    return this.parameters.some((x) => x.dtype === "float64") ? "float64" : "float32";
  }

  /** Forgets the gradients. */
  zeroGrad(): void {
    for (const x of this.parameters) x.grad = undefined;
  }

  /** Moves every parameter that has a gradient. */
  step({ lr = this.lr, skip }: StepOptions = {}): void {
    const rate = lr instanceof Tensor ? lr.detach().cast(this.rateType).reshape([]) : lr;
    this.skip = skip?.reshape([]);
    for (const { options, places, ratio } of this.groups) {
      const own = ratio === 1 ? rate : typeof rate === "number" ? rate * ratio : rate.mul(ratio);
      const next = this.begin(own, options);
      for (const place of places) {
        const x = this.parameters[place];
        if (x.grad === undefined) continue;
        const wide = accumulationType(x.dtype);
        const update = { value: x.detach().cast(wide), gradient: x.grad.detach().cast(wide), place };
        this.put(x, next(update));
      }
    }
    this.put(this.steps, this.steps.add(1));
    this.skip = undefined;
  }

  /** The rule of a group for this step. */
  protected abstract begin(rate: number | Tensor, options: O): Rule;

  /** A new value of a parameter or of state, assigned in its dtype and given. */
  protected put(state: Tensor, next: Tensor): Tensor {
    const value = next.cast(state.dtype);
    state.assign(this.skip === undefined ? value : this.skip.where(state.detach(), value));
    return value;
  }

  /** State beside each parameter, of its shape: a number everywhere, at first 0. */
  protected state(start = 0): Tensor[] {
    return this.parameters.map((x) => Tensor.full(x.shape, start, { dtype: accumulationType(x.dtype) }));
  }

  /** State beside each parameter if any group asks for it. */
  protected stateIf(wanted: (options: O) => boolean, start = 0): Tensor[] {
    return this.groups.some(({ options }) => wanted(options)) ? this.state(start) : [];
  }

  /** Options of each parameter, by its place. */
  protected optionsAt(place: number): O {
    return this.groups.find(({ places }) => places.includes(place))!.options;
  }
}

/** The gradient of the loss with weightDecay / 2 * |value|^2 added. */
export function withDecay({ value, gradient }: Update, weightDecay = 0): Tensor {
  return weightDecay === 0 ? gradient : gradient.add(value.mul(weightDecay));
}

/** The value shrunk by rate * weightDecay, apart from any gradient (Loshchilov and Hutter, 2017). */
export function shrunk(value: Tensor, rate: number | Tensor, weightDecay = 0): Tensor {
  if (weightDecay === 0) return value;
  return value.mul(typeof rate === "number" ? 1 - rate * weightDecay : rate.mul(weightDecay).rsub(1));
}

/** share * old + (1 - share) * next. */
export const average = (old: Tensor, next: Tensor, share: number): Tensor =>
  old.mul(share).add(next.mul(1 - share));

/** 1 - beta^step without the cancellation. */
export const correction = (step: Tensor, beta: number): Tensor => step.mul(Math.log(beta)).expm1().neg();
