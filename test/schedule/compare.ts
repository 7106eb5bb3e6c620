// Runs kernels and programs on the same memory and compares what they leave there.

import { type Atom, addIndex, type Index, negIndex, toIndex } from "../../src/kernel/index.js";
import { interpretKernel, interpretProgram, type SymbolValues } from "../../src/kernel/interpret.js";
import { type Kernel, type Stmt, substituteStatements, visitStatements } from "../../src/kernel/ir.js";
import type { Program } from "../../src/lower/program.js";
import { elementReader, elementWriter } from "../../src/scalar/convert.js";
import { bytesOf, isBigInteger, type Scalar } from "../../src/scalar/dtype.js";

/** Parameters by place: a program's buffers may be other ones than its kernel's. */
export type Parameters = readonly Uint8Array[];

/** Every parameter filled with small whole numbers (so that most sums are exact), different at each place. */
export function fill(kernel: Kernel, seed = 1): Parameters {
  return kernel.params.map(({ dtype, size }, place) => {
    // Whole words: some devices have memory of no smaller pieces.
    const bytes = new Uint8Array(Math.ceil((size.max * bytesOf(dtype)) / 4) * 4);
    const view = new DataView(bytes.buffer);
    const write = elementWriter(dtype);
    for (let i = 0; i < size.max; i++) {
      const n = (((i + 1) * 7919 + place * 31 + seed * 101) % 11) - 3;
      const value = dtype === "bool" ? n > 0 : isBigInteger(dtype) ? BigInt(n) : dtype[0] === "u" ? n + 3 : n;
      write(view, i * bytesOf(dtype), value);
    }
    return bytes;
  });
}

export const copy = (parameters: Parameters): Parameters => parameters.map((bytes) => bytes.slice());

/** Values for the symbolic variables: a little above the middle of their ranges. */
export const symbolsOf = ({ symbols }: Pick<Kernel, "symbols">): SymbolValues =>
  Object.fromEntries(symbols.map(({ name, min, max }) => [name, Math.ceil((min + max + 1) / 2)]));

export function runKernel(kernel: Kernel, parameters: Parameters): Parameters {
  const bytes = copy(parameters);
  interpretKernel(kernel, new Map(kernel.params.map((buffer, i) => [buffer, bytes[i]])), symbolsOf(kernel));
  return bytes;
}

export function runProgram(program: Program, parameters: Parameters): Parameters {
  const bytes = copy(parameters);
  interpretProgram(
    program,
    new Map(program.params.map((buffer, i) => [buffer, bytes[i]])),
    symbolsOf(program),
  );
  return bytes;
}

/** Where results first differ by more than sums in another order do; undefined if they agree. */
export function difference(kernel: Kernel, expected: Parameters, actual: Parameters): string | undefined {
  for (const [place, { name, dtype }] of kernel.params.entries()) {
    const read = elementReader(dtype);
    const step = bytesOf(dtype);
    const views = [expected[place], actual[place]].map((bytes) => new DataView(bytes.buffer));
    for (let at = 0; at + step <= expected[place].byteLength; at += step) {
      const [x, y] = views.map((view) => read(view, at));
      if (!agrees(x, y)) return `${name}[${at / step}] is ${y}, should be ${x}`;
    }
  }
  return undefined;
}

function agrees(x: Scalar, y: Scalar): boolean {
  if (Object.is(x, y) || x === y) return true;
  if (typeof x !== "number" || typeof y !== "number" || (Number.isInteger(x) && Number.isInteger(y)))
    return Math.abs(Number(x)) > 2 ** 22 && Math.abs(Number(x) - Number(y)) <= 1e-4 * Math.abs(Number(x));
  return Math.abs(x - y) <= 1e-4 * (1 + Math.abs(x));
}

/** The same loops, with the iterations of those that claim to be independent run backwards. */
export function backwards(body: readonly Stmt[]): Stmt[] {
  const reversed = new Map<Atom, Index>();
  visitStatements(body, (s) => {
    if (s.kind !== "for" || s.loop === "serial") return;
    reversed.set(s.atom, addIndex(s.atom.extent, -1, negIndex(toIndex(s.atom))));
  });
  return substituteStatements(body, (atom) => reversed.get(atom));
}

/** The same program, with the iterations of each phase run backwards. */
export const phasesBackwards = (program: Program): Program => ({
  ...program,
  phases: program.phases.map((phase) => {
    const last = addIndex(phase.atom.extent, -1, negIndex(toIndex(phase.atom)));
    return {
      ...phase,
      body: substituteStatements(phase.body, (atom) => (atom === phase.atom ? last : undefined)),
    };
  }),
});
