// brisc/onnx: models in the format of https://onnx.ai, run by the same compiler as everything else.

export type { RunOptions } from "./execute.js";
export {
  load,
  type LoadOptions,
  type ModelInput,
  type ModelOutput,
  type ModelSummary,
  type OnnxModel,
  type StringTensor,
  type ValueInfo,
} from "./model.js";
export type { GraphWork } from "../engine/inspect.js";
export { OnnxError } from "./proto.js";
export type { ElementType } from "./types.js";
