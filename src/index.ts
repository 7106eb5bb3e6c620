// brisc: lazy tensors that become fused, scheduled kernels.

export {
  availableDevices,
  type DeviceInfo,
  defaultDevice,
  getDevice,
  type RealizeOptions,
  setDefaultDevice,
} from "./engine/engine.js";
export {
  loadSafetensors,
  loadSafetensorsMetadata,
  SafetensorsError,
  saveSafetensors,
} from "./formats/safetensors.js";
export * as nn from "./nn/index.js";
export { TensorError } from "./tensor/core.js";
export { grad, valueAndGrad } from "./tensor/functional.js";
export { type JitOptions, jit } from "./tensor/jit.js";
export { manualSeed } from "./tensor/random.js";
export { Tensor } from "./tensor/tensor.js";
export { type BoundVariable, Variable } from "./tensor/variable.js";
