// The cpu device: programs as C through the system's compiler, run by a native runtime that takes a whole command
// list in one call. Work is done when `submit` returns.

import { availableParallelism } from "node:os";
import { generateC } from "../../codegen/c.js";
import { type MatrixUnit, unitsOf } from "../../kernel/units.js";
import type { Index, SymbolAtom } from "../../kernel/index.js";
import { evaluateIndex } from "../../kernel/index.js";
import { factsOf, type Program, type ProgramFacts } from "../../lower/program.js";
import { bytesOf, type DType } from "../../scalar/dtype.js";
import type {
  Command,
  CommandList,
  CopyCommand,
  Device,
  DeviceBuffer,
  Executable,
  LaunchCommand,
} from "../device.js";
import type { Target } from "../target.js";
import { BUILD_ID } from "../build-id.js";
import { CodeStore } from "../code-store.js";
import { contentHash, DiskCache } from "../disk-cache.js";
import { type CodePlace, Compiler, compileObject } from "./compile.js";
import { loadKoffi } from "./koffi.js";
import { CpuBuffer, LARGEST_BUFFER, Memory } from "./memory.js";
import { bindRuntime, RUNTIME_SOURCE, type Runtime } from "./runtime.js";
import { findToolchain, type Toolchain } from "./toolchain.js";

export interface CpuOptions {
  /** Threads that run kernels, the calling one included; else BRISC_THREADS, else all cores. */
  readonly threads?: number;
  /** Where compiled objects are kept; else BRISC_CACHE_DIR, else XDG_CACHE_HOME/brisc, else ~/.cache/brisc. */
  readonly cacheDirectory?: string;
  /** The C compiler; else BRISC_CC, else cc, gcc or clang on PATH. */
  readonly compiler?: string;
  /** Kinds of matrix units to use, as a list with commas, or "none"; else BRISC_UNITS, else all there are. */
  readonly units?: string;
  /** The build of brisc whose code may be recalled between processes; else the one that runs, if it is one. */
  readonly build?: string;
}

/** Rejects with a plain sentence if koffi or a C compiler is missing. */
export async function createCpuDevice(options: CpuOptions = {}): Promise<Device> {
  const threads = threadCount(options.threads);
  const cache = new DiskCache(options.cacheDirectory);
  const [koffi, toolchain] = await Promise.all([loadKoffi(), findToolchain(cache, options.compiler)]);
  const file = `runtime-${contentHash(toolchain.fingerprint, RUNTIME_SOURCE)}.so`;
  if (!cache.has(file)) {
    await compileObject(toolchain, cache, RUNTIME_SOURCE, file, "the runtime of the cpu device", [
      "-lpthread",
      "-ldl",
    ]);
  }
  const runtime = bindRuntime(koffi, cache.path(file));
  const facts = target(toolchain, threads, usableUnits(toolchain, runtime, options.units));
  const { build = BUILD_ID } = options;
  return new CpuDevice(
    runtime,
    new Memory(koffi, runtime),
    new Compiler(toolchain, cache, runtime),
    build === undefined ? undefined : new CodeStore(cache, facts, build),
    (array) => Number(koffi.address(array)),
    facts,
  );
}

function threadCount(wanted: number | undefined): number {
  const text = process.env.BRISC_THREADS;
  const count = wanted ?? (text === undefined || text === "" ? availableParallelism() : Number(text));
  if (Number.isInteger(count) && count >= 1 && count <= 1024) return count;
  throw new RangeError(`the number of threads must be an integer from 1 to 1024, not ${wanted ?? text}`);
}

/** Those of the processor's matrix units that are wanted and that the system allows. */
function usableUnits({ units }: Toolchain, runtime: Runtime, wanted = process.env.BRISC_UNITS): MatrixUnit[] {
  const names = wanted === undefined || wanted === "" ? units : wanted.split(",");
  const kinds = units.filter((kind) => names.includes(kind) && (kind !== "amx" || runtime.tiles()));
  return kinds.flatMap(unitsOf);
}

function target(toolchain: Toolchain, threads: number, units: readonly MatrixUnit[]): Target {
  const dtypes: DType[] = ["bool", "int32", "uint32", "int64", "uint64", "float32", "float64"];
  return {
    language: "c",
    threads,
    vectorBytes: toolchain.vectorBytes,
    vectorRegisters: toolchain.vectorRegisters,
    fma: toolchain.fma,
    units,
    converts: toolchain.half ? ["float16"] : [],
    dtypes: new Set(dtypes),
    maxBuffers: 256,
    maxBufferBytes: LARGEST_BUFFER,
    maxLocalBytes: 64 << 20,
    l1Bytes: toolchain.l1Bytes,
    l2Bytes: toolchain.l2Bytes,
    cacheBytes: cacheShare(toolchain, threads),
    fingerprint: toolchain.fingerprint,
  };
}

/** A virtual machine reports a cache that it shares with others: its part is in proportion to its cores at most. */
const cacheShare = ({ l2Bytes, l3Bytes }: Toolchain, threads: number): number =>
  Math.max(l2Bytes * threads, Math.min(l3Bytes, 16 * l2Bytes * threads));

class CpuExecutable implements Executable {
  constructor(
    readonly program: ProgramFacts,
    /** Addresses. */
    readonly phases: readonly number[],
  ) {}
}

/** A word of a list that depends on symbols. */
interface Patch {
  readonly word: number;
  readonly value: (symbols: readonly number[]) => number;
}

class CpuCommandList implements CommandList {
  constructor(
    readonly commands: readonly Command[],
    /** As runtime.ts describes them. */
    readonly words: Float64Array,
    readonly wordsAddress: number,
    readonly slots: Float64Array,
    readonly slotsAddress: number,
    readonly symbols: Float64Array,
    readonly symbolsAddress: number,
    readonly patches: readonly Patch[],
    /** Bytes each slot's buffer must have at least, as far as sizes are constant. */
    readonly bytes: readonly number[],
  ) {}
}

class CpuDevice implements Device {
  readonly name = "cpu";
  private readonly pool: number;
  private closed = false;
  private failure: Error | undefined;

  constructor(
    private readonly runtime: Runtime,
    private readonly memory: Memory,
    private readonly compiler: Compiler,
    private readonly store: CodeStore | undefined,
    private readonly addressOf: (array: Float64Array) => number,
    readonly target: Target,
  ) {
    this.pool = runtime.create(target.threads);
    if (this.pool === 0) throw new Error("no memory is left for the threads of the cpu device");
  }

  get bytesInUse(): number {
    return this.memory.live;
  }

  allocate(bytes: number): DeviceBuffer {
    return this.memory.allocate(bytes);
  }

  release(buffer: DeviceBuffer): void {
    this.memory.release(own(buffer));
  }

  write(buffer: DeviceBuffer, data: Uint8Array, byteOffset = 0): void {
    checkRange("write", buffer, byteOffset, data.byteLength);
    own(buffer).view.set(data, byteOffset);
  }

  async read(buffer: DeviceBuffer, byteOffset: number, bytes: number): Promise<Uint8Array> {
    this.throwFailure();
    checkRange("read", buffer, byteOffset, bytes);
    return own(buffer).view.slice(byteOffset, byteOffset + bytes);
  }

  async compile(
    programs: readonly Program[],
    keys: readonly (string | undefined)[] = [],
  ): Promise<Executable[]> {
    const codes = await this.compiler.compile(programs);
    return programs.map((program, i) => {
      const { place, phases } = codes[i];
      const key = keys[i];
      if (key !== undefined) this.store?.write(key, program, Buffer.from(JSON.stringify(place)));
      return new CpuExecutable(factsOf(program), phases);
    });
  }

  async recall(keys: readonly string[]): Promise<(Executable | undefined)[]> {
    return keys.map((key) => {
      const kept = this.store?.read(key);
      if (kept === undefined) return undefined;
      const place = JSON.parse(kept.code.toString()) as CodePlace;
      const code = this.compiler.load(place, kept.program.phases.length);
      return code && new CpuExecutable(kept.program, code.phases);
    });
  }

  codeOf(program: Program): string {
    return generateC([program]);
  }

  prepare(commands: readonly Command[]): CommandList {
    const words: number[] = [];
    const patches: Patch[] = [];
    const bytes: number[] = [];
    let symbolCount = 0;
    commands.forEach((command, i) => {
      const start = words.length;
      if (command.kind === "copy") {
        words.push(1, 5, command.from, command.to, command.bytes);
        needs(bytes, command.from, command.bytes);
        needs(bytes, command.to, command.bytes);
      } else {
        checkLaunch(command, i);
        const { program, phases } = command.executable as CpuExecutable;
        const { slots, symbols } = command;
        const chosen = command.phases ?? phases.keys();
        const buffers = [...program.params, ...program.scratch];
        slots.forEach((slot, j) => {
          needs(bytes, slot, (buffers[j].size.value ?? 0) * bytesOf(buffers[j].dtype));
        });
        for (const symbol of symbols) symbolCount = Math.max(symbolCount, symbol + 1);
        words.push(
          0,
          0,
          slots.length,
          symbols.length,
          program.localBytes,
          (command.phases ?? phases).length,
          ...slots,
          ...symbols,
        );
        for (const phase of chosen) {
          const { atom, grain } = program.phases[phase];
          words.push(phases[phase], atom.extent.value ?? 0, grain);
          if (atom.extent.value !== undefined) continue;
          patches.push({ word: words.length - 2, value: evaluator(atom.extent, program.symbols, symbols) });
        }
        words[start + 1] = words.length - start;
      }
    });
    const array = fixedArray(words.length);
    array.set(words);
    const slots = fixedArray(bytes.length);
    const symbols = fixedArray(symbolCount);
    return new CpuCommandList(
      commands,
      array,
      this.addressOf(array),
      slots,
      this.addressOf(slots),
      symbols,
      this.addressOf(symbols),
      patches,
      bytes,
    );
  }

  submit(list: CommandList, buffers: readonly DeviceBuffer[], symbols: readonly number[]): void {
    this.run(list, buffers, symbols, 0);
  }

  async submitTimed(
    list: CommandList,
    buffers: readonly DeviceBuffer[],
    symbols: readonly number[],
  ): Promise<number[]> {
    const times = fixedArray(list.commands.length);
    this.run(list, buffers, symbols, this.addressOf(times));
    this.throwFailure();
    return Array.from(times);
  }

  private run(
    list: CommandList,
    buffers: readonly DeviceBuffer[],
    symbols: readonly number[],
    times: number,
  ): void {
    if (!(list instanceof CpuCommandList))
      throw new TypeError("this command list was prepared by another device");
    if (this.closed) throw new Error("the cpu device is closed");
    const { bytes, slots, patches } = list;
    for (let slot = 0; slot < bytes.length; slot++) {
      const buffer = buffers[slot];
      if (!(buffer instanceof CpuBuffer) || buffer.bytes < bytes[slot]) badSlot(slot, buffer, bytes[slot]);
      slots[slot] = buffer.address;
    }
    for (let i = 0; i < list.symbols.length; i++) list.symbols[i] = symbols[i] ?? 0;
    for (let i = 0; i < patches.length; i++) list.words[patches[i].word] = patches[i].value(symbols);
    const failed = this.runtime.run(
      this.pool,
      list.wordsAddress,
      list.commands.length,
      list.slotsAddress,
      list.symbolsAddress,
      times,
    );
    if (failed >= 0) this.failure ??= outOfMemory(list.commands[failed]);
  }

  async idle(): Promise<void> {
    this.throwFailure();
  }

  private throwFailure(): void {
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.memory.trim(0);
    this.runtime.destroy(this.pool);
  }
}

/** An array that never moves: V8 keeps small typed arrays within its heap unless they are given a buffer. */
const fixedArray = (length: number): Float64Array => new Float64Array(new ArrayBuffer(length * 8));

function own(buffer: DeviceBuffer): CpuBuffer {
  if (buffer instanceof CpuBuffer) return buffer;
  throw new TypeError("this buffer belongs to another device than cpu");
}

function checkRange(what: string, buffer: DeviceBuffer, start: number, bytes: number): void {
  if (start >= 0 && bytes >= 0 && start + bytes <= buffer.bytes) return;
  throw new RangeError(`${what} of bytes ${start} to ${start + bytes} of a buffer of ${buffer.bytes} bytes`);
}

/** Notes that a slot's buffer must have this many bytes. */
function needs(sizes: number[], slot: number, bytes: number): void {
  while (sizes.length <= slot) sizes.push(0);
  sizes[slot] = Math.max(sizes[slot], bytes);
}

function checkLaunch({ executable, slots, symbols }: LaunchCommand, command: number): void {
  const { program } = executable;
  const where = `command ${command}, kernel ${program.name}`;
  if (!(executable instanceof CpuExecutable)) throw new TypeError(`${where}: compiled by another device`);
  const buffers = program.params.length + program.scratch.length;
  if (slots.length !== buffers)
    throw new RangeError(`${where}: ${slots.length} slots for ${buffers} buffers`);
  if (symbols.length !== program.symbols.length) {
    throw new RangeError(`${where}: ${symbols.length} symbols for ${program.symbols.length}`);
  }
}

/** An extent as a function of the list's symbols. */
function evaluator(
  index: Index,
  own: readonly SymbolAtom[],
  places: readonly number[],
): (symbols: readonly number[]) => number {
  return (symbols) =>
    evaluateIndex(index, (atom) => {
      if (atom.kind !== "symbol")
        throw new Error(`a phase's extent depends on the ${atom.kind} atom ${index}`);
      return symbols[places[own.indexOf(atom)]];
    });
}

function badSlot(slot: number, buffer: DeviceBuffer | undefined, bytes: number): never {
  if (buffer === undefined) throw new RangeError(`slot ${slot} has no buffer`);
  if (!(buffer instanceof CpuBuffer)) throw new TypeError(`slot ${slot} has a buffer of another device`);
  throw new RangeError(`slot ${slot} needs ${bytes} bytes, its buffer has ${buffer.bytes}`);
}

function outOfMemory(command: LaunchCommand | CopyCommand): Error {
  if (command.kind === "copy") return new Error("a copy failed");
  const { name, localBytes } = command.executable.program;
  return new Error(`kernel ${name}: no memory is left for its ${localBytes} bytes of workspace a thread`);
}
