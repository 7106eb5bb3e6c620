// Memory without pieces narrower than a word: no two iterations of a parallel loop store into one word.

import { describe, expect, it } from "vitest";
import { parseKernel } from "../../src/kernel/parse.js";
import { verifyProgram } from "../../src/kernel/verify.js";
import { lowerKernel } from "../../src/lower/lower.js";
import { difference, fill, runKernel, runProgram } from "../schedule/compare.js";
import { LIMITED_TARGET } from "../devices/limited.js";

/** The phases of a kernel as `name:iterations`; `once` is one thread. */
function phases(text: string): string[] {
  const kernel = parseKernel(text);
  const program = lowerKernel(kernel, LIMITED_TARGET);
  verifyProgram(program);
  const memory = fill(kernel);
  expect(difference(kernel, runKernel(kernel, memory), runProgram(program, memory))).toBeUndefined();
  return program.phases.map(({ atom }) => `${atom.name}:${atom.extent}`);
}

describe("parallel stores of narrow elements", () => {
  it("consecutive ones are stored four at a time, the rest by one thread", () => {
    expect(
      phases("kernel k(o: uint8[67], a: uint8[67]) { for i in 67 parallel { store o[i] = a[i] } }"),
    ).toEqual(["io:16", "once:1"]);
  });
  it("rows of whole words stay parallel", () => {
    const text = `kernel k(o: int16[30], a: int16[30]) {
      for i in 5 parallel { for j in 6 { store o[i*6 + j] = a[i*6 + j] } } }`;
    expect(phases(text)).toEqual(["i:5"]);
  });
  it("rows that share words go together, four to an iteration", () => {
    const text = `kernel k(o: bool[30], a: bool[30]) {
      for i in 5 parallel { for j in 6 { store o[i*6 + j] = a[i*6 + j] } } }`;
    expect(phases(text)).toEqual(["io:1", "once:1"]);
  });
  it("an offset within a word makes it one thread's", () => {
    expect(
      phases("kernel k(o: uint8[67], a: uint8[64]) { for i in 64 parallel { store o[i + 3] = a[i] } }"),
    ).toEqual(["once:1"]);
  });
  it("of two parallel loops the outer one stays, if its rows are whole words", () => {
    const text = `kernel k(o: uint8[40], a: uint8[40]) {
      for i in 5 parallel { for j in 8 parallel { store o[i*8 + j] = a[i*8 + j] } } }`;
    expect(phases(text)).toEqual(["i:5"]);
  });
  it("what phases share lies in words too", () => {
    const text = `kernel k(o: uint8[8], a: uint8[5]) {
      alloc local row: uint8[5]
      for i in 5 parallel { store row[i] = add(a[i], uint8:1) }
      for j in 8 parallel { store o[j] = row[j % 5] } }`;
    expect(phases(text)).toEqual(["io:1", "once:1", "jo:2"]);
  });
  it("elements of 32 bits are left alone", () => {
    expect(
      phases(
        "kernel k(o: float32[9], a: uint8[9]) { for i in 9 parallel { store o[i] = cast.float32(a[i]) } }",
      ),
    ).toEqual(["i:9"]);
  });
});
