// Compiles a normal graph for a device into a plan: one command list, and which slot each buffer goes to. Plans are
// cached by the graph's key, so that the same computation on other data costs no compiling.

import type { Command, CommandList, Device, Executable } from "../device/device.js";
import { takeTimes, timed } from "../device/stages.js";
import type { Target } from "../device/target.js";
import { fuse, type FusedKernel } from "../fuse/fuse.js";
import { storageNode } from "../fuse/place.js";
import { type Dim, type Node, sizeOf } from "../graph/node.js";
import type { NormalGraph } from "../graph/normalise.js";
import { evaluateIndex } from "../kernel/index.js";
import { clearArena, type Kernel } from "../kernel/ir.js";
import { printKernel } from "../kernel/print.js";
import { lowerKernel } from "../lower/lower.js";
import type { Program } from "../lower/program.js";
import { bytesOf } from "../scalar/dtype.js";
import { ScheduleError } from "../schedule/actions/action.js";
import { scheduleKernel, type Scheduled } from "../schedule/schedule.js";
import { showCode, showCompiled, showLeftAside, showPlainer, showPlan } from "./debug.js";
import { planSlots } from "./memory.js";
import { readStore, scheduleFromStore } from "./schedules.js";

/** Where a root's elements are after the plan has run. */
export type Output =
  | { readonly kind: "leaf"; readonly leaf: number }
  | { readonly kind: "slot"; readonly slot: number };

export interface Plan {
  readonly device: Device;
  readonly list: CommandList;
  readonly programs: readonly Program[];
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
  scheduleCache.delete(device.target);
}

/** Forgets all plans: those of graphs that are met again are made anew. */
export function forgetPlans(): void {
  plans = new WeakMap();
  scheduleCache = new WeakMap();
}

async function makePlan(graph: NormalGraph, device: Device): Promise<Plan> {
  await readStore();
  clearArena();
  const { roots, leaves } = timed("simplify", () => graph.rebuild());
  const { kernels, outputs } = timed("fuse", () => fuse(roots, device.target));
  const programs = kernels.map(({ kernel }) => programOf(kernel, device));
  showCode(device, programs);
  const executables = await compilePrograms(kernels, programs, device);
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
  return {
    device,
    list: device.prepare(commands),
    programs,
    leafCount: leaves.length,
    outputBytes: outputNodes.map(maxBytes),
    temporaryBytes,
    outputs: roots.map((root): Output => {
      const node = storageNode(root);
      const slot = slotOf.get(node)!;
      return slot < leaves.length ? { kind: "leaf", leaf: slot } : { kind: "slot", slot };
    }),
    symbols: names.map((name) => ({ name, min: symbols.get(name)!.min, max: symbols.get(name)!.max })),
  };
}

/** Programs of kernels met before, by the kernel's text: its loops, addresses and values, without the data. */
let scheduleCache = new WeakMap<Target, Map<string, Program>>();

function programOf(kernel: Kernel, { target }: Device): Program {
  const known = entry(scheduleCache, target, () => new Map<string, Program>());
  return entry(known, printKernel(kernel), () => scheduleAndLower(kernel, target));
}

/**
 * Compiles programs, which are exchanged in place for plainer ones where the compiler does not take them: a schedule
 * unrolls and vectorises, which may make a kernel larger than a compiler accepts; as the fuser wrote it, it is small.
 */
async function compilePrograms(
  kernels: readonly FusedKernel[],
  programs: Program[],
  device: Device,
): Promise<readonly Executable[]> {
  try {
    return await device.compile(programs);
  } catch {
    const executables: Executable[] = [];
    for (const [i, { kernel }] of kernels.entries()) {
      try {
        executables.push(...(await device.compile([programs[i]])));
      } catch (error) {
        const plain = lowerKernel(kernel, device.target);
        showPlainer(kernel.name, error as Error);
        executables.push(...(await device.compile([plain]).catch(() => Promise.reject(error))));
        programs[i] = plain;
        scheduleCache.get(device.target)?.set(printKernel(kernel), plain);
      }
    }
    return executables;
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
  programs: readonly Program[],
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
