// The least time in which a device could do a piece of work: as many multiply-adds as it needs, done in registers, or as
// many bytes as it must read and write, moved by a kernel that does nothing else. Whichever takes longer is the limit.
// Moving the work's own numbers of bytes, again and again, finds the caches that hold them, or does not, as the work does.

import type { Device } from "../device/device.js";
import { bestTime, type Measured, moving, multiplyAdds, prepared, registers } from "./ceiling-kernels.js";

export interface WorkAmount {
  /** float32 operations, a multiply-add being two. */
  readonly operations: number;
  /** Bytes that must be read, each once, and written. */
  readonly read: number;
  readonly written: number;
}

/** Nanoseconds; 0 for nothing to do. */
export interface LeastTime {
  readonly operations: number;
  readonly bytes: number;
}

/** What measures a piece of work's least time. It holds memory of the work's size until it is closed. */
export interface Roofline {
  /** Measures for about so long; gives the least found since it was opened. */
  measure(milliseconds: number): Promise<LeastTime>;
  close(): void;
}

interface Part {
  readonly of: keyof LeastTime;
  readonly measured: Measured;
  /** Of the part's own work to the work asked for. */
  readonly scale: number;
}

/** Makes a device ready to measure the least time of a piece of work. */
export async function openRoofline(device: Device, work: WorkAmount): Promise<Roofline> {
  const { target } = device;
  const lanes = Math.max(1, target.vectorBytes / 4);
  const parts: Part[] = [];
  if (work.operations > 0) {
    const task = multiplyAdds(lanes, registers(target), target.threads);
    const measured = await prepared(device, task);
    parts.push({ of: "operations", measured, scale: work.operations / task.work });
  }
  const bytes = work.read + work.written;
  const stores =
    target.language === "c" && work.written > 0 ? (["store", "stream"] as const) : (["store"] as const);
  for (const store of bytes > 0 ? stores : []) {
    const task = moving(lanes, work.read, work.written, store);
    parts.push({ of: "bytes", measured: await prepared(device, task), scale: bytes / task.work });
  }
  const least = { operations: 0, bytes: 0 };
  return {
    async measure(milliseconds) {
      for (const { of, measured, scale } of parts) {
        const time = scale * (await bestTime(measured, milliseconds / parts.length));
        if (least[of] === 0 || time < least[of]) least[of] = time;
      }
      return { ...least };
    },
    close() {
      for (const { measured } of parts) measured.close();
    },
  };
}
