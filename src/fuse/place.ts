// Decides, for every node of a graph, where its value lives: computed again wherever it is used (inline), kept in a
// register or a row of local memory inside the one kernel that uses it, or stored in device memory by a kernel.
//
// Nodes are visited from outputs to inputs. Each carries its uses: the kernel, the position asked for as a function
// of that kernel's loops, and the loops around. A kernel has output loops; a reduction used at a position that
// depends on some of them only is computed once inside those, before the others (softmax, norms, attention). So the
// sets of loops at which a kernel's reductions stand must form a chain, which fixes the order of its loops.

import type { Target } from "../device/target.js";
import {
  type AssignNode,
  type ConcatNode,
  maxDim,
  type Node,
  type ReduceNode,
  type ScanNode,
  type ScatterNode,
  topologicalNodes,
} from "../graph/node.js";
import { addIndex, type Index, type LoopAtom, loopAtom, toIndex } from "../kernel/index.js";
import { LEAST_UNIT_WORK } from "../kernel/units.js";
import { bytesOf, holds } from "../scalar/dtype.js";
import {
  BLOCKED_ROWS,
  bytesOfNode,
  CACHE_BYTE,
  elementsOf,
  LARGE_CONTRACTION,
  LAUNCH,
  MAX_USES,
  MEMORY_BYTE,
  MERGED_REDUNDANCY,
  REDUNDANCY,
  ROOMY_BUFFERS,
  SERIAL_WORK,
  trips,
} from "./cost.js";
import { addLevel, chainAccepts, type Draft, openLoops, orderLoops, reaches } from "./draft.js";
import { isFree, isLeaf, isSpecial, limitKernels } from "./limits.js";
import {
  coversOnce,
  distinctIndices,
  evaluationsOf,
  factorsAt,
  hasReuse,
  holdsPowers,
  isOuter,
  loopsOf,
  mentionsLoaded,
  mentionsLoop,
  onlyDraft,
  sameUse,
  standIn,
  type Use,
  wantsTiles,
} from "./uses.js";
import { isMovement, joinValid, neverValid, pushThrough, viewIndex } from "./views.js";

export interface PlacedGraph {
  readonly drafts: readonly Draft[];
  /** Nodes that get storage of their own, leaves not included. */
  readonly stored: ReadonlySet<Node>;
}

/** The node whose storage a root shares: reshapes of stored values cost nothing. */
export function storageNode(root: Node): Node {
  let node = root;
  while (node.op === "reshape") [node] = node.inputs;
  return node;
}

/** Decides for the graph under `roots`, all of which get storage. */
export function place(roots: readonly Node[], target: Target): PlacedGraph {
  return new Placer(roots, target).run();
}

/** A row for each iteration of the loops of a level: the axes it has, and where the others are fixed. */
interface LocalPlacement {
  readonly level: ReadonlySet<LoopAtom>;
  readonly index: readonly (Index | undefined)[];
}

/** The innermost loop of a level: along it rows lie next to each other. */
const lastLoop = (draft: Draft, level: ReadonlySet<LoopAtom>): LoopAtom | undefined =>
  draft.loops.filter((loop) => level.has(loop)).pop();

/**
 * Bytes that are read of the factor which the rows of a level share, if it is read for each block of them; infinite if
 * they share none.
 */
function readAgain(draft: Draft, level: ReadonlySet<LoopAtom>, factors: Draft["factors"]): number {
  const row = lastLoop(draft, level);
  const panels = factors
    .filter(({ loops }) => row !== undefined && !loops.has(row))
    .map(({ bytes, loops }) => bytes / trips([...level].filter((loop) => loops.has(loop))));
  return Math.max(1, trips(level) / BLOCKED_ROWS) * Math.min(...panels);
}

class Placer {
  private readonly order: readonly Node[];
  private readonly stored = new Set<Node>();
  private readonly drafts: Draft[] = [];
  private readonly writers = new Map<Node, Draft[]>();
  private readonly uses = new Map<Node, Use[]>();
  private readonly work: ReadonlyMap<Node, number>;
  private readonly rootStorage = new Set<Node>();
  /** Drafts that must run after others have stored a node, which they may never read. */
  private readonly waiting = new Map<Node, Set<Draft>>();
  /** Nodes at which kernels are cut for their size: they get kernels of their own. */
  private readonly cuts: ReadonlySet<Node>;

  constructor(
    roots: readonly Node[],
    private readonly target: Target,
  ) {
    const bases = roots.map(storageNode);
    this.order = topologicalNodes(bases);
    for (const base of bases) if (!isLeaf(base)) this.rootStorage.add(base);
    for (const node of this.order) if (node.op === "after") this.rootStorage.add(node.inputs[1]);
    const { forced, work } = limitKernels(this.order, target);
    for (const node of forced) this.rootStorage.add(node);
    this.cuts = forced;
    this.work = work;
  }

  run(): PlacedGraph {
    for (let i = this.order.length - 1; i >= 0; i--) this.visit(this.order[i]);
    for (const draft of this.drafts) orderLoops(draft);
    // Nests without iterations (an empty part of a concatenation) are no kernels.
    const drafts = this.drafts.filter((draft) => draft.loops.every((loop) => loop.extent.value !== 0));
    return { drafts, stored: this.stored };
  }

  private visit(node: Node): void {
    const uses = this.uses.get(node) ?? [];
    this.uses.delete(node);
    if (isLeaf(node)) {
      for (const use of uses) use.draft.reads.add(node);
      return;
    }
    if (this.mustStore(node)) return this.storeNode(node, uses);
    if (uses.length === 0 || isFree(node)) return;
    if (node.op === "after") return this.pushUses(node, uses);
    if (isMovement(node)) {
      if (node.op === "pad" && this.recomputesPad(node, uses)) return this.placePad(node, uses);
      return this.pushUses(node, uses);
    }
    if (node.op === "reduce") return this.visitReduce(node, uses);
    return this.visitElementwise(node, uses);
  }

  private mustStore(node: Node): boolean {
    return this.rootStorage.has(node) || isSpecial(node) || node.op === "contiguous";
  }

  // --- elementwise -----------------------------------------------------------------------------------------------

  private visitElementwise(node: Node, uses: readonly Use[]): void {
    const elements = elementsOf(node);
    const work = this.work.get(node)!;
    const evaluations = uses.reduce((sum, use) => sum + evaluationsOf(use), 0);
    const again = Math.max(0, evaluations - elements) * work;
    const storing = LAUNCH + bytesOfNode(node) * MEMORY_BYTE;
    if (
      uses.length <= MAX_USES &&
      this.convertsForUnit(node) &&
      this.feedsContraction(node, uses, LEAST_UNIT_WORK)
    )
      return this.pushUses(node, uses);
    if (uses.length <= MAX_USES && again <= CACHE_BYTE * bytesOfNode(node) + 64)
      return this.pushUses(node, uses);
    const draft = onlyDraft(uses);
    if (draft !== undefined) {
      const placement = this.localPlacement(node, uses, draft);
      const feeds = this.feedsContraction(node, uses);
      const local = feeds && !this.blocks(node, placement, draft) ? undefined : placement;
      if (local !== undefined && elements * work + bytesOfNode(node) * CACHE_BYTE < evaluations * work) {
        return this.placeLocal(node, draft, local);
      }
    }
    if (uses.length <= MAX_USES && again <= storing) return this.pushUses(node, uses);
    this.storeNode(node, uses);
  }

  /** A conversion that a matrix unit of the target does by itself, or that packing stored memory for it does. */
  private convertsForUnit(node: Node): boolean {
    if (node.op !== "cast") return false;
    const [input] = node.inputs;
    const stored = this.isStored(input);
    return (this.target.units ?? []).some(({ sums, left, right }) => {
      const widens = sums === node.dtype && (holds(left, input.dtype) || holds(right, input.dtype));
      const narrows = sums === input.dtype && (left === node.dtype || right === node.dtype);
      return widens || (narrows && stored);
    });
  }

  /** Whether a value is known to lie in memory, moved at most. */
  private isStored(node: Node): boolean {
    let base = node;
    while (isMovement(base)) [base] = base.inputs;
    return isLeaf(base) || this.stored.has(base) || this.mustStore(base);
  }

  /** True for an operand of a large contraction that is used many times: it had better be plain memory. */
  private feedsContraction(node: Node, uses: readonly Use[], least = LARGE_CONTRACTION): boolean {
    const evaluations = uses.reduce((sum, use) => sum + evaluationsOf(use), 0);
    if (evaluations < 4 * elementsOf(node)) return false;
    return uses.some((use) => use.inner.length > 0 && trips(use.outer) * trips(use.inner) >= least);
  }

  /**
   * Whether the rows that would hold a value are worth taking several at a time: the contraction that they feed, or are
   * the result of, then finds its other factor near for all of them, and nothing need be stored.
   */
  private blocks(node: Node, local: LocalPlacement | undefined, draft: Draft): boolean {
    if (local === undefined || this.target.language === "wgsl") return false;
    const inside = node.shape.filter((_, axis) => local.index[axis] === undefined).map(maxDim);
    const row = inside.reduce((product, d) => product * d, 1) * bytesOf(node.dtype);
    const again = readAgain(draft, local.level, draft.factors);
    const near = row * BLOCKED_ROWS <= this.target.l2Bytes / 2 || this.goesOnline(node, draft);
    return near && again * CACHE_BYTE < LAUNCH + bytesOfNode(node) * MEMORY_BYTE;
  }

  /** Whether a row need not be near as a whole: it is taken in blocks, one after the other (online softmax). */
  private goesOnline(node: Node, draft: Draft): boolean {
    return draft.online || holdsPowers(node);
  }

  /** Padding inside a large contraction would put a condition into its inner loop: store it once, filled. */
  private recomputesPad(node: Node, uses: readonly Use[]): boolean {
    const evaluations = uses.reduce((sum, use) => sum + evaluationsOf(use), 0);
    return (
      evaluations >= 4 * elementsOf(node) && evaluations > LAUNCH && uses.some((use) => use.inner.length > 0)
    );
  }

  /** In the one kernel that uses it, if the device has buffers to spare; else as a kernel's result. */
  private placePad(node: Node, uses: readonly Use[]): void {
    const draft = onlyDraft(uses);
    const plain = node.shape.every((d) => typeof d === "number");
    if (draft === undefined || draft.mode !== "store" || !plain || this.target.maxBuffers < ROOMY_BUFFERS) {
      return this.storeNode(node, uses);
    }
    draft.placements.set(node, { kind: "scratch" });
    const { index, loops } = openLoops(node);
    this.pushUses(node, [{ draft, index, valid: [], outer: [], inner: loops, summed: false }]);
  }

  // --- reductions ------------------------------------------------------------------------------------------------

  private visitReduce(node: ReduceNode, uses: readonly Use[]): void {
    const draft = onlyDraft(uses);
    if (draft === undefined || uses.length > MAX_USES) return this.storeNode(node, uses);
    const elements = elementsOf(node);
    const reduced = elementsOf(node.inputs[0]);
    if (uses.some((use) => mentionsLoaded(use.index))) return this.storeNode(node, uses);
    const inside = uses.some((use) => use.inner.some((loop) => use.index.some((x) => mentionsLoop(x, loop))));
    if (!inside) {
      const level = loopsOf(
        uses.flatMap((use) => use.index),
        draft.loops,
      );
      const evaluations = trips(level) * distinctIndices(uses);
      if (evaluations <= REDUNDANCY * elements && this.fits(node, draft, level, uses[0].index)) {
        return this.placeRegister(node, uses, draft, level);
      }
      return this.storeNode(node, uses);
    }
    const evaluations = uses.reduce((sum, use) => sum + evaluationsOf(use), 0);
    const [use, ...others] = uses;
    const merges = others.length === 0 && use.summed && node.reduction === "add";
    if (merges && evaluations <= MERGED_REDUNDANCY * elements) return this.placeNested(node, use);
    const placement = this.localPlacement(node, uses, draft);
    const feeds = this.feedsContraction(node, uses) && !this.blocks(node, placement, draft);
    const local = feeds ? undefined : placement;
    const tiled = local !== undefined && reduced >= LARGE_CONTRACTION && wantsTiles(node, local.index);
    if (local !== undefined && !tiled && this.fits(node, draft, local.level, uses[0].index)) {
      return this.placeLocal(node, draft, local);
    }
    const small = reduced <= 64 * elements && reduced < LARGE_CONTRACTION;
    if (others.length === 0 && small && evaluations <= REDUNDANCY * elements)
      return this.placeNested(node, use);
    this.storeNode(node, uses);
  }

  /** Whether a draft may compute a reduction at a position, at a level of its loops. */
  private fits(
    node: ReduceNode,
    draft: Draft,
    level: ReadonlySet<LoopAtom>,
    position: readonly Index[],
  ): boolean {
    const work = elementsOf(node.inputs[0]);
    const contraction = work >= LARGE_CONTRACTION && hasReuse(node);
    const full = level.size === draft.loops.length;
    if (contraction && full && draft.tiled) return false;
    if (contraction && draft.contracts && !this.sharesRows(node, draft, level, position)) return false;
    if (!chainAccepts(draft, level)) return false;
    const parallel = trips(level) >= 4 * this.target.threads;
    const total = Math.max(work, trips(draft.loops));
    if (!full && !parallel && total > SERIAL_WORK) return false;
    return full || !contraction || level.size > 0;
  }

  /**
   * Whether a further contraction may join the rows of a draft: what it reads again for every block of rows costs less
   * than storing its result would.
   */
  private sharesRows(
    node: ReduceNode,
    draft: Draft,
    level: ReadonlySet<LoopAtom>,
    position: readonly Index[],
  ): boolean {
    if (this.target.language === "wgsl" || !Number.isFinite(readAgain(draft, level, draft.factors)))
      return false;
    const own = factorsAt(node, position, draft.loops).map(({ base, loops }) => ({
      bytes: bytesOfNode(base),
      loops,
    }));
    return readAgain(draft, level, own) * CACHE_BYTE < bytesOfNode(node) * MEMORY_BYTE;
  }

  /** Notes that a large contraction is computed in a draft, and which of its loops use a factor again. */
  private noteContraction(
    node: ReduceNode,
    draft: Draft,
    position: readonly Index[],
    level: ReadonlySet<LoopAtom>,
  ): void {
    if (elementsOf(node.inputs[0]) < LARGE_CONTRACTION || !hasReuse(node)) return;
    draft.contracts = true;
    draft.tiled ||= level.size === draft.loops.length;
    for (const { base, loops } of factorsAt(node, position, draft.loops))
      draft.factors.push({ bytes: bytesOfNode(base), loops });
  }

  private placeRegister(
    node: ReduceNode,
    uses: readonly Use[],
    draft: Draft,
    level: ReadonlySet<LoopAtom>,
  ): void {
    addLevel(draft, level);
    draft.placements.set(node, { kind: "register" });
    this.noteContraction(node, draft, uses[0].index, level);
    for (const use of uses) this.useReduced(node, use, [...level]);
  }

  /** In a register inside the loops of the nest that asks for it, wherever that stands. */
  private placeNested(node: ReduceNode, use: Use): void {
    use.draft.placements.set(node, { kind: "register" });
    this.useReduced(node, use, use.outer);
  }

  /** The use of a reduction's input inside the reduction's own loops. */
  private useReduced(node: ReduceNode, use: Use, outer: readonly LoopAtom[]): void {
    const [input] = node.inputs;
    const own: LoopAtom[] = [];
    const index = use.index.map((x, axis) => {
      if (!node.axes.includes(axis)) return x;
      const loop = loopAtom("k", toIndex(input.shape[axis]));
      own.push(loop);
      return toIndex(loop);
    });
    const inner = use.inner.filter((loop) => use.index.some((x) => mentionsLoop(x, loop)));
    const summed = node.reduction === "add";
    this.addUse(input, { ...use, index, outer, inner: [...inner, ...own], summed });
  }

  // --- rows in local memory --------------------------------------------------------------------------------------

  private localPlacement(node: Node, uses: readonly Use[], draft: Draft): LocalPlacement | undefined {
    if (uses.some((use) => use.valid.length > 0 || mentionsLoaded(use.index))) return undefined;
    const index = node.shape.map((_, axis): Index | undefined => {
      const [first, ...others] = uses.map((use) => use.index[axis]);
      const same = others.every((x) => x.key === first.key);
      return same && isOuter(first, draft.loops) ? first : undefined;
    });
    // An axis must not be taken apart where a loop that is fixed elsewhere runs through it.
    const fixed = index.filter((x): x is Index => x !== undefined);
    const level = loopsOf(fixed, draft.loops);
    if (level.size === 0 || !chainAccepts(draft, level)) {
      if (level.size === 0 && elementsOf(node) > SERIAL_WORK / 4) return undefined;
      if (!chainAccepts(draft, level)) return undefined;
    }
    const rows = node.shape.filter((_, axis) => index[axis] === undefined).map(maxDim);
    if (
      rows.length === 0 ||
      node.shape.some((d, axis) => index[axis] === undefined && typeof d !== "number")
    ) {
      return undefined;
    }
    const bytes = rows.reduce((product, d) => product * d, 1) * bytesOf(node.dtype);
    const near = this.goesOnline(node, draft) ? Number.POSITIVE_INFINITY : this.target.l2Bytes;
    if (bytes > Math.min(this.target.maxLocalBytes, near) / 4) return undefined;
    const evaluations = (trips(level) * bytes) / bytesOf(node.dtype);
    if (evaluations > REDUNDANCY * elementsOf(node)) return undefined;
    if (trips(level) < 4 * this.target.threads && trips(draft.loops) > SERIAL_WORK) return undefined;
    return { level, index };
  }

  private placeLocal(node: Node, draft: Draft, { level, index }: LocalPlacement): void {
    addLevel(draft, level);
    draft.placements.set(node, { kind: "local", index });
    draft.online ||= holdsPowers(node);
    const row: LoopAtom[] = [];
    const position = index.map((x, axis) => {
      if (x !== undefined) return x;
      const loop = loopAtom("r", toIndex(node.shape[axis]));
      row.push(loop);
      return toIndex(loop);
    });
    const use: Use = { draft, index: position, valid: [], outer: [...level], inner: row, summed: false };
    if (node.op === "reduce") {
      this.noteContraction(node, draft, position, level);
      this.useReduced(node, use, [...level]);
    } else this.pushUses(node, [use]);
  }

  // --- storing ---------------------------------------------------------------------------------------------------

  private storeNode(node: Node, uses: readonly Use[]): void {
    this.stored.add(node);
    const host = this.sideOutputHost(node, uses);
    if (host !== undefined) {
      host.sides.add(node);
      this.writers.set(node, [host]);
      this.release(node);
      const own = uses.filter((use) => use.draft === host);
      for (const use of uses) if (use.draft !== host) this.read(node, use.draft);
      if (node.op === "reduce") {
        this.placeRegister(
          node,
          own,
          host,
          loopsOf(
            own.flatMap((use) => use.index),
            host.loops,
          ),
        );
      } else this.pushUses(node, own);
      return;
    }
    const drafts = this.draftsFor(node);
    this.writers.set(node, drafts);
    this.release(node);
    for (const use of uses) this.read(node, use.draft);
    if (elementsOf(node) === 0) return;
    for (const draft of drafts) {
      const use: Use = {
        draft,
        index: draft.from,
        valid: draft.valid,
        outer: draft.loops,
        inner: [],
        summed: false,
      };
      if (draft.source === node) this.enter(node, use);
      else this.addUse(draft.source, use);
      if (draft.mode === "scatter") {
        const scatter = node as ScatterNode;
        this.addUse(scatter.inputs[1], use);
      }
      if (draft.mode === "scan") this.useGroups(node as ScanNode, use);
    }
  }

  private read(node: Node, draft: Draft): void {
    draft.reads.add(node);
    this.follow(node, draft);
  }

  private follow(node: Node, draft: Draft): void {
    for (const writer of this.writers.get(node) ?? []) if (writer !== draft) draft.after.add(writer);
  }

  /** Orders the drafts that wait for a node behind those that store it. */
  private release(node: Node): void {
    for (const draft of this.waiting.get(node) ?? []) this.follow(node, draft);
  }

  /** Passes a draft's own use on to what its source is computed from. */
  private enter(node: Node, use: Use): void {
    if (node.op === "reduce") this.placeRegister(node, [use], use.draft, new Set(use.draft.loops));
    else this.pushUses(node, [use]);
  }

  private draftsFor(node: Node): Draft[] {
    if (node.op === "concat") return this.concatDrafts(node);
    if (node.op === "assign") return this.assignDrafts(node);
    if (node.op === "scatter") return this.scatterDrafts(node);
    if (node.op === "scan") return [this.scanDraft(node)];
    const { index, loops } = openLoops(node);
    return [this.addDraft({ mode: "store", target: node, at: index, source: node, from: index }, loops)];
  }

  private concatDrafts(node: ConcatNode): Draft[] {
    let offset = toIndex(0);
    return node.inputs.map((input) => {
      const { index, loops } = openLoops(input);
      const start = offset;
      offset = addIndex(offset, toIndex(input.shape[node.axis]));
      const at = index.map((x, axis) => (axis === node.axis ? addIndex(x, start) : x));
      return this.addDraft({ mode: "store", target: node, at, source: input, from: index }, loops);
    });
  }

  private assignDrafts(node: AssignNode): Draft[] {
    const [base, value] = node.inputs;
    const { index, loops } = openLoops(value);
    const at = node.view.length === 0 ? index : viewIndex(base.shape, node.view, index);
    const write = (): Draft =>
      this.addDraft({ mode: "store", target: node, at, source: value, from: index }, loops);
    const whole = elementsOf(value) === elementsOf(base) && value.shape.every((d) => typeof d === "number");
    if (whole) return [write()];
    const copy = openLoops(base);
    const first = this.addDraft(
      { mode: "store", target: node, at: copy.index, source: base, from: copy.index },
      copy.loops,
    );
    const second = write();
    second.after.add(first);
    return [first, second];
  }

  private scatterDrafts(node: ScatterNode): Draft[] {
    const [base, , values] = node.inputs;
    const { index, loops } = openLoops(values);
    const scatter = (): Draft =>
      this.addDraft({ mode: "scatter", target: node, at: index, source: values, from: index }, loops);
    if (node.reduction === "permute") return [scatter()];
    const copy = openLoops(base);
    const first = this.addDraft(
      { mode: "store", target: node, at: copy.index, source: base, from: copy.index },
      copy.loops,
    );
    const second = scatter();
    second.after.add(first);
    return [first, second];
  }

  /** The loop along the axis carries the totals, so that it stands inside of all others. */
  private scanDraft(node: ScanNode): Draft {
    const { index, loops } = openLoops(node);
    const draft = this.addDraft(
      { mode: "scan", target: node, at: index, source: node.inputs[0], from: index },
      loops,
    );
    const along = loopsOf([index[node.axis]], loops);
    addLevel(draft, new Set(loops.filter((loop) => !along.has(loop))));
    return draft;
  }

  /** The groups of a scan's elements, and where their totals begin. */
  private useGroups(node: ScanNode, use: Use): void {
    if (node.inputs.length === 1) return;
    const [, group, start] = node.inputs;
    this.addUse(group, use);
    const loop = loopAtom("g", toIndex(start.shape[node.axis]));
    const index = use.index.map((x, axis) => (axis === node.axis ? toIndex(loop) : x));
    this.addUse(start, { ...use, index, outer: [...loopsOf(index, use.draft.loops)], inner: [loop] });
  }

  private addDraft(
    fields: Pick<Draft, "mode" | "target" | "at" | "source" | "from">,
    loops: LoopAtom[],
  ): Draft {
    const draft: Draft = {
      ...fields,
      id: this.drafts.length,
      valid: [],
      loops,
      levels: [],
      placements: new Map(),
      sides: new Set(),
      after: new Set(),
      contracts: false,
      tiled: false,
      online: false,
      factors: [],
      reads: new Set(),
    };
    this.drafts.push(draft);
    return draft;
  }

  /** A draft that computes each element of `node` exactly once anyway, and may as well store it. */
  private sideOutputHost(node: Node, uses: readonly Use[]): Draft | undefined {
    if (
      this.cuts.has(node) ||
      isSpecial(node) ||
      isMovement(node) ||
      node.op === "contiguous" ||
      node.op === "after" ||
      node.op === "bitcast"
    )
      return undefined;
    const drafts = new Set(uses.map((use) => use.draft));
    for (const draft of drafts) {
      const own = uses.filter((use) => use.draft === draft);
      if (draft.mode !== "store" || own.length === 0) continue;
      if (own.some((use) => use.inner.length > 0 || use.valid.length > 0 || mentionsLoaded(use.index)))
        continue;
      if (distinctIndices(own) !== 1 || !coversOnce(node, own[0].index, draft.loops)) continue;
      if (node.op === "reduce") {
        const level = loopsOf(own[0].index, draft.loops);
        if (!this.fits(node, draft, level, own[0].index)) continue;
      }
      if (draft.reads.size + draft.sides.size + 4 > this.target.maxBuffers) continue;
      const waiting = this.waiting.get(node) ?? new Set();
      const others = [...drafts, ...waiting].filter((other) => other !== draft);
      const cyclic = waiting.has(draft) || others.some((other) => reaches(draft, other));
      if (!cyclic) return draft;
    }
    return undefined;
  }

  // --- positions -------------------------------------------------------------------------------------------------

  /** Hands the uses of an inline node on to its inputs. */
  private pushUses(node: Node, uses: readonly Use[]): void {
    for (const use of uses) {
      if (node.op === "after") {
        const [value, event] = node.inputs;
        const waiting = this.waiting.get(event) ?? new Set();
        this.waiting.set(event, waiting.add(use.draft));
        this.addUse(value, use);
      } else if (isMovement(node)) {
        const { index, fills } = pushThrough(node, use.index);
        const valid = joinValid(use.valid, fills);
        if (!neverValid(valid)) this.addUse(node.inputs[0], { ...use, index, valid });
      } else if (node.op === "gather") {
        const [data, index] = node.inputs;
        this.addUse(index, { ...use, summed: false });
        const loaded = standIn(use);
        const position = use.index.map((x, axis) => (axis === node.axis ? loaded : x));
        this.addUse(data, { ...use, index: position, summed: false });
      } else for (const input of node.inputs) this.addUse(input, { ...use, summed: false });
    }
  }

  private addUse(node: Node, use: Use): void {
    const uses = this.uses.get(node);
    if (uses === undefined) this.uses.set(node, [use]);
    else if (!uses.some((known) => sameUse(known, use))) uses.push(use);
  }
}
