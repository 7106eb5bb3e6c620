// The inline functions that generated C calls: everything that C's operators do not give with the meaning brisc wants,
// the same on gcc and clang. A program brings only those it uses.
//
// Vectors are chosen between by bits, since compilers disagree on `?:` for vectors; with AVX-512 the compiler makes
// masked instructions of it. The two parts are added and not or'ed: of the latter gcc makes exclusive ors, which stay.

import { bytesOf, type DType, integerLimits, isFloat, isUnsigned } from "../scalar/dtype.js";
import {
  type Guarded,
  x86Extremum,
  x86ExtremumOfNumbers,
  x86Half,
  x86Narrow,
  x86Rounding,
  x86Stream,
  x86Widen,
} from "./c-x86.js";
import { bitsType, literal, scalarType, typeBytes, vectorName, vectorTypedef } from "./c-types.js";

export type RoundOp = "sqrt" | "floor" | "trunc" | "round";

const INLINE = "static inline __attribute__((always_inline))";

/** Collects the types and functions that a piece of code needs; each method gives the name to use. */
export class Helpers {
  readonly typedefs = new Map<string, string>();
  readonly functions = new Map<string, string>();

  /** The type of a value in a variable. */
  type(dtype: DType, lanes: number): string {
    return lanes === 1 ? scalarType(dtype) : this.vector(scalarType(dtype), lanes);
  }

  vector(element: string, lanes: number): string {
    const name = vectorName(element, lanes);
    if (!this.typedefs.has(name)) this.typedefs.set(name, vectorTypedef(name));
    return name;
  }

  private define(name: string, result: string, parameters: string, body: string): string {
    if (!this.functions.has(name)) {
      this.functions.set(name, `${INLINE} ${result} ${name}(${parameters}) { ${body} }`);
    }
    return name;
  }

  floorDivide(): string {
    return this.define("floor_div", "i64", "i64 a, i64 b", "i64 q = a / b; return q * b > a ? q - 1 : q;");
  }

  floorRemainder(): string {
    return this.define("floor_mod", "i64", "i64 a, i64 b", "i64 r = a % b; return r < 0 ? r + b : r;");
  }

  /** One scalar in all lanes. */
  splat(dtype: DType, lanes: number): string {
    const type = this.type(dtype, lanes);
    const list = new Array(lanes).fill("x").join(", ");
    return this.define(`splat_${type}`, type, `${scalarType(dtype)} x`, `return (${type}){${list}};`);
  }

  /** A macro that picks lanes of two vectors: `__builtin_shufflevector`, or what gcc had before it. */
  shuffle(dtype: DType, lanes: number): string {
    const type = this.type(dtype, lanes);
    const picks = this.vector(bitsType(dtype === "bool" ? "int32" : dtype), lanes);
    const name = `shuffle_${type}`;
    const lines = [
      "#if defined(__clang__) || __GNUC__ >= 12",
      `#define ${name}(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)`,
      "#else",
      `#define ${name}(a, b, ...) __builtin_shuffle(a, b, (${picks}){__VA_ARGS__})`,
      "#endif",
    ];
    this.functions.set(name, lines.join("\n"));
    return name;
  }

  /** The n-th part of a vector, as a shorter vector. */
  part(dtype: DType, from: number, to: number): string {
    const [whole, type] = [this.type(dtype, from), this.type(dtype, to)];
    return this.define(
      `part_${whole}_${type}`,
      type,
      `${whole} a, int n`,
      `${type} r; __builtin_memcpy(&r, (char *)&a + n * sizeof r, sizeof r); return r;`,
    );
  }

  /** mask ? a : b, lane by lane, the mask as wide as the operands. */
  private blend(dtype: DType, lanes: number): string {
    const type = this.type(dtype, lanes);
    const bits = this.vector(bitsType(dtype === "bool" ? "int32" : dtype), lanes);
    return this.define(
      bits === this.vector("i32", lanes) ? `select_${type}` : `blend_${type}`,
      type,
      `${bits} m, ${type} a, ${type} b`,
      `return (${type})(((${bits})a & m) + ((${bits})b & ~m));`,
    );
  }

  /** mask ? a : b, lane by lane, for a mask of 32-bit lanes. */
  select(dtype: DType, lanes: number): string {
    const blend = this.blend(dtype, lanes);
    if (blend.startsWith("select")) return blend;
    const type = this.type(dtype, lanes);
    return this.define(
      `select_${type}`,
      type,
      `${this.vector("i32", lanes)} m, ${type} a, ${type} b`,
      `return ${blend}(__builtin_convertvector(m, ${this.vector(bitsType(dtype), lanes)}), a, b);`,
    );
  }

  /** Lanes of a comparison's result as a mask. */
  private mask(comparison: string, dtype: DType, lanes: number): string {
    const mask = this.vector("i32", lanes);
    return bytesOf(dtype) === 4
      ? `(${mask})(${comparison})`
      : `__builtin_convertvector(${comparison}, ${mask})`;
  }

  /** `condition ? a : b` for a condition over scalars or lanes. */
  private choose(condition: string, a: string, b: string, dtype: DType, lanes: number): string {
    if (lanes === 1) return `${condition} ? ${a} : ${b}`;
    return `${this.blend(dtype, lanes)}((${this.vector(bitsType(dtype), lanes)})${condition}, ${a}, ${b})`;
  }

  /** The larger or smaller operand; NaN if either is NaN. `bounded`: b is known not to be NaN. */
  extremum(op: "max" | "min", dtype: DType, lanes: number, bounded: boolean): string {
    const type = this.type(dtype, lanes);
    const sign = op === "max" ? ">" : "<";
    const either = lanes === 1 ? "||" : "|";
    const float = isFloat(dtype);
    const name = `${op}${float && bounded ? "_bound" : ""}_${type}`;
    const usual = !float
      ? this.choose(`(a ${sign} b)`, "a", "b", dtype, lanes)
      : bounded
        ? // A comparison with NaN is false, so that a NaN passes.
          this.choose(op === "max" ? "(a <= b)" : "(a >= b)", "b", "a", dtype, lanes)
        : // If b is NaN and a is not, neither condition holds, and b passes.
          this.choose(`((a ${sign} b) ${either} (a != a))`, "a", "b", dtype, lanes);
    const x86 = lanes === 1 ? undefined : this.x86Extremum(op, dtype, lanes, bounded);
    return this.defineGuarded(name, `${type} ${name}(${type} a, ${type} b)`, x86, usual);
  }

  private x86Extremum(op: "max" | "min", dtype: DType, lanes: number, bounded: boolean): Guarded | undefined {
    const bytes = bytesOf(dtype) * lanes;
    const one = x86Extremum(op, dtype, bytes, this.vector(bitsType(dtype), lanes));
    if (one === undefined || !isFloat(dtype) || bounded) return one;
    if (bytes === 64) return x86ExtremumOfNumbers(op, dtype);
    return { ...one, code: this.choose("(b == b)", one.code, "b", dtype, lanes) };
  }

  /** A function by an instruction where there is one. */
  private defineGuarded(name: string, head: string, special: Guarded | undefined, usual: string): string {
    const lines = [`${INLINE} ${head} { return ${usual}; }`];
    if (special !== undefined) {
      lines.unshift(`#if ${special.condition}`, `${INLINE} ${head} { return ${special.code}; }`, "#else");
      lines.push("#endif");
    }
    this.functions.set(name, lines.join("\n"));
    return name;
  }

  absolute(dtype: DType, lanes: number): string {
    const type = this.type(dtype, lanes);
    const bits = lanes === 1 ? bitsType(dtype) : this.vector(bitsType(dtype), lanes);
    const body = isUnsigned(dtype)
      ? "a"
      : !isFloat(dtype)
        ? this.choose("(a < 0)", "-a", "a", dtype, lanes)
        : lanes === 1
          ? `__builtin_fabs${dtype === "float32" ? "f" : ""}(a)`
          : `(${type})((${bits})a & ${dtype === "float32" ? "0x7fffffff" : "0x7fffffffffffffffll"})`;
    return this.define(`abs_${type}`, type, `${type} a`, `return ${body};`);
  }

  /** The bits of a value as another type of the same width. */
  bits(from: DType, to: DType): string {
    const [source, target] = [scalarType(from), scalarType(to)];
    return this.define(
      `bits_${source}_${target}`,
      target,
      `${source} a`,
      `${target} r; __builtin_memcpy(&r, &a, sizeof r); return r;`,
    );
  }

  /** Float to integer: towards zero, saturating, NaN to 0. */
  toInteger(from: DType, to: DType, lanes: number): string {
    const [source, target] = [this.type(from, lanes), this.type(to, lanes)];
    const name = `to_${target}_${source}`;
    const { min, max } = integerLimits(to);
    const bound = (value: bigint): string => literal(Number(value), from);
    const [low, high] = [bound(min), bound(max + 1n)];
    if (lanes === 1) {
      const whole = `a >= ${high} ? ${literal(max, to)} : a > ${low} ? (${target})a : ${literal(min, to)}`;
      return this.define(name, target, `${source} a`, `return a != a ? 0 : ${whole};`);
    }
    // Lanes out of range are converted as `low` (NaN too), then those above are put right.
    const mask = this.vector("i32", lanes);
    const splat = this.splat(from, lanes);
    const body = [
      `${mask} above = ${this.mask(`a >= ${splat}(${high})`, from, lanes)};`,
      `${mask} within = ${this.mask(`a > ${splat}(${low})`, from, lanes)} & ~above;`,
      `${mask} number = ${this.mask("a == a", from, lanes)};`,
      `${source} inside = ${this.select(from, lanes)}(within, a, ${splat}(${low}));`,
      `${target} r = __builtin_convertvector(inside, ${target});`,
      `r = ${this.select(to, lanes)}(above, ${this.splat(to, lanes)}(${literal(max, to)}), r);`,
      `return ${this.select(to, lanes)}(number, r, (${target}){0});`,
    ].join(" ");
    return this.define(name, target, `${source} a`, body);
  }

  /** Square root and rounding. Scalars have builtins; vectors have them in clang alone, so x86 is told by hand. */
  rounding(op: RoundOp, dtype: DType, lanes: number): string {
    const type = this.type(dtype, lanes);
    const suffix = dtype === "float32" ? "f" : "";
    const builtin = op === "round" ? "rint" : op;
    const name = `${op}_${type}`;
    if (lanes === 1) return `__builtin_${builtin}${suffix}`;
    const bytes = typeBytes(scalarType(dtype)) * lanes;
    const lanewise = `${type} r; for (int i = 0; i < ${lanes}; i++) r[i] = __builtin_${builtin}${suffix}(a[i]);`;
    const elementwise = `__builtin_elementwise_${op === "round" ? "rint" : op}`;
    if (!this.functions.has(name)) {
      const fallback = bytes > 64 ? this.halves(op, dtype, lanes) : lanewise;
      const head = `${INLINE} ${type} ${name}(${type} a)`;
      const lines = [`#if __has_builtin(${elementwise})`, `${head} { return ${elementwise}(a); }`];
      const assembly =
        bytes === 16 || bytes === 32 || bytes === 64 ? x86Rounding(op, dtype, bytes) : undefined;
      if (assembly !== undefined) {
        lines.push(`#elif defined(${bytes === 64 ? "__AVX512F__" : "__AVX__"})`);
        lines.push(`${head} { ${type} r; ${assembly} return r; }`);
      }
      lines.push("#else", `${head} { ${fallback} return r; }`, "#endif");
      this.functions.set(name, lines.join("\n"));
    }
    return name;
  }

  /** A vector of integers with narrower elements of the given type, by dropping high bits. */
  narrow(from: DType, element: string, lanes: number): string {
    const [source, target] = [this.type(from, lanes), this.vector(element, lanes)];
    const [wide, bytes] = [typeBytes(scalarType(from)), typeBytes(element)];
    const name = `narrow_${source}_${target}`;
    // In steps of half: compilers take a conversion to a quarter apart, element by element.
    const step = this.vector(element[0] + wide * 4, lanes);
    const halved = wide > 2 * bytes ? `__builtin_convertvector(x, ${step})` : "x";
    return this.defineGuarded(
      name,
      `${target} ${name}(${source} x)`,
      x86Narrow(wide, bytes, lanes, target),
      `__builtin_convertvector(${halved}, ${target})`,
    );
  }

  /** float16 bits as float32, or float32 rounded to float16 bits, to nearest even. */
  half(to: DType, lanes: number): string {
    const [half, float] = [this.type("float16", lanes), this.type("float32", lanes)];
    const narrows = to === "float16";
    const name = narrows ? `to_half_${float}` : `from_half_${half}`;
    const head = narrows ? `${half} ${name}(${float} x)` : `${float} ${name}(${half} x)`;
    this.typedefs.set("f16", "typedef _Float16 f16;");
    if (lanes > 1) {
      const plain = this.vector("f16", lanes);
      const usual = narrows
        ? `(${half})__builtin_convertvector(x, ${plain})`
        : `__builtin_convertvector((${plain})x, ${float})`;
      return this.defineGuarded(name, head, x86Half(narrows, lanes, half), usual);
    }
    const body = narrows
      ? "f16 h = x; u16 r; __builtin_memcpy(&r, &h, sizeof r); return r;"
      : "f16 h; __builtin_memcpy(&h, &x, sizeof h); return h;";
    this.functions.set(name, `${INLINE} ${head} { ${body} }`);
    return name;
  }

  /** A vector of integers with wider elements of the given type. */
  widen(element: string, to: DType, lanes: number): string {
    const [source, target] = [this.vector(element, lanes), this.type(to, lanes)];
    const bytes = typeBytes(element);
    const x86 = x86Widen(bytes, typeBytes(scalarType(to)), lanes, element.startsWith("i"));
    const special = x86 && { ...x86, code: `(${target})${x86.code}` };
    const name = `widen_${source}_${target}`;
    return this.defineGuarded(
      name,
      `${target} ${name}(${source} x)`,
      special,
      `__builtin_convertvector(x, ${target})`,
    );
  }

  /** Stores a vector past the caches, at a multiple of its size. */
  stream(element: string, lanes: number): string {
    const type = this.vector(element, lanes);
    const name = `stream_${type}`;
    if (this.functions.has(name)) return name;
    const head = `${INLINE} void ${name}(${element} *p, ${type} a)`;
    const lines = [
      "#if __has_builtin(__builtin_nontemporal_store)",
      `${head} { __builtin_nontemporal_store(a, (${type} *)p); }`,
    ];
    const bytes = typeBytes(element) * lanes;
    const x86 = x86Stream(bytes, this.vector("f32", bytes / 4));
    if (x86 !== undefined) lines.push(`#elif ${x86.condition}`, `${head} { ${x86.code}; }`);
    lines.push("#else", `${head} { *(${type} *)p = a; }`, "#endif");
    this.functions.set(name, lines.join("\n"));
    return name;
  }

  /** An integer that may lie anywhere, among bytes. */
  unalignedInteger(): string {
    this.typedefs.set("i32u", "typedef i32 i32u __attribute__((aligned(1), may_alias));");
    return "i32u";
  }

  /** Orders what was stored past the caches before all that follows. */
  streamFence(): string {
    const name = "stream_fence";
    const head = `${INLINE} void ${name}(void)`;
    const lines = [
      "#if defined(__SSE__)",
      `${head} { __builtin_ia32_sfence(); }`,
      "#else",
      `${head} { __atomic_thread_fence(__ATOMIC_SEQ_CST); }`,
      "#endif",
    ];
    this.functions.set(name, lines.join("\n"));
    return name;
  }

  /** The same on both halves of a vector wider than any register. */
  private halves(op: RoundOp, dtype: DType, lanes: number): string {
    const type = this.type(dtype, lanes);
    const half = this.type(dtype, lanes / 2);
    const f = this.rounding(op, dtype, lanes / 2);
    const copy = (to: string, from: string): string => `__builtin_memcpy(${to}, ${from}, sizeof a);`;
    return (
      `${half} h[2]; ${type} r; ${copy("h", "&a")} ` +
      `h[0] = ${f}(h[0]); h[1] = ${f}(h[1]); ${copy("&r", "h")}`
    );
  }
}
