// A model's graph, ready to run: nodes in an order in which each follows what it reads, with their operators found, functions
// of the model written out where they are called, and initial values decoded. All that can be wrong with a graph, whatever
// its inputs will be, is an error here.

import { sourceNode } from "../engine/engine.js";
import { asBools } from "../formats/source.js";
import { Tensor } from "../tensor/tensor.js";
import { type AnyOperator, PART } from "./operator.js";
import {
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type NodeProto,
  OnnxError,
} from "./proto.js";
import type { ModelProto, TensorProto, TypeProto, ValueInfoProto } from "./proto.js";
import { decodeSparse, decodeTensor, externalPlace, type OpenBeside } from "./tensor-data.js";
import { isNative } from "./types.js";
import { TensorValue, type Value, valueFromHost } from "./value.js";

export interface GraphNode {
  /** For messages: operator and name. */
  readonly label: string;
  readonly name: string;
  readonly operator: AnyOperator;
  readonly operatorName: string;
  readonly domain: string;
  /** Of the operator's domain, as the model imports it. */
  readonly version: number;
  readonly inputs: readonly (string | undefined)[];
  readonly outputs: readonly (string | undefined)[];
  readonly attributes: ReadonlyMap<string, AttributeProto>;
  /** Values of attributes that are tensors, and graphs. */
  readonly tensors: ReadonlyMap<string, Value>;
  readonly graphs: ReadonlyMap<string, Graph>;
  /** All it reads: its inputs, and what its graphs take from around them. */
  readonly reads: readonly string[];
}

export interface Slot {
  readonly name: string;
  readonly type: TypeProto | undefined;
}

export interface Graph {
  readonly name: string;
  /** Those that are given at each run. */
  readonly inputs: readonly Slot[];
  readonly outputs: readonly Slot[];
  readonly constants: ReadonlyMap<string, Value>;
  readonly nodes: readonly GraphNode[];
  /** Names taken from the graphs around it. */
  readonly captures: readonly string[];
}

/** Finds the operator of a domain; undefined if there is none. */
export type FindOperator = (domain: string, name: string) => AnyOperator | undefined;

export interface GraphOptions {
  readonly find: FindOperator;
  /** Opens files of tensors that lie beside the model. */
  readonly open: OpenBeside;
}

const utf8 = new TextDecoder();

/** Functions that call functions deeper than this call themselves. */
const MAX_CALLS = 64;

/** The two names of the standard's own domain are one. */
export const domainName = (domain: string): string => (domain === "ai.onnx" ? "" : domain);

export function buildGraph(model: ModelProto, options: GraphOptions): Graph {
  if (model.graph === undefined) throw new OnnxError("the model has no graph");
  const opsets = opsetsOf(model);
  if (opsets.size === 0) opsets.set("", 1);
  return new Builder(model, options).graph(model.graph, {
    opsets,
    rename: (name) => name,
    attributes: undefined,
    outer: new Set(),
    calls: 0,
  });
}

const opsetsOf = ({ opsets }: Pick<ModelProto, "opsets">): Map<string, number> =>
  new Map(opsets.map(({ domain, version }) => [domainName(domain), version]));

/** What nodes are read in. */
interface Context {
  readonly opsets: ReadonlyMap<string, number>;
  /** Within a function names get its call's prefix. */
  readonly rename: (name: string) => string;
  /** Those a function was called with. */
  readonly attributes: ReadonlyMap<string, AttributeProto> | undefined;
  /** Names that graphs around this one give. */
  readonly outer: ReadonlySet<string>;
  readonly calls: number;
}

class Builder {
  private readonly functions: ReadonlyMap<string, FunctionProto>;
  private callCount = 0;

  constructor(
    model: ModelProto,
    private readonly options: GraphOptions,
  ) {
    this.functions = new Map(
      model.functions.map((f) => [`${domainName(f.domain)}:${f.name}:${f.overload}`, f] as const),
    );
  }

  graph(proto: GraphProto, context: Context): Graph {
    const { rename } = context;
    const constants = new Map<string, Value>();
    for (const tensor of proto.initializers) constants.set(rename(tensor.name), this.constant(tensor));
    for (const sparse of proto.sparseInitializers)
      constants.set(rename(sparse.values?.name ?? ""), valueFromHost(decodeSparse(sparse), true));
    const slot = ({ name, type }: ValueInfoProto): Slot => ({ name: rename(name), type });
    const inputs = proto.inputs.map(slot).filter(({ name }) => !constants.has(name));
    const outputs = proto.outputs.map(slot);
    const given = new Set([...inputs.map(({ name }) => name), ...constants.keys()]);
    const inner = {
      ...context,
      outer: new Set([...context.outer, ...given, ...outputNames(proto.nodes, rename)]),
    };
    const order = sorted(this.nodes(proto.nodes, inner), given, context.outer);
    const nodes: GraphNode[] = [];
    for (const node of order) nodes.push(withPart(node, { nodes, constants, rename }));
    const made = new Set([
      ...given,
      ...nodes.flatMap((node) => node.outputs.filter((name) => name !== undefined)),
    ]);
    const captures = new Set(nodes.flatMap(({ reads }) => reads).filter((name) => !made.has(name)));
    for (const { name } of outputs) {
      if (made.has(name)) continue;
      if (!context.outer.has(name))
        throw new OnnxError(`nothing gives the output "${name}" of the graph "${proto.name}"`);
      captures.add(name);
    }
    return { name: proto.name, inputs, outputs, constants, nodes, captures: [...captures] };
  }

  private constant(proto: TensorProto): Value {
    if (!proto.isExternal) return valueFromHost(decodeTensor(proto), true);
    const { type, shape, source, offset } = externalPlace(proto, this.options.open);
    if (!isNative(type))
      throw new OnnxError(`tensor "${proto.name}": ${type} in another file is not supported`);
    const bytes = type === "bool" ? asBools(source) : source;
    return TensorValue.of(Tensor.ofNode(sourceNode(bytes, offset, type, shape)), type, true);
  }

  /** Nodes in the file's order; those of functions stand where they are called. */
  private nodes(protos: readonly NodeProto[], context: Context): GraphNode[] {
    return protos.flatMap((proto, i) => {
      const domain = domainName(proto.domain);
      const called = this.functions.get(`${domain}:${proto.operator}:${proto.overload}`);
      return called === undefined ? [this.node(proto, i, context)] : this.call(called, proto, context);
    });
  }

  private node(proto: NodeProto, index: number, context: Context): GraphNode {
    const domain = domainName(proto.domain);
    const { operator: operatorName } = proto;
    const name = proto.name === "" ? `${index}` : proto.name;
    const label = `${domain === "" ? "" : `${domain}.`}${operatorName} "${name}"`;
    const operator = this.options.find(domain, operatorName);
    if (operator === undefined)
      throw new OnnxError(
        `node ${label}: there is no operator ${operatorName} in the domain "${domain || "ai.onnx"}" here`,
      );
    const version = context.opsets.get(domain) ?? 1;
    const attributes = new Map<string, AttributeProto>();
    for (const attribute of proto.attributes) {
      const actual = attribute.reference === "" ? attribute : context.attributes?.get(attribute.reference);
      // What a function's caller left out, and has no default, is left out here.
      if (actual !== undefined) attributes.set(attribute.name, actual);
    }
    const tensors = new Map<string, Value>();
    const graphs = new Map<string, Graph>();
    try {
      for (const [name, attribute] of attributes) {
        if (attribute.tensor !== undefined) tensors.set(name, this.constant(attribute.tensor));
        if (attribute.sparse !== undefined)
          tensors.set(name, valueFromHost(decodeSparse(attribute.sparse), true));
        if (attribute.graph !== undefined) graphs.set(name, this.graph(attribute.graph, context));
      }
    } catch (error) {
      if (error instanceof OnnxError)
        throw new OnnxError(`in node ${label}: ${error.message}`, { cause: error });
      throw error;
    }
    const present = (name: string): string | undefined => (name === "" ? undefined : context.rename(name));
    const inputs = proto.inputs.map(present);
    const captured = [...graphs.values()].flatMap(({ captures }) => captures);
    // The part of the graph that it runs comes before it.
    if (operator.part !== undefined)
      captured.push(...textsOf(attributes.get(operator.part.to)).map(context.rename));
    return {
      label,
      name,
      operator,
      operatorName,
      domain,
      version,
      inputs,
      outputs: proto.outputs.map(present),
      attributes,
      tensors,
      graphs,
      reads: [...new Set([...inputs.filter((name) => name !== undefined), ...captured])],
    };
  }

  /** A function's nodes, its names made those of the call. */
  private call(called: FunctionProto, proto: NodeProto, context: Context): GraphNode[] {
    if (context.calls >= MAX_CALLS)
      throw new OnnxError(
        `function ${called.name} calls itself, or functions call each other ${MAX_CALLS} deep`,
      );
    const prefix = `${proto.name || called.name}#${this.callCount++}/`;
    const names = new Map<string, string>([["", ""]]);
    const bind = (formal: readonly string[], actual: readonly string[]): void => {
      if (actual.length > formal.length)
        throw new OnnxError(
          `node ${called.name} "${proto.name}" has ${actual.length} values for ${formal.length}`,
        );
      formal.forEach((name, i) => {
        const given = actual[i] ?? "";
        if (given !== "") names.set(name, context.rename(given));
      });
    };
    bind(called.inputs, proto.inputs);
    bind(called.outputs, proto.outputs);
    const absent = new Set(called.inputs.filter((name) => !names.has(name)));
    const attributes = new Map(called.defaults.map((attribute) => [attribute.name, attribute]));
    for (const attribute of proto.attributes) {
      const actual = attribute.reference === "" ? attribute : context.attributes?.get(attribute.reference);
      if (actual !== undefined) attributes.set(attribute.name, { ...actual, name: attribute.name });
    }
    const rename = (name: string): string => names.get(name) ?? `${prefix}${name}`;
    // An input that the caller left out is left out of the nodes that it would go to.
    const withoutAbsent = called.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map((name) => (absent.has(name) ? "" : name)),
    }));
    const outer = new Set([...context.outer, ...outputNames(called.nodes, rename)]);
    return this.nodes(withoutAbsent, {
      opsets: called.opsets.length > 0 ? opsetsOf(called) : context.opsets,
      rename,
      attributes,
      outer,
      calls: context.calls + 1,
    });
  }
}

const textsOf = ({ string, strings = [] }: Partial<AttributeProto> = {}): string[] =>
  [...(string === undefined ? [] : [string]), ...strings].map((bytes) => utf8.decode(bytes));

/** The node with the part of the graph around it that it asks for. */
function withPart(
  node: GraphNode,
  { nodes, constants, rename }: Pick<Graph, "nodes" | "constants"> & Pick<Context, "rename">,
): GraphNode {
  const { part } = node.operator;
  if (part === undefined) return node;
  const named = (name: string): string[] => textsOf(node.attributes.get(name)).map(rename);
  const [inputs, outputs] = [part.from.flatMap(named), named(part.to)];
  const wanted = new Set(outputs);
  const made = new Set(inputs);
  const within: GraphNode[] = [];
  for (const before of [...nodes].reverse()) {
    const own = before.outputs.filter((name) => name !== undefined && wanted.has(name) && !made.has(name));
    if (own.length === 0) continue;
    within.unshift(before);
    for (const name of before.reads) wanted.add(name);
  }
  for (const name of within.flatMap((before) => before.outputs)) if (name !== undefined) made.add(name);
  const captures = [...wanted].filter((name) => !made.has(name) && !constants.has(name));
  const slot = (name: string): Slot => ({ name, type: undefined });
  const graph: Graph = {
    name: PART,
    inputs: inputs.map(slot),
    outputs: outputs.map(slot),
    constants,
    nodes: within,
    captures,
  };
  return {
    ...node,
    graphs: new Map([...node.graphs, [PART, graph]]),
    reads: [...new Set([...node.reads, ...captures])],
  };
}

const outputNames = (nodes: readonly NodeProto[], rename: (name: string) => string): string[] =>
  nodes.flatMap(({ outputs }) => outputs.filter((name) => name !== "").map(rename));

/** Nodes after what they read. Files should have them so; not all do. */
function sorted(
  nodes: readonly GraphNode[],
  given: ReadonlySet<string>,
  outer: ReadonlySet<string>,
): readonly GraphNode[] {
  const giver = new Map<string, GraphNode>();
  for (const node of nodes) {
    for (const name of node.outputs) {
      if (name === undefined) continue;
      const other = giver.get(name);
      if (other !== undefined || given.has(name))
        throw new OnnxError(
          `"${name}" is given twice: by ${other?.label ?? "the graph"} and by node ${node.label}`,
        );
      giver.set(name, node);
    }
  }
  const done = new Set<GraphNode>();
  const order: GraphNode[] = [];
  for (const root of nodes) {
    const stack = [root];
    const open = new Set<GraphNode>();
    while (stack.length > 0) {
      const node = stack[stack.length - 1];
      if (done.has(node)) {
        stack.pop();
        continue;
      }
      open.add(node);
      const waiting: GraphNode[] = [];
      for (const name of node.reads) {
        const before = giver.get(name);
        if (before === undefined) {
          if (!given.has(name) && !outer.has(name))
            throw new OnnxError(`node ${node.label} reads "${name}", which nothing gives`);
        } else if (!done.has(before)) {
          if (open.has(before))
            throw new OnnxError(`the graph has a cycle: ${node.label} reads "${name}" of ${before.label}`);
          waiting.push(before);
        }
      }
      if (waiting.length > 0) {
        stack.push(...waiting.reverse());
        continue;
      }
      stack.pop();
      open.delete(node);
      done.add(node);
      order.push(node);
    }
  }
  return order;
}
