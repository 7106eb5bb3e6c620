// Whatever list of actions is legal on whatever kernel, the loops they make compute what the kernel did: run as they
// are, with their independent iterations backwards, written out, and lowered.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Target } from "../../src/device/target.js";
import { clearArena, type Kernel } from "../../src/kernel/ir.js";
import { printKernel } from "../../src/kernel/print.js";
import { verifyKernel, verifyProgram } from "../../src/kernel/verify.js";
import { lowerKernel } from "../../src/lower/lower.js";
import { unrollLoops } from "../../src/lower/unroll.js";
import { type Action, printAction, ScheduleError } from "../../src/schedule/actions/action.js";
import { applyAction } from "../../src/schedule/actions/apply.js";
import { randomAction } from "../../src/schedule/search/actions.js";
import {
  backwards,
  difference,
  fill,
  type Parameters,
  phasesBackwards,
  runKernel,
  runProgram,
} from "./compare.js";
import { NumberedChoices, randomGraph } from "./random.js";
import { cpuTarget, kernelsOf, TEXTS } from "./workloads.js";
import { parseKernel } from "../../src/kernel/parse.js";

const TARGET = { ...cpuTarget(32, 16, 2), cacheBytes: 2 ** 20 };
/** Larger bodies are only slow to test. */
const MOST_STATEMENTS = 3000;

/** How often each action was legal, by name. */
const legal = new Map<string, number>();

function randomSchedule(kernel: Kernel, choices: NumberedChoices): { kernel: Kernel; actions: Action[] } {
  const actions: Action[] = [];
  let scheduled = kernel;
  while (!choices.done) {
    const action = randomAction(scheduled, choices);
    if (action === undefined) continue;
    try {
      const next = applyAction(scheduled, action);
      verifyKernel(next);
      if (printKernel(next).length > MOST_STATEMENTS * 20) continue;
      scheduled = next;
      actions.push(action);
      legal.set(action.action, (legal.get(action.action) ?? 0) + 1);
    } catch (error) {
      if (!(error instanceof ScheduleError))
        throw new Error(`${[...actions, action].map(printAction).join("; ")}\n${(error as Error).stack}`);
    }
  }
  return { kernel: scheduled, actions };
}

function checkSchedule(
  kernel: Kernel,
  memory: Parameters,
  expected: Parameters,
  numbers: number[],
  target: Target,
): void {
  const { kernel: scheduled, actions } = randomSchedule(kernel, new NumberedChoices(numbers));
  const fail = (stage: string, found: string): never => {
    throw new Error(`${stage}: ${found}\n${actions.map(printAction).join("; ")}\n${printKernel(scheduled)}`);
  };
  const check = (stage: string, run: () => Parameters): void => {
    let found: string | undefined;
    try {
      found = difference(kernel, expected, run());
    } catch (error) {
      fail(stage, (error as Error).stack ?? "");
    }
    if (found !== undefined) fail(stage, found);
  };
  check("scheduled", () => runKernel(scheduled, memory));
  check("backwards", () => runKernel({ ...scheduled, body: backwards(scheduled.body) }, memory));
  check("unrolled", () => {
    const unrolled = { ...scheduled, body: unrollLoops(scheduled.body) };
    verifyKernel(unrolled);
    return runKernel(unrolled, memory);
  });
  let program: ReturnType<typeof lowerKernel>;
  try {
    program = lowerKernel(scheduled, target, kernel);
  } catch (error) {
    // Whether lanes can be formed is known only once all actions are.
    if (error instanceof ScheduleError) return;
    return fail("lowering", (error as Error).stack ?? "");
  }
  check("lowered", () => {
    verifyProgram(program);
    return runProgram(program, memory);
  });
  check("phases backwards", () => runProgram(phasesBackwards(program), memory));
}

const numbers = fc.array(fc.nat(2 ** 20), { minLength: 4, maxLength: 40 });

describe("random schedules", () => {
  for (const [name, text] of Object.entries(TEXTS)) {
    it(`of ${name}`, () => {
      const kernel = parseKernel(text);
      const memory = fill(kernel);
      const expected = runKernel(kernel, memory);
      fc.assert(
        fc.property(numbers, (list) => checkSchedule(kernel, memory, expected, list, TARGET)),
        { numRuns: 300 },
      );
    });
  }

  it("of random kernels", () => {
    const graphs = fc.array(fc.nat(2 ** 20), { minLength: 4, maxLength: 20 });
    fc.assert(
      fc.property(graphs, numbers, (graph, list) => {
        clearArena();
        for (const kernel of kernelsOf([randomGraph(new NumberedChoices(graph))], TARGET)) {
          verifyKernel(kernel);
          const memory = fill(kernel);
          try {
            checkSchedule(kernel, memory, runKernel(kernel, memory), list, TARGET);
          } catch (error) {
            throw new Error(`${printKernel(kernel)}\n${(error as Error).message}`);
          }
        }
      }),
      { numRuns: 800 },
    );
  });

  it("were legal often enough to mean something", () => {
    for (const action of [
      "split",
      "collapse",
      "reorder",
      "unroll",
      "vectorize",
      "parallel",
      "rfactor",
      "partition",
      "stage",
      "stream",
      "prefetch",
      "merge",
      "inline",
      "factor",
      "raise",
      "online",
      "overlay",
      "bound",
    ]) {
      expect(legal.get(action) ?? 0, action).toBeGreaterThan(8);
    }
  });
});
