// Hand-made schedules for CPUs and WebAssembly, chosen by properties of the loop nest alone: which addresses move with
// which loop, what is used again and how often, how much there is to do. The result is a list of actions.
//
// A nest is a contraction (some operand is used again along an output loop), a reduction, an elementwise nest, or a
// row program (several nests inside shared outer loops). See docs/architecture.md for what each schedule looks like.

import type { Target } from "../device/target.js";
import { type LoopAtom, strideOf } from "../kernel/index.js";
import {
  exprsOf,
  type ForStmt,
  type Kernel,
  type LoadExpr,
  loadsOf,
  type Stmt,
  topologicalOrder,
  visitStatements,
} from "../kernel/ir.js";
import { bytesOf } from "../scalar/dtype.js";
import { type Action, applyAction, findLoop, isIndependent, ScheduleError } from "./actions.js";
import {
  asReduction,
  type Chain,
  chainOf,
  isUnitStride,
  movesWith,
  product,
  type Reduction,
  tripsOf,
} from "./nest.js";

/** Operations from which a nest is worth packing operands for. */
const PACKING_WORK = 1 << 18;
/** Operations from which a reduction to one value is worth all threads. */
const SHARED_REDUCTION = 1 << 17;

export interface Scheduled {
  readonly kernel: Kernel;
  readonly actions: readonly Action[];
}

export function heuristicSchedule(kernel: Kernel, target: Target): Scheduled {
  const scheduler = new Scheduler(kernel, target);
  scheduler.run();
  return { kernel: scheduler.kernel, actions: scheduler.actions };
}

class Scheduler {
  readonly actions: Action[] = [];

  constructor(
    public kernel: Kernel,
    private readonly target: Target,
  ) {}

  run(): void {
    for (const name of this.topLevel()) this.scheduleTop(name);
  }

  private topLevel(): string[] {
    return this.kernel.body.flatMap((s) => (s.kind === "for" ? [s.atom.name] : []));
  }

  /** Applies an action; false, and nothing done, if it is not legal here. */
  private apply(action: Action): boolean {
    try {
      this.kernel = applyAction(this.kernel, action);
      this.actions.push(action);
      return true;
    } catch (error) {
      if (error instanceof ScheduleError) return false;
      throw error;
    }
  }

  private loop(name: string): ForStmt | undefined {
    return findLoop(this.kernel.body, name);
  }

  private scheduleTop(name: string): void {
    this.collapseAll(name);
    const s = this.loop(name);
    if (s === undefined) return;
    // A reduction to one value stands at the top with its accumulator beside it.
    if (!isIndependent(s)) return this.scheduleInner(name, true);
    const chain = chainOf(s);
    const reduction = asReduction(chain);
    if (reduction !== undefined) return this.scheduleReduction(reduction, chain, true);
    if (!chain.body.some((x) => x.kind === "for")) return this.scheduleElementwise(chain, true);
    this.scheduleRows(chain);
  }

  // --- loops become one where addresses allow it -------------------------------------------------------------------

  private collapseAll(name: string): void {
    const s = this.loop(name);
    if (s === undefined) return;
    const pending = [s.atom.name];
    while (pending.length > 0) {
      const outer = pending.pop()!;
      const loop = this.loop(outer);
      if (loop === undefined) continue;
      const [only] = loop.body;
      if (loop.body.length === 1 && only.kind === "for") {
        const same = isIndependent(loop) === isIndependent(only);
        if (same && this.apply({ action: "collapse", outer, inner: only.atom.name })) {
          pending.push(outer);
          continue;
        }
      }
      for (const inner of loop.body) if (inner.kind === "for") pending.push(inner.atom.name);
    }
  }

  // --- vectors -----------------------------------------------------------------------------------------------------

  /** Lanes for the values of a body: the native vector over the widest element computed there; 1 without vectors. */
  private lanesFor(body: readonly Stmt[]): number {
    let widest = 4;
    visitStatements(body, (s) => {
      for (const x of topologicalOrder(exprsOf(s))) widest = Math.max(widest, bytesOf(x.dtype));
    });
    return Math.max(1, Math.floor(this.target.vectorBytes / widest));
  }

  /** The largest power of two of lanes that a loop of so many iterations fills. */
  private fillable(lanes: number, trips: number): number {
    let width = lanes;
    while (width > 1 && width > trips) width /= 2;
    return width;
  }

  // --- elementwise -------------------------------------------------------------------------------------------------

  private scheduleElementwise({ loops, body }: Chain, top: boolean): void {
    const outermost = loops[0].atom.name;
    if (this.partitionAll(loops)) {
      // Each piece is a nest of its own now.
      for (const piece of this.piecesOf(loops)) this.scheduleElementwise(chainOf(this.loop(piece)!), top);
      return;
    }
    const lanes = this.lanesFor(body);
    const vector = this.vectorLoop(
      loops.map((s) => s.atom),
      body,
    );
    if (top && loops.length > 1) this.apply({ action: "parallel", loop: outermost });
    if (vector === undefined || lanes === 1 || body.some((s) => s.kind === "if")) {
      if (top && loops.length === 1) this.apply({ action: "parallel", loop: outermost });
      return;
    }
    const width = this.fillable(lanes, tripsOf(vector));
    if (width === 1) return;
    const unroll = tripsOf(vector) >= 8 * width && body.length === 1 ? 4 : 1;
    this.vectorizeLoop(vector.name, width, unroll, top && loops.length === 1);
  }

  /** Splits a loop into vectors, `unroll` of them at a time, and moves them innermost. */
  private vectorizeLoop(name: string, width: number, unroll: number, parallel: boolean): void {
    if (!this.apply({ action: "split", loop: name, factor: width * unroll, tail: "peel" })) return;
    if (this.loop(`${name}o`) === undefined) return;
    if (parallel) this.apply({ action: "parallel", loop: `${name}o` });
    const lanes = this.splitLanes(`${name}i`, width, unroll);
    this.apply({ action: "vectorize", loop: lanes });
    if (unroll > 1) {
      this.apply({ action: "unroll", loop: `${name}io` });
      this.apply({ action: "reorder", loop: `${name}io` });
    }
    this.apply({ action: "reorder", loop: lanes });
  }

  /** The loop over lanes, after `name` of width*unroll iterations was split for unrolling. */
  private splitLanes(name: string, width: number, unroll: number): string {
    if (unroll === 1) return name;
    this.apply({ action: "split", loop: name, factor: width, tail: "peel" });
    return `${name}i`;
  }

  /** The loop along which what is stored, or most of what is loaded, is consecutive. */
  private vectorLoop(loops: readonly LoopAtom[], body: readonly Stmt[]): LoopAtom | undefined {
    let best: LoopAtom | undefined;
    let bestScore = 0;
    for (const loop of loops) {
      let score = 0;
      visitStatements(body, (s) => {
        if (s.kind === "store" && s.buffer.space !== "local" && strideOf(s.index, loop) === 1) score += 2;
      });
      for (const x of loadsOf(body)) if (isUnitStride(x, loop)) score += 1;
      if (tripsOf(loop) < 4) score /= 4;
      if (score > bestScore) {
        best = loop;
        bestScore = score;
      }
    }
    return best;
  }

  private partitionAll(loops: readonly ForStmt[]): boolean {
    const innermost = loops[loops.length - 1];
    return tripsOf(innermost.atom) >= 8 && this.apply({ action: "partition", loop: innermost.atom.name });
  }

  /** The outermost loops that hold the pieces of a partitioned innermost loop. */
  private piecesOf(loops: readonly ForStmt[]): string[] {
    const innermost = loops[loops.length - 1].atom.name;
    return [0, 1, 2, 3].map((i) => `${innermost}p${i}`).filter((name) => this.loop(name) !== undefined);
  }

  // --- reductions --------------------------------------------------------------------------------------------------

  private scheduleReduction(reduction: Reduction, chain: Chain, top: boolean): void {
    const work = product(reduction.outputs) * product(reduction.reduced);
    const contraction = this.contraction(reduction, top && work >= PACKING_WORK, chain.body);
    if (contraction !== undefined) return this.scheduleContraction(contraction, reduction, top);
    const lanes = this.lanesFor(chain.body);
    const along = this.vectorLoop([...reduction.outputs, ...reduction.reduced], chain.body);
    const unit = this.unitStrideLoop(reduction);
    if (lanes > 1 && unit !== undefined && reduction.reduced.includes(unit)) {
      if (top) this.parallelOuter(reduction.outputs);
      return this.vectorizeReduction(unit.name, lanes, reduction);
    }
    if (lanes > 1 && along !== undefined && reduction.outputs.includes(along)) {
      const width = this.fillable(lanes, tripsOf(along));
      const unroll = Math.min(4, Math.max(1, Math.floor(tripsOf(along) / (2 * width))));
      const alone = top && reduction.outputs.length === 1;
      if (top && !alone) this.parallelOuter(reduction.outputs.filter((loop) => loop !== along));
      if (width > 1)
        return this.vectorizeLoop(along.name, width, unroll >= 4 ? 4 : unroll >= 2 ? 2 : 1, alone);
    }
    if (top) this.parallelOuter(reduction.outputs);
  }

  /** The loop along which most bytes of the operands are consecutive. */
  private unitStrideLoop({ outputs, reduced, loads }: Reduction): LoopAtom | undefined {
    let best: LoopAtom | undefined;
    let most = 0;
    for (const loop of [...reduced, ...outputs]) {
      let count = 0;
      for (const x of loads) {
        if (isUnitStride(x, loop) && x.valid.length === 0)
          count += product([...outputs, ...reduced].filter((l) => movesWith(x, l)));
      }
      if (count > most) {
        best = loop;
        most = count;
      }
    }
    return best;
  }

  private parallelOuter(loops: readonly LoopAtom[]): void {
    const [first] = loops;
    if (first !== undefined) this.apply({ action: "parallel", loop: first.name });
  }

  /** Lanes and accumulators along a reduction's own loop. */
  private vectorizeReduction(name: string, lanes: number, reduction: Reduction): void {
    const loop = reduction.reduced.find((l) => l.name === name)!;
    const width = this.fillable(lanes, tripsOf(loop));
    if (width === 1) return;
    const vectors = Math.floor(tripsOf(loop) / width);
    const unroll = vectors >= 16 ? 8 : vectors >= 8 ? 4 : vectors >= 4 ? 2 : 1;
    const lane = `${name}i`;
    if (!this.apply({ action: "split", loop: name, factor: width, tail: "peel" })) return;
    if (!this.apply({ action: "rfactor", loop: lane, layout: "inner" })) return;
    for (const part of [lane, `${lane}z`, `${lane}j`]) {
      this.apply({ action: "vectorize", loop: part });
    }
    this.apply({ action: "reorder", loop: lane });
    if (unroll === 1) return;
    const vector = `${name}o`;
    if (!this.apply({ action: "split", loop: vector, factor: unroll, tail: "peel" })) return;
    const several = `${vector}i`;
    if (!this.apply({ action: "rfactor", loop: several, layout: "outer" })) return;
    for (const part of [several, `${several}z`, `${several}j`]) this.apply({ action: "unroll", loop: part });
    for (const part of [`${several}ze`, `${several}je`]) this.apply({ action: "vectorize", loop: part });
    this.apply({ action: "reorder", loop: several });
  }

  /** A nest inside others, or at the top beside its accumulator. */
  private scheduleInner(name: string, top: boolean): void {
    const s = this.loop(name);
    if (s === undefined) return;
    const chain = chainOf(s);
    const [only] = chain.body;
    if (!isIndependent(s) && chain.body.length === 1 && only.kind === "accumulate") {
      const reduced = chain.loops.map((l) => l.atom);
      const reduction: Reduction = {
        outputs: [],
        reduced,
        accumulate: only,
        loads: loadsOf([only]),
        stores: [],
      };
      let loop = this.unitStrideLoop(reduction)?.name;
      if (loop === undefined) return;
      const work = product(reduced) * Math.max(1, topologicalOrder([only.value]).length);
      if (top && this.target.threads > 1 && work >= SHARED_REDUCTION && reduced.length === 1) {
        const share = Math.ceil(tripsOf(reduced[0]) / (4 * this.target.threads) / 64) * 64;
        if (
          this.apply({ action: "split", loop, factor: share, tail: "peel" }) &&
          this.apply({ action: "rfactor", loop: `${loop}o`, layout: "shared" })
        ) {
          this.apply({ action: "parallel", loop: `${loop}o` });
          loop = `${loop}i`;
          const inner = this.loop(loop)!;
          const own: Reduction = { ...reduction, reduced: [inner.atom] };
          return this.vectorizeReduction(loop, this.lanesFor(chain.body), own);
        }
      }
      return this.vectorizeReduction(loop, this.lanesFor(chain.body), reduction);
    }
    if (!isIndependent(s)) {
      for (const inner of s.body) if (inner.kind === "for") this.scheduleInner(inner.atom.name, false);
      return;
    }
    const reduction = asReduction(chain);
    if (reduction !== undefined) return this.scheduleReduction(reduction, chain, false);
    if (!chain.body.some((x) => x.kind === "for")) return this.scheduleElementwise(chain, false);
    for (const inner of chain.body) if (inner.kind === "for") this.scheduleInner(inner.atom.name, false);
  }

  // --- rows --------------------------------------------------------------------------------------------------------

  /** Several nests inside shared loops: threads take rows, each nest inside is scheduled on its own. */
  private scheduleRows({ loops, body }: Chain): void {
    const atoms = loops.map((s) => s.atom);
    const inner = body.flatMap((s) => (s.kind === "for" ? [s.atom.name] : []));
    const lanes = this.lanesFor(body);
    const across = this.rowsAcross(atoms, body);
    if (across !== undefined && lanes > 1) {
      const width = this.fillable(lanes, tripsOf(across));
      if (loops.length > 1) this.apply({ action: "parallel", loop: atoms[0].name });
      if (width > 1) this.vectorizeLoop(across.name, width, 1, loops.length === 1);
      return;
    }
    this.apply({ action: "parallel", loop: atoms[0].name });
    if (atoms.length > 1 && tripsOf(atoms[0]) < 8 * this.target.threads) {
      this.apply({ action: "parallel", loop: atoms[1].name });
    }
    for (const name of inner) this.scheduleInner(name, false);
  }

  /** An outer loop along which the rows lie next to each other, if the rows themselves are not consecutive. */
  private rowsAcross(outer: readonly LoopAtom[], body: readonly Stmt[]): LoopAtom | undefined {
    const inner: LoopAtom[] = [];
    let allocates = 0;
    visitStatements(body, (s) => {
      if (s.kind === "for") inner.push(s.atom);
      if (s.kind === "alloc") allocates = Math.max(allocates, s.buffer.size.max);
    });
    const loads = loadsOf(body).filter((x) => x.buffer.space === "global");
    if (loads.some((x) => inner.some((loop) => isUnitStride(x, loop)))) return undefined;
    return outer.find((loop) => loads.some((x) => isUnitStride(x, loop)));
  }

  // --- contractions ------------------------------------------------------------------------------------------------

  private contraction(
    reduction: Reduction,
    mayPack: boolean,
    body: readonly Stmt[],
  ): Contraction | undefined {
    const lanes = this.lanesFor(body);
    if (lanes === 1) return undefined;
    const depth = product(reduction.reduced);
    let best: Contraction | undefined;
    for (const columns of reduction.outputs) {
      if (tripsOf(columns) < lanes / 2) continue;
      const moving = reduction.loads.filter((x) => movesWith(x, columns));
      const others = reduction.loads.filter((x) => !movesWith(x, columns));
      if (moving.length !== 1 || others.length === 0) continue;
      const [panel] = moving;
      const rows = reduction.outputs.filter(
        (loop) => loop !== columns && !movesWith(panel, loop) && others.some((x) => movesWith(x, loop)),
      );
      if (rows.length === 0) continue;
      const row = rows.reduce((a, b) => (Math.min(tripsOf(b), 8) >= Math.min(tripsOf(a), 8) ? b : a));
      if (tripsOf(row) < 2) continue;
      const contraction = this.weigh(reduction, columns, row, panel, depth, lanes, mayPack);
      if (contraction !== undefined && (best === undefined || contraction.cost < best.cost))
        best = contraction;
    }
    return best;
  }

  /** A contraction vectorised along `columns` and tiled along `row`, with its cost in cycles an output. */
  private weigh(
    reduction: Reduction,
    columns: LoopAtom,
    row: LoopAtom,
    panel: LoadExpr,
    depth: number,
    lanes: number,
    mayPack: boolean,
  ): Contraction | undefined {
    const trips = tripsOf(columns);
    const width = this.fillable(lanes, trips);
    const vectors = this.vectorsPerTile(Math.ceil(trips / width));
    const rowTile = this.rowsPerTile(tripsOf(row), vectors);
    const tile = width * vectors;
    const even = trips % tile === 0;
    const consecutive = isUnitStride(panel, columns) && panel.valid.length === 0;
    const extents = [...reduction.outputs, ...reduction.reduced].filter((loop) => movesWith(panel, loop));
    const constantExtents = extents.every((loop) => loop.extent.value !== undefined);
    const packable =
      mayPack &&
      constantExtents &&
      panel.buffer.space !== "local" &&
      !hasLoadedAtom(panel) &&
      product(reduction.outputs) / trips >= 16;
    const spread = reduction.reduced.some((loop) => Math.abs(strideOf(panel.index, loop) ?? 0) * 4 >= 1024);
    const large = product(extents) * 4 > this.target.l1Bytes;
    const pack = packable && (!consecutive || !even || (spread && large));
    if (!pack && (!consecutive || !even)) {
      if (!consecutive) return undefined;
    }
    const stored = reduction.stores.every((x) => strideOf(x, columns) === 1);
    const padded = pack ? (Math.ceil(trips / tile) * tile) / trips : 1;
    const multiply = (depth * padded * (1 + (rowTile + vectors) / (rowTile * vectors) / 2)) / (2 * width);
    const scatter = stored ? 0 : 2;
    const packing = pack ? (2 * product(extents)) / Math.max(1, product(reduction.outputs)) : 0;
    return { columns, row, panel, width, vectors, rowTile, pack, even, cost: multiply + scatter + packing };
  }

  /**
   * Vectors of a register tile: two where registers are many, so that rows fill the rest; four where they are few,
   * since V8 keeps a tile of two rows of four in registers and larger ones not (measured, see docs/performance.md).
   */
  private vectorsPerTile(vectors: number): number {
    const most = this.target.vectorRegisters >= 32 ? 2 : 4;
    return vectors === 3 && most === 4 ? 3 : Math.min(most, vectors);
  }

  /** Rows of a register tile: as many accumulators as registers allow, with few rows left over. */
  private rowsPerTile(rows: number, vectors: number): number {
    const registers = this.target.vectorRegisters - 2 - vectors;
    const most = Math.max(1, Math.min(16, Math.floor(registers / vectors)));
    if (rows <= most) return rows;
    let best = most;
    let bestCost = Number.POSITIVE_INFINITY;
    for (let tile = most; tile >= Math.max(2, Math.ceil(most / 2)); tile--) {
      const tiles = Math.floor(rows / tile);
      const rest = rows % tile;
      // A tile costs its rows and something for loading the panel; a rest costs one more tile.
      const cost = tiles * (tile + 2) + (rest > 0 ? rest + 4 : 0);
      if (cost < bestCost) {
        best = tile;
        bestCost = cost;
      }
    }
    return best;
  }

  private scheduleContraction(c: Contraction, reduction: Reduction, top: boolean): void {
    const column = c.columns.name;
    const row = c.row.name;
    const tile = c.width * c.vectors;
    const tail = c.pack ? "guard" : "peel";
    if (!this.apply({ action: "split", loop: column, factor: tile, tail })) return;
    if (c.pack) {
      const order = this.packOrder(c, reduction);
      if (
        this.apply({ action: "stage", buffer: c.panel.buffer.name, at: undefined, order, space: "scratch" })
      ) {
        this.schedulePacking(order, c);
      }
    }
    let lanes = `${column}i`;
    if (c.vectors > 1) {
      this.apply({ action: "split", loop: lanes, factor: c.width, tail: "peel" });
      this.apply({ action: "unroll", loop: `${lanes}o` });
      lanes = `${lanes}i`;
    }
    this.apply({ action: "vectorize", loop: lanes });
    const rowTail = `${row}t`;
    this.apply({ action: "split", loop: row, factor: c.rowTile, tail: "peel" });
    const suffixes = this.loop(rowTail) !== undefined ? ["", `_${rowTail}`] : [""];
    for (const part of [`${row}i`, rowTail]) {
      if (this.loop(part) === undefined) continue;
      this.apply({ action: "unroll", loop: part });
      this.apply({ action: "reorder", loop: part });
    }
    for (const suffix of suffixes) {
      if (c.vectors > 1) this.apply({ action: "reorder", loop: `${column}io${suffix}` });
      this.apply({ action: "reorder", loop: `${lanes}${suffix}` });
    }
    // A panel stays near while the rows pass by.
    const rowsFirst = reduction.outputs.indexOf(c.row) < reduction.outputs.indexOf(c.columns);
    if (rowsFirst) this.apply({ action: "reorder", loop: `${row}o`, inside: `${column}o` });
    if (top) this.parallelise(reduction, c);
  }

  /** The panel's layout: its other loops, the tile of columns, the reduction, the columns of the tile. */
  private packOrder(c: Contraction, reduction: Reduction): string[] {
    const outer = reduction.outputs.filter((loop) => loop !== c.columns && movesWith(c.panel, loop));
    const inner = reduction.reduced.filter((loop) => movesWith(c.panel, loop));
    return [
      ...outer.map((l) => l.name),
      `${c.columns.name}o`,
      ...inner.map((l) => l.name),
      `${c.columns.name}i`,
    ];
  }

  /** The copy into the panel: threads take its outer loops, vectors run along whichever side is consecutive. */
  private schedulePacking(order: readonly string[], c: Contraction): void {
    const copies = order.map((name) => `${name}_${c.panel.buffer.name}`);
    const first = this.loop(copies[0]);
    if (first === undefined) return;
    const last = copies[copies.length - 1];
    const even = tripsOf(c.columns) % (c.width * c.vectors) === 0;
    if (even && isUnitStride(c.panel, c.columns)) {
      this.vectorizeLoop(last, c.width, 1, false);
    }
    let parallel = 1;
    for (const name of copies.slice(0, -1)) {
      const loop = this.loop(name);
      if (loop === undefined || parallel >= 16 * this.target.threads) break;
      parallel *= tripsOf(loop.atom);
      if (!this.apply({ action: "parallel", loop: name })) break;
    }
  }

  /** Marks the outer loops of all tiles parallel, as many as threads want. */
  private parallelise(reduction: Reduction, c: Contraction): void {
    const names = new Set<string>();
    for (const loop of reduction.outputs) {
      names.add(loop.name);
      names.add(`${loop.name}o`);
      names.add(`${loop.name}t`);
      names.add(`${loop.name}o_${c.row.name}t`);
      names.add(`${loop.name}_${c.row.name}t`);
    }
    for (const s of this.kernel.body) {
      if (s.kind !== "for") continue;
      let parallel = 1;
      let loop: ForStmt | undefined = s;
      while (loop !== undefined && names.has(loop.atom.name) && parallel < 16 * this.target.threads) {
        parallel *= tripsOf(loop.atom);
        if (!this.apply({ action: "parallel", loop: loop.atom.name })) break;
        const [only]: readonly Stmt[] = loop.body;
        loop = loop.body.length === 1 && only.kind === "for" ? only : undefined;
      }
    }
  }
}

interface Contraction {
  /** The loop along which vectors run; only `panel` moves with it. */
  readonly columns: LoopAtom;
  /** The loop along which the panel is used again. */
  readonly row: LoopAtom;
  readonly panel: LoadExpr;
  readonly width: number;
  readonly vectors: number;
  readonly rowTile: number;
  readonly pack: boolean;
  readonly even: boolean;
  readonly cost: number;
}

function hasLoadedAtom(x: LoadExpr): boolean {
  let found = false;
  for (const term of x.index.terms) if (term.atoms.some((atom) => atom.kind === "loaded")) found = true;
  return found;
}
