// How operands meet: numbers and tensors of other dtypes and shapes brought to one of each; conversions between dtypes.

import { bitcastNode, binary, castNode, type Node, unary } from "../graph/node.js";
import { DEFAULT_FLOAT, promote, promoteScalar } from "../graph/promote.js";
import {
  bytesOf,
  type DType,
  integerLimits,
  isFloat,
  isInteger,
  isUnsigned,
  type Scalar,
} from "../scalar/dtype.js";
import { type BinaryOp, isComparison, type UnaryOp } from "../scalar/ops.js";
import { broadcastNode, broadcastShapes, type Operand, scalarNode, TensorCore, TensorError } from "./core.js";
import type { Tensor } from "./tensor.js";

const describe = (x: TensorCore): string => x.toString();

export abstract class Operands extends TensorCore {
  // --- how operands meet -------------------------------------------------------------------------------------------

  /** Both operands in one dtype and shape. */
  protected meet(other: Operand, operation: string, force?: (dtype: DType) => DType): [Node, Node] {
    const x = this.node;
    if (!(other instanceof TensorCore)) {
      let dtype = promoteScalar(x.dtype, other);
      if (force !== undefined) dtype = force(dtype);
      const value = RING.has(operation) ? wrapped(other, dtype) : other;
      return [castNode(x, dtype), scalarNode(value, dtype, x.shape)];
    }
    const y = other.node;
    const shape = broadcastShapes(x.shape, y.shape);
    if (shape === undefined) {
      throw new TensorError(
        `${operation}: shapes of ${describe(this)} and ${describe(other)} do not broadcast`,
      );
    }
    let dtype = promote(x.dtype, y.dtype);
    if (force !== undefined) dtype = force(dtype);
    return [broadcastNode(castNode(x, dtype), shape), broadcastNode(castNode(y, dtype), shape)];
  }

  protected binary(op: BinaryOp, other: Operand, force?: (dtype: DType) => DType): Tensor {
    const known = this.comparedBeyond(op, other, false);
    if (known !== undefined) return known;
    const [x, y] = this.meet(other, op, force);
    return this.wrap(binary(op, x, y));
  }

  /** With the operands exchanged: number (op) this. */
  protected reversed(op: BinaryOp, other: Operand, force?: (dtype: DType) => DType): Tensor {
    const known = this.comparedBeyond(op, other, true);
    if (known !== undefined) return known;
    const [x, y] = this.meet(other, op, force);
    return this.wrap(binary(op, y, x));
  }

  /** Integers compared with a number that none of them can be: the answer is known. */
  private comparedBeyond(op: BinaryOp, other: Operand, reversed: boolean): Tensor | undefined {
    if (!isComparison(op) || typeof other === "boolean" || other instanceof TensorCore) return undefined;
    if (!isInteger(this.dtype)) return undefined;
    if (promoteScalar(this.dtype, other) !== this.dtype) return undefined;
    const { min, max } = integerLimits(this.dtype);
    if (other >= min && other <= max) return undefined;
    const answer = op === "ne" || (op !== "eq" && other > max !== reversed);
    return this.wrap(scalarNode(answer, "bool", this.shape));
  }

  protected unary(op: UnaryOp): Tensor {
    return this.wrap(unary(op, this.node));
  }

  /** A float function; integers are converted to the default float first. */
  protected ofFloats(op: UnaryOp): Tensor {
    return this.wrap(unary(op, castNode(this.node, isFloat(this.dtype) ? this.dtype : DEFAULT_FLOAT)));
  }

  /** This, as what it is at run time: every tensor is of the last family. */
  protected get self(): Tensor {
    return this as unknown as Tensor;
  }

  // --- conversion --------------------------------------------------------------------------------------------------

  /**
   * Values in another dtype: floats truncate towards zero and saturate when they become integers (NaN gives 0),
   * integers wrap, anything but zero is true.
   *
   * @example Tensor.from([1.9, -1.9, 300]).cast("uint8"); // => [1, 0, 255]
   */
  cast(dtype: DType): Tensor {
    return dtype === this.dtype ? this.self : this.wrap(castNode(this.node, dtype));
  }

  /**
   * The same bits in another dtype; the last axis changes size where the item size does.
   *
   * @example Tensor.from([1]).bitcast("int32"); // => [1065353216]
   */
  bitcast(dtype: DType): Tensor {
    return dtype === this.dtype ? this.self : this.wrap(bitcastNode(this.node, dtype));
  }

  float32(): Tensor {
    return this.cast("float32");
  }
  float(): Tensor {
    return this.cast("float32");
  }
  double(): Tensor {
    return this.cast("float64");
  }
  half(): Tensor {
    return this.cast("float16");
  }
  int(): Tensor {
    return this.cast("int32");
  }
  long(): Tensor {
    return this.cast("int64");
  }
  bool(): Tensor {
    return this.cast("bool");
  }

  /** This in a float dtype: its own, or the default. */
  protected toFloats(): Tensor {
    return isFloat(this.dtype) ? this.self : this.cast(DEFAULT_FLOAT);
  }
}

/** What is the same modulo 2^n of whichever operands: a number that the dtype does not hold enters modulo 2^n. */
const RING: ReadonlySet<string> = new Set(["add", "sub", "mul", "and", "or", "xor"]);

function wrapped(value: Scalar, dtype: DType): Scalar {
  if (!isInteger(dtype) || typeof value === "boolean" || !Number.isFinite(Number(value))) return value;
  const { min, max } = integerLimits(dtype);
  if (value >= min && value <= max) return value;
  const bits = 8 * bytesOf(dtype);
  return isUnsigned(dtype) ? BigInt.asUintN(bits, BigInt(value)) : BigInt.asIntN(bits, BigInt(value));
}

/** The float dtype for a dtype: its own, or the default. */
export const toFloat = (dtype: DType): DType => (isFloat(dtype) ? dtype : DEFAULT_FLOAT);
