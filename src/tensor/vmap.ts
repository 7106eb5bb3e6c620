// vmap: a function of single examples becomes one of batches. The function is run once on placeholders for one example;
// then the nodes that depend on them are built again with an axis of examples in front, one rule for each primitive. So
// a batch costs as few kernels as an example, and what does not depend on the examples is computed once.

import {
  after,
  assign,
  bitcastNode,
  type BufferNode,
  bufferNode,
  binary,
  castNode,
  concat,
  constNode,
  contiguous,
  derived,
  detach,
  type Dim,
  expand,
  flip,
  gather,
  iota,
  mulDim,
  type Node,
  pad,
  permute,
  printShape,
  reduceNode,
  reshape,
  sameDim,
  scanGroups,
  scanNode,
  scatter,
  type Shape,
  shear,
  shrink,
  sizeOf,
  threefry,
  topologicalNodes,
  unary,
  type ViewStep,
  where,
} from "../graph/node.js";
import { mapLeaves } from "./containers.js";
import { axisOf, TensorError } from "./core.js";
import { computeWithNextRead, setStorageTracker, type TensorStorage, upcomingSerial } from "./storage.js";
import { Tensor } from "./tensor.js";

/** The axis of examples of each argument; null where an argument is the same for all. */
export type BatchAxes = number | null | readonly BatchAxes[] | { readonly [name: string]: BatchAxes };

export interface VmapOptions {
  /**
   * One for all arguments, or a list of one for each; where an argument is a container, maybe a container of axes.
   * Default 0. Other values than tensors are always the same for all.
   */
  readonly inAxes?: BatchAxes;
  /** Where the results' axis of examples goes; for containers as for `inAxes`. Default 0. */
  readonly outAxes?: BatchAxes;
  /** Whether examples draw random numbers of their own or all the same ones. Default "different". */
  readonly randomness?: "different" | "same" | "error";
}

/**
 * A function that does for each example of a batch what `fn` does for one, at once. Its arguments and its result may
 * hold tensors in arrays and plain objects. `fn` may write to tensors that it made itself only.
 *
 * @example
 * const loss = (w: Tensor, x: Tensor) => w.dot(x).square();
 * const [weights, inputs] = [Tensor.from([1, 2]), Tensor.from([[1, 0], [0, 1], [1, 1]])];
 * vmap(grad(loss), { inAxes: [null, 0] })(weights, inputs); // => [[2, 0], [0, 4], [6, 6]]
 */
export function vmap<A extends readonly unknown[], R>(
  fn: (...args: A) => R,
  { inAxes = 0, outAxes = 0, randomness = "different" }: VmapOptions = {},
): (...args: A) => R {
  return (...args: A): R => {
    if (Array.isArray(inAxes) && inAxes.length !== args.length)
      throw new TensorError(`vmap: inAxes names ${inAxes.length} arguments, got ${args.length}`);
    let size: Dim | undefined;
    const given: [placeholder: BufferNode, batch: Node][] = [];
    const examples = mapLeaves(
      [...args],
      (leaf, axes) => {
        if (!(leaf instanceof Tensor) || axes === null || axes === undefined) return leaf;
        const batch = batchInFront(leaf, axes);
        const [count, ...shape] = batch.shape;
        size ??= count;
        if (!sameDim(size, count))
          throw new TensorError(
            `vmap: batches differ in size: ${size}, and ${count} along axis ${axes} of ${leaf}`,
          );
        const placeholder = bufferNode(batch.dtype, shape);
        placeholder.differentiable = batch.differentiable;
        given.push([placeholder, batch]);
        return Tensor.ofNode(placeholder);
      },
      inAxes,
    ) as unknown as A;
    if (size === undefined) throw new TensorError("vmap: no argument has an axis of examples");
    const batching = new Batching(size, randomness, given);
    const result = watched(batching, () => fn(...examples));
    return mapLeaves(
      result,
      (leaf, axes) => {
        if (!(leaf instanceof Tensor)) return leaf;
        if (axes === null && !batching.isBatched(leaf.node)) return leaf;
        if (typeof axes !== "number")
          throw new TensorError(
            `vmap: a result ${leaf} that depends on the examples needs an axis, got ${axes}`,
          );
        const node = batching.batched(leaf.node);
        const at = axisOf(axes, node.shape.length, "vmap");
        const order = node.shape.map((_, i) => i).slice(1);
        order.splice(at, 0, 0);
        return Tensor.ofNode(permute(node, order));
      },
      outAxes,
    ) as R;
  };
}

/** The axis of examples moved to the front. */
function batchInFront(x: Tensor, axes: unknown): Node {
  if (typeof axes !== "number" || x.ndim === 0)
    throw new TensorError(`vmap: ${x} needs a number or null for its axis of examples, got ${axes}`);
  const axis = axisOf(axes, x.ndim, "vmap");
  const { node } = x;
  return permute(node, [axis, ...node.shape.map((_, i) => i).filter((i) => i !== axis)]);
}

/** Runs a function; what it writes to tensors made before must not depend on the examples. */
function watched<R>(batching: Batching, work: () => R): R {
  const start = upcomingSerial();
  const written = new Set<TensorStorage>();
  const undos: (() => void)[] = [];
  const outer = setStorageTracker({
    read: (storage, node) => outer?.read(storage, node),
    assigned(storage, before) {
      if (storage.serial < start) written.add(storage);
      outer?.assigned(storage, before);
    },
    undo(restore) {
      undos.push(restore);
      outer?.undo(restore);
    },
  });
  const rollBack = (): void => {
    for (const restore of undos.reverse()) restore();
  };
  let result: R;
  try {
    result = work();
  } catch (error) {
    rollBack();
    throw error;
  } finally {
    setStorageTracker(outer);
  }
  const leak = [...written].map((storage) => storage.peek()).find((node) => batching.isBatched(node));
  if (result instanceof Promise || leak !== undefined) {
    rollBack();
    if (result instanceof Promise) result.catch(() => {});
    throw new TensorError(
      leak === undefined
        ? "vmap: the function must not be async; read results outside of it"
        : `vmap: a value for each example cannot be written to a ${leak.dtype}${printShape(leak.shape)} tensor from outside`,
    );
  }
  for (const storage of written) computeWithNextRead(storage);
  return result;
}

/** Builds nodes for one example again for a batch. */
class Batching {
  /** For nodes for one example those for all, with an axis in front; undefined if they are the same for all. */
  private readonly known = new Map<Node, Node | undefined>();
  /** Nodes made before the placeholders do not depend on them. */
  private readonly first: number;

  constructor(
    private readonly size: Dim,
    private readonly randomness: "different" | "same" | "error",
    given: readonly (readonly [Node, Node])[],
  ) {
    this.first = Math.min(...given.map(([placeholder]) => placeholder.id));
    for (const [placeholder, batch] of given) this.known.set(placeholder, batch);
  }

  isBatched(root: Node): boolean {
    return this.find(root) !== undefined;
  }

  /** The node for all examples; what is the same for all is repeated. */
  batched(root: Node): Node {
    return this.find(root) ?? this.repeated(root);
  }

  private find(root: Node): Node | undefined {
    if (root.id < this.first) return undefined;
    if (!this.known.has(root)) {
      const open = (x: Node): readonly Node[] =>
        x.storage !== undefined || this.known.has(x) ? [] : x.inputs.filter(({ id }) => id >= this.first);
      for (const node of topologicalNodes([root], open))
        if (!this.known.has(node)) this.known.set(node, this.rebuilt(node));
    }
    return this.known.get(root);
  }

  private repeated(x: Node): Node {
    const shape = this.withBatch(x.shape);
    if (x.op === "const") return constNode(x.value, x.dtype, shape);
    if (x.op === "iota") return iota(shape, x.axis + 1, x.dtype);
    return expand(reshape(x, [1, ...x.shape]), shape);
  }

  private withBatch(shape: Shape): Shape {
    return [this.size, ...shape];
  }

  /** The rule of each primitive; all axes are one further back. */
  private rebuilt(node: Node): Node | undefined {
    if (node.storage !== undefined) return undefined;
    const found = node.inputs.map((input) => this.known.get(input));
    const random = node.op === "threefry" && this.randomness !== "same";
    if (!random && found.every((input) => input === undefined)) return undefined;
    const all = node.op === "gather" && found[0] === undefined ? [] : this.inputsOf(node);
    const [x, y, z] = all;
    const whole: [Dim, Dim] = [0, this.size];
    const back = (axis: number): number => axis + 1;
    switch (node.op) {
      case "reshape":
        return reshape(x, this.withBatch(node.shape));
      case "expand":
        return expand(x, this.withBatch(node.shape));
      case "permute":
        return permute(x, [0, ...node.order.map(back)]);
      case "pad":
        return pad(x, [[0, 0], ...node.padding]);
      case "shrink":
        return shrink(x, [whole, ...node.ranges]);
      case "flip":
        return flip(x, node.axes.map(back));
      case "shear":
        return shear(x, node.axis + 1, node.by + 1, node.factor, node.start, node.shape[node.axis]);
      case "concat":
        return concat(all, node.axis + 1);
      case "gather":
        return found[0] === undefined
          ? this.gatheredFromOne(node.inputs[0], found[1]!, node.axis)
          : gather(x, y, node.axis + 1);
      case "scatter":
        return scatter(x, y, z, node.axis + 1, node.reduction);
      case "scan":
        return all.length === 1
          ? scanNode(x, node.reduction, node.axis + 1)
          : scanGroups(x, y, z, node.reduction, node.axis + 1);
      case "cast":
        return castNode(x, node.dtype);
      case "bitcast":
        return bitcastNode(x, node.dtype);
      case "reduce":
        return reduceNode(x, node.reduction, node.axes.map(back));
      case "contiguous":
        return contiguous(x);
      case "detach":
        return detach(x);
      case "derived":
        return derived(x, all.slice(1), (g) => this.gradientsOf(node, g));
      case "after":
        return after(x, y);
      case "assign":
        return assign(
          x,
          y,
          node.view.map((step) => this.step(step)),
        );
      case "where":
        return where(x, y, z);
      case "threefry":
        return random ? this.drawn(node, all) : threefry(x, y, z);
      case "const":
      case "buffer":
      case "variable":
      case "iota":
        return undefined;
      default:
        return node.inputs.length === 1
          ? unary(node.op as Parameters<typeof unary>[0], x)
          : binary(node.op as Parameters<typeof binary>[0], x, y);
    }
  }

  private inputsOf(node: Node): Node[] {
    return node.inputs.map((input) => this.known.get(input) ?? this.repeated(input));
  }

  /** One tensor for all examples is not repeated: the places of all examples are asked for side by side. */
  private gatheredFromOne(data: Node, index: Node, axis: number): Node {
    const places = index.shape.length - 1;
    const order = [...Array(places + 1).keys()].slice(1);
    order.splice(axis, 0, 0);
    const moved = permute(index, order);
    const length = mulDim(this.size, index.shape[axis + 1]);
    const flat = [...moved.shape.slice(0, axis), length, ...moved.shape.slice(axis + 2)];
    const taken = reshape(gather(data, reshape(moved, flat), axis), moved.shape);
    const inverse = order.map((_, i) => order.indexOf(i));
    return permute(taken, inverse);
  }

  /** Random bits whose counters go on from example to example. */
  private drawn(node: Node, [low, high, key]: readonly Node[]): Node {
    if (this.randomness === "error")
      throw new TensorError(
        'vmap: the function draws random numbers; say whether they are "different" or the "same" for the examples',
      );
    const count = sizeOf(node.shape);
    if (typeof count !== "number")
      throw new TensorError(`vmap: random numbers of symbolic shape ${printShape(node.shape)}`);
    const steps = binary("mul", iota(low.shape, 0, "uint32"), constNode(count, "uint32", low.shape));
    return threefry(binary("add", low, steps), high, key);
  }

  /** Gradients of a node in closed form: the rule for one example, built again for all. */
  private gradientsOf(node: Extract<Node, { op: "derived" }>, g: Node): (Node | undefined)[] {
    const one = bufferNode(g.dtype, node.shape);
    one.differentiable = g.differentiable;
    this.known.set(one, g);
    return node.gradients(one, node).map((part) => (part === undefined ? undefined : this.batched(part)));
  }

  private step(step: ViewStep): ViewStep {
    switch (step.op) {
      case "reshape":
        return { op: "reshape", shape: this.withBatch(step.shape) };
      case "permute":
        return { op: "permute", order: [0, ...step.order.map((axis) => axis + 1)] };
      case "shrink":
        return { op: "shrink", ranges: [[0, this.size], ...step.ranges] };
      case "flip":
        return { op: "flip", axes: step.axes.map((axis) => axis + 1) };
      case "stride":
        return { ...step, axis: step.axis + 1 };
    }
  }
}
