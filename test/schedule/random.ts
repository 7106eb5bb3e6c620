// Random kernels, from lists of numbers so that fast-check can make them smaller.

import * as g from "../../src/graph/node.js";
import type { DType } from "../../src/scalar/dtype.js";
import { type Choices, pick } from "../../src/schedule/search/choices.js";
import { leaf, matmul, softmax } from "./workloads.js";

/** Numbers taken one after the other; zeros when there are no more. */
export class NumberedChoices implements Choices {
  private at = 0;
  constructor(private readonly numbers: readonly number[]) {}

  get done(): boolean {
    return this.at >= this.numbers.length;
  }

  below(n: number): number {
    return (this.numbers[this.at++] ?? 0) % n;
  }
}

const elements = (x: g.Node): number => x.shape.reduce<number>((n, d) => n * (d as number), 1);
const sizesOf = (x: g.Node): number[] => x.shape as number[];

/** A small computation over one or two axes of odd sizes. */
export function randomGraph(choices: NumberedChoices): g.Node {
  const dtype: DType = pick(choices, ["float32", "int32", "float32", "uint8"]);
  let x = leaf([pick(choices, [1, 3, 5, 9, 16]), pick(choices, [2, 4, 7, 12, 17])], dtype);
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
  switch (choices.below(15)) {
    case 0:
      return dtype === "float32" ? g.unary("floor", x) : g.unary("abs", x);
    case 1:
      return g.binary(pick(choices, ["add", "sub", "max"]), x, leaf(sizes, dtype));
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
      const reduced = g.reduceNode(x, pick(choices, ["add", "max", "min"]), [axis]);
      return choices.below(2) === 0 ? reduced : g.binary("sub", x, g.expand(reduced, sizes));
    }
    case 8: {
      const kernel = pick(choices, [2, 3]);
      if (size < kernel) return x;
      const split = [...sizes.slice(0, axis), size, 1, ...sizes.slice(axis + 1)];
      const full = split.map((d, i) => (i === axis + 1 ? kernel : d));
      return g.shear(g.expand(g.reshape(x, split), full), axis, axis + 1, 1, 0, size - kernel + 1);
    }
    case 9:
      return g.concat([x, leaf(sizes, dtype)], axis);
    case 12:
      return g.scanNode(x, pick(choices, ["add", "max", "min"]), axis);
    case 13:
      return dtype === "float32" ? softmax(x, axis) : x;
    case 14: {
      if (rank < 2) return x;
      const columns = leaf([...sizes.slice(0, -2), sizes[rank - 1], pick(choices, [1, 4, 18])], dtype);
      return matmul(x, columns);
    }
    case 10: {
      const rows = pick(choices, [1, 4, 6]);
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
