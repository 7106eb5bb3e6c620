// nn: layers, optimisers, and the functions that find a model's tensors.

export { type AttendOptions, type AttentionLayerOptions, MultiheadAttention } from "./attention.js";
export * as init from "./init.js";
export {
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  type BatchNormOptions,
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
  type NormLayerOptions,
} from "./batch-norm.js";
export { GRUCell, LSTMCell, RNNCell } from "./cells.js";
export {
  Conv1d,
  Conv2d,
  Conv3d,
  type ConvOptions,
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  type ConvTransposeOptions,
} from "./convolutions.js";
export {
  AlphaDropout,
  Dropout,
  Dropout1d,
  Dropout2d,
  Dropout3d,
  FeatureAlphaDropout,
} from "./dropout.js";
export {
  type BagInputs,
  Embedding,
  EmbeddingBag,
  type EmbeddingBagOptions,
  type EmbeddingOptions,
} from "./embedding.js";
export {
  Bilinear,
  Flatten,
  Identity,
  Linear,
  PixelShuffle,
  PixelUnshuffle,
  PReLU,
  Sequential,
  Unflatten,
  Upsample,
} from "./layers.js";
export {
  evaluate,
  type Layer,
  type LoadOptions,
  loadStateDict,
  type NameForm,
  type NameOptions,
  parameters,
  stateDict,
  train,
} from "./module.js";
export { GroupNorm, LayerNorm, LocalResponseNorm, RMSNorm } from "./norms.js";
export {
  Adam,
  Adamax,
  type AdamOptions,
  type AdamVariantOptions,
  AdamW,
  LAMB,
  NAdam,
  type NAdamOptions,
  type DecayOptions,
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
  type Parameters as ParameterGroups,
  type StepOptions,
} from "./optimisers/optimiser.js";
export { GradScaler, type GradScalerOptions } from "./optimisers/scaler.js";
export { ExponentialMovingAverage, type MovingAverageOptions } from "./optimisers/moving-average.js";
export * as schedules from "./schedules.js";
export { PlateauScheduler, type PlateauOptions, type Schedule, Scheduler } from "./scheduler.js";
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveAvgPool3d,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  AdaptiveMaxPool3d,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
} from "./pools.js";
export {
  alibiBias,
  alibiSlopes,
  type PositionOptions,
  RotaryEmbedding,
  type RotaryOptions,
  sinusoidalPositions,
} from "./positions.js";
export {
  GRU,
  LSTM,
  type LSTMOptions,
  type RecurrentOptions,
  RNN,
  type RNNOptions,
  type SequenceOptions,
} from "./recurrent.js";
export {
  type SpectralNormOptions,
  spectralNorm,
  type WeightNormOptions,
  weightNorm,
} from "./reparametrise.js";
export {
  type DecoderMasks,
  type EncoderMasks,
  Transformer,
  TransformerDecoder,
  TransformerDecoderLayer,
  TransformerEncoder,
  TransformerEncoderLayer,
  type TransformerLayerOptions,
  type TransformerMasks,
  type TransformerOptions,
} from "./transformer.js";
export type { LayerOptions } from "./weights.js";
export type { Nonlinearity } from "./gates.js";
