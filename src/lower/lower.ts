// Lowers a scheduled kernel to a program for one target. A flat recipe of passes.

import type { Target } from "../device/target.js";
import { type Index, loopAtom, toIndex } from "../kernel/index.js";
import type { Kernel } from "../kernel/ir.js";
import type { Program } from "./program.js";
import { workOf } from "./work.js";

/** The program of a kernel; the interpreter takes kernels as they are. */
export function lowerKernel(kernel: Kernel, target: Target): Program {
  const work = workOf(kernel);
  if (target.language === "interpreter") {
    const whole = { atom: loopAtom("once", 1), grain: 1, body: kernel.body };
    return { ...named(kernel), ...work, phases: [whole], scratch: [], localBytes: 0 };
  }
  throw new Error(`no lowering for ${target.language} yet`);
}

const named = ({ name, params, symbols }: Kernel): Pick<Program, "name" | "params" | "symbols"> => ({
  name,
  params,
  symbols,
});

export const ZERO: Index = toIndex(0);
