// What the compiler makes of a computation, without running it.

import { fuse } from "../fuse/fuse.js";
import type { Node } from "../graph/node.js";
import { normalise } from "../graph/normalise.js";
import { getDevice } from "./devices.js";

/** The number of kernels that computing these nodes together takes on a device. */
export async function countKernels(nodes: readonly Node[], device: string): Promise<number> {
  const { target } = await getDevice(device);
  const pending = [...new Set(nodes)].filter((node) => node.storage === undefined);
  return fuse(normalise(pending).rebuild().roots, target).kernels.length;
}
