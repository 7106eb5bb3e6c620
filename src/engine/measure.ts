// Times programs of one kernel on a device, in memory of their own: filled alike each time, and large enough to hold
// whatever the kernel's sizes may be.

import type { Device, DeviceBuffer, Executable } from "../device/device.js";
import { clearArena } from "../kernel/ir.js";
import { parseKernel } from "../kernel/parse.js";
import { lowerKernel } from "../lower/lower.js";
import type { Program } from "../lower/program.js";
import { elementWriter } from "../scalar/convert.js";
import { bytesOf, type DType, isBigInteger, isFloat } from "../scalar/dtype.js";
import { HostRandom } from "../scalar/host-random.js";
import type { Action } from "../schedule/actions/action.js";
import { applySchedule } from "../schedule/actions/apply.js";

/** A schedule runs so often at least and at most, and in between until its runs have taken so many nanoseconds. */
const LEAST_RUNS = 3;
const MOST_RUNS = 100;
const ENOUGH = 4e6;
/** Turns that schedules take when they are compared at the end. */
const TURNS = 4;
/** A schedule this many times slower than another takes no further turn. */
const SLOW = 3;
/** Milliseconds of warming up. */
const WARMING = 30;
/**
 * A schedule this many times slower than the best is given up after its first run, and after its second, if those took
 * so many nanoseconds together: short ones are disturbed too easily.
 */
const JUDGED = 5e5;
const HOPELESS = [4, 1.5];
/** Random elements that fill a buffer, again and again. */
const PATTERN = 1 << 14;

/** Where schedules of one kernel are timed. */
export class Stopwatch {
  private readonly params: DeviceBuffer[];
  private readonly symbols: number[];
  /** The first runs are slower than all others: threads start, memory is met. */
  private cold = true;

  constructor(
    private readonly device: Device,
    /** The kernel, as printKernel gives it. */
    private readonly text: string,
  ) {
    clearArena();
    const { params, symbols } = parseKernel(text);
    this.symbols = symbols.map(({ min, max }) => Math.ceil((min + max) / 2));
    this.params = params.map(({ dtype, size }) => {
      const bytes = Math.max(16, size.max * bytesOf(dtype));
      const buffer = device.allocate(bytes);
      fill(device, buffer, dtype);
      return buffer;
    });
  }

  /** Each schedule's least nanoseconds, of few runs where it is clearly slower than `best`; infinity where it does not compile. */
  async time(schedules: readonly (readonly Action[])[], best: number): Promise<number[]> {
    const executables = await this.compile(schedules);
    const times: number[] = [];
    for (const executable of executables) {
      const time = executable === undefined ? Number.POSITIVE_INFINITY : await this.run(executable, best);
      best = Math.min(best, time);
      times.push(time);
    }
    return times;
  }

  /**
   * Times of schedules that take turns, so that whatever else the machine does meets all of them; those that are clearly
   * slower than another take one turn.
   */
  async compare(schedules: readonly (readonly Action[])[]): Promise<number[]> {
    const executables = await this.compile(schedules);
    const least = schedules.map(() => Number.POSITIVE_INFINITY);
    for (let turn = 0; turn < TURNS; turn++) {
      for (const [i, executable] of executables.entries()) {
        const best = least.reduce((a, b) => Math.min(a, b));
        if (executable === undefined || (turn > 0 && least[i] > SLOW * best)) continue;
        least[i] = Math.min(least[i], await this.run(executable, best));
      }
    }
    return least;
  }

  close(): void {
    for (const buffer of this.params) this.device.release(buffer);
  }

  private async compile(
    schedules: readonly (readonly Action[])[],
  ): Promise<readonly (Executable | undefined)[]> {
    const programs = schedules.map((actions) => this.programOf(actions));
    const sound = programs.filter((program) => program !== undefined);
    let executables: readonly (Executable | undefined)[];
    try {
      executables = await this.device.compile(sound);
    } catch {
      executables = await Promise.all(
        sound.map((program) =>
          this.device.compile([program]).then(
            ([executable]) => executable,
            () => undefined,
          ),
        ),
      );
    }
    let next = 0;
    return programs.map((program) => (program === undefined ? undefined : executables[next++]));
  }

  private programOf(actions: readonly Action[]): Program | undefined {
    clearArena();
    const kernel = parseKernel(this.text);
    try {
      return lowerKernel(applySchedule(kernel, actions), this.device.target, kernel);
    } catch {
      // Whether lanes can be formed, say, is known only when a kernel is lowered.
      return undefined;
    }
  }

  private async run(executable: Executable, best: number): Promise<number> {
    const { device, params, symbols } = this;
    const scratch = executable.program.scratch.map(({ dtype, size }) =>
      device.allocate(Math.max(16, size.max * bytesOf(dtype))),
    );
    const buffers = [...params, ...scratch];
    const slots = buffers.map((_, i) => i);
    const list = device.prepare([
      { kind: "launch", executable, slots, symbols: executable.program.symbols.map((_, i) => i) },
    ]);
    let least = Number.POSITIVE_INFINITY;
    let total = 0;
    try {
      for (const end = performance.now() + WARMING; this.cold && performance.now() < end; )
        await device.submitTimed(list, buffers, symbols);
      this.cold = false;
      // The first run meets code that is compiled when it is called, cold caches, and threads that sleep.
      await device.submitTimed(list, buffers, symbols);
      for (let runs = 0; runs < LEAST_RUNS || (runs < MOST_RUNS && total < ENOUGH); runs++) {
        const [time] = await device.submitTimed(list, buffers, symbols);
        least = Math.min(least, time);
        total += time;
        const hopeless = (HOPELESS[runs] ?? HOPELESS[HOPELESS.length - 1]) * best;
        if (total > JUDGED && least > hopeless) break;
      }
      return least;
    } catch {
      return Number.POSITIVE_INFINITY;
    } finally {
      for (const buffer of scratch) device.release(buffer);
    }
  }
}

/** Random elements: floats about 1, so that nothing overflows or becomes subnormal; small integers, which may index. */
function fill(device: Device, buffer: DeviceBuffer, dtype: DType): void {
  const random = new HostRandom(1);
  const step = bytesOf(dtype);
  const length = Math.ceil(buffer.bytes / step);
  const pattern = new Uint8Array(Math.min(PATTERN, length) * step);
  const view = new DataView(pattern.buffer);
  const write = elementWriter(dtype);
  for (let at = 0; at < pattern.length; at += step) {
    const n = random.below(128);
    if (isFloat(dtype)) write(view, at, 0.5 + n / 128);
    else if (dtype === "bool") write(view, at, n >= 64);
    else write(view, at, isBigInteger(dtype) ? BigInt(n) : n);
  }
  for (let at = 0; at < buffer.bytes; at += pattern.length) {
    device.write(buffer, pattern.subarray(0, Math.min(pattern.length, buffer.bytes - at)), at);
  }
}
