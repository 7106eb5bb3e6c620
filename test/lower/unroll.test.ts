// Loops written out: copies, their own memory, and what never runs.

import { expect, it } from "vitest";
import { parseKernel } from "../../src/kernel/parse.js";
import { printKernel } from "../../src/kernel/print.js";
import { unrollLoops } from "../../src/lower/unroll.js";

function unrolled(body: string): string {
  const kernel = parseKernel(`kernel k(out: int32[8], a: int32[8]) { ${body} }`);
  return printKernel({ ...kernel, body: unrollLoops(kernel.body) }).replace(/^.*\n|\n}$/g, "");
}

it("writes a copy for each iteration, with memory of its own", () => {
  expect(
    unrolled("for i in 2 unroll { alloc local x: int32[1] store x[0] = a[i] store out[i] = x[0] }"),
  ).toBe(
    [
      "  alloc local x_0: int32[1]",
      "  store x_0[0] = a[0]",
      "  store out[0] = x_0[0]",
      "  alloc local x_1: int32[1]",
      "  store x_1[0] = a[1]",
      "  store out[1] = x_1[0]",
    ].join("\n"),
  );
});

it("leaves out what never runs and conditions that always hold", () => {
  const loop = "for j in 4 { if (-i + 1, i + j - 1) { store out[i*4 + j] = a[i] } }";
  expect(unrolled(`for i in 3 unroll { ${loop} }`)).toBe(
    [
      "  for j in 4 {",
      "    if (j - 1) {",
      "      store out[j] = a[0]",
      "    }",
      "  }",
      "  for j in 4 {",
      "    store out[j + 4] = a[1]",
      "  }",
    ].join("\n"),
  );
});
