// The numbered corner cases of the compiler: each a test of its number's name on every device.

import { describe, it } from "vitest";
import { getDevice, registerDevice } from "../../src/engine/engine.js";
import { fuse } from "../../src/fuse/fuse.js";
import { normalise } from "../../src/graph/normalise.js";
import { availableDevices, setDefaultDevice, type Tensor } from "../../src/index.js";
import { clearArena, type Kernel } from "../../src/kernel/ir.js";
import { operations } from "../../src/lower/work.js";
import { LimitedDevice } from "../devices/limited.js";

export const limited = new LimitedDevice();
registerDevice("limited", async () => limited);
const devices = await availableDevices();

export interface Corner {
  /** Devices that skip it, with the reason. */
  readonly skip?: Readonly<Record<string, string>>;
  readonly timeout?: number;
}

export const NO_FLOAT64: Corner = { skip: { limited: "WebGPU has no float64" } };

/** A test on every device, which is the default one meanwhile. */
export function corner(
  number: number,
  title: string,
  body: (device: string) => void | Promise<void>,
  { skip = {}, timeout = 60_000 }: Corner = {},
): void {
  describe(`${number}. ${title}`, () => {
    for (const { name, available, reason } of devices) {
      const why = available ? skip[name] : reason;
      it.skipIf(why !== undefined)(
        why === undefined ? name : `${name} (skipped: ${why})`,
        { timeout },
        async () => {
          setDefaultDevice(name);
          await body(name);
        },
      );
    }
  });
}

/** Elements as numbers. */
export const numbers = async (x: Tensor): Promise<number[]> =>
  Array.from((await x.data()) as ArrayLike<number | bigint>, Number);

/** The kernels that computing tensors together takes, as the fuser writes them. */
export async function kernelsOf(device: string, ...tensors: readonly Tensor[]): Promise<readonly Kernel[]> {
  const { target } = await getDevice(device);
  const pending = tensors.map((x) => x.node).filter((node) => node.storage === undefined);
  if (pending.length === 0) return [];
  clearArena();
  return fuse(normalise(pending).rebuild().roots, target).kernels.map(({ kernel }) => kernel);
}

/** Scalar operations that computing tensors together executes. */
export async function operationsOf(device: string, ...tensors: readonly Tensor[]): Promise<number> {
  const kernels = await kernelsOf(device, ...tensors);
  return kernels.reduce((sum, kernel) => sum + operations(kernel.body).max, 0);
}
