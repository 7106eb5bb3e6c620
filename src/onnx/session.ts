// brisc/onnxruntime: models behind the names of onnxruntime's JavaScript interface (1.x), so that a program that uses it
// changes one import. Tensors are read and written on the host, as there; what only its own backends have (memory on a
// GPU, profiling, options of execution providers) is not here. https://onnxruntime.ai/docs/api/js/

import { storeBytes } from "../engine/engine.js";
import { Tensor as BriscTensor } from "../tensor/tensor.js";
import { load, type ModelInput, type ModelOutput, type OnnxModel, type ValueInfo } from "./model.js";
import { OnnxError } from "./proto.js";
import { heldAs } from "./types.js";

/** The element types, and the arrays that hold them. float16 are their bits. */
export interface DataTypeMap {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
  bool: Uint8Array;
  string: string[];
}
export type TensorType = keyof DataTypeMap;
export type TensorData = DataTypeMap[TensorType];
/** What a tensor may be made of. */
export type Elements = TensorData | Uint8ClampedArray | readonly (number | bigint | boolean | string)[];

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

const isType = (name: unknown): name is TensorType =>
  name === "string" || (typeof name === "string" && Object.hasOwn(ARRAYS, name));

/** The type that an array has if none is named: Uint16Array are integers, not halves. */
function typeOfArray(data: Elements): TensorType {
  if (Array.isArray(data)) {
    if (typeof data[0] === "string") return "string";
    if (typeof data[0] === "boolean") return "bool";
    throw new TypeError("a list of numbers does not say its type: give it before the data");
  }
  if (data instanceof Uint8ClampedArray) return "uint8";
  const [type] =
    Object.entries(ARRAYS).find(([name, kind]) => data instanceof kind && name !== "float16") ?? [];
  if (!isType(type))
    throw new TypeError(`${Object.prototype.toString.call(data)} are no elements of a tensor`);
  return type;
}

function dataOf(type: TensorType, data: Elements): TensorData {
  if (type === "string") return data as string[];
  const kind = ARRAYS[type];
  if (data instanceof kind) return data as TensorData;
  if (ArrayBuffer.isView(data) && data instanceof Uint8ClampedArray && type === "uint8")
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (!Array.isArray(data))
    throw new TypeError(
      `a tensor of ${type} takes ${kind.name}, not ${Object.prototype.toString.call(data)}`,
    );
  if (type === "int64") return BigInt64Array.from(data, (x) => BigInt(x));
  if (type === "uint64") return BigUint64Array.from(data, (x) => BigInt(x));
  if (type === "float16")
    throw new TypeError("a tensor of float16 takes the bits of its elements, as Uint16Array");
  return (kind as Float32ArrayConstructor).from(data.map(Number)) as TensorData;
}

/** A tensor on the host. */
export class Tensor {
  readonly type: TensorType;
  readonly dims: readonly number[];
  readonly size: number;
  readonly location = "cpu";
  private elements: TensorData | undefined;

  /** Elements with or without their type before them, and a shape; else they are a vector. */
  constructor(type: TensorType, data: Elements, dims?: readonly number[]);
  constructor(data: Elements, dims?: readonly number[]);
  constructor(
    first: TensorType | Elements,
    second?: Elements | readonly number[],
    third?: readonly number[],
  ) {
    const named = typeof first === "string";
    if (named && !isType(first)) throw new TypeError(`there is no tensor of ${first}`);
    const given = (named ? second : first) as Elements;
    this.type = named ? (first as TensorType) : typeOfArray(given);
    this.elements = dataOf(this.type, given);
    this.dims = (named ? third : (second as readonly number[] | undefined)) ?? [this.elements.length];
    this.size = this.dims.reduce((n, d) => n * d, 1);
    if (this.size !== this.elements.length)
      throw new RangeError(
        `a tensor of shape [${this.dims}] has ${this.size} elements, not ${this.elements.length}`,
      );
  }

  /** The elements, row by row. */
  get data(): TensorData {
    if (this.elements === undefined) throw new Error("the tensor was disposed");
    return this.elements;
  }

  async getData(): Promise<TensorData> {
    return this.data;
  }

  /** The same elements in another shape. */
  reshape(dims: readonly number[]): Tensor {
    return new Tensor(this.type, this.data, dims);
  }

  dispose(): void {
    this.elements = undefined;
  }
}

export interface SessionOptions {
  /** Names, or objects with names: "wasm" is brisc's device of that name, all others its fastest. */
  readonly executionProviders?: readonly (string | { readonly name: string })[];
  /** All others are taken and change nothing. */
  readonly [option: string]: unknown;
}

export interface ValueMetadata {
  readonly name: string;
  readonly isTensor: boolean;
  readonly type?: string;
  readonly shape?: readonly (number | string)[];
}

const metadataOf = ({ name, kind, type, shape }: ValueInfo): ValueMetadata =>
  kind === "tensor"
    ? { name, isTensor: true, type, shape: shape?.map((size) => size ?? "") ?? [] }
    : { name, isTensor: false };

/** Inputs by name. */
export type Feeds = Readonly<Record<string, Tensor>>;
/** Names of outputs, alone or as keys. */
export type Fetches = readonly string[] | Readonly<Record<string, Tensor | null>>;

/** A loaded model. */
export class InferenceSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly ValueMetadata[];
  readonly outputMetadata: readonly ValueMetadata[];

  private constructor(private readonly model: OnnxModel) {
    this.inputNames = model.inputs.map(({ name }) => name);
    this.outputNames = model.outputs.map(({ name }) => name);
    this.inputMetadata = model.inputs.map(metadataOf);
    this.outputMetadata = model.outputs.map(metadataOf);
  }

  /** Loads a model from a path, a URL, or bytes. */
  static create(
    source: string | Uint8Array | ArrayBuffer,
    options?: SessionOptions,
  ): Promise<InferenceSession>;
  static create(
    buffer: ArrayBuffer,
    byteOffset: number,
    byteLength?: number,
    options?: SessionOptions,
  ): Promise<InferenceSession>;
  static async create(
    source: string | Uint8Array | ArrayBuffer,
    second?: SessionOptions | number,
    byteLength?: number,
    fourth?: SessionOptions,
  ): Promise<InferenceSession> {
    const part =
      typeof second === "number" ? new Uint8Array(source as ArrayBuffer, second, byteLength) : source;
    const options = typeof second === "number" ? fourth : second;
    const providers = options?.executionProviders?.map((x) => (typeof x === "string" ? x : x.name)) ?? [];
    const device = providers[0] === "wasm" ? "wasm" : undefined;
    return new InferenceSession(await load(part, { device }));
  }

  /** Runs the model; gives all outputs, or those of `fetches`. */
  async run(feeds: Feeds, fetches?: Fetches, options?: object): Promise<Record<string, Tensor>>;
  async run(feeds: Feeds, options?: object): Promise<Record<string, Tensor>>;
  async run(feeds: Feeds, fetches?: Fetches | object): Promise<Record<string, Tensor>> {
    const wanted = this.wanted(fetches);
    const inputs = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, inputOf(tensor)]));
    const outputs = await this.model.run(inputs);
    const read = wanted.map(async (name) => [name, await resultOf(name, outputs[name])] as const);
    return Object.fromEntries(await Promise.all(read));
  }

  /** Names of outputs among the second argument's, which may also be options of the run. */
  private wanted(fetches: Fetches | object | undefined): readonly string[] {
    if (fetches === undefined) return this.outputNames;
    if (Array.isArray(fetches)) {
      const unknown = (fetches as readonly string[]).find((name) => !this.outputNames.includes(name));
      if (unknown !== undefined)
        throw new OnnxError(`the model has no output "${unknown}"; its outputs are ${this.outputNames}`);
      return fetches as readonly string[];
    }
    const names = Object.keys(fetches).filter((name) => this.outputNames.includes(name));
    return names.length > 0 ? names : this.outputNames;
  }

  /** The model's memory goes with the last reference to it. */
  async release(): Promise<void> {}
  startProfiling(): void {}
  endProfiling(): void {}
}

function inputOf(tensor: Tensor): ModelInput {
  const { type, dims, data } = tensor;
  if (type === "string") return { shape: dims, data: data as string[] };
  const view = data as Exclude<TensorData, string[]>;
  const bytes = new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, view.byteLength);
  const copy = type === "bool" ? bytes.map((byte) => (byte === 0 ? 0 : 1)) : bytes.slice();
  return BriscTensor.ofNode(storeBytes(copy, heldAs(type), dims));
}

async function resultOf(name: string, output: ModelOutput): Promise<Tensor> {
  if (output instanceof BriscTensor) {
    const { dtype } = output;
    if (!isType(dtype))
      throw new OnnxError(`output "${name}" is ${dtype}, which this interface has no array for`);
    // Halves as their bits.
    const bits = dtype === "float16" ? output.bitcast("uint16") : output;
    return new Tensor(dtype, (await bits.data()) as TensorData, output.sizes);
  }
  if (output !== null && "data" in output) return new Tensor("string", [...output.data], output.shape);
  throw new OnnxError(`output "${name}" is no tensor, which this interface has no value for`);
}

/** Settings that onnxruntime has; they may be set, and change nothing. */
export const env: { logLevel: string; debug: boolean; wasm: object; webgpu: object; webgl: object } = {
  logLevel: "warning",
  debug: false,
  wasm: {},
  webgpu: {},
  webgl: {},
};
