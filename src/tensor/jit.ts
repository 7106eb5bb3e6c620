// jit: captures what a function does to tensors as one command list and replays it without any graph work.
//
// The function is run once or twice while a tracker notes which storages it reads and assigns. Its result and the new
// values of the assigned storages are compiled together; tensors it was passed, and the storages it read, become
// parameters that are looked up again at every call. Nothing a tensor holds is frozen: weights, random state and
// optimiser state are storages. What is not a tensor (numbers, strings, flags) is part of the key: a call with
// another one captures anew.

import {
  type Capture,
  captureNodes,
  type CapturedLeaf,
  readNode,
  realizeNodes,
  replay,
  settle,
  type ScheduleSearch,
  sameStorage,
  storeBytes,
} from "../engine/engine.js";
import { bufferNode, type Node } from "../graph/node.js";
import { mapLeaves } from "./containers.js";
import { TensorError } from "./core.js";
import { Likeness, sharing, takeApart } from "./jit-arguments.js";
import { setStorageTracker, type StorageTracker, type TensorStorage, upcomingSerial } from "./storage.js";
import { Tensor } from "./tensor.js";

export interface JitOptions {
  /** Name of the device; else the default at each call. */
  readonly device?: string;
  /**
   * Searches schedules for the captured function's kernels, at the first call for each kind of arguments, by measuring
   * them on the device. A number is the width of the beam. See docs/search.md. Default: what BEAM says, or none.
   */
  readonly search?: number | ScheduleSearch;
}

type Result<R> = R extends Promise<unknown> ? never : R;

/** Where a leaf of a captured graph gets its elements at each call. */
type Source =
  | { readonly kind: "argument"; readonly place: number }
  | { readonly kind: "storage"; readonly storage: TensorStorage }
  | { readonly kind: "constant"; readonly node: Node };

interface Captured {
  readonly capture: Capture;
  readonly sources: readonly Source[];
  readonly assigned: readonly TensorStorage[];
  readonly outputs: readonly Tensor[];
  readonly result: unknown;
}

/** Storages read for the first time may themselves wait to be computed; after so many rounds something is wrong. */
const MAX_ROUNDS = 4;

const NO_VARIABLES: Readonly<Record<string, number>> = {};

/**
 * A function that does what `fn` does, compiled. `fn` is run at the first call for each kind of arguments; later calls
 * replay. It must not await. Its arguments and its result may hold tensors in arrays and plain objects.
 *
 * @example
 * const layer = new nn.Linear(2, 1);
 * const optimiser = new nn.SGD(nn.parameters(layer), { lr: 0.1 });
 * const step = jit((x: Tensor, y: Tensor) => {
 *   const loss = layer.forward(x).mseLoss(y);
 *   optimiser.zeroGrad();
 *   loss.backward();
 *   optimiser.step();
 *   return loss;
 * });
 * const loss = await step(Tensor.ones([4, 2]), Tensor.zeros([4, 1]));
 * loss.shape; // => []
 */
export function jit<A extends readonly unknown[], R>(
  fn: (...args: A) => Result<R>,
  options: JitOptions = {},
): (...args: A) => Promise<R> {
  const captures = new Map<string, Captured>();
  let recent: { readonly likeness: Likeness; readonly captured: Captured } | undefined;
  return async (...args: A): Promise<R> => {
    const likely = recent?.likeness.match(args);
    if (recent !== undefined && likely !== undefined && unfit(recent.captured) === undefined) {
      const result = run(recent.captured, likely, NO_VARIABLES);
      return (result instanceof Promise ? await result : result) as R;
    }
    const given = takeApart(args);
    const nodes = given.tensors.map((tensor) => tensor.node);
    if (nodes.some((node) => node.storage === undefined)) await realizeNodes(nodes, options);
    const key = `${given.key}|${sharing(nodes)}|${options.device ?? ""}`;
    let captured = captures.get(key);
    const waiting = captured === undefined ? undefined : unfit(captured);
    if (waiting !== undefined && waiting !== "shape") await realizeNodes(waiting, options);
    if (captured === undefined || waiting === "shape") {
      captured = await captureCall(fn, args, nodes, given.variables, options);
      captures.set(key, captured);
    }
    const likeness = Likeness.of(args, nodes);
    recent = likeness && { likeness, captured };
    return (await run(captured, nodes, given.variables)) as R;
  };
}

// --- capture -----------------------------------------------------------------------------------------------------

/** Notes what a function reads and assigns, and how to take it back. */
class Recorder implements StorageTracker {
  readonly reads = new Map<TensorStorage, Node>();
  readonly assignments = new Set<TensorStorage>();
  private readonly undos: (() => void)[] = [];

  read(storage: TensorStorage, node: Node): void {
    if (!this.reads.has(storage)) this.reads.set(storage, node);
  }
  assigned(storage: TensorStorage, before: Node): void {
    if (!this.reads.has(storage)) this.reads.set(storage, before);
    this.assignments.add(storage);
  }
  undo(restore: () => void): void {
    this.undos.push(restore);
  }
  /** Takes all changes back, the last first. */
  rollBack(): void {
    for (const restore of this.undos.reverse()) restore();
  }
}

async function captureCall<A extends readonly unknown[], R>(
  fn: (...args: A) => Result<R>,
  args: A,
  nodes: readonly Node[],
  variables: Readonly<Record<string, number>>,
  options: JitOptions,
): Promise<Captured> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const start = upcomingSerial();
    const { recorder, stand, result } = record(fn, args, nodes);
    const isOld = (storage: TensorStorage): boolean => storage.serial < start;
    const old = [...recorder.reads].filter(([storage]) => isOld(storage));
    // State that was never computed (fresh weights, say) is computed first, or every call would do it again. State
    // made by this very call (an optimiser's moments) is kept by whoever made it, and old at the next round.
    const waiting = old.filter(([, node]) => node.storage === undefined);
    const fresh = round > 0 ? [] : [...recorder.assignments].filter((storage) => !isOld(storage));
    const twins = findTwins(old);
    if (waiting.length > 0 || fresh.length > 0 || twins.length > 0) {
      recorder.rollBack();
      const pending = [...waiting.map(([, node]) => node), ...fresh.map((storage) => storage.peek())];
      await realizeNodes(pending, { ...options, variables });
      for (const twin of twins) await part(twin);
      continue;
    }
    try {
      const assigned = [...recorder.assignments].filter(isOld);
      return await finishCapture(old, recorder, stand, result, assigned, options);
    } catch (error) {
      recorder.rollBack();
      throw error;
    }
  }
  throw new TensorError(
    "jit: the function reads state from outside that is replaced by uncomputed values at each call",
  );
}

/** Storages beyond the first that hold the same elements: a captured step must be able to tell them apart. */
function findTwins(reads: readonly (readonly [TensorStorage, Node])[]): TensorStorage[] {
  const seen = new Set<object>();
  return reads.flatMap(([storage, node]) => {
    if (node.storage === undefined) return [];
    if (seen.has(node.storage)) return [storage];
    seen.add(node.storage);
    return [];
  });
}

/** Gives a storage elements of its own. */
async function part(storage: TensorStorage): Promise<void> {
  const node = storage.peek();
  storage.advance(storeBytes((await readNode(node)).slice(), node.dtype, node.shape));
}

interface Recording {
  readonly recorder: Recorder;
  /** Stand-ins for the arguments, with their places. */
  readonly stand: ReadonlyMap<Node, number>;
  readonly result: unknown;
}

function record<A extends readonly unknown[], R>(
  fn: (...args: A) => Result<R>,
  args: A,
  nodes: readonly Node[],
): Recording {
  const recorder = new Recorder();
  const stand = new Map<Node, number>();
  const nodeAt: Node[] = [];
  const standIns = mapLeaves(args, (leaf) => {
    if (!(leaf instanceof Tensor)) return leaf;
    const at = nodeAt.length;
    const first = nodes.findIndex((other) => sameStorage(nodes[at], other));
    const node = first < at ? nodeAt[first] : bufferNode(leaf.dtype, leaf.shape, { bytes: 0 });
    nodeAt.push(node);
    if (first === at) stand.set(node, at);
    const tensor = Tensor.ofNode(node);
    return leaf.requiresGrad ? tensor.requiresGrad_() : tensor;
  }) as unknown as A;
  const outer = setStorageTracker(recorder);
  let result: unknown;
  try {
    result = fn(...standIns);
  } catch (error) {
    recorder.rollBack();
    throw error;
  } finally {
    setStorageTracker(outer);
  }
  if (result instanceof Promise) {
    recorder.rollBack();
    result.catch(() => {});
    throw new TensorError("jit: a captured function must not be async; read results outside of it");
  }
  return { recorder, stand, result };
}

async function finishCapture(
  old: readonly (readonly [TensorStorage, Node])[],
  recorder: Recorder,
  stand: ReadonlyMap<Node, number>,
  result: unknown,
  assigned: readonly TensorStorage[],
  options: JitOptions,
): Promise<Captured> {
  const outputs: Tensor[] = [];
  mapLeaves(result, (leaf) => {
    if (leaf instanceof Tensor) outputs.push(leaf);
    return leaf;
  });
  const roots = [...outputs.map((tensor) => tensor.node), ...assigned.map((storage) => storage.peek())];
  const capture = await captureNodes(roots, options.device, options.search);
  // Only what was there before the call: a tensor that the call itself wrapped around a parameter's elements (a
  // gradient's rule does) keeps those it was made of.
  const storageOf = new Map<object, TensorStorage>();
  for (const [storage, node] of old) {
    if (node.storage !== undefined && !stand.has(node)) storageOf.set(node.storage, storage);
  }
  const sources = capture.leaves.map((leaf: CapturedLeaf): Source => {
    const argument = [...stand].find(([node]) => node.storage === leaf.node.storage);
    if (argument !== undefined) return { kind: "argument", place: argument[1] };
    const storage = storageOf.get(leaf.node.storage!);
    if (storage !== undefined) return { kind: "storage", storage };
    return { kind: "constant", node: leaf.node };
  });
  const changing = new Set(assigned);
  settle(capture, (leaf) => {
    const source = sources[leaf];
    return source.kind === "constant" || (source.kind === "storage" && !changing.has(source.storage));
  });
  // The values are the replay's to give; until then the storages keep what they had.
  recorder.rollBack();
  return { capture, sources, assigned, outputs, result };
}

// --- replay ------------------------------------------------------------------------------------------------------

/** State may have been replaced since: by values still to be computed, which it gives, or of another shape. */
function unfit({ sources, capture }: Captured): Node[] | "shape" | undefined {
  let waiting: Node[] | undefined;
  for (let i = 0; i < sources.length; i++) {
    const source = sources[i];
    if (source.kind !== "storage") continue;
    const node = source.storage.peek();
    if (!capture.fits(i, node)) return "shape";
    if (node.storage !== undefined) continue;
    waiting ??= [];
    waiting.push(node);
  }
  return waiting;
}

function run(
  captured: Captured,
  nodes: readonly Node[],
  variables: Readonly<Record<string, number>>,
): unknown {
  const { capture, sources, assigned } = captured;
  const leaves = sources.map((source): Node => {
    if (source.kind === "argument") return nodes[source.place];
    return source.kind === "storage" ? source.storage.peek() : source.node;
  });
  const replaced = assigned.map((storage) => storage.peek());
  const values = replay(capture, leaves, variables, replaced);
  return values instanceof Promise
    ? values.then((nodes) => handOut(captured, nodes))
    : handOut(captured, values);
}

/** Gives assigned storages their new values; gives the function's result. */
function handOut({ assigned, outputs, result }: Captured, values: readonly Node[]): unknown {
  assigned.forEach((storage, i) => {
    storage.advance(values[outputs.length + i]);
  });
  if (result instanceof Tensor) return Tensor.ofNode(values[0]);
  let next = 0;
  return mapLeaves(result, (leaf) => (leaf instanceof Tensor ? Tensor.ofNode(values[next++]) : leaf));
}
