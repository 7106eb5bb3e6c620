// Bounds of integers in 32-bit registers, from how they are computed: what lies within the limits of a narrow dtype needs
// no wrapping, what a mask keeps whole needs no mask, and what is below 2^31 may count as signed.

import { type Expr, topologicalOrder } from "../kernel/ir.js";
import { type DType, integerLimits, isBigInteger, isInteger } from "../scalar/dtype.js";

export interface Range {
  readonly min: number;
  readonly max: number;
}

const limitsOf = (dtype: DType): Range => {
  const { min, max } = integerLimits(dtype);
  return { min: Number(min), max: Number(max) };
};

const ANYTHING: Range = { min: Number.NEGATIVE_INFINITY, max: Number.POSITIVE_INFINITY };
/** What gives bounds that are its operands', or nearer to zero. */
const KEEPS_BOUNDS = new Set<Expr["op"]>(["const", "index", "cast", "splat", "extract", "and", "shr"]);

const inside = (x: Range, y: Range): boolean => x.min >= y.min && x.max <= y.max;

/** Bounds of the values that were asked about, and of those they are made of. */
export class Ranges {
  private readonly known = new Map<Expr, Range>();

  /** True if an integer surely lies in the limits of a dtype. */
  fits(x: Expr, dtype: DType): boolean {
    return inside(this.of(x), limitsOf(dtype));
  }

  /** The bounds of an integer expression, at most those of its dtype. */
  of(root: Expr): Range {
    for (const x of topologicalOrder([root], (e) => this.known.has(e)))
      if (!this.known.has(x)) this.known.set(x, this.bounds(x));
    return this.known.get(root)!;
  }

  private bounds(x: Expr): Range {
    if (!isInteger(x.dtype) && x.dtype !== "bool") return ANYTHING;
    const all = limitsOf(x.dtype);
    // Sums of the largest integers are no numbers of JavaScript.
    if (isBigInteger(x.dtype) && !KEEPS_BOUNDS.has(x.op)) return all;
    const found = this.computed(x);
    // What leaves the limits wraps, to anywhere.
    return found !== undefined && inside(found, all) ? found : all;
  }

  private computed(x: Expr): Range | undefined {
    const [a, b, c] = x.args.map((arg) => this.known.get(arg)!);
    switch (x.op) {
      case "const":
        return { min: Number(x.value), max: Number(x.value) };
      case "index":
        return { min: x.index.min, max: x.index.max };
      case "load":
        return isInteger(x.buffer.dtype) ? limitsOf(x.buffer.dtype) : undefined;
      case "cast":
      case "splat":
      case "extract":
        return isInteger(x.args[0].dtype) || x.args[0].dtype === "bool" ? a : undefined;
      case "bitcast":
        // The same number where both dtypes hold it.
        return isInteger(x.args[0].dtype) ? a : undefined;
      case "pack":
      case "shuffle":
        return union(x.args.map((arg) => this.known.get(arg)!));
      case "where":
        return union([b, c]);
      case "add":
        return { min: a.min + b.min, max: a.max + b.max };
      case "sub":
        return { min: a.min - b.max, max: a.max - b.min };
      case "mul": {
        const products = [a.min * b.min, a.min * b.max, a.max * b.min, a.max * b.max];
        return { min: Math.min(...products), max: Math.max(...products) };
      }
      case "max":
        return { min: Math.max(a.min, b.min), max: Math.max(a.max, b.max) };
      case "min":
        return { min: Math.min(a.min, b.min), max: Math.min(a.max, b.max) };
      case "and": {
        // Not above either operand that has no sign, and without one itself.
        const tops = [a, b].filter(({ min }) => min >= 0).map(({ max }) => max);
        return tops.length === 0 ? undefined : { min: 0, max: Math.min(...tops) };
      }
      case "or":
      case "xor":
        return a.min < 0 || b.min < 0 ? undefined : { min: 0, max: allOnes(Math.max(a.max, b.max)) };
      case "shl":
        return shifted(a, b, (value, by) => value * 2 ** by);
      case "shr":
        return shifted(a, b, (value, by) => Math.floor(value / 2 ** by));
      default:
        return undefined;
    }
  }
}

const union = (ranges: readonly Range[]): Range => ({
  min: Math.min(...ranges.map(({ min }) => min)),
  max: Math.max(...ranges.map(({ max }) => max)),
});

/** The smallest 2^n - 1 that is not less. */
const allOnes = (x: number): number => 2 ** Math.ceil(Math.log2(x + 1)) - 1;

/** By amounts that are less than the width: both bounds are reached at bounds of the amount. */
function shifted(x: Range, by: Range, shift: (value: number, by: number) => number): Range | undefined {
  if (by.min < 0 || by.max > 31) return undefined;
  const ends = [by.min, by.max].flatMap((amount) => [shift(x.min, amount), shift(x.max, amount)]);
  return { min: Math.min(...ends), max: Math.max(...ends) };
}
