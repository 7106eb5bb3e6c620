// Has every kernel scheduled by a candidate drawn at random from those that a search may try, so that tests of anything
// are tests of the space. Loaded before each test file where BRISC_TEST_SCHEDULES=random; BRISC_TEST_SEED draws others.

import { scheduleInstead } from "../../src/engine/schedules.js";
import type { Target } from "../../src/device/target.js";
import type { Kernel } from "../../src/kernel/ir.js";
import { parseKernel } from "../../src/kernel/parse.js";
import { printKernel } from "../../src/kernel/print.js";
import { HostRandom } from "../../src/scalar/host-random.js";
import { type Scheduled, scheduleBy } from "../../src/schedule/schedule.js";
import { type Candidate, Space } from "../../src/schedule/search/space.js";

/** A candidate for a kernel: answers drawn at random, and up to three further actions. */
export function randomCandidate(text: string, target: Target, seed: number): Candidate {
  const space = new Space(text, target);
  const choices = new HostRandom(seed, text.length);
  let candidate = space.candidate({}, [])!;
  candidate = pickOne(space.neighbours(candidate), choices) ?? candidate;
  candidate = space.variations(candidate, choices, 1)[0] ?? candidate;
  for (let more = choices.below(4); more > 0; more--) {
    candidate = space.extensions(candidate, choices, 1)[0] ?? candidate;
  }
  return candidate;
}

const pickOne = <T>(items: readonly T[], choices: HostRandom): T | undefined =>
  items.length === 0 ? undefined : items[choices.below(items.length)];

function schedule(kernel: Kernel, target: Target): Scheduled | undefined {
  if (target.language === "interpreter") return undefined;
  const text = printKernel(kernel);
  const { actions } = randomCandidate(text, target, Number(process.env.BRISC_TEST_SEED ?? 0));
  return scheduleBy(parseKernel(text), target, actions);
}

if (process.env.BRISC_TEST_SCHEDULES === "random") scheduleInstead(schedule);
