// Schedules that searches found: kept by what they are for (the kernel's text, the target and its toolchain), on disk
// between processes, and passed on as files. They are data from outside: one that does not apply is left aside.

import type { Target } from "../device/target.js";
import type { Kernel } from "../kernel/ir.js";
import { printKernel } from "../kernel/print.js";
import type { Action } from "../schedule/actions/action.js";
import type { Scheduled } from "../schedule/heuristics/draft.js";
import { scheduleBy } from "../schedule/schedule.js";
import { getConfig } from "./config.js";
import { showLeftAside } from "./debug.js";

export interface StoredSchedule {
  /** Hash of the kernel's text, less its name. */
  readonly kernel: string;
  /** Hash of all that the target is. */
  readonly target: string;
  /** What of the target a schedule is made for, in words: any machine of which this is true may use it. */
  readonly machine: string;
  /** Of the kernel, for people. */
  readonly name: string;
  /** How wide the search was. */
  readonly beam: number;
  /** What was measured: this schedule, and the heuristics' one. */
  readonly nanoseconds: number;
  readonly heuristicNanoseconds: number;
  /** Absent where nothing was found that is better than what the heuristics do. */
  readonly actions?: readonly Action[];
}

/** Of the file's form, and of what actions mean: a schedule of another version is not looked at. */
const FORMAT = "brisc schedules 1";
const FILE = "schedules.json";

/** Found on this machine, by kernel and target. */
const found = new Map<string, StoredSchedule>();
/** Read from files that users named, by kernel and machine: the next best thing. */
const loaded = new Map<string, StoredSchedule>();

const keyOf = (kernel: string, target: string): string => `${kernel} ${target}`;

/** 64 bits, as text. What two kernels of one hash lose is speed: a schedule never changes what is computed. */
function hash(text: string): string {
  let a = 0x811c9dc5;
  let b = 0x1000193;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    a = Math.imul(a ^ c, 0x01000193);
    b = Math.imul(b ^ c, 0x85ebca6b) ^ (b >>> 13);
  }
  return [a, b].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
}

/** The hash of a kernel's text, whatever its name. */
const kernelHash = (text: string): string => hash(text.slice(text.indexOf("(")));

const machineOf = ({ language, vectorBytes, vectorRegisters }: Target): string =>
  `${language}, ${vectorRegisters} vectors of ${vectorBytes} bytes`;

const targetHashes = new WeakMap<Target, string>();

function targetHash(target: Target): string {
  let known = targetHashes.get(target);
  if (known === undefined) {
    const facts = Object.entries(target).filter(([, fact]) => typeof fact !== "object");
    known = hash(JSON.stringify([facts, [...target.dtypes], (target.units ?? []).map(({ name }) => name)]));
    targetHashes.set(target, known);
  }
  return known;
}

/** What is known of a kernel, given as text, on exactly this target. */
export const storedSchedule = (text: string, target: Target): StoredSchedule | undefined =>
  found.get(keyOf(kernelHash(text), targetHash(target)));

type Scheduler = (kernel: Kernel, target: Target) => Scheduled | undefined;
let instead: Scheduler | undefined;

/** Has kernels scheduled by a function instead of from the store, as tests do. */
export function scheduleInstead(scheduler: Scheduler | undefined): void {
  instead = scheduler;
}

/** The actions stored for a kernel. */
function storedActions(text: string, target: Target): readonly Action[] | undefined {
  if (getConfig().schedules !== "stored" || (found.size === 0 && loaded.size === 0)) return undefined;
  const stored = storedSchedule(text, target) ?? loaded.get(keyOf(kernelHash(text), machineOf(target)));
  return stored?.actions;
}

/** All that decides how a kernel is scheduled on a target: equal keys, equal schedules. Undefined if it may change. */
export function scheduleKey(text: string, target: Target): string | undefined {
  if (instead !== undefined) return undefined;
  return `${text}\n${JSON.stringify(storedActions(text, target) ?? "heuristics")}`;
}

/** The kernel by a schedule that was stored for it; undefined if there is none that applies. */
export function scheduleFromStore(kernel: Kernel, target: Target): Scheduled | undefined {
  if (instead !== undefined) return instead(kernel, target);
  if (found.size === 0 && loaded.size === 0) return undefined;
  const actions = storedActions(printKernel(kernel), target);
  if (actions === undefined) return undefined;
  const scheduled = scheduleBy(kernel, target, actions);
  if (scheduled === undefined) showLeftAside(kernel.name, "an action in it is not legal here");
  return scheduled;
}

/** Keeps what a search found out, in this process and on disk. */
export async function keepSchedule(
  text: string,
  target: Target,
  result: Pick<StoredSchedule, "name" | "beam" | "nanoseconds" | "heuristicNanoseconds" | "actions">,
): Promise<void> {
  const entry = {
    kernel: kernelHash(text),
    target: targetHash(target),
    machine: machineOf(target),
    ...result,
  };
  found.set(keyOf(entry.kernel, entry.target), entry);
  await writeStore();
}

// ---------------------------------------------------------------------------------------------------------------
// Files

/** All schedules known, found and loaded, as the text of a file. */
export async function exportSchedules(): Promise<string> {
  await readStore();
  const all = new Map<string, StoredSchedule>();
  for (const entry of [...loaded.values(), ...found.values()])
    all.set(keyOf(entry.kernel, entry.target), entry);
  return format([...all.values()]);
}

const format = (schedules: readonly StoredSchedule[]): string =>
  `{"format": ${JSON.stringify(FORMAT)}, "schedules": [\n${schedules.map((x) => JSON.stringify(x)).join(",\n")}\n]}\n`;

/** Takes the schedules of a file's text; gives how many there were. Throws if it is no such file. */
export function importSchedules(text: string, name: string): number {
  const entries = parse(text);
  if (typeof entries === "string") throw new Error(`${name} is no file of schedules: ${entries}`);
  for (const entry of entries) {
    loaded.set(keyOf(entry.kernel, entry.machine), entry);
    const exact = keyOf(entry.kernel, entry.target);
    if (!found.has(exact)) found.set(exact, entry);
  }
  return entries.length;
}

/** The sound entries of a file's text, or what is wrong with all of it. */
function parse(text: string): StoredSchedule[] | string {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    return (error as Error).message;
  }
  const { format: form, schedules } = (content ?? {}) as { format?: unknown; schedules?: unknown };
  if (form !== FORMAT) return `its format is ${JSON.stringify(form)}, not "${FORMAT}"`;
  if (!Array.isArray(schedules)) return "it has no list of schedules";
  return schedules.filter((entry: unknown, i): entry is StoredSchedule => {
    if (isStored(entry)) return true;
    showLeftAside(`entry ${i}`, "it is no schedule");
    return false;
  });
}

function isStored(x: unknown): x is StoredSchedule {
  if (typeof x !== "object" || x === null) return false;
  const entry = x as Record<string, unknown>;
  const texts = ["kernel", "target", "machine", "name"].every((name) => typeof entry[name] === "string");
  const numbers = ["beam", "nanoseconds", "heuristicNanoseconds"].every((name) =>
    Number.isFinite(entry[name]),
  );
  const { actions } = entry;
  return texts && numbers && (actions === undefined || (Array.isArray(actions) && actions.every(isAction)));
}

const isAction = (x: unknown): boolean =>
  typeof x === "object" && x !== null && typeof (x as { action?: unknown }).action === "string";

let reading: Promise<void> | undefined;

/** Reads what earlier processes found, once. */
export function readStore(): Promise<void> {
  reading ??= storePath().then(async (path) => {
    if (path !== undefined) await readFrom(path);
  });
  return reading;
}

/** Where the store is; undefined where there are no files, as in browsers. */
async function storePath(): Promise<string | undefined> {
  if (typeof process !== "object" || process.versions?.node === undefined) return undefined;
  const { cacheDirectory } = await import("../device/cache-directory.js");
  const { join } = await import("node:path");
  return join(cacheDirectory(), FILE);
}

/** Adds what a store has to what is known here. */
async function readFrom(path: string): Promise<void> {
  const { readFile } = await import("node:fs/promises");
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return;
  const entries = parse(text);
  if (typeof entries === "string") return showLeftAside(path, entries);
  for (const entry of entries) {
    const key = keyOf(entry.kernel, entry.target);
    if (!found.has(key)) found.set(key, entry);
  }
}

/** Writes what is known over the store, whole, with what other processes have added meanwhile. */
async function writeStore(): Promise<void> {
  const path = await storePath();
  if (path === undefined) return;
  await readFrom(path);
  const { mkdir, rename, rm, writeFile } = await import("node:fs/promises");
  const { dirname } = await import("node:path");
  const temporary = `${path}.${process.pid}.part`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(temporary, format([...found.values()]));
    await rename(temporary, path);
  } catch (error) {
    showLeftAside(path, `it cannot be written: ${(error as Error).message}`);
    await rm(temporary, { force: true }).catch(() => {});
  }
}
