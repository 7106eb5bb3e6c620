// Tensor, the last of the family classes: what joins and computes several tensors.

import { realizeNodes, type RealizeOptions } from "../engine/engine.js";
import type { Shape } from "../graph/node.js";
import { blockDiag, cartesianProd, columnStack, dstack, hstack, vstack } from "./arrangement.js";
import { broadcastNode, broadcastShapes, TensorError } from "./core.js";
import { Creation } from "./creation.js";
import { einsum } from "./einsum.js";
import { backward } from "./gradient.js";
import { multiDot } from "./products.js";
import { Sampling } from "./sampling.js";
import { assignedNodes } from "./storage.js";

export type { FromOptions, TensorLike, TensorOptions } from "./creation.js";

/** An n-dimensional array, computed when it is read. */
export class Tensor extends Sampling {
  /**
   * Tensors one after the other along an axis. Dtypes promote.
   *
   * @example Tensor.concat([Tensor.from([1, 2]), Tensor.from([3])]); // => [1, 2, 3]
   */
  static concat(tensors: readonly Tensor[], axis = 0): Tensor {
    const [first, ...others] = tensors;
    if (first === undefined) throw new TensorError("concat: needs at least one tensor");
    return first.cat(axis, ...others);
  }
  static cat(tensors: readonly Tensor[], axis = 0): Tensor {
    return Tensor.concat(tensors, axis);
  }
  /**
   * Tensors of one shape side by side along a new axis.
   *
   * @example Tensor.stack([Tensor.from([1, 2]), Tensor.from([3, 4])]); // => [[1, 2], [3, 4]]
   */
  static stack(tensors: readonly Tensor[], axis = 0): Tensor {
    return Tensor.concat(
      tensors.map((x) => x.unsqueeze(axis)),
      axis,
    );
  }
  /**
   * Einstein summation: letters name the axes of each operand and of the result; axes of one name go together, and those
   * that the result lacks are summed. "..." stands for axes that broadcast. Without "->" the result has the axes named
   * once, by the alphabet. Several operands are joined in the order that takes the fewest operations.
   *
   * @example
   * const x = Tensor.from([[1, 2], [3, 4]]);
   * Tensor.einsum("ij,jk->ik", x, x); // => [[7, 10], [15, 22]]
   * Tensor.einsum("ii", x); // => 5
   */
  static einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
    return einsum(equation, operands);
  }
  /**
   * Product of several matrices (the first and last may be vectors), in the order of the fewest operations.
   *
   * @example
   * Tensor.multiDot([Tensor.ones([2, 3]), Tensor.ones([3, 4]), Tensor.ones([4, 5])]).shape; // => [2, 5]
   */
  static multiDot(matrices: readonly Tensor[]): Tensor {
    return multiDot(matrices);
  }
  /**
   * condition ? x : y, element by element; numbers may stand for tensors.
   *
   * @example
   * Tensor.where(Tensor.from([true, false]), Tensor.from([1, 2]), 0); // => [1, 0]
   */
  static where(condition: Tensor, x: Tensor | number, y: Tensor | number): Tensor {
    return condition.where(x, y);
  }
  /**
   * The tensors repeated to the shape they broadcast to.
   *
   * @example
   * Tensor.broadcast([Tensor.zeros([3, 1]), Tensor.zeros([2])]).map((x) => x.shape); // => [[3, 2], [3, 2]]
   */
  static broadcast(tensors: readonly Tensor[]): Tensor[] {
    const shape = tensors.reduce<Shape | undefined>((s, x) => s && broadcastShapes(s, x.shape), []);
    if (shape === undefined)
      throw new TensorError(`broadcast: shapes of ${tensors.join(", ")} do not broadcast`);
    return tensors.map((x) => Tensor.ofNode(broadcastNode(x.node, shape)));
  }

  /** As broadcast, under PyTorch's name. */
  static broadcastTensors(tensors: readonly Tensor[]): Tensor[] {
    return Tensor.broadcast(tensors);
  }
  /** Tensors one after the other along axis 1; vectors along axis 0. */
  static hstack(tensors: readonly Tensor[]): Tensor {
    return hstack(tensors);
  }
  /** Tensors one after the other along axis 0, vectors as rows. */
  static vstack(tensors: readonly Tensor[]): Tensor {
    return vstack(tensors);
  }
  /** Tensors one after the other along axis 2; see atleast3d. */
  static dstack(tensors: readonly Tensor[]): Tensor {
    return dstack(tensors);
  }
  /** Tensors one after the other along axis 1, vectors as columns. */
  static columnStack(tensors: readonly Tensor[]): Tensor {
    return columnStack(tensors);
  }
  /**
   * A matrix with matrices (vectors as rows) along its diagonal, zero elsewhere.
   *
   * @example
   * Tensor.blockDiag([Tensor.from([[1]]), Tensor.from([[2, 3]])]); // => [[1, 0, 0], [0, 2, 3]]
   */
  static blockDiag(tensors: readonly Tensor[]): Tensor {
    return blockDiag(tensors);
  }
  /**
   * All choices of one element of each vector, the last changing fastest: [choices, vectors]. Of one vector: itself.
   *
   * @example
   * Tensor.cartesianProd([Tensor.from([1, 2]), Tensor.from([3, 4])]); // => [[1, 3], [1, 4], [2, 3], [2, 4]]
   */
  static cartesianProd(tensors: readonly Tensor[]): Tensor {
    return cartesianProd(tensors);
  }

  /**
   * Computes several tensors together: what they share is computed once.
   *
   * @example
   * const x = Tensor.arange(1000).mul(0.5);
   * const [sum, largest] = [x.sum(), x.max()];
   * await Tensor.realize([sum, largest]);
   * largest; // => 499.5
   */
  static async realize(tensors: readonly Tensor[], options?: RealizeOptions): Promise<void> {
    await realizeNodes([...tensors.map((x) => x.node), ...assignedNodes()], options);
  }

  /**
   * Adds the gradient of this scalar (or, with `seed`, of the sum of this times seed) to `grad` of every tensor it was
   * computed from that requires one. Lazy: nothing is computed yet.
   *
   * @example
   * const x = Tensor.from([1, 2, 3], { requiresGrad: true });
   * x.square().sum().backward();
   * x.grad; // => [2, 4, 6]
   */
  backward(seed?: Tensor): void {
    backward(this, seed, Tensor.ofNode);
  }

  /** Elements in all; as size. */
  get numel(): number {
    return this.size;
  }
}

Creation.instances(Tensor);
