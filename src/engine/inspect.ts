// What the compiler makes of a computation, without running it.

import { fuse } from "../fuse/fuse.js";
import type { Node } from "../graph/node.js";
import { normalise } from "../graph/normalise.js";
import { workOf } from "../lower/work.js";
import { defaultDevice, getDevice } from "./devices.js";

/** The number of kernels that computing these nodes together takes on a device. */
export async function countKernels(nodes: readonly Node[], device: string): Promise<number> {
  const { target } = await getDevice(device);
  const pending = [...new Set(nodes)].filter((node) => node.storage === undefined);
  return fuse(normalise(pending).rebuild().roots, target).kernels.length;
}

/** What computing nodes together costs on a device, as it is fused there. */
export interface GraphWork {
  readonly kernels: number;
  /** Scalar operations; a multiply-add counts as two. */
  readonly operations: number;
  /** Bytes that kernels must read and write at least, what one stores for another too. */
  readonly bytes: number;
}

/** Counts what computing these nodes would cost. Their sizes must be numbers. */
export async function workOfNodes(nodes: readonly Node[], device?: string): Promise<GraphWork> {
  const { target } = device === undefined ? await defaultDevice() : await getDevice(device);
  const pending = [...new Set(nodes)].filter((node) => node.storage === undefined);
  const { kernels } = fuse(normalise(pending).rebuild().roots, target);
  const works = kernels.map(({ kernel }) => workOf(kernel));
  const sum = (part: "flops" | "bytes"): number => works.reduce((n, work) => n + work[part].max, 0);
  return { kernels: kernels.length, operations: sum("flops"), bytes: sum("bytes") };
}
