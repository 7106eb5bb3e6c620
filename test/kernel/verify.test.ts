// The verifier accepts what is well formed and names what is not. Kernels are given as text.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { loopAtom, toIndex } from "../../src/kernel/index.js";
import { constant, forLoop, load, makeBuffer, scalar, store } from "../../src/kernel/ir.js";
import { parseKernel, parseProgram } from "../../src/kernel/parse.js";
import { verifyKernel, verifyProgram } from "../../src/kernel/verify.js";

const folder = new URL("./ir/", import.meta.url);
test.each(readdirSync(folder))("%s is well formed", (file) => {
  const text = readFileSync(new URL(file, folder), "utf8");
  if (/^program/m.test(text)) verifyProgram(parseProgram(text));
  else verifyKernel(parseKernel(text));
});

const kernel = (body: string): string =>
  `kernel k(f: float32[8], h: float16[8], i: int32[8], b: int8[8]) with verify_n in [1, 8] { ${body} }`;
const program = (body: string, local = 256): string =>
  `program k(f: float32[8], d: float64[8], i: int32[8], b: int8[8]) with verify_n in [1, 8] local ${local} flops 0 bytes 0
   { phase p in 2 grain 1 { ${body} } }`;

describe("kernels", () => {
  test.each([
    "store f[0] = add(f[1], f[7])",
    "for x in 9 { store f[x] = f[x] when (-x + 7) }", // not certainly outside
    "if (-verify_n + 0) { store f[9] = f[1] }", // never happens
    "for x in 4 parallel { for y in 2 { store f[x*2 + y] = float32:1 } }",
    "for x in 4 parallel { alloc local t: float32[1] accumulate add t[0] = f[x] store f[x] = t[0] }",
    "for x in 4 parallel { if (-x) { store f[0] = float32:1 } }",
    "for x in verify_n unroll { accumulate max h[0] = h[x] }",
    "store i[{i[0]}] = int32(verify_n)",
  ])("%s", (body) => verifyKernel(parseKernel(kernel(body))));

  test.each([
    ["store f[0] = h[0]", "a value of float16 is stored in f, which is float32"],
    ["store f[8] = f[0]", "index 8, in [8, 8], is certainly outside f, of 8 elements"],
    ["for x in 4 { store f[0] = f[x - 4] }", "index x - 4, in [-4, -1], is certainly outside f"],
    ["store f[0] = add(f[0], i[0])", "add of operands of different dtypes: float32, int32"],
    ["store f[0] = and(f[0], f[1])", "and is not defined on float32"],
    ["store i[0] = exp(i[0])", "exp is not defined on int32"],
    ["store i[0] = where(i[0], i[1], i[2])", "the condition of where is int32, not bool"],
    ["store i[0] = quot(i[0], i[1])", "quot of int32 appears only after lowering"],
    ["store f[0] = extract.0(f[0] as float32x4)", "appears only after lowering"],
    ["store f[0] = shuffle.0_1(f[0] as float32x2, f[2] as float32x2)", "appears only after lowering"],
    ["store i[0] = b[0] as int32", "a load of int32 from b, which is int8"],
    ["store i[0] = bitcast.int32(h[0])", "bitcast of float16 to int32: their widths differ"],
    ["store f[0] = float32(verify_n)", "an index as a value of float32"],
    ["store f[{f[0]}] = float32:0", "a value of float32 is used as an index"],
    ["let $x = f[0]", "let appears only after lowering"],
    ["accumulate add f[0] = h[0]", "a value of float16 is accumulated in f"],
    ["for x in 2 { alloc scratch s: float32[4] }", "scratch buffer s is allocated inside a loop"],
    ["alloc register r: float32[4]", "buffer r is register; here it must be local or scratch"],
    ["for x in 4 parallel { store f[0] = f[x] }", "every iteration of the parallel loop over x writes f[0]"],
    ["for x in 4 parallel { for y in 2 { accumulate add f[y] = f[x] } }", "loop over x writes f[y]"],
  ])("%s: %s", (body, message) => {
    expect(() => verifyKernel(parseKernel(kernel(body)))).toThrow(message);
  });

  test("what no text can say: unbound atoms, buffers never declared, a loop inside itself", () => {
    const [out, other] = [
      makeBuffer("out", "float32", 4, "global"),
      makeBuffer("other", "float32", 4, "global"),
    ];
    const x = loopAtom("x", 4);
    const verify = (...body: Parameters<typeof verifyKernel>[0]["body"]): void =>
      verifyKernel({ name: "k", params: [out], symbols: [], body });
    const one = constant(1, "float32");
    expect(() => verify(store(out, x, one))).toThrow(
      "k: in `store out[x] = float32:1`: loop variable x is not bound here",
    );
    expect(() => verify(forLoop(x, []), store(out, x, one))).toThrow("x is not bound");
    expect(() => verify(store(out, 0, load(other, 0)))).toThrow("buffer other is not declared here");
    expect(() => verify(store(other, 0, one))).toThrow("buffer other is not declared here");
    expect(() => verify(forLoop(x, [forLoop(x, [])]))).toThrow("x is already the variable of a loop around");
    let deep = load(out, 0);
    for (let n = 0; n < 20_000; n++) deep = scalar("neg", deep);
    verify({ kind: "if", valid: [toIndex(1)], body: [store(out, 0, deep)] });
  });
});

describe("programs", () => {
  test.each([
    "store f[p*4] = add(f[p*4] as float32x4, splat.4(f[0]))",
    "store b[p] = add(b[p] as int32, int32:1)",
    "alloc local t: float32[16] at 0 alloc local u: float32[16] at 64 store t[0] = u[0]",
    "if (p - 1) { alloc local t: float32[64] at 0 } if (-p) { alloc local u: float32[64] at 0 }",
    "letIndex at in [0, 4] = p*4 store f[at] = float32x4:1",
  ])("%s", (body) => verifyProgram(parseProgram(program(body))));

  test.each([
    ["store f[p] = exp(f[0])", "exp on float32 should have been expanded by lowering"],
    ["store b[p] = b[0]", "load of int8: a machine has no registers of this dtype"],
    ["store f[p*3] = pack(f[0], f[1], f[2])", "pack of float32x3: not a power of two"],
    ["store f[0] = f[1]", "every iteration of the parallel loop over p writes f[0]"],
    ["store f[p] = add(f[0], splat.4(f[0]))", "add of float32x4 has an operand of float32"],
    ["store f[p] = d[0]", "a value of float64 is stored in f, which is float32"],
    ["accumulate add f[p] = f[0]", "accumulate does not appear after lowering"],
    ["for x in 2 unroll { store f[p] = f[x] }", "a unroll loop; after lowering loops are serial"],
    ["alloc register r: float32x4[2] store r[p] = float32x4:0", "register buffer r is addressed by p"],
    [
      "alloc register r: float32x4[2] store r[0] = float32:0",
      "register buffer r has 4 lanes; the access has 1",
    ],
    ["alloc register r: float32x4[2] store r[2] = float32x4:0", "is certainly outside r, of 2 elements"],
    ["alloc local t: float32[64]", "local buffer t has no offset"],
    ["alloc local t: float32[4] at 32", "offset 32 is not a multiple of 64"],
    ["alloc local t: float32[65] at 0", "bytes 0 to 260 exceed 256 bytes of local memory"],
    ["alloc local t: float32[17] at 0 alloc local u: float32[4] at 64", "u overlaps t at bytes 0 to 68"],
    ["alloc local t: bfloat16[4] at 0", "local buffer t is bfloat16, which lowering should have replaced"],
    [
      "alloc local t: float16[4] at 0 store t[0] = neg(t[1])",
      "neg of float16: a machine has no registers of this dtype",
    ],
    ["alloc local t: float16[4] at 0 store i[p] = cast.int32(t[0])", "cast of float16 to int32"],
    ["alloc scratch t: float32[4] at 0", "buffer t is scratch; here it must be local or register"],
    ["store f[p*4 + 5] = float32x4:0", "index p*4 + 5, in [5, 9], is certainly outside f"],
    ["letIndex at in [0, 4] = p + 5", "the index is in [5, 6], outside at's range [0, 4]"],
    ["store f[p] = bitcast.float32(int64:0)", "their widths differ"],
  ])("%s: %s", (body, message) => {
    expect(() => verifyProgram(parseProgram(program(body)))).toThrow(message);
  });
});
