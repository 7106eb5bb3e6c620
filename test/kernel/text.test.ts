// The text form: what is printed parses to what prints the same; the .ir files are in the printer's own form.

import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { addIndex, loopAtom, mulIndex, toIndex } from "../../src/kernel/index.js";
import {
  constant,
  type Expr,
  forLoop,
  type Kernel,
  load,
  makeBuffer,
  scalar,
  type Stmt,
  store,
  type StoreStmt,
} from "../../src/kernel/ir.js";
import { parseKernel, parseProgram } from "../../src/kernel/parse.js";
import { printExpr, printKernel, printProgram, printStatement } from "../../src/kernel/print.js";
import type { DType, Scalar } from "../../src/scalar/dtype.js";

const folder = new URL("./ir/", import.meta.url);
const stripComments = (text: string): string => text.replace(/^\s*\/\/.*\n/gm, "").trimEnd();

describe("every .ir file prints as it is written", () => {
  test.each(readdirSync(folder))("%s", (file) => {
    const text = readFileSync(new URL(file, folder), "utf8");
    const printed = /^program/m.test(text)
      ? printProgram(parseProgram(text))
      : printKernel(parseKernel(text));
    expect(printed).toBe(stripComments(text));
  });
});

const roundTrip = (kernel: Kernel): string => {
  const text = printKernel(kernel);
  expect(printKernel(parseKernel(text))).toBe(text);
  return text;
};
const out = makeBuffer("out", "float32", 64, "global");
const kernelOf = (value: Expr): Kernel => ({
  name: "k",
  params: [out],
  symbols: [],
  body: [store(out, 0, value)],
});

test.each<[DType, Scalar]>([
  ["float32", -0],
  ["float32", 0],
  ["float32", Number.NaN],
  ["float32", Number.POSITIVE_INFINITY],
  ["float64", Number.NEGATIVE_INFINITY],
  ["float64", 5e-324],
  ["float64", 1.7976931348623157e308],
  ["float32", 0.1],
  ["int32", -(2 ** 31)],
  ["int64", -(2n ** 63n)],
  ["uint64", 2n ** 64n - 1n],
  ["uint32", 2 ** 32 - 1],
  ["float16", 65504],
  ["bool", true],
  ["bool", false],
])("the constant %s %s survives", (dtype, value) => {
  const x = constant(value, dtype);
  const text = roundTrip(kernelOf(x));
  const [s] = parseKernel(text).body;
  expect(s.kind === "store" && s.value).toBe(x);
});

test("what is asked for ahead may lie outside", () => {
  const kernel = kernelOf(constant(1, "float32"));
  const ahead: Stmt = { kind: "prefetch", buffer: out, index: toIndex(1000) };
  expect(parseKernel(roundTrip({ ...kernel, body: [ahead, ...kernel.body] })).body).toMatchObject([
    { kind: "prefetch", index: { constant: 1000 } },
    { kind: "store" },
  ]);
});

test("a store past the caches stays one", () => {
  const kernel = kernelOf(constant(1, "float32"));
  const streamed = { ...kernel, body: kernel.body.map((s): Stmt => ({ ...s, stream: true }) as StoreStmt) };
  expect(parseKernel(roundTrip(streamed)).body[0]).toMatchObject({ kind: "store", stream: true });
  expect(parseKernel(roundTrip(kernel)).body[0]).not.toHaveProperty("stream");
});

test("a store to places of its own stays one", () => {
  const kernel = kernelOf(constant(1, "float32"));
  const apart = { ...kernel, body: kernel.body.map((s): Stmt => ({ ...s, distinct: true }) as StoreStmt) };
  expect(parseKernel(roundTrip(apart)).body[0]).toMatchObject({ kind: "store", distinct: true });
  expect(parseKernel(roundTrip(kernel)).body[0]).not.toHaveProperty("distinct");
});

test("the same names get different ones where both are visible, and only there", () => {
  const [i, j, again] = [loopAtom("i", 4), loopAtom("i", 8), loopAtom("i", 3)];
  const other = makeBuffer("out", "float32", 8, "local");
  const body = [
    forLoop(i, [
      { kind: "alloc", buffer: other },
      forLoop(j, [store(other, j, load(out, addIndex(mulIndex(i, 8), j)))]),
    ] as const),
    forLoop(again, [store(out, again, constant(1, "float32"))]),
  ];
  const text = roundTrip({ name: "k", params: [out], symbols: [], body });
  expect(text).toContain("store out_2[i_2] = out[i*8 + i_2]");
  expect(text).toContain("for i in 3 {");
});

test("shared and deep expressions take lines, in linear size", () => {
  let x = load(out, 1);
  for (let n = 0; n < 3000; n++) x = scalar("mul", scalar("add", x, x), x);
  expect(roundTrip(kernelOf(x)).split("\n").length).toBe(3 + 2 * 3000 - (3000 - 1) - 1);
  x = load(out, 1);
  for (let n = 0; n < 3000; n++) x = scalar("add", x, constant(n, "float32"));
  expect(
    Math.max(
      ...roundTrip(kernelOf(x))
        .split("\n")
        .map((line) => line.length),
    ),
  ).toBeLessThan(250);
});

test("terms are printed by stride, however their atoms were made", () => {
  const [k, j, i] = [loopAtom("k", 4), loopAtom("j", 8), loopAtom("i", 3)];
  const index = addIndex(j, mulIndex(i, 32), mulIndex(k, 8), 1);
  const body = [forLoop(i, [forLoop(j, [forLoop(k, [store(out, index, load(out, index))])])])];
  expect(roundTrip({ name: "k", params: [out], symbols: [], body })).toContain("[i*32 + k*8 + j + 1]");
});

test("single statements and expressions print", () => {
  expect(printStatement(store(out, 0, constant(-0, "float32")))).toBe("store out[0] = float32:-0");
  expect(printExpr(scalar("add", load(out, 3), constant(1, "float32")))).toBe("add(out[3], float32:1)");
});

test.each([
  ["kernel k(a: float99[3]) {}", "line 1: expected a dtype, found float99"],
  ["kernel k(a: int32[3]) {\n store b[0] = a[1] }", "line 2: there is no buffer b here"],
  ["kernel k(a: int32[3]) {\n\n store a[i] = a[1] }", "line 3: there is no index variable i here"],
  ["kernel k(a: int32[3]) { store a[0] = neg(a[1], a[2]) }", "neg takes 1 operands, got 2"],
  ["kernel k(a: int32[3]) { store a[0] = jump(a[1]) }", "there is no operation jump"],
  ["kernel k(a: int32[3]) { store a[0] = %1 }", "%1 is not defined here"],
  ["kernel k(a: int32[3]) { add }", "expected a statement, found add"],
  ["kernel k(a: int32[3]) { store a[0] = a[0]; }", 'line 1: ";" means nothing here'],
  ["kernel k(a: int32[3]) {", "expected a statement, found end of text"],
])("%s is refused", (text, message) => {
  expect(() => parseKernel(text)).toThrow(message);
});
