// Rewrites over whole statement trees, shared by schedules and lowering.

import {
  type Atom,
  type Index,
  type IndexLike,
  type LoopAtom,
  loopAtom,
  substituteIndex,
  toIndex,
} from "./index.js";
import {
  type Buffer,
  type Expr,
  load,
  loadedIndex,
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
  const inIndex = (x: Index): Index => substituteIndex(x, inAtom);
  const inStatement = (s: Stmt): Stmt => {
    switch (s.kind) {
      case "for":
        return { ...s, body: s.body.map(inStatement) };
      case "if":
        return { ...s, valid: s.valid.map(inIndex), body: s.body.map(inStatement) };
      case "store":
      case "accumulate":
        return { ...s, index: inIndex(s.index), value: inExpr(s.value) };
      case "let":
        return { ...s, value: inExpr(s.value) };
      case "letIndex":
        return { ...s, index: inIndex(s.index) };
      case "alloc":
        return s;
    }
  };
  return body.map(inStatement);
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
  const inStatement = (s: Stmt): Stmt => {
    if (s.kind === "for") return { ...s, atom: atoms.get(s.atom)!, body: s.body.map(inStatement) };
    return s.kind === "if" ? { ...s, body: s.body.map(inStatement) } : s;
  };
  return changed.map(inStatement);
}

/** The same body over other buffers. */
export function replaceBuffers(body: readonly Stmt[], replaced: ReadonlyMap<Buffer, Buffer>): Stmt[] {
  const inLoads = rewriteBody(body, (x) => {
    if (x.op !== "load") return x;
    const buffer = replaced.get(x.buffer);
    return buffer === undefined ? x : load(buffer, x.index, x.valid, { dtype: x.dtype, lanes: x.lanes });
  });
  const inStatement = (s: Stmt): Stmt => {
    if (s.kind === "for" || s.kind === "if") return { ...s, body: s.body.map(inStatement) };
    if (s.kind !== "store" && s.kind !== "accumulate" && s.kind !== "alloc") return s;
    const buffer = replaced.get(s.buffer);
    return buffer === undefined ? s : { ...s, buffer };
  };
  return inLoads.map(inStatement);
}
