// The wasm device: kernels as WebAssembly over one memory, on the main thread and, where there are threads, on others.
// Submitting runs the work: when `submit` returns it is done.

import { unitsOf } from "../../kernel/units.js";
import { evaluateIndex, type Index } from "../../kernel/index.js";
import type { DType } from "../../scalar/dtype.js";
import { printWasm, programFunctions, type WasmOptions } from "../../codegen/wasm.js";
import { MAX_PAGES, PAGE_BYTES } from "../../codegen/wasm-encoder.js";
import type { Command, CommandList, CopyCommand, Device, DeviceBuffer, Executable } from "../device.js";
import type { Target } from "../target.js";
import { factsOf, type Program, type ProgramFacts } from "../../lower/program.js";
import { BUILD_ID } from "../build-id.js";
import type { CodeStore } from "../code-store.js";
import { timed } from "../stages.js";
import { Allocator } from "./allocator.js";
import { prepareEngine, type WasmFeatures } from "./features.js";
import {
  ARGS_AT,
  CONTROL_BYTES,
  heapStart,
  LOCAL_BYTES,
  localAddress,
  MAX_BUFFERS,
  MAX_SYMBOLS,
  SYMBOLS_AT,
} from "./layout.js";
import { ModuleCache, type ModuleUnit, type WasmExecutable } from "./modules.js";
import { currentPlatform, type Platform } from "./platform.js";
import { type KernelFunction, Workers } from "./workers.js";
import { type WasmMemory, webAssembly } from "./webassembly.js";

export interface WasmDeviceOptions {
  /** Threads to use, the main one included. Unless given: as many as can run at once, BRISC_THREADS at most. */
  readonly threads?: number;
  /** The build of brisc whose code may be recalled between processes; else the one that runs, if it is one. */
  readonly build?: string;
  /** Where that code is kept; else BRISC_CACHE_DIR, else XDG_CACHE_HOME/brisc, else ~/.cache/brisc. */
  readonly cacheDirectory?: string;
}

/** Throws where WebAssembly has no vectors. */
export async function createWasmDevice(options: WasmDeviceOptions = {}): Promise<WasmDevice> {
  const { threads, build = BUILD_ID } = options;
  if (threads !== undefined && (!Number.isInteger(threads) || threads < 1)) {
    throw new RangeError(`threads is ${threads}; it must be a whole number of at least 1`);
  }
  const platform = currentPlatform();
  const features = prepareEngine(platform);
  if (!features.simd) throw new Error("this WebAssembly engine has no SIMD, which the wasm device needs");
  const device = new WasmDevice(platform, features, features.threads ? (threads ?? platform.threads) : 1);
  if (platform.hasFiles && build !== undefined) {
    const [{ CodeStore }, { DiskCache }] = await Promise.all([
      import("../code-store.js"),
      import("../disk-cache.js"),
    ]);
    const cache = DiskCache.lasting(options.cacheDirectory);
    if (cache !== undefined) device.store = new CodeStore(cache, device.target, build);
  }
  return device;
}

class WasmBuffer implements DeviceBuffer {
  /** -1 once released. */
  address: number;
  constructor(
    address: number,
    readonly bytes: number,
  ) {
    this.address = address;
  }
}

/** A launch made ready: what `submit` need not find out again. */
interface ReadyLaunch {
  readonly kind: "launch";
  readonly program: ProgramFacts;
  readonly slots: readonly number[];
  readonly symbols: readonly number[];
  readonly unit: ModuleUnit;
  readonly phases: readonly ReadyPhase[];
}
interface ReadyPhase {
  readonly func: number;
  readonly run: KernelFunction;
  readonly extent: number | Index;
  readonly grain: number;
}
interface ReadyList extends CommandList {
  readonly steps: readonly (ReadyLaunch | CopyCommand)[];
  /** The slots that launches use, and where the buffer of each is while the list runs. */
  readonly used: readonly number[];
  readonly addresses: Int32Array;
}

const INITIAL_BYTES = 16 * 2 ** 20;
const MAX_BYTES = MAX_PAGES * PAGE_BYTES;
/** Threads start once work that they could have shared has taken this many milliseconds. */
const START_THREADS_AFTER = 5;

const DTYPES: readonly DType[] = [
  ...(["bool", "int8", "int16", "int32", "int64"] as const),
  ...(["uint8", "uint16", "uint32", "uint64", "float32", "float64"] as const),
];

export class WasmDevice implements Device {
  readonly name = "wasm";
  /** Code of earlier processes, where there are files. */
  store: CodeStore | undefined;
  readonly target: Target;
  private readonly memory: WasmMemory;
  private readonly allocator: Allocator;
  private readonly modules: ModuleCache;
  private readonly dropped = new FinalizationRegistry<{ address: number; bytes: number }>(
    ({ address, bytes }) => this.allocator.release(address, bytes),
  );
  private readonly options: WasmOptions;
  private words: Int32Array;
  private bytes: Uint8Array;
  private workers: Workers | undefined;
  private sharableTime = 0;
  private failure: Error | undefined;

  constructor(
    private readonly platform: Platform,
    features: WasmFeatures,
    private readonly threads: number,
  ) {
    const shared = threads > 1;
    const initial = Math.max(INITIAL_BYTES, 2 * heapStart(threads)) / PAGE_BYTES;
    this.memory = new (webAssembly().Memory)({ initial: Math.ceil(initial), maximum: MAX_PAGES, shared });
    this.words = new Int32Array(this.memory.buffer, 0, CONTROL_BYTES / 4);
    this.bytes = new Uint8Array(this.memory.buffer);
    this.refreshViews();
    this.allocator = new Allocator(heapStart(threads), this.bytes.length);
    this.options = { shared, relaxed: features.relaxed };
    this.modules = new ModuleCache(this.memory, this.options, (number) => this.workers?.drop(number));
    this.target = {
      language: "wasm",
      threads,
      vectorBytes: 16,
      vectorRegisters: 15,
      fma: features.relaxed,
      units: unitsOf("dot"),
      dtypes: new Set(DTYPES),
      maxBuffers: MAX_BUFFERS,
      maxBufferBytes: MAX_BYTES - heapStart(threads),
      maxLocalBytes: LOCAL_BYTES,
      l1Bytes: 32 * 1024,
      l2Bytes: 2 ** 20,
      fingerprint: `wasm simd${features.relaxed ? " relaxed" : ""}${shared ? " shared" : ""}`,
    };
  }

  // Memory ----------------------------------------------------------------------------------------------------------

  get bytesInUse(): number {
    return this.allocator.bytesInUse;
  }

  allocate(bytes: number): DeviceBuffer {
    const address = this.allocator.allocate(bytes) ?? this.allocateGrowing(bytes);
    const buffer = new WasmBuffer(address, bytes);
    this.dropped.register(buffer, { address, bytes }, buffer);
    return buffer;
  }

  private allocateGrowing(bytes: number): number {
    const size = this.bytes.length;
    const least = this.allocator.shortfall(bytes);
    for (const wanted of [Math.max(size, least), least]) {
      const pages = Math.ceil(wanted / PAGE_BYTES);
      if (size / PAGE_BYTES + pages > MAX_PAGES) continue;
      try {
        this.memory.grow(pages);
      } catch {
        continue;
      }
      this.refreshViews();
      this.allocator.grow(pages * PAGE_BYTES);
      return this.allocator.allocate(bytes)!;
    }
    const inUse = `${mebibytes(this.bytesInUse)} of at most ${mebibytes(MAX_BYTES)} are in use`;
    throw new Error(`wasm device: no memory for ${bytes} bytes (${mebibytes(bytes)}); ${inUse}`);
  }

  private refreshViews(): void {
    this.bytes = new Uint8Array(this.memory.buffer);
    this.words = new Int32Array(this.memory.buffer, 0, (SYMBOLS_AT + MAX_SYMBOLS * 4) / 4);
  }

  release(buffer: DeviceBuffer): void {
    const own = this.own(buffer);
    this.dropped.unregister(own);
    this.allocator.release(own.address, own.bytes);
    own.address = -1;
  }

  private own(buffer: DeviceBuffer): WasmBuffer {
    if (!(buffer instanceof WasmBuffer)) throw new TypeError("the buffer belongs to another device");
    if (buffer.address < 0) throw new Error(`a buffer of ${buffer.bytes} bytes was used after its release`);
    return buffer;
  }

  write(buffer: DeviceBuffer, data: Uint8Array, byteOffset = 0): void {
    const { address } = this.range(buffer, byteOffset, data.length);
    this.bytes.set(data, address + byteOffset);
  }

  async read(buffer: DeviceBuffer, byteOffset: number, bytes: number): Promise<Uint8Array> {
    const { address } = this.range(buffer, byteOffset, bytes);
    const copy = new Uint8Array(bytes);
    copy.set(this.bytes.subarray(address + byteOffset, address + byteOffset + bytes));
    return copy;
  }

  private range(buffer: DeviceBuffer, byteOffset: number, bytes: number): WasmBuffer {
    const own = this.own(buffer);
    if (byteOffset >= 0 && byteOffset + bytes <= own.bytes) return own;
    throw new RangeError(
      `bytes ${byteOffset} to ${byteOffset + bytes} exceed a buffer of ${own.bytes} bytes`,
    );
  }

  // Work ------------------------------------------------------------------------------------------------------------

  async compile(
    programs: readonly Program[],
    keys: readonly (string | undefined)[] = [],
  ): Promise<Executable[]> {
    for (const { name, params, scratch, symbols, localBytes } of programs) {
      const buffers = params.length + scratch.length;
      if (buffers > MAX_BUFFERS)
        throw new RangeError(`program ${name} has ${buffers} buffers, over ${MAX_BUFFERS}`);
      if (symbols.length > MAX_SYMBOLS) {
        throw new RangeError(`program ${name} has ${symbols.length} symbols, over ${MAX_SYMBOLS}`);
      }
      if (localBytes > LOCAL_BYTES) {
        throw new RangeError(
          `program ${name} needs ${localBytes} bytes of local memory, over ${LOCAL_BYTES}`,
        );
      }
    }
    const functions = timed("code", () => programs.map((program) => programFunctions(program, this.options)));
    const codes = await this.modules.load(functions);
    return programs.map((program, i): WasmExecutable => {
      const key = keys[i];
      if (key !== undefined) this.store?.write(key, program, joinFunctions(functions[i]));
      return { program: factsOf(program), code: codes[i] };
    });
  }

  async recall(keys: readonly string[]): Promise<(Executable | undefined)[]> {
    const kept = keys.map((key) => this.store?.read(key));
    const found = kept.filter((entry) => entry !== undefined);
    const codes = await this.modules.load(found.map(({ code }) => splitFunctions(code)));
    let next = 0;
    return kept.map(
      (entry): WasmExecutable | undefined => entry && { program: entry.program, code: codes[next++] },
    );
  }

  codeOf(program: Program): string {
    return printWasm(program, this.options);
  }

  prepare(commands: readonly Command[]): CommandList {
    const steps = commands.map((command): ReadyLaunch | CopyCommand => {
      if (command.kind === "copy") return command;
      const { program, code } = command.executable as WasmExecutable;
      const phases = [...(command.phases ?? program.phases.keys())].map((i) => {
        const { atom, grain } = program.phases[i];
        return {
          func: code.first + i,
          run: code.unit.functions[code.first + i],
          extent: atom.extent.value ?? atom.extent,
          grain,
        };
      });
      const { slots, symbols } = command;
      return { kind: "launch", program, slots, symbols, unit: code.unit, phases };
    });
    const slots = steps.flatMap((step) => (step.kind === "launch" ? step.slots : []));
    const addresses = new Int32Array(slots.reduce((most, slot) => Math.max(most, slot + 1), 0));
    const list: ReadyList = { commands, steps, used: [...new Set(slots)], addresses };
    return list;
  }

  submit(list: CommandList, buffers: readonly DeviceBuffer[], symbols: readonly number[]): void {
    if (this.failure !== undefined) return;
    try {
      this.locate(list as ReadyList, buffers);
      for (const step of (list as ReadyList).steps) this.execute(list as ReadyList, step, buffers, symbols);
    } catch (error) {
      this.failure = error as Error;
    }
  }

  async submitTimed(
    list: CommandList,
    buffers: readonly DeviceBuffer[],
    symbols: readonly number[],
  ): Promise<number[]> {
    this.locate(list as ReadyList, buffers);
    return (list as ReadyList).steps.map((step) => {
      const start = performance.now();
      this.execute(list as ReadyList, step, buffers, symbols);
      return (performance.now() - start) * 1e6;
    });
  }

  async idle(): Promise<void> {
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }

  async close(): Promise<void> {
    await this.workers?.end();
    this.workers = undefined;
  }

  /** Finds the buffers of a list's slots. */
  private locate({ used, addresses }: ReadyList, buffers: readonly DeviceBuffer[]): void {
    for (let i = 0; i < used.length; i++) addresses[used[i]] = this.own(buffers[used[i]]).address;
  }

  private execute(
    { addresses }: ReadyList,
    step: ReadyLaunch | CopyCommand,
    buffers: readonly DeviceBuffer[],
    symbols: readonly number[],
  ): void {
    if (step.kind === "copy") {
      const from = this.range(buffers[step.from], 0, step.bytes);
      const to = this.range(buffers[step.to], 0, step.bytes);
      this.bytes.copyWithin(to.address, from.address, from.address + step.bytes);
      return;
    }
    const { words } = this;
    const { slots, phases } = step;
    for (let i = 0; i < slots.length; i++) words[ARGS_AT / 4 + i] = addresses[slots[i]];
    for (let i = 0; i < step.symbols.length; i++) words[SYMBOLS_AT / 4 + i] = symbols[step.symbols[i]];
    try {
      for (let i = 0; i < phases.length; i++) {
        const phase = phases[i];
        const extent =
          typeof phase.extent === "number" ? phase.extent : symbolicExtent(phase.extent, step, symbols);
        if (extent > 0) this.runPhase(step.unit, phase, extent);
      }
    } catch (error) {
      throw new Error(`kernel ${step.program.name} failed: ${(error as Error).message}`, { cause: error });
    }
  }

  private runPhase(unit: ModuleUnit, phase: ReadyPhase, extent: number): void {
    if (this.threads === 1 || extent <= phase.grain) {
      phase.run(ARGS_AT, SYMBOLS_AT, 0, extent, localAddress(0));
    } else if (this.workers !== undefined) {
      const done = this.workers.run(unit, phase.func, phase.run, extent, phase.grain);
      if (!done) throw new Error("it trapped in a thread");
    } else {
      const start = performance.now();
      phase.run(ARGS_AT, SYMBOLS_AT, 0, extent, localAddress(0));
      this.sharableTime += performance.now() - start;
      if (this.sharableTime >= START_THREADS_AFTER) this.startThreads();
    }
  }

  /** Starts the threads that large work would start by itself; they join as soon as they are up. */
  startThreads(): void {
    if (this.threads > 1) this.workers ??= new Workers(this.platform, this.memory, this.words, this.threads);
  }
}

function symbolicExtent(extent: Index, step: ReadyLaunch, symbols: readonly number[]): number {
  return evaluateIndex(extent, (atom) => {
    const at = atom.kind === "symbol" ? step.program.symbols.indexOf(atom) : -1;
    if (at < 0) throw new Error(`the extent ${extent} is not made of the program's symbols`);
    return symbols[step.symbols[at]];
  });
}

/** Functions one after the other, each after its length. */
function joinFunctions(functions: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(functions.reduce((sum, { length }) => sum + 4 + length, 0));
  const view = new DataView(joined.buffer);
  let at = 0;
  for (const code of functions) {
    view.setUint32(at, code.length, true);
    joined.set(code, at + 4);
    at += 4 + code.length;
  }
  return joined;
}

function splitFunctions(joined: Uint8Array): Uint8Array[] {
  const view = new DataView(joined.buffer, joined.byteOffset, joined.length);
  const functions: Uint8Array[] = [];
  for (let at = 0; at < joined.length; ) {
    const end = at + 4 + view.getUint32(at, true);
    functions.push(joined.subarray(at + 4, end));
    at = end;
  }
  return functions;
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
