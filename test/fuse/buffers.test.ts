// What the fuser promises of buffers: no more of them than a device allows, and each stored where its elements belong.

import { describe, expect, it } from "vitest";
import { INTERPRETER_TARGET } from "../../src/device/interpreter/device.js";
import * as g from "../../src/graph/node.js";
import { visitStatements } from "../../src/kernel/ir.js";
import { printKernel } from "../../src/kernel/print.js";
import { kernelsOf, leaf } from "../schedule/workloads.js";

describe("kernels of few buffers", () => {
  const target = { ...INTERPRETER_TARGET, maxBuffers: 8 };
  /** Parameters, each with its own gradient and moment, updated together: many results that share a factor. */
  function updates(count: number): g.Node[] {
    const rate = g.reduceNode(leaf([30]), "max", [0]);
    return Array.from({ length: count }, (_, i) => [leaf([3 + i]), leaf([3 + i]), leaf([3 + i])]).flatMap(
      ([value, change, moment]) => {
        const next = g.binary("add", moment, change);
        return [next, g.binary("sub", value, g.binary("mul", next, g.expand(rate, value.shape)))];
      },
    );
  }
  for (const count of [1, 3, 12]) {
    it(`${count} updates`, () => {
      const kernels = kernelsOf(updates(count), target);
      expect(Math.max(...kernels.map((kernel) => kernel.params.length))).toBeLessThanOrEqual(8);
    });
  }
  it("a sum of 40 tensors", () => {
    const sum = Array.from({ length: 40 }, () => leaf([9])).reduce((x, y) => g.binary("add", x, y));
    const kernels = kernelsOf([sum], target);
    expect(Math.max(...kernels.map((kernel) => kernel.params.length))).toBeLessThanOrEqual(8);
    expect(kernels.length).toBeLessThanOrEqual(8);
  });
});

it("a value used at a gathered position is no side output of its user", () => {
  const total = g.reduceNode(leaf([3, 2]), "add", [0]);
  const taken = g.gather(total, g.expand(leaf([1, 1], "int32"), [1, 2]), 0);
  for (const kernel of kernelsOf([total, g.unary("floor", taken)], INTERPRETER_TARGET)) {
    visitStatements(kernel.body, (s) => {
      const loaded =
        s.kind === "store" && s.index.terms.some(({ atoms }) => atoms.some((a) => a.kind === "loaded"));
      expect(loaded, printKernel(kernel)).toBe(false);
    });
  }
});
