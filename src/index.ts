// brisc: lazy tensors that become fused, scheduled kernels.

export {
  concatDatasets,
  mapDataset,
  randomSplit,
  type Subset,
  subset,
  type TensorDataset,
  tensorDataset,
} from "./data/compose.js";
export {
  type Batch,
  type BatchDataset,
  type BatchOf,
  DataError,
  type DataSource,
  type MapDataset,
  type RemoteDataset,
  type SampleOf,
} from "./data/dataset.js";
export { DataLoader, type LoaderOptions, type Progress } from "./data/loader.js";
export {
  type BatchSampler,
  batchSampler,
  randomSampler,
  type Sampler,
  sequentialSampler,
  weightedSampler,
} from "./data/samplers.js";
export type { WorkerOptions } from "./data/workers.js";
export { type Ceiling, type CeilingOptions, measureCeilings } from "./engine/ceilings.js";
export { type LeastTime, openRoofline, type Roofline, type WorkAmount } from "./engine/roofline.js";
export {
  availableDevices,
  type DeviceInfo,
  defaultDevice,
  getDevice,
  type RealizeOptions,
  type ScheduleSearch,
  type ScheduleSearchProgress,
  setDefaultDevice,
} from "./engine/engine.js";
export { clearKeptCode, type KeptCode, keptCode } from "./engine/kept-code.js";
export { loadNpy, loadNpz, saveNpy, saveNpz } from "./formats/npy.js";
export {
  loadSafetensors,
  loadSafetensorsMetadata,
  SafetensorsError,
  saveSafetensors,
} from "./formats/safetensors.js";
export { loadSchedules, saveSchedules } from "./formats/schedules.js";
export { FileError, type FileInput } from "./formats/source.js";
export { loadTorch, type TorchValue } from "./formats/torch.js";
export type { Dim, Shape } from "./graph/node.js";
export * as nn from "./nn/index.js";
export type { DType, Scalar } from "./scalar/dtype.js";
export { autocast, type AutocastOptions } from "./tensor/autocast.js";
export { promote as promoteTypes } from "./graph/promote.js";
export {
  broadcastShapes,
  type NestedArray,
  type Operand,
  TensorError,
  type TypedArray,
} from "./tensor/core.js";
export type {
  FourierAxesOptions,
  FourierNorm,
  FourierOptions,
  IstftOptions,
  StftOptions,
} from "./tensor/fourier.js";
export { checkpoint } from "./tensor/checkpoint.js";
export { customGradient, defineGradient, type GradientRule } from "./tensor/custom-gradient.js";
export { grad, gradientsFor, hvp, jvp, linearize, valueAndGrad, vjp } from "./tensor/functional.js";
export type { SlicePart } from "./tensor/indexing.js";
export { hessian, jacfwd, jacobian, jacrev } from "./tensor/jacobian.js";
export { type JitOptions, jit } from "./tensor/jit.js";
export { manualSeed } from "./tensor/random-bits.js";
export type * from "./tensor/options.js";
export { Tensor, type TensorLike, type TensorOptions } from "./tensor/tensor.js";
export { type BoundVariable, Variable } from "./tensor/variable.js";
export { type BatchAxes, type VmapOptions, vmap } from "./tensor/vmap.js";
