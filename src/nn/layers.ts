// Layers that map features, change shapes, or join other layers.

import type { Shape } from "../graph/node.js";
import type { InterpolateOptions } from "../tensor/resampling.js";
import { Tensor } from "../tensor/tensor.js";
import { apply, type Layer, UNNAMED } from "./module.js";
import { checkAxisSize, checkSizes, type LayerOptions, startWeights, uniform } from "./weights.js";

/** x [.., inputs] to [.., outputs]. */
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

/** x [.., left] and y [.., right] to [.., outputs]: output o is x^T weight[o] y + bias[o]. */
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

/** Axes `start` (default 1, after the batch) to `end` (default the last) as one. */
export class Flatten {
  constructor(
    private readonly start = 1,
    private readonly end = -1,
  ) {}

  forward(x: Tensor): Tensor {
    return x.flatten(this.start, this.end);
  }
}

/** One axis as several of these sizes. */
export class Unflatten {
  constructor(
    private readonly axis: number,
    private readonly sizes: Shape,
  ) {}

  forward(x: Tensor): Tensor {
    return x.unflatten(this.axis, this.sizes);
  }
}

/** Images in another size; see Tensor.interpolate. */
export class Upsample {
  constructor(private readonly options: InterpolateOptions) {}

  forward(x: Tensor): Tensor {
    return x.interpolate(this.options);
  }
}

/** [.., channels * factor^2, h, w] to [.., channels, h * factor, w * factor]; see Tensor.pixelShuffle. */
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

/** x where positive, else x times a learned slope: one for all, or one for each of the channels (axis 1). */
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

/** Functions and layers, one after the other. */
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
