// The interpreter as a device: slow, exact, needs nothing. It executes kernels as the fuser wrote them.

import { bytesOf } from "../../scalar/dtype.js";
import { DTYPES } from "../../scalar/dtype.js";
import { type Interpretation, prepareProgram } from "../../kernel/interpret.js";
import { printProgram } from "../../kernel/print.js";
import type { Buffer } from "../../kernel/ir.js";
import type { Program } from "../../lower/program.js";
import type { Command, CommandList, Device, DeviceBuffer, Executable } from "../device.js";
import type { Target } from "../target.js";

export const INTERPRETER_TARGET: Target = {
  language: "interpreter",
  threads: 1,
  vectorBytes: 0,
  vectorRegisters: 0,
  fma: false,
  dtypes: new Set(DTYPES),
  maxBuffers: 64,
  maxBufferBytes: 2 ** 31,
  maxLocalBytes: 2 ** 20,
  l1Bytes: 32 * 1024,
  l2Bytes: 2 ** 20,
  fingerprint: "interpreter",
};

interface HostBuffer extends DeviceBuffer {
  readonly memory: Uint8Array;
}

interface Interpreted extends Executable {
  readonly program: Program;
  readonly run: Interpretation;
}

export class InterpreterDevice implements Device {
  readonly name: string = "interpreter";
  readonly target: Target = INTERPRETER_TARGET;
  private failure: Error | undefined;

  get bytesInUse(): number {
    return 0; // memory belongs to the JavaScript heap
  }

  allocate(bytes: number): DeviceBuffer {
    const buffer: HostBuffer = { bytes, memory: new Uint8Array(bytes) };
    return buffer;
  }

  release(): void {}

  write(buffer: DeviceBuffer, data: Uint8Array, byteOffset = 0): void {
    (buffer as HostBuffer).memory.set(data, byteOffset);
  }

  async read(buffer: DeviceBuffer, byteOffset: number, bytes: number): Promise<Uint8Array> {
    await this.idle();
    return (buffer as HostBuffer).memory.slice(byteOffset, byteOffset + bytes);
  }

  async compile(programs: readonly Program[]): Promise<Executable[]> {
    return programs.map((program): Interpreted => ({ program, run: prepareProgram(program) }));
  }

  codeOf(program: Program): string {
    return printProgram(program);
  }

  prepare(commands: readonly Command[]): CommandList {
    return { commands };
  }

  submit(list: CommandList, buffers: readonly DeviceBuffer[], symbols: readonly number[]): void {
    if (this.failure !== undefined) return;
    try {
      for (const command of list.commands) this.execute(command, buffers as readonly HostBuffer[], symbols);
    } catch (error) {
      this.failure = error as Error;
    }
  }

  async submitTimed(
    list: CommandList,
    buffers: readonly DeviceBuffer[],
    symbols: readonly number[],
  ): Promise<number[]> {
    return list.commands.map((command) => {
      const start = performance.now();
      this.execute(command, buffers as readonly HostBuffer[], symbols);
      return (performance.now() - start) * 1e6;
    });
  }

  async idle(): Promise<void> {
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }

  async close(): Promise<void> {}

  protected execute(command: Command, buffers: readonly HostBuffer[], symbols: readonly number[]): void {
    if (command.kind === "copy") {
      buffers[command.to].memory.set(buffers[command.from].memory.subarray(0, command.bytes));
      return;
    }
    const { program, run: whole } = command.executable as Interpreted;
    const { phases } = command;
    const run =
      phases === undefined
        ? whole
        : prepareProgram({ ...program, phases: phases.map((i) => program.phases[i]) });
    const memory = new Map<Buffer, Uint8Array>();
    const all = [...program.params, ...program.scratch];
    const values = Object.fromEntries(program.symbols.map((s, i) => [s.name, symbols[command.symbols[i]]]));
    all.forEach((buffer, i) => {
      const bytes = buffer.size.max * bytesOf(buffer.dtype);
      memory.set(buffer, buffers[command.slots[i]].memory.subarray(0, bytes));
    });
    run(memory, values);
  }
}
