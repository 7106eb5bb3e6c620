// Containers: arrays and plain objects, nested as deep as one likes, whose leaves are tensors and other values.

import { Variable } from "./variable.js";

export const isPlainObject = (x: unknown): x is Record<string, unknown> =>
  typeof x === "object" && x !== null && Object.getPrototypeOf(x) === Object.prototype;

/** A variable with its value is a leaf. */
export const isBound = (x: unknown): x is { variable: Variable; value: number } =>
  isPlainObject(x) && x.variable instanceof Variable;

/**
 * Rebuilds arrays and plain objects with other leaves. `beside` is walked along where it has the same structure; where
 * it is a leaf, it stands beside everything inside.
 */
export function mapLeaves(
  x: unknown,
  change: (leaf: unknown, beside: unknown) => unknown,
  beside?: unknown,
): unknown {
  if (Array.isArray(x)) {
    const others = Array.isArray(beside) ? beside : undefined;
    return x.map((item, i) => mapLeaves(item, change, others === undefined ? beside : others[i]));
  }
  if (isPlainObject(x) && !isBound(x)) {
    const others = isPlainObject(beside) ? beside : undefined;
    const entries = Object.entries(x).map(([name, item]) => [
      name,
      mapLeaves(item, change, others === undefined ? beside : others[name]),
    ]);
    return Object.fromEntries(entries);
  }
  return change(x, beside);
}
