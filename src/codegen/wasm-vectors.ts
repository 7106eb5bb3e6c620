// Values of several lanes: held as a list of v128 parts, lowest lanes first, of four 32-bit or two 64-bit lanes each (the
// last may be filled in part only). A bool vector is a mask of 32-bit lanes, 0 or -1, whatever it was compared from.
// What the vector instructions lack is done lane by lane.

import type { Scalar } from "../scalar/dtype.js";
import type { Arena, Node } from "./wasm-nodes.js";
import {
  laneBytes,
  laneCode,
  type RegisterDType,
  scalarCode,
  type Shape,
  shapeOf,
  V128,
} from "./wasm-opcodes.js";

/** A value in parts; with one lane, a single scalar node. */
export type Parts = readonly Node[];

const lanesPerPart = (dtype: RegisterDType): number => 16 / laneBytes(dtype);
export const partCount = (dtype: RegisterDType, lanes: number): number =>
  Math.ceil(lanes / lanesPerPart(dtype));
export const isUnsignedLike = (dtype: RegisterDType): boolean => dtype === "bool" || dtype.startsWith("u");

export function shuffle(arena: Arena, a: Node, b: Node, bytes: readonly number[]): Node {
  return arena.node("v128", [...V128.shuffle, ...bytes], [a, b]);
}

/** A literal as a scalar. */
export function scalarConstant(arena: Arena, value: Scalar, dtype: RegisterDType): Node {
  switch (shapeOf(dtype)) {
    case "i32":
      return arena.i32(Number(value));
    case "i64":
      return arena.i64(BigInt(value));
    case "f32":
      return arena.f32(Number(value));
    case "f64":
      return arena.f64(Number(value));
  }
}

/** One v128 of literals, repeated to its end. */
export function vectorConstant(arena: Arena, values: readonly Scalar[], dtype: RegisterDType): Node {
  const view = new DataView(new ArrayBuffer(16));
  const step = laneBytes(dtype);
  for (let at = 0, i = 0; at < 16; at += step, i++) {
    const value = values[i % values.length];
    if (dtype === "bool") view.setInt32(at, value ? -1 : 0, true);
    else if (dtype === "float32") view.setFloat32(at, Number(value), true);
    else if (dtype === "float64") view.setFloat64(at, Number(value), true);
    else if (step === 4) view.setInt32(at, Number(BigInt.asIntN(32, BigInt(value))), true);
    else view.setBigInt64(at, BigInt(value), true);
  }
  return arena.v128(new Uint8Array(view.buffer));
}

/** A scalar as it stands in a vector's lane: bools become masks. */
function laneOf(arena: Arena, x: Node, dtype: RegisterDType): Node {
  if (dtype !== "bool") return x;
  return x.constant === undefined ? negated(arena, x) : arena.i32(-x.constant);
}
const negated = (arena: Arena, x: Node): Node =>
  arena.node("i32", scalarCode("sub", "i32")!, [arena.i32(0), x]);

export function splatNode(arena: Arena, x: Node, dtype: RegisterDType): Node {
  return arena.node("v128", laneCode("splat", shapeOf(dtype))!, [laneOf(arena, x, dtype)]);
}

/** One lane as a scalar. */
export function extractLane(arena: Arena, x: Parts, dtype: RegisterDType, lane: number): Node {
  const shape = shapeOf(dtype);
  const perPart = lanesPerPart(dtype);
  const code = [...laneCode("extract", shape)!, lane % perPart];
  const value = arena.node(shape, code, [x[Math.floor(lane / perPart)]]);
  return dtype === "bool" ? arena.node("i32", scalarCode("and", "i32")!, [value, arena.i32(1)]) : value;
}

/** One lane in every lane. */
export function spreadLane(arena: Arena, x: Parts, dtype: RegisterDType, lane: number): Node {
  const bytes = laneBytes(dtype);
  const perPart = lanesPerPart(dtype);
  const part = x[Math.floor(lane / perPart)];
  const first = (lane % perPart) * bytes;
  return shuffle(
    arena,
    part,
    part,
    Array.from({ length: 16 }, (_, i) => first + (i % bytes)),
  );
}

/** Lanes of two vectors, those of the second counted on from those of the first. */
export function pickLanes(
  arena: Arena,
  [a, b]: readonly Parts[],
  lanes: number,
  picks: readonly number[],
  dtype: RegisterDType,
): Node[] {
  const bytes = laneBytes(dtype);
  const perPart = lanesPerPart(dtype);
  const sourceOf = (lane: number): Node => (lane < lanes ? a : b)[Math.floor((lane % lanes) / perPart)];
  const within = (lane: number): number => (lane % lanes) % perPart;
  return Array.from({ length: partCount(dtype, picks.length) }, (_, p) => {
    const own = picks.slice(p * perPart, (p + 1) * perPart);
    const sources = [...new Set(own.map(sourceOf))];
    // The first two sources meet in one instruction, each further one takes another.
    let part = sources[0];
    (sources.length === 1 ? sources : sources.slice(1)).forEach((source, k) => {
      const from = own.map((lane, i) => {
        if (sourceOf(lane) === source) return perPart + within(lane);
        return k === 0 ? within(lane) : i;
      });
      const order = Array.from({ length: perPart }, (_, i) => from[i % from.length] * bytes);
      const picked = order.flatMap((first) => Array.from({ length: bytes }, (_, i) => first + i));
      part = shuffle(arena, part, source, picked);
    });
    return part;
  });
}

/** Scalars as lanes. */
export function packLanes(arena: Arena, lanes: readonly Node[], dtype: RegisterDType): Node[] {
  const perPart = lanesPerPart(dtype);
  const replace = laneCode("replace", shapeOf(dtype))!;
  return Array.from({ length: partCount(dtype, lanes.length) }, (_, part) => {
    const own = lanes.slice(part * perPart, (part + 1) * perPart);
    let vector = splatNode(arena, own[0], dtype);
    own.forEach((lane, i) => {
      if (lane !== own[0]) {
        vector = arena.node("v128", [...replace, i], [vector, laneOf(arena, lane, dtype)]);
      }
    });
    return vector;
  });
}

/** Applies a scalar computation to every lane. */
export function laneByLane(
  arena: Arena,
  operands: readonly { readonly parts: Parts; readonly dtype: RegisterDType }[],
  lanes: number,
  dtype: RegisterDType,
  compute: (args: readonly Node[]) => Node,
): Node[] {
  const results = Array.from({ length: lanes }, (_, lane) =>
    compute(operands.map((x) => extractLane(arena, x.parts, x.dtype, lane))),
  );
  return packLanes(arena, results, dtype);
}

// Changes of lane width: part p of 64-bit lanes comes from half p % 2 of part floor(p / 2) of 32-bit lanes. ----------

const LOW_WORDS = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];
const LOW_HALVES = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const HIGH_HALF = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];

/** Joins parts two by two. */
export function pairwise(parts: Parts, join: (a: Node, b: Node) => Node): Node[] {
  const joined: Node[] = [];
  for (let p = 0; p < parts.length; p += 2) joined.push(join(parts[p], parts[p + 1] ?? parts[p]));
  return joined;
}

/** The low words of 64-bit lanes: integers wrapped, masks narrowed. */
export const narrowWords = (arena: Arena, parts: Parts): Node[] =>
  pairwise(parts, (a, b) => shuffle(arena, a, b, LOW_WORDS));

/** Parts whose low half alone counts, joined. */
export const joinLowHalves = (arena: Arena, parts: Parts): Node[] =>
  pairwise(parts, (a, b) => (a === b ? a : shuffle(arena, a, b, LOW_HALVES)));

/** 32-bit lanes as 64-bit ones. */
export function widenWords(arena: Arena, parts: Parts, lanes: number, unsigned: boolean): Node[] {
  return Array.from({ length: Math.ceil(lanes / 2) }, (_, p) => {
    const half = `${p % 2 === 0 ? "low" : "high"}`;
    return arena.node("v128", laneCode(half, "i64", unsigned)!, [parts[p >> 1]]);
  });
}

/** A mask for 64-bit lanes. One that was narrowed from such is found again. */
export function widenMask(arena: Arena, mask: Parts, lanes: number): Node[] {
  return widenWords(arena, mask, lanes, false).map((wide, p) => {
    const narrow = mask[p >> 1];
    const narrowed = isNarrowing(narrow);
    return narrowed ? narrow.args[p % 2] : wide;
  });
}

const NARROWING = [...V128.shuffle, ...LOW_WORDS].join();
const isNarrowing = (x: Node): boolean => x.code.length === 18 && x.code.join() === NARROWING;

/** 32-bit parts moved so that conversions of the low half reach each half. */
export function halves(arena: Arena, parts: Parts, lanes: number): Node[] {
  return Array.from({ length: Math.ceil(lanes / 2) }, (_, p) => {
    const part = parts[p >> 1];
    return p % 2 === 0 ? part : shuffle(arena, part, part, HIGH_HALF);
  });
}

// Operations ---------------------------------------------------------------------------------------------------------

/** Applies an instruction of the lanes' shape to corresponding parts; undefined if there is none. */
export function partwise(
  arena: Arena,
  op: string,
  shape: Shape,
  unsigned: boolean,
  operands: readonly Parts[],
): Node[] | undefined {
  const code = laneCode(op, shape, unsigned);
  if (code === undefined) return undefined;
  return operands[0].map((_, p) =>
    arena.node(
      "v128",
      code,
      operands.map((parts) => parts[p]),
    ),
  );
}

export function bitwise(arena: Arena, op: "and" | "or" | "xor" | "andNot", x: Parts, y: Parts): Node[] {
  return x.map((part, p) => arena.node("v128", V128[op], [part, y[p]]));
}

/** Comparison of 64-bit integers, as a mask of 64-bit lanes; unsigned order is signed order with the top bit flipped. */
export function compareWide(arena: Arena, op: string, x: Parts, y: Parts, unsigned: boolean): Node[] {
  const flip = vectorConstant(arena, [-(2n ** 63n)], "int64");
  const ordered = (parts: Parts): Node[] =>
    unsigned && op !== "eq" && op !== "ne"
      ? parts.map((part) => arena.node("v128", V128.xor, [part, flip]))
      : [...parts];
  return partwise(arena, op, "i64", false, [ordered(x), ordered(y)])!;
}
