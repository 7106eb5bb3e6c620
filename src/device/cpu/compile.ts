// Compiles programs to shared objects and loads them.
//
// A program is known by the hash of its text and of the toolchain. Programs of one batch share units of C, since a
// process of the compiler costs more than a small kernel; on disk a small file for each program says in which object
// its functions are and under which name, so that any later batch finds it.

import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { assembleC, type CKernel, generateKernel, phaseFunction } from "../../codegen/c.js";
import { cIdentifier } from "../../codegen/c-phase.js";
import type { Program } from "../../lower/program.js";
import { contentHash, type DiskCache } from "../disk-cache.js";
import { addTime, timed } from "../stages.js";
import type { Toolchain } from "./toolchain.js";

/** Compilers running at a time. */
const PARALLEL = 2;

export class CompileError extends Error {
  override name = "CompileError";
}

/** Opens shared objects; the runtime does. */
export interface Loader {
  open(path: string): number;
  openError(): string | null;
  symbol(library: number, name: string): number;
}

/** Where a program's functions are. */
export interface CodePlace {
  /** The shared object's file in the cache. */
  readonly object: string;
  /** Of the functions, less the number of the phase. */
  readonly name: string;
}

/** A program's code in this process. */
export interface LoadedCode {
  readonly place: CodePlace;
  /** The address of each phase's function. */
  readonly phases: readonly number[];
}

/** A program on its way to an address. */
interface Job {
  readonly program: Program;
  readonly kernel: CKernel;
  readonly hash: string;
  /** Of its functions, less the number of the phase. */
  readonly name: string;
  readonly size: number;
}

export class Compiler {
  /** By hash of the program. */
  private readonly loaded = new Map<string, Promise<LoadedCode>>();
  /** Handles of shared objects by file; 0 for those that cannot be used. */
  private readonly libraries = new Map<string, number>();
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly toolchain: Toolchain,
    private readonly cache: DiskCache,
    private readonly loader: Loader,
  ) {}

  /** The code of each program. */
  async compile(programs: readonly Program[]): Promise<LoadedCode[]> {
    const results: Promise<LoadedCode>[] = [];
    const missing: { job: Job; resolve: (x: LoadedCode) => void; reject: (e: unknown) => void }[] = [];
    // All of them first: what fails to be described must leave no other program waiting for ever.
    const jobs = timed("code", () => programs.map((program) => this.describe(program)));
    for (const job of jobs) {
      let result = this.loaded.get(job.hash);
      if (result === undefined) {
        result = new Promise((resolve, reject) => {
          const found = timed("load", () => this.find(job));
          if (found !== undefined) resolve(found);
          else missing.push({ job, resolve, reject });
        });
        this.loaded.set(job.hash, result);
        // A failure is reported to whoever waits, and the next compile tries again.
        result.catch(() => this.loaded.delete(job.hash));
      }
      results.push(result);
    }
    const start = performance.now();
    const units = spread(missing, PARALLEL, ({ job }) => job.size);
    for (const unit of units) {
      this.build(unit.map(({ job }) => job)).then(
        (outcomes) =>
          outcomes.forEach((outcome, i) => {
            if (outcome instanceof Error) unit[i].reject(outcome);
            else unit[i].resolve(outcome);
          }),
        (error: unknown) => {
          for (const { reject } of unit) reject(error);
        },
      );
    }
    const codes = await Promise.all(results);
    if (missing.length > 0) addTime("compile", performance.now() - start);
    return codes;
  }

  private describe(program: Program): Job {
    const kernel = generateKernel(program);
    const text = assembleC([kernel], [cIdentifier(program.name)]);
    const hash = contentHash(this.toolchain.fingerprint, text);
    const name = `${cIdentifier(program.name)}_${hash.slice(0, 12)}`;
    return { program, kernel, hash, name, size: text.length };
  }

  /** What an earlier process compiled. */
  private find({ hash, program }: Job): LoadedCode | undefined {
    const place = this.cache.read(placeFile(hash));
    return place && this.load(JSON.parse(place.toString()) as CodePlace, program.phases.length);
  }

  /** Undefined if the object is damaged, cannot be loaded or lacks a function. */
  load(place: CodePlace, phases: number): LoadedCode | undefined {
    let library = this.libraries.get(place.object);
    if (library === undefined) {
      library = this.cache.has(place.object) ? this.loader.open(this.cache.path(place.object)) : 0;
      if (library !== 0) this.libraries.set(place.object, library);
    }
    if (library === 0) return undefined;
    const addresses: number[] = [];
    for (let phase = 0; phase < phases; phase++)
      addresses.push(this.loader.symbol(library, phaseFunction(place.name, phase)));
    return addresses.includes(0) ? undefined : { place, phases: addresses };
  }

  /** Builds a unit; if it fails, each of its programs alone, so that only the guilty ones fail. */
  private async build(jobs: readonly Job[]): Promise<(LoadedCode | Error)[]> {
    try {
      const object = await this.compileUnit(jobs);
      return jobs.map(({ name, program, hash }) => {
        const place: CodePlace = { object, name };
        const code = this.load(place, program.phases.length);
        if (code === undefined) return this.unloadable(program);
        this.cache.write(placeFile(hash), Buffer.from(JSON.stringify(place)));
        return code;
      });
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      if (jobs.length === 1) return [error];
      const alone = await Promise.all(jobs.map((job) => this.build([job])));
      return alone.flat();
    }
  }

  private unloadable({ name }: Program): Error {
    const reason = this.loader.openError() ?? "a function is missing in it";
    return new CompileError(`kernel ${name}: its compiled object cannot be loaded: ${reason}`);
  }

  /** The file of the unit's object. */
  private async compileUnit(jobs: readonly Job[]): Promise<string> {
    const source = assembleC(
      jobs.map((job) => job.kernel),
      jobs.map((job) => job.name),
    );
    const object = `${contentHash(...jobs.map(({ hash }) => hash))}.so`;
    const names = jobs.map((job) => job.program.name).join(", ");
    await this.turn(() => compileObject(this.toolchain, this.cache, source, object, `kernel ${names}`));
    return object;
  }

  /** Runs a task when fewer than PARALLEL are running. */
  private async turn<T>(task: () => Promise<T>): Promise<T> {
    if (this.running >= PARALLEL) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.running++;
    try {
      return await task();
    } finally {
      const next = this.waiting.shift();
      if (next !== undefined) next();
      else this.running--;
    }
  }
}

/** Says where the functions of a program are. */
const placeFile = (hash: string): string => `${hash}.place`;

/** Deals items out to at most `count` groups of about equal size, the largest first. */
function spread<T>(items: readonly T[], count: number, sizeOf: (item: T) => number): T[][] {
  const groups = Array.from({ length: Math.min(count, items.length) }, () => ({ size: 0, items: [] as T[] }));
  for (const item of [...items].sort((a, b) => sizeOf(b) - sizeOf(a))) {
    const least = groups.reduce((a, b) => (b.size < a.size ? b : a));
    least.items.push(item);
    least.size += sizeOf(item);
  }
  return groups.map((group) => group.items);
}

/** Compiles C text to a shared object in the cache. `what` names it in errors. */
export async function compileObject(
  toolchain: Toolchain,
  cache: DiskCache,
  source: string,
  file: string,
  what: string,
  libraries: readonly string[] = ["-lm"],
): Promise<void> {
  const output = cache.temporaryPath();
  const args = [...toolchain.flags, "-shared", "-x", "c", "-", "-o", output, ...libraries];
  try {
    const { code, messages } = await runCompiler(toolchain.compiler, args, source);
    if (code !== 0) {
      const words = messages.split("\n").slice(0, 20).join("\n").trim();
      throw new CompileError(`${what}: ${toolchain.compiler} failed (${code}):\n${words}`);
    }
    cache.write(file, readFileSync(output));
  } finally {
    rmSync(output, { force: true });
  }
}

interface Outcome {
  readonly code: number | string;
  readonly messages: string;
}

function runCompiler(compiler: string, args: readonly string[], source: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(compiler, args, {
      stdio: ["pipe", "ignore", "pipe"],
      env: { ...process.env, LC_ALL: "C" },
    });
    let messages = "";
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => {
      messages += text;
    });
    child.on("error", (error) => resolve({ code: error.message, messages }));
    child.on("close", (code, signal) => resolve({ code: code ?? signal ?? "killed", messages }));
    // A compiler that ends early closes its input; its exit code tells the story.
    child.stdin.on("error", () => {});
    child.stdin.end(source);
  });
}
