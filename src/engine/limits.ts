// What a device can do at most, measured by running kernels of our own: multiply-adds on values in registers, and a
// sum over memory larger than the caches near a core.

import type { Device } from "../device/device.js";
import { binary, bufferNode, constNode, expand, type Node, reduceNode, reshape } from "../graph/node.js";
import { normalise } from "../graph/normalise.js";
import { planFor } from "./plan.js";

export interface Limits {
  /** float32 operations a nanosecond (a multiply-add counts as two). */
  readonly gflops: number;
  /** Bytes read a nanosecond. */
  readonly gigabytes: number;
}

const measured = new WeakMap<Device, Promise<Limits>>();

/** The limits of a device, measured once (a few tens of milliseconds). */
export function measuredLimits(device: Device): Promise<Limits> {
  let limits = measured.get(device);
  if (limits === undefined) {
    limits = measure(device);
    measured.set(device, limits);
  }
  return limits;
}

const slow = (device: Device): boolean => device.target.language === "interpreter";

async function measure(device: Device): Promise<Limits> {
  const size = slow(device) ? 24 : 768;
  const elements = slow(device) ? 1 << 12 : 1 << 24;
  return {
    gflops: (2 * size ** 3) / (await bestTime(device, product(size), [size * size * 4, size * size * 4])),
    gigabytes: (elements * 4) / (await bestTime(device, total(elements), [elements * 4])),
  };
}

const source = (shape: readonly number[], bytes: number): Node => bufferNode("float32", shape, { bytes });

/** A matrix product: the densest multiply-adds that schedules give. */
function product(n: number): Node {
  const full = [n, n, n];
  const a = expand(reshape(source([n, n], n * n * 4), [n, 1, n]), full);
  const b = expand(reshape(source([n, n], n * n * 4), [1, n, n]), full);
  const exact = binary("mul", a, b);
  return binary("add", reduceNode(exact, "add", [2]), constNode(0, "float32", [n, n, 1]));
}

const total = (n: number): Node => reduceNode(source([n], n * 4), "add", [0]);

async function bestTime(device: Device, root: Node, leafBytes: readonly number[]): Promise<number> {
  const plan = await planFor(normalise([root]), device);
  const leaves = leafBytes.map((bytes) => {
    const buffer = device.allocate(bytes);
    device.write(buffer, new Uint8Array(bytes));
    return buffer;
  });
  const rest = [...plan.outputBytes, ...plan.temporaryBytes].map((bytes) => device.allocate(bytes));
  const buffers = [...leaves, ...rest];
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 4; i++) {
    const times = await device.submitTimed(plan.list, buffers, []);
    best = Math.min(
      best,
      times.reduce((sum, t) => sum + t, 0),
    );
  }
  for (const buffer of buffers) device.release(buffer);
  return best;
}
