// The gradient of every primitive, each beside its law: given the gradient g of the result, what each input gets.
// Rules build graph nodes, so gradients have gradients. An input that gets undefined gets nothing.

import {
  type BinaryNode,
  binary,
  addDim,
  castNode,
  concat,
  constNode,
  contiguous,
  type Dim,
  expand,
  flip,
  type Node,
  type PadNode,
  pad,
  permute,
  type ReduceNode,
  reduceNode,
  reshape,
  type Shape,
  scatterAdd,
  shear,
  shrink,
  sizeOf,
  subDim,
  type UnaryNode,
  unary,
  where,
} from "../graph/node.js";
import { bytesOf, type DType } from "../scalar/dtype.js";
import { scanGradients } from "./scan-rules.js";
import { scatterGradients } from "./scatter-rules.js";

type Gradients = readonly (Node | undefined)[];

const full = (x: Node, value: number): Node => constNode(value, x.dtype, x.shape);
const mul = (x: Node, y: Node): Node => binary("mul", x, y);
const add = (x: Node, y: Node): Node => binary("add", x, y);
const sub = (x: Node, y: Node): Node => binary("sub", x, y);
const div = (x: Node, y: Node): Node => binary("div", x, y);
const neg = (x: Node): Node => unary("neg", x);
const scale = (x: Node, by: number): Node => mul(x, full(x, by));
/** x where the condition holds, else 0. */
const only = (condition: Node, x: Node): Node => where(condition, x, full(x, 0));

/** The gradients of a node's inputs. */
export function inputGradients(node: Node, g: Node): Gradients {
  switch (node.op) {
    // --- movement: the adjoint moves back ---
    case "reshape":
      return [reshape(g, node.inputs[0].shape)];
    case "expand":
      return [sumTo(g, node.inputs[0].shape)];
    case "permute":
      return [permute(g, inverse(node.order))];
    case "pad":
      return [shrink(g, keptBy(node))];
    case "shrink": {
      const { shape } = node.inputs[0];
      return [
        pad(
          g,
          node.ranges.map(([start, end], i): [Dim, Dim] => [start, subDim(shape[i], end)]),
        ),
      ];
    }
    case "flip":
      return [flip(g, node.axes)];
    case "shear":
      // out[a, b] = in[a + s + f*b, b]  =>  d in[x, b] = g[x - s - f*b, b]
      return [shear(g, node.axis, node.by, -node.factor, -node.start, node.inputs[0].shape[node.axis])];
    case "concat":
      return concatGradients(node.inputs, node.axis, g);
    case "gather": {
      const [data, index] = node.inputs;
      // Of one element taken often the gradients add up: halves in float32.
      const zeros = constNode(0, wide(data.dtype), data.shape);
      const sum = scatterAdd(zeros, index, castNode(g, zeros.dtype), node.axis);
      return [castNode(sum, data.dtype), undefined];
    }
    case "scatter":
      return scatterGradients(node, g);
    case "scan":
      return scanGradients(node, g);
    case "contiguous":
      return [g];
    case "cast":
      return [castNode(g, node.inputs[0].dtype)];
    case "reduce":
      return [reduceGradient(node, g)];
    case "where": {
      const [condition] = node.inputs;
      return [undefined, only(condition, g), where(condition, full(g, 0), g)];
    }
    case "after":
      return [g, undefined];
    case "derived":
      return [undefined, ...node.gradients(g, node)];
    // --- where gradients end; what was assigned counts as given ---
    case "assign":
    case "const":
    case "buffer":
    case "variable":
    case "iota":
    case "bitcast":
    case "detach":
    case "threefry":
      return [];
    default:
      return node.inputs.length === 1
        ? [unaryGradient(node as UnaryNode, g)]
        : binaryGradients(node as BinaryNode, g);
  }
}

function unaryGradient(node: UnaryNode, g: Node): Node | undefined {
  const [x] = node.inputs;
  switch (node.op) {
    case "neg": // -1
      return neg(g);
    case "abs": // sign(x), 0 at 0
      return sub(only(binary("lt", full(x, 0), x), g), only(binary("lt", x, full(x, 0)), g));
    case "sqrt": // 1 / (2 sqrt(x))
      return div(scale(g, 0.5), node);
    case "reciprocal": // -1 / x^2
      return neg(mul(g, mul(node, node)));
    case "exp": // e^x
      return mul(g, node);
    case "exp2": // 2^x ln 2
      return mul(g, scale(node, Math.LN2));
    case "log": // 1 / x
      return div(g, x);
    case "log2": // 1 / (x ln 2)
      return div(g, scale(x, Math.LN2));
    case "sin": // cos(x)
      return mul(g, unary("cos", x));
    case "cos": // -sin(x)
      return neg(mul(g, unary("sin", x)));
    case "tanh": // 1 - tanh(x)^2
      return mul(g, sub(full(x, 1), mul(node, node)));
    case "erf": // 2/sqrt(pi) e^(-x^2)
      return mul(g, scale(unary("exp", neg(mul(x, x))), 2 / Math.sqrt(Math.PI)));
    default: // not, floor, trunc, round: constant almost everywhere
      return undefined;
  }
}

function binaryGradients(node: BinaryNode, g: Node): Gradients {
  const [x, y] = node.inputs;
  switch (node.op) {
    case "add":
      return [g, g];
    case "sub":
      return [g, neg(g)];
    case "mul":
      return [mul(g, y), mul(g, x)];
    case "div": // 1 / y, -x / y^2
      return [div(g, y), neg(div(mul(g, node), y))];
    case "mod": // x - y floor(x/y)
      return [g, neg(mul(g, unary("floor", div(x, y))))];
    case "pow":
      return powGradients(node, g);
    case "max":
    case "min": {
      // The chosen operand; equal ones share.
      const chosen = node.op === "max" ? binary("lt", y, x) : binary("lt", x, y);
      const half = only(binary("eq", x, y), scale(g, 0.5));
      const other = node.op === "max" ? binary("lt", x, y) : binary("lt", y, x);
      return [add(only(chosen, g), half), add(only(other, g), half)];
    }
    default: // comparisons, idiv, bits: no gradient
      return [undefined, undefined];
  }
}

/** y x^(y-1), 0 where y is 0; x^y ln x, 0 where x is 0 and y >= 0. */
function powGradients(node: BinaryNode, g: Node): Gradients {
  const [x, y] = node.inputs;
  const zero = full(x, 0);
  const slope = mul(y, binary("pow", x, sub(y, full(y, 1))));
  const toBase = where(binary("eq", y, zero), zero, mul(g, slope));
  const flat = binary("and", binary("eq", x, zero), binary("le", zero, y));
  const toExponent = where(flat, zero, mul(g, mul(node, unary("log", x))));
  return [toBase, y.op === "const" || !y.differentiable ? undefined : toExponent];
}

function reduceGradient(node: ReduceNode, g: Node): Node | undefined {
  const [x] = node.inputs;
  const spread = (y: Node): Node => expand(y, x.shape);
  switch (node.reduction) {
    case "add":
      return spread(g);
    case "max":
    case "min": {
      // Equal extremes share the gradient evenly.
      // A NaN is the extreme, and equals nothing.
      const hits = binary("or", binary("eq", x, spread(node)), binary("ne", x, x));
      const ones = where(hits, full(x, 1), full(x, 0));
      return only(hits, spread(div(g, reduceNode(ones, "add", node.axes))));
    }
    case "mul":
      return mul(spread(g), productOfOthers(x, node.axes));
  }
}

/**
 * For each element the product of all others along the axes, without dividing, so that zeros come out right in
 * gradients of every order: the product of those before it times the product of those after it.
 */
function productOfOthers(x: Node, axes: readonly number[]): Node {
  const kept = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const order = [...kept, ...axes];
  const moved = permute(x, order);
  const count = sizeOf(axes.map((axis) => x.shape[axis]));
  if (typeof count !== "number") {
    throw new RangeError(`prod has no gradient along axes of symbolic size, here ${x.dtype}[${x.shape}]`);
  }
  const rows = reshape(moved, [sizeOf(kept.map((axis) => x.shape[axis])), count]);
  const before = productBefore(rows, count);
  const after = flip(productBefore(flip(rows, [1]), count), [1]);
  return permute(reshape(mul(before, after), moved.shape), inverse(order));
}

/** For each element of a row [rows, count] the product of those before it, in log2(count) steps. */
function productBefore(rows: Node, count: number): Node {
  /** Rows with `by` ones put in front, as long as before. */
  const shifted = (x: Node, by: number): Node => {
    const [height] = x.shape;
    const rest = shrink(x, [
      [0, height],
      [0, count - by],
    ]);
    return concat([constNode(1, x.dtype, [height, by]), rest], 1);
  };
  if (count === 0) return rows;
  let product = shifted(rows, 1);
  for (let by = 1; by < count; by *= 2) product = contiguous(mul(product, shifted(product, by)));
  return product;
}

function concatGradients(inputs: readonly Node[], axis: number, g: Node): Gradients {
  let start: Dim = 0;
  return inputs.map((input) => {
    const from = start;
    start = addDim(from, input.shape[axis]);
    return shrink(
      g,
      g.shape.map((d, i): [Dim, Dim] => (i === axis ? [from, start] : [0, d])),
    );
  });
}

const keptBy = (node: PadNode): [Dim, Dim][] =>
  node.padding.map(([before, after], i): [Dim, Dim] => [before, subDim(node.shape[i], after)]);

function inverse(order: readonly number[]): number[] {
  const back: number[] = new Array(order.length);
  order.forEach((axis, i) => {
    back[axis] = i;
  });
  return back;
}

/** The dtype in which gradients of a dtype add up. */
const wide = (dtype: DType): DType => (bytesOf(dtype) < 4 ? "float32" : dtype);

/** The sum over axes that an expand repeated; halves add up in float32. */
function sumTo(g: Node, shape: Shape): Node {
  const axes = shape.flatMap((d, i) => (d === 1 && g.shape[i] !== 1 ? [i] : []));
  return castNode(reduceNode(castNode(g, wide(g.dtype)), "add", axes), g.dtype);
}
