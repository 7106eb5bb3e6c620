// Random tensor graphs, made from lists of numbers so that failures shrink. Each value carries bounds on its magnitude
// and on how far rounding may take it, so that results can be compared exactly wherever they must be exact.

import fc from "fast-check";
import { storeBytes } from "../../src/engine/engine.js";
import * as g from "../../src/graph/node.js";
import type { Node, ViewStep } from "../../src/graph/node.js";
import { encodeElements } from "../../src/scalar/convert.js";
import { bytesOf, type DType, isFloat, isInteger, isUnsigned, kindOf } from "../../src/scalar/dtype.js";

/** A node, the largest magnitude of its elements, and the largest error they may have. */
export interface Value {
  readonly node: Node;
  readonly bound: number;
  readonly error: number;
}

interface Step {
  readonly operation: number;
  readonly operands: readonly number[];
  readonly numbers: readonly number[];
}

export interface GraphRecipe {
  readonly leaves: readonly {
    readonly dtype: number;
    readonly shape: readonly number[];
    readonly seed: number;
  }[];
  readonly steps: readonly Step[];
  readonly outputs: number;
}

const small = (max: number) => fc.nat({ max });

/** Mostly short axes; some that fill vectors and leave a rest. */
const size = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 6 }) },
  { weight: 1, arbitrary: fc.integer({ min: 7, max: 40 }) },
);

export const graphRecipe = (maxSteps: number): fc.Arbitrary<GraphRecipe> =>
  fc.record({
    leaves: fc.array(
      fc.record({
        dtype: small(1000),
        shape: fc.array(size, { maxLength: 4 }),
        seed: small(100),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    steps: fc.array(
      fc.record({
        operation: small(10_000),
        operands: fc.tuple(small(1000), small(1000), small(1000)),
        numbers: fc.array(small(1000), { minLength: 10, maxLength: 10 }),
      }),
      { minLength: 1, maxLength: maxSteps, size: "max" },
    ),
    outputs: fc.integer({ min: 1, max: 4 }),
  });

const LEAF_DTYPES: readonly DType[] = [
  "float32",
  "float32",
  "float32",
  "int32",
  "float64",
  "int64",
  "uint8",
  "bool",
  "uint32",
  "int16",
  "float16",
];
const MOST_ELEMENTS = 3000;
const MOST_AXES = 5;

/** Whole numbers up to here are exact. */
const EXACT: Partial<Record<DType, number>> = { float16: 2 ** 11, float32: 2 ** 24, float64: 2 ** 40 };
const unit = (dtype: DType): number => 2 / EXACT[dtype]!;

const sizesOf = (x: Node): readonly number[] => x.shape.map(Number);
const countOf = (x: Node): number => sizesOf(x).reduce((n, d) => n * d, 1);

/** The value with the rounding of one more operation, if it can still be compared. */
function rounded(node: Node, bound: number, error: number): Value | undefined {
  if (!isFloat(node.dtype)) return { node, bound: 0, error: 0 };
  if (error === 0 && bound <= EXACT[node.dtype]!) return { node, bound, error };
  const total = error + bound * unit(node.dtype);
  return total < 0.25 && bound < 30_000 ? { node, bound, error: total } : undefined;
}

/** x in another shape of maybe other size: flattened, cut or filled with zeros. */
function filled(x: Node, shape: readonly number[]): Node {
  if (g.sameShape(x.shape, shape)) return x;
  const have = countOf(x);
  const want = shape.reduce((n, d) => n * d, 1);
  const flat = g.reshape(x, [have]);
  const cut = have > want ? g.shrink(flat, [[0, want]]) : g.pad(flat, [[0, want - have]]);
  return g.reshape(cut, shape);
}

/** x in another dtype; what leaves the range in which all agree is cut off. */
function convert(x: Value, dtype: DType): Value | undefined {
  if (x.node.dtype === dtype) return x;
  const node = g.castNode(x.node, dtype);
  if (isFloat(x.node.dtype)) {
    if (x.error > 0 && !isFloat(dtype)) return undefined;
    return isFloat(dtype) ? rounded(node, x.bound, x.error) : { node, bound: 0, error: 0 };
  }
  if (!isFloat(dtype)) return { node, bound: 0, error: 0 };
  // Integers become floats by way of their lowest bits.
  if (kindOf(x.node.dtype) === "bool") return { node, bound: 1, error: 0 };
  const wrapped = isUnsigned(x.node.dtype) ? 256 : 128;
  const byte = g.castNode(g.castNode(x.node, isUnsigned(x.node.dtype) ? "uint8" : "int8"), dtype);
  return { node: byte, bound: wrapped, error: 0 };
}

/** Builds the graph of a recipe; gives all its values, leaves first. Building twice gives equal graphs. */
export function buildGraph(recipe: GraphRecipe): Value[] {
  const values: Value[] = recipe.leaves.map(({ dtype, shape, seed }) => {
    const kind = LEAF_DTYPES[dtype % LEAF_DTYPES.length];
    const size = shape.reduce((n, d) => n * d, 1);
    const list = Array.from({ length: size }, (_, i) => (((i + seed + 1) * 7919) % 13) - 6);
    const bytes = encodeElements(
      list.map((n) => (kind === "bool" ? n > 0 : n)),
      kind,
    );
    return { node: storeBytes(bytes, kind, shape), bound: isFloat(kind) ? 6 : 0, error: 0 };
  });
  for (const step of recipe.steps) {
    const made = OPERATIONS[step.operation % OPERATIONS.length](values, step);
    if (made !== undefined && countOf(made.node) <= MOST_ELEMENTS) values.push(made);
  }
  return values;
}

/** The nodes that are asked for: the last ones. */
export function outputsOf(recipe: GraphRecipe, values: readonly Value[]): Value[] {
  const made = values.slice(recipe.leaves.length);
  const picked = made.slice(-recipe.outputs);
  return picked.length > 0 ? picked : [values[0]];
}

type Operation = (values: readonly Value[], step: Step) => Value | undefined;

const pick = (values: readonly Value[], number: number): Value => {
  // Late values are picked more often: graphs become deep.
  const from = number % 3 === 0 ? 0 : Math.max(0, values.length - 3);
  return values[from + (Math.floor(number / 3) % (values.length - from))];
};

/** An operation that only moves elements. */
const moving =
  (f: (x: Node, numbers: readonly number[]) => Node | undefined): Operation =>
  (values, { operands, numbers }) => {
    const x = pick(values, operands[0]);
    const node = f(x.node, numbers);
    return node && { ...x, node };
  };

/** Sizes whose product is `count`, from numbers. */
function factorise(count: number, numbers: readonly number[]): number[] {
  const shape: number[] = [];
  let rest = count;
  for (const n of numbers.slice(0, 3)) {
    const divisors = Array.from({ length: Math.max(1, rest) }, (_, i) => i + 1).filter((d) => rest % d === 0);
    const d = divisors[n % divisors.length];
    shape.push(d);
    rest /= d;
  }
  return [...shape, rest];
}

const shuffled = (length: number, numbers: readonly number[]): number[] =>
  Array.from({ length }, (_, i) => i).sort((a, b) => numbers[a] - numbers[b] || a - b);

const someRanges = (x: Node, numbers: readonly number[]): [number, number][] =>
  sizesOf(x).map((d, axis) => {
    const start = numbers[axis] % Math.max(1, d);
    const length = numbers[axis + 5] % 40 === 0 ? 0 : (numbers[axis + 5] % Math.max(1, d - start)) + 1;
    return [start, Math.min(d, start + length)];
  });

const someAxes = (x: Node, numbers: readonly number[]): number[] =>
  sizesOf(x)
    .map((_, axis) => axis)
    .filter((axis) => numbers[axis] % 2 === 0);

const movement: readonly Operation[] = [
  moving((x, n) => g.reshape(x, factorise(countOf(x), n))),
  moving((x, n) => {
    if (x.shape.length >= MOST_AXES) return undefined;
    const at = n[0] % (x.shape.length + 1);
    const lifted = g.reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
    return g.expand(
      lifted,
      lifted.shape.map((d, axis) =>
        axis === at || (d === 1 && n[axis] % 2 === 0) ? (n[axis + 1] % 4) + 1 : d,
      ),
    );
  }),
  moving((x, n) => g.permute(x, shuffled(x.shape.length, n))),
  moving((x, n) =>
    g.pad(
      x,
      sizesOf(x).map((_, axis): [number, number] => [n[axis] % 3, n[axis + 5] % 3]),
    ),
  ),
  moving((x, n) => g.shrink(x, someRanges(x, n))),
  moving((x, n) => g.flip(x, someAxes(x, n))),
  moving((x, n) => {
    const rank = x.shape.length;
    if (rank < 2) return undefined;
    const axis = n[0] % rank;
    const by = (axis + 1 + (n[1] % (rank - 1))) % rank;
    return g.shear(x, axis, by, (n[2] % 5) - 2, (n[3] % 7) - 3, (n[4] % 7) + 1);
  }),
  moving((x) => g.contiguous(x)),
  moving((x) => g.detach(x)),
];

const concat: Operation = (values, { operands, numbers }) => {
  const x = pick(values, operands[0]);
  const y = convert(pick(values, operands[1]), x.node.dtype);
  if (y === undefined || x.node.shape.length === 0) return undefined;
  const axis = numbers[0] % x.node.shape.length;
  const shape = sizesOf(x.node).map((d, i) => (i === axis ? (numbers[1] % 4) + 1 : d));
  const parts = [x.node, filled(y.node, shape), ...(numbers[2] % 2 === 0 ? [x.node] : [])];
  const bound = Math.max(x.bound, y.bound);
  return { node: g.concat(parts, axis), bound, error: Math.max(x.error, y.error) };
};

/** An int32 index for an axis of `size`: some negative, some beyond. */
const indexFor = (values: readonly Value[], number: number, shape: readonly number[], size: number) => {
  const source = convert(pick(values, number), "int32");
  if (source === undefined) return undefined;
  const node = filled(source.node, shape);
  const constant = (n: number): Node => g.constNode(n, "int32", shape);
  return g.binary("sub", g.binary("mod", node, constant(2 * size + 1)), constant(size));
};

const gather: Operation = (values, { operands, numbers }) => {
  const x = pick(values, operands[0]);
  if (x.node.shape.length === 0) return undefined;
  const axis = numbers[0] % x.node.shape.length;
  const shape = sizesOf(x.node).map((d, i) => (i === axis ? (numbers[1] % 5) + 1 : d));
  const index = indexFor(values, operands[1], shape, sizesOf(x.node)[axis]);
  return index && { ...x, node: g.gather(x.node, index, axis) };
};

const scatter: Operation = (values, { operands, numbers }) => {
  const x = pick(values, operands[0]);
  if (x.node.shape.length === 0 || kindOf(x.node.dtype) === "bool") return undefined;
  const added = convert(pick(values, operands[2]), x.node.dtype);
  const axis = numbers[0] % x.node.shape.length;
  const length = (numbers[1] % 5) + 1;
  const shape = sizesOf(x.node).map((d, i) => (i === axis ? length : d));
  const index = indexFor(values, operands[1], shape, sizesOf(x.node)[axis]);
  if (index === undefined || added === undefined) return undefined;
  const reductions = ["add", "write", "max", "min", "mul"] as const;
  const reduction = reductions[numbers[2] % (isFloat(x.node.dtype) ? 4 : 5)];
  const node = g.scatter(x.node, index, filled(added.node, shape), axis, reduction);
  if (reduction !== "add") {
    const [bound, error] = [Math.max(x.bound, added.bound), Math.max(x.error, added.error)];
    return { node, bound, error };
  }
  return rounded(node, x.bound + length * added.bound, x.error + length * added.error);
};

const assign: Operation = (values, { operands, numbers }) => {
  const x = pick(values, operands[0]);
  const y = convert(pick(values, operands[1]), x.node.dtype);
  if (y === undefined) return undefined;
  const steps: ViewStep[] = [];
  let shown: Node = g.bufferNode(x.node.dtype, x.node.shape);
  const choices: readonly (() => ViewStep)[] = [
    () => ({ op: "shrink", ranges: someRanges(shown, numbers) }),
    () => ({ op: "flip", axes: someAxes(shown, numbers) }),
    () => ({ op: "permute", order: shuffled(shown.shape.length, numbers) }),
    () => ({ op: "reshape", shape: factorise(countOf(shown), numbers) }),
  ];
  for (const n of numbers.slice(0, 3)) {
    if (n % 5 === 4 || countOf(shown) === 0) continue;
    const step = choices[n % 5]();
    steps.push(step);
    shown = g.applyView(shown, step);
  }
  const node = g.assign(x.node, filled(y.node, sizesOf(shown)), steps);
  return { node, bound: Math.max(x.bound, y.bound), error: Math.max(x.error, y.error) };
};

const reduce: Operation = (values, { operands, numbers }) => {
  const x = pick(values, operands[0]);
  const axes = someAxes(x.node, numbers);
  const n = axes.reduce((product, axis) => product * sizesOf(x.node)[axis], 1);
  const bool = kindOf(x.node.dtype) === "bool";
  const op = (["add", "max", "min", "add", "mul"] as const)[numbers[9] % 5];
  // Of nothing the largest is an infinity, and half sums round at every step in an order of their own.
  if (isFloat(x.node.dtype) && (op === "mul" || (n === 0 && op !== "add"))) return undefined;
  if (bool && (op === "add" || op === "mul")) return undefined;
  const node = g.reduceNode(x.node, op, axes);
  if (op === "max" || op === "min") return { ...x, node };
  if (x.node.dtype === "float16" && x.bound * n > 2048) return undefined;
  return rounded(node, x.bound * n, x.error * n + (x.error > 0 ? n * n * x.bound * 2 ** -24 : 0));
};

/** Running totals, by groups too. */
const scan: Operation = (values, { operands, numbers }) => {
  const x = pick(values, operands[0]);
  const shape = sizesOf(x.node);
  const axis = numbers[0] % Math.max(1, shape.length);
  if (shape.length === 0) return undefined;
  const { dtype } = x.node;
  const op = (["add", "max", "min", "mul"] as const)[numbers[9] % 4];
  if ((isFloat(dtype) && op === "mul") || (kindOf(dtype) === "bool" && op !== "max")) return undefined;
  const group = numbers[1] % 3 === 0 ? convert(pick(values, operands[1]), "int32") : undefined;
  const count = 1 + (numbers[2] % 5);
  const start = filled(
    x.node,
    shape.map((d, i) => (i === axis ? count : d)),
  );
  const node =
    group === undefined
      ? g.scanNode(x.node, op, axis)
      : g.scanGroups(x.node, filled(group.node, shape), start, op, axis);
  if (op === "max" || op === "min") return { ...x, node };
  const n = shape[axis] + 1;
  if (dtype === "float16") return undefined;
  return rounded(node, x.bound * n, x.error * n + (x.error > 0 ? n * n * x.bound * 2 ** -24 : 0));
};

/** A product of matrices: operands repeated, multiplied, and summed. */
const contraction: Operation = (values, { operands, numbers }) => {
  const both = pair(values, operands[0], operands[1]);
  if (both === undefined || !["float32", "float64", "int32"].includes(both[0].node.dtype)) return undefined;
  const [x, y] = both;
  const [m, n, k] = numbers.slice(0, 3).map((number) => (number % 24) + 1);
  const left = g.expand(g.reshape(filled(x.node, [m, k]), [m, 1, k]), [m, n, k]);
  const right = g.expand(g.reshape(filled(y.node, [n, k]), [1, n, k]), [m, n, k]);
  const node = g.reshape(g.reduceNode(g.binary("mul", left, right), "add", [2]), [m, n]);
  const error = k * (x.error * y.bound + y.error * x.bound + x.error * y.error);
  return rounded(
    node,
    k * x.bound * y.bound,
    error + (error > 0 ? k * unit(x.node.dtype) * x.bound * y.bound : 0),
  );
};

/** Elements less the largest of their row, as in a softmax: a reduction used again at full size. */
const lessLargest: Operation = (values, { operands, numbers }) => {
  const x = pick(values, operands[0]);
  const axes = someAxes(x.node, numbers);
  const empty = axes.some((axis) => x.node.shape[axis] === 0);
  if (kindOf(x.node.dtype) === "bool" || empty) return undefined;
  const largest = g.expand(g.reduceNode(x.node, numbers[9] % 2 === 0 ? "max" : "min", axes), x.node.shape);
  return rounded(g.binary("sub", x.node, largest), 2 * x.bound, 2 * x.error);
};

/** Functions whose slope is at most 1, with the bound of their results. */
const SMOOTH: readonly ((x: Node) => [Node, number])[] = [
  (x) => [g.unary("sin", x), 1],
  (x) => [g.unary("cos", x), 1],
  (x) => [g.unary("tanh", x), 1],
  (x) => [g.unary("sqrt", above(x, 1)), 200],
  (x) => [g.unary("log", above(x, 1)), 12],
  (x) => [g.unary("reciprocal", above(x, 1)), 1],
  (x) => [g.unary("exp", g.unary("neg", above(x, 0))), 1],
];
const above = (x: Node, least: number): Node =>
  g.binary("add", g.unary("abs", x), g.constNode(least, x.dtype, x.shape));

const unary: Operation = (values, { operands, numbers }) => {
  const x = pick(values, operands[0]);
  const { dtype } = x.node;
  if (isFloat(dtype)) {
    const which = numbers[0] % 12;
    if (which < SMOOTH.length) {
      if (dtype === "float16" || x.bound > 30_000) return undefined;
      const [node, bound] = SMOOTH[which](x.node);
      return rounded(node, bound, x.error + (x.error > 0 ? x.bound : 0) * unit(dtype) + unit(dtype) * 4);
    }
    if (which < 10) return { ...x, node: g.unary(which < 9 ? "neg" : "abs", x.node) };
    if (x.error > 0) return undefined;
    return { ...x, node: g.unary(which === 10 ? "floor" : "round", x.node) };
  }
  if (dtype === "bool") return { ...x, node: g.unary("not", x.node) };
  return {
    ...x,
    node: g.unary((["neg", "abs", "not"] as const)[numbers[0] % (isUnsigned(dtype) ? 1 : 3)], x.node),
  };
};

const INTEGER_BINARY = [
  "add",
  "sub",
  "mul",
  "idiv",
  "mod",
  "max",
  "min",
  "and",
  "or",
  "xor",
  "shl",
  "shr",
] as const;
const COMPARISON = ["lt", "le", "eq", "ne"] as const;

/** Two values of one dtype and shape. */
function pair(values: readonly Value[], a: number, b: number): [Value, Value] | undefined {
  const x = pick(values, a);
  const y = convert(pick(values, b), x.node.dtype);
  return y && [x, { ...y, node: filled(y.node, sizesOf(x.node)) }];
}

const binary: Operation = (values, { operands, numbers }) => {
  const both = pair(values, operands[0], operands[1]);
  if (both === undefined) return undefined;
  const [x, y] = both;
  const make = (op: Parameters<typeof g.binary>[0]): Node => g.binary(op, x.node, y.node);
  const { dtype } = x.node;
  if (numbers[0] % 6 === 0) {
    if (x.error > 0 || y.error > 0) return undefined;
    return { node: make(COMPARISON[numbers[1] % 4]), bound: 0, error: 0 };
  }
  if (dtype === "bool") return { ...x, node: make((["and", "or", "xor"] as const)[numbers[1] % 3]) };
  if (!isFloat(dtype)) return { ...x, node: make(INTEGER_BINARY[numbers[1] % INTEGER_BINARY.length]) };
  const larger = Math.max(x.bound, y.bound);
  switch (numbers[1] % 5) {
    case 0:
      return rounded(make("add"), x.bound + y.bound, x.error + y.error);
    case 1:
      return rounded(make("sub"), x.bound + y.bound, x.error + y.error);
    case 2:
      return rounded(
        make("mul"),
        x.bound * y.bound,
        x.error * y.bound + y.error * x.bound + x.error * y.error,
      );
    default:
      return {
        node: make(numbers[1] % 5 === 3 ? "max" : "min"),
        bound: larger,
        error: Math.max(x.error, y.error),
      };
  }
};

const choice: Operation = (values, { operands }) => {
  const both = pair(values, operands[0], operands[1]);
  const condition = convert(pick(values, operands[2]), "bool");
  if (both === undefined || condition === undefined) return undefined;
  const [x, y] = both;
  const node = g.where(filled(condition.node, sizesOf(x.node)), x.node, y.node);
  return { node, bound: Math.max(x.bound, y.bound), error: Math.max(x.error, y.error) };
};

const cast: Operation = (values, { operands, numbers }) =>
  convert(pick(values, operands[0]), LEAF_DTYPES[numbers[0] % LEAF_DTYPES.length]);

const bitcast: Operation = (values, { operands, numbers }) => {
  const x = pick(values, operands[0]).node;
  if (!isInteger(x.dtype)) return undefined;
  const to = (["int32", "uint32", "uint8", "int16", "int64"] as const)[numbers[0] % 5];
  const same = bytesOf(to) === bytesOf(x.dtype);
  const last = sizesOf(x)[x.shape.length - 1];
  if (!same && (last === undefined || (last * bytesOf(x.dtype)) % bytesOf(to) !== 0)) return undefined;
  return { node: g.bitcastNode(x, to), bound: 0, error: 0 };
};

const source: Operation = (_, { numbers }) => {
  const shape = numbers.slice(0, numbers[4] % 4).map((n) => (n % 5) + 1);
  const dtype = LEAF_DTYPES[numbers[5] % LEAF_DTYPES.length];
  if (numbers[6] % 2 === 0 && shape.length > 0 && dtype !== "bool") {
    return { node: g.iota(shape, numbers[7] % shape.length, dtype), bound: isFloat(dtype) ? 5 : 0, error: 0 };
  }
  const n = (numbers[7] % 7) - 3;
  const value = dtype === "bool" ? n > 0 : dtype === "int64" ? BigInt(n) : isUnsigned(dtype) ? n + 3 : n;
  return { node: g.constNode(value, dtype, shape), bound: isFloat(dtype) ? 3 : 0, error: 0 };
};

const random: Operation = (values, { operands }) => {
  const words = operands.map((n) => convert(pick(values, n), "uint32"));
  const [x, y, z] = words;
  if (x === undefined || y === undefined || z === undefined) return undefined;
  const shape = sizesOf(x.node);
  return { node: g.threefry(x.node, filled(y.node, shape), filled(z.node, shape)), bound: 0, error: 0 };
};

const OPERATIONS: readonly Operation[] = [
  ...movement,
  ...movement,
  concat,
  concat,
  gather,
  scatter,
  assign,
  reduce,
  reduce,
  reduce,
  scan,
  contraction,
  lessLargest,
  lessLargest,
  unary,
  unary,
  unary,
  binary,
  binary,
  binary,
  binary,
  choice,
  cast,
  cast,
  bitcast,
  source,
  random,
];
