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
  type AdamOptions,
  AdamW,
  Optimiser,
  type OptimiserOptions,
  SGD,
  type SGDOptions,
  type StepOptions,
} from "./optimiser.js";
