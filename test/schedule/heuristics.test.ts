// The schedules that brisc chooses by itself compute what the kernel did, on targets of all kinds, at every stage.

import { describe, expect, it } from "vitest";
import type { Target } from "../../src/device/target.js";
import { type Kernel, loadsOf } from "../../src/kernel/ir.js";
import { parseKernel } from "../../src/kernel/parse.js";
import { printKernel, printProgram } from "../../src/kernel/print.js";
import { verifyKernel, verifyProgram } from "../../src/kernel/verify.js";
import { lowerKernel } from "../../src/lower/lower.js";
import { unrollLoops } from "../../src/lower/unroll.js";
import * as g from "../../src/graph/node.js";
import { heuristicSchedule } from "../../src/schedule/heuristics/heuristics.js";
import { bytesOf, type DType } from "../../src/scalar/dtype.js";
import { LIMITED_TARGET } from "../devices/limited.js";
import { backwards, difference, fill, phasesBackwards, runKernel, runProgram } from "./compare.js";
import { cpuTarget, kernelsOf, leaf, matmul, parsedTexts, softmax, TEXTS, WORKLOADS } from "./workloads.js";

const TARGETS: readonly Target[] = [
  cpuTarget(16, 16, 1),
  cpuTarget(16, 16, 4),
  cpuTarget(32, 16, 2),
  cpuTarget(64, 32, 2),
  LIMITED_TARGET,
];

function check(kernel: Kernel, target: Target): void {
  verifyKernel(kernel);
  const memory = fill(kernel);
  const expected = runKernel(kernel, memory);
  const scheduled = heuristicSchedule(kernel, target).kernel;
  verifyKernel(scheduled);
  expect(difference(kernel, expected, runKernel(scheduled, memory)), "scheduled").toBeUndefined();
  const reversed = { ...scheduled, body: backwards(scheduled.body) };
  expect(difference(kernel, expected, runKernel(reversed, memory)), "backwards").toBeUndefined();
  const unrolled = { ...scheduled, body: unrollLoops(scheduled.body) };
  verifyKernel(unrolled);
  expect(difference(kernel, expected, runKernel(unrolled, memory)), "unrolled").toBeUndefined();
  const program = lowerKernel(scheduled, target, kernel);
  verifyProgram(program);
  expect(difference(kernel, expected, runProgram(program, memory)), "lowered").toBeUndefined();
  const other = phasesBackwards(program);
  expect(difference(kernel, expected, runProgram(other, memory)), "phases backwards").toBeUndefined();
}

it("what no cache holds is stored past the caches", () => {
  const target = { ...cpuTarget(64, 32, 2), cacheBytes: 4096 };
  for (const [name, streams] of [
    ["elementwise, many", true],
    ["softmax of one long row", true],
    ["elementwise", false],
    ["sum of many", false],
  ] as const) {
    for (const kernel of kernelsOf(WORKLOADS[name](), target)) {
      const { actions } = heuristicSchedule(kernel, target);
      expect(
        actions.some(({ action }) => action === "stream"),
        name,
      ).toBe(streams);
      check(kernel, target);
    }
  }
});

it("many rows are added up by threads that take whole rows", () => {
  const target = { ...cpuTarget(32, 16, 2), l2Bytes: 2 ** 12 };
  const divides = (root: g.Node): boolean[] =>
    kernelsOf([root], target).map((kernel) => {
      check(kernel, target);
      return heuristicSchedule(kernel, target).actions.some(({ action }) => action === "distribute");
    });
  expect(divides(g.reduceNode(leaf([1030, 21]), "add", [0]))).toEqual([true]);
  expect(divides(g.unary("neg", g.reduceNode(leaf([1024, 8]), "max", [0])))).toEqual([true]);
  expect(divides(g.reduceNode(leaf([100, 200]), "add", [0])), "few rows").toEqual([false]);
  expect(divides(g.reduceNode(leaf([1030, 5]), "add", [0])), "less than a vector").toEqual([false]);
});

it("operands of products are packed where their rows lie too far apart for a cache", () => {
  const packs = (root: g.Node, l2Bytes: number): number[] =>
    kernelsOf([root], cpuTarget(64, 32, 2)).map((kernel) => {
      const target = { ...cpuTarget(64, 32, 2), l2Bytes };
      check(kernel, target);
      return heuristicSchedule(kernel, target).actions.filter(({ action }) => action === "stage").length;
    });
  const product = (rows: number): g.Node => matmul(leaf([rows, 60]), leaf([60, 80]));
  const transposed = matmul(g.permute(leaf([60, 80]), [1, 0]), leaf([60, 80]));
  expect(packs(product(80), 2 ** 15), "the right one").toEqual([1]);
  expect(packs(transposed, 2 ** 15), "both").toEqual([2]);
  expect(packs(product(80), 2 ** 16), "all stays near").toEqual([0]);
  expect(packs(product(56), 2 ** 15), "few rows").toEqual([0]);
});

it("a row lies in the output that is computed from it, where programs cannot say what caches do", () => {
  const overlays = (target: Target): boolean[] =>
    kernelsOf([softmax(leaf([20, 100]), 1)], target).map((kernel) => {
      check(kernel, target);
      return heuristicSchedule(kernel, target).actions.some(({ action }) => action === "overlay");
    });
  expect(overlays(cpuTarget(16, 16, 2))).toEqual([true]);
  expect(overlays({ ...cpuTarget(16, 16, 2), cacheBytes: 2 ** 20 })).toEqual([false]);
});

it("threads pack for themselves where there are panels for all, and fetch them ahead", () => {
  const near = (root: g.Node, threads: number): boolean[] =>
    kernelsOf([root], cpuTarget(64, 32, threads)).map((kernel) => {
      const target = { ...cpuTarget(64, 32, threads), l1Bytes: 4096, l2Bytes: 2 ** 17, cacheBytes: 2 ** 30 };
      check(kernel, target);
      const { actions } = heuristicSchedule(kernel, target);
      const packs = actions.some((a) => a.action === "stage" && a.space === "local");
      expect(actions.some((a) => a.action === "prefetch")).toBe(true);
      return packs;
    });
  const product = matmul(leaf([64, 70]), leaf([70, 256]));
  expect(near(product, 2)).toEqual([true]);
  expect(near(product, 16), "fewer panels than threads want").toEqual([false]);
});

it("rows that are read, then computed with, are asked for ahead", () => {
  const target = { ...cpuTarget(64, 32, 2), cacheBytes: 2 ** 30, l2Bytes: 2 ** 16 };
  const asksAhead = (root: g.Node): boolean[] =>
    kernelsOf([root], target).map((kernel) => {
      check(kernel, target);
      return heuristicSchedule(kernel, target).actions.some(({ action }) => action === "prefetch");
    });
  expect(asksAhead(softmax(leaf([20, 1024]), 1))).toEqual([true]);
  expect(asksAhead(softmax(leaf([200, 100]), 1)), "short rows").toEqual([false]);
  expect(asksAhead(softmax(leaf([9, 1024]), 1)), "little").toEqual([false]);
  expect(asksAhead(g.reduceNode(leaf([20, 1024]), "add", [1])), "without pause").toEqual([false]);
});

it("what a few iterations read is loaded once for them, as vectors", () => {
  const target = cpuTarget(64, 32, 2);
  for (const name of ["pixels twice", "four bits as floats", "four bits, scaled, matrix times vector"]) {
    for (const kernel of kernelsOf(WORKLOADS[name](), target)) {
      const { kernel: scheduled } = heuristicSchedule(kernel, target);
      const text = printProgram(lowerKernel(scheduled, target, kernel));
      // Lane by lane, addresses would be divided.
      expect(text, name).not.toMatch(/\[[^\]]* \/ [^\]]*\]/);
      expect(text, name).toMatch(/as (uint32|int32|float32)x16/);
    }
  }
});

it("rows with an operand in common are summed together, others each for itself", () => {
  const target = cpuTarget(16, 16, 2);
  for (const rows of [5, 64, 67]) {
    const shape = [rows, 70];
    const common = g.binary("mul", leaf(shape), g.expand(g.reshape(leaf([70]), [1, 70]), shape));
    const own = g.binary("mul", leaf(shape), leaf(shape));
    for (const [root, several] of [
      [common, rows >= 64],
      [own, false],
    ] as const) {
      for (const kernel of kernelsOf([g.reduceNode(root, "add", [1])], target)) {
        const { actions } = heuristicSchedule(kernel, target);
        const [outer] = actions.flatMap((x) => (x.action === "parallel" ? [x.loop] : []));
        expect(outer.endsWith("o"), `${rows} rows`).toBe(several);
        check(kernel, target);
      }
    }
  }
});

it("lanes of scaled sums of groups are joined once, not for each group", () => {
  for (const name of ["four bits, sums of groups", "sums of groups, scaled, of two rows"]) {
    for (const target of TARGETS.slice(0, 4)) {
      const actions = kernelsOf(WORKLOADS[name](), target).flatMap(
        (kernel) => heuristicSchedule(kernel, target).actions,
      );
      expect(
        actions.map(({ action }) => action),
        name,
      ).toContain("raise");
    }
  }
});

describe.each([cpuTarget(64, 32, 2), cpuTarget(16, 16, 2)])("on vectors of $vectorBytes bytes", (target) => {
  const narrow = [
    "float16",
    "bfloat16",
    "float8e4m3",
    "float8e5m2",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "bool",
  ];
  it.each(narrow as DType[])("%s is loaded by vectors only", (dtype) => {
    const x = leaf([64, 512], dtype);
    const floats = g.castNode(x, "float32");
    for (const root of [
      g.binary("mul", floats, floats),
      g.reduceNode(floats, "add", [0]),
      g.reduceNode(floats, "add", [1]),
      g.reduceNode(g.castNode(x, "int32"), "add", [0, 1]),
      matmul(floats, leaf([512, 1])),
      matmul(leaf([1, 64]), floats),
    ]) {
      for (const kernel of kernelsOf([root], target)) {
        const { kernel: scheduled } = heuristicSchedule(kernel, target);
        const { phases } = lowerKernel(scheduled, target, kernel);
        const loads = phases
          .flatMap(({ body }) => loadsOf(body))
          .filter(({ buffer }) => bytesOf(buffer.dtype) < 4);
        expect(loads.length).toBeGreaterThan(0);
        for (const { lanes } of loads) expect(lanes, printKernel(kernel)).toBe(target.vectorBytes / 4);
      }
    }
  });
});

it("vectors run along outputs where each takes few terms, and those of pairs interleave", () => {
  const target = cpuTarget(64, 32, 2);
  for (const name of ["largest of pairs", "pairs, some"]) {
    const kernel = parseKernel(TEXTS[name]);
    const text = printProgram(lowerKernel(heuristicSchedule(kernel, target).kernel, target, kernel));
    expect(text, name).toContain("shuffle.0_8_1_9_2_10_3_11");
  }
  const short = parseKernel(TEXTS["largest of pairs"].replace("x in 11", "x in 3"));
  const { actions } = heuristicSchedule(short, target);
  expect(actions, "few outputs").not.toContainEqual({ action: "unroll", loop: "m" });
});

it("shared memory is filled near where it is read if its parts fit a cache", () => {
  const kernel = parseKernel(`kernel sums(out: float32[80], a: float32[80]) {
    alloc scratch wide: float32[96]
    for f in 8 { for g in 12 { store wide[f*12 + g] = a[f*10 + g - 1] when (g - 1, -g + 10) } }
    for i in 8 { for j in 10 {
      alloc local acc: float32[1]
      store acc[0] = float32:0
      for k in 3 { accumulate add acc[0] = wide[i*12 + j + k] }
      store out[i*10 + j] = acc[0] } } }`);
  const fillsNear = (l2Bytes: number): boolean => {
    const target = { ...cpuTarget(64, 32, 2), l2Bytes };
    check(kernel, target);
    return heuristicSchedule(kernel, target).actions.some(({ action }) => action === "compute");
  };
  expect(fillsNear(96)).toBe(true);
  expect(fillsNear(95)).toBe(false);
});

it("threads share the rows of a product whose panel no cache holds, not what uses the panel again", () => {
  const kernel = parseKernel(`kernel weights(out: float32[3072], a: float32[3072], b: float32[3200]) {
    for i in 32 { for j in 32 { for y in 3 {
      alloc local acc: float32[1]
      store acc[0] = float32:0
      for k in 2 { for l in 48 {
        accumulate add acc[0] = mul(a[k*1536 + i*48 + l], b[k*1600 + j*50 + y + l]) } }
      store out[i*96 + j*3 + y] = acc[0] } } } }`);
  const shared = (l2Bytes: number): string[] => {
    const target = { ...cpuTarget(64, 32, 2), l1Bytes: 4096, l2Bytes, cacheBytes: 2 ** 30 };
    check(kernel, target);
    const { actions } = heuristicSchedule(kernel, target);
    expect(actions, "further loops of the sum").toContainEqual(
      expect.objectContaining({ action: "prefetch", buffer: "as", at: "l" }),
    );
    const loops = actions.flatMap((a) => (a.action === "parallel" && !a.loop.includes("_") ? [a.loop] : []));
    return [
      ...loops,
      ...actions.flatMap((a) => (a.action === "split" && a.loop === "j" ? [`${a.factor}`] : [])),
    ];
  };
  expect(shared(2 ** 14)).toEqual(["io", "jo", "8"]);
  expect(shared(2 ** 20), "panels that stay").toEqual(["io", "jo", "11"]);
});

it("running totals are taken apart, in lanes, and if they are long in blocks for threads", () => {
  for (const [name, layouts] of [
    ["running sum", ["lanes"]],
    ["running sum of many", ["shared", "lanes"]],
    ["running sum of rows", ["lanes"]],
  ] as const) {
    for (const kernel of kernelsOf(WORKLOADS[name](), cpuTarget(64, 32, 2))) {
      const { actions } = heuristicSchedule(kernel, cpuTarget(64, 32, 2));
      expect(
        actions.flatMap((a) => (a.action === "prefix" ? [a.layout] : [])),
        name,
      ).toEqual(layouts);
    }
  }
});

it("a contraction that fills a row keeps its own loop where the row is summed: its lanes go along the row", () => {
  const kernel = parseKernel(`kernel pooled(out: float32[40], a: float32[12544], b: float32[2560]) {
  for i in 40 {
    alloc local row: float32[196]
    for r in 196 {
      alloc local acc: float32[1]
      store acc[0] = float32:0
      for k in 64 {
        accumulate add acc[0] = mul(a[k*196 + r], b[i*64 + k])
      }
      store row[r] = acc[0]
    }
    alloc local sum: float32[1]
    store sum[0] = float32:0
    for j in 196 {
      %1 = row[j]
      accumulate add sum[0] = where(le(%1, float32:0), float32:0, %1)
    }
    store out[i] = sum[0]
  }
}`);
  const target = cpuTarget(64, 32, 2);
  const { actions } = heuristicSchedule(kernel, target);
  expect(actions.filter(({ action }) => action === "merge")).toEqual([]);
  expect(actions.some((a) => a.action === "vectorize" && a.loop.startsWith("r"))).toBe(true);
  check(kernel, target);
});

it("columns that no cache holds are summed row by row, by each thread in rows of its own", () => {
  for (const [threads, names] of [
    [1, ["distribute", "reorder"]],
    [2, ["distribute", "reorder", "split", "rfactor", "parallel"]],
  ] as const) {
    const target = { ...cpuTarget(64, 32, threads), l2Bytes: 16384 };
    for (const kernel of kernelsOf([g.reduceNode(leaf([1100, 70]), "add", [0])], target)) {
      const { actions } = heuristicSchedule(kernel, target);
      expect(actions.slice(0, names.length).map(({ action }) => action)).toEqual(names);
      check(kernel, target);
    }
  }
});

it("threads share rows of counts, and permutations", () => {
  for (const name of ["counts of groups, row by row", "running counts of groups", "permutation"]) {
    for (const kernel of kernelsOf(WORKLOADS[name](), cpuTarget(64, 32, 2))) {
      const { actions } = heuristicSchedule(kernel, cpuTarget(64, 32, 2));
      expect(
        actions.filter(({ action }) => action === "parallel"),
        printKernel(kernel),
      ).not.toEqual([]);
    }
  }
});

for (const target of TARGETS) {
  const { language, vectorBytes, vectorRegisters, threads } = target;
  describe(`${language}, ${vectorBytes} bytes, ${vectorRegisters} registers, ${threads} threads`, () => {
    for (const [name, make] of Object.entries(WORKLOADS)) {
      it(name, () => {
        for (const kernel of kernelsOf(make(), target)) check(kernel, target);
      });
    }
    for (const kernel of parsedTexts()) it(`text ${kernel.name}`, () => check(kernel, target));
  });
}
