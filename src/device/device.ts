// The one interface behind which every device stands. It carries GPUs: buffers are opaque, compiling is asynchronous,
// and work starts only by submitting a command list.

import type { Program, ProgramFacts } from "../lower/program.js";
import type { Target } from "./target.js";

/** Memory of one device. Opaque: contents are reached by `write`, `read` and kernels only. */
export interface DeviceBuffer {
  readonly bytes: number;
}

/** A compiled program. */
export interface Executable {
  readonly program: ProgramFacts;
}

/** Buffers are named by slot numbers, bound when the list is submitted. */
export type Command = LaunchCommand | CopyCommand;
export interface LaunchCommand {
  readonly kind: "launch";
  readonly executable: Executable;
  /** A slot for each of the program's parameters, then for each scratch buffer. */
  readonly slots: readonly number[];
  /** For each of the program's symbols, its place in the symbols given at submit. */
  readonly symbols: readonly number[];
  /** Which of the program's phases run, in this order; all unless given. */
  readonly phases?: readonly number[];
}
export interface CopyCommand {
  readonly kind: "copy";
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** Commands made ready for repeated submission on one device. Opaque. */
export interface CommandList {
  readonly commands: readonly Command[];
}

export interface Device {
  readonly name: string;
  readonly target: Target;
  /** Uninitialised memory. Throws if there is none left. */
  allocate(bytes: number): DeviceBuffer;
  /** Gives memory back for reuse, at once; work already submitted may still use it. */
  release(buffer: DeviceBuffer): void;
  /** Copies host bytes in, ordered with submitted work. */
  write(buffer: DeviceBuffer, data: Uint8Array, byteOffset?: number): void;
  /** Copies bytes out, after all work submitted before. */
  read(buffer: DeviceBuffer, byteOffset: number, bytes: number): Promise<Uint8Array>;
  /**
   * Compiles programs; equal programs may share code. `keys` say what each was made from: where the device can keep code
   * between processes, `recall` finds under them what had one.
   */
  compile(programs: readonly Program[], keys?: readonly (string | undefined)[]): Promise<Executable[]>;
  /** What earlier processes compiled under these keys, as far as it was kept. */
  recall?(keys: readonly string[]): Promise<(Executable | undefined)[]>;
  /** The code a program compiles to, for people to read. */
  codeOf(program: Program): string;
  /** Makes commands ready to be submitted any number of times, each in order and after the one before. */
  prepare(commands: readonly Command[]): CommandList;
  /** Starts a list. `buffers` by slot; `symbols` are the values of the list's symbolic variables. */
  submit(list: CommandList, buffers: readonly DeviceBuffer[], symbols: readonly number[]): void;
  /** As submit, but waits after each command and gives its nanoseconds. For DEBUG=2 and benchmarks. */
  submitTimed(
    list: CommandList,
    buffers: readonly DeviceBuffer[],
    symbols: readonly number[],
  ): Promise<number[]>;
  /** Resolves when all submitted work is done; rejects with the first failure since the last call. */
  idle(): Promise<void>;
  /** Bytes now held by live buffers. */
  readonly bytesInUse: number;
  close(): Promise<void>;
}
