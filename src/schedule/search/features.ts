// What a cost model knows of a scheduled kernel: how often each kind of instruction runs on a thread, what moves between
// caches, how long the chains of dependent additions are, how much code there is. Counted from the loop nest before
// lowering: an expression runs as often as the innermost loop that it depends on, and not once for each lane.

import type { Target } from "../../device/target.js";
import { type Atom, type Index, type LoopAtom, strideOf, visitAtoms } from "../../kernel/index.js";
import {
  type Buffer,
  type Expr,
  exprsOf,
  indicesOf,
  type Kernel,
  type Stmt,
  topologicalOrder,
} from "../../kernel/ir.js";
import type { ForStmt } from "../../kernel/ir.js";
import { bytesOf } from "../../scalar/dtype.js";
import { tripsOf } from "../nest.js";

/** Counts, each for one thread; the model sees their logarithms. */
export const COUNTS = [
  "vectorOps", // weighted by what they cost
  "scalarOps",
  "vectorLoads", // of consecutive elements
  "broadcasts", // loads of one element for all lanes
  "scalarLoads", // outside of vectors
  "gathers", // lanes loaded one by one
  "vectorStores",
  "scalarStores", // lanes stored one by one included
  "streamed", // bytes stored past the caches
  "masked", // accesses with a condition
  "iterations", // of loops that are neither written out nor vectors
  "chains", // cycles of dependent accumulations
  "fromL2", // bytes that do not stay in the first cache
  "fromL3",
  "fromMemory",
  "code", // operations written out
  "registers", // vectors that hold accumulators
  "scratch", // bytes of memory that threads share
  "phases",
  "chunks", // iterations that threads share
] as const;

type Count = (typeof COUNTS)[number];
type Counts = Record<Count, number>;

/** Facts of the target, then what follows from several counts, come after the counts. */
export const FEATURE_COUNT = COUNTS.length + 8;

/** Vector operations that an operation takes once lowered, where it is not one. */
const COST: Readonly<Record<string, number>> = {
  div: 8,
  sqrt: 8,
  reciprocal: 8,
  exp: 16,
  exp2: 12,
  log: 20,
  log2: 20,
  sin: 40,
  cos: 40,
  tanh: 24,
  erf: 30,
  pow: 60,
  idiv: 16,
  mod: 16,
  threefry: 70,
};
const FREE = new Set(["const", "index", "valid", "load", "cast", "bitcast"]);
/** Cycles from an accumulation to the next one on its result. */
const LATENCY = 4;
/** A third level of cache, as a multiple of the second. */
const L3_SHARE = 8;
const LINE = 64;
/** Vectors of one buffer that may live in registers. */
const MOST_REGISTERS = 64;

/** The features of a scheduled kernel. */
export function featuresOf(kernel: Kernel, target: Target): Float32Array {
  const counts = new Counter(target).count(kernel);
  const { threads, vectorBytes, vectorRegisters, fma } = target;
  const wasm = target.language === "wasm" ? 1 : 0;
  const compute = Math.max(
    counts.vectorOps / 2 + counts.scalarOps / 3,
    (counts.vectorLoads + counts.broadcasts + counts.scalarLoads + counts.gathers) / 2,
    counts.vectorStores + counts.scalarStores,
    counts.chains,
  );
  const movement = counts.fromL2 / 40 + counts.fromL3 / 12 + counts.fromMemory / 6;
  const features = [
    ...COUNTS.map((name) => log(counts[name])),
    log(compute),
    log(movement),
    log(Math.max(compute, movement)),
    Math.max(0, counts.registers / vectorRegisters - 1),
    wasm,
    Math.log2(threads),
    Math.log2(vectorBytes) - 4,
    fma ? 1 : 0,
  ];
  return Float32Array.from(features);
}

const log = (x: number): number => Math.log2(1 + x);

/** One access of a nest, and the loops around it, outermost first. */
interface Access {
  readonly buffer: Buffer;
  readonly index: Index;
  readonly path: readonly ForStmt[];
}

class Counter {
  private readonly counts = Object.fromEntries(COUNTS.map((name) => [name, 0])) as Counts;
  private accesses: Access[] = [];

  constructor(private readonly target: Target) {}

  count({ body }: Kernel): Counts {
    const { counts, target } = this;
    for (const s of body) {
      const before = { ...counts };
      this.accesses = [];
      this.visit([s], []);
      this.countTraffic();
      if (s.kind !== "for" || s.loop !== "parallel") continue;
      // What was counted of a phase is shared among threads, as evenly as its iterations allow.
      const chunks = chunksOf(s);
      const share = Math.ceil(chunks / target.threads) / Math.max(1, chunks);
      counts.phases++;
      for (const name of COUNTS) {
        if (name !== "code" && name !== "registers" && name !== "scratch" && name !== "phases")
          counts[name] = before[name] + (counts[name] - before[name]) * share;
      }
      counts.chunks += chunks;
    }
    return counts;
  }

  private visit(body: readonly Stmt[], path: readonly ForStmt[]): void {
    const { counts } = this;
    for (const s of body) {
      if (s.kind === "for") {
        const outer = runs(path);
        if (s.loop === "serial" || s.loop === "parallel") counts.iterations += outer * tripsOf(s.atom);
        this.visit(s.body, [...path, s]);
      } else if (s.kind === "if") {
        counts.masked += runs(path);
        this.visit(s.body, path);
      } else if (s.kind === "alloc") {
        const bytes = s.buffer.size.max * bytesOf(s.buffer.dtype);
        if (s.buffer.space === "scratch") counts.scratch += bytes;
      } else if (s.kind === "store" || s.kind === "accumulate") this.statement(s, path);
    }
  }

  private statement(s: Extract<Stmt, { buffer: Buffer; value: Expr }>, path: readonly ForStmt[]): void {
    const { counts } = this;
    const depths = new Map<Expr, number>();
    const lanes = vectorOf(path);
    for (const x of topologicalOrder(exprsOf(s))) {
      let depth = 0;
      for (const arg of x.args) depth = Math.max(depth, depths.get(arg)!);
      for (const index of indicesOf(x)) depth = Math.max(depth, depthOf(index, path, depths));
      depths.set(x, depth);
      const times = runs(path.slice(0, depth));
      const inVector = lanes !== undefined && depth > path.indexOf(lanes);
      if (x.op === "load") this.load(x.buffer, x.index, x.valid.length > 0, path, depth, lanes);
      else if (!FREE.has(x.op)) {
        const cost = (COST[x.op] ?? 1) * times;
        if (inVector) counts.vectorOps += cost / tripsOf(lanes.atom);
        else counts.scalarOps += cost;
      }
    }
    this.write(s, path, lanes);
    const copies = path.reduce((n, f) => (f.loop === "unroll" ? n * tripsOf(f.atom) : n), 1);
    counts.code += copies * (1 + depths.size);
  }

  private load(
    buffer: Buffer,
    index: Index,
    masked: boolean,
    path: readonly ForStmt[],
    depth: number,
    lanes: ForStmt | undefined,
  ): void {
    const { counts } = this;
    const times = runs(path.slice(0, depth));
    if (masked) counts.masked += times;
    if (inRegisters(buffer, index, path)) return;
    this.accesses.push({ buffer, index, path });
    const stride = lanes === undefined ? undefined : strideOf(index, lanes.atom);
    if (lanes === undefined) counts.scalarLoads += times;
    else if (stride === 0) counts.broadcasts += times;
    else if (stride === 1) counts.vectorLoads += times / tripsOf(lanes.atom);
    else counts.gathers += times;
  }

  private write(
    s: Extract<Stmt, { buffer: Buffer; value: Expr }>,
    path: readonly ForStmt[],
    lanes: ForStmt | undefined,
  ): void {
    const { counts } = this;
    const times = runs(path);
    const width = lanes === undefined ? 1 : tripsOf(lanes.atom);
    const kept = inRegisters(s.buffer, s.index, path);
    if (s.kind === "accumulate") {
      if (lanes === undefined) counts.scalarOps += times;
      else counts.vectorOps += times / width;
      // Written-out copies that accumulate elsewhere are chains side by side.
      const beside = path.reduce(
        (n, f) => (f.loop === "unroll" && strideOf(s.index, f.atom) !== 0 ? n * tripsOf(f.atom) : n),
        1,
      );
      counts.chains += (LATENCY * times) / width / beside;
      if (kept) counts.registers = Math.max(counts.registers, beside);
    }
    if (kept) return;
    this.accesses.push({ buffer: s.buffer, index: s.index, path });
    if (s.kind === "store" && s.stream === true) counts.streamed += times * bytesOf(s.buffer.dtype);
    const vector = lanes !== undefined && strideOf(s.index, lanes.atom) === 1;
    if (vector) counts.vectorStores += times / width;
    else counts.scalarStores += times;
  }

  /** Bytes that pass each cache: what a loop's body touches is fetched anew at each iteration once it does not fit. */
  private countTraffic(): void {
    const { counts, accesses, target } = this;
    const sizes = [
      ["fromL2", target.l1Bytes],
      ["fromL3", target.l2Bytes],
      ["fromMemory", target.l2Bytes * L3_SHARE],
    ] as const;
    const total = new Map<string, number>();
    const keyOf = (path: readonly ForStmt[], depth: number): string =>
      path
        .slice(0, depth)
        .map((f) => f.atom.id)
        .join(",");
    for (const { buffer, index, path } of accesses) {
      for (let depth = 0; depth <= path.length; depth++) {
        const key = keyOf(path, depth);
        total.set(key, (total.get(key) ?? 0) + footprint(buffer, index, path, depth));
      }
    }
    for (const { buffer, index, path } of accesses) {
      for (const [name, bytes] of sizes) {
        let depth = 0;
        while (depth < path.length && total.get(keyOf(path, depth))! > bytes) depth++;
        const own = footprint(buffer, index, path, depth);
        counts[name] += own * runs(path.slice(0, depth));
      }
    }
  }
}

/** Iterations that threads share: those of the parallel loops directly in one another. */
function chunksOf(s: ForStmt): number {
  let chunks = 1;
  let loop: Stmt = s;
  while (loop.kind === "for" && loop.loop === "parallel") {
    chunks *= tripsOf(loop.atom);
    if (loop.body.length !== 1) break;
    [loop] = loop.body;
  }
  return chunks;
}

const runs = (path: readonly ForStmt[]): number => path.reduce((n, f) => n * tripsOf(f.atom), 1);

/** The loop over lanes around a statement. */
const vectorOf = (path: readonly ForStmt[]): ForStmt | undefined => path.find((f) => f.loop === "vectorize");

/** How many of the loops around it an index lies in: the place of the innermost one that it moves with. */
function depthOf(index: Index, path: readonly ForStmt[], values: ReadonlyMap<Expr, number>): number {
  let depth = 0;
  visitAtoms(index, (atom: Atom) => {
    if (atom.kind === "loop") depth = Math.max(depth, path.findIndex((f) => f.atom === atom) + 1);
    if (atom.kind === "loaded") depth = Math.max(depth, values.get(atom.value) ?? 0);
  });
  return depth;
}

/** True if an access of thread-private memory has a constant place once loops are written out. */
function inRegisters(buffer: Buffer, index: Index, path: readonly ForStmt[]): boolean {
  if (buffer.space !== "local") return false;
  const lanes = vectorOf(path);
  const width = lanes !== undefined && strideOf(index, lanes.atom) !== 0 ? tripsOf(lanes.atom) : 1;
  if (buffer.size.max / width > MOST_REGISTERS) return false;
  let constant = true;
  visitAtoms(index, (atom) => {
    if (atom.kind !== "loop") constant = false;
    else if (!path.some((f) => f.atom === atom && (f.loop === "unroll" || f.loop === "vectorize")))
      constant = false;
  });
  return constant;
}

/** Bytes of whole cache lines that an access touches while the loops from `depth` on run. */
function footprint(buffer: Buffer, index: Index, path: readonly ForStmt[], depth: number): number {
  const size = bytesOf(buffer.dtype);
  let elements = 1;
  let least = Number.POSITIVE_INFINITY;
  for (const { atom } of path.slice(depth)) {
    const stride = Math.abs(strideOf(index, atom) ?? strideInside(index, atom));
    if (stride === 0) continue;
    elements *= tripsOf(atom);
    least = Math.min(least, stride);
  }
  const step = elements === 1 ? LINE : Math.min(LINE, least * size);
  const span = Math.max(LINE, buffer.size.max * size);
  return Math.max(LINE, Math.min(elements * step, span));
}

/** The step of an address that is not linear over a loop: one line, if the loop moves it at all. */
function strideInside(index: Index, loop: LoopAtom): number {
  let found = 0;
  visitAtoms(index, (atom) => {
    if (atom === loop) found = LINE;
  });
  return found;
}
