// Layers that map features, change shapes, or join other layers.

import type { Shape } from "../graph/node.js";
import type { InterpolateOptions } from "../tensor/resampling.js";
import { Tensor } from "../tensor/tensor.js";
import { apply, type Layer, UNNAMED } from "./module.js";
import { checkAxisSize, checkSizes, type LayerOptions, startWeights, uniform } from "./weights.js";

/**
 * x [.., inputs] to [.., outputs].
 *
 * @example
 * new nn.Linear(3, 2).forward(Tensor.ones([5, 3])).shape; // => [5, 2]
 */
export class Linear {
  /** [outputs, inputs] */
  weight: Tensor;
  /** [outputs] */
  bias: Tensor | undefined;

  constructor(
    readonly inputs: number,
    readonly outputs: number,
    { bias = true }: LayerOptions = {},
  ) {
    checkSizes("Linear", { inputs, outputs });
    [this.weight, this.bias] = startWeights([outputs, inputs], bias);
  }

  forward(x: Tensor): Tensor {
    checkAxisSize("Linear", x, -1, this.inputs, "inputs");
    return x.linear(this.weight, this.bias);
  }
}

/**
 * x [.., left] and y [.., right] to [.., outputs]: output o is x^T weight[o] y + bias[o].
 *
 * @example
 * new nn.Bilinear(3, 4, 2).forward(Tensor.ones([5, 3]), Tensor.ones([5, 4])).shape; // => [5, 2]
 */
export class Bilinear {
  /** [outputs, left, right] */
  weight: Tensor;
  /** [outputs] */
  bias: Tensor | undefined;

  constructor(
    readonly left: number,
    readonly right: number,
    readonly outputs: number,
    { bias = true }: LayerOptions = {},
  ) {
    checkSizes("Bilinear", { left, right, outputs });
    const bound = 1 / Math.sqrt(left);
    this.weight = uniform([outputs, left, right], bound);
    this.bias = bias ? uniform([outputs], bound) : undefined;
  }

  forward(x: Tensor, y: Tensor): Tensor {
    const { left, right, outputs } = this;
    checkAxisSize("Bilinear", x, -1, left, "left inputs");
    checkAxisSize("Bilinear", y, -1, right, "right inputs");
    // [.., outputs, right] x [.., right, 1]
    const mixed = x.matmul(this.weight.movedim(1, 0).flatten(1)).unflatten(-1, [outputs, right]);
    const result = mixed.matmul(y.unsqueeze(-1)).squeeze(-1);
    return this.bias === undefined ? result : result.add(this.bias);
  }
}

/** Gives what it gets. */
export class Identity {
  forward(x: Tensor): Tensor {
    return x;
  }
}

/**
 * Axes `start` (default 1, after the batch) to `end` (default the last) as one.
 *
 * @example
 * new nn.Flatten().forward(Tensor.ones([2, 3, 4])).shape; // => [2, 12]
 */
export class Flatten {
  constructor(
    private readonly start = 1,
    private readonly end = -1,
  ) {}

  forward(x: Tensor): Tensor {
    return x.flatten(this.start, this.end);
  }
}

/**
 * One axis as several of these sizes.
 *
 * @example
 * new nn.Unflatten(1, [3, 4]).forward(Tensor.ones([2, 12])).shape; // => [2, 3, 4]
 */
export class Unflatten {
  constructor(
    private readonly axis: number,
    private readonly sizes: Shape,
  ) {}

  forward(x: Tensor): Tensor {
    return x.unflatten(this.axis, this.sizes);
  }
}

/**
 * Images in another size; see Tensor.interpolate.
 *
 * @example
 * new nn.Upsample({ scaleFactor: 2 }).forward(Tensor.ones([1, 1, 3, 4])).shape; // => [1, 1, 6, 8]
 */
export class Upsample {
  constructor(private readonly options: InterpolateOptions) {}

  forward(x: Tensor): Tensor {
    return x.interpolate(this.options);
  }
}

/**
 * [.., channels * factor^2, h, w] to [.., channels, h * factor, w * factor]; see Tensor.pixelShuffle.
 *
 * @example
 * new nn.PixelShuffle(2).forward(Tensor.ones([1, 4, 3, 3])).shape; // => [1, 1, 6, 6]
 */
export class PixelShuffle {
  constructor(readonly factor: number) {}

  forward(x: Tensor): Tensor {
    return x.pixelShuffle(this.factor);
  }
}

/** The inverse of PixelShuffle. */
export class PixelUnshuffle {
  constructor(readonly factor: number) {}

  forward(x: Tensor): Tensor {
    return x.pixelUnshuffle(this.factor);
  }
}

/**
 * x where positive, else x times a learned slope: one for all, or one for each of the channels (axis 1).
 *
 * @example
 * new nn.PReLU().forward(Tensor.from([-4, 4])); // => [-1, 4]
 */
export class PReLU {
  /** [channels] or [1] */
  weight: Tensor;

  constructor(channels = 1, start = 0.25) {
    checkSizes("PReLU", { channels });
    this.weight = Tensor.full([channels], start, { dtype: "float32" }).requiresGrad_();
  }

  forward(x: Tensor): Tensor {
    const channels = this.weight.sizeAt(0);
    if (channels > 1) checkAxisSize("PReLU", x, 1, channels, "channels");
    return x.prelu(this.weight.cast(x.dtype));
  }
}

/**
 * Functions and layers, one after the other.
 *
 * @example
 * const model = new nn.Sequential(new nn.Linear(4, 8), (x) => x.relu(), new nn.Linear(8, 1));
 * model.forward(Tensor.ones([2, 4])).shape; // => [2, 1]
 * nn.parameters(model).length; // => 4
 */
export class Sequential {
  readonly layers: readonly Layer[];
  get [UNNAMED](): readonly string[] {
    return ["layers"];
  }

  constructor(...layers: readonly Layer[]) {
    this.layers = layers;
  }

  forward(x: Tensor): Tensor {
    return this.layers.reduce((y, layer) => apply(layer, y), x);
  }
}
