// The gradients of scatters: given the gradient g of the result, what the base and the values get.

import {
  binary,
  castNode,
  constNode,
  gather,
  iota,
  type Node,
  type ScatterNode,
  scatter,
  scatterAdd,
  where,
} from "../graph/node.js";

type Gradients = readonly [base: Node, index: undefined, values: Node];

const full = (x: Node, value: number): Node => constNode(value, x.dtype, x.shape);
const only = (condition: Node, x: Node): Node => where(condition, x, full(x, 0));

/** The gradients of a scatter's inputs. */
export function scatterGradients(node: ScatterNode, g: Node): Gradients {
  switch (node.reduction) {
    case "add":
      return [g, undefined, gather(g, node.inputs[1], node.axis)];
    case "permute":
      return [full(node.inputs[0], 0), undefined, gather(g, node.inputs[1], node.axis)];
    case "write":
      return writeGradients(node, g);
    case "mul":
      return productGradients(node, g);
    case "max":
    case "min":
      return extremeGradients(node, g);
  }
}

/** Only the value that was written last to a place counts, and the base only where none was. */
function writeGradients(node: ScatterNode, g: Node): Gradients {
  const [base, index, values] = node.inputs;
  const { axis } = node;
  const order = iota(values.shape, axis);
  const writer = scatter(constNode(-1, "int32", base.shape), index, order, axis, "write");
  const stayed = binary("lt", writer, full(writer, 0));
  const last = binary("eq", gather(writer, index, axis), order);
  return [only(stayed, g), undefined, only(last, gather(g, index, axis))];
}

/** Equal extremes of a place share the gradient evenly, the base among them. */
function extremeGradients(node: ScatterNode, g: Node): Gradients {
  const [base, index, values] = node.inputs;
  const { axis } = node;
  const ones = (hits: Node): Node => castNode(hits, "float32");
  const baseHits = binary("eq", base, node);
  const valueHits = binary("eq", values, gather(node, index, axis));
  const count = scatterAdd(ones(baseHits), index, ones(valueHits), axis);
  const share = binary("div", g, castNode(count, g.dtype));
  return [only(baseHits, share), undefined, only(valueHits, gather(share, index, axis))];
}

/**
 * Each factor gets the product of the others: the product of all factors that are not 0, divided by itself if it is not
 * 0; nothing where another factor is 0.
 */
function productGradients(node: ScatterNode, g: Node): Gradients {
  const [base, index, values] = node.inputs;
  const { axis } = node;
  const isZero = (x: Node): Node => binary("eq", x, full(x, 0));
  const orOne = (x: Node): Node => where(isZero(x), full(x, 1), x);
  const product = scatter(orOne(base), index, orOne(values), axis, "mul");
  const flag = (x: Node): Node => castNode(isZero(x), "int32");
  const zeros = scatterAdd(flag(base), index, flag(values), axis);
  const toFactor = (x: Node, weighted: Node, zerosThere: Node): Node =>
    only(binary("eq", zerosThere, flag(x)), binary("div", weighted, orOne(x)));
  const weighted = binary("mul", g, product);
  return [
    toFactor(base, weighted, zeros),
    undefined,
    toFactor(values, gather(weighted, index, axis), gather(zeros, index, axis)),
  ];
}
