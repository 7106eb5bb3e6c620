// Scatters as shuffles and vector stores: which go, which stay, and that memory is the same.

import { expect, it } from "vitest";
import { visitStatements } from "../../src/kernel/ir.js";
import { parseKernel } from "../../src/kernel/parse.js";
import { verifyProgram } from "../../src/kernel/verify.js";
import { lowerKernel } from "../../src/lower/lower.js";
import { difference, fill, runKernel, runProgram } from "../schedule/compare.js";
import { cpuTarget } from "../schedule/workloads.js";

const target = cpuTarget(64, 32, 1);

/** The stores of the lowered kernel, by their lanes. */
function stores(text: string): Record<number, number> {
  const kernel = parseKernel(text);
  const program = lowerKernel(kernel, target);
  verifyProgram(program);
  const memory = fill(kernel);
  expect(difference(kernel, runKernel(kernel, memory), runProgram(program, memory))).toBeUndefined();
  const found: Record<number, number> = {};
  for (const { body } of program.phases) {
    visitStatements(body, (s) => {
      if (s.kind === "store" && s.buffer.space !== "register")
        found[s.value.lanes] = (found[s.value.lanes] ?? 0) + 1;
    });
  }
  return found;
}

const scatter = (rows: number, lanes: number, apart: number) => `kernel k(o: float32[400], a: float32[400]) {
  for i in ${rows} unroll { for j in ${lanes} vectorize {
    store o[j*${apart} + i] = neg(a[i*${lanes} + j]) } } }`;

it("as many vectors as lanes are transposed", () => expect(stores(scatter(4, 4, 20))).toEqual({ 4: 4 }));
it("fewer give parts of vectors", () => expect(stores(scatter(4, 16, 20))).toEqual({ 4: 16 }));
it("a last block overlaps the one before", () => expect(stores(scatter(7, 8, 20))).toEqual({ 4: 16 }));
it("two or three stay as they are", () => expect(stores(scatter(3, 8, 20))).toEqual({ 1: 24 }));
it("rows that are not side by side stay as they are", () =>
  expect(stores(scatter(4, 4, 20).replace("+ i]", "+ i*2]"))).toEqual({ 1: 16 }));
it("vectors that fill the distance between their lanes are interleaved, one stored twice as well", () => {
  const twice = "kernel k(o: float32[32], a: float32[16]) { for i in 2 unroll { for j in 16 vectorize {";
  expect(stores(`${twice} store o[j*2 + i] = a[j] } } }`)).toEqual({ 16: 2 });
  expect(stores(scatter(2, 16, 2))).toEqual({ 16: 2 });
});
it("hints what to fetch next stand before them", () => {
  const hinted = scatter(2, 16, 2).replace("store o", "prefetch a[i*16 + 32] store o");
  expect(stores(hinted)).toEqual({ 16: 2 });
});
