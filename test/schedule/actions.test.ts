// Each action by name: what it makes of a small loop nest, and what it refuses.

import { describe, expect, it } from "vitest";
import type { Target } from "../../src/device/target.js";
import { parseKernel } from "../../src/kernel/parse.js";
import { printKernel, printProgram } from "../../src/kernel/print.js";
import { verifyKernel } from "../../src/kernel/verify.js";
import { lowerKernel } from "../../src/lower/lower.js";
import { type Action, printAction, ScheduleError } from "../../src/schedule/actions/action.js";
import { applySchedule } from "../../src/schedule/actions/apply.js";
import { difference, fill, runKernel, runProgram } from "./compare.js";
import { cpuTarget, TEXTS } from "./workloads.js";

const NEGATION = `kernel negation(out: int32[10], a: int32[10]) {
  for i in 10 { store out[i] = neg(a[i]) } }`;
const TABLE = `kernel table(out: int32[24], a: int32[24]) {
  for i in 4 { for j in 6 { store out[i*6 + j] = neg(a[i*6 + j]) } } }`;
const TOTAL = `kernel total(out: int32[1], a: int32[12]) {
  alloc local acc: int32[1]
  store acc[0] = int32:0
  for k in 12 { accumulate add acc[0] = a[k] }
  store out[0] = acc[0] }`;

/** The body after a schedule that keeps what the kernel computes. */
function afterAction(text: string, ...actions: readonly Action[]): string {
  const kernel = parseKernel(text);
  const scheduled = applySchedule(kernel, actions);
  verifyKernel(scheduled);
  const memory = fill(kernel);
  const expected = runKernel(kernel, memory);
  expect(difference(kernel, expected, runKernel(scheduled, memory))).toBeUndefined();
  const program = lowerKernel(scheduled, cpuTarget(16, 16, 2), kernel);
  expect(difference(kernel, expected, runProgram(program, memory))).toBeUndefined();
  return printKernel(scheduled).split("\n").slice(1, -2).join("\n");
}

const refused = (text: string, ...actions: readonly Action[]) =>
  expect(() => applySchedule(parseKernel(text), actions)).toThrow(ScheduleError);

describe("split", () => {
  it("peels the rest into a loop of its own", () => {
    expect(
      afterAction(NEGATION, { action: "split", loop: "i", factor: 4, tail: "peel" }),
    ).toMatchInlineSnapshot(`
      "  for io in 2 {
          for ii in 4 {
            store out[io*4 + ii] = neg(a[io*4 + ii])
          }
        }
        for it in 2 {
          store out[it + 8] = neg(a[it + 8])"
    `);
  });
  it("guards the rest: no load or store beyond the end", () => {
    expect(
      afterAction(NEGATION, { action: "split", loop: "i", factor: 4, tail: "guard" }),
    ).toMatchInlineSnapshot(`
      "  for io in 3 {
          for ii in 4 {
            if (-io*4 - ii + 9) {
              store out[io*4 + ii] = neg(a[io*4 + ii] when (-io*4 - ii + 9))
            }
          }"
    `);
  });
  it("adds a reduction's identity beyond the end", () => {
    expect(
      afterAction(TOTAL, { action: "split", loop: "k", factor: 5, tail: "guard" }),
    ).toMatchInlineSnapshot(`
      "  alloc local acc: int32[1]
        store acc[0] = int32:0
        for ko in 3 {
          for ki in 5 {
            accumulate add acc[0] = where(valid(-ko*5 - ki + 11), a[ko*5 + ki] when (-ko*5 - ki + 11), int32:0)
          }
        }"
    `);
  });
  it("guards loads of local memory that was filled before", () => {
    afterAction(TEXTS.rows, { action: "split", loop: "l", factor: 3, tail: "guard" });
  });
  it("writes each condition once", () => {
    const twice: Action[] = [
      { action: "split", loop: "i", factor: 3, tail: "guard" },
      { action: "split", loop: "j", factor: 5, tail: "guard" },
    ];
    const printed = afterAction(TEXTS.windows, ...twice);
    for (const line of printed.split("\n").filter((text) => text.includes(" when "))) {
      const conditions = /when \(([^)]*)\)/.exec(line)![1].split(", ");
      expect(new Set(conditions).size).toBe(conditions.length);
    }
  });
  it("lets the last part begin earlier and do some iterations again", () => {
    expect(
      afterAction(NEGATION, { action: "split", loop: "i", factor: 4, tail: "overlap" }),
    ).toMatchInlineSnapshot(`
      "  for io in 3 {
          for ii in 4 {
            store out[io*4 - ((io + 1) / 3)*2 + ii] = neg(a[io*4 - ((io + 1) / 3)*2 + ii])
          }"
    `);
  });
  it("overlaps nothing that must not run twice, nor parts longer than the loop", () => {
    refused(TOTAL, { action: "split", loop: "k", factor: 5, tail: "overlap" });
    refused(NEGATION, { action: "split", loop: "i", factor: 16, tail: "overlap" });
    refused(TEXTS.symbolic, { action: "split", loop: "i", factor: 4, tail: "overlap" });
    refused("kernel twice(a: int32[10]) { for i in 10 { store a[i] = neg(a[i]) } }", {
      action: "split",
      loop: "i",
      factor: 4,
      tail: "overlap",
    });
  });
  it("leaves the lanes of a vector together", () => {
    const vector: Action = { action: "vectorize", loop: "i" };
    refused(TEXTS.border, vector, { action: "split", loop: "i", factor: 2, tail: "peel" });
  });
});

describe("collapse", () => {
  it("makes one loop of two", () => {
    expect(afterAction(TABLE, { action: "collapse", outer: "i", inner: "j" })).toMatchInlineSnapshot(`
      "  for i in 24 {
          store out[i] = neg(a[i])"
    `);
  });
  it("refuses where addresses are not linear over both", () => {
    refused(TEXTS.border, { action: "collapse", outer: "i", inner: "j" });
  });
});

describe("reorder", () => {
  it("moves a loop inwards as far as it goes", () => {
    expect(afterAction(TABLE, { action: "reorder", loop: "i" })).toMatchInlineSnapshot(`
      "  for j in 6 {
          for i in 4 {
            store out[i*6 + j] = neg(a[i*6 + j])
          }"
    `);
  });
  it("goes over allocations, which get a part for each iteration", () => {
    expect(afterAction(TEXTS.matmul, { action: "reorder", loop: "j" })).toMatchInlineSnapshot(`
      "  for i in 13 {
          alloc local acc: float32[7]
          for j in 7 {
            store acc[j] = float32:0
          }
          for k in 5 {
            for j in 7 {
              accumulate add acc[j] = mul(a[i*5 + k], b[k*7 + j])
            }
          }
          for j in 7 {
            store out[i*7 + j] = acc[j]
          }"
    `);
  });
  it("refuses a loop whose iterations depend on each other", () => {
    refused(TOTAL, { action: "reorder", loop: "k" });
  });
});

describe("distribute", () => {
  const ROWS = `kernel rows(out: int32[12], a: int32[12]) {
    for i in 4 {
      alloc local row: int32[3]
      for j in 3 { store row[j] = neg(a[i*3 + j]) }
      alloc local acc: int32[1]
      store acc[0] = int32:0
      for k in 3 { accumulate add acc[0] = row[k] }
      for l in 3 { store out[i*3 + l] = add(row[l], acc[0]) }
    } }`;
  it("gives a nest a loop of its own, and what passes between parts a place for each iteration", () => {
    expect(afterAction(ROWS, { action: "distribute", loop: "i", alone: ["j"] })).toMatchInlineSnapshot(`
      "  alloc local row: int32[12]
        for i0 in 4 {
          for j in 3 {
            store row[i0*3 + j] = neg(a[i0*3 + j])
          }
        }
        for i1 in 4 {
          alloc local acc: int32[1]
          store acc[0] = int32:0
          for k in 3 {
            accumulate add acc[0] = row[i1*3 + k]
          }
          for l in 3 {
            store out[i1*3 + l] = add(row[i1*3 + l], acc[0])
          }"
    `);
  });
  it("refuses a loop of one part, and one whose iterations depend on each other", () => {
    refused(NEGATION, { action: "distribute", loop: "i", alone: [] });
    refused(TOTAL, { action: "distribute", loop: "k", alone: [] });
  });
});

describe("merge", () => {
  const PASSES = `kernel passes(out: float32[3], a: float32[12]) {
    for i in 3 {
      alloc local row: float32[4]
      for j in 4 { store row[j] = exp(a[i*4 + j]) }
      alloc local acc: float32[1]
      store acc[0] = float32:0
      for k in 4 { accumulate add acc[0] = row[k] }
      store out[i] = acc[0]
    } }`;
  it("makes one loop of two, hands on what was stored, and drops what nobody reads then", () => {
    expect(afterAction(PASSES, { action: "merge", first: "j", second: "k" })).toMatchInlineSnapshot(`
      "  for i in 3 {
          alloc local acc: float32[1]
          store acc[0] = float32:0
          for j in 4 {
            accumulate add acc[0] = exp(a[i*4 + j])
          }
          store out[i] = acc[0]"
    `);
  });
  it("refuses loops of which one needs several iterations of the other, and those of other lengths", () => {
    const shifted = PASSES.replace("= row[k]", "= row[-k + 3]");
    refused(shifted, { action: "merge", first: "j", second: "k" });
    refused(PASSES.replace("k in 4", "k in 3"), { action: "merge", first: "j", second: "k" });
    refused(PASSES, { action: "merge", first: "k", second: "j" });
  });
});

describe("bound", () => {
  const POWERS = `kernel powers(out: float32[12], a: float32[12]) {
    for i in 3 {
      alloc local most: float32[1]
      store most[0] = float32:-inf
      for k in 4 { accumulate max most[0] = a[i*4 + k] }
      for j in 4 { store out[i*4 + j] = exp(sub(a[i*4 + j], most[0])) }
    } }`;
  it("says that a difference to the largest element is not positive", () => {
    expect(afterAction(POWERS, { action: "bound", loop: "k" })).toMatchInlineSnapshot(`
      "  for i in 3 {
          alloc local most: float32[1]
          store most[0] = float32:-inf
          for k in 4 {
            accumulate max most[0] = a[i*4 + k]
          }
          for j in 4 {
            store out[i*4 + j] = exp(min(sub(a[i*4 + j], most[0]), float32:0))
          }"
    `);
  });
  it("leaves online softmax possible", () => {
    const text = TEXTS["mean by powers"];
    const online = { action: "online", loop: "m", block: 4 } as const;
    expect(afterAction(text, { action: "bound", loop: "m" }, online)).toContain("exp(min(sub(a[");
    const other = text.replaceAll(
      "exp(sub(a[i*11 + p], most[0]))",
      "exp(min(sub(a[i*11], most[0]), float32:0))",
    );
    refused(other, online);
  });
  it("refuses what is not among the elements, changes later, or is a least element", () => {
    for (const [from, to] of [
      ["sub(a[i*4 + j]", "sub(a[j]"],
      ["sub(a[i*4 + j]", "sub(neg(a[i*4 + j])"],
      ["a[i*4 + k] }", "a[i*4] }"],
      ["for k in 4", "for k in 3"],
      ["most[0])) }", "most[0])) } store most[0] = float32:0"],
      ["accumulate max", "accumulate min"],
    ])
      refused(POWERS.replace(from, to), { action: "bound", loop: "k" });
    refused(POWERS, { action: "bound", loop: "j" });
  });
});

describe("overlay", () => {
  const SHARES = `kernel shares(out: float32[12], a: float32[12]) {
    for i in 3 {
      alloc local row: float32[4]
      alloc local acc: float32[1]
      store acc[0] = float32:0
      for j in 4 { store row[j] = exp(a[i*4 + j]) }
      for k in 4 { accumulate add acc[0] = row[k] }
      for c in 4 { store out[i*4 + c] = div(row[c], acc[0]) }
    } }`;
  it("keeps a row where the output will lie", () => {
    expect(afterAction(SHARES, { action: "overlay", row: "row", output: "out" })).toMatchInlineSnapshot(`
      "  for i in 3 {
          alloc local acc: float32[1]
          store acc[0] = float32:0
          for j in 4 {
            store out[i*4 + j] = exp(a[i*4 + j])
          }
          for k in 4 {
            accumulate add acc[0] = out[i*4 + k]
          }
          for c in 4 {
            store out[i*4 + c] = div(out[i*4 + c], acc[0])
          }"
    `);
  });
  it("refuses rows that are read otherwise, later, or share places", () => {
    for (const [from, to] of [
      ["div(row[c]", "div(row[-c + 3]"],
      ["out[i*4 + c]", "out[i*3 + c]"],
      ["for c in 4", "for c in 3"],
      ["acc[0]) }", "acc[0]) } store out[0] = row[0]"],
      ["acc[0]) }", "acc[0]) } for d in 4 { accumulate add acc[0] = row[d] }"],
    ])
      refused(SHARES.replace(from, to), { action: "overlay", row: "row", output: "out" });
    refused(SHARES, { action: "overlay", row: "row", output: "a" });
    refused(SHARES, { action: "overlay", row: "acc", output: "out" });
    const twice = { action: "split", loop: "i", factor: 2, tail: "overlap" } as const;
    refused(SHARES, { action: "overlay", row: "row", output: "out" }, twice);
    refused(SHARES, twice, { action: "overlay", row: "row", output: "out" });
  });
});

describe("inline and factor", () => {
  const MEAN = `kernel mean(out: float32[6], a: float32[12], b: float32[8], n: float32[3]) {
    for i in 3 {
      alloc local row: float32[4]
      for j in 4 { store row[j] = mul(a[i*4 + j], n[i]) }
      for c in 2 {
        alloc local acc: float32[1]
        store acc[0] = float32:0
        for k in 4 { accumulate add acc[0] = mul(row[k], b[k*2 + c]) }
        store out[i*2 + c] = acc[0]
      }
    } }`;
  it("computes a row where it is read, and takes out of a sum what its terms have in common", () => {
    expect(
      afterAction(MEAN, { action: "inline", buffer: "row" }, { action: "factor", loop: "k" }),
    ).toMatchInlineSnapshot(`
      "  for i in 3 {
          for c in 2 {
            alloc local acc: float32[1]
            store acc[0] = float32:0
            for k in 4 {
              accumulate add acc[0] = mul(a[i*4 + k], b[k*2 + c])
            }
            store out[i*2 + c] = mul(acc[0], n[i])
          }"
    `);
  });
  it("refuse a row that is filled in parts, and a sum without a common factor", () => {
    refused(
      MEAN,
      { action: "split", loop: "j", factor: 2, tail: "peel" },
      { action: "inline", buffer: "row" },
    );
    refused(MEAN, { action: "factor", loop: "k" });
  });
});

describe("raise", () => {
  const text = TEXTS["scaled sums of groups"];
  const raise: Action = { action: "raise", loop: "k" };
  it("adds a group's elements to the whole sum one by one", () => {
    expect(afterAction(text, raise)).toMatchInlineSnapshot(`
      "  for i in 4 {
          alloc local sum: float32[1]
          store sum[0] = float32:0
          for r in 3 {
            for k in 8 {
              alloc local total: float32[1]
              store total[0] = float32:0
              accumulate add total[0] = neg(a[i*24 + r*8 + k])
              accumulate add sum[0] = mul(total[0], s[i*3 + r])
            }
          }
          store out[i] = sum[0]"
    `);
  });
  it("takes one of the loops of a group, which may then be lanes", () => {
    const split: Action = { action: "split", loop: "k", factor: 4, tail: "peel" };
    expect(
      afterAction(
        text,
        split,
        { action: "raise", loop: "ki" },
        { action: "rfactor", loop: "ki", layout: "inner" },
        { action: "vectorize", loop: "ki" },
      ),
    ).toMatchInlineSnapshot(`
      "  for i in 4 {
          alloc local sum: float32[1]
          store sum[0] = float32:0
          alloc local sump: float32[4]
          for kiz in 4 {
            store sump[kiz] = float32:0
          }
          for r in 3 {
            for ki in 4 vectorize {
              alloc local total: float32[1]
              store total[0] = float32:0
              for ko in 2 {
                accumulate add total[0] = neg(a[i*24 + r*8 + ko*4 + ki])
              }
              accumulate add sump[ki] = mul(total[0], s[i*3 + r])
            }
          }
          for kij in 4 {
            accumulate add sum[0] = sump[kij]
          }
          store out[i] = sum[0]"
    `);
  });
  it("refuses what is no sum of scaled sums", () => {
    for (const [from, to] of [
      ["mul(total[0], s[i*3 + r])", "neg(total[0])"],
      ["mul(total[0], s[i*3 + r])", "mul(total[0], total[0])"],
      ["mul(total[0], s[i*3 + r])", "div(s[i*3 + r], total[0])"],
      ["add sum[0] = mul(total[0], s[i*3 + r])", "add sum[0] = mul(total[0], sum[0])"],
      ["add sum[0] =", "max sum[0] ="],
      ["add total[0] =", "max total[0] ="],
      ["total[0] = float32:0", "total[0] = float32:1"],
    ]) {
      expect(text).toContain(from);
      refused(text.replace(from, to), raise);
    }
    refused(text, { action: "split", loop: "k", factor: 5, tail: "peel" }, { action: "raise", loop: "ki" });
    refused(text, { action: "raise", loop: "r" });
    refused(TOTAL, raise);
  });
});

describe("online", () => {
  const text = TEXTS["mean by powers"];
  it("takes a row block by block, scaling what was added up when a larger element is found", () => {
    expect(afterAction(text, { action: "online", loop: "m", block: 4 })).toMatchInlineSnapshot(`
      "  for i in 5 {
          alloc local total: float32[1]
          alloc local most: float32[1]
          store most[0] = float32:-inf
          store total[0] = float32:0
          alloc local meanb: float32[4]
          for jz in 4 {
            store meanb[jz] = float32:0
          }
          for mb in 2 {
            alloc local powers: float32[4]
            alloc local mostn: float32[1]
            alloc local mosts: float32[1]
            alloc local mostc: float32[1]
            store mostn[0] = most[0]
            for m in 4 {
              accumulate max mostn[0] = a[i*11 + mb*4 + m]
            }
            %1 = mostn[0]
            store mosts[0] = where(eq(%1, float32:-inf), float32:0, %1)
            store mostc[0] = exp(min(sub(most[0], mosts[0]), float32:0))
            store most[0] = mostn[0]
            store total[0] = mul(total[0], mostc[0])
            for p in 4 {
              store powers[p] = exp(sub(a[i*11 + mb*4 + p], mosts[0]))
              accumulate add total[0] = exp(sub(a[i*11 + mb*4 + p], mosts[0]))
            }
            for j in 4 {
              alloc local mean: float32[1]
              store mean[0] = float32:0
              for k in 4 {
                accumulate add mean[0] = mul(mul(powers[k], a[i*11]), c[mb*16 + k*4 + j])
              }
              store meanb[j] = add(mul(meanb[j], mostc[0]), mean[0])
            }
          }
          alloc local powerst: float32[3]
          alloc local mostnt: float32[1]
          alloc local mostst: float32[1]
          alloc local mostct: float32[1]
          store mostnt[0] = most[0]
          for mt in 3 {
            accumulate max mostnt[0] = a[i*11 + mt + 8]
          }
          %2 = mostnt[0]
          store mostst[0] = where(eq(%2, float32:-inf), float32:0, %2)
          store mostct[0] = exp(min(sub(most[0], mostst[0]), float32:0))
          store most[0] = mostnt[0]
          store total[0] = mul(total[0], mostct[0])
          for pt in 3 {
            store powerst[pt] = exp(sub(a[i*11 + pt + 8], mostst[0]))
            accumulate add total[0] = exp(sub(a[i*11 + pt + 8], mostst[0]))
          }
          for jt in 4 {
            alloc local meant: float32[1]
            store meant[0] = float32:0
            for kt in 3 {
              accumulate add meant[0] = mul(mul(powerst[kt], a[i*11]), c[kt*4 + jt + 32])
            }
            store meanb[jt] = add(mul(meanb[jt], mostct[0]), meant[0])
          }
          store total[0] = where(eq(most[0], float32:-inf), float32:nan, total[0])
          for jj in 4 {
            store out[i*4 + jj] = mul(where(eq(most[0], float32:-inf), float32:nan, meanb[jj]), reciprocal(total[0]))
          }"
    `);
  });
  it("gives the same for infinite elements and NaN, wherever they stand", () => {
    const kernel = parseKernel(text);
    const scheduled = applySchedule(kernel, [{ action: "online", loop: "m", block: 4 }]);
    for (const value of [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, Number.NaN]) {
      for (const places of [[0], [10], [4, 5, 6, 7], [0, 1, 2, 3], [8, 9, 10], [...Array(11).keys()]]) {
        const memory = fill(kernel);
        // The first element of a row is also a factor: it stays finite where it can.
        const elements = new Float32Array(memory[1].buffer);
        for (const place of places) elements[11 + place] = value;
        const expected = runKernel(kernel, memory);
        expect(
          difference(kernel, expected, runKernel(scheduled, memory)),
          `${value} at ${places}`,
        ).toBeUndefined();
      }
    }
  });
  it("refuses blocks as long as the row, what depends on the largest element otherwise, and what reads a sum", () => {
    refused(text, { action: "online", loop: "m", block: 11 });
    refused(text.replaceAll("exp(sub(", "abs(sub("), { action: "online", loop: "m", block: 4 });
    refused(text.replace("mul(powers[k], a[i*11])", "mul(powers[k], total[0])"), {
      action: "online",
      loop: "m",
      block: 4,
    });
  });
});

describe("unroll", () => {
  it("marks a loop to be written out", () => {
    expect(afterAction(NEGATION, { action: "unroll", loop: "i" })).toMatchInlineSnapshot(`
      "  for i in 10 unroll {
          store out[i] = neg(a[i])"
    `);
  });
  it("refuses a loop of unknown length", () => refused(TEXTS.symbolic, { action: "unroll", loop: "i" }));
});

describe("vectorize", () => {
  it("marks a loop over lanes", () => {
    const split: Action = { action: "split", loop: "i", factor: 4, tail: "peel" };
    expect(afterAction(NEGATION, split, { action: "vectorize", loop: "ii" })).toMatchInlineSnapshot(`
      "  for io in 2 {
          for ii in 4 vectorize {
            store out[io*4 + ii] = neg(a[io*4 + ii])
          }
        }
        for it in 2 {
          store out[it + 8] = neg(a[it + 8])"
    `);
  });
  it("refuses lanes that are not a power of two", () =>
    refused(NEGATION, { action: "vectorize", loop: "i" }));
  it("refuses lanes within lanes", () => {
    const inner: Action = { action: "vectorize", loop: "ji" };
    const split: Action = { action: "split", loop: "j", factor: 2, tail: "peel" };
    refused(TABLE, split, inner, { action: "vectorize", loop: "i" });
  });
  it("runs lane after lane where the body still allocates", () => {
    afterAction(
      TEXTS.matmul,
      { action: "split", loop: "j", factor: 4, tail: "peel" },
      { action: "vectorize", loop: "ji" },
    );
  });
});

describe("parallel", () => {
  it("marks a loop for threads", () => {
    expect(afterAction(NEGATION, { action: "parallel", loop: "i" })).toMatchInlineSnapshot(`
      "  for i in 10 parallel {
          store out[i] = neg(a[i])"
    `);
  });
  it("refuses a reduction", () => refused(TOTAL, { action: "parallel", loop: "k" }));
  it("refuses a scatter, also one that writes: the last value must stay", () => {
    refused(TEXTS.scatter, { action: "parallel", loop: "i" });
    refused(TEXTS.written, { action: "parallel", loop: "i" });
  });
  it("shares what was computed before the loop among its threads", () => {
    const kernel = parseKernel(TEXTS.centred);
    const scheduled = applySchedule(kernel, [{ action: "parallel", loop: "i" }]);
    const program = lowerKernel(scheduled, cpuTarget(16, 16, 2), kernel);
    expect(program.scratch.map((buffer) => buffer.name)).toEqual(["acc"]);
    expect(program.phases.length).toBe(2);
  });
});

describe("prefix", () => {
  const running = (size: number): string => `kernel running(out: int32[${size}], a: int32[${size}]) {
    alloc local acc: int32[1]
    store acc[0] = int32:3
    for k in ${size} { accumulate add acc[0] = a[k]
      store out[k] = neg(acc[0]) } }`;
  const split: Action = { action: "split", loop: "k", factor: 4, tail: "peel" };
  it("joins lanes with those 1, 2, 4 .. before them", () => {
    expect(
      afterAction(running(6), split, { action: "prefix", loop: "ki", layout: "lanes" }),
    ).toMatchInlineSnapshot(`
      "  alloc local acc: int32[1]
        store acc[0] = int32:3
        for ko in 1 {
          alloc local accp0: int32[8]
          alloc local accp1: int32[8]
          alloc local accp2: int32[8]
          for kiz in 4 {
            store accp0[kiz] = int32:0
            store accp1[kiz] = int32:0
            store accp2[kiz] = int32:0
          }
          for kis0 in 4 {
            store accp0[kis0 + 4] = a[ko*4 + kis0]
          }
          for kis1 in 4 {
            store accp1[kis1 + 4] = add(accp0[kis1 + 3], accp0[kis1 + 4])
          }
          for kis2 in 4 {
            store accp2[kis2 + 4] = add(accp1[kis2 + 2], accp1[kis2 + 4])
          }
          for ki in 4 {
            store out[ko*4 + ki] = neg(add(acc[0], accp2[ki + 4]))
          }
          accumulate add acc[0] = accp2[7]
        }
        for kt in 2 {
          accumulate add acc[0] = a[kt + 4]
          store out[kt + 4] = neg(acc[0])"
    `);
  });
  it("starts blocks from the totals of those before", () => {
    expect(
      afterAction(running(10), split, { action: "prefix", loop: "ko", layout: "shared" }),
    ).toMatchInlineSnapshot(`
      "  alloc local acc: int32[1]
        store acc[0] = int32:3
        alloc scratch accp: int32[2]
        for koz in 2 {
          alloc local accz: int32[1]
          store accz[0] = int32:0
          for kiz in 4 {
            accumulate add accz[0] = a[koz*4 + kiz]
          }
          store accp[koz] = accz[0]
        }
        for koj in 2 {
          alloc local accj: int32[1]
          store accj[0] = acc[0]
          accumulate add acc[0] = accp[koj]
          store accp[koj] = accj[0]
        }
        for ko in 2 {
          alloc local accs: int32[1]
          store accs[0] = accp[ko]
          for ki in 4 {
            accumulate add accs[0] = a[ko*4 + ki]
            store out[ko*4 + ki] = neg(accs[0])
          }
        }
        for kt in 2 {
          accumulate add acc[0] = a[kt + 8]
          store out[kt + 8] = neg(acc[0])"
    `);
  });
  it("wants one running total, and lanes by powers of two", () => {
    refused(TOTAL, { action: "prefix", loop: "k", layout: "lanes" });
    refused(NEGATION, { action: "prefix", loop: "i", layout: "shared" });
    refused(running(6), { action: "prefix", loop: "k", layout: "lanes" });
    refused(running(6).replace("neg(acc[0])", "add(acc[0], a[k])").replace("out[k]", "a[k]"), split, {
      action: "prefix",
      loop: "ki",
      layout: "lanes",
    });
  });
  it("is the one way to change the order of a running total", () => {
    for (const action of ["unroll", "vectorize", "parallel", "reorder"] as const)
      refused(running(6), { action, loop: "k" });
    for (const layout of ["inner", "outer", "shared"] as const)
      refused(running(8), split, { action: "rfactor", loop: "ki", layout });
  });
});

describe("rfactor", () => {
  const split: Action = { action: "split", loop: "k", factor: 4, tail: "peel" };
  it("gives the parts of a reduction accumulators next to each other", () => {
    expect(
      afterAction(TOTAL, split, { action: "rfactor", loop: "ki", layout: "inner" }),
    ).toMatchInlineSnapshot(`
      "  alloc local acc: int32[1]
        store acc[0] = int32:0
        alloc local accp: int32[4]
        for kiz in 4 {
          store accp[kiz] = int32:0
        }
        for ko in 3 {
          for ki in 4 {
            accumulate add accp[ki] = a[ko*4 + ki]
          }
        }
        for kij in 4 {
          accumulate add acc[0] = accp[kij]
        }"
    `);
  });
  it("lets each iteration join what it has by itself", () => {
    expect(
      afterAction(
        TOTAL,
        { action: "split", loop: "k", factor: 4, tail: "peel" },
        { action: "rfactor", loop: "ko", layout: "own" },
      ),
    ).toMatchInlineSnapshot(`
      "  alloc local acc: int32[1]
        store acc[0] = int32:0
        for ko in 3 {
          alloc local acco: int32[1]
          store acco[0] = int32:0
          for ki in 4 {
            accumulate add acco[0] = a[ko*4 + ki]
          }
          accumulate add acc[0] = acco[0]
        }"
    `);
  });
  it("gives threads accumulators in shared memory", () => {
    const parts: Action[] = [
      { action: "rfactor", loop: "ko", layout: "shared" },
      { action: "parallel", loop: "ko" },
    ];
    expect(afterAction(TOTAL, split, ...parts)).toMatchInlineSnapshot(`
      "  alloc local acc: int32[1]
        store acc[0] = int32:0
        alloc scratch accp: int32[3]
        for ko in 3 parallel {
          alloc local accs: int32[1]
          store accs[0] = int32:0
          for ki in 4 {
            accumulate add accs[0] = a[ko*4 + ki]
          }
          store accp[ko] = accs[0]
        }
        for koj in 3 {
          accumulate add acc[0] = accp[koj]
        }"
    `);
  });
  it("refuses to share below the top", () => {
    refused(TEXTS.largest, { action: "rfactor", loop: "k", layout: "shared" });
  });
});

describe("rfactor, shared, of several sums", () => {
  const SUMS = `kernel sums(out: int32[3], a: int32[24]) {
    alloc local acc: int32[3]
    for i in 3 { store acc[i] = int32:0 }
    for k in 8 { for j in 3 { accumulate add acc[j] = a[k*3 + j] } }
    for l in 3 { store out[l] = acc[l] } }`;
  it("gives each iteration a copy of all", () => {
    const split: Action = { action: "split", loop: "k", factor: 3, tail: "peel" };
    expect(
      afterAction(SUMS, split, { action: "rfactor", loop: "ko", layout: "shared" }),
    ).toMatchInlineSnapshot(`
      "  alloc local acc: int32[3]
        for i in 3 {
          store acc[i] = int32:0
        }
        alloc scratch accp: int32[6]
        for ko in 2 {
          alloc local accs: int32[3]
          for koz in 3 {
            store accs[koz] = int32:0
          }
          for ki in 3 {
            for j in 3 {
              accumulate add accs[j] = a[ko*9 + ki*3 + j]
            }
          }
          for kos in 3 {
            store accp[ko*3 + kos] = accs[kos]
          }
        }
        for koj in 2 {
          for koje in 3 {
            accumulate add acc[koje] = accp[koj*3 + koje]
          }
        }
        for kt in 2 {
          for j_kt in 3 {
            accumulate add acc[j_kt] = a[kt*3 + j_kt + 18]
          }
        }
        for l in 3 {
          store out[l] = acc[l]"
    `);
  });
  it("refuses a loop inside another", () =>
    refused(
      SUMS,
      { action: "split", loop: "k", factor: 4, tail: "peel" },
      { action: "rfactor", loop: "ki", layout: "shared" },
    ));
});

describe("stage", () => {
  it("copies an operand in the order of the loops", () => {
    const action: Action = {
      action: "stage",
      buffer: "b",
      at: undefined,
      order: ["j", "k"],
      space: "scratch",
    };
    expect(afterAction(TEXTS.matmul, action)).toMatchInlineSnapshot(`
      "  alloc scratch bs: float32[35]
        for j_b in 7 {
          for k_b in 5 {
            store bs[j_b*5 + k_b] = b[k_b*7 + j_b]
          }
        }
        for i in 13 {
          for j in 7 {
            alloc local acc: float32[1]
            store acc[0] = float32:0
            for k in 5 {
              accumulate add acc[0] = mul(a[i*5 + k], bs[j*5 + k])
            }
            store out[i*7 + j] = acc[0]
          }"
    `);
  });
  it("fills with zeros beyond the border", () => {
    const action: Action = { action: "stage", buffer: "image", at: "i", order: ["j", "k"], space: "local" };
    expect(afterAction(TEXTS.windows, action)).toMatchInlineSnapshot(`
      "  for i in 5 {
          alloc local images: float32[24]
          for j_image in 8 {
            for k_image in 3 {
              store images[j_image*3 + k_image] = image[i*8 + j_image + k_image - 1] when (j_image + k_image - 1, -j_image - k_image + 8)
            }
          }
          for j in 8 {
            alloc local acc: float32[1]
            store acc[0] = float32:0
            for k in 3 {
              accumulate add acc[0] = mul(images[j*3 + k], filter[k])
            }
            store out[i*8 + j] = max(acc[0], float32:0)
          }"
    `);
  });
  it("refuses shared memory inside a loop", () => {
    refused(TEXTS.matmul, { action: "stage", buffer: "b", at: "i", order: ["j", "k"], space: "scratch" });
  });
  it("refuses to leave out a loop that stands there several times", () => {
    const split = applySchedule(parseKernel(TEXTS.matmul), [
      { action: "split", loop: "j", factor: 4, tail: "peel" },
      { action: "reorder", loop: "ji" },
    ]);
    expect(printKernel(split).match(/for ji in/g)?.length).toBeGreaterThan(1);
    const action: Action = { action: "stage", buffer: "b", at: "jo", order: ["k"], space: "local" };
    expect(() => applySchedule(split, [action])).toThrow("stage: b also depends on ji");
  });
  it("refuses a loop named twice", () => {
    const order = ["i", "k", "i"];
    refused(TEXTS.matmul, { action: "stage", buffer: "a", at: undefined, order, space: "scratch" });
  });
});

describe("compute", () => {
  const FILLED = `kernel filled(out: int32[12], a: int32[12]) {
    alloc scratch near: int32[20]
    for f in 4 { for g in 5 { store near[f*5 + g] = a[f*3 + g - 1] when (g - 1, -g + 3) } }
    for i in 4 { for j in 3 { store out[i*3 + j] = add(near[i*5 + j], near[i*5 + j + 2]) } } }`;
  it("fills memory part by part where it is read", () => {
    expect(afterAction(FILLED, { action: "compute", buffer: "near", at: "i" })).toMatchInlineSnapshot(`
      "  for i in 4 {
          alloc local near: int32[5]
          for g in 5 {
            store near[g] = a[i*3 + g - 1] when (g - 1, -g + 3)
          }
          for j in 3 {
            store out[i*3 + j] = add(near[j], near[j + 2])
          }"
    `);
  });
  it("refuses where iterations read each other's parts", () => {
    const shifted = FILLED.replace("near[i*5 + j + 2]", "near[i*5 + j + 3]");
    refused(shifted, { action: "compute", buffer: "near", at: "i" });
    refused(FILLED, { action: "compute", buffer: "near", at: "j" });
    refused(FILLED, { action: "compute", buffer: "a", at: "i" });
  });
});

describe("partition", () => {
  it("cuts a range where conditions change", () => {
    expect(afterAction(TEXTS.border, { action: "partition", loop: "j" })).toMatchInlineSnapshot(`
      "  for i in 8 {
          for jp0 in 1 {
            store out[i*12 + jp0] = int32:0
          }
          for jp1 in 10 {
            store out[i*12 + jp1 + 1] = a[i*10 + jp1 - 10] when (i - 1, -i + 6)
          }
          for jp2 in 1 {
            store out[i*12 + jp2 + 11] = int32:0
          }"
    `);
  });
  it("refuses a loop without conditions", () => refused(NEGATION, { action: "partition", loop: "i" }));
});

const CACHED: Target = { ...cpuTarget(64, 32, 2), cacheBytes: 2 ** 20 };

describe("prefetch", () => {
  const next: Action = { action: "prefetch", buffer: "a", at: "j", next: "i", ahead: 2 };
  it("asks for what a later iteration of a loop around will read", () => {
    expect(afterAction(TABLE, next)).toMatchInlineSnapshot(`
      "  for i in 4 {
          for j in 6 {
            prefetch a[i*6 + j + 12]
            store out[i*6 + j] = neg(a[i*6 + j])
          }"
    `);
  });
  it("asks for a vector once, and for every vector", () => {
    const vectors: Action[] = [
      { action: "split", loop: "i", factor: 16, tail: "peel" },
      { action: "vectorize", loop: "ii" },
      { action: "split", loop: "io", factor: 2, tail: "peel" },
      { action: "unroll", loop: "ioi" },
      { action: "prefetch", buffer: "a", at: "ioi", next: "ioo", ahead: 1 },
    ];
    const kernel = applySchedule(
      parseKernel("kernel k(out: int32[64], a: int32[64]) { for i in 64 { store out[i] = neg(a[i]) } }"),
      vectors,
    );
    expect(printProgram(lowerKernel(kernel, CACHED)).match(/prefetch .*/g)).toMatchInlineSnapshot(`
      [
        "prefetch a[ioo*32 + 32]",
        "prefetch a[ioo*32 + 48]",
      ]
    `);
    expect(printProgram(lowerKernel(kernel, cpuTarget(64, 32, 2)))).not.toContain("prefetch");
  });
  it("asks for memory of a thread's own, as long as that is", () => {
    const text = `kernel k(out: int32[24], a: int32[24]) {
      for i in 4 { alloc local row: int32[6]
        for m in 6 { store row[m] = neg(a[i*6 + m]) }
        for j in 6 { store out[i*6 + j] = neg(row[j]) } } }`;
    const ahead: Action = { action: "prefetch", buffer: "row", at: "j", next: "j", ahead: 1 };
    expect(afterAction(text, ahead)).toContain("prefetch row[j + 1]");
    expect(afterAction(text, ahead, { action: "merge", first: "m", second: "j" })).not.toContain("prefetch");
    const unrolled = ["i", "m", "j"].map((loop): Action => ({ action: "unroll", loop }));
    const registers = applySchedule(parseKernel(text), [ahead, ...unrolled]);
    expect(printProgram(lowerKernel(registers, CACHED))).not.toContain("prefetch");
  });
  it("refuses what is not read there, not known there, or stays where it is", () => {
    refused(TABLE, { ...next, buffer: "out" });
    refused(TABLE, { ...next, at: "i", next: "j" });
    refused(TABLE, { ...next, at: "none" });
    refused(TABLE, { ...next, ahead: 0 });
    refused(TABLE.replace("a[i*6 + j]", "a[j]"), next);
    refused(TABLE.replace("a[i*6 + j]", "a[{a[i*6 + j] in [0, 23]}]"), next);
  });
});

describe("stream", () => {
  const LONG = `kernel long(out: float32[160], a: float32[160]) {
    for i in 160 { store out[i] = neg(a[i]) } }`;
  const vectors = (lanes: number): Action[] => [
    { action: "split", loop: "i", factor: lanes, tail: "peel" },
    { action: "vectorize", loop: "ii" },
    { action: "stream", buffer: "out" },
  ];
  const lowered = (text: string, actions: readonly Action[], target: Target = CACHED): string =>
    printProgram(lowerKernel(applySchedule(parseKernel(text), actions), target));

  it("marks what is stored", () => {
    expect(afterAction(NEGATION, { action: "stream", buffer: "out" })).toMatchInlineSnapshot(`
      "  for i in 10 {
          stream out[i] = neg(a[i])"
    `);
  });
  it("is dropped where the target has no such stores", () =>
    expect(lowered(LONG, vectors(16), cpuTarget(64, 32, 2))).not.toContain("stream"));
  it("stays where vectors fill lines", () =>
    expect(lowered(LONG, vectors(16))).toContain("stream out[io*16]"));
  it("stays where vectors beside each other fill lines", () => {
    const pairs: Action[] = [{ action: "split", loop: "io", factor: 2, tail: "peel" }];
    const text = lowered(LONG, [...vectors(8), ...pairs, { action: "unroll", loop: "ioi" }]);
    expect(text).toContain("stream out[ioo*16]");
    expect(text).toContain("stream out[ioo*16 + 8]");
  });
  it("is dropped where lines are stored in parts", () => {
    expect(lowered(LONG, vectors(8))).not.toContain("stream");
    expect(lowered(LONG, [{ action: "stream", buffer: "out" }])).not.toContain("stream");
  });
  it("is dropped where vectors lie across lines", () => {
    const shifted = LONG.replace("160 {", "144 {").replace("out[i]", "out[i + 8]");
    expect(lowered(shifted, vectors(16))).not.toContain("stream");
  });
  it("refuses what the kernel reads, adds to, keeps to itself or does not store", () => {
    refused(NEGATION, { action: "stream", buffer: "a" });
    refused(NEGATION, { action: "stream", buffer: "none" });
    refused(TOTAL, { action: "stream", buffer: "acc" });
    refused(NEGATION.replace("neg(a[i])", "add(a[i], out[i])"), { action: "stream", buffer: "out" });
    refused(NEGATION.replace("store", "accumulate add"), { action: "stream", buffer: "out" });
  });
});

it("actions print as what they are", () => {
  expect(
    [
      { action: "split", loop: "i", factor: 4, tail: "peel" } as const,
      { action: "reorder", loop: "i" } as const,
      { action: "stage", buffer: "b", at: undefined, order: ["j", "k"], space: "scratch" } as const,
    ].map(printAction),
  ).toEqual(["split(i, 4, peel)", "reorder(i)", "stage(b, [j k], scratch)"]);
});
