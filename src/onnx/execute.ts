// Runs a graph. Its nodes are called in order, lazily; what they build is captured as one step for each kind of inputs and
// replayed. Where a node must know elements that only a run gives (the shape to reshape to, a condition, how many
// boxes remain), the graph is cut: what comes before is a step, the node is called with its elements at hand, what follows
// is a step again.

import { getConfig } from "../engine/config.js";
import { bufferNode } from "../graph/node.js";
import { jit } from "../tensor/jit.js";
import { Tensor } from "../tensor/tensor.js";
import type { Graph, GraphNode } from "./graph.js";
import { Call, ElementsNeeded, resultsOf } from "./operator.js";
import { OnnxError } from "./proto.js";
import { foldOnHost, signatureOf, tensorsOf, type TensorValue, type Value, withTensors } from "./value.js";

export interface RunOptions {
  /** Name of the device; else the default. */
  readonly device?: string;
  /** Ends a run early. */
  readonly signal?: AbortSignal;
}

/** Values by name. */
type Scope = Map<string, Value>;

/** Constants of up to so many elements are computed on the host while the graph is built; larger ones on the device, once. */
const FEW = 4096;
/** Loops are written out up to so many nodes; longer ones run step by step. */
const MAX_INLINED = 4096;
/** Steps of a loop after which others get a turn. */
const TURN = 64;
/** Steps for other kinds of inputs that are kept. */
const MAX_SEGMENTS = 64;

/** Thrown where writing loops out would take too many nodes. */
class TooLong extends Error {}

/** Consecutive nodes, captured for one kind of inputs. */
interface Segment {
  /** The node at which it ends. */
  readonly end: number;
  /** What it gives, with tensors to be replaced. */
  readonly outputs: readonly (readonly [string, Value])[];
  readonly run: (...tensors: Tensor[]) => Promise<Tensor[]>;
}

/** Runs a graph any number of times. */
export class Executor {
  private readonly segments = new Map<string, Segment>();
  private readonly children = new Map<Graph, Executor>();
  /** For each name the last node that reads it; outputs are read behind all. */
  private readonly lastReader = new Map<string, number>();

  constructor(
    readonly graph: Graph,
    private readonly device?: string,
  ) {
    graph.nodes.forEach(({ reads }, i) => {
      for (const name of reads) this.lastReader.set(name, i);
    });
    for (const { name } of graph.outputs) this.lastReader.set(name, graph.nodes.length);
  }

  /** The graph's outputs for these values of its inputs and of what it takes from around it. */
  async run(given: ReadonlyMap<string, Value>, options: RunOptions = {}): Promise<Value[]> {
    const { nodes, outputs } = this.graph;
    const scope: Scope = new Map(given);
    for (let at = 0; at < nodes.length; ) {
      options.signal?.throwIfAborted();
      const live = [...scope].filter(([name]) => (this.lastReader.get(name) ?? -1) >= at);
      const segment = await this.segmentAt(at, live);
      if (segment.end > at) {
        const tensors = await segment.run(...live.flatMap(([, value]) => tensorsOf(value)));
        for (const [name, value] of segment.outputs) scope.set(name, withTensors(value, tensors));
      }
      at = segment.end;
      if (at < nodes.length) await this.step(nodes[at++], scope, options);
    }
    return outputs.map(({ name }) => find(name, scope, this.graph));
  }

  /** Builds all of the graph at once, without running any of it. */
  build(given: ReadonlyMap<string, Value>): Value[] {
    const walk = new Walk(this.graph, new Map(given), new Map());
    try {
      walk.nodes(0, this.graph.nodes.length);
    } catch (error) {
      if (error instanceof ElementsNeeded || error instanceof TooLong)
        throw new OnnxError(
          "the graph needs elements that only a run gives, so that it cannot be built as one function",
          { cause: error },
        );
      throw error;
    }
    return this.graph.outputs.map(({ name }) => find(name, walk.scope, this.graph));
  }

  /** What a run with such inputs computes, and the node at which it would be cut first. Nothing is run. */
  outline(given: ReadonlyMap<string, Value>): { readonly tensors: readonly Tensor[]; readonly cut?: string } {
    const { nodes, outputs } = this.graph;
    const walk = new Walk(this.graph, new Map(given), new Map());
    const end = walk.nodesUntilCut(0);
    if (end === nodes.length)
      return { tensors: outputs.flatMap(({ name }) => tensorsOf(find(name, walk.scope, this.graph))) };
    const live = [...walk.scope].filter(
      ([name]) => !given.has(name) && (this.lastReader.get(name) ?? -1) >= end,
    );
    return { tensors: live.flatMap(([, value]) => tensorsOf(value)), cut: nodes[end].label };
  }

  private async segmentAt(at: number, live: readonly (readonly [string, Value])[]): Promise<Segment> {
    const key = `${at}|${live.map(([name, value]) => `${name}:${signatureOf(value)}`).join("|")}`;
    let segment = this.segments.get(key);
    if (segment === undefined) {
      segment = await this.capture(at, live);
      this.segments.set(key, segment);
      if (this.segments.size > MAX_SEGMENTS) this.segments.delete(this.segments.keys().next().value!);
    }
    return segment;
  }

  private async capture(at: number, live: readonly (readonly [string, Value])[]): Promise<Segment> {
    const { graph, device } = this;
    const constants = new Map<string, Value>();
    // Once with stand-ins, to see how far it gets and what is constant.
    const standIns = new Map(live.map(([name, value]) => [name, standIn(value)] as const));
    const trial = new Walk(graph, standIns, constants);
    const end = trial.nodesUntilCut(at);
    const isRead = (name: string): boolean => (this.lastReader.get(name) ?? -1) >= end;
    const before = new Set(live.map(([name]) => name));
    const outputs = [...trial.scope].filter(([name]) => !before.has(name) && isRead(name));
    const lazy = [...trial.used].filter((value) => value.known === undefined);
    await Tensor.realize(
      lazy.map((value) => value.hold()),
      { device },
    );
    const names = new Set(outputs.map(([name]) => name));
    const run = jit(
      (...tensors: Tensor[]): Tensor[] => {
        const rest = [...tensors];
        const scope = new Map(live.map(([name, value]) => [name, withTensors(value, rest)] as const));
        const walk = new Walk(graph, scope, constants);
        walk.nodes(at, end);
        return [...walk.scope].filter(([name]) => names.has(name)).flatMap(([, value]) => tensorsOf(value));
      },
      { device },
    );
    return { end, outputs, run };
  }

  /** Calls one node with all it asks for. */
  private async step(node: GraphNode, scope: Scope, options: RunOptions): Promise<void> {
    const inputs = node.inputs.map((name) =>
      name === undefined ? undefined : find(name, scope, this.graph),
    );
    const call = new Call(node, inputs);
    const { run, control } = node.operator;
    if (getConfig().debug >= 1)
      console.error(`onnx: the graph is cut at ${node.label}, which needs to know elements`);
    try {
      if (control !== undefined) {
        const steps = control(call);
        let answer: readonly Value[] = [];
        for (let count = 1; ; count++) {
          const next = steps.next(answer);
          if (next.done) return give(node, resultsOf(next.value), scope);
          // A loop may have no end: whoever wants to stop it gets a turn now and then.
          if (count % TURN === 0) await new Promise((resolve) => setTimeout(resolve));
          options.signal?.throwIfAborted();
          if (next.value.kind === "graph") {
            const { graph, inputs } = next.value;
            answer = await this.child(graph).run(this.bound(graph, inputs, scope), options);
          } else {
            await this.read(next.value.value);
            answer = [next.value.value];
          }
        }
      }
      for (;;) {
        try {
          return give(node, resultsOf(run!(call)), scope);
        } catch (error) {
          if (!(error instanceof ElementsNeeded)) throw error;
          await this.read(error.value);
        }
      }
    } catch (error) {
      throw options.signal?.aborted ? error : named(error, node);
    }
  }

  private async read(value: TensorValue): Promise<void> {
    if (value.known === undefined) value.know(await value.tensor.data({ device: this.device }));
  }

  private child(graph: Graph): Executor {
    let child = this.children.get(graph);
    if (child === undefined) {
      child = new Executor(graph, this.device);
      this.children.set(graph, child);
    }
    return child;
  }

  private bound(graph: Graph, inputs: readonly Value[], scope: Scope): Scope {
    return bind(graph, inputs, (name) => find(name, scope, this.graph));
  }
}

const lookUp = (name: string, scope: ReadonlyMap<string, Value>, graph: Graph): Value | undefined =>
  scope.get(name) ?? graph.constants.get(name);

function find(name: string, scope: ReadonlyMap<string, Value>, graph: Graph): Value {
  const value = lookUp(name, scope, graph);
  if (value === undefined) throw new OnnxError(`"${name}" has no value`);
  return value;
}

/** A graph's scope: its inputs, and what it takes from around it. */
function bind(graph: Graph, inputs: readonly Value[], outer: (name: string) => Value): Scope {
  if (inputs.length !== graph.inputs.length)
    throw new OnnxError(
      `the graph "${graph.name}" has ${graph.inputs.length} inputs, and is given ${inputs.length}`,
    );
  const scope: Scope = new Map(graph.captures.map((name) => [name, outer(name)]));
  graph.inputs.forEach(({ name }, i) => {
    scope.set(name, inputs[i]);
  });
  return scope;
}

function give(node: GraphNode, values: readonly (Value | undefined)[], scope: Scope): void {
  node.outputs.forEach((name, i) => {
    if (name === undefined) return;
    const value = values[i];
    if (value === undefined) throw new OnnxError(`its output ${i} ("${name}") is not given here`);
    scope.set(name, value);
  });
}

/** The error with the node's name before it; what is no error of the node, or has a name already, stays. */
function named(error: unknown, node: GraphNode): unknown {
  if (error instanceof ElementsNeeded || error instanceof TooLong || error instanceof NodeError) return error;
  if (!(error instanceof Error)) return error;
  return new NodeError(`node ${node.label}: ${error.message}`, { cause: error });
}

/** An OnnxError that says where. */
class NodeError extends OnnxError {}

/** A tensor of the same kind without elements. */
function standIn(value: Value): Value {
  const tensors = tensorsOf(value).map((tensor) =>
    Tensor.ofNode(bufferNode(tensor.dtype, tensor.shape, { bytes: 0 })),
  );
  return withTensors(value, tensors);
}

/** Calls nodes one after the other, building what they give. */
class Walk {
  /** Constants that something not constant reads. */
  readonly used = new Set<TensorValue>();
  private inlined = 0;

  constructor(
    private readonly graph: Graph,
    readonly scope: Scope,
    /** What earlier walks found to be constant, by the path to its graph and its name. */
    private readonly constants: Map<string, Value>,
  ) {}

  nodes(from: number, to: number): void {
    for (let i = from; i < to; i++) this.node(this.graph.nodes[i], this.graph, this.scope, "");
  }

  /** All nodes up to one that must know what only a run gives. */
  nodesUntilCut(from: number): number {
    const { nodes } = this.graph;
    for (let i = from; i < nodes.length; i++) {
      try {
        this.inlined = 0;
        this.node(nodes[i], this.graph, this.scope, "");
      } catch (error) {
        if (error instanceof ElementsNeeded || error instanceof TooLong) return i;
        throw error;
      }
    }
    return nodes.length;
  }

  private node(node: GraphNode, graph: Graph, scope: Scope, path: string): void {
    try {
      const known = node.outputs.map((name) =>
        name === undefined ? undefined : this.constants.get(`${path}${name}`),
      );
      if (known.some((value) => value !== undefined)) {
        give(node, known, scope);
        return;
      }
      const inputs = node.inputs.map((name) => (name === undefined ? undefined : find(name, scope, graph)));
      const constant = this.isConstant(node, scope, graph);
      const small =
        constant && inputs.every((value) => value?.kind !== "tensor" || value.known !== undefined);
      const results = this.call(node, small ? inputs.map(fresh) : inputs, scope, graph, path);
      if (!constant) {
        for (const value of inputs) if (value?.kind === "tensor" && value.constant) this.used.add(value);
        give(node, results, scope);
        return;
      }
      const values = this.constantValues(results, small);
      give(node, values, scope);
      node.outputs.forEach((name, i) => {
        if (name !== undefined) this.constants.set(`${path}${name}`, values[i]!);
      });
    } catch (error) {
      throw named(error, node);
    }
  }

  private call(
    node: GraphNode,
    inputs: readonly (Value | undefined)[],
    scope: Scope,
    graph: Graph,
    path: string,
  ): readonly (Value | undefined)[] {
    const { run, control } = node.operator;
    const call = new Call(node, inputs);
    if (control === undefined) return resultsOf(run!(call));
    const steps = control(call);
    let answer: readonly Value[] = [];
    for (let count = 0; ; count++) {
      const next = steps.next(answer);
      if (next.done) return resultsOf(next.value);
      const request = next.value;
      if (request.kind === "read") {
        if (request.value.known === undefined) throw new ElementsNeeded(request.value);
        answer = [request.value];
        continue;
      }
      const inner = `${path}${node.outputs.find((name) => name !== undefined)}@${count}/`;
      answer = this.inline(request.graph, request.inputs, (name) => find(name, scope, graph), inner);
    }
  }

  /** A graph within the graph, written out. */
  private inline(
    graph: Graph,
    inputs: readonly Value[],
    outer: (name: string) => Value,
    path: string,
  ): readonly Value[] {
    const scope = bind(graph, inputs, outer);
    this.inlined += 1 + graph.nodes.length;
    if (this.inlined > MAX_INLINED) throw new TooLong("a loop is too long to be written out");
    for (const node of graph.nodes) this.node(node, graph, scope, path);
    return graph.outputs.map(({ name }) => find(name, scope, graph));
  }

  private isConstant(node: GraphNode, scope: Scope, graph: Graph): boolean {
    return node.operator.random !== true && node.reads.every((name) => lookUp(name, scope, graph)?.constant);
  }

  private constantValues(results: readonly (Value | undefined)[], small: boolean): (Value | undefined)[] {
    const values = results.map((value) => (value?.kind === "tensor" ? value.asConstant() : value));
    const open = values.filter(
      (value): value is TensorValue => value?.kind === "tensor" && value.known === undefined,
    );
    if (!small || open.length === 0 || open.some(({ size }) => size > FEW)) return values;
    const folded = foldOnHost(open);
    return folded === undefined
      ? values
      : values.map((value) => folded[open.indexOf(value as TensorValue)] ?? value);
  }
}

/** A known tensor anew, on the host: elsewhere it may have gone to a device. */
const fresh = (value: Value | undefined): Value | undefined =>
  value?.kind === "tensor" ? value.onHost() : value;
