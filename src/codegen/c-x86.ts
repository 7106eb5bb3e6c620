// Instructions of x86 for which C has no words: rounding by assembly, which gcc and clang take alike; what clang makes
// of plain C, and gcc does not, by gcc's names.

import { type DType, isFloat } from "../scalar/dtype.js";

/** An expression, and what the preprocessor must find true for it to mean something. */
export interface Guarded {
  readonly condition: string;
  readonly code: string;
}

/** One instruction on a whole register. Rounding modes: 8 to nearest even, 9 down, 11 towards zero, all quiet. */
export function x86Rounding(op: "sqrt" | "floor" | "trunc" | "round", dtype: DType, bytes: number): string {
  const type = dtype === "float32" ? "ps" : "pd";
  const register = bytes === 64 ? "v" : "x";
  const operands = `: "=${register}"(r) : "${register}"(a)`;
  if (op === "sqrt") return `__asm__("vsqrt${type} %1, %0" ${operands});`;
  const mode = { round: 8, floor: 9, trunc: 11 }[op];
  return `__asm__("${bytes === 64 ? "vrndscale" : "vround"}${type} $${mode}, %1, %0" ${operands});`;
}

/** Stores the vector `a` to `p` past the caches; `floats` is the type of as many bytes of floats. */
export function x86Stream(bytes: number, floats: string): Guarded | undefined {
  const found = new Map([
    [16, ["__SSE__", ""]],
    [32, ["__AVX__", "256"]],
    [64, ["__AVX512F__", "512"]],
  ]).get(bytes);
  if (found === undefined) return undefined;
  const [macro, suffix] = found;
  return { condition: `defined(${macro})`, code: `__builtin_ia32_movntps${suffix}((f32 *)p, (${floats})a)` };
}

/** How instructions that widen and narrow call elements of so many bytes, and their types in C. */
const LETTERS: Record<number, string> = { 1: "b", 2: "w", 4: "d", 8: "q" };
const INTEGERS: Record<number, string> = { 1: "char", 2: "short", 4: "int", 8: "long long" };
const vectorOf = (bytes: number, element: number): string =>
  `__attribute__((vector_size(${bytes}))) ${INTEGERS[element]}`;

const ELEMENTS: Partial<Record<DType, string>> = { float32: "ps", float64: "pd", int32: "sd", uint32: "ud" };

/** `b > a ? b : a` or `b < a ? b : a` for vectors, which is a if either is NaN. `signed` is the type of signed integers. */
export function x86Extremum(
  op: "max" | "min",
  dtype: DType,
  bytes: number,
  signed: string,
): Guarded | undefined {
  const element = ELEMENTS[dtype];
  const float = isFloat(dtype);
  const macro = new Map([
    [16, float ? "__SSE2__" : "__SSE4_1__"],
    [32, float ? "__AVX__" : "__AVX2__"],
    [64, "__AVX512F__"],
  ]).get(bytes);
  if (element === undefined || macro === undefined) return undefined;
  const width = bytes === 64 ? "512_mask" : float && bytes === 16 ? "" : bytes * 8;
  const builtin = `__builtin_ia32_${float ? "" : "p"}${op}${element}${width}`;
  const [a, b] = float ? ["a", "b"] : [`(${signed})a`, `(${signed})b`];
  const all = bytes < 64 ? `${b}, ${a}` : `${b}, ${a}, ${b}, -1${float ? ", 4" : ""}`;
  const cast = dtype === "uint32" ? `(${signed.replace("i32", "u32")})` : "";
  return { condition: `defined(${macro}) && __has_builtin(${builtin})`, code: `${cast}${builtin}(${all})` };
}

/** The same for floats, but b where b is NaN. */
export function x86ExtremumOfNumbers(op: "max" | "min", dtype: DType): Guarded {
  const builtin = `__builtin_ia32_${op}${ELEMENTS[dtype]}512_mask`;
  const numbers = `__builtin_ia32_cmp${ELEMENTS[dtype]}512_mask(b, b, 7, -1, 4)`;
  return {
    condition: `defined(__AVX512F__) && __has_builtin(${builtin})`,
    code: `${builtin}(b, a, b, ${numbers}, 4)`,
  };
}

/**
 * The vector `x` of integers with wider elements: gcc takes a conversion from memory apart, element by element. Sizes are
 * in bytes; the types of instructions' operands are spelt out.
 */
export function x86Widen(from: number, to: number, lanes: number, signed: boolean): Guarded | undefined {
  const macro = new Map([
    [16, "__SSE4_1__"],
    [32, "__AVX2__"],
    [64, "__AVX512F__"],
  ]).get(lanes * to);
  const source = lanes * from;
  if (macro === undefined || source < 4) return undefined;
  const whole = Math.max(16, source);
  // What is less than a register comes as its lowest element.
  const value =
    source < 16
      ? `(${vectorOf(16, source)}){(${INTEGERS[source]})x${source === 8 ? ", 0" : ", 0, 0, 0"}}`
      : "x";
  const name = `__builtin_ia32_pmov${signed ? "s" : "z"}x${LETTERS[from]}${LETTERS[to]}${lanes * to * 8}`;
  const builtin = lanes * to === 64 ? `${name}_mask` : name;
  const masks = lanes * to === 64 ? `, (${vectorOf(64, to)}){0}, -1` : "";
  return {
    condition: `defined(${macro}) && __has_builtin(${builtin})`,
    code: `${builtin}((${vectorOf(whole, from)})${value}${masks})`,
  };
}

/** The vector `x` of integers with narrower elements, as the type `target`. */
export function x86Narrow(from: number, to: number, lanes: number, target: string): Guarded | undefined {
  const source = lanes * from;
  const condition = new Map([
    [16, "__AVX512VL__"],
    [32, "__AVX512VL__"],
    [64, "__AVX512F__"],
  ]).get(source);
  if (condition === undefined) return undefined;
  const bytes = lanes * to;
  const whole = vectorOf(Math.max(16, bytes), to);
  const builtin = `__builtin_ia32_pmov${LETTERS[from]}${LETTERS[to]}${source * 8}_mask`;
  const result = `${builtin}((${vectorOf(source, from)})x, (${whole}){0}, -1)`;
  // What is less than a register is its lowest elements.
  const low = `({ ${whole} w = ${result}; ${target} r; __builtin_memcpy(&r, &w, sizeof r); r; })`;
  return {
    condition: `defined(${condition}) && __has_builtin(${builtin})`,
    code: bytes < 16 ? low : `(${target})${result}`,
  };
}

/** The vector `x` of float16 bits as float32, or the other way round, to nearest even; `half` is the type of the bits. */
export function x86Half(narrows: boolean, lanes: number, half: string): Guarded | undefined {
  const macro = new Map([
    [8, "__F16C__"],
    [16, "__AVX512F__"],
  ]).get(lanes);
  if (macro === undefined) return undefined;
  const wide = lanes === 16;
  const builtin = `__builtin_ia32_vcvt${narrows ? "ps2ph" : "ph2ps"}${wide ? "512_mask" : "256"}`;
  const bits = vectorOf(2 * lanes, 2);
  const masks = `${narrows ? `(${bits}){0}` : "(__attribute__((vector_size(64))) float){0}"}, -1`;
  const code = narrows
    ? `(${half})${builtin}(x, ${wide ? `8, ${masks}` : "0"})`
    : `${builtin}((${bits})x${wide ? `, ${masks}, 4` : ""})`;
  return { condition: `defined(${macro}) && __has_builtin(${builtin})`, code };
}
