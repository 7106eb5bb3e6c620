// What programs look like as C. That it runs and is right, test/device/cpu.test.ts shows.

import { describe, expect, test } from "vitest";
import { generateC } from "../../src/codegen/c.js";
import { loopAtom, mulIndex } from "../../src/kernel/index.js";
import {
  type Buffer,
  constant,
  forLoop,
  load,
  makeBuffer,
  ref,
  type Stmt,
  scalar,
  splat,
  store,
} from "../../src/kernel/ir.js";
import type { Program } from "../../src/lower/program.js";
import {
  add,
  converted,
  elementwise,
  gather,
  lanesOfIndices,
  makeProgram,
  masked,
  matmul,
  narrow,
  param,
  quotients,
  reversed,
  rowSums,
  shifted,
  streamed,
} from "../device/programs.js";

/** The functions alone. */
function functionsOf(program: Program): string {
  const text = generateC([program]);
  return text.slice(text.indexOf("\nvoid "));
}
/** The helpers alone, but for those of one line that every unit has. */
const helpersOf = (program: Program): string[] =>
  generateC([program])
    .split("\n")
    .filter((line) => /inline|^#(if|el|end)/.test(line) && !/ifndef|__has_builtin\(x\)/.test(line));

test("a unit names its types by what the compiler calls them, and needs no header", () => {
  expect(generateC([add(5, 4)])).toMatchInlineSnapshot(`
    "typedef __INT8_TYPE__ i8;
    typedef __INT16_TYPE__ i16;
    typedef __INT32_TYPE__ i32;
    typedef __INT64_TYPE__ i64;
    typedef __UINT8_TYPE__ u8;
    typedef __UINT16_TYPE__ u16;
    typedef __UINT32_TYPE__ u32;
    typedef __UINT64_TYPE__ u64;
    typedef float f32;
    typedef double f64;
    typedef f32 f32x4 __attribute__((vector_size(16)));
    typedef f32 f32x4u __attribute__((vector_size(16), aligned(4), may_alias));

    void e_5_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
      f32 *c = (f32 *)args[0];
      f32 *a = (f32 *)args[1];
      f32 *b = (f32 *)args[2];
      for (i64 i = begin; i < end; i++) {
        *(f32x4u *)(c + i * 4) = (*(const f32x4u *)(a + i * 4)) + (*(const f32x4u *)(b + i * 4));
      }
    }

    void e_5_p1(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
      f32 *c = (f32 *)args[0];
      f32 *a = (f32 *)args[1];
      f32 *b = (f32 *)args[2];
      for (i64 j = begin; j < end; j++) {
        c[j + 4] = a[j + 4] + b[j + 4];
      }
    }
    "
  `);
});

describe("functions:", () => {
  test("a register tile names operands where they are used", () => {
    expect(functionsOf(matmul(4, 16, 8, 2, 2, 4))).toMatchInlineSnapshot(`
      "
      void r_4_16_8_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        f32 *c = (f32 *)args[0];
        f32 *a = (f32 *)args[1];
        f32 *b = (f32 *)args[2];
        for (i64 tile = begin; tile < end; tile++) {
          const i64 row = (tile >> 1) * 2;
          const i64 column = (tile & 1) * 8;
          f32x4 acc_0, acc_1, acc_2, acc_3;
          acc_0 = splat_f32x4(0.0f);
          acc_1 = splat_f32x4(0.0f);
          acc_2 = splat_f32x4(0.0f);
          acc_3 = splat_f32x4(0.0f);
          for (i64 k = 0; k < 8; k++) {
            const f32x4 b0 = *(const f32x4u *)(b + column + k * 16);
            const f32x4 a0 = splat_f32x4(a[row * 8 + k]);
            acc_0 = a0 * b0 + acc_0;
            const f32x4 b1 = *(const f32x4u *)(b + column + k * 16 + 4);
            acc_1 = a0 * b1 + acc_1;
            const f32x4 a1 = splat_f32x4(a[row * 8 + k + 8]);
            acc_2 = a1 * b0 + acc_2;
            acc_3 = a1 * b1 + acc_3;
          }
          *(f32x4u *)(c + row * 16 + column) = acc_0;
          *(f32x4u *)(c + row * 16 + column + 4) = acc_1;
          *(f32x4u *)(c + row * 16 + column + 16) = acc_2;
          *(f32x4u *)(c + row * 16 + column + 20) = acc_3;
        }
      }
      "
    `);
  });
  test("reductions in vectors", () => {
    expect(functionsOf(rowSums(2, 16, 4))).toMatchInlineSnapshot(`
      "
      void r_2_16_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        f32 *sums = (f32 *)args[0];
        f32 *tops = (f32 *)args[1];
        f32 *x = (f32 *)args[2];
        for (i64 i = begin; i < end; i++) {
          f32x4 sum_0;
          f32x4 top_0;
          sum_0 = splat_f32x4(0.0f);
          top_0 = splat_f32x4(-__builtin_inff());
          for (i64 j = 0; j < 4; j++) {
            const f32x4 value = *(const f32x4u *)(x + i * 16 + j * 4);
            sum_0 = sum_0 + value;
            top_0 = max_f32x4(top_0, value);
          }
          sums[i] = ((sum_0[0] + sum_0[1]) + sum_0[2]) + sum_0[3];
          tops[i] = max_f32(max_f32(max_f32(top_0[0], top_0[1]), top_0[2]), top_0[3]);
        }
      }
      "
    `);
  });
  test("predicated loads", () => {
    expect(functionsOf(shifted(16, 1))).toMatchInlineSnapshot(`
      "
      void shift_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        f32 *y = (f32 *)args[0];
        f32 *x = (f32 *)args[1];
        for (i64 i = begin; i < end; i++) {
          y[i] = (i - 3 >= 0) ? x[i - 3] : 0;
        }
      }
      "
    `);
    expect(functionsOf(shifted(16, 4))).toMatchInlineSnapshot(`
      "
      void shift_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        f32 *y = (f32 *)args[0];
        f32 *x = (f32 *)args[1];
        for (i64 i = begin; i < end; i++) {
          f32x4 t0 = {0};
          if (i * 4 - 3 >= 0) t0 = *(const f32x4u *)(x + i * 4 - 3);
          *(f32x4u *)(y + i * 4) = t0;
        }
      }
      "
    `);
    expect(functionsOf(gather(5, 6))).toMatchInlineSnapshot(`
      "
      void gather_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        f32 *out = (f32 *)args[0];
        f32 *table = (f32 *)args[1];
        i32 *indices = (i32 *)args[2];
        for (i64 i = begin; i < end; i++) {
          const i32 t0 = indices[i];
          out[i] = ((i64)t0 >= 0 && -((i64)t0) + 4 >= 0) ? table[(i64)t0] : 0;
        }
      }
      "
    `);
  });
  test("local memory and symbols", () => {
    expect(functionsOf(reversed(3, 9))).toMatchInlineSnapshot(`
      "
      void reverse_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        f32 *out = (f32 *)args[0];
        f32 *x = (f32 *)args[1];
        const i64 n = symbols[0];
        for (i64 i = begin; i < end; i++) {
          f32 *const row = (f32 *)(local + 64);
          for (i64 j = 0; j < n; j++) {
            row[n - j - 1] = x[n * i + j];
          }
          for (i64 j_2 = 0; j_2 < n; j_2++) {
            out[n * i + j_2] = row[j_2] + ((f32)((i32)j_2));
          }
        }
      }
      "
    `);
  });
  test("quotients and remainders", () => {
    expect(functionsOf(quotients(40))).toMatchInlineSnapshot(`
      "
      void quotients_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        i64 *out = (i64 *)args[0];
        const i64 d = symbols[0];
        for (i64 i = begin; i < end; i++) {
          out[i * 5] = ((i64)((u32)(i * 3 + 6) / (u32)7)) - 8;
          out[i * 5 + 1] = (i64)((u32)(i * 3 + 6) % (u32)7);
          out[i * 5 + 2] = ((i * 3 + 6) & 7);
          out[i * 5 + 3] = i + ((i64)((u32)(i * 2) / (u32)3)) + ((i * 3 + 14) >> 4) * 1000 - 4000;
          out[i * 5 + 4] = ((i64)((u32)i / (u32)d)) + floor_mod(i * 3 - 50, d) * 1000;
        }
      }
      "
    `);
  });
  test("masks", () => {
    expect(functionsOf(masked("float64", 16, 4))).toMatchInlineSnapshot(`
      "
      void mask_float64_4_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        f64 *out = (f64 *)args[0];
        u8 *mask = (u8 *)args[1];
        f64 *x = (f64 *)args[2];
        f64 *y = (f64 *)args[3];
        u8 *other = (u8 *)args[4];
        for (i64 i = begin; i < end; i++) {
          const i32x4 t0 = __builtin_convertvector((*(const f64x4u *)(x + i * 4)) < (*(const f64x4u *)(y + i * 4)), i32x4);
          const i32x4 held = t0 ^ (~(-widen_u8x4_i32x4(*(const u8x4u *)(other + i * 4))));
          const f64x4 t1 = *(const f64x4u *)(x + i * 4);
          *(f64x4u *)(out + i * 4) = select_f64x4(held, t1 + t1, *(const f64x4u *)(y + i * 4));
          *(u8x4u *)(mask + i * 4) = narrow_i32x4_u8x4(held & 1);
        }
      }
      "
    `);
    expect(functionsOf(masked("float32", 16, 1))).toMatchInlineSnapshot(`
      "
      void mask_float32_1_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        f32 *out = (f32 *)args[0];
        u8 *mask = (u8 *)args[1];
        f32 *x = (f32 *)args[2];
        f32 *y = (f32 *)args[3];
        u8 *other = (u8 *)args[4];
        for (i64 i = begin; i < end; i++) {
          const i32 held = (x[i] < y[i]) ^ (!other[i]);
          const f32 t0 = x[i];
          out[i] = held ? (t0 + t0) : y[i];
          mask[i] = held;
        }
      }
      "
    `);
    expect(functionsOf(lanesOfIndices(9))).toMatchInlineSnapshot(`
      "
      void lanes_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        i32 *out = (i32 *)args[0];
        u8 *flags = (u8 *)args[1];
        i32 *shuffled = (i32 *)args[2];
        for (i64 i = begin; i < end; i++) {
          const i32x4 t0 = splat_i32x4((i32)(i * 4)) + (i32x4){0, 1, 2, 3};
          *(i32x4u *)(out + i * 4) = select_i32x4(splat_i32x4(-(i - 3 >= 0)), t0, -t0);
          *(i32x4u *)(shuffled + i * 4) = shuffle_i32x4((splat_i32x4((i32)(i * 4)) + (i32x4){0, 1, 2, 3}), (splat_i32x4(7)), 3, 4, 1, 1);
          const i32 t1 = i - 3 >= 0;
          const i32x4 mask = (i32x4){-t1, -(((i32)(i * 4 + 1)) == 5), -t1, -(!t1)};
          *(u8x4u *)(flags + i * 4) = narrow_i32x4_u8x4(mask & 1);
          if (i - 6 >= 0) {
            flags[i * 4] = -mask[3];
          }
        }
      }
      "
    `);
  });
  test("narrow integers", () => {
    expect(functionsOf(narrow("uint8", "uint32", 16, 8))).toMatchInlineSnapshot(`
      "
      void narrow_uint8_8_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        u8 *out = (u8 *)args[0];
        u8 *x = (u8 *)args[1];
        for (i64 i = begin; i < end; i++) {
          const u32x8 t0 = widen_u8x8_u32x8(*(const u8x8u *)(x + i * 8));
          *(u8x8u *)(out + i * 8) = narrow_u32x8_u8x8(t0 + t0);
        }
      }
      "
    `);
  });
});

describe("helpers:", () => {
  test("a maximum gives NaN if either operand is NaN", () => {
    expect(helpersOf(elementwise("max", ["float32", "float32"], 8, 1))).toMatchInlineSnapshot(`
      [
        "#endif",
        "static inline __attribute__((always_inline)) f32 max_f32(f32 a, f32 b) { return ((a > b) || (a != a)) ? a : b; }",
      ]
    `);
    expect(helpersOf(elementwise("max", ["float64", "float64"], 8, 4))).toMatchInlineSnapshot(`
      [
        "#endif",
        "static inline __attribute__((always_inline)) f64x4 blend_f64x4(i64x4 m, f64x4 a, f64x4 b) { return (f64x4)(((i64x4)a & m) + ((i64x4)b & ~m)); }",
        "#if defined(__AVX__) && __has_builtin(__builtin_ia32_maxpd256)",
        "static inline __attribute__((always_inline)) f64x4 max_f64x4(f64x4 a, f64x4 b) { return blend_f64x4((i64x4)(b == b), __builtin_ia32_maxpd256(b, a), b); }",
        "#else",
        "static inline __attribute__((always_inline)) f64x4 max_f64x4(f64x4 a, f64x4 b) { return blend_f64x4((i64x4)((a > b) | (a != a)), a, b); }",
        "#endif",
      ]
    `);
  });
  test("float to integer saturates", () => {
    expect(helpersOf(converted("float32", "int32", 8, 1))).toMatchInlineSnapshot(`
      [
        "#endif",
        "static inline __attribute__((always_inline)) i32 to_i32_f32(f32 a) { return a != a ? 0 : a >= 2147483648.0f ? 2147483647 : a > -2147483648.0f ? (i32)a : (-2147483647 - 1); }",
      ]
    `);
    expect(helpersOf(converted("float32", "uint64", 8, 4))).toMatchInlineSnapshot(`
      [
        "#endif",
        "static inline __attribute__((always_inline)) f32x4 splat_f32x4(f32 x) { return (f32x4){x, x, x, x}; }",
        "static inline __attribute__((always_inline)) f32x4 select_f32x4(i32x4 m, f32x4 a, f32x4 b) { return (f32x4)(((i32x4)a & m) + ((i32x4)b & ~m)); }",
        "static inline __attribute__((always_inline)) u64x4 blend_u64x4(i64x4 m, u64x4 a, u64x4 b) { return (u64x4)(((i64x4)a & m) + ((i64x4)b & ~m)); }",
        "static inline __attribute__((always_inline)) u64x4 select_u64x4(i32x4 m, u64x4 a, u64x4 b) { return blend_u64x4(__builtin_convertvector(m, i64x4), a, b); }",
        "static inline __attribute__((always_inline)) u64x4 splat_u64x4(u64 x) { return (u64x4){x, x, x, x}; }",
        "static inline __attribute__((always_inline)) u64x4 to_u64x4_f32x4(f32x4 a) { i32x4 above = (i32x4)(a >= splat_f32x4(18446744073709552000.0f)); i32x4 within = (i32x4)(a > splat_f32x4(0.0f)) & ~above; i32x4 number = (i32x4)(a == a); f32x4 inside = select_f32x4(within, a, splat_f32x4(0.0f)); u64x4 r = __builtin_convertvector(inside, u64x4); r = select_u64x4(above, splat_u64x4(18446744073709551615ull), r); return select_u64x4(number, r, (u64x4){0}); }",
      ]
    `);
  });
  test("rounding is one instruction where there is one", () => {
    expect(helpersOf(elementwise("round", ["float32"], 16, 16))).toMatchInlineSnapshot(`
      [
        "#endif",
        "#if __has_builtin(__builtin_elementwise_rint)",
        "static inline __attribute__((always_inline)) f32x16 round_f32x16(f32x16 a) { return __builtin_elementwise_rint(a); }",
        "#elif defined(__AVX512F__)",
        "static inline __attribute__((always_inline)) f32x16 round_f32x16(f32x16 a) { f32x16 r; __asm__("vrndscaleps $8, %1, %0" : "=v"(r) : "v"(a)); return r; }",
        "#else",
        "static inline __attribute__((always_inline)) f32x16 round_f32x16(f32x16 a) { f32x16 r; for (int i = 0; i < 16; i++) r[i] = __builtin_rintf(a[i]); return r; }",
        "#endif",
      ]
    `);
    expect(helpersOf(elementwise("sqrt", ["float64"], 16, 16))).toMatchInlineSnapshot(`
      [
        "#endif",
        "#if __has_builtin(__builtin_elementwise_sqrt)",
        "static inline __attribute__((always_inline)) f64x8 sqrt_f64x8(f64x8 a) { return __builtin_elementwise_sqrt(a); }",
        "#elif defined(__AVX512F__)",
        "static inline __attribute__((always_inline)) f64x8 sqrt_f64x8(f64x8 a) { f64x8 r; __asm__("vsqrtpd %1, %0" : "=v"(r) : "v"(a)); return r; }",
        "#else",
        "static inline __attribute__((always_inline)) f64x8 sqrt_f64x8(f64x8 a) { f64x8 r; for (int i = 0; i < 8; i++) r[i] = __builtin_sqrt(a[i]); return r; }",
        "#endif",
        "#if __has_builtin(__builtin_elementwise_sqrt)",
        "static inline __attribute__((always_inline)) f64x16 sqrt_f64x16(f64x16 a) { return __builtin_elementwise_sqrt(a); }",
        "#else",
        "static inline __attribute__((always_inline)) f64x16 sqrt_f64x16(f64x16 a) { f64x8 h[2]; f64x16 r; __builtin_memcpy(h, &a, sizeof a); h[0] = sqrt_f64x8(h[0]); h[1] = sqrt_f64x8(h[1]); __builtin_memcpy(&r, h, sizeof a); return r; }",
        "#endif",
      ]
    `);
  });
});

describe("lets", () => {
  const i = loopAtom("i", 4);
  const lanes = 4;
  const x: Buffer = param("x", "float32", 16);
  const y: Buffer = param("y", "float32", 16);
  const at = mulIndex(i, lanes);
  const value = (name: string) => ref(name, "float32", lanes);
  const write = (body: readonly Stmt[]): string =>
    functionsOf(makeProgram("lets", [y, x], [{ atom: i, grain: 1, body }]));

  test("do not move past a store to what they read", () => {
    const register = makeBuffer("r", "float32", 2, "register", lanes);
    const zero = constant(0, "float32", lanes);
    const text = write([
      { kind: "alloc", buffer: register },
      store(register, 0, zero),
      { kind: "let", name: "old", value: load(register, 0, [], { lanes }) },
      { kind: "let", name: "unmoved", value: scalar("add", load(register, 1, [], { lanes }), value("old")) },
      { kind: "let", name: "memory", value: load(x, at, [], { lanes }) },
      store(register, 0, constant(1, "float32", lanes)),
      store(y, at, value("old")),
      store(y, at, scalar("add", value("memory"), value("unmoved"))),
    ]);
    expect(text).toMatchInlineSnapshot(`
      "
      void lets_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        f32 *y = (f32 *)args[0];
        f32 *x = (f32 *)args[1];
        for (i64 i = begin; i < end; i++) {
          f32x4 r_0, r_1;
          r_0 = splat_f32x4(0.0f);
          const f32x4 old = r_0;
          r_0 = splat_f32x4(1.0f);
          const f32x4 memory_2 = *(const f32x4u *)(x + i * 4);
          *(f32x4u *)(y + i * 4) = old;
          const f32x4 unmoved = r_1 + old;
          *(f32x4u *)(y + i * 4) = memory_2 + unmoved;
        }
      }
      "
    `);
  });

  test("do not move into loops, and vanish where nothing uses them", () => {
    const k = loopAtom("k", 9);
    const text = write([
      { kind: "let", name: "unused", value: load(x, 0) },
      { kind: "let", name: "one", value: splat(load(x, i), lanes) },
      forLoop(k, [
        { kind: "let", name: "inner", value: constant(3, "float32", lanes) },
        store(y, at, value("one")),
      ]),
    ]);
    expect(text).toMatchInlineSnapshot(`
      "
      void lets_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        f32 *y = (f32 *)args[0];
        f32 *x = (f32 *)args[1];
        for (i64 i = begin; i < end; i++) {
          const f32 unused = x[0];
          const f32x4 one = splat_f32x4(x[i]);
          for (i64 k = 0; k < 9; k++) {
            *(f32x4u *)(y + i * 4) = one;
          }
        }
      }
      "
    `);
  });

  test("may bind a name anew, with the old value in the new one", () => {
    const text = write([
      { kind: "let", name: "a", value: load(x, at, [], { lanes }) },
      { kind: "let", name: "b", value: scalar("neg", value("a")) },
      { kind: "let", name: "a", value: scalar("add", value("a"), value("b")) },
      store(y, at, scalar("mul", value("a"), value("b"))),
    ]);
    expect(text).toMatchInlineSnapshot(`
      "
      void lets_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
        f32 *y = (f32 *)args[0];
        f32 *x = (f32 *)args[1];
        for (i64 i = begin; i < end; i++) {
          const f32x4 a = *(const f32x4u *)(x + i * 4);
          const f32x4 b = -a;
          const f32x4 a_2 = a + b;
          *(f32x4u *)(y + i * 4) = a_2 * b;
        }
      }
      "
    `);
  });
});

test("names that C or the unit already uses are replaced", () => {
  const [out, x] = [param("int", "float32", 4), param("f32x4", "float32", 4)];
  const i = loopAtom("args", 4);
  expect(
    functionsOf(
      makeProgram("9 odd-name", [out, x], [{ atom: i, grain: 1, body: [store(out, i, load(x, i))] }]),
    ),
  ).toMatchInlineSnapshot(`
    "
    void v9_odd_name_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
      f32 *int_2 = (f32 *)args[0];
      f32 *f32x4_2 = (f32 *)args[1];
      for (i64 args_2 = begin; args_2 < end; args_2++) {
        int_2[args_2] = f32x4_2[args_2];
      }
    }
    "
  `);
});

test("what lowering must replace is refused by name", () => {
  const [out, x] = [param("out", "float32", 4), param("x", "float32", 4)];
  const i = loopAtom("i", 4);
  const body = [store(out, i, scalar("exp", load(x, i)))];
  expect(() => generateC([makeProgram("bad", [out, x], [{ atom: i, grain: 1, body }])])).toThrow(
    "C code for bad: there is no exp of float32; lowering must replace it",
  );
  const half = makeProgram(
    "half",
    [param("h", "float16", 4)],
    [{ atom: i, grain: 1, body: [store(out, i, constant(1, "float32"))] }],
  );
  expect(() => generateC([half])).toThrow("buffer out is not declared");
});

test("stores past the caches are the compiler's own, and are done when the phase is", () => {
  expect(functionsOf(streamed("float32", 64, 8))).toMatchInlineSnapshot(`
    "
    void streamed_float32_8_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local) {
      f32 *out = (f32 *)args[0];
      f32 *x = (f32 *)args[1];
      for (i64 i = begin; i < end; i++) {
        stream_f32x8(out + i * 16, *(const f32x8u *)(x + i * 16));
        stream_f32x8(out + i * 16 + 8, *(const f32x8u *)(x + i * 16 + 8));
      }
      stream_fence();
    }
    "
  `);
  expect(helpersOf(streamed("float32", 64, 8))).toMatchInlineSnapshot(`
    [
      "#endif",
      "#if __has_builtin(__builtin_nontemporal_store)",
      "static inline __attribute__((always_inline)) void stream_f32x8(f32 *p, f32x8 a) { __builtin_nontemporal_store(a, (f32x8 *)p); }",
      "#elif defined(__AVX__)",
      "static inline __attribute__((always_inline)) void stream_f32x8(f32 *p, f32x8 a) { __builtin_ia32_movntps256((f32 *)p, (f32x8)a); }",
      "#else",
      "static inline __attribute__((always_inline)) void stream_f32x8(f32 *p, f32x8 a) { *(f32x8 *)p = a; }",
      "#endif",
      "#if defined(__SSE__)",
      "static inline __attribute__((always_inline)) void stream_fence(void) { __builtin_ia32_sfence(); }",
      "#else",
      "static inline __attribute__((always_inline)) void stream_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }",
      "#endif",
    ]
  `);
});

test("what is asked for ahead", () => {
  const program = add(64, 4);
  const [vectors] = program.phases;
  const ahead: Stmt = { kind: "prefetch", buffer: program.params[1], index: mulIndex(vectors.atom, 64) };
  const phases = [{ ...vectors, body: [ahead, ...vectors.body] }];
  expect(functionsOf({ ...program, phases })).toContain("__builtin_prefetch(a + i * 64);");
});
