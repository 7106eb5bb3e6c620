// Compiled modules: programs compiled together become one module; code already compiled is found again by its bytes.

import { assembleModule, type WasmOptions } from "../../codegen/wasm.js";
import type { Executable } from "../device.js";
import { addTime } from "../stages.js";
import type { KernelFunction } from "./workers.js";
import { type WasmMemory, type WasmModule, webAssembly } from "./webassembly.js";

export interface ModuleUnit {
  readonly number: number;
  readonly module: WasmModule;
  /** The functions of the main thread's instance. */
  readonly functions: readonly KernelFunction[];
}

/** The functions of one program in a module: one for each phase, from `first` on. */
export interface ProgramCode {
  readonly unit: ModuleUnit;
  readonly first: number;
}

export interface WasmExecutable extends Executable {
  readonly code: ProgramCode;
}

/** A module grows to this many bytes before the next is begun. */
const MODULE_BYTES = 2 ** 19;

export class ModuleCache {
  private nextNumber = 1;
  private readonly known = new Map<string, WeakRef<ProgramCode>>();
  private readonly codeRegistry = new FinalizationRegistry<string>((key) => {
    if (this.known.get(key)?.deref() === undefined) this.known.delete(key);
  });
  private readonly unitRegistry: FinalizationRegistry<number>;

  /** `onDrop` hears the numbers of modules that nobody uses any more. */
  constructor(
    private readonly memory: WasmMemory,
    private readonly options: WasmOptions,
    onDrop: (number: number) => void,
  ) {
    this.unitRegistry = new FinalizationRegistry(onDrop);
  }

  /** Code of programs, each given as its functions. */
  async load(programs: readonly (readonly Uint8Array[])[]): Promise<ProgramCode[]> {
    const codes = new Map<string, ProgramCode>();
    const keys: string[] = [];
    let batch: { key: string; functions: readonly Uint8Array[] }[] = [];
    let batchBytes = 0;
    const waiting = new Set<string>();
    const flush = async (): Promise<void> => {
      if (batch.length === 0) return;
      const unit = await this.instantiate(batch.flatMap((entry) => entry.functions));
      let first = 0;
      for (const { key, functions } of batch) {
        const code = { unit, first };
        first += functions.length;
        codes.set(key, code);
        this.known.set(key, new WeakRef(code));
        this.codeRegistry.register(code, key);
      }
      batch = [];
      batchBytes = 0;
    };
    for (const functions of programs) {
      const key = functions.map(textOf).join("\n");
      keys.push(key);
      const known = this.known.get(key)?.deref();
      if (known !== undefined) codes.set(key, known);
      if (codes.has(key) || waiting.has(key)) continue;
      waiting.add(key);
      batch.push({ key, functions });
      batchBytes += key.length;
      if (batchBytes > MODULE_BYTES) await flush();
    }
    await flush();
    return keys.map((key) => codes.get(key)!);
  }

  private async instantiate(functions: readonly Uint8Array[]): Promise<ModuleUnit> {
    const bytes = assembleModule(functions, this.options);
    const start = performance.now();
    const module = await webAssembly().compile(bytes);
    const { exports } = await webAssembly().instantiate(module, { env: { memory: this.memory } });
    addTime("compile", performance.now() - start);
    const number = this.nextNumber++;
    const unit = { number, module, functions: functions.map((_, i) => exports[i] as KernelFunction) };
    this.unitRegistry.register(unit, number);
    return unit;
  }
}

/** Bytes as a string of as many characters, to be a map's key. */
function textOf(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 4096) {
    text += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return text;
}
