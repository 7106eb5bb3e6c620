// What every node means, element by element: an evaluation of the tensor graph that is slow and obviously right, with
// which fuser, schedules and devices are compared. It knows nothing of any of them.

import type { Storage } from "../src/engine/storage.js";
import { applyView, bufferNode, type Node, topologicalNodes, type ViewStep } from "../src/graph/node.js";
import { castScalar, decodeElements, encodeElements } from "../src/scalar/convert.js";
import type { Scalar } from "../src/scalar/dtype.js";
import { evaluateScalar, reduceIdentity } from "../src/scalar/evaluate.js";
import { isScalarOp } from "../src/scalar/ops.js";

/** The elements of all nodes under the roots, row-major. Sizes must be numbers. */
export async function evaluateNodes(roots: readonly Node[]): Promise<Map<Node, Scalar[]>> {
  const values = new Map<Node, Scalar[]>();
  for (const node of topologicalNodes(roots)) {
    if (node.storage === undefined) {
      values.set(
        node,
        evaluate(
          node,
          node.inputs.map((x) => values.get(x)!),
        ),
      );
    } else values.set(node, decodeElements(await (node.storage as Storage).read(), node.dtype));
  }
  return values;
}

const sizes = (x: Node): readonly number[] => x.shape.map(Number);
const count = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** The place along each axis of the element with number `flat`. */
function placeOf(flat: number, shape: readonly number[]): number[] {
  const place = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    place[axis] = flat % shape[axis];
    flat = Math.floor(flat / shape[axis]);
  }
  return place;
}

const numberOf = (place: readonly number[], shape: readonly number[]): number =>
  place.reduce((flat, at, axis) => flat * shape[axis] + at, 0);

/** The element of `x` at a place; 0 outside. */
function take(x: Node, elements: readonly Scalar[], place: readonly number[]): Scalar {
  const shape = sizes(x);
  const inside = place.every((at, axis) => at >= 0 && at < shape[axis]);
  return inside ? elements[numberOf(place, shape)] : castScalar(0, "float64", x.dtype);
}

const withPlace = (place: readonly number[], axis: number, at: number): number[] =>
  place.map((old, i) => (i === axis ? at : old));

/** An index as a place along an axis of `size`: negative ones count from the end. */
const position = (index: Scalar, size: number): number =>
  Number(index) < 0 ? Number(index) + size : Number(index);

function evaluate(node: Node, inputs: readonly Scalar[][]): Scalar[] {
  const shape = sizes(node);
  const [x] = node.inputs;
  const [a] = inputs;
  /** An element for each place of the result. */
  const each = (f: (place: number[], flat: number) => Scalar): Scalar[] =>
    Array.from({ length: count(shape) }, (_, flat) => f(placeOf(flat, shape), flat));

  switch (node.op) {
    case "const":
      return each(() => node.value);
    case "iota":
      return each((place) => castScalar(place[node.axis], "float64", node.dtype));
    case "reshape":
    case "contiguous":
    case "detach":
      return a;
    case "expand":
      return each((place) =>
        take(
          x,
          a,
          place.map((at, axis) => (x.shape[axis] === 1 ? 0 : at)),
        ),
      );
    case "permute":
      return each((place) => {
        const source = new Array<number>(place.length);
        node.order.forEach((axis, i) => {
          source[axis] = place[i];
        });
        return take(x, a, source);
      });
    case "pad":
      return each((place) =>
        take(
          x,
          a,
          place.map((at, axis) => at - Number(node.padding[axis][0])),
        ),
      );
    case "shrink":
      return each((place) =>
        take(
          x,
          a,
          place.map((at, axis) => at + Number(node.ranges[axis][0])),
        ),
      );
    case "flip":
      return each((place) =>
        take(
          x,
          a,
          place.map((at, axis) => (node.axes.includes(axis) ? shape[axis] - 1 - at : at)),
        ),
      );
    case "shear":
      return each((place) =>
        take(x, a, withPlace(place, node.axis, place[node.axis] + node.start + node.factor * place[node.by])),
      );
    case "concat":
      return each((place) => {
        let at = place[node.axis];
        let which = 0;
        while (at >= Number(node.inputs[which].shape[node.axis])) {
          at -= Number(node.inputs[which++].shape[node.axis]);
        }
        return take(node.inputs[which], inputs[which], withPlace(place, node.axis, at));
      });
    case "gather": {
      const size = Number(x.shape[node.axis]);
      return each((place, flat) => take(x, a, withPlace(place, node.axis, position(inputs[1][flat], size))));
    }
    case "scatter":
      return scatter(node, inputs);
    case "scan":
      return scan(node, inputs);
    case "reduce":
      return reduce(node, a);
    case "cast":
      return a.map((value) => castScalar(value, x.dtype, node.dtype));
    case "bitcast":
      return decodeElements(encodeElements(a, x.dtype), node.dtype);
    case "assign":
      return assigned(node, inputs);
    case "buffer":
    case "variable":
      throw new Error(`the reference has no elements for a ${node.op} node without storage`);
    default:
      if (!isScalarOp(node.op)) throw new Error("no such node");
      return a.map((_, i) => {
        const operands = inputs.map((elements) => elements[i]);
        return evaluateScalar(node.op as "add", node.inputs[node.inputs.length - 1].dtype, operands);
      });
  }
}

function scatter(
  node: Extract<Node, { op: "scatter" }>,
  [base, index, added]: readonly Scalar[][],
): Scalar[] {
  const shape = sizes(node);
  const result = [...base];
  const from = sizes(node.inputs[1]);
  index.forEach((at, flat) => {
    const along = position(at, shape[node.axis]);
    if (along < 0 || along >= shape[node.axis]) return;
    const target = numberOf(withPlace(placeOf(flat, from), node.axis, along), shape);
    const both = [result[target], added[flat]];
    result[target] =
      node.reduction === "write" || node.reduction === "permute"
        ? added[flat]
        : evaluateScalar(node.reduction, node.dtype, both);
  });
  return result;
}

/** Totals go on along the axis, from one place to the next, for every group. */
function scan(node: Extract<Node, { op: "scan" }>, [a, groups, start]: readonly Scalar[][]): Scalar[] {
  const shape = sizes(node);
  const from = groups === undefined ? undefined : sizes(node.inputs[2]);
  const totals = new Map<number, Scalar>();
  return a.map((value, flat) => {
    const place = placeOf(flat, shape);
    const group = from === undefined ? 0 : position(groups[flat], from[node.axis]);
    if (from !== undefined && (group < 0 || group >= from[node.axis]))
      return castScalar(0, "float64", node.dtype);
    const at = numberOf(withPlace(place, node.axis, group), from ?? shape);
    const first = from === undefined ? reduceIdentity(node.reduction, node.dtype) : start[at];
    const total = evaluateScalar(node.reduction, node.dtype, [totals.get(at) ?? first, value]);
    totals.set(at, total);
    return total;
  });
}

function reduce(node: Extract<Node, { op: "reduce" }>, a: readonly Scalar[]): Scalar[] {
  const shape = sizes(node);
  const from = sizes(node.inputs[0]);
  const result = new Array<Scalar>(count(shape)).fill(reduceIdentity(node.reduction, node.dtype));
  a.forEach((value, flat) => {
    const place = placeOf(flat, from).map((at, axis) => (node.axes.includes(axis) ? 0 : at));
    const target = numberOf(place, shape);
    result[target] = evaluateScalar(node.reduction, node.dtype, [result[target], value]);
  });
  return result;
}

/** The view of the numbers of base's elements says where each element of the value goes. */
function assigned(node: Extract<Node, { op: "assign" }>, [base, value]: readonly Scalar[][]): Scalar[] {
  let place: Node = bufferNode("int32", node.shape);
  let numbers: Scalar[] = base.map((_, i) => i);
  for (const step of node.view as readonly ViewStep[]) {
    const next = applyView(place, step);
    if (next === place) continue;
    // A reshape of a reshape is one reshape of the first; the elements are the same.
    numbers = evaluate(next, [numbers]);
    place = bufferNode("int32", next.shape);
  }
  const result = [...base];
  numbers.forEach((at, i) => {
    result[Number(at)] = value[i];
  });
  return result;
}
