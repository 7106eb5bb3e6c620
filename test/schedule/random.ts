// Random kernels and random schedules, from lists of numbers so that fast-check can make them smaller.

import * as g from "../../src/graph/node.js";
import { type Kernel, loadsOf, type Stmt, visitStatements } from "../../src/kernel/ir.js";
import type { DType } from "../../src/scalar/dtype.js";
import type { Action } from "../../src/schedule/actions/action.js";
import { findLoop } from "../../src/schedule/actions/loops.js";
import { leaf } from "./workloads.js";

/** Numbers taken one after the other; zeros when there are no more. */
export class Choices {
  private at = 0;
  constructor(private readonly numbers: readonly number[]) {}

  get done(): boolean {
    return this.at >= this.numbers.length;
  }

  below(n: number): number {
    return (this.numbers[this.at++] ?? 0) % n;
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Schedules

const loopNames = (body: readonly Stmt[]): string[] => {
  const names: string[] = [];
  visitStatements(body, (s) => {
    if (s.kind === "for") names.push(s.atom.name);
  });
  return names;
};

/** An action that names loops and buffers of the kernel; it may well be illegal there. */
export function randomAction(kernel: Kernel, choices: Choices): Action | undefined {
  const names = loopNames(kernel.body);
  const loop = choices.of([...names, "none"].slice(0, Math.max(1, names.length)));
  switch (choices.below(12)) {
    case 0:
    case 1:
    case 2:
      return {
        action: "split",
        loop,
        factor: choices.of([2, 3, 4, 5, 8]),
        tail: choices.of(["peel", "guard"]),
      };
    case 3: {
      const [inner] = findLoop(kernel.body, loop)?.body ?? [];
      return { action: "collapse", outer: loop, inner: inner?.kind === "for" ? inner.atom.name : loop };
    }
    case 4:
    case 5: {
      const inside = choices.of([undefined, ...names]);
      return inside === undefined ? { action: "reorder", loop } : { action: "reorder", loop, inside };
    }
    case 6:
      return { action: "unroll", loop };
    case 7:
      return { action: "vectorize", loop };
    case 8:
      return { action: "parallel", loop };
    case 9:
      return { action: "rfactor", loop, layout: choices.of(["inner", "outer", "shared"]) };
    case 10:
      return { action: "partition", loop };
    default:
      return randomStage(kernel, choices);
  }
}

function randomStage(kernel: Kernel, choices: Choices): Action | undefined {
  const at = choices.of([undefined, ...loopNames(kernel.body)]);
  const body = at === undefined ? kernel.body : (findLoop(kernel.body, at)?.body ?? []);
  const loads = loadsOf(body).filter((x) => x.buffer.space === "global");
  if (loads.length === 0) return undefined;
  const { buffer, index, valid } = choices.of(loads);
  const mentioned = new Set<string>();
  for (const x of [index, ...valid]) {
    for (const { atoms } of x.terms)
      for (const atom of atoms) if (atom.kind === "loop") mentioned.add(atom.name);
  }
  const order = loopNames(body).filter((name) => mentioned.has(name));
  if (choices.below(2) === 1) order.reverse();
  return { action: "stage", buffer: buffer.name, at, order, space: choices.of(["local", "scratch"]) };
}

// ---------------------------------------------------------------------------------------------------------------
// Kernels

const elements = (x: g.Node): number => x.shape.reduce<number>((n, d) => n * (d as number), 1);
const sizesOf = (x: g.Node): number[] => x.shape as number[];

/** A small computation over one or two axes of odd sizes. */
export function randomGraph(choices: Choices): g.Node {
  const dtype: DType = choices.of(["float32", "int32", "float32", "uint8"]);
  let x = leaf([choices.of([1, 3, 5, 9, 16]), choices.of([2, 4, 7, 12, 17])], dtype);
  while (!choices.done) {
    const next = randomNode(x, dtype, choices);
    if (elements(next) > 0 && elements(next) <= 2000 && next.shape.length <= 5) x = next;
  }
  return x;
}

function randomNode(x: g.Node, dtype: DType, choices: Choices): g.Node {
  const sizes = sizesOf(x);
  const rank = sizes.length;
  const axis = choices.below(rank);
  const size = sizes[axis];
  switch (choices.below(12)) {
    case 0:
      return dtype === "float32" ? g.unary("floor", x) : g.unary("abs", x);
    case 1:
      return g.binary(choices.of(["add", "sub", "max"]), x, leaf(sizes, dtype));
    case 2:
      return g.binary("mul", x, g.expand(leaf(without(sizes, axis), dtype), sizes));
    case 3:
      return g.permute(
        x,
        sizes.map((_, i) => (i + axis + 1) % rank),
      );
    case 4:
      return g.pad(
        x,
        sizes.map((_, i) => (i === axis ? [choices.below(3), choices.below(2)] : [0, 0])),
      );
    case 5:
      return size < 3
        ? x
        : g.shrink(
            x,
            sizes.map((d, i) => (i === axis ? [1, d - choices.below(2)] : [0, d])),
          );
    case 6:
      return g.flip(x, [axis]);
    case 7: {
      const reduced = g.reduceNode(x, choices.of(["add", "max", "min"]), [axis]);
      return choices.below(2) === 0 ? reduced : g.binary("sub", x, g.expand(reduced, sizes));
    }
    case 8: {
      const kernel = choices.of([2, 3]);
      if (size < kernel) return x;
      const split = [...sizes.slice(0, axis), size, 1, ...sizes.slice(axis + 1)];
      const full = split.map((d, i) => (i === axis + 1 ? kernel : d));
      return g.shear(g.expand(g.reshape(x, split), full), axis, axis + 1, 1, 0, size - kernel + 1);
    }
    case 9:
      return g.concat([x, leaf(sizes, dtype)], axis);
    case 10: {
      const rows = choices.of([1, 4, 6]);
      const index = sizes.map((d, i) => (i === axis ? rows : d));
      const places = g.expand(leaf(without(index, (axis + 1) % rank), "int32"), index);
      return choices.below(2) === 0
        ? g.gather(x, places, axis)
        : g.scatterAdd(x, places, leaf(index, dtype), axis);
    }
    default:
      return g.contiguous(x);
  }
}

/** The shape with one axis of size 1. */
const without = (shape: readonly number[], axis: number): number[] =>
  shape.map((d, i) => (i === axis ? 1 : d));
