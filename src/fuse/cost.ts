// The fuser's cost model: what storing a value costs against computing it again. The unit is one vectorised float32
// operation, about 0.03 ns on a present core; the other figures are measured ratios to it.

import { maxDim, type Node, sizeOf } from "../graph/node.js";
import type { LoopAtom } from "../kernel/index.js";
import { bytesOf } from "../scalar/dtype.js";

/** Starting a kernel: about a microsecond with its fork and join. */
export const LAUNCH = 20_000;
/** Writing a byte to memory and reading it again, at some 30 GB/s. */
export const MEMORY_BYTE = 2;
/** Writing a byte to a near cache and reading it again. */
export const CACHE_BYTE = 0.25;
/** Below so many operations a kernel gains nothing from a second thread. */
export const SERIAL_WORK = 65_536;
/** From so many multiply-adds on, a contraction deserves operands that are plain memory. */
export const LARGE_CONTRACTION = 1 << 22;
/** Rows that a block of a row program takes at a time, about: what all of them need again is read once for these. */
export const BLOCKED_ROWS = 28;
/** A reduction is not computed more often than this times its elements. */
export const REDUNDANCY = 1.5;
/** As REDUNDANCY, for a sum that becomes part of the sum around it: one good contraction instead of two passes. */
export const MERGED_REDUNDANCY = 4;
/** From so many buffers a kernel on, one more for itself does not matter. */
export const ROOMY_BUFFERS = 16;
/** Most graph nodes computed within one kernel: beyond, compilers slow down and registers spill. */
export const MAX_NODES = 300;
/** Most different positions at which one node is computed within kernels. */
export const MAX_USES = 12;

const OPERATION_COST: Record<string, number> = {
  exp: 12,
  exp2: 12,
  log: 16,
  log2: 16,
  sin: 24,
  cos: 24,
  tanh: 18,
  erf: 20,
  pow: 50,
  div: 4,
  reciprocal: 4,
  sqrt: 4,
  idiv: 12,
  mod: 12,
  threefry: 90,
  const: 0,
  index: 0,
  iota: 0,
};

/** Operations per element of the node itself. */
export const operationCost = (node: Node): number => OPERATION_COST[node.op] ?? 1;

export const elementsOf = (node: Node): number => maxDim(sizeOf(node.shape));
export const bytesOfNode = (node: Node): number => elementsOf(node) * bytesOf(node.dtype);

export const trips = (loops: Iterable<LoopAtom>): number => {
  let product = 1;
  for (const loop of loops) product *= Math.max(1, loop.extent.max);
  return product;
};
