// Indices as instructions. Addresses are computed modulo 2^32, which any order of sums and products respects; where the
// true value matters (predicates, quotients, indices as 64-bit data) and may leave 32 bits, 64-bit arithmetic is used.

import type { Atom, Index } from "../kernel/index.js";
import type { Expr, Valid } from "../kernel/ir.js";
import type { Arena, Node } from "./wasm-nodes.js";
import { scalarCode, SELECT } from "./wasm-opcodes.js";

/** What a function knows of the atoms its indices mention. */
export interface IndexScope {
  readonly arena: Arena;
  /** An i32: the value of a loop, symbol or let atom. */
  atomNode(atom: Atom): Node;
  /** How many loops enclose the place where the atom is bound. */
  atomDepth(atom: Atom): number;
  /** The value of a loaded atom's expression. */
  valueNode(value: Expr): Node;
}

type Width = "i32" | "i64";

const fitsSigned = (x: Index): boolean => x.min >= -(2 ** 31) && x.max < 2 ** 31;
const fitsUnsigned = (x: Index): boolean => x.min >= 0 && x.max < 2 ** 32;

/** An address and the constant that the access itself adds to it. */
export interface Address {
  readonly node: Node;
  readonly offset: number;
}

/** Where element `index` of a buffer lies that begins at `base` (an i32) plus `baseOffset` bytes. */
export function addressNode(
  base: Node,
  baseOffset: number,
  index: Index,
  bytes: number,
  scope: IndexScope,
): Address {
  // An access adds its offset without wrapping: what it is added to must not be negative.
  const least = index.min - index.constant;
  const needed = least >= 0 ? 0 : -least;
  const bounded = Number.isFinite(needed);
  const free = bounded && index.constant > needed ? index.constant - needed : 0;
  const offset = bounded ? free * bytes + baseOffset : 0;
  const explicit = index.constant * bytes + baseOffset - offset;
  const sum = new DepthSum(scope, "i32");
  sum.add(0, base);
  sum.add(0, scope.arena.i32(explicit));
  addTerms(sum, index, bytes, "i32", scope);
  return { node: sum.total(), offset };
}

/** The value of an index; as an i32 it is right modulo 2^32. */
export function indexNode(index: Index, width: Width, scope: IndexScope): Node {
  const sum = new DepthSum(scope, width);
  if (index.constant !== 0 || index.terms.length === 0)
    sum.add(0, constantNode(index.constant, width, scope));
  addTerms(sum, index, 1, width, scope);
  return sum.total();
}

/** An i64 that holds the index's true value. */
export function wideIndexNode(index: Index, scope: IndexScope): Node {
  if (!fitsSigned(index)) return indexNode(index, "i64", scope);
  return scope.arena.node("i64", scalarCode("extend_s", "i64")!, [indexNode(index, "i32", scope)]);
}

/** An i32, 1 where all indices are >= 0; undefined if they always are. */
export function validNode(valid: Valid, scope: IndexScope): Node | undefined {
  let all: Node | undefined;
  for (const index of valid) {
    if (index.min >= 0) continue;
    const width = fitsSigned(index) ? "i32" : "i64";
    const zero = constantNode(0, width, scope);
    const holds = scope.arena.node("i32", scalarCode("ge_s", width)!, [indexNode(index, width, scope), zero]);
    all = all === undefined ? holds : scope.arena.node("i32", scalarCode("and", "i32")!, [all, holds]);
  }
  return all;
}

/** A sum whose parts are added from the outermost loop inwards, so that its beginnings leave the inner loops. */
class DepthSum {
  private readonly parts: Node[] = [];

  constructor(
    private readonly scope: IndexScope,
    private readonly width: Width,
  ) {}

  add(depth: number, node: Node): void {
    const known = this.parts[depth];
    this.parts[depth] = known === undefined ? node : addNodes(known, node, this.width, this.scope);
  }

  total(): Node {
    let sum: Node | undefined;
    this.parts.forEach((part) => {
      sum = sum === undefined ? part : addNodes(sum, part, this.width, this.scope);
    });
    return sum ?? constantNode(0, this.width, this.scope);
  }
}

function addTerms(sum: DepthSum, index: Index, scale: number, width: Width, scope: IndexScope): void {
  for (const { coefficient, atoms } of index.terms) {
    const factors = atoms.map((atom) => ({
      node: atomValue(atom, width, scope),
      depth: depthOf(atom, scope),
    }));
    factors.sort((a, b) => a.depth - b.depth);
    let product = factors[0].node;
    for (const { node } of factors.slice(1)) product = mulNodes(product, node, width, scope);
    sum.add(factors[factors.length - 1].depth, scaleNode(product, coefficient * scale, width, scope));
  }
}

function depthOf(atom: Atom, scope: IndexScope): number {
  if (atom.kind !== "div" && atom.kind !== "mod") return scope.atomDepth(atom);
  let depth = 0;
  for (const index of [atom.numerator, atom.divisor]) {
    for (const term of index.terms) {
      for (const inner of term.atoms) depth = Math.max(depth, depthOf(inner, scope));
    }
  }
  return depth;
}

function atomValue(atom: Atom, width: Width, scope: IndexScope): Node {
  switch (atom.kind) {
    case "loop":
    case "symbol":
    case "let":
      return extended(scope.atomNode(atom), atom.min >= 0, width, scope);
    case "loaded": {
      const value = scope.valueNode(atom.value);
      if (value.type === "i32") return extended(value, atom.value.dtype !== "int32", width, scope);
      if (width === "i64") return value;
      // A 64-bit index from memory may be anything: it saturates, so that the predicates on it still tell.
      const inside = atom.min > -(2 ** 31) && atom.max < 2 ** 31 - 1;
      return scope.arena.node("i32", scalarCode("wrap_i64", "i32")!, [
        inside ? value : saturated(value, scope),
      ]);
    }
    case "div":
    case "mod":
      return quotient(atom.kind, atom.numerator, atom.divisor, width, scope);
  }
}

function extended(node: Node, unsigned: boolean, width: Width, { arena }: IndexScope): Node {
  return width === "i32" ? node : arena.node("i64", scalarCode("extend", "i64", unsigned)!, [node]);
}

function saturated(value: Node, { arena }: IndexScope): Node {
  const clamp = (x: Node, bound: bigint, compare: string): Node => {
    const limit = arena.i64(bound);
    return arena.node("i64", SELECT, [x, limit, arena.node("i32", scalarCode(compare, "i64")!, [x, limit])]);
  };
  return clamp(clamp(value, 2n ** 31n - 1n, "lt_s"), -(2n ** 31n), "gt_s");
}

/** Floor quotient or remainder by a positive divisor. */
function quotient(kind: "div" | "mod", top: Index, bottom: Index, wanted: Width, scope: IndexScope): Node {
  const { arena } = scope;
  const unsigned = top.min >= 0;
  const narrow = fitsSigned(top) || fitsUnsigned(top);
  const width: Width = narrow && fitsSigned(bottom) ? "i32" : "i64";
  const binary = (op: string, a: Node, b: Node): Node =>
    arena.node(width, scalarCode(op, width, unsigned)!, [a, b]);
  const x = indexNode(top, width, scope);
  const d = bottom.value;
  const shift = d === undefined ? undefined : exponentOf(d);
  let result: Node;
  if (d !== undefined && shift !== undefined) {
    const amount = constantNode(kind === "div" ? shift : d - 1, width, scope);
    result = kind === "div" ? binary("shr", x, amount) : binary("and", x, amount);
  } else {
    const y = indexNode(bottom, width, scope);
    result = binary(kind === "div" ? "quot" : "rem", x, y);
    if (!unsigned) {
      // Towards zero to floor: where the remainder is negative, the quotient is one less, the remainder y more.
      const bits = constantNode(width === "i32" ? 31 : 63, width, scope);
      const negative = arena.node(width, scalarCode("shr_s", width)!, [binary("rem", x, y), bits]);
      result = binary("add", result, kind === "div" ? negative : binary("and", negative, y));
    }
  }
  if (width === wanted) return result;
  if (wanted === "i64") return extended(result, unsigned, wanted, scope);
  return arena.node("i32", scalarCode("wrap_i64", "i32")!, [result]);
}

/** n < 32 with 2^n == x, if there is one. */
function exponentOf(x: number): number | undefined {
  const n = Math.round(Math.log2(x));
  return x > 0 && n < 32 && 2 ** n === x ? n : undefined;
}

function constantNode(value: number, width: Width, { arena }: IndexScope): Node {
  return width === "i32" ? arena.i32(value) : arena.i64(BigInt(value));
}

function addNodes(a: Node, b: Node, width: Width, { arena }: IndexScope): Node {
  if (a.constant === 0) return b;
  if (b.constant === 0) return a;
  if (a.constant !== undefined && b.constant !== undefined) return arena.i32(a.constant + b.constant);
  return arena.node(width, scalarCode("add", width)!, [a, b]);
}

function mulNodes(a: Node, b: Node, width: Width, { arena }: IndexScope): Node {
  if (a.constant !== undefined && b.constant !== undefined)
    return arena.i32(Math.imul(a.constant, b.constant));
  return arena.node(width, scalarCode("mul", width)!, [a, b]);
}

function scaleNode(x: Node, factor: number, width: Width, scope: IndexScope): Node {
  if (factor === 1) return x;
  if (x.constant !== undefined) return scope.arena.i32(Math.imul(x.constant, factor));
  const shift = exponentOf(factor);
  if (shift === undefined) return mulNodes(x, constantNode(factor, width, scope), width, scope);
  return scope.arena.node(width, scalarCode("shl", width)!, [x, constantNode(shift, width, scope)]);
}
