// Rebuilds one node over already simplified inputs, applying the algebra that holds exactly: no rule here may change a
// result, NaN, infinities and -0.0 included. Each rule is a named entry with its law in one line.

import { bytesOf, isFloat, kindOf } from "../scalar/dtype.js";
import { castScalar } from "../scalar/convert.js";
import { evaluateScalar, reduceIdentity } from "../scalar/evaluate.js";
import { arityOf, isScalarOp, type ScalarOp } from "../scalar/ops.js";
import {
  after,
  assign,
  binary,
  bitcastNode,
  type ConstNode,
  castNode,
  concat,
  constNode,
  contiguous,
  derived,
  detach,
  type Dim,
  expand,
  flip,
  gather,
  iota,
  maxDim,
  type Node,
  type PadNode,
  pad,
  permute,
  reduceNode,
  reshape,
  type Shape,
  sameDim,
  scanGroups,
  scanNode,
  scatter,
  shear,
  shrink,
  sizeOf,
  threefry,
  unary,
  variableNode,
  where,
} from "./node.js";

interface Rule {
  readonly name: string;
  readonly law: string;
  apply(node: Node): Node | undefined;
}

const isConst = (x: Node): x is ConstNode => x.op === "const";
const isValue = (x: Node, value: number): boolean =>
  isConst(x) && (typeof x.value === "bigint" ? x.value === BigInt(value) : Object.is(x.value, value));

const MOVEMENTS = new Set<string>(["reshape", "expand", "permute", "shrink", "flip"]);
const movesElements = (node: Node): boolean =>
  MOVEMENTS.has(node.op) || node.op === "pad" || node.op === "shear";

export const RULES: readonly Rule[] = [
  {
    name: "fold constants",
    law: "op(c1, c2) == c3",
    apply(node) {
      if (!isScalarOp(node.op) || node.inputs.length === 0 || !node.inputs.every(isConst)) return undefined;
      const values = (node.inputs as readonly ConstNode[]).map((x) => x.value);
      const operand = node.inputs[node.op === "where" ? 1 : 0].dtype;
      return constNode(evaluateScalar(node.op as ScalarOp, operand, values), node.dtype, node.shape);
    },
  },
  {
    name: "fold casts of constants",
    law: "cast(c) == c'",
    apply(node) {
      if (node.op !== "cast" || !isConst(node.inputs[0])) return undefined;
      const [x] = node.inputs;
      return constNode(castScalar(x.value, x.dtype, node.dtype), node.dtype, node.shape);
    },
  },
  {
    name: "move constants",
    law: "move(c) == c",
    apply: (node) =>
      MOVEMENTS.has(node.op) && isConst(node.inputs[0])
        ? constNode(node.inputs[0].value, node.dtype, node.shape)
        : undefined,
  },
  {
    name: "add zero",
    law: "x + 0 == x on integers; x + -0.0 == x on floats",
    apply(node) {
      if (node.op !== "add") return undefined;
      const zero = isFloat(node.dtype) ? -0 : 0;
      const [x, y] = node.inputs;
      if (kindOf(node.dtype) === "bool") return undefined;
      return isValue(y, zero) ? x : isValue(x, zero) ? y : undefined;
    },
  },
  {
    name: "subtract zero",
    law: "x - 0 == x",
    apply: (node) =>
      node.op === "sub" && kindOf(node.dtype) !== "bool" && isValue(node.inputs[1], 0)
        ? node.inputs[0]
        : undefined,
  },
  {
    name: "multiply by one",
    law: "x * 1 == x",
    apply(node) {
      if (node.op !== "mul" || kindOf(node.dtype) === "bool") return undefined;
      const [x, y] = node.inputs;
      return isValue(y, 1) ? x : isValue(x, 1) ? y : undefined;
    },
  },
  {
    name: "divide by one",
    law: "x / 1 == x",
    apply: (node) => (node.op === "div" && isValue(node.inputs[1], 1) ? node.inputs[0] : undefined),
  },
  {
    name: "choose by a constant",
    law: "where(true, x, y) == x",
    apply(node) {
      if (node.op !== "where" || !isConst(node.inputs[0])) return undefined;
      return node.inputs[0].value ? node.inputs[1] : node.inputs[2];
    },
  },
  {
    name: "pad before widening",
    law: "pad(widen(x)) == widen(pad(x)): what is stored filled is narrow",
    apply(node) {
      const [input] = node.inputs;
      if (node.op !== "pad" || input.op !== "cast") return undefined;
      const [x] = input.inputs;
      if (bytesOf(input.dtype) <= bytesOf(x.dtype)) return undefined;
      return castNode(simplify(pad(x, node.padding), [x]), input.dtype);
    },
  },
  {
    name: "move after narrowing",
    law: "narrow(move(x)) == move(narrow(x)), where x has no more elements",
    apply(node) {
      if (node.op !== "cast" || bytesOf(node.dtype) >= bytesOf(node.inputs[0].dtype)) return undefined;
      const moves: Node[] = [];
      let [x] = node.inputs;
      while (movesElements(x)) {
        moves.push(x);
        [x] = x.inputs;
      }
      if (moves.length === 0 || maxDim(sizeOf(x.shape)) > maxDim(sizeOf(node.shape))) return undefined;
      const narrow = simplify(castNode(x, node.dtype), [x]);
      return moves.reduceRight((moved, move) => construct(move, [moved]), narrow);
    },
  },
  {
    name: "wait for what is computed",
    law: "after(x, move(y)) == after(x, y); after(x, y) == x, where y is known beforehand",
    apply(node) {
      if (node.op !== "after") return undefined;
      const [x, event] = node.inputs;
      let source = event;
      while (MOVEMENTS.has(source.op) || source.op === "pad" || source.op === "shear")
        [source] = source.inputs;
      if (source.op === "const" || source.op === "buffer" || source.op === "iota") return x;
      return source === event ? undefined : after(x, source);
    },
  },
  {
    name: "assign the whole",
    law: "assign(x, y) == y, where y covers x",
    apply: (node) => (node.op === "assign" && node.view.length === 0 ? node.inputs[1] : undefined),
  },
  {
    name: "no elements",
    law: "x == y, if neither has elements",
    apply: (node) =>
      node.shape.includes(0) && node.op !== "buffer" && node.op !== "const"
        ? constNode(castScalar(0, "float64", node.dtype), node.dtype, node.shape)
        : undefined,
  },
  {
    name: "reduce nothing",
    law: "reduce(x) == the operation's identity, along an axis of size 0",
    apply(node) {
      if (node.op !== "reduce" || !node.axes.some((axis) => node.inputs[0].shape[axis] === 0))
        return undefined;
      return constNode(reduceIdentity(node.reduction, node.dtype), node.dtype, node.shape);
    },
  },
  {
    name: "shear within bounds",
    law: "shear(x) == shear'(pad(x)), where shear' never leaves its input",
    apply(node) {
      if (node.op !== "shear") return undefined;
      const [x] = node.inputs;
      const size = x.shape[node.axis];
      const length = node.shape[node.axis];
      const by = node.shape[node.by];
      if (typeof size !== "number" || typeof length !== "number" || typeof by !== "number") return undefined;
      if (length === 0 || by === 0) return undefined;
      const slide = node.factor * (by - 1);
      const before = Math.max(0, -(node.start + Math.min(0, slide)));
      const after = Math.max(0, length - 1 + node.start + Math.max(0, slide) - (size - 1));
      if (before === 0 && after === 0) return undefined;
      const padding = x.shape.map((_, axis): [Dim, Dim] => (axis === node.axis ? [before, after] : [0, 0]));
      const padded = simplify(pad(x, padding), [x]);
      return shear(padded, node.axis, node.by, node.factor, node.start + before, length);
    },
  },
  {
    name: "pad before summing",
    law: "pad(sum(x)) == sum(pad(x)), on axes that are not summed",
    apply(node) {
      if (node.op !== "pad") return undefined;
      const [sum] = node.inputs;
      if (sum.op !== "reduce" || sum.reduction !== "add") return undefined;
      if (sum.axes.some((axis) => isPadded(node, axis))) return undefined;
      const [x] = sum.inputs;
      return reduceNode(simplify(pad(x, node.padding), [x]), "add", sum.axes);
    },
  },
  {
    // The fill becomes a zero factor; only an infinite or NaN tensor, repeated along the axis, could tell.
    name: "pad one factor",
    law: "pad(x * expand(y)) == pad(x) * expand'(y), along the expanded axes",
    apply(node) {
      if (node.op !== "pad" || node.inputs[0].op !== "mul" || !isFloat(node.dtype)) return undefined;
      const [x, y] = node.inputs[0].inputs;
      return padFactor(node, x, y) ?? padFactor(node, y, x);
    },
  },
  {
    name: "pad before repeating",
    law: "pad(expand(x)) == expand(pad(x)), on axes that are not expanded",
    apply(node) {
      if (node.op !== "pad" || node.inputs[0].op !== "expand") return undefined;
      const [repeated] = node.inputs;
      const [x] = repeated.inputs;
      if (x.shape.some((d, axis) => isPadded(node, axis) && d !== repeated.shape[axis])) return undefined;
      return expand(simplify(pad(x, node.padding), [x]), node.shape);
    },
  },
  {
    name: "pad before permuting",
    law: "pad(permute(x)) == permute(pad'(x))",
    apply(node) {
      if (node.op !== "pad" || node.inputs[0].op !== "permute") return undefined;
      const permuted = node.inputs[0];
      const [x] = permuted.inputs;
      const padding: (readonly [Dim, Dim])[] = new Array(x.shape.length);
      permuted.order.forEach((axis, i) => {
        padding[axis] = node.padding[i];
      });
      return permute(simplify(pad(x, padding), [x]), permuted.order);
    },
  },
  {
    name: "pad before reshaping",
    law: "pad(reshape(x)) == reshape(pad'(x)), where the reshape only adds or drops axes of size 1 that are not padded",
    apply(node) {
      if (node.op !== "pad" || node.inputs[0].op !== "reshape") return undefined;
      const moved = node.inputs[0];
      const [x] = moved.inputs;
      const wide = (shape: Shape): number[] => shape.flatMap((d, axis) => (d === 1 ? [] : [axis]));
      const [from, to] = [wide(x.shape), wide(moved.shape)];
      const same =
        from.length === to.length && from.every((axis, i) => sameDim(x.shape[axis], moved.shape[to[i]]));
      if (!same || moved.shape.some((d, axis) => d === 1 && isPadded(node, axis))) return undefined;
      const padding = x.shape.map((_, axis): readonly [Dim, Dim] => {
        const place = from.indexOf(axis);
        return place < 0 ? [0, 0] : node.padding[to[place]];
      });
      return reshape(simplify(pad(x, padding), [x]), node.shape);
    },
  },
  {
    name: "pad before shearing",
    law: "pad(shear(x)) == shear(pad(x)), on axes that neither slide nor are slid along",
    apply(node) {
      if (node.op !== "pad" || node.inputs[0].op !== "shear") return undefined;
      const slid = node.inputs[0];
      if (isPadded(node, slid.axis) || isPadded(node, slid.by)) return undefined;
      const [x] = slid.inputs;
      const padded = simplify(pad(x, node.padding), [x]);
      return shear(padded, slid.axis, slid.by, slid.factor, slid.start, slid.shape[slid.axis]);
    },
  },
];

const isPadded = (node: PadNode, axis: number): boolean =>
  node.padding[axis][0] !== 0 || node.padding[axis][1] !== 0;

/** pad(x) * y, if y is repeated along every padded axis. */
function padFactor(node: PadNode, x: Node, y: Node): Node | undefined {
  const wider = widen(node, y);
  if (wider === undefined) return undefined;
  const padded = simplify(pad(x, node.padding), [x]);
  return binary("mul", padded, wider);
}

/** y repeated to the padded sizes, if it is an expansion along every padded axis. */
function widen(node: PadNode, y: Node): Node | undefined {
  if (y.op === "const") return Number.isFinite(y.value) ? constNode(y.value, y.dtype, node.shape) : undefined;
  if (y.op === "expand") {
    const [source] = y.inputs;
    const fits = source.shape.every((d, axis) => !isPadded(node, axis) || d === 1);
    return fits ? expand(source, node.shape) : undefined;
  }
  if (y.op === "permute") {
    const padding: (readonly [Dim, Dim])[] = new Array(y.order.length);
    y.order.forEach((axis, i) => {
      padding[axis] = node.padding[i];
    });
    const [source] = y.inputs;
    const inner = widen(pad(source, padding) as PadNode, source);
    return inner === undefined ? undefined : permute(inner, y.order);
  }
  return undefined;
}

/** `node` over new inputs, simplified. */
export function simplify(node: Node, inputs: readonly Node[]): Node {
  const built = construct(node, inputs);
  for (const rule of RULES) {
    const simpler = rule.apply(built);
    if (simpler !== undefined) return simpler;
  }
  return built;
}

/** `node` over new inputs as it stands. */
export function construct(node: Node, inputs: readonly Node[]): Node {
  const [x, y, z] = inputs;
  switch (node.op) {
    case "const":
      return constNode(node.value, node.dtype, node.shape);
    case "buffer":
      return node;
    case "variable":
      return variableNode(node.symbol.name, node.symbol.min, node.symbol.max, node.dtype);
    case "iota":
      return iota(node.shape, node.axis, node.dtype);
    case "reshape":
      return reshape(x, node.shape);
    case "expand":
      return expand(x, node.shape);
    case "permute":
      return permute(x, node.order);
    case "pad":
      return pad(x, node.padding);
    case "shrink":
      return shrink(x, node.ranges);
    case "flip":
      return flip(x, node.axes);
    case "shear":
      return shear(x, node.axis, node.by, node.factor, node.start, node.shape[node.axis]);
    case "concat":
      return concat(inputs, node.axis);
    case "gather":
      return gather(x, y, node.axis);
    case "scatter":
      return scatter(x, y, z, node.axis, node.reduction);
    case "scan":
      return inputs.length === 1
        ? scanNode(x, node.reduction, node.axis)
        : scanGroups(x, y, z, node.reduction, node.axis);
    case "cast":
      return castNode(x, node.dtype);
    case "bitcast":
      return bitcastNode(x, node.dtype);
    case "reduce":
      return reduceNode(x, node.reduction, node.axes);
    case "contiguous":
      return contiguous(x);
    case "detach":
      return detach(x);
    case "derived":
      return derived(x, inputs.slice(1), node.gradients);
    case "after":
      return after(x, y);
    case "assign":
      return assign(x, y, node.view);
    case "where":
      return where(x, y, z);
    case "threefry":
      return threefry(x, y, z);
    default:
      return arityOf(node.op) === 1
        ? unary(node.op as Parameters<typeof unary>[0], x)
        : binary(node.op as Parameters<typeof binary>[0], x, y);
  }
}
