// Prints programs as C for the system's compiler: no headers, explicit vector types, one function a phase.
//
//   void NAME_p0(char **args, const i64 *symbols, i64 begin, i64 end, char *local)
//
// runs iterations [begin, end) of a phase's loop. `args` are the parameters then the scratch buffers, `symbols` the
// program's symbols in order, `local` 64-byte aligned memory of the calling thread. The text holds nothing that
// differs between processes, so it can be a cache's key.

import type { Program } from "../lower/program.js";
import { Helpers } from "./c-helpers.js";
import { cIdentifier, PhaseWriter } from "./c-phase.js";
import { SCALAR_TYPEDEFS } from "./c-types.js";

/** A program's code before its functions are named. */
export interface CKernel {
  readonly helpers: Helpers;
  /** The body of each phase's function. */
  readonly bodies: readonly string[];
}

export const phaseFunction = (name: string, phase: number): string => `${name}_p${phase}`;

/** One unit of C with the functions of all programs; names must differ. */
export function generateC(
  programs: readonly Program[],
  names: readonly string[] = programs.map((p) => cIdentifier(p.name)),
): string {
  return assembleC(
    programs.map((program) => generateKernel(program)),
    names,
  );
}

/** Joins kernels to a unit under these names; helpers that they share come once. */
export function assembleC(kernels: readonly CKernel[], names: readonly string[]): string {
  const typedefs = new Map<string, string>();
  const functions = new Map<string, string>();
  for (const { helpers } of kernels) {
    for (const [name, text] of helpers.typedefs) typedefs.set(name, text);
    for (const [name, text] of helpers.functions) functions.set(name, text);
  }
  const parts = [SCALAR_TYPEDEFS, ...typedefs.values()];
  if (functions.size > 0) parts.push("#ifndef __has_builtin\n#define __has_builtin(x) 0\n#endif");
  parts.push(...functions.values());
  kernels.forEach(({ bodies }, i) => {
    bodies.forEach((body, phase) => {
      const parameters = "char **args, const i64 *symbols, i64 begin, i64 end, char *local";
      parts.push(`\nvoid ${phaseFunction(names[i], phase)}(${parameters}) {\n${body}}`);
    });
  });
  return `${parts.join("\n")}\n`;
}

export function generateKernel(program: Program): CKernel {
  const helpers = new Helpers();
  try {
    const bodies = program.phases.map((_, phase) => new PhaseWriter(program, phase, helpers).write());
    return { helpers, bodies };
  } catch (cause) {
    throw new Error(`C code for ${program.name}: ${(cause as Error).message}`, { cause });
  }
}
