// What an operator is: a function from the values a node reads to those it gives, written in tensor operations. It is called
// while the graph is built, when tensors have shapes but no elements yet; where it must know elements (a shape to reshape
// to), it asks for them, and the graph is run up to there if they are not known.

import type { TypedArray } from "../tensor/core.js";
import { Tensor } from "../tensor/tensor.js";
import type { Graph, GraphNode } from "./graph.js";
import { OnnxError } from "./proto.js";
import { type ElementType, elementType } from "./types.js";
import { printValue, type SequenceValue, StringsValue, TensorValue, type Value } from "./value.js";

/** A tensor stands for a value of the type of its dtype. */
export type Result = Tensor | Value | undefined;

/** What a node gives: one value, or one for each of its outputs. */
export type Operator = (call: Call) => Result | readonly Result[];

/** An operator that runs graphs asks for that step by step, and is handed what they give. */
export type ControlOperator = (call: Call) => Generator<Request, readonly Result[], readonly Value[]>;

export type Request =
  | { readonly kind: "graph"; readonly graph: Graph; readonly inputs: readonly Value[] }
  /** The elements of a value: it is known from then on. */
  | { readonly kind: "read"; readonly value: TensorValue };

export interface AnyOperator {
  readonly run?: Operator;
  readonly control?: ControlOperator;
  /** Gives something else each time, so that it cannot be computed once. */
  readonly random?: boolean;
  /** The attributes that name tensors between which it runs the graph around it: that is its graph PART. */
  readonly part?: { readonly from: readonly string[]; readonly to: string };
}

export const PART = "part of the graph around it";

export type Operators = Readonly<Record<string, Operator>>;

/** What a class may be called. */
export type Label = string | number | bigint;

/** Thrown where elements are asked for that the host does not know. */
export class ElementsNeeded extends Error {
  constructor(readonly value: TensorValue) {
    super("the elements of a value are needed while the graph is built");
  }
}

const utf8 = new TextDecoder();

/** One node with the values it reads. */
export class Call {
  constructor(
    readonly node: GraphNode,
    readonly inputs: readonly (Value | undefined)[],
  ) {}

  /** Of the operator's domain. */
  get version(): number {
    return this.node.version;
  }

  /** Number of outputs that the node names, those left out in between too. */
  get outputCount(): number {
    return this.node.outputs.length;
  }

  /** Whether anybody reads the i-th output. */
  wants(i: number): boolean {
    return this.node.outputs[i] !== undefined;
  }

  fail(message: string): never {
    throw new OnnxError(message);
  }

  // --- inputs --------------------------------------------------------------------------------------------------------

  has(i: number): boolean {
    return this.inputs[i] !== undefined;
  }

  value(i: number): Value {
    return this.inputs[i] ?? this.fail(`its input ${i} is missing`);
  }

  /** The i-th input, which must be a tensor of numbers. */
  typed(i: number): TensorValue {
    const value = this.value(i);
    return value.kind === "tensor"
      ? value
      : this.fail(`its input ${i} must be a tensor, not ${printValue(value)}`);
  }

  tensor(i: number): Tensor {
    return this.typed(i).tensor;
  }

  /** The i-th input, if there is one. */
  optional(i: number): Tensor | undefined {
    return this.has(i) ? this.tensor(i) : undefined;
  }

  tensors(from = 0): Tensor[] {
    return this.inputs.slice(from).map((_, i) => this.tensor(from + i));
  }

  strings(i: number): StringsValue {
    const value = this.value(i);
    return value instanceof StringsValue
      ? value
      : this.fail(`its input ${i} must be strings, not ${printValue(value)}`);
  }

  sequence(i: number): SequenceValue {
    const value = this.value(i);
    return value.kind === "sequence"
      ? value
      : this.fail(`its input ${i} must be a sequence, not ${printValue(value)}`);
  }

  /** The elements of the i-th input. Where they are not known, the graph is run first to know them. */
  known(i: number): TypedArray {
    return this.elements(this.typed(i));
  }

  /** The elements of a value that this node reads. */
  elements(value: TensorValue): TypedArray {
    if (value.known === undefined) throw new ElementsNeeded(value);
    return value.known;
  }

  /** The elements of the i-th input as numbers. */
  integers(i: number): number[] {
    return Array.from(this.known(i) as ArrayLike<number | bigint>, Number);
  }

  /** The one element of the i-th input, as a number. */
  number(i: number): number {
    const elements = this.known(i);
    if (elements.length !== 1) this.fail(`its input ${i} must have one element, not ${elements.length}`);
    return Number(elements[0]);
  }

  // --- attributes ----------------------------------------------------------------------------------------------------

  /** An attribute that is an integer. INT64's limits come as the nearest numbers. */
  int(name: string): number | undefined;
  int(name: string, otherwise: number): number;
  int(name: string, otherwise?: number): number | undefined {
    const { int } = this.node.attributes.get(name) ?? {};
    return int === undefined ? otherwise : Number(int);
  }

  flag(name: string, otherwise = false): boolean {
    return this.int(name, otherwise ? 1 : 0) !== 0;
  }

  float(name: string): number | undefined;
  float(name: string, otherwise: number): number;
  float(name: string, otherwise?: number): number | undefined {
    return this.node.attributes.get(name)?.float ?? otherwise;
  }

  text(name: string): string | undefined;
  text(name: string, otherwise: string): string;
  text(name: string, otherwise?: string): string | undefined {
    const { string } = this.node.attributes.get(name) ?? {};
    return string === undefined ? otherwise : utf8.decode(string);
  }

  ints(name: string): number[] | undefined {
    return this.node.attributes.get(name)?.ints.map(Number);
  }

  floats(name: string): number[] | undefined {
    return this.node.attributes.get(name)?.floats.slice();
  }

  texts(name: string): string[] | undefined {
    return this.node.attributes.get(name)?.strings.map((bytes) => utf8.decode(bytes));
  }

  /** A list of labels: integers exactly, floats or strings, by which of them the attribute has. */
  labels(name: string): Label[] | undefined {
    const attribute = this.node.attributes.get(name);
    if (attribute === undefined) return undefined;
    const { ints, floats, strings } = attribute;
    return ints.length > 0
      ? [...ints]
      : floats.length > 0
        ? [...floats]
        : strings.map((bytes) => utf8.decode(bytes));
  }

  /** An attribute that is a tensor. */
  tensorAttribute(name: string): Value | undefined {
    return this.node.tensors.get(name);
  }

  /** An attribute that numbers an element type. */
  typeAttribute(name: string): ElementType | undefined {
    const code = this.int(name);
    return code === undefined || code === 0 ? undefined : elementType(code);
  }

  graph(name: string): Graph {
    return this.node.graphs.get(name) ?? this.fail(`its attribute ${name}, a graph, is missing`);
  }

  // --- axes ----------------------------------------------------------------------------------------------------------

  /** An axis of a tensor counted from its start. */
  axis(given: number, rank: number): number {
    const axis = given < 0 ? given + rank : given;
    if (!Number.isInteger(axis) || axis < 0 || axis >= rank)
      this.fail(`there is no axis ${given} in a tensor of ${rank} axes`);
    return axis;
  }
}

/** What an operator gave, as values. */
export function resultsOf(results: Result | readonly Result[]): (Value | undefined)[] {
  const list = Array.isArray(results) ? (results as readonly Result[]) : [results as Result];
  return list.map((result) => (result instanceof Tensor ? TensorValue.of(result) : result));
}
