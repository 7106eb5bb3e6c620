// Gathers as vector loads and shuffles: which packs go, which stay, and that values are the same.

import { describe, expect, it } from "vitest";
import { exprsOf, loadsOf, topologicalOrder, visitStatements } from "../../src/kernel/ir.js";
import { parseKernel } from "../../src/kernel/parse.js";
import { verifyProgram } from "../../src/kernel/verify.js";
import { lowerKernel } from "../../src/lower/lower.js";
import { difference, fill, runKernel, runProgram } from "../schedule/compare.js";
import { cpuTarget } from "../schedule/workloads.js";

const target = cpuTarget(64, 32, 1);

/** How many packs and shuffles the lowered kernel has, and how many scalars it loads. */
function counts(text: string) {
  const kernel = parseKernel(text);
  const program = lowerKernel(kernel, target);
  verifyProgram(program);
  const memory = fill(kernel);
  expect(difference(kernel, runKernel(kernel, memory), runProgram(program, memory))).toBeUndefined();
  const found = { pack: 0, shuffle: 0, scalars: 0 };
  for (const { body } of program.phases) {
    found.scalars += loadsOf(body).filter((x) => x.lanes === 1).length;
    visitStatements(body, (s) => {
      for (const x of topologicalOrder(exprsOf(s))) if (x.op === "pack" || x.op === "shuffle") found[x.op]++;
    });
  }
  return found;
}

/** How many vectors the lowered kernel loads from memory. */
function vectors(text: string): number {
  const loads = lowerKernel(parseKernel(text), target).phases.flatMap(({ body }) => loadsOf(body));
  return new Set(loads.filter((x) => x.lanes > 1 && x.buffer.space === "global")).size;
}

describe("tiles", () => {
  it("are transposed in log2(lanes) shuffles a row", () => {
    const text = `kernel k(o: float32[16], a: float32[16]) {
      for i in 4 unroll { for j in 4 vectorize { store o[i*4 + j] = a[j*4 + i] } } }`;
    expect(counts(text)).toEqual({ pack: 0, shuffle: 8, scalars: 0 });
  });
  it("stay near their edges and beside what surrounds them", () => {
    const text = `kernel k(o: float32[48], a: float32[60], b: float32[48]) {
      for h in 2 { for i in 4 unroll { for j in 4 vectorize {
        store o[h*16 + i*4 + j] = mul(a[j*12 + i + h*4 + 1], b[h*16 + i*4 + j]) } } } }`;
    expect(counts(text)).toEqual({ pack: 0, shuffle: 8, scalars: 0 });
  });
  it("that miss a row are gathered", () => {
    const text = `kernel k(o: float32[16], a: float32[16]) {
      for i in 3 unroll { for j in 4 vectorize { store o[i*4 + j] = a[j*4 + i] } } }`;
    expect(counts(text)).toEqual({ pack: 3, shuffle: 0, scalars: 12 });
  });
  it("whose rows lie unevenly are tiles as well", () => {
    const text = `kernel k(o: float32[16], a: float32[40]) {
      for i in 4 unroll { for j in 4 vectorize { store o[i*4 + j] = a[(j*7 % 4)*9 + i] } } }`;
    expect(counts(text)).toEqual({ pack: 0, shuffle: 8, scalars: 0 });
  });
  it("read behind a condition are read behind it as vectors", () => {
    const text = `kernel k(o: float32[32], a: float32[16]) {
      for h in 2 { for i in 4 unroll { for j in 4 vectorize {
        store o[h*16 + i*4 + j] = a[j*4 + i] when (-h) } } } }`;
    expect(counts(text)).toEqual({ pack: 0, shuffle: 8, scalars: 0 });
  });
  it("that a statement between two rows writes are read again", () => {
    const text = `kernel k(a: float32[40]) {
      for i in 4 unroll { for j in 4 vectorize { store a[i*4 + j] = a[j*4 + i + 16] }
        store a[i + 17] = float32:5 } }`;
    expect(counts(text).pack).toBe(0);
  });
});

describe("runs", () => {
  const run = (place: string): string =>
    `kernel k(o: int32[8], a: int32[15]) { for j in 8 vectorize { store o[j] = a[${place}] } }`;
  it("backwards are one vector", () => {
    expect(counts(run("7 - j"))).toEqual({ pack: 0, shuffle: 1, scalars: 0 });
  });
  it("of every other element are two, and read nothing beyond the last", () => {
    expect(counts(run("j*2"))).toEqual({ pack: 0, shuffle: 1, scalars: 0 });
    expect(counts(run("14 - j*2"))).toEqual({ pack: 0, shuffle: 1, scalars: 0 });
  });
  it("of which one leaves out what the other takes come from the same two vectors", () => {
    const text = `kernel k(o: int32[16], a: int32[16]) {
      for i in 2 unroll { for j in 8 vectorize { store o[i*8 + j] = a[j*2 + i] } } }`;
    expect(counts(text)).toEqual({ pack: 0, shuffle: 2, scalars: 0 });
    expect(vectors(text)).toBe(2);
  });
  it("that share nothing, or are written in between, are read each by themselves", () => {
    const apart = `kernel k(o: int32[16], a: int32[19]) {
      for i in 2 unroll { for j in 8 vectorize { store o[i*8 + j] = a[j*2 + i*2] } } }`;
    expect(vectors(apart)).toBe(4);
    const written = `kernel k(o: int32[8], a: int32[16]) {
      for i in 2 unroll { for j in 8 vectorize { accumulate add o[j] = a[j*2 + i] }
        store a[i*2 + 1] = int32:5 } }`;
    expect(counts(written).pack).toBe(0);
  });
  it("in uneven steps are gathered", () => {
    expect(counts(run("j + (j / 3)"))).toEqual({ pack: 1, shuffle: 0, scalars: 8 });
  });
});
