// Matrix units: what `tensorize` makes of a nest and what it refuses, and whole contractions by each unit.

import { describe, expect, it } from "vitest";
import { generateC } from "../../src/codegen/c.js";
import * as g from "../../src/graph/node.js";
import { parseKernel, parseProgram } from "../../src/kernel/parse.js";
import { printKernel, printProgram } from "../../src/kernel/print.js";
import { type MatrixUnit, unitsOf } from "../../src/kernel/units.js";
import { verifyKernel, verifyProgram } from "../../src/kernel/verify.js";
import { lowerKernel } from "../../src/lower/lower.js";
import type { Target } from "../../src/device/target.js";
import type { Kernel } from "../../src/kernel/ir.js";
import type { DType } from "../../src/scalar/dtype.js";
import { type Action, ScheduleError } from "../../src/schedule/actions/action.js";
import { applySchedule } from "../../src/schedule/actions/apply.js";
import { scheduleKernel } from "../../src/schedule/schedule.js";
import { difference, fill, runKernel, runProgram } from "./compare.js";
import { convolution, cpuTarget, kernelsOf, leaf } from "./workloads.js";

/** 2 rows, 16 columns and 8 depths of bytes, the right ones in quads. */
const TILE = `kernel tile(out: int32[32], a: int8[16], b: int8[128]) {
  alloc local sums: int32[32]
  for z in 32 { store sums[z] = int32:0 }
  for k in 2 { for q in 4 { for r in 2 { for c in 16 {
    accumulate add sums[r*16 + c] = mul(cast.int32(a[r*8 + k*4 + q]), cast.int32(b[k*64 + c*4 + q]))
  } } } }
  for z in 32 { store out[z] = sums[z] } }`;
const TENSORIZE: Action = { action: "tensorize", loop: "k", unit: "vnni_int8_int8" };

describe("tensorize", () => {
  it("makes a tile of the loops, whatever their order", () => {
    const kernel = parseKernel(TILE);
    const memory = fill(kernel);
    const expected = runKernel(kernel, memory);
    for (const order of ["kqrc", "rckq", "crqk"]) {
      const heads = TILE.match(/for [kqrc] in \d+ \{/g)!;
      const sorted = [...order].map((name) => heads.find((head) => head[4] === name)!);
      const other = parseKernel(TILE.replace(heads.join(" "), sorted.join(" ")));
      const tiled = applySchedule(other, [{ ...TENSORIZE, loop: order[0] } as Action]);
      verifyKernel(tiled);
      expect(printKernel(tiled)).toContain(
        "tile vnni_int8_int8 rows 2 columns 16 depth 8 sums[0] by (16, 0, 0) = a[0] by (8, 4, 0) * b[0] by (0, 64, 0)",
      );
      expect(printKernel(parseKernel(printKernel(tiled)))).toBe(printKernel(tiled));
      expect(difference(kernel, expected, runKernel(tiled, memory))).toBeUndefined();
      const program = lowerKernel(tiled, cpuTarget(64, 32, 1), kernel);
      verifyProgram(program);
      expect(difference(kernel, expected, runProgram(program, memory))).toBeUndefined();
      expect(generateC([program])).toContain("vpdpbusd");
    }
  });
  it.each([
    ["another layout", TILE.replace("k*64 + c*4 + q", "k*64 + c + q*16")],
    ["a rest of the depth", TILE.replace("q in 4", "q in 3")],
    ["another sum", TILE.replace("accumulate add", "accumulate max")],
    ["other dtypes", TILE.replace("a: int8", "a: int16")],
    ["too few columns", TILE.replace("c in 16", "c in 15")],
    ["conditions", TILE.replace("k*4 + q])", "k*4 + q] when (k - 1))")],
  ])("refuses %s", (_, text) => {
    expect(text).not.toBe(TILE);
    expect(() => applySchedule(parseKernel(text), [TENSORIZE])).toThrow(ScheduleError);
  });
  it("refuses units that do not exist", () => {
    expect(() => applySchedule(parseKernel(TILE), [{ ...TENSORIZE, unit: "none" } as Action])).toThrow(
      "there is no matrix unit none",
    );
  });
});

describe("stage of another dtype", () => {
  const COPY: Action = {
    action: "stage",
    buffer: "a",
    at: undefined,
    order: ["r", "k", "q"],
    space: "scratch",
  };
  it("holds bytes in wider integers", () => {
    const kernel = parseKernel(TILE);
    const staged = applySchedule(kernel, [{ ...COPY, dtype: "int16" } as Action]);
    verifyKernel(staged);
    expect(printKernel(staged)).toContain("alloc scratch as: int16[16]");
    const memory = fill(kernel);
    expect(difference(kernel, runKernel(kernel, memory), runKernel(staged, memory))).toBeUndefined();
  });
  it("takes the load that moves with the loops it names alone, of several", () => {
    const kernel = parseKernel(TILE.replace("cast.int32(b[k*64 + c*4 + q])", "cast.int32(a[k*4 + q])"));
    const staged = applySchedule(kernel, [COPY, { ...COPY, order: ["k", "q"] }]);
    verifyKernel(staged);
    expect(printKernel(staged)).toContain("mul(cast.int32(as[r*8 + k*4 + q]), cast.int32(as2[k*4 + q]))");
    const memory = fill(kernel);
    expect(difference(kernel, runKernel(kernel, memory), runKernel(staged, memory))).toBeUndefined();
    expect(() => applySchedule(kernel, [{ ...COPY, order: ["r", "c", "k", "q"] }])).toThrow("found 0 of 2");
  });
  it("refuses dtypes that do not hold all values", () => {
    expect(() => applySchedule(parseKernel(TILE), [{ ...COPY, dtype: "uint8" } as Action])).toThrow(
      ScheduleError,
    );
  });
});

function product(rows: number, depth: number, columns: number, dtype: DType, sums: DType): g.Node {
  const full = [rows, columns, depth];
  const a = g.expand(g.reshape(leaf([rows, depth], dtype), [rows, 1, depth]), full);
  const swapped = g.permute(leaf([depth, columns], dtype), [1, 0]);
  const b = g.expand(g.reshape(swapped, [1, columns, depth]), full);
  return g.reduceNode(g.binary("mul", g.castNode(a, sums), g.castNode(b, sums)), "add", [2]);
}

/** A product of float32 matrices that are rounded on the way; the right one lies in memory as its place says. */
function roundedProduct(rows: number, depth: number, columns: number, right: string): Kernel {
  const rounded = (load: string): string => `cast.float32(cast.bfloat16(${load}))`;
  const size = Math.max(rows, columns) * depth;
  return parseKernel(`kernel product(out: float32[${rows * columns}], a: float32[${size}], b: float32[${size}]) {
    for i in ${rows} { for j in ${columns} {
      alloc local sum: float32[1]
      store sum[0] = float32:0
      for k in ${depth} {
        accumulate add sum[0] = mul(${rounded(`a[i*${depth} + k]`)}, ${rounded(right)})
      }
      store out[i*${columns} + j] = sum[0]
    } } }`);
}

describe("contractions by matrix units", () => {
  const KINDS: readonly [MatrixUnit["kind"], DType, DType][] = [
    ["amx", "bfloat16", "float32"],
    ["amx", "int8", "int32"],
    ["amx", "uint8", "int32"],
    ["vnni", "int8", "int32"],
    ["dot", "uint8", "int32"],
    ["dot", "int16", "int32"],
  ];
  const targetOf = (kind: MatrixUnit["kind"]): Target => ({
    ...cpuTarget(kind === "dot" ? 16 : 64, 32, 2),
    units: unitsOf(kind),
  });
  const check = (kernel: Kernel, target: Target): void => {
    const scheduled = scheduleKernel(kernel, target);
    verifyKernel(scheduled.kernel);
    expect(printKernel(scheduled.kernel)).toContain(" tile ");
    const memory = fill(kernel);
    const expected = runKernel(kernel, memory);
    expect(difference(kernel, expected, runKernel(scheduled.kernel, memory))).toBeUndefined();
    const program = lowerKernel(scheduled.kernel, target, kernel);
    verifyProgram(program);
    expect(printProgram(parseProgram(printProgram(program)))).toBe(printProgram(program));
    expect(difference(kernel, expected, runProgram(program, memory))).toBeUndefined();
  };
  it.each(KINDS)("%s, %s", (kind, dtype, sums) => {
    const target = targetOf(kind);
    for (const [rows, depth, columns] of [
      [64, 64, 96],
      [70, 90, 50],
      [20, 100, 257],
    ]) {
      for (const kernel of kernelsOf([product(rows, depth, columns, dtype, sums)], target))
        check(kernel, target);
    }
  });
  it.each([
    ["amx", "bfloat16", "float32", 1],
    ["amx", "bfloat16", "float32", 3],
    ["amx", "int8", "int32", 1],
    ["vnni", "int8", "int32", 2],
    ["dot", "int8", "int32", 1],
  ] as const)("%s, windows of %s, packed where they are used", (kind, stored, sums, batch) => {
    const root = convolution(batch, kind === "amx" && stored === "int8" ? 64 : 28, 19, 20, stored, sums);
    const [kernel] = kernelsOf([root], targetOf(kind));
    check(kernel, targetOf(kind));
    expect(printKernel(scheduleKernel(kernel, targetOf(kind)).kernel)).toContain("alloc local b0s");
  });
  it("rounds memory on the way; what is computed before is stored rounded", () => {
    const size = 256;
    const rounded = (x: g.Node): g.Node => g.castNode(g.castNode(x, "bfloat16"), "float32");
    const multiply = (x: g.Node, y: g.Node): g.Node => {
      const left = g.expand(g.reshape(rounded(x), [size, 1, size]), [size, size, size]);
      const right = g.expand(g.reshape(rounded(y), [1, size, size]), [size, size, size]);
      return g.reduceNode(g.binary("mul", left, right), "add", [2]);
    };
    const [x, y] = [leaf([size, size], "float32"), leaf([size, size], "float32")];
    expect(kernelsOf([multiply(x, y)], targetOf("amx")).length).toBe(1);
    const kernels = kernelsOf([multiply(multiply(x, y), y)], targetOf("amx"));
    expect(kernels.map((kernel) => kernel.params[0].dtype)).toEqual(["float32", "bfloat16"]);
  });
  it.each([
    ["rows by columns", 64, 64, 96, "b[k*96 + j]"],
    ["columns by rows, transposed in registers", 64, 64, 96, "b[j*64 + k]"],
    ["columns by rows, odd sizes", 70, 90, 50, "b[j*90 + k]"],
    ["the left one again", 64, 64, 64, "a[k*64 + j]"],
    ["the left one turned", 70, 90, 70, "a[j*90 + k]"],
  ])("amx, float32 rounded as it is packed: %s", (_, rows, depth, columns, right) => {
    check(roundedProduct(rows, depth, columns, right), targetOf("amx"));
  });
});
