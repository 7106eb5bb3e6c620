// The types of what methods of Tensor take and give, for those who write them down.

export type { GumbelOptions, RreluOptions } from "./activation.js";
export type { FractionalPoolOptions } from "./adaptive-pooling.js";
export type { CloseOptions } from "./arithmetic.js";
export type { PadMode, PadOptions } from "./arrangement.js";
export type { AccumulateOptions, Reduction as ScatterReduction, ScatterReduceOptions } from "./assignment.js";
export type { ClassLossOptions, CrossEntropyOptions, MultiMarginLossOptions } from "./class-loss.js";
export type {
  Around,
  ConvolutionOptions,
  ConvolutionTransposeOptions,
  PerAxis,
  WindowOptions,
} from "./convolution.js";
export type { FromOptions } from "./creation.js";
export type { CtcLossOptions, Lengths } from "./ctc.js";
export type { DivisionOptions } from "./elementwise.js";
export type { MatrixNorm, RankOptions, TriangleOptions } from "./factorisation.js";
export type { AttentionOptions, QuantizedOptions } from "./linear.js";
export type {
  GaussianNllLossOptions,
  KlDivLossOptions,
  LogitsLossOptions,
  MarginLossOptions,
  PoissonNllLossOptions,
  TripletMarginLossOptions,
  TripletMarginWithDistanceLossOptions,
} from "./loss.js";
export type { LossOptions, LossReduction, WeightedLossOptions } from "./loss-reduction.js";
export type { Padding } from "./movement.js";
export type { LocalResponseNormOptions, NormOptions, RmsNormOptions } from "./normalisation.js";
export type { NestedNumbers, Places } from "./places.js";
export type {
  AdaptiveSize,
  AveragePoolOptions,
  MaxPoolOptions,
  NormPoolOptions,
  UnpoolOptions,
  ValuesAndIndices,
} from "./pooling.js";
export type { UnpackInt4Options } from "./packing.js";
export type { ScaledSumOptions } from "./products.js";
export type { DrawOptions, DropoutOptions, MultinomialOptions } from "./random.js";
export type { WindowOptions as SignalWindowOptions } from "./ranges.js";
export type { Axes, Placed, ReduceOptions, SumOptions } from "./reduction.js";
export type { GridSampleOptions, InterpolateOptions, InterpolationMode } from "./resampling.js";
export type { SampleOptions, TruncOptions, WeightOptions } from "./sampling.js";
export type { Spacing } from "./scan.js";
export type { QuantileOptions, SearchOptions, SortOptions, Unique } from "./sorting.js";
export type { Correction, CountOptions, HistogramOptions } from "./statistics.js";
