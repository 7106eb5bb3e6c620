// Pushes positions from a movement operation's output to its input: given the index of an element of the result, one
// Index per axis, where in the input does it lie, and under which conditions does it lie there at all.

import type {
  ExpandNode,
  FlipNode,
  Node,
  PadNode,
  PermuteNode,
  ReshapeNode,
  ShearNode,
  ShrinkNode,
  StrideStep,
  ViewStep,
} from "../graph/node.js";
import { type Dim, mulDim, type Shape, sameDim } from "../graph/node.js";
import {
  addIndex,
  divIndex,
  type Index,
  isNonNegative,
  modIndex,
  mulIndex,
  subIndex,
  toIndex,
} from "../kernel/index.js";
import type { Valid } from "../kernel/ir.js";

export type MovementNode =
  | ReshapeNode
  | ExpandNode
  | PermuteNode
  | PadNode
  | ShrinkNode
  | FlipNode
  | ShearNode;

const MOVEMENTS = new Set<string>(["reshape", "expand", "permute", "pad", "shrink", "flip", "shear"]);
export const isMovement = (x: Node): x is MovementNode => MOVEMENTS.has(x.op);

const ZERO = toIndex(0);

/** Where the result's element at `index` lies in the input; `fills` are conditions under which it is not the fill. */
export function pushThrough(node: MovementNode, index: readonly Index[]): { index: Index[]; fills: Index[] } {
  const [input] = node.inputs;
  switch (node.op) {
    case "reshape":
      return { index: reshapeIndex(index, node.shape, input.shape), fills: [] };
    case "expand":
      return { index: index.map((x, i) => (input.shape[i] === 1 ? ZERO : x)), fills: [] };
    case "permute":
      return { index: permuteIndex(index, node.order), fills: [] };
    case "shrink":
      return { index: index.map((x, i) => addIndex(x, toIndex(node.ranges[i][0]))), fills: [] };
    case "flip":
      return { index: flipIndex(index, node.axes, node.shape), fills: [] };
    case "pad": {
      const moved = index.map((x, i) => subIndex(x, toIndex(node.padding[i][0])));
      const fills = moved.flatMap((x, i) =>
        node.padding[i][0] === 0 && node.padding[i][1] === 0 ? [] : bounds(x, input.shape[i]),
      );
      return { index: moved, fills };
    }
    case "shear": {
      const slid = addIndex(index[node.axis], node.start, mulIndex(index[node.by], node.factor));
      const moved = index.map((x, i) => (i === node.axis ? slid : x));
      return { index: moved, fills: bounds(slid, input.shape[node.axis]) };
    }
  }
}

/** 0 <= x < size, without what is certain. */
function bounds(x: Index, size: Dim): Index[] {
  return [x, subIndex(subIndex(toIndex(size), 1), x)].filter((condition) => !isNonNegative(condition));
}

/** Joins two conjunctions, without what is certain or said twice. */
export function joinValid(a: Valid, b: Valid): Valid {
  const joined = [...a];
  for (const condition of b) {
    if (!isNonNegative(condition) && !joined.some((known) => known.key === condition.key))
      joined.push(condition);
  }
  return joined.length === a.length ? a : joined;
}

/** True if the conjunction can hold for no values. */
export const neverValid = (valid: Valid): boolean => valid.some((condition) => condition.max < 0);

function permuteIndex(index: readonly Index[], order: readonly number[]): Index[] {
  const moved: Index[] = new Array(index.length);
  order.forEach((axis, i) => {
    moved[axis] = index[i];
  });
  return moved;
}

function flipIndex(index: readonly Index[], axes: readonly number[], shape: Shape): Index[] {
  return index.map((x, i) => (axes.includes(i) ? subIndex(subIndex(toIndex(shape[i]), 1), x) : x));
}

/** Row-major position of an element. */
export function flatten(index: readonly Index[], shape: Shape): Index {
  let flat = ZERO;
  index.forEach((x, i) => {
    flat = addIndex(mulIndex(flat, toIndex(shape[i])), x);
  });
  return flat;
}

/** The element of `shape` at a row-major position. */
function unflatten(flat: Index, shape: Shape): Index[] {
  const index: Index[] = new Array(shape.length);
  let rest = flat;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = toIndex(shape[i]);
    index[i] = i === 0 ? rest : modIndex(rest, size);
    if (i > 0) rest = divIndex(rest, size);
  }
  return index;
}

/**
 * An element of `to` at `index` of `from`. Axes are matched in groups of equal size, so that only what is really
 * split or merged meets a quotient.
 */
export function reshapeIndex(index: readonly Index[], from: Shape, to: Shape): Index[] {
  const result: Index[] = [];
  let i = 0;
  let j = 0;
  while (i < from.length || j < to.length) {
    // Axes of size 1 carry no position.
    if (i < from.length && from[i] === 1) {
      i++;
      continue;
    }
    if (j < to.length && to[j] === 1) {
      result.push(ZERO);
      j++;
      continue;
    }
    const iStart = i;
    const jStart = j;
    let left: Dim = from[i++] ?? 1;
    let right: Dim = to[j++] ?? 1;
    while (!sameDim(left, right) && (i < from.length || j < to.length)) {
      const growLeft = j >= to.length || (i < from.length && smaller(left, right));
      if (growLeft) left = mulDim(left, from[i++]);
      else right = mulDim(right, to[j++]);
    }
    const flat = flatten(index.slice(iStart, i), from.slice(iStart, i));
    result.push(...unflatten(flat, to.slice(jStart, j)));
  }
  return result;
}

const smaller = (a: Dim, b: Dim): boolean =>
  (typeof a === "number" ? a : a.max) < (typeof b === "number" ? b : b.max);

/** Where an element of a view lies in its base. */
export function viewIndex(base: Shape, steps: readonly ViewStep[], index: readonly Index[]): Index[] {
  const shapes: Shape[] = [base];
  for (const step of steps) shapes.push(viewShape(shapes[shapes.length - 1], step));
  let moved = [...index];
  for (let k = steps.length - 1; k >= 0; k--) {
    const step = steps[k];
    const before = shapes[k];
    if (step.op === "reshape") moved = reshapeIndex(moved, step.shape, before);
    else if (step.op === "permute") moved = permuteIndex(moved, step.order);
    else if (step.op === "shrink") moved = moved.map((x, i) => addIndex(x, toIndex(step.ranges[i][0])));
    else if (step.op === "flip") moved = flipIndex(moved, step.axes, before);
    else moved = strideIndex(moved, step);
  }
  return moved;
}

const strideIndex = (index: readonly Index[], { axis, start, step }: StrideStep): Index[] =>
  index.map((x, i) => (i === axis ? addIndex(mulIndex(x, toIndex(step)), toIndex(start)) : x));

function viewShape(shape: Shape, step: ViewStep): Shape {
  switch (step.op) {
    case "reshape":
      return step.shape;
    case "permute":
      return step.order.map((axis) => shape[axis]);
    case "shrink":
      return step.ranges.map(([start, end]) => toDim(subIndex(toIndex(end), toIndex(start))));
    case "flip":
      return shape;
    case "stride":
      return shape.map((size, axis) => (axis === step.axis ? step.count : size));
  }
}

const toDim = (x: Index): Dim => x.value ?? x;
