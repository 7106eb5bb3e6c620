// Rewrites every expression of a statement tree bottom-up, those behind loaded indices included. Unlike `rewriteExpr`,
// a visitor sees each expression as it was (with its dtype) beside its rewritten operands, and buffers may change.

import { type Index, substituteIndex } from "../kernel/index.js";
import {
  type Buffer,
  type Expr,
  indicesOf,
  indexValue,
  load,
  loadedIndex,
  mapStatements,
  type Stmt,
  validValue,
  withArgs,
} from "../kernel/ir.js";

export interface Visitor {
  /** The replacement of `x`, given those of its operands. */
  readonly expr: (x: Expr, args: readonly Expr[], rewriter: Rewriter) => Expr;
  /** The value to store into a buffer for `value`, which was `original`. */
  readonly stored?: (value: Expr, original: Expr, buffer: Buffer) => Expr;
  readonly buffer?: (buffer: Buffer) => Buffer;
}

export interface Rewriter {
  index(x: Index): Index;
  buffer(x: Buffer): Buffer;
}

export function rewriteStatements(body: readonly Stmt[], visitor: Visitor): Stmt[] {
  const memo = new Map<Expr, Expr>();
  const rewriter: Rewriter = {
    buffer: visitor.buffer ?? ((b) => b),
    index: (x) => {
      if (x.loaded.length === 0) return x;
      return substituteIndex(x, (atom) => {
        if (atom.kind !== "loaded") return undefined;
        const value = memo.get(atom.value)!;
        return value === atom.value ? undefined : loadedIndex(value, atom.min, atom.max);
      });
    },
  };

  function rewrite(root: Expr): Expr {
    const stack = [root];
    while (stack.length > 0) {
      const x = stack[stack.length - 1];
      if (memo.has(x)) {
        stack.pop();
        continue;
      }
      const depth = stack.length;
      for (const arg of x.args) if (!memo.has(arg)) stack.push(arg);
      for (const value of loadedValues(indicesOf(x))) if (!memo.has(value)) stack.push(value);
      if (stack.length > depth) continue;
      const args = x.args.map((a) => memo.get(a)!);
      memo.set(x, visitor.expr(x, args, rewriter));
      stack.pop();
    }
    return memo.get(root)!;
  }
  const inIndex = (x: Index): Index => {
    for (const value of loadedValues([x])) rewrite(value);
    return rewriter.index(x);
  };
  const { stored } = visitor;
  return mapStatements(body, { index: inIndex, expr: rewrite, stored, buffer: rewriter.buffer });
}

/** The same expression over rewritten operands, indices and buffers. */
export function rebuild(x: Expr, args: readonly Expr[], rewriter: Rewriter): Expr {
  switch (x.op) {
    case "index": {
      const index = rewriter.index(x.index);
      return index === x.index ? x : indexValue(index, x.dtype);
    }
    case "valid":
      return validValue(x.valid.map((v) => rewriter.index(v)));
    case "load": {
      const valid = x.valid.map((v) => rewriter.index(v));
      return load(rewriter.buffer(x.buffer), rewriter.index(x.index), valid, {
        dtype: x.dtype,
        lanes: x.lanes,
      });
    }
    default:
      return withArgs(x, args);
  }
}

function loadedValues(indices: readonly Index[]): Expr[] {
  const values: Expr[] = [];
  for (const index of indices) for (const { value } of index.loaded) values.push(value);
  return values;
}
