// Attention is one kernel, and its scores are never in device memory.

import { expect, it } from "vitest";
import { visitStatements } from "../../src/kernel/ir.js";
import { heuristicSchedule } from "../../src/schedule/heuristics/heuristics.js";
import { attention, cpuTarget, kernelsOf } from "../schedule/workloads.js";

const target = cpuTarget(64, 32, 2);

it("attention of many rows and keys is one kernel", () => {
  const kernels = kernelsOf([attention(1024, 1024, 64)], target);
  expect(kernels).toHaveLength(1);
});

it("the rows of a block share what they read of keys and values; their scores are one thread's", () => {
  const [kernel] = kernelsOf([attention(1024, 1024, 64)], target);
  const scheduled = heuristicSchedule(kernel, target);
  expect(scheduled.actions.map((a) => a.action)).toContain("distribute");
  let shared = 0;
  visitStatements(scheduled.kernel.body, (s) => {
    if (s.kind === "alloc" && s.buffer.space === "scratch") shared += s.buffer.size.max;
  });
  // The keys, laid out in panels.
  expect(shared).toBeLessThanOrEqual(1024 * 64);
});

it("keys are taken in blocks where they are many: no memory holds several rows of scores", () => {
  const kernels = kernelsOf([attention(1024, 12_000, 64)], target);
  expect(kernels).toHaveLength(1);
  const scheduled = heuristicSchedule(kernels[0], target);
  expect(scheduled.actions.map((a) => a.action)).toContain("online");
  visitStatements(scheduled.kernel.body, (s) => {
    if (s.kind === "alloc" && s.buffer.space === "local") expect(s.buffer.size.max).toBeLessThan(2 * 12_000);
  });
});
