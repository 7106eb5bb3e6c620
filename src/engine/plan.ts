// Compiles a normal graph for a device into a plan: one command list, and which slot each buffer goes to. Plans are
// cached by the graph's key, so that the same computation on other data costs no compiling.

import type { Command, CommandList, Device, Executable } from "../device/device.js";
import { addTime, takeTimes, timed } from "../device/stages.js";
import type { Target } from "../device/target.js";
import { fuse, type FusedKernel } from "../fuse/fuse.js";
import { storageNode } from "../fuse/place.js";
import { type Dim, type Node, sizeOf } from "../graph/node.js";
import type { NormalGraph } from "../graph/normalise.js";
import { evaluateIndex } from "../kernel/index.js";
import { clearArena, type Kernel } from "../kernel/ir.js";
import { printKernel } from "../kernel/print.js";
import { lowerKernel } from "../lower/lower.js";
import type { Program, ProgramFacts } from "../lower/program.js";
import { bytesOf } from "../scalar/dtype.js";
import { ScheduleError } from "../schedule/actions/action.js";
import { scheduleKernel, type Scheduled } from "../schedule/schedule.js";
import { getConfig } from "./config.js";
import { showCode, showCompiled, showLeftAside, showPlainer, showPlan } from "./debug.js";
import { planSlots } from "./memory.js";
import { readStore, scheduleFromStore, scheduleKey } from "./schedules.js";

/** Where a root's elements are after the plan has run. */
export type Output =
  | { readonly kind: "leaf"; readonly leaf: number }
  /** `like` is an earlier root with the same elements, if there is one. */
  | { readonly kind: "slot"; readonly slot: number; readonly like: number | undefined };

export interface Plan {
  readonly device: Device;
  readonly list: CommandList;
  readonly programs: readonly ProgramFacts[];
  /** Slots are numbered: leaves, then outputs, then temporaries. */
  readonly leafCount: number;
  /** Largest bytes of each output slot; under symbolic sizes the real bytes follow from the roots' shapes. */
  readonly outputBytes: readonly number[];
  readonly temporaryBytes: readonly number[];
  /** One for each root. */
  readonly outputs: readonly Output[];
  /** Names of the symbolic variables whose values a submission needs, in order, with their bounds. */
  readonly symbols: readonly { readonly name: string; readonly min: number; readonly max: number }[];
}

/** The value of a size once variables have values. */
export function dimValue(d: Dim, variables: Readonly<Record<string, number>>): number {
  if (typeof d === "number") return d;
  return evaluateIndex(d, (atom) => (atom.kind === "symbol" ? variables[atom.name] : Number.NaN));
}

const maxBytes = (node: Node): number => {
  const size = sizeOf(node.shape);
  return Math.max(16, (typeof size === "number" ? size : size.max) * bytesOf(node.dtype));
};

interface Store<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): unknown;
}

/** What a map holds under a key, made if it holds nothing. */
function entry<K, V>(map: Store<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

let plans = new WeakMap<Device, Map<string, Promise<Plan> | Plan>>();

/** The plan for a graph: from the cache at once, else a promise of it. */
export function planFor(graph: NormalGraph, device: Device): Plan | Promise<Plan> {
  const cache = entry(plans, device, () => new Map());
  const known = cache.get(graph.key);
  if (known !== undefined) return known;
  const made = makePlan(graph, device).then(
    (plan) => {
      cache.set(graph.key, plan);
      return plan;
    },
    (error) => {
      cache.delete(graph.key);
      throw error;
    },
  );
  cache.set(graph.key, made);
  return made;
}

/** Forgets a graph's plan and its kernels' programs: better schedules may have been found meanwhile. */
export function forgetPlan(key: string, device: Device): void {
  plans.get(device)?.delete(key);
  executables.delete(device);
}

/** Forgets all plans: those of graphs that are met again are made anew. */
export function forgetPlans(): void {
  plans = new WeakMap();
  executables = new WeakMap();
}

async function makePlan(graph: NormalGraph, device: Device): Promise<Plan> {
  await readStore();
  clearArena();
  const { roots, leaves } = timed("simplify", () => graph.rebuild());
  const { kernels, outputs } = timed("fuse", () => fuse(roots, device.target));
  const executables = await executablesOf(
    kernels.map(({ kernel }) => kernel),
    device,
  );
  const programs = executables.map(({ program }) => program);
  showPlan(device, programs, takeTimes());

  const slotOf = new Map<Node, number>();
  leaves.forEach((leaf, i) => {
    slotOf.set(leaf, i);
  });
  const outputNodes = [...new Set(outputs)].filter((node) => !slotOf.has(node));
  outputNodes.forEach((node, i) => {
    slotOf.set(node, leaves.length + i);
  });
  const firstTemporary = leaves.length + outputNodes.length;
  const temporaryBytes = assignTemporaries(kernels, programs, slotOf, firstTemporary);

  const symbols = new Map(programs.flatMap((p) => p.symbols.map((s) => [s.name, s] as const)));
  const names = [...symbols.keys()].sort();
  const commands = kernels.map(({ nodes }, i): Command => {
    const program = programs[i];
    const scratch = program.scratch.map((buffer) => scratchSlot(slotOf, buffer));
    return {
      kind: "launch",
      executable: executables[i],
      slots: [...nodes.map((node) => slotOf.get(node)!), ...scratch],
      symbols: program.symbols.map((s) => names.indexOf(s.name)),
    };
  });
  const firstAt = new Map<number, number>();
  return {
    device,
    list: device.prepare(commands),
    programs,
    leafCount: leaves.length,
    outputBytes: outputNodes.map(maxBytes),
    temporaryBytes,
    outputs: roots.map((root, i): Output => {
      const node = storageNode(root);
      const slot = slotOf.get(node)!;
      if (slot < leaves.length) return { kind: "leaf", leaf: slot };
      const like = firstAt.get(slot);
      if (like === undefined) firstAt.set(slot, i);
      return { kind: "slot", slot, like };
    }),
    symbols: names.map((name) => ({ name, min: symbols.get(name)!.min, max: symbols.get(name)!.max })),
  };
}

/** What kernels met before were compiled to, by the kernel's text: its loops, addresses and values, without the data. */
let executables = new WeakMap<Device, Map<string, Executable>>();

/** A kernel to be compiled. */
interface Task {
  readonly text: string;
  readonly kernel: Kernel;
  /** Under which devices may keep its code between processes; undefined if they may not. */
  readonly key: string | undefined;
}

/** Kernels of equal text are compiled once in a process, and once for all processes where the device keeps code. */
async function executablesOf(kernels: readonly Kernel[], device: Device): Promise<Executable[]> {
  const known = entry(executables, device, () => new Map<string, Executable>());
  const texts = kernels.map(printKernel);
  const tasks = new Map<string, Task>();
  for (const [i, text] of texts.entries()) {
    if (!known.has(text))
      tasks.set(text, { text, kernel: kernels[i], key: scheduleKey(text, device.target) });
  }
  for (const [text, executable] of await recall([...tasks.values()], device)) {
    known.set(text, executable);
    tasks.delete(text);
  }
  const missing = [...tasks.values()];
  const compiled = await compileKernels(missing, device);
  missing.forEach(({ text }, i) => {
    known.set(text, compiled[i]);
  });
  return texts.map((text) => known.get(text)!);
}

/** What earlier processes compiled, by text. Nothing if it is to be shown how that is done. */
async function recall(tasks: readonly Task[], device: Device): Promise<Map<string, Executable>> {
  const found = new Map<string, Executable>();
  if (device.recall === undefined || getConfig().debug >= 3) return found;
  const start = performance.now();
  const keyed = tasks.filter(({ key }) => key !== undefined);
  const recalled = await device.recall(keyed.map(({ key }) => key!));
  recalled.forEach((executable, i) => {
    if (executable !== undefined) found.set(keyed[i].text, executable);
  });
  addTime("load", performance.now() - start);
  return found;
}

/**
 * Schedules, lowers and compiles kernels. Where the compiler does not take a program, a plainer one is compiled: a
 * schedule unrolls and vectorises, which may make a kernel larger than a compiler accepts; as the fuser wrote it, it is
 * small.
 */
async function compileKernels(tasks: readonly Task[], device: Device): Promise<readonly Executable[]> {
  if (tasks.length === 0) return [];
  const { target } = device;
  const programs = tasks.map(({ kernel }) => scheduleAndLower(kernel, target));
  showCode(device, programs);
  const keys = tasks.map(({ key }) => key);
  try {
    return await device.compile(programs, keys);
  } catch {
    const plainer: Executable[] = [];
    for (const [i, { kernel, key }] of tasks.entries()) {
      try {
        plainer.push(...(await device.compile([programs[i]], [key])));
      } catch (error) {
        const plain = lowerKernel(kernel, target);
        showPlainer(kernel.name, error as Error);
        plainer.push(...(await device.compile([plain], [key]).catch(() => Promise.reject(error))));
      }
    }
    return plainer;
  }
}

function scheduleAndLower(kernel: Kernel, target: Target): Program {
  const stored = scheduleFromStore(kernel, target);
  try {
    if (stored !== undefined) return lowerScheduled(kernel, target, stored);
  } catch (error) {
    // Whether lanes can be formed is known only when a kernel is lowered.
    if (!(error instanceof ScheduleError)) throw error;
    showLeftAside(kernel.name, error.message);
  }
  return lowerScheduled(
    kernel,
    target,
    timed("schedule", () => scheduleKernel(kernel, target)),
  );
}

function lowerScheduled(kernel: Kernel, target: Target, scheduled: Scheduled): Program {
  const program = timed("lower", () => lowerKernel(scheduled.kernel, target, kernel));
  showCompiled(kernel, scheduled.actions, scheduled.kernel, program);
  return program;
}

/** Scratch buffers are temporaries of one kernel; they share the slots of the others. */
const scratchSlot = (slotOf: ReadonlyMap<object, number>, buffer: object): number => slotOf.get(buffer)!;

function assignTemporaries(
  kernels: readonly FusedKernel[],
  programs: readonly ProgramFacts[],
  slotOf: Map<object, number>,
  firstSlot: number,
): readonly number[] {
  const first = new Map<object, number>();
  const last = new Map<object, number>();
  const bytes = new Map<object, number>();
  kernels.forEach(({ nodes }, at) => {
    const used: [object, number][] = nodes.map((node) => [node, maxBytes(node)]);
    for (const b of programs[at].scratch) used.push([b, Math.max(16, b.size.max * bytesOf(b.dtype))]);
    for (const [item, size] of used) {
      if (slotOf.has(item)) continue;
      if (!first.has(item)) first.set(item, at);
      last.set(item, at);
      bytes.set(item, size);
    }
  });
  const items = [...first.keys()];
  const plan = planSlots(
    items.map((item) => ({ bytes: bytes.get(item)!, first: first.get(item)!, last: last.get(item)! })),
  );
  items.forEach((item, i) => {
    slotOf.set(item, firstSlot + plan.slots[i]);
  });
  return plan.sizes;
}
