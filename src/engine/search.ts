// Searches schedules for the kernels of a graph by measuring on its device, before the graph is compiled. What is found
// is stored, and compiling finds it there.

import type { Device } from "../device/device.js";
import { fuse } from "../fuse/fuse.js";
import type { NormalGraph } from "../graph/normalise.js";
import { clearArena } from "../kernel/ir.js";
import { printKernel } from "../kernel/print.js";
import { workOf } from "../lower/work.js";
import { searchSchedule } from "../schedule/search/beam.js";
import { getConfig } from "./config.js";
import { showLeftAside, showSearched } from "./debug.js";
import { Stopwatch } from "./measure.js";
import { forgetPlan } from "./plan.js";
import { turn } from "./pressure.js";
import { keepSchedule, readStore, storedSchedule } from "./schedules.js";

export interface ScheduleSearch {
  /** How many schedules are kept from round to round; twice as many are measured in each. More take longer. */
  readonly beam: number;
  /** Milliseconds after which the search ends with what it has. Default: none. */
  readonly budgetMs?: number;
  /** Equal seeds propose equal schedules, as far as measured times agree. Default: 0. */
  readonly seed?: number;
  /** Ends the search: the call that asked for it rejects with the signal's reason; what was found is kept. */
  readonly signal?: AbortSignal;
  /** Called as schedules are measured. */
  readonly onProgress?: (progress: ScheduleSearchProgress) => void;
}

export interface ScheduleSearchProgress {
  /** The kernel's name. */
  readonly kernel: string;
  /** Kernels searched so far, of how many. */
  readonly done: number;
  readonly total: number;
  /** Schedules measured for this kernel. */
  readonly measured: number;
  /** Nanoseconds of the best schedule so far, and of the heuristics' one. */
  readonly best: number;
  readonly heuristic: number;
}

/** What is faster by less than this share is not told from noise. */
const MARGIN = 0.03;

/** The search that is wanted: the one given, else what BEAM says; undefined for none. */
export function wantedSearch(given: number | ScheduleSearch | undefined): ScheduleSearch | undefined {
  const options = typeof given === "object" ? given : { beam: given ?? getConfig().beam };
  const { beam, budgetMs = 0 } = options;
  if (!Number.isInteger(beam) || beam < 0)
    throw new RangeError(`search: the beam must be a whole number, not ${beam}`);
  if (!(budgetMs >= 0))
    throw new RangeError(`search: budgetMs must be a number of at least 0, not ${budgetMs}`);
  return beam === 0 ? undefined : options;
}

const searched = new WeakMap<Device, Map<string, number>>();

/** Searches and stores schedules for the kernels of a graph that have none of as wide a search. */
export async function searchGraph(
  graph: NormalGraph,
  device: Device,
  options: ScheduleSearch,
): Promise<void> {
  if (device.target.language === "interpreter") return;
  let known = searched.get(device);
  if (known === undefined) {
    known = new Map();
    searched.set(device, known);
  }
  if ((known.get(graph.key) ?? 0) >= options.beam) return;
  await readStore();
  const texts = kernelsOf(graph, device).filter(
    (text) => (storedSchedule(text, device.target)?.beam ?? 0) < options.beam,
  );
  const deadline = performance.now() + (options.budgetMs ?? Number.POSITIVE_INFINITY);
  let complete = true;
  for (const [done, text] of texts.entries()) {
    complete = await searchKernel(text, device, options, deadline, { done, total: texts.length });
    if (!complete) break;
  }
  if (texts.length > 0) forgetPlan(graph.key, device);
  if (complete) known.set(graph.key, options.beam);
}

/** The texts of a graph's kernels, each once, those with most to do first. */
function kernelsOf(graph: NormalGraph, device: Device): string[] {
  clearArena();
  const { kernels } = fuse(graph.rebuild().roots, device.target);
  const work = new Map<string, number>();
  for (const { kernel } of kernels) {
    const { flops, bytes } = workOf(kernel);
    const text = printKernel(kernel);
    work.set(text, (work.get(text) ?? 0) + flops.max + bytes.max);
  }
  return [...work].sort((a, b) => b[1] - a[1]).map(([text]) => text);
}

/** Searches one kernel; false if time was up before the search had ended by itself. */
async function searchKernel(
  text: string,
  device: Device,
  { beam, seed = 0, signal, onProgress }: ScheduleSearch,
  deadline: number,
  place: { readonly done: number; readonly total: number },
): Promise<boolean> {
  const name = text.slice("kernel ".length, text.indexOf("("));
  const isOver = (): boolean => performance.now() >= deadline;
  if (isOver()) return false;
  let stopwatch: Stopwatch;
  try {
    stopwatch = new Stopwatch(device, text);
  } catch (error) {
    showLeftAside(name, `it cannot be measured: ${(error as Error).message}`);
    return true;
  }
  try {
    let progress: ScheduleSearchProgress | undefined;
    const report = (measured: number, best: number, heuristic: number, done = place.done): void => {
      progress = { kernel: name, done, total: place.total, measured, best, heuristic };
      onProgress?.(progress);
    };
    const result = await searchSchedule(
      text,
      device.target,
      async (candidates, best) => {
        await turn();
        signal?.throwIfAborted();
        const times = await stopwatch.time(
          candidates.map(({ actions }) => actions),
          best,
        );
        const heuristic = progress?.heuristic ?? times[0];
        report((progress?.measured ?? 0) + times.length, Math.min(best, ...times), heuristic);
        return times;
      },
      { beam, seed, isOver },
    );
    const { ranking, heuristic } = result;
    const [best] = ranking;
    const [before, after] = await stopwatch.compare([heuristic.candidate.actions, best.candidate.actions]);
    const better = after < before * (1 - MARGIN);
    const cut = isOver();
    if (Number.isFinite(before) && (better || !cut)) {
      await keepSchedule(text, device.target, {
        name,
        // What was cut off may be searched again.
        beam: cut ? 0 : beam,
        nanoseconds: better ? after : before,
        heuristicNanoseconds: before,
        actions: better ? best.candidate.actions : undefined,
      });
    }
    report(ranking.length, better ? after : before, before, place.done + 1);
    showSearched(progress!);
    return !cut;
  } finally {
    stopwatch.close();
  }
}
