// Conversions between register dtypes, of scalars and of vectors: saturating from float to integer, NaN to 0; integers
// wrap; to bool is != 0.

import type { Arena, Node } from "./wasm-nodes.js";
import { laneBytes, type RegisterDType, scalarCode, shapeOf, truncateCode } from "./wasm-opcodes.js";
import {
  bitwise,
  halves,
  isUnsignedLike,
  joinLowHalves,
  laneByLane,
  narrowWords,
  type Parts,
  partwise,
  scalarConstant,
  vectorConstant,
  widenMask,
  widenWords,
} from "./wasm-vectors.js";

/** A scalar as another dtype. */
export function castScalar(arena: Arena, x: Node, from: RegisterDType, to: RegisterDType): Node {
  const source = shapeOf(from);
  const target = shapeOf(to);
  if (to === "bool") {
    if (from === "bool") return x;
    return arena.node("i32", scalarCode("ne", source)!, [x, scalarConstant(arena, 0, from)]);
  }
  if (source === target) return x;
  const unsigned = isUnsignedLike(from);
  if (target === "f32" || target === "f64") {
    return arena.node(target, scalarCode(`from_${source}`, target, unsigned)!, [x]);
  }
  if (source === "f32" || source === "f64") {
    return arena.node(target, truncateCode(target, source, isUnsignedLike(to)), [x]);
  }
  return arena.node(target, scalarCode(target === "i64" ? "extend" : "wrap_i64", target, unsigned)!, [x]);
}

/** A vector as another dtype. */
export function castVector(
  arena: Arena,
  parts: Parts,
  lanes: number,
  from: RegisterDType,
  to: RegisterDType,
): Parts {
  const source = shapeOf(from);
  const target = shapeOf(to);
  if (from === "bool") {
    if (to === "bool") return parts;
    const mask = laneBytes(to) === 8 ? widenMask(arena, parts, lanes) : parts;
    return bitwise(
      arena,
      "and",
      mask,
      mask.map(() => vectorConstant(arena, [1], to)),
    );
  }
  if (to === "bool") {
    const zero = parts.map(() => vectorConstant(arena, [0], from));
    const mask = partwise(arena, "ne", source, false, [parts, zero])!;
    return laneBytes(from) === 8 ? narrowWords(arena, mask) : mask;
  }
  if (source === target) return parts;
  const convert = (name: string, over: Parts, unsigned = false): Node[] | undefined =>
    partwise(arena, name, target, unsigned, [over]);
  switch (`${source} ${target}`) {
    case "i32 f32":
      return convert("from_i32", parts, isUnsignedLike(from))!;
    case "f32 i32":
      return convert("from_f32", parts, isUnsignedLike(to))!;
    case "i32 i64":
      return widenWords(arena, parts, lanes, isUnsignedLike(from));
    case "i64 i32":
      return narrowWords(arena, parts);
    case "i32 f64":
      return convert("from_i32", halves(arena, parts, lanes), isUnsignedLike(from))!;
    case "f32 f64":
      return convert("from_f32", halves(arena, parts, lanes))!;
    case "f64 i32":
      return joinLowHalves(arena, convert("from_f64", parts, isUnsignedLike(to))!);
    case "f64 f32":
      return joinLowHalves(arena, convert("from_f64", parts)!);
    default:
      return laneByLane(arena, [{ parts, dtype: from }], lanes, to, ([lane]) =>
        castScalar(arena, lane, from, to),
      );
  }
}
