// Einstein sums: an equation names the axes of each operand and of the result; axes of one name go together, and those
// that the result lacks are summed. Several operands are joined two at a time, in the order that takes the fewest
// operations; each join is a product and a sum, as every contraction is.

import { broadcastShapes, TensorError } from "./core.js";
import { contract, contractionType, factor } from "./linear.js";
import type { Tensor } from "./tensor.js";

/** A tensor and the names of its axes, each once. */
export interface Term {
  readonly x: Tensor;
  readonly names: readonly string[];
}

/** Up to so many operands the best order is found, beyond them a good one. */
const EXHAUSTIVE = 8;

/** See Tensor.einsum. */
export function einsum(equation: string, operands: readonly Tensor[]): Tensor {
  const { inputs, output } = parse(equation, operands);
  const terms = operands.map((x, i) => withoutRepeats(x, inputs[i]));
  checkSizes(equation, terms);
  const total = order(terms, output).reduce<Term | undefined>((_, join) => join(), undefined)!;
  const summed = sumBut(total, new Set(output));
  return summed.x.permute(output.map((name) => summed.names.indexOf(name)));
}

// ---------------------------------------------------------------------------------------------------------------
// The equation

interface Equation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/** Axes that "..." stands for have numbers as names, counted from the last. */
function parse(equation: string, operands: readonly Tensor[]): Equation {
  const fail = (reason: string): never => {
    throw new TensorError(`einsum: "${equation}" ${reason}`);
  };
  const [left, right, ...rest] = equation.replaceAll(/\s/g, "").split("->");
  if (rest.length > 0) return fail("has more than one ->");
  const parts = left.split(",");
  if (parts.length !== operands.length)
    return fail(`names the axes of ${parts.length} operands, but ${operands.length} are given`);
  let most = 0;
  const inputs = parts.map((part, i) => {
    const names = lettersOf(part, fail);
    const dots = names.indexOf("...");
    const { ndim } = operands[i];
    const hidden = ndim - (names.length - (dots < 0 ? 0 : 1));
    if (hidden < 0 || (hidden > 0 && dots < 0))
      return fail(`names ${names.length} axes of operand ${i}, which is ${operands[i]}`);
    most = Math.max(most, dots < 0 ? 0 : hidden);
    return dots < 0 ? names : [...names.slice(0, dots), ...numbered(hidden), ...names.slice(dots + 1)];
  });
  if (right !== undefined) {
    const output = lettersOf(right, fail).flatMap((name) => (name === "..." ? numbered(most) : [name]));
    const known = new Set(inputs.flat());
    const unknown = output.find((name) => !known.has(name));
    if (unknown !== undefined) return fail(`has ${unknown} in the result, which no operand has`);
    const twice = output.find((name, i) => output.indexOf(name) !== i);
    if (twice !== undefined) return fail(`has ${twice} twice in the result`);
    return { inputs, output };
  }
  // Without a result: the axes of "...", then those that are named once, by the alphabet.
  const all = inputs.flat().filter((name) => /[a-zA-Z]/.test(name));
  const once = all.filter((name) => all.indexOf(name) === all.lastIndexOf(name)).sort();
  return { inputs, output: [...numbered(most), ...once] };
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `${count - 1 - i}`);

function lettersOf(part: string, fail: (reason: string) => never): string[] {
  const names = part.match(/\.\.\.|./g) ?? [];
  const wrong = names.find((name) => name !== "..." && !/^[a-zA-Z]$/.test(name));
  if (wrong !== undefined) fail(`has "${wrong}"; axes are letters, and "..." stands for any number of them`);
  if (names.filter((name) => name === "...").length > 1) fail(`has "..." twice in "${part}"`);
  return names;
}

/** An axis named twice is the diagonal of the two. */
function withoutRepeats(x: Tensor, names: readonly string[]): Term {
  let term: Term = { x, names };
  for (;;) {
    const second = term.names.findIndex((name, i) => term.names.indexOf(name) < i);
    if (second < 0) return term;
    const name = term.names[second];
    const first = term.names.indexOf(name);
    const [rows, columns] = [first, second].map((axis) => term.x.sizeAt(axis));
    if (rows !== columns)
      throw new TensorError(
        `einsum: ${name} is ${rows} and ${columns} in ${x}, of which it takes the diagonal`,
      );
    const rest = term.names.filter((_, i) => i !== first && i !== second);
    term = { x: term.x.diagonal(0, first, second), names: [...rest, name] };
  }
}

function checkSizes(equation: string, terms: readonly Term[]): void {
  const shapes = new Map<string, Tensor["shape"]>();
  for (const { x, names } of terms) {
    names.forEach((name, axis) => {
      const own = [x.shape[axis]];
      const both = broadcastShapes(shapes.get(name) ?? [1], own);
      if (both === undefined) {
        throw new TensorError(
          `einsum: ${name} in "${equation}" is ${shapes.get(name)} in one operand and ${own} in ${x}`,
        );
      }
      shapes.set(name, both);
    });
  }
}

// ---------------------------------------------------------------------------------------------------------------
// Joining two operands

/** Without the axes that are not kept. */
function sumBut({ x, names }: Term, kept: ReadonlySet<string>): Term {
  const axes = names.flatMap((name, axis) => (kept.has(name) ? [] : [axis]));
  if (axes.length === 0) return { x, names };
  return { x: x.sum(axes), names: names.filter((name) => kept.has(name)) };
}

/** The product of two terms, summed over the axes that are not kept. */
export function join(left: Term, right: Term, kept: ReadonlySet<string>): Term {
  const [a, b] = [
    sumBut(left, new Set([...kept, ...right.names])),
    sumBut(right, new Set([...kept, ...left.names])),
  ];
  const shared = a.names.filter((name) => b.names.includes(name));
  const batch = shared.filter((name) => kept.has(name));
  const own = (x: Term): string[] => x.names.filter((name) => !shared.includes(name));
  const names = [...batch, ...own(a), ...own(b)];
  const summed = shared.filter((name) => !kept.has(name));
  const all = [...names, ...summed];
  const dtype = contractionType("einsum", a.x, b.x);
  const product = contract(
    factor(laid(a, all), dtype),
    factor(laid(b, all), dtype),
    summed.map((_, i) => names.length + i),
  );
  return { x: product.cast(dtype), names };
}

/** With an axis for each of these names, of size 1 where it has none. */
function laid({ x, names }: Term, all: readonly string[]): Tensor {
  const own = all.filter((name) => names.includes(name));
  const ordered = x.permute(own.map((name) => names.indexOf(name)));
  return ordered.reshape(all.map((name) => (names.includes(name) ? x.shape[names.indexOf(name)] : 1)));
}

// ---------------------------------------------------------------------------------------------------------------
// The order of joins

/** The joins in order; the last gives the result. */
function order(terms: readonly Term[], output: readonly string[]): (() => Term)[] {
  if (terms.length === 1) return [() => terms[0]];
  const sizes = new Map<string, number>();
  for (const { x, names } of terms)
    names.forEach((name, axis) => {
      const d = x.shape[axis];
      sizes.set(name, Math.max(sizes.get(name) ?? 1, typeof d === "number" ? d : d.max));
    });
  const cost = (names: Iterable<string>): number => [...names].reduce((n, name) => n * sizes.get(name)!, 1);
  const tree = terms.length <= EXHAUSTIVE ? bestTree(terms, output, cost) : greedyTree(terms, output, cost);
  const made = new Map<Tree, Term>();
  return tree.map((node) => () => {
    const [a, b] = node.parts.map((part) => (typeof part === "number" ? terms[part] : made.get(part)!));
    const result = join(a, b, new Set(node.names));
    made.set(node, result);
    return result;
  });
}

interface Tree {
  readonly parts: readonly (number | Tree)[];
  /** What is left after summing. */
  readonly names: readonly string[];
}

/** The cheapest way to join each set of operands, from small sets to all of them. Sets are bit masks. */
function bestTree(
  terms: readonly Term[],
  output: readonly string[],
  cost: (names: Iterable<string>) => number,
): Tree[] {
  const every = (1 << terms.length) - 1;
  const namesIn = (set: number): Set<string> =>
    new Set(terms.flatMap(({ names }, i) => ((set >> i) & 1 ? names : [])));
  const best = new Map<
    number,
    { readonly cost: number; readonly node: number | Tree; readonly names: readonly string[] }
  >();
  terms.forEach(({ names }, i) => {
    best.set(1 << i, { cost: 0, node: i, names });
  });
  for (let set = 1; set <= every; set++) {
    if (best.has(set)) continue;
    const outside = new Set([...output, ...namesIn(every & ~set)]);
    const names = [...namesIn(set)].filter((name) => outside.has(name));
    let found: { cost: number; node: Tree; names: readonly string[] } | undefined;
    // Each division once: the part with the lowest operand comes first.
    const lowest = set & -set;
    for (let part = (set - 1) & set; part > 0; part = (part - 1) & set) {
      if ((part & lowest) === 0) continue;
      const [a, b] = [best.get(part)!, best.get(set & ~part)!];
      const total = a.cost + b.cost + cost(new Set([...a.names, ...b.names]));
      if (found === undefined || total < found.cost)
        found = { cost: total, node: { parts: [a.node, b.node], names }, names };
    }
    best.set(set, found!);
  }
  return inOrder(best.get(every)!.node as Tree);
}

/** Always the join that makes the least of what it takes; of equal ones that of the least work. */
function greedyTree(
  terms: readonly Term[],
  output: readonly string[],
  cost: (names: Iterable<string>) => number,
): Tree[] {
  interface Part {
    readonly node: number | Tree;
    readonly names: readonly string[];
  }
  let parts: Part[] = terms.map(({ names }, i) => ({ node: i, names }));
  while (parts.length > 1) {
    let found: { gain: number; work: number; pair: readonly Part[]; names: readonly string[] } | undefined;
    parts.forEach((a, i) => {
      for (const b of parts.slice(i + 1)) {
        const outside = new Set([...output, ...parts.flatMap((p) => (p === a || p === b ? [] : p.names))]);
        const all = [...new Set([...a.names, ...b.names])];
        const names = all.filter((name) => outside.has(name));
        const [gain, work] = [cost(a.names) + cost(b.names) - cost(names), cost(all)];
        if (found === undefined || gain > found.gain || (gain === found.gain && work < found.work))
          found = { gain, work, pair: [a, b], names };
      }
    });
    const { pair, names } = found!;
    const joined: Part = { node: { parts: pair.map((p) => p.node), names }, names };
    parts = [...parts.filter((p) => !pair.includes(p)), joined];
  }
  return inOrder(parts[0].node as Tree);
}

/** Every join after those it needs. */
function inOrder(root: Tree): Tree[] {
  const list: Tree[] = [];
  const waiting: Tree[] = [root];
  while (waiting.length > 0) {
    const node = waiting.pop()!;
    list.push(node);
    for (const part of node.parts) if (typeof part !== "number") waiting.push(part);
  }
  return list.reverse();
}
