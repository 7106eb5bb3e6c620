// Realising: turns lazy nodes into elements in device memory. The tensor layer stands on these few functions.

import type { Device, DeviceBuffer } from "../device/device.js";
import {
  type BufferNode,
  bufferNode,
  type Node,
  printShape,
  type Shape,
  sameShape,
  sizeOf,
} from "../graph/node.js";
import { type NormalGraph, normalise } from "../graph/normalise.js";
import { bytesOf, type DType } from "../scalar/dtype.js";
import { getConfig } from "./config.js";
import { defaultDevice as currentDevice, defaultDeviceNow, getDevice } from "./devices.js";
import { dimValue, forgetPlans, type Plan, planFor } from "./plan.js";
import { relievePressure } from "./pressure.js";
import { runProfiled } from "./profile.js";
import { importSchedules } from "./schedules.js";
import type { ScheduleSearch } from "./search.js";
import { keptBuffers, type Steady, steadyPart } from "./steady.js";
import { type ByteSource, Storage } from "./storage.js";

export { exportSchedules } from "./schedules.js";
export type { ScheduleSearch, ScheduleSearchProgress } from "./search.js";
export type { ByteSource } from "./storage.js";
export { availableDevices, type DeviceInfo, getDevice, registerDevice, setDefaultDevice } from "./devices.js";

/** Takes the schedules of a file's text, for all that is compiled from now on; gives how many there were. */
export function useSchedules(text: string, name: string): number {
  const count = importSchedules(text, name);
  forgetPlans();
  return count;
}

/** The name of the device that work goes to unless it names another. */
export async function defaultDevice(): Promise<string> {
  return (await currentDevice()).name;
}

export interface RealizeOptions {
  /** Name of the device; else the default. */
  readonly device?: string;
  /** Values of symbolic variables by name. */
  readonly variables?: Readonly<Record<string, number>>;
}

/** Bytes of a node's elements once variables have values. */
function byteLength(node: Node, variables: Readonly<Record<string, number>>): number {
  return dimValue(sizeOf(node.shape), variables) * bytesOf(node.dtype);
}

// Realising is serialised: plans are made one after the other, and no node is computed twice.
let tail: Promise<void> | undefined;

async function exclusively<T>(work: () => Promise<T>): Promise<T> {
  while (tail !== undefined) await tail;
  let done: () => void = () => {};
  tail = new Promise<void>((resolve) => {
    done = resolve;
  });
  try {
    return await work();
  } finally {
    tail = undefined;
    done();
  }
}

/** Computes nodes and everything they need; afterwards each has storage. */
export async function realizeNodes(nodes: readonly Node[], options: RealizeOptions = {}): Promise<void> {
  if (nodes.every((node) => node.storage !== undefined)) return;
  return exclusively(async () => {
    const pending = [...new Set(nodes)].filter((node) => node.storage === undefined);
    if (pending.length === 0) return;
    const device =
      options.device !== undefined
        ? await getDevice(options.device)
        : (defaultDeviceNow() ?? (await currentDevice()));
    const graph = normalise(pending);
    if (getConfig().beam > 0) await searchFirst(graph, device);
    const cached = planFor(graph, device);
    const plan = cached instanceof Promise ? await cached : cached;
    const leaves = await leafBuffers(graph.leaves, device);
    const variables = bindVariables(plan, graph.leaves, options.variables);
    const started = runPlan(plan, leaves, variables);
    const buffers = started instanceof Promise ? await started : started;
    storeResults(plan, buffers, pending, graph.leaves, variables);
    pending.forEach((node) => {
      // Gradients need the graph below, but for what was assigned, where they end.
      if (!node.differentiable || node.op === "assign") (node as { inputs: readonly Node[] }).inputs = [];
    });
    const relieving = relievePressure(device);
    if (relieving !== undefined) await relieving;
  });
}

/** Searches schedules for a graph, if that is wanted. What searches is loaded when it is first needed. */
async function searchFirst(
  graph: NormalGraph,
  device: Device,
  given?: number | ScheduleSearch,
): Promise<void> {
  const { searchGraph, wantedSearch } = await import("./search.js");
  const search = wantedSearch(given);
  if (search !== undefined) await searchGraph(graph, device, search);
}

/** Gives nodes, one for each root, the elements that a plan left in these buffers. */
function storeResults(
  { device, outputs }: Plan,
  buffers: readonly DeviceBuffer[],
  nodes: readonly Node[],
  leaves: readonly Node[],
  variables: Readonly<Record<string, number>>,
): void {
  for (let i = 0; i < nodes.length; i++) {
    const output = outputs[i];
    const node = nodes[i];
    if (output.kind === "leaf") shareStorage(node, leaves[output.leaf]);
    else if (output.like !== undefined) shareStorage(node, nodes[output.like]);
    else {
      // Only sizes remember the variables they had: a weight computed beside symbolic work belongs to any value.
      const own = node.shape.every((d) => typeof d === "number") ? NO_VARIABLES : variables;
      node.storage = Storage.onDevice(device, buffers[output.slot], byteLength(node, variables), own);
    }
  }
}

function shareStorage(node: Node, other: Node): void {
  const storage = other.storage as Storage;
  storage.shared = true;
  node.storage = storage;
}

async function leafBuffers(leaves: readonly Node[], device: Device): Promise<DeviceBuffer[]> {
  const buffers: DeviceBuffer[] = [];
  for (const leaf of leaves) {
    const storage = leaf.storage as Storage;
    buffers.push(storage.bufferNow(device) ?? (await storage.bufferOn(device)));
  }
  return buffers;
}

/** Submits a plan with fresh output buffers; gives all buffers by slot. Temporaries are given back at once. */
export function runPlan(
  plan: Plan,
  leaves: readonly DeviceBuffer[],
  variables: Readonly<Record<string, number>>,
  steady?: Steady,
): DeviceBuffer[] | Promise<DeviceBuffer[]> {
  const { device } = plan;
  const outputs = plan.outputBytes.map((bytes) => device.allocate(bytes));
  const temporaries = plan.temporaryBytes.map((bytes) => device.allocate(bytes));
  const buffers = [...leaves, ...outputs, ...temporaries];
  if (steady !== undefined) buffers.push(...keptBuffers(steady, buffers));
  const symbols = symbolValues(plan, variables);
  if (getConfig().debug >= 2) {
    return runProfiled(plan, buffers, symbols).then(() => {
      for (const buffer of temporaries) device.release(buffer);
      return buffers;
    });
  }
  device.submit(plan.list, buffers, symbols);
  for (const buffer of temporaries) device.release(buffer);
  return buffers;
}

const NO_VARIABLES: Readonly<Record<string, number>> = {};

/** The variables' values for a submission: those given, and those with which the leaves were computed. */
function bindVariables(
  plan: Plan,
  leaves: readonly Node[],
  given: Readonly<Record<string, number>> = NO_VARIABLES,
): Readonly<Record<string, number>> {
  if (plan.symbols.length === 0) return given;
  const values: Record<string, number> = { ...given };
  for (const leaf of leaves) {
    for (const [name, value] of Object.entries((leaf.storage as Storage).variables)) {
      const known = values[name];
      if (known !== undefined && known !== value) {
        throw new Error(
          `variable ${name} has two values: ${known}, and ${value} in a ${leaf.dtype}${printShape(leaf.shape)} tensor computed before`,
        );
      }
      values[name] = value;
    }
  }
  return values;
}

function symbolValues(plan: Plan, variables: Readonly<Record<string, number>>): number[] {
  return plan.symbols.map(({ name, min, max }) => {
    const value = variables[name];
    if (value === undefined)
      throw new Error(`variable ${name} has no value: give one by { variables: { ${name}: ... } }`);
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new RangeError(`variable ${name} must be an integer in [${min}, ${max}], got ${value}`);
    }
    return value;
  });
}

/** Bytes of the elements, row-major; computes the node first if need be. */
export async function readNode(node: Node, options: RealizeOptions = {}): Promise<Uint8Array> {
  await realizeNodes([node], options);
  const storage = node.storage as Storage;
  const device = storage.device;
  const bytes = await storage.read();
  if (device !== undefined) await device.idle();
  const wanted = byteLength(node, { ...storage.variables, ...options.variables });
  return bytes.byteLength === wanted ? bytes : bytes.subarray(0, wanted);
}

/** A node whose elements are these host bytes. They are not copied: they must not change until first used. */
export function storeBytes(bytes: Uint8Array, dtype: DType, shape: Shape): BufferNode {
  const expected = byteLength({ dtype, shape } as Node, {});
  if (bytes.byteLength !== expected) {
    throw new RangeError(
      `a ${dtype} tensor of shape [${shape}] takes ${expected} bytes, got ${bytes.byteLength}`,
    );
  }
  return bufferNode(dtype, shape, Storage.fromHost(bytes));
}

/** A node whose elements are bytes of a source, which are read when they are first used. */
export function sourceNode(
  source: ByteSource,
  offset: number,
  dtype: DType,
  shape: readonly number[],
): BufferNode {
  return bufferNode(
    dtype,
    shape,
    Storage.fromSource(source, offset, byteLength({ dtype, shape } as Node, {})),
  );
}

/** Gives a node's memory back now. */
export function disposeStorage(node: Node): void {
  (node.storage as Storage | undefined)?.dispose();
}

// ---------------------------------------------------------------------------------------------------------------
// Captured steps

/** A leaf of a captured graph: a node with storage (maybe a stand-in's) that a replay may exchange. */
export interface CapturedLeaf {
  readonly node: Node;
}

export interface Capture {
  readonly plan: Plan;
  readonly leaves: readonly CapturedLeaf[];
  readonly roots: readonly Node[];
  /** What need not be computed at each replay, once `settle` was told which leaves stay. */
  steady: Steady | undefined;
  /** True if a node can take the place of leaf i. */
  fits(i: number, node: Node): boolean;
}

/** True if two nodes are the same elements of the same dtype and shape. */
export const sameStorage = (a: Node, b: Node): boolean =>
  a === b ||
  (a.storage !== undefined && a.storage === b.storage && a.dtype === b.dtype && sameShape(a.shape, b.shape));

/** Compiles a graph whose leaves will be given at each replay, maybe after a search for its schedules. */
export async function captureNodes(
  roots: readonly Node[],
  deviceName?: string,
  search?: number | ScheduleSearch,
): Promise<Capture> {
  const device =
    deviceName !== undefined ? await getDevice(deviceName) : (defaultDeviceNow() ?? (await currentDevice()));
  return exclusively(async () => {
    const graph = normalise(roots);
    if (search !== undefined || getConfig().beam > 0) await searchFirst(graph, device, search);
    const plan = await planFor(graph, device);
    const { leaves } = graph;
    // What is kept of a root is its shape and dtype, not what it was computed from.
    const kept = roots.map(({ dtype, shape }) => bufferNode(dtype, shape));
    return {
      plan,
      leaves: leaves.map((node) => ({ node })),
      roots: kept,
      steady: undefined,
      fits: (i, node) => node.dtype === leaves[i].dtype && sameShape(node.shape, leaves[i].shape),
    };
  });
}

/** Lets replays keep what depends on nothing but leaves that are the same at most calls. */
export function settle(capture: Capture, isSteady: (leaf: number) => boolean): void {
  capture.steady = steadyPart(capture.plan, isSteady);
}

/**
 * Runs a captured graph on these leaves; gives a node for each root, at once if nothing need be waited for.
 * `replaced` are nodes whose values the caller is about to drop: the memory of those that nothing else was built on
 * is used again.
 */
export function replay(
  capture: Capture,
  leaves: readonly Node[],
  given: Readonly<Record<string, number>>,
  replaced: readonly Node[],
): Node[] | Promise<Node[]> {
  const { steady } = capture;
  const plan = steady?.plan ?? capture.plan;
  const buffers = tail === undefined ? leafBuffersNow(leaves, plan.device) : undefined;
  if (buffers === undefined) return replayLater(capture, leaves, given, replaced);
  const variables = bindVariables(plan, leaves, given);
  const started = runPlan(plan, buffers, variables, steady);
  const finish = (all: readonly DeviceBuffer[]): Node[] | Promise<Node[]> => {
    const nodes = capture.roots.map(({ dtype, shape }): Node => bufferNode(dtype, shape));
    storeResults(plan, all, nodes, leaves, variables);
    for (const node of replaced) {
      const storage = node.storage as Storage | undefined;
      if (storage !== undefined && node.readers === 0 && !storage.shared) storage.dispose();
    }
    return relievePressure(plan.device)?.then(() => nodes) ?? nodes;
  };
  return started instanceof Promise ? started.then(finish) : finish(started);
}

/** As `replay`, once nobody else is at work and all leaves are on the device. */
async function replayLater(...call: Parameters<typeof replay>): Promise<Node[]> {
  const [{ plan }, leaves] = call;
  while (tail !== undefined) await tail;
  await leafBuffers(leaves, plan.device);
  return replay(...call);
}

function leafBuffersNow(leaves: readonly Node[], device: Device): DeviceBuffer[] | undefined {
  const buffers: DeviceBuffer[] = [];
  for (const leaf of leaves) {
    const buffer = (leaf.storage as Storage).bufferNow(device);
    if (buffer === undefined) return undefined;
    buffers.push(buffer);
  }
  return buffers;
}
