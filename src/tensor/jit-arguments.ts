// What a captured function is called with, taken apart; and how a call like the one before is known without
// making a key of it.

import { sameStorage } from "../engine/engine.js";
import { type Node, printShape, type Shape, sameShape } from "../graph/node.js";
import type { DType } from "../scalar/dtype.js";
import { isBound, isPlainObject } from "./containers.js";
import { TensorError } from "./core.js";
import { Tensor } from "./tensor.js";

/** What a call passes, taken apart. */
export interface Arguments {
  readonly tensors: readonly Tensor[];
  readonly variables: Readonly<Record<string, number>>;
  /** Everything that a capture depends on: structure, shapes, dtypes, plain values. */
  readonly key: string;
}

export function takeApart(args: readonly unknown[]): Arguments {
  const tensors: Tensor[] = [];
  const variables: Record<string, number> = {};
  const key = keyOf(args, (leaf) => {
    if (leaf instanceof Tensor) {
      tensors.push(leaf);
      return `${leaf.dtype}${printShape(leaf.shape)}${leaf.requiresGrad ? "g" : ""}`;
    }
    if (isBound(leaf)) {
      const { name } = leaf.variable;
      if (variables[name] !== undefined && variables[name] !== leaf.value) {
        throw new TensorError(
          `jit: variable ${name} is given two values, ${variables[name]} and ${leaf.value}`,
        );
      }
      variables[name] = leaf.value;
      return `variable ${name}`;
    }
    if (typeof leaf === "function" || (typeof leaf === "object" && leaf !== null)) {
      throw new TensorError(
        `jit: arguments may be tensors, plain values, arrays and plain objects, not ${leaf}`,
      );
    }
    return `${typeof leaf} ${JSON.stringify(Object.is(leaf, -0) ? "-0" : String(leaf))}`;
  });
  return { tensors, variables, key };
}

/** Structure and leaves as text. */
function keyOf(x: unknown, leafKey: (leaf: unknown) => string): string {
  if (Array.isArray(x)) return `[${x.map((item) => keyOf(item, leafKey)).join(",")}]`;
  if (isPlainObject(x) && !isBound(x)) {
    return `{${Object.entries(x)
      .map(([name, item]) => `${JSON.stringify(name)}:${keyOf(item, leafKey)}`)
      .join(",")}}`;
  }
  return leafKey(x);
}

/** Which arguments are the same elements: a capture for distinct ones does not serve for equal ones. */
export function sharing(nodes: readonly Node[]): string {
  return nodes.map((node) => nodes.findIndex((other) => sameStorage(node, other))).join(",");
}

/** What a capture depends on of a tensor. */
interface Kind {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly wanted: boolean;
}

/** What a call looked like: tensors by kind, so that they may be dropped meanwhile, and plain values. */
export class Likeness {
  private constructor(private readonly entries: readonly unknown[]) {}

  /** Undefined where arguments hold others, or share elements: such calls are told apart by their keys. */
  static of(args: readonly unknown[], nodes: readonly Node[]): Likeness | undefined {
    const flat = args.every((x) => x instanceof Tensor || (typeof x !== "object" && typeof x !== "function"));
    if (!flat || nodes.some((node, i) => nodes.findIndex((other) => sameStorage(node, other)) < i))
      return undefined;
    return new Likeness(
      args.map((x): unknown =>
        x instanceof Tensor ? ({ dtype: x.dtype, shape: x.shape, wanted: x.requiresGrad } satisfies Kind) : x,
      ),
    );
  }

  /** The arguments' nodes, if a capture for a call of this likeness serves for them as they are. */
  match(args: readonly unknown[]): Node[] | undefined {
    const { entries } = this;
    if (args.length !== entries.length) return undefined;
    const nodes: Node[] = [];
    for (let i = 0; i < args.length; i++) {
      const arg = args[i];
      const entry = entries[i];
      if (!(arg instanceof Tensor)) {
        if (Object.is(arg, entry)) continue;
        return undefined;
      }
      if (typeof entry !== "object") return undefined;
      const { dtype, shape, wanted } = entry as Kind;
      const { node } = arg;
      if (node.storage === undefined || node.dtype !== dtype || !sameShape(node.shape, shape))
        return undefined;
      if (arg.requiresGrad !== wanted) return undefined;
      for (const other of nodes) if (sameStorage(node, other)) return undefined;
      nodes.push(node);
    }
    return nodes;
  }
}
