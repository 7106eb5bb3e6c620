// A model that can be run: what goes in, what comes out, and the steps in between.

import { type GraphWork, workOfNodes } from "../engine/inspect.js";
import type { FileInput } from "../formats/source.js";
import { openSource } from "../formats/source.js";
import { bufferNode } from "../graph/node.js";
import type { DType } from "../scalar/dtype.js";
import type { TypedArray } from "../tensor/core.js";
import { Tensor } from "../tensor/tensor.js";
import { openBeside } from "./beside.js";
import { Executor, type RunOptions } from "./execute.js";
import { buildGraph, type Graph, type GraphNode, type Slot } from "./graph.js";
import { findOperator } from "./operators/index.js";
import { OnnxError, readModel } from "./proto.js";
import { bitsOf, type ElementType, elementType, heldAs } from "./types.js";
import { AbsentValue, printValue, SequenceValue, StringsValue, TensorValue, type Value } from "./value.js";

export interface LoadOptions {
  /** Name of the device; else the default at each run. */
  readonly device?: string;
  /** Files that the model names for its tensors, where they do not lie in its folder, or it was given as bytes. */
  readonly externalData?: Readonly<Record<string, FileInput>>;
}

/** Strings with a shape, row by row. */
export interface StringTensor {
  readonly shape: readonly number[];
  readonly data: readonly string[];
}

/** What a model is given: a tensor, elements of a one-dimensional or declared shape, strings, a list, or nothing (null). */
export type ModelInput =
  | Tensor
  | TypedArray
  | StringTensor
  | readonly string[]
  | readonly ModelInput[]
  | null;

/** What a model gives: a tensor, strings, a list of them, or nothing. */
export type ModelOutput = Tensor | StringTensor | readonly ModelOutput[] | null;

/** What is known of an input or output before a run. */
export interface ValueInfo {
  readonly name: string;
  readonly kind: "tensor" | "sequence" | "optional" | "map" | "unknown";
  /** Of the elements, where the model says it. */
  readonly type: ElementType | undefined;
  /** Of the tensors that hold such elements; undefined for strings. */
  readonly dtype: DType | undefined;
  /** Sizes; names where they are left open, null where nothing is said. Undefined if even their number is open. */
  readonly shape: readonly (number | string | null)[] | undefined;
}

function infoOf({ name, type }: Slot): ValueInfo {
  const inner = type?.tensor ?? type?.sequence?.tensor ?? type?.optional?.tensor;
  const elements = inner === undefined || inner.type === 0 ? undefined : elementType(inner.type);
  return {
    name,
    kind: type?.tensor
      ? "tensor"
      : type?.sequence
        ? "sequence"
        : type?.optional
          ? "optional"
          : type?.map
            ? "map"
            : "unknown",
    type: elements,
    dtype: elements === undefined || elements === "string" ? undefined : heldAs(elements),
    shape: inner?.shape?.map((size) => size ?? null),
  };
}

/** Counts of a model. */
export interface ModelSummary extends GraphWork {
  /** How often each operator stands in it, those of functions and inner graphs too. */
  readonly operators: ReadonlyMap<string, number>;
  /** Elements of its constants, and their bytes as a file holds them. */
  readonly parameters: number;
  readonly parameterBytes: number;
  /** The node that needs elements of a run: work is counted up to there. */
  readonly cut?: string;
}

function* nodesOf(graph: Graph): Generator<GraphNode> {
  for (const node of graph.nodes) {
    yield node;
    for (const inner of node.graphs.values()) yield* nodesOf(inner);
  }
}

/** An input without elements. */
function exampleOf(
  { name, kind, type, dtype, shape }: ValueInfo,
  sizes: Readonly<Record<string, number>>,
): Value {
  if (kind === "optional") return new AbsentValue();
  if (kind !== "tensor" || dtype === undefined || shape === undefined)
    throw new OnnxError(`input "${name}" has no declared type and shape, so that work cannot be counted`);
  const open = shape.map((size, axis) =>
    typeof size === "number" ? size : (sizes[size ?? `${name}.${axis}`] ?? 1),
  );
  return TensorValue.of(Tensor.ofNode(bufferNode(dtype, open, { bytes: 0 })), type);
}

export class OnnxModel {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  private readonly executor: Executor;

  /** @internal By `load`. */
  constructor(
    private readonly graph: Graph,
    /** Free text of the model's file. */
    readonly metadata: ReadonlyMap<string, string>,
    device: string | undefined,
  ) {
    this.inputs = graph.inputs.map(infoOf);
    this.outputs = graph.outputs.map(infoOf);
    this.executor = new Executor(graph, device);
  }

  /**
   * Runs the model. The first run for each kind of inputs (shapes and types) compiles it; later ones replay. Outputs are
   * computed when this resolves.
   */
  async run(
    inputs: Readonly<Record<string, ModelInput>>,
    options: RunOptions = {},
  ): Promise<Record<string, ModelOutput>> {
    const values = await this.executor.run(this.bind(inputs), options);
    return Object.fromEntries(values.map((value, i) => [this.outputs[i].name, outputOf(value)]));
  }

  /** @internal As `run`, with values as the graph has them. */
  runValues(values: ReadonlyMap<string, Value>, options: RunOptions = {}): Promise<Value[]> {
    return this.executor.run(values, options);
  }

  /**
   * The model as a function of tensors, built anew at each call and computed when it is read: it may stand in other
   * functions, and has gradients. OnnxError if its graph depends on elements that only a run gives.
   */
  toTensors(inputs: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
    const values = this.executor.build(this.bind(inputs));
    return Object.fromEntries(
      values.map((value, i) => {
        const { name } = this.outputs[i];
        if (value.kind !== "tensor")
          throw new OnnxError(`output "${name}" is ${printValue(value)}, not a tensor`);
        return [name, value.tensor];
      }),
    );
  }

  /**
   * What the model is made of, and what a run costs on a device, with these sizes for what its inputs leave open (1 where
   * none is given). Nothing is run.
   */
  async summary(sizes: Readonly<Record<string, number>> = {}, device?: string): Promise<ModelSummary> {
    const { graph } = this;
    const operators = new Map<string, number>();
    for (const { domain, operatorName } of nodesOf(graph)) {
      const name = domain === "" ? operatorName : `${domain}.${operatorName}`;
      operators.set(name, (operators.get(name) ?? 0) + 1);
    }
    const constants = [...graph.constants.values()].filter((value) => value.kind === "tensor");
    const parameters = constants.reduce((n, { size }) => n + size, 0);
    const parameterBytes = constants.reduce(
      (n, { size, type }) => n + Math.ceil((size * bitsOf(type)) / 8),
      0,
    );
    const inputs = new Map(this.inputs.map((info) => [info.name, exampleOf(info, sizes)] as const));
    const { tensors, cut } = this.executor.outline(inputs);
    const work = await workOfNodes(
      tensors.map(({ node }) => node),
      device,
    );
    return { operators, parameters, parameterBytes, ...work, cut };
  }

  private bind(inputs: Readonly<Record<string, ModelInput>>): Map<string, Value> {
    const { graph } = this;
    const values = new Map<string, Value>();
    for (const name of Object.keys(inputs)) {
      if (!graph.constants.has(name) && !graph.inputs.some((input) => input.name === name)) {
        const names = graph.inputs.map(({ name }) => `"${name}"`).join(", ");
        throw new OnnxError(`the model has no input "${name}"; its inputs are ${names || "none"}`);
      }
    }
    for (const info of this.inputs) {
      const given = inputs[info.name];
      if (given === undefined) {
        if (info.kind !== "optional") throw new OnnxError(`input "${info.name}" is missing`);
      }
      values.set(info.name, inputValue(given ?? null, info));
    }
    for (const [name, constant] of graph.constants) {
      const given = inputs[name];
      if (given === undefined) continue;
      if (constant.kind !== "tensor") throw new OnnxError(`"${name}" cannot be replaced`);
      const { type, shape } = constant;
      values.set(name, inputValue(given, { name, kind: "tensor", type, dtype: heldAs(type), shape }));
    }
    checkSizes(this.inputs, values);
    return values;
  }
}

function inputValue(given: ModelInput, info: ValueInfo): Value {
  const { name, kind, type } = info;
  if (given === null) {
    if (kind !== "optional") throw new OnnxError(`input "${name}" is missing`);
    return new AbsentValue();
  }
  if (given instanceof Tensor) {
    const held = type === undefined ? given.dtype : heldAs(type);
    if (given.dtype !== held) throw new OnnxError(`input "${name}" must be ${type}, and is given ${given}`);
    return TensorValue.of(given, type ?? given.dtype);
  }
  if (ArrayBuffer.isView(given)) {
    const elements = given as TypedArray;
    const sizes = info.shape;
    const open = sizes?.filter((size) => typeof size !== "number").length ?? 0;
    const fixed = sizes?.reduce<number>((n, size) => n * (typeof size === "number" ? size : 1), 1) ?? 1;
    if (sizes === undefined || open > 1)
      throw new OnnxError(
        `input "${name}": its shape is open, so that it must be given as a Tensor, not a plain array`,
      );
    const shape = sizes.map((size) => (typeof size === "number" ? size : elements.length / fixed));
    return inputValue(Tensor.from(elements, { shape, dtype: info.dtype }), info);
  }
  if (isStrings(given)) {
    const strings = Array.isArray(given) ? (given as readonly string[]) : (given as StringTensor).data;
    const shape = Array.isArray(given) ? [strings.length] : (given as StringTensor).shape;
    return new StringsValue(strings, shape);
  }
  if (!Array.isArray(given)) throw new OnnxError(`input "${name}" cannot be ${typeof given}`);
  const item: ValueInfo = { ...info, kind: "tensor", shape: undefined };
  return new SequenceValue(given.map((x: ModelInput) => inputValue(x, item)));
}

const isStrings = (given: ModelInput): boolean =>
  Array.isArray(given)
    ? given.length > 0 && given.every((x) => typeof x === "string")
    : typeof given === "object" && given !== null && "data" in given;

/** Sizes must be those that the model declares; those that it names alike must be alike. */
function checkSizes(infos: readonly ValueInfo[], values: ReadonlyMap<string, Value>): void {
  const sizes = new Map<string, number>();
  for (const { name, shape, kind } of infos) {
    const value = values.get(name);
    if (kind !== "tensor" || shape === undefined || value?.kind !== "tensor") continue;
    const wrong = (): never => {
      throw new OnnxError(
        `input "${name}" must have the shape [${shape.map((x) => x ?? "?")}], not [${value.shape}]`,
      );
    };
    if (value.shape.length !== shape.length) wrong();
    shape.forEach((declared, axis) => {
      const size = value.shape[axis];
      if (typeof declared === "number" && declared !== size) wrong();
      if (typeof declared !== "string") return;
      const other = sizes.get(declared);
      if (other !== undefined && other !== size)
        throw new OnnxError(`input "${name}" has ${declared} = ${size}, where another input has ${other}`);
      sizes.set(declared, size);
    });
  }
}

function outputOf(value: Value): ModelOutput {
  if (value.kind === "tensor") return value.tensor;
  if (value.kind === "strings") return { shape: value.shape, data: value.strings };
  return value.kind === "sequence" ? value.items.map(outputOf) : null;
}

// --- loading -----------------------------------------------------------------------------------------------------

/**
 * Loads an ONNX model from a path, a URL, bytes or a Blob. Files of tensors beside it are read when their tensors are
 * first used. OnnxError for what is no model, or one that cannot run here; FileError for what cannot be read.
 */
export async function load(file: FileInput, options: LoadOptions = {}): Promise<OnnxModel> {
  const source = await openSource(file);
  const proto = readModel(await source.read(0, source.size));
  const beside = await openBeside(proto, file, options.externalData);
  const graph = buildGraph(proto, {
    find: findOperator,
    open: (location) => beside.get(location)!,
  });
  return new OnnxModel(graph, proto.metadata, options.device);
}
