// The order of keys, as a permutation. Short rows are ranked: a key comes after as many as are smaller. Long ones are sorted
// by their digits, the lowest first (the radix sort of Hollerith's machines): counts, a running sum, and a permutation.
// The digit's shift is data, so that all passes are the same kernels.

import { storeBytes } from "../engine/engine.js";
import {
  binary,
  bitcastNode,
  castNode,
  concat,
  constNode,
  contiguous,
  expand,
  gather,
  iota,
  type Node,
  permute,
  reduceNode,
  reshape,
  type Shape,
  scanGroups,
  scanNode,
  scatter,
  scatterAdd,
  shrink,
  where,
} from "../graph/node.js";
import { bytesOf, integerLimits } from "../scalar/dtype.js";

/** Rows up to this length are ordered by counting smaller keys. */
const COUNTED = 128;
/** Comparisons that take no longer than starting further kernels. */
const SMALL_WORK = 2 ** 19;
/** So few are found one after the other. */
const SELECTED = 16;
/** Bits of a digit, and how many values it has. */
const DIGIT = 8;
const VALUES = 2 ** DIGIT;
/** Elements that are counted together: many times the values of a digit, few enough that threads have some each. */
const BLOCK = 16_384;

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
  const [rows, size] = keys.shape as readonly [number, number];
  const length = groupLength(rows, size, kept);
  if (length < 2)
    return kept <= SELECTED && size > kept
      ? selected(keys, iota(keys.shape, 1), kept)
      : firstOf(allOf(keys), kept);
  // The first of all lie in those groups whose own first come first: a tournament.
  const groups = Math.ceil(size / length);
  const whole = filled(keys, groups * length);
  const grouped = reshape(whole, [rows, groups, length]);
  const best = reshape(reduceNode(grouped, "min", [2]), [rows, groups]);
  const first = orderOf(best, kept);
  // In the order in which they stand, so that equal keys stay in theirs.
  const winners = contiguous(kept <= SELECTED ? first : gather(first, allOf(first), 1));
  const shape = [rows, kept, length];
  const starts = binary(
    "mul",
    expand(reshape(winners, [rows, kept, 1]), shape),
    constNode(length, "int32", shape),
  );
  const places = contiguous(reshape(add(starts, iota(shape, 2)), [rows, kept * length]));
  const candidates = contiguous(gather(whole, places, 1));
  if (kept <= SELECTED) return selected(candidates, places, kept);
  return gather(places, orderOf(candidates, kept), 1);
}

/** The places of the first few keys: the least one, then the least behind it in order, and so on; of equal ones the first place. */
function selected(keys: Node, places: Node, kept: number): Node {
  const { shape } = keys;
  const [rows] = shape as readonly [number, number];
  const spread = (x: Node, to: Shape): Node => expand(x, to);
  const least = (x: Node): Node => reduceNode(x, "min", [1]);
  const { max } = integerLimits(keys.dtype);
  const none = constNode(keys.dtype === "int64" ? max : Number(max), keys.dtype, shape);
  const nowhere = constNode(2 ** 31 - 1, "int32", shape);
  const columns = [rows, kept];
  let result = constNode(0, "int32", columns) as Node;
  let key: Node | undefined;
  let place: Node | undefined;
  for (let i = 0; i < kept; i++) {
    let behind: Node | undefined;
    if (key !== undefined && place !== undefined) {
      const last = spread(key, shape);
      behind = or(lt(last, keys), and(binary("eq", keys, last), lt(spread(place, shape), places)));
    }
    key = least(behind === undefined ? keys : where(behind, keys, none));
    const hit = binary("eq", keys, spread(key, shape));
    place = least(where(behind === undefined ? hit : and(behind, hit), places, nowhere));
    const here = binary("eq", iota(columns, 1), constNode(i, "int32", columns));
    result = where(here, spread(place, columns), result);
  }
  return result;
}

/** Keys in a group, where only some are asked for: so many that groups and what lies in the chosen ones are few; 1 if not. */
function groupLength(rows: number, size: number, kept: number): number {
  if (size <= COUNTED && rows * size * size <= SMALL_WORK) return 1;
  const length = 2 ** Math.floor(Math.log2(Math.sqrt(size / kept)));
  return kept * length * 4 <= size ? length : 1;
}

/** The places (int32) of all keys in order. */
const allOf = (keys: Node): Node =>
  castNode((keys.shape[1] as number) <= COUNTED ? byRanks(keys) : byDigits(keys), "int32");

/** Rows filled up with the largest key. */
function filled(keys: Node, length: number): Node {
  const [rows, size] = keys.shape as readonly [number, number];
  if (length === size) return keys;
  const { max } = integerLimits(keys.dtype);
  const last = keys.dtype === "int64" ? max : Number(max);
  return concat([keys, constNode(last, keys.dtype, [rows, length - size])], 1);
}

/** Each key comes after as many as are smaller, or equal and before it. */
function byRanks(keys: Node): Node {
  const [rows, size] = keys.shape as readonly [number, number];
  const stored = contiguous(keys);
  const square = [rows, size, size];
  const mine = expand(reshape(stored, [rows, size, 1]), square);
  const other = expand(reshape(stored, [rows, 1, size]), square);
  const earlier = lt(iota(square, 2), iota(square, 1));
  const before = or(lt(other, mine), and(binary("eq", other, mine), earlier));
  const ranks = contiguous(reshape(reduceNode(castNode(before, "uint32"), "add", [2]), [rows, size]));
  return permuted(iota(keys.shape, 1, "uint32"), ranks);
}

const permuted = (values: Node, places: Node): Node =>
  scatter(constNode(0, values.dtype, values.shape), places, values, 1, "permute");

/** By one digit after the other, the lowest first, each time leaving equal digits in their order. */
function byDigits(keys: Node): Node {
  const [rows, size] = keys.shape as readonly [number, number];
  const bits = 8 * bytesOf(keys.dtype);
  let words = unsigned(keys, bits);
  let places: Node = iota([rows, size], 1, "uint32");
  for (let shift = 0; shift < bits; shift += DIGIT) {
    const to = contiguous(digitPlaces(words, shift));
    places = contiguous(permuted(places, to));
    if (shift + DIGIT < bits) words = contiguous(permuted(words, to));
  }
  return places;
}

/** Signed integers as unsigned ones in the same order. */
function unsigned(keys: Node, bits: number): Node {
  const word = bits === 64 ? "uint64" : "uint32";
  const lowest = bits === 64 ? 2n ** 63n : 2 ** 31;
  return contiguous(binary("xor", bitcastNode(keys, word), constNode(lowest, word, keys.shape)));
}

/**
 * Where each of [rows, size] goes by one digit: behind all with smaller digits, and all with the same before it. Rows are
 * counted in blocks, which run side by side; a block's first place for a digit is the running sum of all counts, digit
 * by digit and block by block. What fills up the last block goes behind everything.
 */
function digitPlaces(words: Node, shift: number): Node {
  const [rows, size] = words.shape as readonly [number, number];
  const blocks = Math.ceil(size / BLOCK);
  const length = Math.ceil(size / blocks);
  const shape = [rows, blocks, length];
  const rest = blocks * length - size;
  const amount = storeBytes(new Uint8Array(Uint32Array.of(shift).buffer), "uint32", [1, 1]);
  const shifted = binary("shr", words, castNode(expand(amount, words.shape), words.dtype));
  const mask = constNode(
    words.dtype === "uint64" ? BigInt(VALUES - 1) : VALUES - 1,
    words.dtype,
    words.shape,
  );
  const digit = castNode(and(shifted, mask), "uint32");
  const last = constNode(VALUES - 1, "uint32", [rows, rest]);
  const digits = and(
    reshape(rest === 0 ? digit : concat([digit, last], 1), shape),
    number(VALUES - 1, shape),
  );
  const none = constNode(0, "int32", [rows, blocks, VALUES]);
  const ones = constNode(1, "int32", shape);
  const counts = contiguous(scatterAdd(none, digits, ones, 2));
  const byDigit = permute(counts, [0, 2, 1]);
  const running = scanNode(reshape(byDigit, [rows, VALUES * blocks]), "add", 1);
  const before = binary("sub", reshape(running, byDigit.shape), byDigit);
  const upTo = scanGroups(ones, digits, permute(before, [0, 2, 1]), "add", 2);
  const places = binary(
    "sub",
    reshape(upTo, [rows, blocks * length]),
    constNode(1, "int32", [rows, blocks * length]),
  );
  return castNode(firstOf(places, size), "uint32");
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
  if (size <= COUNTED) {
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
