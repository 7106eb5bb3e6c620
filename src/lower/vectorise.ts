// Turns loops marked `vectorize` into vector statements. An access whose index moves by one element a lane becomes a
// vector load or store; one that does not move is a scalar in every lane; any other is gathered or scattered lane by
// lane. A condition that differs between lanes splits the statement: all lanes at once where all hold, else one by one.
// A loop whose body allocates memory (no action moved the loop below it) runs lane after lane.

import {
  addIndex,
  type Atom,
  type Index,
  type LoopAtom,
  mentions,
  negIndex,
  strideOf,
  substituteIndex,
  toIndex,
} from "../kernel/index.js";
import {
  constant,
  type Expr,
  extract,
  forLoop,
  indexValue,
  indicesOf,
  load,
  loadedIndex,
  pack,
  type Stmt,
  type StoreStmt,
  scalar,
  shuffle,
  splat,
  substituteExpr,
  substituteStatements,
  topologicalOrder,
  visitStatements,
  withArgs,
} from "../kernel/ir.js";

export function vectoriseLoops(body: readonly Stmt[]): Stmt[] {
  return body.flatMap((s): Stmt[] => {
    if (s.kind === "if") return [{ ...s, body: vectoriseLoops(s.body) }];
    if (s.kind !== "for") return [s];
    if (s.loop !== "vectorize") return [forLoop(s.atom, vectoriseLoops(s.body), s.loop)];
    if (!canVectorise(s.body)) return [forLoop(s.atom, vectoriseLoops(s.body))];
    return new Vectoriser(s.atom).body(s.body);
  });
}

/** Memory of one lane's own, or lanes within lanes, are left to a serial loop. */
function canVectorise(body: readonly Stmt[]): boolean {
  let can = true;
  visitStatements(body, (s) => {
    if (s.kind === "alloc" || (s.kind === "for" && s.loop === "vectorize")) can = false;
  });
  return can;
}

class Vectoriser {
  private readonly lanes: number;
  private readonly memo = new Map<Expr, Expr>();
  private readonly varying = new Map<Expr, boolean>();

  constructor(private readonly atom: LoopAtom) {
    const lanes = atom.extent.value;
    if (lanes === undefined || (lanes & (lanes - 1)) !== 0) {
      throw new Error(`vectorize: loop ${atom.name} has ${atom.extent} iterations, not a power of two`);
    }
    this.lanes = lanes;
  }

  body(body: readonly Stmt[]): Stmt[] {
    return body.flatMap((s) => this.statement(s));
  }

  private statement(s: Stmt): Stmt[] {
    switch (s.kind) {
      case "prefetch":
        return [{ ...s, index: this.lane(s.index, 0) }];
      case "store":
        return this.store(s, this.vector(s.value));
      case "accumulate": {
        const stride = strideOf(s.index, this.atom);
        if (stride === 1) return [{ ...s, index: this.lane(s.index, 0), value: this.vector(s.value) }];
        if (stride === 0) return [{ ...s, value: horizontal(s.op, this.vector(s.value)) }];
        const value = this.vector(s.value);
        return this.each((lane) => ({ ...s, index: this.lane(s.index, lane), value: extract(value, lane) }));
      }
      case "if":
        return this.condition(s.valid, s.body);
      case "for":
        return [forLoop(s.atom, this.body(s.body), s.loop)];
      default:
        throw new Error(`vectorize: a loop over lanes cannot hold ${s.kind} statements`);
    }
  }

  private store(s: StoreStmt, value: Expr): Stmt[] {
    if (strideOf(s.index, this.atom) === 1) return [{ ...s, index: this.lane(s.index, 0), value }];
    return this.each((lane) => ({ ...s, index: this.lane(s.index, lane), value: extract(value, lane) }));
  }

  private condition(valid: readonly Index[], body: readonly Stmt[]): Stmt[] {
    const varying = valid.filter((x) => mentions(x, this.atom));
    if (varying.length === 0) return [{ kind: "if", valid, body: this.body(body) }];
    const one = (lane: number): Stmt => ({
      kind: "if",
      valid: valid.map((x) => this.lane(x, lane)),
      body: substituteStatements(body, (atom) => (atom === this.atom ? lane : undefined)),
    });
    const oneByOne = Array.from({ length: this.lanes }, (_, lane) => one(lane));
    const [only] = varying;
    const stride = varying.length === 1 ? strideOf(only, this.atom) : undefined;
    if (stride === undefined) return oneByOne;
    // The lane for which a linear condition is hardest decides for all.
    const hardest = this.lane(only, stride < 0 ? this.lanes - 1 : 0);
    const rest = valid.filter((x) => x !== only);
    return [
      { kind: "if", valid: [...rest, hardest], body: this.body(body) },
      { kind: "if", valid: [addIndex(negIndex(hardest), -1)], body: oneByOne },
    ];
  }

  private each(make: (lane: number) => Stmt): Stmt[] {
    return Array.from({ length: this.lanes }, (_, lane) => make(lane));
  }

  private lane(x: Index, lane: number): Index {
    return substituteIndex(x, (atom) => this.replace(atom, lane));
  }

  private replace(atom: Atom, lane: number): Index | undefined {
    if (atom === this.atom) return toIndex(lane);
    if (atom.kind !== "loaded" || !atom.dependsOn.includes(this.atom)) return undefined;
    const value = this.laneOf(atom.value, lane);
    return loadedIndex(value, atom.min, atom.max);
  }

  private laneOf(x: Expr, lane: number): Expr {
    return substituteExpr(x, (atom) => (atom === this.atom ? lane : undefined));
  }

  /** The values of x in all lanes. */
  private vector(root: Expr): Expr {
    for (const x of topologicalOrder([root], (e) => this.memo.has(e))) {
      if (this.memo.has(x)) continue;
      this.varies(x);
      this.memo.set(x, this.widen(x));
    }
    return this.memo.get(root)!;
  }

  private widen(x: Expr): Expr {
    if (x.op === "const") return constant(x.value, x.dtype, this.lanes);
    if (x.op === "load") {
      const stride = strideOf(x.index, this.atom);
      const guarded = x.valid.some((condition) => mentions(condition, this.atom));
      if (stride === 0 && !guarded) return splat(x, this.lanes);
      if (stride === 1 && !guarded) {
        return load(x.buffer, this.lane(x.index, 0), x.valid, { dtype: x.dtype, lanes: this.lanes });
      }
      return this.byLane(x);
    }
    if (x.op === "index") {
      const stride = strideOf(x.index, this.atom);
      if (stride === 0) return splat(x, this.lanes);
      if (stride === undefined) return this.byLane(x);
      const steps = Array.from({ length: this.lanes }, (_, lane) => constant(lane * stride, x.dtype));
      return scalar("add", splat(indexValue(this.lane(x.index, 0), x.dtype), this.lanes), pack(steps));
    }
    if (x.op === "valid") {
      return x.valid.some((condition) => mentions(condition, this.atom))
        ? this.byLane(x)
        : splat(x, this.lanes);
    }
    if (!this.varies(x)) return splat(x, this.lanes);
    return withArgs(
      x,
      x.args.map((arg) => this.memo.get(arg)!),
    );
  }

  /** True if the value of x differs between lanes. Operands come first: their answers are known. */
  private varies(x: Expr): boolean {
    let varies = this.varying.get(x);
    if (varies === undefined) {
      varies =
        x.args.some((arg) => this.varies(arg)) || indicesOf(x).some((index) => mentions(index, this.atom));
      this.varying.set(x, varies);
    }
    return varies;
  }

  private byLane(x: Expr): Expr {
    return pack(Array.from({ length: this.lanes }, (_, lane) => this.laneOf(x, lane)));
  }
}

/** All lanes joined, in halves: lanes go on side by side as long as several are left. */
function horizontal(op: "add" | "mul" | "max" | "min", x: Expr): Expr {
  let joined = x;
  for (let half = x.lanes / 2; half >= 1; half /= 2) {
    const turned = Array.from({ length: x.lanes }, (_, lane) => (lane + half) % x.lanes);
    joined = scalar(op, joined, shuffle(joined, joined, turned));
  }
  return extract(joined, 0);
}
