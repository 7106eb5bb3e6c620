// Optimisers. A step assigns new values to the weights and to the optimiser's own state, all of it tensors, so that a
// captured step carries them; nothing is computed before something is read. State and arithmetic are float32 at least.

import { type DType, isFloat } from "../scalar/dtype.js";
import { accumulationType } from "../tensor/reduction.js";
import { Tensor } from "../tensor/tensor.js";

export interface StepOptions {
  /** The learning rate of this step alone, instead of the optimiser's. A captured step keeps a number given here. */
  readonly lr?: number | Tensor;
}

export interface OptimiserOptions {
  /** The learning rate: a number, or a tensor of one element that may be assigned. */
  readonly lr?: number | Tensor;
  readonly weightDecay?: number;
}

/** A weight's value and gradient, through which nothing is differentiated, and the names of state tensors beside it. */
interface Update {
  readonly value: Tensor;
  readonly gradient: Tensor;
  readonly place: number;
}

export abstract class Optimiser {
  private rate: Tensor;
  /** Steps made, a float32 scalar. */
  protected readonly steps = Tensor.zeros([]);

  constructor(
    readonly parameters: readonly Tensor[],
    lr: number | Tensor,
  ) {
    for (const x of parameters) {
      if (!x.requiresGrad || !isFloat(x.dtype))
        throw new Error(`${this.constructor.name}: ${x} wants no gradient; call requiresGrad_() on it first`);
    }
    this.rate = lr instanceof Tensor ? lr : Tensor.from(lr, { dtype: this.rateType });
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
  }

  /** float32, but as exact as the parameters. */
  private get rateType(): DType {
    return this.parameters.some((x) => x.dtype === "float64") ? "float64" : "float32";
  }

  /** Forgets the gradients. */
  zeroGrad(): void {
    for (const x of this.parameters) x.grad = undefined;
  }

  /** Moves every parameter that has a gradient. */
  step({ lr = this.lr }: StepOptions = {}): void {
    const rate = lr instanceof Tensor ? lr.detach().cast(this.rateType).reshape([]) : lr;
    const next = this.begin(rate);
    this.parameters.forEach((x, place) => {
      if (x.grad === undefined) return;
      const wide = accumulationType(x.dtype);
      const update = { value: x.detach().cast(wide), gradient: x.grad.detach().cast(wide), place };
      x.assign(next(update).cast(x.dtype));
    });
    this.steps.assign(this.steps.add(1));
  }

  /** What a step does to each parameter: gives its new value, and assigns its state. */
  protected abstract begin(rate: number | Tensor): (update: Update) => Tensor;

  /** Zeros like each parameter. */
  protected zeros(): Tensor[] {
    return this.parameters.map((x) => Tensor.zeros(x.shape, { dtype: accumulationType(x.dtype) }));
  }
}

/** A new value of state, assigned and given. */
function put(state: Tensor, value: Tensor): Tensor {
  state.assign(value);
  return value;
}

export interface SGDOptions extends OptimiserOptions {
  readonly momentum?: number;
  /** Share by which a gradient enters the momentum less. */
  readonly dampening?: number;
  readonly nesterov?: boolean;
}

/** Stochastic gradient descent, with PyTorch's momentum. */
export class SGD extends Optimiser {
  private readonly momenta: readonly Tensor[];

  constructor(
    parameters: readonly Tensor[],
    private readonly options: SGDOptions = {},
  ) {
    super(parameters, options.lr ?? 1e-3);
    const { momentum = 0, dampening = 0, nesterov = false } = options;
    if (nesterov && (momentum <= 0 || dampening !== 0))
      throw new Error("SGD: nesterov needs a momentum and no dampening");
    this.momenta = momentum === 0 ? [] : this.zeros();
  }

  protected begin(rate: number | Tensor): (update: Update) => Tensor {
    const { momentum = 0, dampening = 0, nesterov = false, weightDecay = 0 } = this.options;
    // The first gradient enters the momentum whole.
    const share = dampening === 0 ? 1 : this.steps.eq(0).where(1, 1 - dampening);
    return ({ value, gradient, place }) => {
      const slope = weightDecay === 0 ? gradient : gradient.add(value.mul(weightDecay));
      if (momentum === 0) return value.sub(slope.mul(rate));
      const state = this.momenta[place];
      const speed = put(state, state.mul(momentum).add(slope.mul(share)));
      return value.sub((nesterov ? slope.add(speed.mul(momentum)) : speed).mul(rate));
    };
  }
}

export interface AdamOptions extends OptimiserOptions {
  readonly betas?: readonly [number, number];
  readonly eps?: number;
}

/** Adam (Kingma and Ba, 2014); its weight decay is part of the gradient. */
export class Adam extends Optimiser {
  private readonly means: readonly Tensor[];
  private readonly squares: readonly Tensor[];

  constructor(
    parameters: readonly Tensor[],
    protected readonly options: AdamOptions = {},
  ) {
    super(parameters, options.lr ?? 1e-3);
    this.means = this.zeros();
    this.squares = this.zeros();
  }

  protected begin(rate: number | Tensor): (update: Update) => Tensor {
    const { betas: [beta1, beta2] = [0.9, 0.999], eps = 1e-8 } = this.options;
    const step = this.steps.add(1);
    // 1 - beta^step without the cancellation. Computed once, not for every weight.
    const correction = (beta: number): Tensor => step.mul(Math.log(beta)).expm1().neg();
    const size = correction(beta1).reciprocal().mul(rate).contiguous();
    const root = correction(beta2).rsqrt().contiguous();
    return ({ value, gradient, place }) => {
      const [mean, square] = [this.means[place], this.squares[place]];
      const slope = this.decayGradient(gradient, value);
      const first = put(mean, mean.mul(beta1).add(slope.mul(1 - beta1)));
      const second = put(square, square.mul(beta2).add(slope.square().mul(1 - beta2)));
      const move = first.div(second.sqrt().mul(root).add(eps)).mul(size);
      return this.decayValue(value, rate).sub(move);
    };
  }

  protected decayGradient(gradient: Tensor, value: Tensor): Tensor {
    const { weightDecay = 0 } = this.options;
    return weightDecay === 0 ? gradient : gradient.add(value.mul(weightDecay));
  }
  protected decayValue(value: Tensor, _rate: number | Tensor): Tensor {
    return value;
  }
}

/** Adam whose weight decay (default 0.01) shrinks the weights themselves (Loshchilov and Hutter, 2017). */
export class AdamW extends Adam {
  protected override decayGradient(gradient: Tensor): Tensor {
    return gradient;
  }
  protected override decayValue(value: Tensor, rate: number | Tensor): Tensor {
    const { weightDecay = 0.01 } = this.options;
    if (weightDecay === 0) return value;
    return value.mul(typeof rate === "number" ? 1 - rate * weightDecay : rate.mul(weightDecay).rsub(1));
  }
}
