// Uses: who asks for a node's elements, at which positions, and how often.

import { type Node, type ReduceNode, sameDim } from "../graph/node.js";
import { addIndex, type Atom, type Index, type LoopAtom, toIndex, visitAtoms } from "../kernel/index.js";
import { load, loadedIndex, makeBuffer, type Valid } from "../kernel/ir.js";
import { trips } from "./cost.js";
import { type Draft, openLoops } from "./draft.js";
import { isMovement, pushThrough } from "./views.js";

/** A place where a node's value is asked for. */
export interface Use {
  readonly draft: Draft;
  readonly index: readonly Index[];
  readonly valid: Valid;
  /** Loops around: the draft's that matter here, then those of reductions and rows inside. */
  readonly outer: readonly LoopAtom[];
  readonly inner: readonly LoopAtom[];
  /** A sum asks for the value itself, moved at most: another sum would become part of it. */
  readonly summed: boolean;
}

/** An unknown integer that depends on everything the use depends on: a gathered position. */
const GATHERED = makeBuffer("gathered", "int32", 1, "global");
export function standIn(use: Use): Index {
  const seed = use.index.reduce((sum, x, axis) => addIndex(sum, x.terms.length > 0 ? x : axis), toIndex(0));
  return loadedIndex(load(GATHERED, seed));
}

export function sameUse(a: Use, b: Use): boolean {
  return (
    a.draft === b.draft &&
    a.valid.length === b.valid.length &&
    a.index.every((x, i) => x.key === b.index[i].key) &&
    a.valid.every((x, i) => x.key === b.valid[i].key)
  );
}

export function onlyDraft(uses: readonly Use[]): Draft | undefined {
  const [first] = uses;
  return uses.every((use) => use.draft === first.draft) ? first.draft : undefined;
}

export const distinctIndices = (uses: readonly Use[]): number =>
  new Set(uses.map((use) => use.index.map((x) => x.key).join("|"))).size;

export function loopsOf(indices: readonly Index[], among: readonly LoopAtom[]): Set<LoopAtom> {
  const mentioned = new Set<Atom>();
  for (const x of indices) visitAtoms(x, (atom) => mentioned.add(atom));
  return new Set(among.filter((loop) => mentioned.has(loop)));
}

export function mentionsLoop(x: Index, loop: LoopAtom): boolean {
  let found = false;
  visitAtoms(x, (atom) => {
    if (atom === loop) found = true;
  });
  return found;
}

export function mentionsLoaded(index: readonly Index[]): boolean {
  let found = false;
  for (const x of index) {
    visitAtoms(x, (atom) => {
      if (atom.kind === "loaded") found = true;
    });
  }
  return found;
}

/** True if x depends on some of the draft's loops and on nothing else that varies. */
export function isOuter(x: Index, loops: readonly LoopAtom[]): boolean {
  let outer = true;
  visitAtoms(x, (atom) => {
    if (atom.kind === "loaded" || (atom.kind === "loop" && !loops.includes(atom))) outer = false;
  });
  return outer;
}

/** How often a use is evaluated, if what does not vary in an inner loop is computed before it. */
export function evaluationsOf(use: Use): number {
  const own = loopsOf(use.index, use.inner);
  const outer = loopsOf(use.index, use.draft.loops);
  const around = own.size > 0 ? new Set([...use.outer, ...outer]) : outer;
  return trips(around) * trips(own.size > 0 ? use.inner : []);
}

/** True if the positions run through all elements of the node, each once. */
export function coversOnce(node: Node, index: readonly Index[], loops: readonly LoopAtom[]): boolean {
  const seen = new Set<Atom>();
  return node.shape.every((d, axis) => {
    const x = index[axis];
    if (d === 1) return true;
    const [term] = x.terms;
    if (x.terms.length !== 1 || x.constant !== 0 || term.coefficient !== 1 || term.atoms.length !== 1)
      return false;
    const [atom] = term.atoms;
    if (atom.kind !== "loop" || !loops.includes(atom) || seen.has(atom)) return false;
    seen.add(atom);
    return sameDim(atom.extent.value ?? atom.extent, d);
  });
}

/** True if the reduction's operand is a product of which some factor repeats along an output axis. */
export function hasReuse(node: ReduceNode): boolean {
  const [input] = node.inputs;
  if (input.op !== "mul") return false;
  return input.inputs.some((factor) => repeats(factor));
}

/**
 * True if within one row both factors are used again, each along another axis: such a product wants packed panels and
 * register tiles, which rows do not have. (In attention a row is a matrix-vector product: nothing to tile.)
 */
export function wantsTiles(node: ReduceNode, fixed: readonly (Index | undefined)[]): boolean {
  const [product] = node.inputs;
  if (product.op !== "mul") return false;
  const { index, loops } = openLoops(product);
  const rows = index.flatMap((x, axis) => {
    const [term] = x.terms;
    return fixed[axis] === undefined && !node.axes.includes(axis) && term !== undefined
      ? [term.atoms[0]]
      : [];
  });
  const [a, b] = product.inputs.map((factor) => loopsOf(positionOf(factor, index), loops));
  const only = (x: ReadonlySet<Atom>, y: ReadonlySet<Atom>): boolean =>
    rows.some((atom) => x.has(atom) && !y.has(atom));
  return only(a, b) && only(b, a);
}

/** Most nodes looked at for a power. */
const MOST_OPERATIONS = 32;

/** True if a value is made, element by element, of e^(x - the largest x). */
export function holdsPowers(node: Node): boolean {
  const open = [node];
  for (let looked = 0; open.length > 0 && looked < MOST_OPERATIONS; looked++) {
    const x = open.pop()!;
    if (x.op === "reduce") continue;
    if (x.op === "exp") {
      const [exponent] = x.inputs;
      if (exponent.op !== "sub") continue;
      let [, largest]: readonly Node[] = exponent.inputs;
      while (isMovement(largest)) [largest] = largest.inputs;
      if (largest.op === "reduce" && largest.reduction === "max") return true;
    } else open.push(...x.inputs);
  }
  return false;
}

/** The factors of a contraction's product: what each was moved from, and on which of the loops its position depends. */
export function factorsAt(
  node: ReduceNode,
  position: readonly Index[],
  among: readonly LoopAtom[],
): { base: Node; loops: ReadonlySet<LoopAtom> }[] {
  const [product] = node.inputs;
  if (product.op !== "mul") return [];
  return product.inputs.map((factor) => {
    let base: Node = factor;
    while (isMovement(base)) [base] = base.inputs;
    return { base, loops: loopsOf(positionOf(factor, position), among) };
  });
}

/** Where an element lies in what a node was moved from. */
export function positionOf(node: Node, index: readonly Index[]): readonly Index[] {
  let position = index;
  let x = node;
  while (isMovement(x)) {
    position = pushThrough(x, position).index;
    [x] = x.inputs;
  }
  return position;
}

export function repeats(node: Node): boolean {
  let x = node;
  while (isMovement(x) || x.op === "cast") {
    if (x.op === "expand") return true;
    [x] = x.inputs;
  }
  return false;
}
