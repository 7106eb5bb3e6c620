// Compiles programs to shared objects and loads them.
//
// A program is known by the hash of its text and of the toolchain. Programs of one batch share units of C, since a
// process of the compiler costs more than a small kernel; on disk each program is a name (a link) of its unit's object,
// so that any later batch finds it.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { assembleC, type CKernel, generateKernel, phaseFunction } from "../../codegen/c.js";
import { cIdentifier } from "../../codegen/c-phase.js";
import type { Program } from "../../lower/program.js";
import { addTime, timed } from "../stages.js";
import type { DiskCache } from "./cache.js";
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

/** A program on its way to an address. */
interface Job {
  readonly program: Program;
  readonly kernel: CKernel;
  /** Of the shared object in the cache. */
  readonly file: string;
  /** Of its functions, less the number of the phase. */
  readonly name: string;
  readonly size: number;
}

export class Compiler {
  /** Addresses of the phases' functions by object file. */
  private readonly loaded = new Map<string, Promise<readonly number[]>>();
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly toolchain: Toolchain,
    private readonly cache: DiskCache,
    private readonly loader: Loader,
  ) {}

  /** The addresses of each program's phases. */
  async compile(programs: readonly Program[]): Promise<(readonly number[])[]> {
    const results: Promise<readonly number[]>[] = [];
    const missing: { job: Job; resolve: (x: readonly number[]) => void; reject: (e: unknown) => void }[] = [];
    for (const program of programs) {
      const job = timed("code", () => this.describe(program));
      let result = this.loaded.get(job.file);
      if (result === undefined) {
        result = new Promise((resolve, reject) => {
          const found = timed("load", () => (this.cache.has(job.file) ? this.load(job) : undefined));
          if (found !== undefined) resolve(found);
          else missing.push({ job, resolve, reject });
        });
        this.loaded.set(job.file, result);
        // A failure is reported to whoever waits, and the next compile tries again.
        result.catch(() => this.loaded.delete(job.file));
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
    const addresses = await Promise.all(results);
    if (missing.length > 0) addTime("compile", performance.now() - start);
    return addresses;
  }

  private describe(program: Program): Job {
    const kernel = generateKernel(program);
    const text = assembleC([kernel], [cIdentifier(program.name)]);
    const hash = createHash("sha256")
      .update(`${this.toolchain.fingerprint}\n${text}`)
      .digest("hex")
      .slice(0, 32);
    const name = `${cIdentifier(program.name)}_${hash.slice(0, 12)}`;
    return { program, kernel, file: `${hash}.so`, name, size: text.length };
  }

  /** Undefined if the object cannot be loaded or lacks a function. */
  private load(job: Job): readonly number[] | undefined {
    const library = this.loader.open(this.cache.path(job.file));
    if (library === 0) return undefined;
    const addresses = job.program.phases.map((_, phase) =>
      this.loader.symbol(library, phaseFunction(job.name, phase)),
    );
    return addresses.includes(0) ? undefined : addresses;
  }

  /** Builds a unit; if it fails, each of its programs alone, so that only the guilty ones fail. */
  private async build(jobs: readonly Job[]): Promise<(readonly number[] | Error)[]> {
    try {
      await this.compileUnit(jobs);
      return jobs.map((job) => this.load(job) ?? this.unloadable(job));
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      if (jobs.length === 1) return [error];
      const alone = await Promise.all(jobs.map((job) => this.build([job])));
      return alone.flat();
    }
  }

  private unloadable(job: Job): Error {
    const reason = this.loader.openError() ?? "a function is missing in it";
    return new CompileError(`kernel ${job.program.name}: its compiled object cannot be loaded: ${reason}`);
  }

  private async compileUnit(jobs: readonly Job[]): Promise<void> {
    const source = assembleC(
      jobs.map((job) => job.kernel),
      jobs.map((job) => job.name),
    );
    const names = jobs.map((job) => job.program.name).join(", ");
    await this.turn(() => compileObject(this.toolchain, this.cache, source, jobs[0].file, `kernel ${names}`));
    for (const job of jobs.slice(1)) this.cache.alias(jobs[0].file, job.file);
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
