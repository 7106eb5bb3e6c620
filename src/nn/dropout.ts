// Layers that drop elements or channels in training, and do nothing else: see the methods of Tensor.

import type { Tensor } from "../tensor/tensor.js";

abstract class DropoutLayer {
  training = true;

  constructor(readonly p = 0.5) {
    if (!(p >= 0 && p <= 1))
      throw new Error(`${this.constructor.name}: the probability must be in [0, 1], got ${p}`);
  }
}

/**
 * In training, zero with probability p, else divided by 1 - p.
 *
 * @example
 * const layer = new nn.Dropout(0.5);
 * nn.evaluate(layer);
 * layer.forward(Tensor.ones([3])); // => [1, 1, 1]
 */
export class Dropout extends DropoutLayer {
  forward(x: Tensor): Tensor {
    return x.dropout(this.p, { training: this.training });
  }
}

/** Whole channels of [batch, channels, length] zero in training, the others divided by 1 - p; the batch may be missing. */
export class Dropout1d extends DropoutLayer {
  forward(x: Tensor): Tensor {
    return x.dropout1d(this.p, { training: this.training });
  }
}

/** Whole channels of [batch, channels, height, width]; see Dropout1d. */
export class Dropout2d extends DropoutLayer {
  forward(x: Tensor): Tensor {
    return x.dropout2d(this.p, { training: this.training });
  }
}

/** Whole channels of [batch, channels, depth, height, width]; see Dropout1d. */
export class Dropout3d extends DropoutLayer {
  forward(x: Tensor): Tensor {
    return x.dropout3d(this.p, { training: this.training });
  }
}

/** For networks with selu: what is dropped goes to selu's floor, and mean 0 and variance 1 stay. */
export class AlphaDropout extends DropoutLayer {
  forward(x: Tensor): Tensor {
    return x.alphaDropout(this.p, { training: this.training });
  }
}

/** AlphaDropout of whole channels of [batch, channels, ..]. */
export class FeatureAlphaDropout extends DropoutLayer {
  forward(x: Tensor): Tensor {
    return x.featureAlphaDropout(this.p, { training: this.training });
  }
}
