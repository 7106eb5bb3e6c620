// A beam search for the fastest schedule of one kernel. Each round proposes candidates near the best so far, has a
// cost model rank them, and measures the few that it ranks first; the heuristics' own schedule is measured before all
// others. What is proposed, and in which order, follows from the seed and the measured times alone.

import type { Target } from "../../device/target.js";
import { HostRandom } from "../../scalar/host-random.js";
import { predictTimes } from "./model.js";
import { type Candidate, Space } from "./space.js";

/** Gives each candidate's nanoseconds; infinity for one that does not compile. What is slower than `best` may be rough. */
export type Measure = (candidates: readonly Candidate[], best: number) => Promise<readonly number[]>;

export interface BeamOptions {
  /** Candidates that are kept from round to round; twice as many are measured in each. */
  readonly beam: number;
  readonly seed: number;
  /** True once the search shall end with the best so far. */
  readonly isOver?: () => boolean;
  /** Candidates' predicted times, to rank them by; the trained model's unless given. */
  readonly predict?: (candidates: readonly Candidate[]) => ArrayLike<number>;
}

export interface Timed {
  readonly candidate: Candidate;
  readonly nanoseconds: number;
}

export interface Found {
  /** All that were measured, the fastest first. */
  readonly ranking: readonly Timed[];
  readonly heuristic: Timed;
}

/** Nanoseconds below which no schedule is looked for: launching the kernel takes as long. */
const WORTHWHILE = 1000;
/** Rounds without gain after which a search ends. */
const PATIENCE = 2;
const MOST_ROUNDS = 8;
/** A gain is worth another round from this share of the time on. */
const GAIN = 0.02;
/** Proposals of each kind for each place of the beam. */
const PROPOSALS = 16;

/** Searches schedules of a kernel, given as text. */
export async function searchSchedule(
  text: string,
  target: Target,
  measure: Measure,
  options: BeamOptions,
): Promise<Found> {
  const { beam, isOver = () => false, predict = predictTimes } = options;
  const space = new Space(text, target);
  const choices = new HostRandom(options.seed);
  const first = space.candidate({}, [])!;
  const [time] = await measure([first], Number.POSITIVE_INFINITY);
  const heuristic = { candidate: first, nanoseconds: time };
  const known = new Set([identity(first)]);
  let ranking: Timed[] = [heuristic];
  let idle = 0;
  for (let round = 0; round < MOST_ROUNDS && idle < PATIENCE && !isOver(); round++) {
    const best = ranking[0].nanoseconds;
    if (best < WORTHWHILE) break;
    const proposals: Candidate[] = [];
    for (const { candidate } of ranking.slice(0, beam)) {
      proposals.push(...space.neighbours(candidate));
      proposals.push(...space.variations(candidate, choices, PROPOSALS));
      proposals.push(...space.extensions(candidate, choices, PROPOSALS));
    }
    const fresh = distinct(proposals, known);
    const times = predict(fresh);
    const order = fresh.map((_, i) => i).sort((a, b) => times[a] - times[b] || a - b);
    const chosen = order.slice(0, 2 * beam).map((i) => fresh[i]);
    if (chosen.length === 0) break;
    const measured = await measure(chosen, best);
    chosen.forEach((candidate, i) => {
      known.add(identity(candidate));
      ranking.push({ candidate, nanoseconds: measured[i] });
    });
    ranking = ranking.sort((a, b) => a.nanoseconds - b.nanoseconds);
    idle = ranking[0].nanoseconds < best * (1 - GAIN) ? 0 : idle + 1;
  }
  return { ranking, heuristic };
}

/** Schedules of equal features are not told apart: most differ by an action that changes nothing. */
const identity = ({ features }: Candidate): string => features.join(" ");

function distinct(candidates: readonly Candidate[], known: ReadonlySet<string>): Candidate[] {
  const seen = new Set(known);
  return candidates.filter((candidate) => !seen.has(identity(candidate)) && seen.add(identity(candidate)));
}
