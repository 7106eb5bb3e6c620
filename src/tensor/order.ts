// The order of keys, as a permutation. Blocks are sorted by ranks (a key comes after as many as are smaller), then runs are
// merged two and two: every place of the result finds by binary search how much of the left run lies before it (the merge
// path of Odeh, Green, Mwassi, Shmueli and Birk, 2012). All steps of all searches are one kernel, run many times: run
// length and step are data.

import { storeBytes } from "../engine/engine.js";
import {
  binary,
  castNode,
  concat,
  constNode,
  contiguous,
  expand,
  gather,
  iota,
  type Node,
  reduceNode,
  reshape,
  type Shape,
  shrink,
  where,
} from "../graph/node.js";
import { integerLimits } from "../scalar/dtype.js";

/** Rows up to this length are sorted by ranks alone; longer ones in blocks of this length, a power of two. */
const BLOCK = 64;

/** Rows [rows, size] of keys, sorted in runs, and the places in the row that they come from. */
interface Runs {
  readonly keys: Node;
  readonly places: Node;
}

const add = (x: Node, y: Node): Node => binary("add", x, y);
const sub = (x: Node, y: Node): Node => binary("sub", x, y);
const and = (x: Node, y: Node): Node => binary("and", x, y);
const or = (x: Node, y: Node): Node => binary("or", x, y);
const lt = (x: Node, y: Node): Node => binary("lt", x, y);
const le = (x: Node, y: Node): Node => binary("le", x, y);
const number = (value: number, shape: Shape): Node => constNode(value, "uint32", shape);
const firstOf = (x: Node, count: number): Node =>
  shrink(x, [
    [0, x.shape[0]],
    [0, count],
  ]);

/** The places (int32) [rows, kept] of keys [rows, size] in order; equal keys stay in their order. */
export function orderOf(keys: Node, kept: number): Node {
  const [, size] = keys.shape as readonly [number, number];
  if (size <= BLOCK) return castNode(sortBlocks(keys, size, kept).places, "int32");
  let runs = sortBlocks(filled(keys), BLOCK, BLOCK);
  for (let length = BLOCK; length < size; length *= 2) runs = mergePairs(runs, length);
  return castNode(firstOf(runs.places, kept), "int32");
}

/** Rows filled up to whole blocks with the largest key. */
function filled(keys: Node): Node {
  const [rows, size] = keys.shape as readonly [number, number];
  const rest = Math.ceil(size / BLOCK) * BLOCK - size;
  if (rest === 0) return keys;
  const { max } = integerLimits(keys.dtype);
  return concat([keys, constNode(keys.dtype === "int64" ? max : Number(max), keys.dtype, [rows, rest])], 1);
}

/** The first `kept` of each block in order. As places decide between equal keys, what was filled in comes last. */
function sortBlocks(keys: Node, length: number, kept: number): Runs {
  const [rows, size] = keys.shape as readonly [number, number];
  const blocks = size / length;
  const stored = contiguous(keys);
  const square = [rows, blocks, length, length];
  const mine = expand(reshape(stored, [rows, blocks, length, 1]), square);
  const other = expand(reshape(stored, [rows, blocks, 1, length]), square);
  const earlier = lt(iota(square, 3), iota(square, 2));
  const before = or(lt(other, mine), and(binary("eq", other, mine), earlier));
  const ranks = contiguous(reduceNode(castNode(before, "uint32"), "add", [3]));
  // For each rank the element that has it.
  const table = [rows, blocks, kept, length];
  const rankOf = expand(reshape(ranks, [rows, blocks, 1, length]), table);
  const hit = binary("eq", rankOf, iota(table, 2, "uint32"));
  const order = reduceNode(where(hit, iota(table, 3, "uint32"), number(0, table)), "add", [3]);
  const start = binary("mul", iota(order.shape, 1, "uint32"), number(length, order.shape));
  const places = contiguous(reshape(add(order, start), [rows, blocks * kept]));
  return { keys: contiguous(gather(stored, places, 1)), places };
}

/** Neighbouring runs of `length`, a power of two, merged; the last may be shorter or miss its right part. */
function mergePairs({ keys, places }: Runs, length: number): Runs {
  let left: Node = contiguous(number(0, keys.shape));
  for (let step = length; step >= 1; step /= 2) left = contiguous(searchStep(keys, left, length, step));
  const { at, half, start, right, end } = pairsOf(keys, length, length);
  const fromLeft = binary("lt", left, half);
  const rest = sub(at, left);
  const second = add(right, rest);
  const first = add(start, left);
  const source = contiguous(
    where(and(fromLeft, or(le(end, second), comesFirst(keys, first, second))), first, second),
  );
  return { keys: contiguous(gather(keys, source, 1)), places: contiguous(gather(places, source, 1)) };
}

const comesFirst = (keys: Node, first: Node, second: Node): Node =>
  le(gather(keys, first, 1), gather(keys, second, 1));

/** For each place of rows of pairs of runs: where in its pair it is, and where the runs of the pair are. */
function pairsOf(keys: Node, length: number, step: number) {
  const { shape } = keys;
  const bytes = new Uint8Array(Uint32Array.of(length, step).buffer);
  const data = storeBytes(bytes, "uint32", [1, 2]);
  const value = (i: number): Node =>
    expand(
      shrink(data, [
        [0, 1],
        [i, i + 1],
      ]),
      shape,
    );
  const half = value(0);
  const place = iota(shape, 1, "uint32");
  const at = and(place, sub(add(half, half), number(1, shape)));
  const start = sub(place, at);
  const right = add(start, half);
  const end = binary("min", add(right, half), number(shape[1] as number, shape));
  return { at, start, half, right, end, step: value(1) };
}

/**
 * One step of a binary search: of the first `at` of a merged pair, at least `left` come from its left run. As many more
 * as the step do, if the last of them is not after what of the right run would stand in for it.
 */
function searchStep(keys: Node, left: Node, length: number, stepLength: number): Node {
  const { at, start, half, right, end, step } = pairsOf(keys, length, stepLength);
  const more = add(left, step);
  const possible = and(le(more, at), le(more, half));
  const first = sub(add(start, more), number(1, keys.shape));
  const second = sub(add(right, at), more);
  return where(and(possible, or(le(end, second), comesFirst(keys, first, second))), more, left);
}

/**
 * How many of each row of keys [rows, size], in order, stand before each value [rows, count]: those that are smaller, or
 * also equal ones. A NaN stands behind all.
 */
export function placesAmong(keys: Node, values: Node, equalToo: boolean): Node {
  const [rows, size] = keys.shape as readonly [number, number];
  const [, count] = values.shape as readonly [number, number];
  const not = (x: Node): Node => binary("eq", x, constNode(false, "bool", x.shape));
  const isBefore = (key: Node, value: Node): Node => not(equalToo ? lt(value, key) : le(value, key));
  if (size <= BLOCK) {
    const shape = [rows, count, size];
    const before = isBefore(
      expand(reshape(keys, [rows, 1, size]), shape),
      expand(reshape(values, [rows, count, 1]), shape),
    );
    return reshape(reduceNode(castNode(before, "int32"), "add", [2]), [rows, count]);
  }
  let found: Node = contiguous(number(0, values.shape));
  for (let step = 2 ** Math.floor(Math.log2(size)); step >= 1; step /= 2) {
    const data = storeBytes(new Uint8Array(Uint32Array.of(step).buffer), "uint32", [1, 1]);
    const more = add(found, expand(data, values.shape));
    const last = gather(keys, sub(more, number(1, values.shape)), 1);
    const taken = and(le(more, number(size, values.shape)), isBefore(last, values));
    found = contiguous(where(taken, more, found));
  }
  return castNode(found, "int32");
}
