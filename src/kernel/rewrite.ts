// Rewrites over whole statement trees, shared by schedules and lowering.

import { type Atom, type IndexLike, type LoopAtom, loopAtom, substituteIndex, toIndex } from "./index.js";
import {
  type Buffer,
  type Expr,
  load,
  loadedIndex,
  mapStatements,
  rewriteExpr,
  type Stmt,
  substituteStatements,
  visitStatements,
} from "./ir.js";

/** Rebuilds every expression of a body by `visit`, those inside indices included; see rewriteExpr. */
export function rewriteBody(body: readonly Stmt[], visit: (x: Expr) => Expr): Stmt[] {
  const memo = new Map<Expr, Expr>();
  const inExpr = (x: Expr): Expr => rewriteExpr(x, visit, undefined, memo);
  const inAtom = (atom: Atom): IndexLike | undefined => {
    if (atom.kind !== "loaded") return undefined;
    const value = inExpr(atom.value);
    return value === atom.value ? undefined : loadedIndex(value, atom.min, atom.max);
  };
  return mapStatements(body, { index: (x) => substituteIndex(x, inAtom), expr: inExpr });
}

/** The same body with fresh loop atoms under new names. */
export function renameLoops(body: readonly Stmt[], rename: (name: string) => string): Stmt[] {
  const atoms = new Map<Atom, LoopAtom>();
  visitStatements(body, (s) => {
    if (s.kind === "for") atoms.set(s.atom, loopAtom(rename(s.atom.name), s.atom.extent));
  });
  const changed = substituteStatements(body, (atom) => {
    const own = atoms.get(atom);
    return own && toIndex(own);
  });
  return mapStatements(changed, { loop: (atom) => atoms.get(atom)! });
}

/** The same body over other buffers. */
export function replaceBuffers(body: readonly Stmt[], replaced: ReadonlyMap<Buffer, Buffer>): Stmt[] {
  const inLoads = rewriteBody(body, (x) => {
    if (x.op !== "load") return x;
    const buffer = replaced.get(x.buffer);
    return buffer === undefined ? x : load(buffer, x.index, x.valid, { dtype: x.dtype, lanes: x.lanes });
  });
  return mapStatements(inLoads, { buffer: (buffer) => replaced.get(buffer) ?? buffer });
}
