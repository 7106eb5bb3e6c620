// What a captured graph computes from nothing but leaves that stay the same (the weights of a model) is computed once:
// phases that lay such an operand out anew, in memory of their kernel, run when they first meet it, and their memory is
// kept. A leaf that is replaced (weights that are trained) is laid out again.

import type { Command, CommandList, DeviceBuffer, LaunchCommand } from "../device/device.js";
import { factsOf } from "../lower/program.js";
import { bytesOf } from "../scalar/dtype.js";
import type { Plan } from "./plan.js";

export interface Steady {
  /** The plan without what is computed once. */
  readonly plan: Plan;
  /** Computes that, into slots after all others. */
  readonly once: CommandList;
  readonly bytes: readonly number[];
  /** The leaves it reads. */
  readonly leaves: readonly number[];
  /** The buffers that hold it, and the leaves' buffers that it was computed from. */
  kept: { readonly buffers: readonly DeviceBuffer[]; readonly from: readonly DeviceBuffer[] } | undefined;
}

/** The part of a plan that depends on leaves alone for which `isSteady` holds; undefined if there is none. */
export function steadyPart(plan: Plan, isSteady: (leaf: number) => boolean): Steady | undefined {
  const { device, leafCount, outputBytes, temporaryBytes } = plan;
  const firstKept = leafCount + outputBytes.length + temporaryBytes.length;
  const bytes: number[] = [];
  const leaves = new Set<number>();
  const once: Command[] = [];
  const rest = plan.list.commands.map((command): Command => {
    const parts =
      command.kind === "launch" ? steadyPhases(command, (slot) => slot < leafCount && isSteady(slot)) : [];
    if (command.kind !== "launch" || parts.length === 0) return command;
    const { params, scratch, phases } = command.executable.program;
    const slots = [...command.slots];
    for (const { reads, writes } of parts) {
      for (const place of reads) if (place < params.length) leaves.add(slots[place]);
      for (const place of writes) {
        const { size, dtype } = scratch[place - params.length];
        slots[place] = firstKept + bytes.length;
        bytes.push(Math.max(16, size.max * bytesOf(dtype)));
      }
    }
    const chosen = parts.map(({ phase }) => phase);
    once.push({ ...command, slots, phases: chosen });
    return { ...command, slots, phases: [...phases.keys()].filter((phase) => !chosen.includes(phase)) };
  });
  if (once.length === 0) return undefined;
  return {
    plan: { ...plan, list: device.prepare(rest) },
    once: device.prepare(once),
    bytes,
    leaves: [...leaves],
    kept: undefined,
  };
}

interface SteadyPhase {
  readonly phase: number;
  readonly reads: readonly number[];
  readonly writes: readonly number[];
}

/** Phases that read nothing but steady leaves, and what such phases wrote, and alone write their scratch memory. */
function steadyPhases(
  { executable, slots }: LaunchCommand,
  isSteady: (slot: number) => boolean,
): SteadyPhase[] {
  const { params, phases, symbols } = factsOf(executable.program);
  if (symbols.length > 0) return [];
  const writers = new Map<number, number>();
  for (const { touches } of phases)
    for (const place of touches?.writes ?? []) writers.set(place, (writers.get(place) ?? 0) + 1);
  const done = new Set<number>();
  const found: SteadyPhase[] = [];
  phases.forEach(({ touches }, phase) => {
    if (touches === undefined) return;
    const { reads, writes } = touches;
    const steady = reads.every((place) => (place < params.length ? isSteady(slots[place]) : done.has(place)));
    const alone = writes.every((place) => place >= params.length && writers.get(place) === 1);
    if (!steady || !alone || reads.length === 0 || writes.length === 0) return;
    for (const place of writes) done.add(place);
    found.push({ phase, reads, writes });
  });
  return found;
}

/** The kept buffers, computed now if the leaves are others than last time. `buffers` are those of all other slots. */
export function keptBuffers(steady: Steady, buffers: readonly DeviceBuffer[]): readonly DeviceBuffer[] {
  const { device } = steady.plan;
  const from = steady.leaves.map((leaf) => buffers[leaf]);
  if (steady.kept?.from.every((buffer, i) => buffer === from[i])) return steady.kept.buffers;
  const kept = steady.kept?.buffers ?? steady.bytes.map((bytes) => device.allocate(bytes));
  steady.kept = { buffers: kept, from };
  device.submit(steady.once, [...buffers, ...kept], []);
  return kept;
}
