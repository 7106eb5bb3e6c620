// Gives a graph its canonical form and its key. Equal subgraphs become one node; nodes that have storage become
// leaves, numbered in order of appearance, so that graphs which differ only in the data they work on have equal keys.

import { printAtom, printIndex } from "../kernel/index.js";
import type { Scalar } from "../scalar/dtype.js";
import {
  type BufferNode,
  bufferNode,
  type Dim,
  type Node,
  type Shape,
  topologicalNodes,
  type ViewStep,
} from "./node.js";
import { simplify } from "./simplify.js";

export interface NormalGraph {
  /** Equal for graphs of equal structure; leaves count by their dtype and shape. */
  readonly key: string;
  /** The nodes with storage on which the graph stands, in the order of their numbers. */
  readonly leaves: readonly Node[];
  /** Builds the canonical, simplified copy, which shares nothing with the user's nodes. */
  rebuild(): { readonly roots: readonly Node[]; readonly leaves: readonly BufferNode[] };
}

/** True for nodes that only gradients tell from their first input. */
const isAlias = (node: Node): boolean =>
  node.storage === undefined && (node.op === "detach" || node.op === "derived");

/** What a value is computed from: neither what memory holds already nor what only gradients ask for. */
const valueInputs = (node: Node): readonly Node[] =>
  node.storage !== undefined ? [] : isAlias(node) ? node.inputs.slice(0, 1) : node.inputs;

/** Canonical form of the graph under `roots`. Time is linear in the nodes. */
export function normalise(roots: readonly Node[]): NormalGraph {
  const order = topologicalNodes(roots, valueInputs);
  const numberOf = new Map<Node, number>();
  const numberOfSignature = new Map<string, number>();
  const distinct: Node[] = [];
  const leaves: Node[] = [];
  const leafOfStorage = new Map<object, number>();
  const signatures: string[] = [];
  for (const node of order) {
    let signature: string;
    if (isAlias(node)) {
      numberOf.set(node, numberOf.get(node.inputs[0])!);
      continue;
    }
    if (node.storage !== undefined) {
      const place = `${node.dtype}${shapeKey(node.shape)}`;
      let leaf = leafOfStorage.get(node.storage);
      if (leaf === undefined || leaves[leaf].dtype !== node.dtype) {
        leaf = leaves.length;
        leafOfStorage.set(node.storage, leaf);
        leaves.push(node);
      }
      signature = `leaf${leaf} ${place}`;
    } else if (node.op === "buffer") {
      throw new Error(`a ${node.dtype}${shapeKey(node.shape)} tensor without data cannot be computed`);
    } else {
      signature = `${node.op} ${node.dtype}${shapeKey(node.shape)}${attributesKey(node)}`;
      for (const input of node.inputs) signature += `,${numberOf.get(input)}`;
    }
    let number = numberOfSignature.get(signature);
    if (number === undefined) {
      number = distinct.length;
      numberOfSignature.set(signature, number);
      distinct.push(node);
      signatures.push(signature);
    }
    numberOf.set(node, number);
  }
  const rootNumbers = roots.map((root) => numberOf.get(root)!);
  return {
    key: `${signatures.join(";")}>${rootNumbers.join(",")}`,
    leaves,
    rebuild: () => rebuild(distinct, numberOf, leafOfStorage, leaves, rootNumbers),
  };
}

function rebuild(
  distinct: readonly Node[],
  numberOf: ReadonlyMap<Node, number>,
  leafOfStorage: ReadonlyMap<object, number>,
  leaves: readonly Node[],
  rootNumbers: readonly number[],
): { roots: Node[]; leaves: BufferNode[] } {
  const leafCopies = leaves.map((leaf) => bufferNode(leaf.dtype, leaf.shape));
  const copies: Node[] = [];
  for (const node of distinct) {
    if (node.storage === undefined) {
      copies.push(
        simplify(
          node,
          node.inputs.map((input) => copies[numberOf.get(input)!]),
        ),
      );
      continue;
    }
    const leaf = leafCopies[leafOfStorage.get(node.storage)!];
    copies.push(simplify({ ...node, op: "reshape", inputs: [leaf], storage: undefined } as Node, [leaf]));
  }
  return { roots: rootNumbers.map((number) => copies[number]), leaves: leafCopies };
}

const dimKey = (d: Dim): string => (typeof d === "number" ? String(d) : symbolicKey(d));
const shapeKey = (shape: Shape): string => `[${shape.map(dimKey).join(",")}]`;

function symbolicKey(d: Exclude<Dim, number>): string {
  const bounds = d.terms.flatMap((t) => t.atoms.map((a) => `${printAtom(a)}:${a.min}:${a.max}`));
  return `${printIndex(d)}{${bounds.join(" ")}}`;
}

function scalarKey(value: Scalar): string {
  return Object.is(value, -0) ? "-0" : `${value}${typeof value === "bigint" ? "n" : ""}`;
}

const rangesKey = (ranges: readonly (readonly [Dim, Dim])[]): string =>
  ranges.map(([a, b]) => `${dimKey(a)}:${dimKey(b)}`).join(",");

/** What distinguishes nodes of one op beside dtype, shape and inputs. */
function attributesKey(node: Node): string {
  switch (node.op) {
    case "const":
      return ` ${scalarKey(node.value)}`;
    case "variable":
      return ` ${node.symbol.name}:${node.symbol.min}:${node.symbol.max}`;
    case "iota":
    case "concat":
    case "gather":
      return ` ${node.axis}`;
    case "scatter":
    case "scan":
      return ` ${node.axis} ${node.reduction}`;
    case "permute":
      return ` ${node.order}`;
    case "pad":
      return ` ${rangesKey(node.padding)}`;
    case "shrink":
      return ` ${rangesKey(node.ranges)}`;
    case "flip":
      return ` ${node.axes}`;
    case "shear":
      return ` ${node.axis} ${node.by} ${node.factor} ${node.start}`;
    case "reduce":
      return ` ${node.reduction} ${node.axes}`;
    case "assign":
      return ` ${node.view.map(stepKey).join("/")}`;
    default:
      return "";
  }
}

function stepKey(step: ViewStep): string {
  switch (step.op) {
    case "reshape":
      return `reshape${shapeKey(step.shape)}`;
    case "permute":
      return `permute ${step.order}`;
    case "shrink":
      return `shrink ${rangesKey(step.ranges)}`;
    case "flip":
      return `flip ${step.axes}`;
    case "stride":
      return `stride ${step.axis} ${step.start} ${step.step} ${step.count}`;
  }
}
