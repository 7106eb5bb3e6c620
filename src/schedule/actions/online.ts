// One pass over a row where softmax needs three: its largest element, the sum of powers, the sum of products with them.
//
// The law: let m be the largest x[k] so far and s = sum e^(x[k] - m) * w[k]. When further elements raise m to n, then
// s * e^(m - n) is the sum so far relative to n. So blocks of a row may be read, or computed, one after the other, and
// none need be kept (Milakov and Gimelshein 2018; for attention Rabe and Staats 2021, Dao and others 2022).
//
// Degree: a value has degree 1 if it is e^(x - m) times something that does not depend on m, and 0 if it does not depend
// on m at all. Sums of degree 1 are rescaled when m changes; other degrees do not occur, or the action is refused.

import {
  addIndex,
  type Index,
  type LoopAtom,
  loopAtom,
  mulIndex,
  negIndex,
  toIndex,
} from "../../kernel/index.js";
import {
  type AccumulateStmt,
  accumulate,
  alloc,
  type Buffer,
  constant,
  type Expr,
  type ForStmt,
  forLoop,
  load,
  loadsOf,
  makeBuffer,
  scalar,
  type Stmt,
  store,
  topologicalOrder,
  visitStatements,
} from "../../kernel/ir.js";
import { renameLoops, replaceBuffers, rewriteBody } from "../../kernel/rewrite.js";
import { type DType, isFloat } from "../../scalar/dtype.js";
import { reduceIdentity } from "../../scalar/evaluate.js";
import { ScheduleError } from "./action.js";
import { exponentOver, isAmong, type Largest } from "./bound.js";
import { atPlace, mapBlock, ownAllocs, whole, writtenIn } from "./loops.js";

/** A nest that computes one total for each iteration of its loops: `alloc, init, for k { accumulate }, stores`. */
interface Totals {
  readonly loops: readonly ForStmt[];
  readonly sum: ForStmt;
  readonly target: Buffer;
  /** What becomes of a total. */
  readonly stores: readonly Stmt[];
  /** A total for each iteration, relative to the largest element so far. */
  readonly kept: Buffer;
  readonly place: Index;
}

type Part =
  /** A loop over the whole row. */
  { readonly kind: "row"; readonly loop: ForStmt } | { readonly kind: "totals"; readonly totals: Totals };

export function onlineRows(body: readonly Stmt[], name: string, size: number): Stmt[] {
  const isLargest = (s: Stmt): boolean => s.kind === "for" && s.atom.name === name;
  return mapBlock(body, isLargest, `loop ${name}`, (block, at) =>
    new Online(block, whole(block[at] as ForStmt), size).build(),
  );
}

class Online {
  private readonly length: number;
  /** Where the largest element so far is kept. */
  private readonly largest: Buffer;
  private readonly sought: Largest;
  private readonly dtype: DType;
  private readonly rows = new Set<Buffer>();
  private readonly degrees = new Map<Buffer, number>();
  /** What this block divides the statements into: before, in, and after the loop over blocks. */
  private readonly before: Stmt[] = [];
  private readonly parts: Part[] = [];
  private readonly after: Stmt[] = [];
  private readonly sums = new Set<Buffer>();

  constructor(
    private readonly block: readonly Stmt[],
    private readonly loop: ForStmt,
    private readonly size: number,
  ) {
    const { value } = loop.atom.extent;
    const [only] = loop.body;
    if (value === undefined || !Number.isSafeInteger(size) || size < 1 || size >= value)
      this.fail(`there are no blocks of ${size} in ${loop.atom.extent}`);
    if (
      loop.body.length !== 1 ||
      only.kind !== "accumulate" ||
      only.op !== "max" ||
      !isFloat(only.buffer.dtype)
    )
      this.fail("it is not a search for the largest element");
    this.length = value;
    this.largest = only.buffer;
    this.sought = { buffer: only.buffer, value: only.value, loops: [loop.atom] };
    this.dtype = only.buffer.dtype;
    this.divide();
    this.check();
  }

  private fail(why: string): never {
    throw new ScheduleError(`online: loop ${this.loop.atom.name} cannot go block by block: ${why}`);
  }

  // --- which statement goes where ----------------------------------------------------------------------------------

  private divide(): void {
    const isRow = (s: Stmt): s is ForStmt => s.kind === "for" && s.atom.extent.value === this.length;
    const begin = this.block.findIndex(isRow);
    this.before.push(...this.block.slice(0, begin).filter((s) => s.kind !== "alloc"));
    for (const s of this.block) if (s.kind === "alloc" && this.isRowMemory(s.buffer)) this.rows.add(s.buffer);
    const totals = new Set<Buffer>();
    for (const s of this.block.slice(begin)) {
      if (s.kind === "alloc") continue;
      const targets = [...writtenIn([s])];
      const found = this.after.length === 0 ? this.totalsOf(s) : undefined;
      if (found !== undefined) this.parts.push({ kind: "totals", totals: found });
      else if (this.after.length === 0 && isRow(s) && this.addsUp(s, totals)) {
        this.parts.push({ kind: "row", loop: s });
        for (const x of s.body) if (x.kind === "accumulate") totals.add(x.buffer);
      } else if (this.after.length === 0 && s.kind === "store" && s.value.op === "const") this.before.push(s);
      else {
        if (targets.some((buffer) => this.rows.has(buffer)))
          this.fail("a row is not filled element by element");
        this.after.push(s);
      }
    }
    for (const s of this.block) if (s.kind === "alloc" && !this.rows.has(s.buffer)) this.before.unshift(s);
    for (const buffer of totals) if (buffer !== this.largest) this.sums.add(buffer);
  }

  private isRowMemory({ space, size, dtype }: Buffer): boolean {
    return space === "local" && size.value === this.length && isFloat(dtype);
  }

  /** True for a loop that fills rows, or adds up what depends on no total. */
  private addsUp(s: ForStmt, totals: ReadonlySet<Buffer>): boolean {
    return (
      [...writtenIn([s])].every((buffer) => buffer.space === "local") &&
      loadsOf([s]).every((x) => x.buffer === this.largest || !totals.has(x.buffer))
    );
  }

  /** The nest as totals over the row, if it is that. */
  private totalsOf(s: Stmt): Totals | undefined {
    const loops: ForStmt[] = [];
    let inner: readonly Stmt[] = [s];
    while (inner.length === 1 && inner[0].kind === "for") {
      loops.push(inner[0]);
      inner = inner[0].body;
    }
    const [allocated, initial, sum, ...stores] = inner;
    if (sum?.kind !== "for" || allocated.kind !== "alloc" || initial.kind !== "store" || loops.length === 0)
      return undefined;
    const { buffer } = allocated;
    const [only] = sum.body;
    if (sum.atom.extent.value !== this.length || sum.body.length !== 1 || only.kind !== "accumulate")
      return undefined;
    if (only.op !== "add" || only.buffer !== buffer || buffer.size.value !== 1 || initial.buffer !== buffer)
      return undefined;
    if (initial.value.op !== "const" || Number(initial.value.value) !== 0) return undefined;
    if (stores.some((x) => x.kind !== "store")) return undefined;
    let [place, count]: Index[] = [toIndex(0), toIndex(1)];
    for (const { atom } of [...loops].reverse()) {
      if (atom.extent.value === undefined) return undefined;
      place = addIndex(mulIndex(atom, count), place);
      count = mulIndex(count, atom.extent);
    }
    const kept = makeBuffer(`${buffer.name}b`, buffer.dtype, count, "local");
    return { loops, sum, target: buffer, stores, kept, place };
  }

  // --- whether that is right ---------------------------------------------------------------------------------------

  private check(): void {
    const bodies = this.parts.map((part) => (part.kind === "row" ? part.loop : part.totals.sum));
    const largest = bodies.indexOf(this.loop);
    if (largest < 0) this.fail("it stands behind what needs the whole row");
    const later = writtenIn(this.after);
    const inside = new Set<Buffer>();
    visitStatements(bodies, (s) => {
      if (s.kind === "alloc") inside.add(s.buffer);
    });
    for (const buffer of [this.largest, ...this.sums]) {
      const own = this.block.some((x) => x.kind === "alloc" && x.buffer === buffer);
      if (!own || buffer.size.value !== 1) this.fail(`${buffer.name} is not one value for this row`);
    }
    const early = [...writtenIn(this.before), ...loadsOf(this.before).map((x) => x.buffer)];
    if (early.some((buffer) => this.rows.has(buffer))) this.fail("a row is not filled element by element");
    for (const buffer of this.rows) this.degrees.set(buffer, 0);
    for (const body of bodies) {
      for (const x of loadsOf([body])) {
        if (this.sums.has(x.buffer) || later.has(x.buffer)) this.fail(`${x.buffer.name} is not complete`);
        this.checkPlace(x.buffer, x.index, body.atom);
      }
      visitStatements(body.body, (s) => this.checkWrite(s, body, inside));
    }
    for (const { buffer } of loadsOf(this.after))
      if (this.rows.has(buffer)) this.fail(`${buffer.name} is read when its blocks are gone`);
  }

  private checkPlace(buffer: Buffer, index: Index, atom: LoopAtom): void {
    if (this.rows.has(buffer) && index.key !== toIndex(atom).key)
      this.fail(`an iteration touches another's element of ${buffer.name}`);
  }

  private checkWrite(s: Stmt, body: ForStmt, inside: ReadonlySet<Buffer>): void {
    if (s.kind === "tile" || s.kind === "let" || s.kind === "letIndex") this.fail("it is arranged already");
    if (s.kind !== "store" && s.kind !== "accumulate") return;
    const degree = this.degreeOf(s.value);
    if (this.rows.has(s.buffer)) {
      this.checkPlace(s.buffer, s.index, body.atom);
      if (s.kind !== "store") this.fail(`${s.buffer.name} is no row of values`);
      this.degrees.set(s.buffer, degree);
    } else if (inside.has(s.buffer) || body === this.loop) {
      if (degree !== 0) this.fail(`${s.buffer.name} depends on the largest element`);
    } else {
      const summed = s.kind === "accumulate" && s.op === "add" && s.index.value !== undefined;
      if (!summed) this.fail(`${s.buffer.name} is no sum`);
      const known = this.degrees.get(s.buffer);
      if (known !== undefined && known !== degree) this.fail(`${s.buffer.name} sums unlike terms`);
      this.degrees.set(s.buffer, degree);
    }
  }

  private degreeOf(root: Expr): number {
    const degrees = new Map<Expr, number>();
    const isZero = (x: Expr): boolean => x.op === "const" && Number(x.value) === 0;
    for (const x of topologicalOrder([root])) {
      const of = x.args.map((arg) => degrees.get(arg)!);
      let degree = 0;
      if (this.isPower(x)) degree = 1;
      else if (x.op === "load")
        degree = x.buffer === this.largest ? Number.NaN : (this.degrees.get(x.buffer) ?? 0);
      else if (x.op === "mul") degree = of[0] + of[1];
      else if (x.op === "neg" || (x.op === "cast" && isFloat(x.dtype))) [degree] = of;
      else if (x.op === "div" && of[1] === 0) [degree] = of;
      else if (x.op === "where" && of[0] === 0) {
        const [, a, b] = x.args;
        degree = isZero(a) ? of[2] : isZero(b) || of[1] === of[2] ? of[1] : Number.NaN;
      } else if ((x.op === "add" || x.op === "sub") && of[0] === of[1]) [degree] = of;
      else if (of.some((d) => d !== 0)) degree = Number.NaN;
      degrees.set(x, degree);
    }
    const degree = degrees.get(root)!;
    if (degree !== 0 && degree !== 1)
      this.fail("a value depends on the largest element otherwise than by a power");
    return degree;
  }

  /** e^(x - m), or e^min(x - m, 0) if that is the same. */
  private isPower(e: Expr): boolean {
    const x = exponentOver(e, this.largest);
    if (x === undefined || this.degreeOf(x) !== 0) return false;
    return e.args[0].op === "sub" || isAmong(x, this.sought);
  }

  // --- the blocks --------------------------------------------------------------------------------------------------

  build(): Stmt[] {
    const { atom } = this.loop;
    const count = Math.floor(this.length / this.size);
    const blocks = loopAtom(`${atom.name}b`, count);
    const main = forLoop(blocks, this.blockAt(mulIndex(blocks, this.size), this.size));
    const rest = this.length - count * this.size;
    const last = rest === 0 ? [] : this.blockAt(toIndex(this.length - rest), rest);
    const tail = renameLoops(ownAllocs(last), (name) => `${name}t`);
    const totals = this.parts.flatMap((part) => (part.kind === "totals" ? [part.totals] : []));
    return [
      ...this.before,
      ...totals.flatMap((x) => [
        alloc(x.kept),
        this.around(x, "z", [store(x.kept, x.place, constant(0, x.kept.dtype))]),
      ]),
      main,
      ...tail,
      ...this.settled(totals),
    ];
  }

  private around({ loops }: Totals, suffix: string, body: readonly Stmt[]): Stmt {
    const nest = loops.reduceRight<readonly Stmt[]>((inner, s) => [forLoop(s.atom, inner)], body);
    return suffix === "" ? nest[0] : renameLoops(nest, (name) => `${name}${suffix}`)[0];
  }

  private blockAt(start: Index, size: number): Stmt[] {
    const near = new Map(
      [...this.rows].map((row) => [row, makeBuffer(row.name, row.dtype, size, row.space)]),
    );
    const one = (name: string): Buffer => makeBuffer(`${this.largest.name}${name}`, this.dtype, 1, "local");
    const [next, shift, scale] = [one("n"), one("s"), one("c")];
    const value = (buffer: Buffer): Expr => load(buffer, 0);
    const least = constant(Number.NEGATIVE_INFINITY, this.dtype);
    const statements: Stmt[] = [...near.values()].map(alloc);
    const shifted = (body: readonly Stmt[]): Stmt[] =>
      rewriteBody(body, (x) => (x.op === "load" && x.buffer === this.largest ? value(shift) : x));
    const inBlock = (s: ForStmt): ForStmt => {
      const own = loopAtom(s.atom.name, size);
      return forLoop(own, this.nearby(atPlace(s.body, s.atom, addIndex(own, start)), near, start));
    };
    for (const part of this.parts) {
      if (part.kind === "totals") {
        const { sum, target, kept, place } = part.totals;
        const scaled = load(kept, place);
        const degree = this.degrees.get(target) ?? 0;
        const before = degree === 1 ? scalar("mul", scaled, value(scale)) : scaled;
        const inside = [
          alloc(target),
          store(target, 0, constant(0, target.dtype)),
          ...shifted([inBlock(sum)]),
          store(kept, place, scalar("add", before, load(target, 0))),
        ];
        statements.push(this.around(part.totals, "", inside));
      } else if (part.loop === this.loop) {
        const own = inBlock(part.loop);
        const [only] = own.body as [AccumulateStmt];
        statements.push(
          ...[next, shift, scale].map(alloc),
          store(next, 0, value(this.largest)),
          { ...own, body: [accumulate("max", next, 0, only.value)] },
          // Nothing but -inf so far: powers are taken relative to any number.
          store(
            shift,
            0,
            scalar("where", scalar("eq", value(next), least), constant(0, this.dtype), value(next)),
          ),
          store(scale, 0, scalar("exp", notAbove0(scalar("sub", value(this.largest), value(shift))))),
          store(this.largest, 0, value(next)),
        );
      } else {
        for (const buffer of writtenIn([part.loop])) {
          if (this.sums.has(buffer) && this.degrees.get(buffer) === 1)
            statements.push(store(buffer, 0, scalar("mul", value(buffer), value(scale))));
        }
        statements.push(...shifted([inBlock(part.loop)]));
      }
    }
    return statements;
  }

  /** Over memory of a block instead of rows. */
  private nearby(body: readonly Stmt[], near: ReadonlyMap<Buffer, Buffer>, start: Index): Stmt[] {
    const away = negIndex(start);
    const inLoads = rewriteBody(body, (x) => {
      if (x.op !== "load" || !near.has(x.buffer)) return x;
      return load(x.buffer, addIndex(x.index, away), x.valid, { dtype: x.dtype, lanes: x.lanes });
    });
    const stored = mapOwn(inLoads, near, away);
    return replaceBuffers(stored, near);
  }

  /** After the last block: a row of nothing but -inf has no largest element, so its sums are NaN, as they would be. */
  private settled(totals: readonly Totals[]): Stmt[] {
    const least = constant(reduceIdentity("max", this.dtype), this.dtype);
    const empty = scalar("eq", load(this.largest, 0), least);
    const settle = (x: Expr): Expr => scalar("where", empty, constant(Number.NaN, x.dtype), x);
    const scaled = [...this.sums].filter((buffer) => this.degrees.get(buffer) === 1);
    return [
      ...scaled.map((buffer) => store(buffer, 0, settle(load(buffer, 0)))),
      ...totals.map((x) => {
        const total = load(x.kept, x.place);
        const value = this.degrees.get(x.target) === 1 ? settle(total) : total;
        const stores = rewriteBody(x.stores, (e) => (e.op === "load" && e.buffer === x.target ? value : e));
        return this.around(x, "j", stores);
      }),
      ...this.after,
    ];
  }
}

const notAbove0 = (x: Expr): Expr => scalar("min", x, constant(0, x.dtype));

/** Stores to rows, moved to the beginning of the block. */
function mapOwn(body: readonly Stmt[], near: ReadonlyMap<Buffer, Buffer>, away: Index): Stmt[] {
  return body.map((s): Stmt => {
    if (s.kind === "for" || s.kind === "if") return { ...s, body: mapOwn(s.body, near, away) };
    return s.kind === "store" && near.has(s.buffer) ? { ...s, index: addIndex(s.index, away) } : s;
  });
}
