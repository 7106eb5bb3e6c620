// Symbolic variables: sizes that get their values when a captured step runs, so that one kernel serves all of them.

import { type Dim, variableNode } from "../graph/node.js";
import { type SymbolAtom, toIndex } from "../kernel/index.js";
import { Tensor } from "./tensor.js";

/** A variable with a value for one call. */
export interface BoundVariable {
  readonly variable: Variable;
  readonly value: number;
}

/**
 * An integer in [min, max] that shapes and ranges may use as a size.
 *
 * @example
 * const length = new Variable("length", 1, 512);
 * const sum = jit((x: Tensor, n: BoundVariable) => x.shrink([[0, n.variable.dim]]).sum());
 * const x = Tensor.ones([512]);
 * await sum(x, length.bind(40)); // => 40
 */
export class Variable {
  private readonly symbol: SymbolAtom;

  /** One name has the same bounds throughout a process. */
  constructor(
    readonly name: string,
    readonly min: number,
    readonly max: number,
  ) {
    if (!Number.isInteger(min) || !Number.isInteger(max) || min < 0 || max < min) {
      throw new RangeError(
        `variable ${name}: bounds must be integers with 0 <= min <= max, got [${min}, ${max}]`,
      );
    }
    this.symbol = variableNode(name, min, max).symbol;
  }

  /** As a size in shapes and ranges. */
  get dim(): Dim {
    return toIndex(this.symbol);
  }

  /** As an int32 tensor of one value. */
  get tensor(): Tensor {
    return Tensor.ofNode(variableNode(this.name, this.min, this.max));
  }

  /** The variable with a value, to be passed to a captured function. */
  bind(value: number): BoundVariable {
    if (!Number.isInteger(value) || value < this.min || value > this.max) {
      throw new RangeError(
        `variable ${this.name} must be an integer in [${this.min}, ${this.max}], got ${value}`,
      );
    }
    return { variable: this, value };
  }
}
