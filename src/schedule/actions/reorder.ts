// Moves a loop inwards, over statements and through loops.

import {
  addIndex,
  type Atom,
  type Index,
  type LoopAtom,
  loopAtom,
  mentions,
  mulIndex,
  toIndex,
} from "../../kernel/index.js";
import {
  alloc,
  type Buffer,
  forLoop,
  type LoopKind,
  load,
  makeBuffer,
  type Stmt,
  substituteStatements,
} from "../../kernel/ir.js";
import { rewriteBody } from "../../kernel/rewrite.js";
import { replacing, allIndices } from "./loops.js";

/** The loop over `atom` around a body, moved inwards as far as it goes. */
export function sink(
  atom: LoopAtom,
  kind: LoopKind,
  body: readonly Stmt[],
  inside: string | undefined,
): Stmt[] {
  const widened = new Map<Buffer, Buffer>();
  for (const s of body) {
    if (s.kind !== "alloc") continue;
    const { name, dtype, size, space, lanes } = s.buffer;
    widened.set(s.buffer, makeBuffer(name, dtype, mulIndex(size, atom.extent), space, lanes));
  }
  return widen(body, atom, kind, widened).flatMap((s): Stmt[] => {
    if (s.kind === "alloc") return [s];
    if (s.kind !== "for") return [fresh(atom, kind, [s])];
    if (!dependsOn(s, atom)) return [s];
    if (s.atom.name === inside) return [{ ...s, body: [fresh(atom, kind, s.body)] }];
    return [{ ...s, body: sink(atom, kind, s.body, inside) }];
  });
}

/** A loop over an atom of its own, so that two loops never share one. */
function fresh(atom: LoopAtom, kind: LoopKind, body: readonly Stmt[]): Stmt {
  const own = loopAtom(atom.name, atom.extent);
  return forLoop(own, substituteStatements(body, replacing(atom, toIndex(own))), kind);
}

function dependsOn(s: Stmt, atom: Atom): boolean {
  return allIndices([s]).some((x) => mentions(x, atom));
}

/** Every iteration gets its own part of the memory that the body allocates. */
export function widen(
  body: readonly Stmt[],
  atom: LoopAtom,
  kind: LoopKind,
  widened: ReadonlyMap<Buffer, Buffer>,
): Stmt[] {
  if (widened.size === 0) return [...body];
  const part = (index: Index, from: Buffer): Index => widenIndex(index, atom, kind, from.size);
  const inLoads = rewriteBody(body, (x) => {
    if (x.op !== "load") return x;
    const buffer = widened.get(x.buffer);
    return buffer === undefined
      ? x
      : load(buffer, part(x.index, x.buffer), x.valid, { dtype: x.dtype, lanes: x.lanes });
  });
  const inStatement = (s: Stmt): Stmt => {
    if (s.kind === "for" || s.kind === "if") return { ...s, body: s.body.map(inStatement) };
    if (s.kind === "alloc") return widened.has(s.buffer) ? alloc(widened.get(s.buffer)!) : s;
    if (s.kind !== "store" && s.kind !== "accumulate") return s;
    const buffer = widened.get(s.buffer);
    return buffer === undefined ? s : { ...s, buffer, index: part(s.index, s.buffer) };
  };
  return inLoads.map(inStatement);
}

/** A vector loop runs fastest in widened memory, so that its vectors are contiguous; any other runs slowest. */
const widenIndex = (index: Index, atom: LoopAtom, kind: LoopKind, size: Index): Index =>
  kind === "vectorize" ? addIndex(mulIndex(index, atom.extent), atom) : addIndex(mulIndex(atom, size), index);
