// Single actions drawn at random: what a search tries beyond the schedules that heuristics know.

import { type Kernel, loadsOf, type Stmt, visitStatements } from "../../kernel/ir.js";
import type { ReduceOp } from "../../scalar/ops.js";
import { MATRIX_UNITS } from "../../kernel/units.js";
import type { Action } from "../actions/action.js";
import { findLoop, writtenIn } from "../actions/loops.js";
import { type Choices, pick } from "./choices.js";

const FACTORS = [2, 3, 4, 5, 8, 16, 32] as const;

const loopNames = (body: readonly Stmt[]): string[] => {
  const names: string[] = [];
  visitStatements(body, (s) => {
    if (s.kind === "for") names.push(s.atom.name);
  });
  return names;
};

/** Loops that follow each other in a block. */
function neighbours(body: readonly Stmt[]): { first: string; second: string }[] {
  const found: { first: string; second: string }[] = [];
  const visit = (block: readonly Stmt[]): void => {
    const loops = block.flatMap((s) => (s.kind === "for" ? [s.atom.name] : []));
    for (let i = 1; i < loops.length; i++) found.push({ first: loops[i - 1], second: loops[i] });
    for (const s of block) if (s.kind === "for" || s.kind === "if") visit(s.body);
  };
  visit(body);
  return found;
}

/** Loops that do nothing but accumulate. */
function reductionsBy(op: ReduceOp, body: readonly Stmt[]): string[] {
  const names: string[] = [];
  visitStatements(body, (s) => {
    if (s.kind !== "for" || s.body.length !== 1) return;
    const [only] = s.body;
    if (only.kind === "accumulate" && only.op === op) names.push(s.atom.name);
  });
  return names;
}

/** Memory of a thread for more than one element. */
function rowsOf(body: readonly Stmt[]): string[] {
  const names: string[] = [];
  visitStatements(body, (s) => {
    if (s.kind === "alloc" && s.buffer.space === "local" && s.buffer.size.value !== 1)
      names.push(s.buffer.name);
  });
  return names;
}

/** An action that names loops and buffers of the kernel; it may well be illegal there. */
export function randomAction(kernel: Kernel, choices: Choices): Action | undefined {
  const names = loopNames(kernel.body);
  const loop = pick(choices, [...names, "none"].slice(0, Math.max(1, names.length)));
  switch (choices.below(27)) {
    case 0:
    case 1:
    case 2:
      return {
        action: "split",
        loop,
        factor: pick(choices, FACTORS),
        tail: pick(choices, ["peel", "guard", "overlap"]),
      };
    case 3:
    case 4: {
      const [inner] = findLoop(kernel.body, loop)?.body ?? [];
      return { action: "collapse", outer: loop, inner: inner?.kind === "for" ? inner.atom.name : loop };
    }
    case 5:
    case 16: {
      const inside = pick(choices, [undefined, ...names]);
      return inside === undefined ? { action: "reorder", loop } : { action: "reorder", loop, inside };
    }
    case 6:
      return { action: "unroll", loop };
    case 7:
      return { action: "vectorize", loop };
    case 8:
      return { action: "parallel", loop };
    case 9:
      return { action: "rfactor", loop, layout: pick(choices, ["inner", "outer", "shared", "own"]) };
    case 10:
      return { action: "partition", loop };
    case 11:
      return { action: "stream", buffer: pick(choices, ["none", ...kernel.params.map(({ name }) => name)]) };
    case 12: {
      const nests =
        findLoop(kernel.body, loop)?.body.flatMap((s) => (s.kind === "for" ? [s.atom.name] : [])) ?? [];
      return { action: "distribute", loop, alone: nests.slice(choices.below(2)) };
    }
    case 13: {
      const shared = kernel.body.flatMap((s) => (s.kind === "alloc" ? [s.buffer.name] : []));
      return { action: "compute", buffer: pick(choices, ["none", ...shared]), at: loop };
    }
    case 15: {
      const read = loadsOf(kernel.body).map(({ buffer }) => buffer.name);
      const ahead = 1 + choices.below(3);
      return {
        action: "prefetch",
        buffer: pick(choices, ["none", ...read]),
        at: loop,
        next: pick(choices, names),
        ahead,
      };
    }
    case 14:
      return { action: "prefix", loop, layout: pick(choices, ["lanes", "shared"]) };
    case 18:
    case 19:
      return {
        action: "merge",
        ...pick(choices, [...neighbours(kernel.body), { first: loop, second: loop }]),
      };
    case 20:
      return { action: "inline", buffer: pick(choices, ["none", ...rowsOf(kernel.body)]) };
    case 23: {
      const outputs = kernel.params.filter((buffer) => writtenIn(kernel.body).has(buffer));
      const row = pick(choices, [...rowsOf(kernel.body), "none"]);
      return { action: "overlay", row, output: pick(choices, outputs).name };
    }
    case 21:
      return { action: "factor", loop: pick(choices, [...reductionsBy("add", kernel.body), loop]) };
    case 22: {
      const largest = pick(choices, [...reductionsBy("max", kernel.body), loop]);
      return { action: "online", loop: largest, block: pick(choices, FACTORS) };
    }
    case 24:
      return { action: "bound", loop: pick(choices, [...reductionsBy("max", kernel.body), loop]) };
    case 25:
      return { action: "raise", loop: pick(choices, [...reductionsBy("add", kernel.body), loop]) };
    case 17:
      return { action: "tensorize", loop, unit: pick(choices, MATRIX_UNITS).name };
    default:
      return randomStage(kernel, choices);
  }
}

function randomStage(kernel: Kernel, choices: Choices): Action | undefined {
  const at = pick(choices, [undefined, ...loopNames(kernel.body)]);
  const body = at === undefined ? kernel.body : (findLoop(kernel.body, at)?.body ?? []);
  const loads = loadsOf(body).filter((x) => x.buffer.space === "global");
  if (loads.length === 0) return undefined;
  const { buffer, index, valid } = pick(choices, loads);
  const mentioned = new Set<string>();
  for (const x of [index, ...valid]) {
    for (const { atoms } of x.terms)
      for (const atom of atoms) if (atom.kind === "loop") mentioned.add(atom.name);
  }
  const order = loopNames(body).filter((name) => mentioned.has(name));
  if (choices.below(2) === 1) order.reverse();
  return { action: "stage", buffer: buffer.name, at, order, space: pick(choices, ["local", "scratch"]) };
}
