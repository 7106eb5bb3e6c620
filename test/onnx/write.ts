// Writes ONNX models for tests: just enough of the format for graphs of a few nodes.

import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { codeOf, type ElementType } from "../../src/onnx/types.js";

export interface TensorText {
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** Bytes as in a file. */
  readonly raw?: Uint8Array;
  readonly strings?: readonly string[];
  /** Where the data lie if not here. */
  readonly external?: Readonly<Record<string, string>>;
}

export interface GraphText {
  readonly name?: string;
  readonly inputs?: Readonly<Record<string, ValueText>>;
  readonly outputs: Readonly<Record<string, ValueText>> | readonly string[];
  readonly constants?: Readonly<Record<string, TensorText>>;
  readonly nodes: readonly NodeText[];
}

/** Element type and shape; sizes may be names. */
export type ValueText = readonly [type: ElementType, shape?: readonly (number | string)[]];

/** Integers are written as bigint, other numbers as floats. */
export type AttributeText =
  | bigint
  | number
  | string
  | readonly bigint[]
  | readonly number[]
  | readonly string[]
  | { readonly tensor: TensorText }
  | { readonly graph: GraphText }
  /** In a function: the attribute of the function that gives the value. */
  | { readonly reference: string };

export interface NodeText {
  readonly op: string;
  readonly name?: string;
  readonly domain?: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly attributes?: Readonly<Record<string, AttributeText>>;
}

export interface FunctionText {
  readonly name: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: readonly string[];
  readonly nodes: readonly NodeText[];
}

export interface ModelText {
  readonly graph: GraphText;
  /** Versions by domain; "" is the standard's. */
  readonly opsets?: Readonly<Record<string, number>>;
  readonly functions?: readonly FunctionText[];
}

const bytes = (write: (writer: BinaryWriter) => void): Uint8Array => {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
};

const field = (writer: BinaryWriter, number: number, message: Uint8Array): BinaryWriter =>
  writer.tag(number, WireType.LengthDelimited).bytes(message);
const text = (writer: BinaryWriter, number: number, value: string): BinaryWriter =>
  writer.tag(number, WireType.LengthDelimited).string(value);
const integer = (writer: BinaryWriter, number: number, value: number | bigint): BinaryWriter =>
  writer.tag(number, WireType.Varint).int64(value);

/** Elements of float32 tensors. */
export const floats = (shape: readonly number[], values: readonly number[]): TensorText => ({
  type: "float32",
  shape,
  raw: new Uint8Array(Float32Array.from(values).buffer),
});

/** Elements of int64 tensors. */
export const integers = (shape: readonly number[], values: readonly number[]): TensorText => ({
  type: "int64",
  shape,
  raw: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});

function tensor({ type, shape, raw, strings, external }: TensorText, name = ""): Uint8Array {
  return bytes((w) => {
    for (const size of shape) integer(w, 1, size);
    integer(w, 2, codeOf(type));
    for (const string of strings ?? []) text(w, 6, string);
    text(w, 8, name);
    if (raw !== undefined) field(w, 9, raw);
    for (const [key, value] of Object.entries(external ?? {}))
      field(
        w,
        13,
        bytes((entry) => text(text(entry, 1, key), 2, value)),
      );
    if (external !== undefined) integer(w, 14, 1);
  });
}

/** A tensor as a file of its own. */
export const writeTensor = (value: TensorText): Uint8Array => tensor(value);

function attribute(name: string, value: AttributeText): Uint8Array {
  return bytes((w) => {
    text(w, 1, name);
    const kind = (code: number): BinaryWriter => integer(w, 20, code);
    if (typeof value === "bigint") kind(2) && integer(w, 3, value);
    else if (typeof value === "number") kind(1).tag(2, WireType.Bit32).float(value);
    else if (typeof value === "string") text(kind(3), 4, value);
    else if ("tensor" in value) field(kind(4), 5, tensor(value.tensor));
    else if ("graph" in value) field(kind(5), 6, graph(value.graph));
    else if ("reference" in value) text(w, 21, value.reference);
    else if (value.every((x) => typeof x === "bigint")) {
      kind(7);
      for (const x of value) integer(w, 8, x);
    } else if (value.every((x) => typeof x === "number")) {
      kind(6);
      for (const x of value) w.tag(7, WireType.Bit32).float(x);
    } else {
      kind(8);
      for (const x of value) text(w, 9, String(x));
    }
  });
}

function node({ op, name, domain, inputs = [], outputs = [], attributes = {} }: NodeText): Uint8Array {
  return bytes((w) => {
    for (const input of inputs) text(w, 1, input);
    for (const output of outputs) text(w, 2, output);
    if (name !== undefined) text(w, 3, name);
    text(w, 4, op);
    for (const [key, value] of Object.entries(attributes)) field(w, 5, attribute(key, value));
    if (domain !== undefined) text(w, 7, domain);
  });
}

function valueInfo(name: string, [type, shape]: ValueText): Uint8Array {
  const dimension = (size: number | string): Uint8Array =>
    bytes((w) => (typeof size === "number" ? integer(w, 1, size) : text(w, 2, size)));
  const tensorType = bytes((w) => {
    integer(w, 1, codeOf(type));
    if (shape !== undefined)
      field(
        w,
        2,
        bytes((s) => {
          for (const size of shape) field(s, 1, dimension(size));
        }),
      );
  });
  return bytes((w) => {
    text(w, 1, name);
    field(
      w,
      2,
      bytes((t) => field(t, 1, tensorType)),
    );
  });
}

function graph({ name = "graph", inputs = {}, outputs, constants = {}, nodes }: GraphText): Uint8Array {
  return bytes((w) => {
    for (const each of nodes) field(w, 1, node(each));
    text(w, 2, name);
    for (const [key, value] of Object.entries(constants)) field(w, 5, tensor(value, key));
    for (const [key, value] of Object.entries(inputs)) field(w, 11, valueInfo(key, value));
    if (Array.isArray(outputs))
      for (const key of outputs)
        field(
          w,
          12,
          bytes((o) => text(o, 1, key as string)),
        );
    else for (const [key, value] of Object.entries(outputs)) field(w, 12, valueInfo(key, value));
  });
}

/** A model's file. */
export function writeModel({ graph: main, opsets = { "": 21 }, functions = [] }: ModelText): Uint8Array {
  return bytes((w) => {
    integer(w, 1, 10);
    field(w, 7, graph(main));
    for (const [domain, version] of Object.entries(opsets))
      field(
        w,
        8,
        bytes((o) => integer(text(o, 1, domain), 2, version)),
      );
    for (const each of functions)
      field(
        w,
        25,
        bytes((f) => {
          text(f, 1, each.name);
          for (const name of each.inputs) text(f, 4, name);
          for (const name of each.outputs) text(f, 5, name);
          for (const name of each.attributes ?? []) text(f, 6, name);
          for (const item of each.nodes) field(f, 7, node(item));
          text(f, 10, each.domain);
        }),
      );
  });
}
