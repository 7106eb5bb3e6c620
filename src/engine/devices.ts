// Which devices there are, which one is used, and why. Devices are created when first asked for.

import type { Device } from "../device/device.js";
import { getConfig } from "./config.js";
import { selfTest } from "./self-test.js";

export type DeviceName = "cpu" | "wasm" | "interpreter";

/** Fastest first: the order of the default choice. */
export const DEVICE_NAMES: readonly DeviceName[] = ["cpu", "wasm", "interpreter"];

export interface DeviceInfo {
  readonly name: string;
  readonly available: boolean;
  /** Why not, if not; else what it is. */
  readonly reason: string;
}

const extra = new Map<string, () => Promise<Device>>();
const created = new Map<string, Promise<Device>>();

/** Adds a device under a name of its own, as tests do. */
export function registerDevice(name: string, create: () => Promise<Device>): void {
  extra.set(name, create);
  created.delete(name);
}

async function create(name: string): Promise<Device> {
  switch (name) {
    case "cpu": {
      const { createCpuDevice } = await import("../device/cpu/device.js");
      return createCpuDevice();
    }
    case "wasm": {
      const { createWasmDevice } = await import("../device/wasm/device.js");
      return createWasmDevice();
    }
    case "interpreter": {
      const { InterpreterDevice } = await import("../device/interpreter/device.js");
      return new InterpreterDevice();
    }
    default: {
      const make = extra.get(name);
      if (make === undefined) {
        throw new Error(
          `there is no device "${name}"; there are ${[...DEVICE_NAMES, ...extra.keys()].join(", ")}`,
        );
      }
      return make();
    }
  }
}

/** The device of this name; rejects with the reason if it cannot be had. */
export function getDevice(name: string): Promise<Device> {
  let device = created.get(name);
  if (device === undefined) {
    device = create(name);
    created.set(name, device);
    device.catch(() => created.delete(name));
  }
  return device;
}

/** All devices, with the reason for each that cannot be had. */
export async function availableDevices(): Promise<DeviceInfo[]> {
  return Promise.all(
    [...DEVICE_NAMES, ...extra.keys()].map(async (name) => {
      try {
        const { target } = await getDevice(name);
        const width = target.vectorBytes === 0 ? "scalar" : `${target.vectorBytes * 8}-bit vectors`;
        const threads = `${target.threads} thread${target.threads === 1 ? "" : "s"}`;
        return { name, available: true, reason: `${threads}, ${width}; ${target.fingerprint}` };
      } catch (error) {
        return { name, available: false, reason: (error as Error).message };
      }
    }),
  );
}

let chosen: string | undefined;
let current: Device | undefined;

/** Makes a device the default for all work that names none. */
export function setDefaultDevice(name: string): void {
  if (chosen !== name) current = undefined;
  chosen = name;
}

/** The default device if it is already known and ready. */
export const defaultDeviceNow = (): Device | undefined => current;

/** The default: what setDefaultDevice said, then BRISC_DEVICE, then the fastest that passes its self-test. */
export async function defaultDevice(): Promise<Device> {
  if (current !== undefined) return current;
  const asked = chosen ?? getConfig().device;
  if (asked !== undefined) current = await getDevice(asked);
  else {
    for (const name of DEVICE_NAMES) {
      try {
        const device = await getDevice(name);
        await selfTest(device);
        current = device;
        break;
      } catch (error) {
        if (getConfig().debug >= 1)
          console.error(`brisc: device ${name} is not available: ${(error as Error).message}`);
      }
    }
  }
  if (getConfig().debug >= 1)
    console.error(`brisc: using device ${current!.name} (${current!.target.fingerprint})`);
  return current!;
}
