// The search for schedules, with times made up: what it tries follows from the seed, it never ends with worse than the
// heuristics' schedule, and whatever it may try computes what the kernel did.

import { describe, expect, it } from "vitest";
import type { Target } from "../../src/device/target.js";
import { clearArena } from "../../src/kernel/ir.js";
import { parseKernel } from "../../src/kernel/parse.js";
import { printKernel } from "../../src/kernel/print.js";
import { verifyKernel, verifyProgram } from "../../src/kernel/verify.js";
import { lowerKernel } from "../../src/lower/lower.js";
import { ScheduleError } from "../../src/schedule/actions/action.js";
import { applySchedule } from "../../src/schedule/actions/apply.js";
import { type BeamOptions, type Measure, searchSchedule } from "../../src/schedule/search/beam.js";
import { FEATURE_COUNT, featuresOf } from "../../src/schedule/search/features.js";
import { predictTime } from "../../src/schedule/search/model.js";
import { type Candidate, Space } from "../../src/schedule/search/space.js";
import { difference, fill, runKernel, runProgram } from "./compare.js";
import { randomCandidate } from "./random-candidates.js";
import { cpuTarget, kernelsOf, TEXTS, WORKLOADS } from "./workloads.js";

const TARGET = cpuTarget(32, 16, 2);

/** Kernels of a workload as text. */
const textsOf = (name: string, target: Target = TARGET): string[] => {
  clearArena();
  return kernelsOf(WORKLOADS[name](), target).map(printKernel);
};
const [ROWS] = textsOf("sum of rows");

/** A time that any candidate may have, the same at each call. */
const madeUp = ({ key }: Candidate): number => {
  let hash = 7;
  for (const character of key) hash = (hash * 31 + character.charCodeAt(0)) % 1009;
  return 1000 + hash;
};

interface Log {
  readonly keys: string[];
  readonly measure: Measure;
}

function logging(timeOf: (candidate: Candidate) => number = madeUp): Log {
  const keys: string[] = [];
  return {
    keys,
    measure: async (candidates) => {
      keys.push(...candidates.map(({ key }) => key));
      return candidates.map(timeOf);
    },
  };
}

async function search(options: Partial<BeamOptions>, log: Log = logging(), text = ROWS) {
  return searchSchedule(text, TARGET, log.measure, { beam: 2, seed: 1, ...options });
}

describe("a search", () => {
  it("measures the same schedules in the same order under the same seed", async () => {
    const logs = [logging(), logging(), logging()];
    await search({ seed: 5 }, logs[0]);
    clearArena();
    await search({ seed: 5 }, logs[1]);
    await search({ seed: 6 }, logs[2]);
    expect(logs[0].keys.length).toBeGreaterThan(4);
    expect(logs[1].keys).toEqual(logs[0].keys);
    expect(logs[2].keys).not.toEqual(logs[0].keys);
  });

  it("measures the heuristics' schedule first, and no schedule twice", async () => {
    const log = logging();
    await search({}, log);
    expect(log.keys[0]).toBe(new Space(ROWS, TARGET).candidate({}, [])!.key);
    expect(new Set(log.keys).size).toBe(log.keys.length);
  });

  it("ends with the fastest of what it measured", async () => {
    const log = logging();
    const { ranking, heuristic } = await search({}, log);
    expect(ranking.map(({ candidate }) => candidate.key).sort()).toEqual([...log.keys].sort());
    expect(ranking[0].nanoseconds).toBe(Math.min(...ranking.map(({ candidate }) => madeUp(candidate))));
    expect(heuristic.candidate.key).toBe(log.keys[0]);
  });

  it("keeps the heuristics' schedule where nothing else compiles", async () => {
    const log = logging((candidate) => (log.keys[0] === candidate.key ? 5000 : Number.POSITIVE_INFINITY));
    const { ranking } = await search({}, log);
    expect(ranking[0].candidate.key).toBe(log.keys[0]);
  });

  it("is not made for what takes no time", async () => {
    const log = logging(() => 500);
    await search({}, log);
    expect(log.keys.length).toBe(1);
  });

  it("ends when it is told to", async () => {
    const log = logging();
    await search({ isOver: () => log.keys.length > 0 }, log);
    expect(log.keys.length).toBe(1);
  });

  it("measures those first that are predicted to be fastest", async () => {
    const log = logging();
    await search({ beam: 1, predict: (all) => all.map(madeUp) }, log);
    const proposals = new Space(ROWS, TARGET);
    const near = proposals.neighbours(proposals.candidate({}, [])!).map(madeUp);
    const [, first] = log.keys;
    expect(madeUp({ key: first } as Candidate)).toBeLessThanOrEqual(Math.min(...near));
  });
});

describe("the cost model", () => {
  it.each(["matmul 64", "sum of rows", "elementwise, many"])(
    "knows that %s is faster as the heuristics schedule it than as it was fused",
    (name) => {
      const [text] = textsOf(name);
      const scheduled = new Space(text, TARGET).candidate({}, [])!;
      clearArena();
      const plain = featuresOf(parseKernel(text), TARGET);
      expect(predictTime(scheduled.features)).toBeLessThan(predictTime(plain) - 0.5);
    },
  );

  it("predicts the same for the same features", () => {
    const { features } = new Space(ROWS, TARGET).candidate({}, [])!;
    expect(predictTime(features)).toBe(predictTime(features.slice()));
    expect(Number.isFinite(predictTime(features))).toBe(true);
  });
});

describe("what a search may try", () => {
  it.each([
    ["softmax of rows", ["merged", "in", "accumulators"]],
    ["attention of many keys", ["merged", "inlined", "block"]],
  ])("asks of %s how rows are taken", (name, kinds) => {
    const [text] = textsOf(name);
    const { questions } = new Space(text, TARGET).candidate({}, [])!;
    const asked = [...questions.keys()].map((question) => question.split(" ")[1]);
    for (const kind of kinds) expect(asked).toContain(kind);
  });
  const texts = [...Object.keys(WORKLOADS).flatMap((name) => textsOf(name)), ...Object.values(TEXTS)];
  it.each(texts.map((text) => [text.slice(7, text.indexOf("(")), text]))("computes %s", (_name, text) => {
    clearArena();
    const kernel = parseKernel(text);
    const memory = fill(kernel);
    const expected = runKernel(kernel, memory);
    for (let seed = 0; seed < 6; seed++) {
      const { actions, key, features } = randomCandidate(printKernel(kernel), TARGET, seed);
      expect(features.length).toBe(FEATURE_COUNT);
      expect(
        [...features].every((x) => Number.isFinite(x) && x >= 0),
        `features of ${key}`,
      ).toBe(true);
      clearArena();
      const own = parseKernel(printKernel(kernel));
      const scheduled = applySchedule(own, actions);
      verifyKernel(scheduled);
      expect(difference(own, expected, runKernel(scheduled, memory)), key).toBeUndefined();
      try {
        const program = lowerKernel(scheduled, TARGET, own);
        verifyProgram(program);
        expect(difference(own, expected, runProgram(program, memory)), key).toBeUndefined();
      } catch (error) {
        if (!(error instanceof ScheduleError)) throw new Error(`${key}: ${(error as Error).stack}`);
      }
    }
  });
});
