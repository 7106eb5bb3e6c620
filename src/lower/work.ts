// Counts what a kernel does: scalar operations executed, and bytes that must move between memory and the core at
// least (every global element read or written once). Both may depend on symbolic variables.

import { addIndex, type Index, mulIndex, toIndex } from "../kernel/index.js";
import {
  type Buffer,
  exprsOf,
  type Kernel,
  loadsOf,
  type Stmt,
  topologicalOrder,
  visitStatements,
  writtenBy,
} from "../kernel/ir.js";
import { bytesOf } from "../scalar/dtype.js";

export interface Work {
  readonly flops: Index;
  readonly bytes: Index;
}

const FREE = new Set<string>([
  "const",
  "index",
  "valid",
  "load",
  "ref",
  "cast",
  "bitcast",
  "splat",
  "pack",
  "extract",
  "shuffle",
]);

export function workOf(kernel: Kernel): Work {
  return { flops: operations(kernel.body), bytes: bytesMoved(kernel) };
}

/** Scalar operations that a body executes. */
export const operations = (body: readonly Stmt[]): Index =>
  executed(body, (s) => {
    const count = topologicalOrder(exprsOf(s)).filter((e) => !FREE.has(e.op)).length;
    return count + (s.kind === "accumulate" ? 1 : s.kind === "tile" ? 2 * s.rows * s.columns * s.depth : 0);
  });

/** Operations and accesses to memory that a body executes: copies are work too. */
export const steps = (body: readonly Stmt[]): Index =>
  executed(body, (s) => {
    // A unit does a block of columns a step, with what it reads.
    if (s.kind === "tile") return (s.rows * s.columns * s.depth) / (s.unit.lanes * s.unit.depth);
    const count = topologicalOrder(exprsOf(s)).filter((e) => e.op === "load" || !FREE.has(e.op)).length;
    return count + (s.kind === "store" || s.kind === "accumulate" ? 1 : 0);
  });

function executed(body: readonly Stmt[], countOf: (s: Stmt) => number): Index {
  let sum = toIndex(0);
  for (const s of body) {
    if (s.kind === "for") sum = addIndex(sum, mulIndex(s.atom.extent, executed(s.body, countOf)));
    else if (s.kind === "if") sum = addIndex(sum, executed(s.body, countOf));
    else sum = addIndex(sum, countOf(s));
  }
  return sum;
}

function bytesMoved(kernel: Kernel): Index {
  const used = new Set<Buffer>(loadsOf(kernel.body).map((e) => e.buffer));
  visitStatements(kernel.body, (s) => {
    const written = writtenBy(s);
    if (written !== undefined) used.add(written);
  });
  const sizes = kernel.params.filter((b) => used.has(b)).map((b) => mulIndex(b.size, bytesOf(b.dtype)));
  return addIndex(0, ...sizes);
}
