// A kernel on its way to a schedule: the actions so far, and the questions that the heuristics asked on the way. A search
// answers some of them otherwise than the heuristics would.

import type { Target } from "../../device/target.js";
import type { ForStmt, Kernel, Stmt } from "../../kernel/ir.js";
import { type Action, ScheduleError } from "../actions/action.js";
import { applyAction } from "../actions/apply.js";
import { findLoop } from "../actions/loops.js";
import { type CopyNames, copyNames } from "../actions/stage.js";

export interface Scheduled {
  readonly kernel: Kernel;
  readonly actions: readonly Action[];
}

/** The answer to a question: a size, a loop's name, yes or no. */
export type Answer = number | string | boolean;

/** Answers by the names of their questions. */
export type Answers = Readonly<Record<string, Answer>>;

export interface Question {
  readonly preferred: Answer;
  /** All answers that make sense, the preferred one among them. */
  readonly options: readonly Answer[];
}

/** A kernel on its way to a schedule. */
export class Draft implements Scheduled {
  readonly actions: Action[] = [];
  /** What was asked so far, by name, in order. */
  readonly questions = new Map<string, Question>();

  constructor(
    public kernel: Kernel,
    readonly target: Target,
    private readonly answers: Answers = {},
  ) {}

  /**
   * Decides something of a schedule: the preferred answer, unless this draft was given another of the options. The name
   * says which nest is asked about (a loop of it) and what: `"i0 rows"`; it is asked once in a schedule.
   */
  choose<T extends Answer>(name: string, preferred: T, options: readonly T[]): T {
    this.questions.set(name, { preferred, options: [...new Set([preferred, ...options])] });
    const answer = this.answers[name];
    return options.find((option) => option === answer) ?? preferred;
  }

  /** Applies an action; false, and nothing done, if it is not legal here. */
  apply(action: Action): boolean {
    try {
      this.kernel = applyAction(this.kernel, action);
      this.actions.push(action);
      return true;
    } catch (error) {
      if (error instanceof ScheduleError) return false;
      throw error;
    }
  }

  /** Applies `stage`; gives the names of the copy and of its loops. */
  stage(action: Omit<Extract<Action, { action: "stage" }>, "action">): CopyNames | undefined {
    const names = copyNames(this.kernel.body, action.buffer, action.order);
    return this.apply({ action: "stage", ...action }) ? names : undefined;
  }

  /** Takes all steps; if one fails (gives false), nothing is done. */
  attempt(steps: readonly (() => boolean)[]): boolean {
    const { kernel } = this;
    const before = this.actions.length;
    if (steps.every((step) => step())) return true;
    this.kernel = kernel;
    this.actions.length = before;
    return false;
  }

  /** The loops around a loop, outermost first, and the loop itself. */
  nestOf(name: string): ForStmt[] {
    const path: ForStmt[] = [];
    const visit = (body: readonly Stmt[]): boolean =>
      body.some((s) => {
        if (s.kind === "if") return visit(s.body);
        if (s.kind !== "for") return false;
        path.push(s);
        if (s.atom.name === name || visit(s.body)) return true;
        path.pop();
        return false;
      });
    visit(this.kernel.body);
    return path;
  }

  /** The loop of this name, if there is one. */
  loop(name: string): ForStmt | undefined {
    return findLoop(this.kernel.body, name);
  }
}
