// A device with WebGPU's limits over the interpreter, for tests: what the engine and the compiler do for it, they will
// do for GPUs. Nothing happens when it is asked for: work is queued and done in later turns of the event loop, memory
// is reached by the queue only, and failures reject whatever is awaited next.
//
// Limits: 8 storage buffers a kernel, 128 MiB a buffer, 16 KiB of memory a kernel has to itself, buffers and copies in
// multiples of 4 bytes, kernels of bool, int32, uint32 and float32 over buffers of 32-bit elements.

import type { Command, CommandList, Device, DeviceBuffer, Executable } from "../../src/device/device.js";
import type { Target } from "../../src/device/target.js";
import { type Interpretation, prepareProgram } from "../../src/kernel/interpret.js";
import { type Buffer, exprsOf, loadsOf, topologicalOrder, visitStatements } from "../../src/kernel/ir.js";
import { printProgram } from "../../src/kernel/print.js";
import { verifyProgram } from "../../src/kernel/verify.js";
import type { Program } from "../../src/lower/program.js";
import { bytesOf, type DType } from "../../src/scalar/dtype.js";

const MEBIBYTE = 2 ** 20;

export const LIMITED_TARGET: Target = {
  language: "wgsl",
  threads: 256,
  vectorBytes: 0,
  vectorRegisters: 0,
  fma: true,
  dtypes: new Set<DType>(["bool", "int32", "uint32", "float32"]),
  maxBuffers: 8,
  maxBufferBytes: 128 * MEBIBYTE,
  maxLocalBytes: 16 * 1024,
  storageBytes: 4,
  l1Bytes: 16 * 1024,
  l2Bytes: MEBIBYTE,
  fingerprint: "limited",
};

/** What may be asked to go wrong, by the beginning of a kernel's name. */
export interface Faults {
  readonly compile?: string;
  readonly run?: string;
}

/** A handle: the bytes are known to the device alone. */
class Handle implements DeviceBuffer {
  constructor(readonly bytes: number) {}
}

interface Compiled extends Executable {
  readonly run: Interpretation;
}

const WORD = 4;
const wholeWords = (bytes: number): number => Math.ceil(bytes / WORD) * WORD;

export class LimitedDevice implements Device {
  readonly name = "limited";
  readonly target = LIMITED_TARGET;
  faults: Faults = {};
  bytesInUse = 0;
  /** Turns of the event loop in which queued work was done. */
  turns = 0;
  private readonly memory = new WeakMap<DeviceBuffer, Uint8Array>();
  private readonly queue: (() => void)[] = [];
  private working: Promise<void> | undefined;
  private failure: Error | undefined;

  // Memory --------------------------------------------------------------------------------------------------------

  allocate(bytes: number): DeviceBuffer {
    const size = wholeWords(bytes);
    if (size > this.target.maxBufferBytes) {
      throw new RangeError(
        `a buffer of ${size} bytes is larger than device limited allows, ${this.target.maxBufferBytes}`,
      );
    }
    const buffer = new Handle(size);
    this.memory.set(buffer, new Uint8Array(size).fill(0xff));
    this.bytesInUse += size;
    return buffer;
  }

  /** Work already queued may still use it; its memory goes with the last of that. */
  release(buffer: DeviceBuffer): void {
    this.bytesInUse -= buffer.bytes;
  }

  private contents(buffer: DeviceBuffer): Uint8Array {
    const bytes = this.memory.get(buffer);
    if (bytes === undefined) throw new Error("this buffer is not one of device limited");
    return bytes;
  }

  write(buffer: DeviceBuffer, data: Uint8Array, byteOffset = 0): void {
    if (byteOffset % WORD !== 0) throw new RangeError(`a write at byte ${byteOffset}, not a multiple of 4`);
    // As WebGPU does, take the bytes at once; the last word is filled up.
    const padded = new Uint8Array(wholeWords(data.byteLength));
    padded.set(data);
    this.enqueue(() => this.contents(buffer).set(padded, byteOffset));
  }

  async read(buffer: DeviceBuffer, byteOffset: number, bytes: number): Promise<Uint8Array> {
    const start = Math.floor(byteOffset / WORD) * WORD;
    const end = wholeWords(byteOffset + bytes);
    let staged = new Uint8Array(0);
    this.enqueue(() => {
      staged = this.contents(buffer).slice(start, end);
    });
    await this.idle();
    return staged.slice(byteOffset - start, byteOffset - start + bytes);
  }

  // Kernels -------------------------------------------------------------------------------------------------------

  async compile(programs: readonly Program[]): Promise<Executable[]> {
    await nextTurn();
    return programs.map((program): Compiled => {
      if (this.faults.compile !== undefined && program.name.startsWith(this.faults.compile)) {
        throw new Error(`kernel ${program.name} does not compile: asked for by a test`);
      }
      requireLimits(program, this.target);
      return { program, run: prepareProgram(program) };
    });
  }

  codeOf(program: Program): string {
    return printProgram(program);
  }

  prepare(commands: readonly Command[]): CommandList {
    return { commands: [...commands] };
  }

  submit(list: CommandList, buffers: readonly DeviceBuffer[], symbols: readonly number[]): void {
    for (const command of list.commands) this.enqueue(() => this.execute(command, buffers, symbols));
  }

  async submitTimed(
    list: CommandList,
    buffers: readonly DeviceBuffer[],
    symbols: readonly number[],
  ): Promise<number[]> {
    const times: number[] = [];
    for (const command of list.commands) {
      let elapsed = 0;
      this.enqueue(() => {
        const start = performance.now();
        this.execute(command, buffers, symbols);
        elapsed = (performance.now() - start) * 1e6;
      });
      await this.idle();
      times.push(elapsed);
    }
    return times;
  }

  private execute(command: Command, buffers: readonly DeviceBuffer[], symbols: readonly number[]): void {
    if (command.kind === "copy") {
      const bytes = wholeWords(command.bytes);
      this.contents(buffers[command.to]).set(this.contents(buffers[command.from]).subarray(0, bytes));
      return;
    }
    const { program, run } = command.executable as Compiled;
    if (this.faults.run !== undefined && program.name.startsWith(this.faults.run)) {
      throw new Error(`kernel ${program.name} failed: the device was lost, as asked for by a test`);
    }
    const bound = new Map<Buffer, Uint8Array>();
    for (const [i, buffer] of [...program.params, ...program.scratch].entries()) {
      bound.set(buffer, this.contents(buffers[command.slots[i]]));
    }
    run(bound, Object.fromEntries(program.symbols.map((s, i) => [s.name, symbols[command.symbols[i]]])));
  }

  // The queue -----------------------------------------------------------------------------------------------------

  private enqueue(work: () => void): void {
    this.queue.push(work);
    this.working ??= this.work();
  }

  /** One piece of work a turn, some after a microtask and some after a macrotask. */
  private async work(): Promise<void> {
    for (let work = await this.next(); work !== undefined; work = await this.next()) {
      try {
        // After a failure the rest of what was queued is worth nothing, as on a device that was lost.
        if (this.failure === undefined) work();
      } catch (error) {
        this.failure = error as Error;
      }
    }
    // What was queued since the queue was last seen empty.
    this.working = this.queue.length > 0 ? this.work() : undefined;
  }

  private async next(): Promise<(() => void) | undefined> {
    this.turns++;
    if (this.turns % 4 === 0) await nextTurn();
    else await undefined;
    return this.queue.shift();
  }

  async idle(): Promise<void> {
    while (this.working !== undefined) await this.working;
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }

  async close(): Promise<void> {
    await this.idle();
  }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** Throws an error that names the kernel if a program asks for more than there is. */
function requireLimits(program: Program, target: Target): void {
  const fail = (message: string): never => {
    throw new Error(`kernel ${program.name} does not compile for device limited: ${message}`);
  };
  verifyProgram(program);
  const buffers = [...program.params, ...program.scratch];
  if (buffers.length > target.maxBuffers) {
    fail(`${buffers.length} storage buffers, of which ${target.maxBuffers} are allowed`);
  }
  for (const { name, dtype, size } of buffers) {
    if (bytesOf(dtype) !== WORD) fail(`buffer ${name} of ${dtype}; elements of buffers have 32 bits`);
    if (size.max * WORD > target.maxBufferBytes) {
      fail(`buffer ${name} of ${size.max * WORD} bytes, of which ${target.maxBufferBytes} are allowed`);
    }
  }
  if (program.localBytes > target.maxLocalBytes) {
    fail(`${program.localBytes} bytes of its own, of which ${target.maxLocalBytes} are allowed`);
  }
  for (const { body } of program.phases) {
    visitStatements(body, (s) => {
      for (const x of topologicalOrder([...exprsOf(s), ...loadsOf([s])])) {
        if (!target.dtypes.has(x.dtype)) fail(`${x.op} of ${x.dtype}`);
        if (x.lanes !== 1) fail(`${x.op} of ${x.lanes} lanes`);
      }
    });
  }
}
