// Names what is computed more than once, and computes before a loop what does not change inside it.
//
// Every expression belongs to the outermost block in which it can be computed: inside all loops it depends on, and
// after the last write to any buffer it reads. One that is used twice, or that can leave a loop, is bound there by a
// `let`; the parts of addresses likewise by `letIndex`, so that an innermost address is one variable, its stride, and
// a constant.

import {
  addIndex,
  type Atom,
  divIndex,
  type Index,
  type LoadedAtom,
  letAtom,
  modIndex,
  mulIndex,
  type Term,
  toIndex,
  visitAtoms,
} from "../kernel/index.js";
import {
  type Buffer,
  type Expr,
  exprsOf,
  type ForStmt,
  indexValue,
  indicesOf,
  load,
  loadedIndex,
  ref,
  type Stmt,
  type TileAccess,
  topologicalOrder,
  type Valid,
  validValue,
  visitStatements,
  withArgs,
  writtenBy,
} from "../kernel/ir.js";

/** One open block. */
interface Scope {
  readonly out: Stmt[];
  /** The loop whose body this is; undefined for the outermost block and for conditions. */
  readonly loop: Atom | undefined;
  /** Buffers that the loop's body writes. */
  readonly writes: ReadonlySet<Buffer>;
  /** A load may be moved out of this block even if it is guarded by nothing: its loop runs at least once. */
  readonly runs: boolean;
  readonly bound: Map<Expr, Expr>;
  /** The bound expressions that read a buffer which is written somewhere in the block. */
  readonly reading: Map<Buffer, Expr[]>;
  readonly boundIndex: Map<string, Index>;
  /** Addresses asked for in this block, less their constants: copies of an unrolled body differ by those alone. */
  readonly addresses: Map<string, Index>;
}

const TRIVIAL = new Set<string>(["const", "ref", "index", "valid"]);

/** Names shared and loop-invariant values of a phase whose own loop is `atom`. */
export function bindLets(body: readonly Stmt[], atom: Atom): Stmt[] {
  return new Binder().phase(body, atom);
}

class Binder {
  private readonly scopes: Scope[] = [];
  /** Depths of loaded atoms among the open scopes: a chain of loads would be walked again for every link. */
  private readonly loadedDepths = new Map<Atom, number>();
  private names = 0;

  phase(body: readonly Stmt[], atom: Atom): Stmt[] {
    return this.block(body, atom, writesOf(body), true);
  }

  private block(
    body: readonly Stmt[],
    loop: Atom | undefined,
    writes: ReadonlySet<Buffer>,
    runs: boolean,
  ): Stmt[] {
    const scope: Scope = {
      out: [],
      loop,
      writes,
      runs,
      bound: new Map(),
      reading: new Map(),
      boundIndex: new Map(),
      addresses: new Map(),
    };
    this.scopes.push(scope);
    this.loadedDepths.clear();
    const shared = sharedIn(body);
    for (const s of body) this.statement(s, scope, shared);
    this.scopes.pop();
    this.loadedDepths.clear();
    return scope.out;
  }

  private statement(s: Stmt, scope: Scope, shared: ReadonlySet<Expr>): void {
    switch (s.kind) {
      case "for": {
        const inner = this.block(s.body, s.atom, writesOf([s]), s.atom.extent.min >= 1);
        scope.out.push({ ...s, body: inner } as ForStmt);
        return;
      }
      case "if": {
        const valid = this.valid(s.valid, shared);
        scope.out.push({ ...s, valid, body: this.block(s.body, undefined, writesOf(s.body), false) });
        return;
      }
      case "store": {
        const value = this.value(s.value, shared);
        scope.out.push({ ...s, index: this.address(s.index, shared), value });
        this.forget(s.buffer);
        return;
      }
      case "tile": {
        const at = (x: TileAccess): TileAccess => ({ ...x, index: this.address(x.index, shared) });
        scope.out.push({ ...s, sums: at(s.sums), left: at(s.left), right: at(s.right) });
        this.forget(s.sums.buffer);
        return;
      }
      case "prefetch":
        scope.out.push({ ...s, index: this.address(s.index, shared) });
        return;
      case "let":
        scope.out.push({ ...s, value: this.value(s.value, shared) });
        return;
      default:
        scope.out.push(s);
    }
  }

  /** What was read from a buffer is no longer known once it is written. */
  private forget(buffer: Buffer): void {
    for (const { bound, reading } of this.scopes) {
      for (const x of reading.get(buffer) ?? []) bound.delete(x);
      reading.delete(buffer);
    }
  }

  // --- values ----------------------------------------------------------------------------------------------------

  private value(root: Expr, shared: ReadonlySet<Expr>): Expr {
    const memo = new Map<Expr, Expr>();
    const depths = new Map<Expr, number>();
    const here = this.scopes.length - 1;
    for (const x of topologicalOrder([root], (e) => this.scopes.some(({ bound }) => bound.has(e)))) {
      const at = this.scopes.findIndex(({ bound }) => bound.has(x));
      if (at >= 0) {
        depths.set(x, at);
        memo.set(x, this.scopes[at].bound.get(x)!);
        continue;
      }
      let depth = 0;
      for (const arg of x.args) depth = Math.max(depth, depths.get(arg)!);
      for (const index of indicesOf(x)) depth = Math.max(depth, this.depthOfIndex(index));
      if (x.op === "load") depth = Math.max(depth, this.depthOfLoad(x.buffer, x.valid.length > 0));
      depths.set(x, depth);
      memo.set(x, this.bind(x, depth, here, memo, shared));
    }
    return memo.get(root)!;
  }

  private bind(
    x: Expr,
    depth: number,
    here: number,
    memo: ReadonlyMap<Expr, Expr>,
    shared: ReadonlySet<Expr>,
  ): Expr {
    const known = this.scopes[depth].bound.get(x);
    if (known !== undefined) return known;
    depth = this.withinConditions(depth);
    const inner = this.scopes[depth].bound.get(x);
    if (inner !== undefined) return inner;
    const rebuilt = this.rebuild(x, memo, shared);
    if (TRIVIAL.has(x.op) || (depth === here && !shared.has(x))) return rebuilt;
    const simple = x.op === "splat" && (x.args[0].op === "const" || x.args[0].op === "index");
    if (simple && depth === here) return rebuilt;
    const name = `t${this.names++}`;
    this.scopes[depth].out.push({ kind: "let", name, value: rebuilt });
    const named = ref(name, x.dtype, x.lanes);
    const scope = this.scopes[depth];
    scope.bound.set(x, named);
    for (const buffer of readsOf(x)) {
      if (!scope.writes.has(buffer)) continue;
      const known = scope.reading.get(buffer);
      if (known === undefined) scope.reading.set(buffer, [x]);
      else known.push(x);
    }
    return named;
  }

  /** What only a condition asks for is not computed unless the condition holds. */
  private withinConditions(depth: number): number {
    for (let d = this.scopes.length - 1; d > depth; d--) if (this.scopes[d].loop === undefined) return d;
    return depth;
  }

  private rebuild(x: Expr, memo: ReadonlyMap<Expr, Expr>, shared: ReadonlySet<Expr>): Expr {
    switch (x.op) {
      case "load":
        return load(x.buffer, this.address(x.index, shared), this.valid(x.valid, shared), {
          dtype: x.dtype,
          lanes: x.lanes,
        });
      case "index":
        return indexValue(this.address(x.index, shared), x.dtype);
      case "valid":
        return validValue(this.valid(x.valid, shared));
      default:
        return withArgs(
          x,
          x.args.map((arg) => memo.get(arg)!),
        );
    }
  }

  /** The outermost open block in which every atom of x has its value. */
  private depthOfIndex(x: Index): number {
    let depth = 0;
    visitAtoms(x, (atom) => {
      depth = Math.max(depth, this.depthOfAtom(atom));
    });
    return depth;
  }

  private depthOfAtom(atom: Atom): number {
    if (atom.kind === "loop") {
      for (let d = this.scopes.length - 1; d > 0; d--) if (this.scopes[d].loop === atom) return d;
      return 0;
    }
    return atom.kind === "loaded" ? this.depthOfLoaded(atom) : 0;
  }

  private depthOfLoaded(atom: LoadedAtom): number {
    const known = this.loadedDepths.get(atom);
    if (known !== undefined) return known;
    let depth = 0;
    for (const other of atom.dependsOn)
      if (other.kind !== "loaded") depth = Math.max(depth, this.depthOfAtom(other));
    // The loads of loaded positions are among these.
    for (const x of topologicalOrder([atom.value]))
      if (x.op === "load") depth = Math.max(depth, this.depthOfLoad(x.buffer, x.valid.length > 0));
    this.loadedDepths.set(atom, depth);
    return depth;
  }

  /** A load stays inside loops that write its buffer and inside conditions that may guard it. */
  private depthOfLoad(buffer: Buffer, guarded: boolean): number {
    for (let d = this.scopes.length - 1; d > 0; d--) {
      const scope = this.scopes[d];
      if (scope.writes.has(buffer) || (!guarded && !scope.runs)) return d;
    }
    return 0;
  }

  // --- addresses -------------------------------------------------------------------------------------------------

  private valid(valid: Valid, shared: ReadonlySet<Expr>): Valid {
    return valid.map((x) => this.address(x, shared));
  }

  /** x as a bound variable per loop around, outermost first, plus what belongs to the innermost block. */
  private address(x: Index, shared: ReadonlySet<Expr>): Index {
    if (x.value !== undefined) return x;
    const { addresses } = this.scopes[this.scopes.length - 1];
    let varying = addresses.get(x.termsKey);
    if (varying === undefined) {
      varying = this.varyingPart(x, shared);
      // What was loaded may be stored to before the next use.
      if (x.loaded.length === 0) addresses.set(x.termsKey, varying);
    }
    return addIndex(varying, x.constant);
  }

  private varyingPart(x: Index, shared: ReadonlySet<Expr>): Index {
    const here = this.scopes.length - 1;
    const byDepth = new Map<number, Index>();
    for (const term of x.terms) {
      const depth = Math.max(0, ...term.atoms.map((atom) => this.depthOfTermAtom(atom)));
      byDepth.set(depth, addIndex(byDepth.get(depth) ?? 0, this.term(term, shared)));
    }
    let sum = toIndex(0);
    for (const depth of [...byDepth.keys()].sort((a, b) => a - b)) {
      sum = addIndex(sum, byDepth.get(depth)!);
      if (depth < here) sum = this.bindIndex(sum, depth);
    }
    return sum;
  }

  private depthOfTermAtom(atom: Atom): number {
    if (atom.kind !== "div" && atom.kind !== "mod") return this.depthOfAtom(atom);
    return Math.max(this.depthOfIndex(atom.numerator), this.depthOfIndex(atom.divisor));
  }

  private term(term: Term, shared: ReadonlySet<Expr>): Index {
    let product = toIndex(term.coefficient);
    for (const atom of term.atoms) product = mulIndex(product, this.atom(atom, shared));
    return product;
  }

  private atom(atom: Atom, shared: ReadonlySet<Expr>): Index {
    if (atom.kind === "loaded") {
      return loadedIndex(this.value(atom.value, shared), atom.min, atom.max);
    }
    if (atom.kind !== "div" && atom.kind !== "mod") return toIndex(atom);
    const depth = this.depthOfTermAtom(atom);
    const numerator = this.address(atom.numerator, shared);
    const divisor = this.address(atom.divisor, shared);
    const rebuilt = atom.kind === "div" ? divIndex(numerator, divisor) : modIndex(numerator, divisor);
    return this.bindIndex(rebuilt, depth);
  }

  private bindIndex(x: Index, depth: number): Index {
    const [term] = x.terms;
    const plain =
      x.terms.length === 1 && x.constant === 0 && term.coefficient === 1 && term.atoms.length === 1;
    if (x.terms.length === 0 || (plain && term.atoms[0].kind !== "div" && term.atoms[0].kind !== "mod"))
      return x;
    const outer = this.scopes[depth].boundIndex.get(x.key);
    if (outer !== undefined) return outer;
    const scope = this.scopes[this.withinConditions(depth)];
    const known = scope.boundIndex.get(x.key);
    if (known !== undefined) return known;
    const atom = letAtom(`p${this.names++}`, x.min, x.max);
    scope.out.push({ kind: "letIndex", atom, index: x });
    const named = toIndex(atom);
    scope.boundIndex.set(x.key, named);
    return named;
  }
}

const reads = new WeakMap<Expr, ReadonlySet<Buffer>>();

/** The buffers an expression reads. */
function readsOf(x: Expr): ReadonlySet<Buffer> {
  let known = reads.get(x);
  if (known === undefined) {
    known = new Set(topologicalOrder([x]).flatMap((e) => (e.op === "load" ? [e.buffer] : [])));
    reads.set(x, known);
  }
  return known;
}

function writesOf(body: readonly Stmt[]): ReadonlySet<Buffer> {
  const written = new Set<Buffer>();
  visitStatements(body, (s) => {
    const buffer = s.kind === "alloc" ? s.buffer : writtenBy(s);
    if (buffer !== undefined) written.add(buffer);
  });
  return written;
}

/** Expressions used more than once by the statements that stand directly in a block. */
function sharedIn(body: readonly Stmt[]): ReadonlySet<Expr> {
  const seen = new Set<Expr>();
  const shared = new Set<Expr>();
  const use = (x: Expr): void => {
    if (seen.has(x)) shared.add(x);
    else seen.add(x);
  };
  const roots = body.flatMap(exprsOf);
  for (const root of roots) use(root);
  for (const x of topologicalOrder(roots)) for (const arg of x.args) use(arg);
  return shared;
}
