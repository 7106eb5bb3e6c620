// A kernel on its way to a schedule, and the actions so far.

import type { Target } from "../../device/target.js";
import type { ForStmt, Kernel } from "../../kernel/ir.js";
import { type Action, ScheduleError } from "../actions/action.js";
import { applyAction } from "../actions/apply.js";
import { findLoop } from "../actions/loops.js";

export interface Scheduled {
  readonly kernel: Kernel;
  readonly actions: readonly Action[];
}

/** A kernel on its way to a schedule. */
export class Draft implements Scheduled {
  readonly actions: Action[] = [];

  constructor(
    public kernel: Kernel,
    readonly target: Target,
  ) {}

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

  /** The loop of this name, if there is one. */
  loop(name: string): ForStmt | undefined {
    return findLoop(this.kernel.body, name);
  }
}
