// The schedules that a search may try for a kernel: what the heuristics make of other answers to their questions, and
// then further actions. A candidate is plain data; the kernel itself is made anew from its text each time, so that a
// search depends on nothing but the text, and leaves nothing behind.

import type { Target } from "../../device/target.js";
import { clearArena } from "../../kernel/ir.js";
import { parseKernel } from "../../kernel/parse.js";
import { type Action, printAction } from "../actions/action.js";
import { type Answers, Draft, type Question } from "../heuristics/draft.js";
import { heuristicSchedule } from "../heuristics/heuristics.js";
import { isModest } from "../modest.js";
import { randomAction } from "./actions.js";
import { type Choices, pick } from "./choices.js";
import { featuresOf } from "./features.js";

export interface Candidate {
  readonly answers: Answers;
  /** Actions after those that follow from the answers. */
  readonly further: readonly Action[];
  /** The whole schedule. */
  readonly actions: readonly Action[];
  /** The schedule as text: equal candidates have equal keys. */
  readonly key: string;
  readonly questions: ReadonlyMap<string, Question>;
  readonly features: Float32Array;
}

/** Attempts at a legal action for each one wanted. */
const ATTEMPTS = 4;

export class Space {
  constructor(
    /** The kernel, as printKernel gives it. */
    readonly text: string,
    readonly target: Target,
  ) {}

  /** The schedule of these answers and further actions; undefined if they are not legal, or make too much code. */
  candidate(answers: Answers, further: readonly Action[]): Candidate | undefined {
    clearArena();
    const draft = heuristicSchedule(parseKernel(this.text), this.target, answers);
    const { questions } = draft;
    if (further.some((action) => !draft.apply(action))) return undefined;
    return this.finish(draft, { answers, further, questions });
  }

  private finish(
    draft: Draft,
    made: Pick<Candidate, "answers" | "further" | "questions">,
  ): Candidate | undefined {
    const plain = Object.keys(made.answers).length === 0 && made.further.length === 0;
    if (!plain && !isModest(draft.kernel, this.target)) return undefined;
    const { actions, kernel } = draft;
    const key = actions.map(printAction).join("; ");
    return { ...made, actions, key, features: featuresOf(kernel, this.target) };
  }

  /** Candidates that differ in one answer. */
  neighbours({ questions, answers, further }: Candidate): Candidate[] {
    return [...questions].flatMap(([name, { preferred, options }]) =>
      options.flatMap((option) => {
        if (option === (answers[name] ?? preferred)) return [];
        return this.candidate({ ...answers, [name]: option }, further) ?? [];
      }),
    );
  }

  /** Candidates of which about half of the answers are drawn anew. */
  variations({ questions, answers }: Candidate, choices: Choices, count: number): Candidate[] {
    if (questions.size < 2) return [];
    return Array.from({ length: count }, () => {
      const drawn: Record<string, Question["preferred"]> = { ...answers };
      for (const [name, { options }] of questions) {
        if (choices.below(2) === 1) drawn[name] = pick(choices, options);
      }
      return this.candidate(drawn, []) ?? [];
    }).flat();
  }

  /** Candidates with one more action, drawn at random. */
  extensions({ answers, further }: Candidate, choices: Choices, count: number): Candidate[] {
    clearArena();
    const base = heuristicSchedule(parseKernel(this.text), this.target, answers);
    const { questions } = base;
    if (further.some((action) => !base.apply(action))) return [];
    const found: Candidate[] = [];
    for (let tries = ATTEMPTS * count; tries > 0 && found.length < count; tries--) {
      const action = randomAction(base.kernel, choices);
      if (action === undefined) continue;
      const draft = new Draft(base.kernel, this.target);
      if (!draft.apply(action)) continue;
      draft.actions.unshift(...base.actions);
      const made = this.finish(draft, { answers, further: [...further, action], questions });
      if (made !== undefined) found.push(made);
    }
    return found;
  }
}
