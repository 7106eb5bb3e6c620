// Pools as layers: see the methods of Tensor of the same names.

import type { PerAxis } from "../tensor/convolution.js";

import type { AdaptiveSize, AveragePoolOptions, MaxPoolOptions } from "../tensor/pooling.js";
import type { Tensor } from "../tensor/tensor.js";

abstract class MaxPool {
  constructor(
    protected readonly size: PerAxis,
    protected readonly options: MaxPoolOptions = {},
  ) {}
}
/** Largest of each window of the last axis. */
export class MaxPool1d extends MaxPool {
  forward(x: Tensor): Tensor {
    return x.maxPool1d(this.size, this.options);
  }
}
/**
 * Largest of each window of the last two axes.
 *
 * @example
 * new nn.MaxPool2d(2).forward(Tensor.ones([1, 3, 8, 8])).shape; // => [1, 3, 4, 4]
 */
export class MaxPool2d extends MaxPool {
  forward(x: Tensor): Tensor {
    return x.maxPool2d(this.size, this.options);
  }
}
/** Largest of each window of the last three axes. */
export class MaxPool3d extends MaxPool {
  forward(x: Tensor): Tensor {
    return x.maxPool3d(this.size, this.options);
  }
}

abstract class AvgPool {
  constructor(
    protected readonly size: PerAxis,
    protected readonly options: AveragePoolOptions = {},
  ) {}
}
/** Mean of each window of the last axis. */
export class AvgPool1d extends AvgPool {
  forward(x: Tensor): Tensor {
    return x.avgPool1d(this.size, this.options);
  }
}
/** Mean of each window of the last two axes. */
export class AvgPool2d extends AvgPool {
  forward(x: Tensor): Tensor {
    return x.avgPool2d(this.size, this.options);
  }
}
/** Mean of each window of the last three axes. */
export class AvgPool3d extends AvgPool {
  forward(x: Tensor): Tensor {
    return x.avgPool3d(this.size, this.options);
  }
}

/** Means of as many windows as asked for, which cover the last axis. */
export class AdaptiveAvgPool1d {
  constructor(private readonly size: number) {}
  forward(x: Tensor): Tensor {
    return x.adaptiveAvgPool1d(this.size);
  }
}
/**
 * Means of as many windows as asked for, which cover the last two axes.
 *
 * @example
 * new nn.AdaptiveAvgPool2d(1).forward(Tensor.ones([1, 3, 7, 5])).shape; // => [1, 3, 1, 1]
 */
export class AdaptiveAvgPool2d {
  constructor(private readonly size: AdaptiveSize) {}
  forward(x: Tensor): Tensor {
    return x.adaptiveAvgPool2d(this.size);
  }
}
/** Means of as many windows as asked for, which cover the last three axes. */
export class AdaptiveAvgPool3d {
  constructor(private readonly size: AdaptiveSize) {}
  forward(x: Tensor): Tensor {
    return x.adaptiveAvgPool3d(this.size);
  }
}

/** Largest of as many windows as asked for, which cover the last axis. */
export class AdaptiveMaxPool1d {
  constructor(private readonly size: number) {}
  forward(x: Tensor): Tensor {
    return x.adaptiveMaxPool1d(this.size);
  }
}
/** Largest of as many windows as asked for, which cover the last two axes. */
export class AdaptiveMaxPool2d {
  constructor(private readonly size: AdaptiveSize) {}
  forward(x: Tensor): Tensor {
    return x.adaptiveMaxPool2d(this.size);
  }
}
/** Largest of as many windows as asked for, which cover the last three axes. */
export class AdaptiveMaxPool3d {
  constructor(private readonly size: AdaptiveSize) {}
  forward(x: Tensor): Tensor {
    return x.adaptiveMaxPool3d(this.size);
  }
}
