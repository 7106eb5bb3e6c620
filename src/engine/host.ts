// Computes small things at once, on the host: what a model's shapes are made of must be known while its graph is built,
// when nothing may be waited for. The interpreter does it, so results are those of every device.

import { INTERPRETER_TARGET } from "../device/interpreter/device.js";
import { fuse } from "../fuse/fuse.js";
import { type Node, sizeOf } from "../graph/node.js";
import { normalise } from "../graph/normalise.js";
import { interpretKernel } from "../kernel/interpret.js";
import type { Buffer } from "../kernel/ir.js";
import { bytesOf } from "../scalar/dtype.js";
import type { Storage } from "./storage.js";

const bytesFor = (node: Node): number => Number(sizeOf(node.shape)) * bytesOf(node.dtype);

/**
 * The elements of nodes, as bytes. Everything they are computed from must be on the host still: undefined if some of it is on
 * a device, or in a file. Sizes must be numbers.
 */
export function computeOnHost(nodes: readonly Node[]): Uint8Array[] | undefined {
  const graph = normalise(nodes);
  const hosts = graph.leaves.map((leaf) => (leaf.storage as Storage).hostBytes);
  if (hosts.some((bytes) => bytes === undefined)) return undefined;
  const { roots, leaves } = graph.rebuild();
  const memory = new Map<Node, Uint8Array>();
  leaves.forEach((leaf, i) => {
    memory.set(leaf, hosts[i]!);
  });
  const { kernels, outputs } = fuse(roots, INTERPRETER_TARGET);
  for (const { kernel, nodes: buffers } of kernels) {
    const passed = new Map<Buffer, Uint8Array>();
    kernel.params.forEach((buffer, i) => {
      let bytes = memory.get(buffers[i]);
      if (bytes === undefined) {
        bytes = new Uint8Array(bytesFor(buffers[i]));
        memory.set(buffers[i], bytes);
      }
      passed.set(buffer, bytes);
    });
    interpretKernel(kernel, passed);
  }
  // What has no elements is written by no kernel.
  return outputs.map((node) => memory.get(node)?.slice() ?? new Uint8Array(bytesFor(node)));
}
