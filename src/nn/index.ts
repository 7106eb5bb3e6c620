// nn: layers, optimisers, and the functions that find a model's tensors.

export { type AttentionLayerOptions, MultiheadAttention } from "./attention.js";
export {
  Conv1d,
  Conv2d,
  type ConvOptions,
  Dropout,
  Embedding,
  type LayerOptions,
  Linear,
  Sequential,
} from "./layers.js";
export { evaluate, type Layer, loadStateDict, parameters, stateDict, train } from "./module.js";
export {
  BatchNorm1d,
  BatchNorm2d,
  type BatchNormOptions,
  GroupNorm,
  LayerNorm,
  type NormLayerOptions,
  RMSNorm,
} from "./norms.js";
export {
  Adam,
  Adamax,
  type AdamOptions,
  type AdamVariantOptions,
  AdamW,
  LAMB,
  NAdam,
  type NAdamOptions,
  RAdam,
} from "./optimisers/adam.js";
export {
  Adadelta,
  type AdadeltaOptions,
  Adafactor,
  type AdafactorOptions,
  Adagrad,
  type AdagradOptions,
  RMSprop,
  type RMSpropOptions,
} from "./optimisers/adaptive.js";
export { clipGradNorm, clipGradValue } from "./optimisers/clip.js";
export {
  LARS,
  type LARSOptions,
  Lion,
  type LionOptions,
  Muon,
  type MuonOptions,
  Rprop,
  type RpropOptions,
  SGD,
  type SGDOptions,
} from "./optimisers/momentum.js";
export {
  Optimiser,
  type OptimiserOptions,
  type ParameterGroup,
  type StepOptions,
} from "./optimisers/optimiser.js";
export { GradScaler, type GradScalerOptions } from "./optimisers/scaler.js";
export { ExponentialMovingAverage, type MovingAverageOptions } from "./optimisers/moving-average.js";
export * as schedules from "./schedules.js";
export { PlateauScheduler, type PlateauOptions, type Schedule, Scheduler } from "./scheduler.js";
