// Contractions: products of matrices and what is made of them. Each is written as a multiplication of two repeated
// operands and a sum over the last axis, which the compiler recognises by that form and by no name.

import { type Dim, iota, maxDim, type Shape, sameDim } from "../graph/node.js";
import { promote } from "../graph/promote.js";
import type { DType } from "../scalar/dtype.js";
import { autocastOperands, autocastType } from "./autocast.js";
import { broadcastShapes, TensorError } from "./core.js";
import { customGradient } from "./custom-gradient.js";
import { accumulationType } from "./reduction.js";
import { Statistics } from "./statistics.js";
import type { Tensor } from "./tensor.js";

export interface AttentionOptions {
  /** Bool: where attention is allowed. Float: added to the scores. Broadcasts to [..., queries, keys]. */
  readonly mask?: Tensor;
  /** Query i sees keys 0 to i only. */
  readonly isCausal?: boolean;
  /** Place of the first query among the keys, as in decoding with kept keys: query i is at `offset` + i. */
  readonly offset?: number | Tensor;
  /** How many keys before its own place a query sees, and after (default as many); its own is always seen. */
  readonly window?: number | readonly [before: number, after: number];
  /** Scores become softcap * tanh(scores / softcap) before they are masked. */
  readonly softcap?: number;
  /** Factor of the scores; default 1 / sqrt(width of a query). */
  readonly scale?: number;
  /** Heads of keys and values serve several heads of queries each. */
  readonly enableGqa?: boolean;
  /** Probability with which a weight is dropped. */
  readonly dropout?: number;
}

/** So many rows share a weight that scaling it costs next to nothing beside its products. */
const SCALED_ROWS = 4;

export interface QuantizedOptions {
  /** What is taken off the integers of each block, [out, blocks]. */
  readonly zeroPoints?: Tensor;
  /** [out] */
  readonly bias?: Tensor;
  /** The weight's name, for messages. */
  readonly name?: string;
}

export abstract class Linear extends Statistics {
  /**
   * Product of matrices as in PyTorch: the last two axes are matrices, [.., m, k] x [.., k, n] gives [.., m, n], those
   * before broadcast; an operand of one axis is a vector. Small floats multiply and add up in float32.
   *
   * @example Tensor.from([[1, 2], [3, 4]]).matmul(Tensor.from([1, 1])); // => [3, 7]
   */
  matmul(other: Tensor): Tensor {
    if (this.ndim === 0 || other.ndim === 0) {
      throw new TensorError(`matmul: ${this} and ${other} must have at least one axis; use mul for scalars`);
    }
    const left = this.ndim === 1 ? this.unsqueeze(0) : this.self;
    const right = other.ndim === 1 ? other.unsqueeze(1) : other;
    const [inner, depth] = [left.shape[left.ndim - 1], right.shape[right.ndim - 2]];
    const batch = broadcastShapes(left.shape.slice(0, -2), right.shape.slice(0, -2));
    if (!sameDim(inner, depth) || batch === undefined) {
      throw new TensorError(
        `matmul: ${this} and ${other} do not fit: the last axis of the one must be as long as the one before the ` +
          "last of the other, and those before must broadcast",
      );
    }
    const dtype = contractionType("matmul", this.self, other);
    const rows = factor(left, dtype).unsqueeze(-2);
    const columns = factor(right, dtype).transpose().unsqueeze(-3);
    const product = contract(rows, columns).cast(dtype);
    if (this.ndim > 1 && other.ndim > 1) return product;
    const shape: Dim[] = [...batch];
    if (this.ndim > 1) shape.push(left.shape[left.ndim - 2]);
    if (other.ndim > 1) shape.push(right.shape[right.ndim - 1]);
    return product.reshape(shape);
  }

  /** Inner product of two vectors [k]; a scalar. */
  dot(other: Tensor): Tensor {
    if (this.ndim !== 1 || other.ndim !== 1)
      throw new TensorError(`dot: ${this} and ${other} must both be vectors`);
    return this.matmul(other);
  }

  /**
   * this [.., in] x weight [out, in] transposed, + bias [out]: [.., out].
   *
   * @example
   * Tensor.from([1, 2]).linear(Tensor.from([[1, 0], [0, 1], [1, 1]]), Tensor.from([0, 0, 10])); // => [1, 2, 13]
   */
  linear(weight: Tensor, bias?: Tensor): Tensor {
    if (
      weight.ndim !== 2 ||
      this.ndim === 0 ||
      !sameDim(this.shape[this.ndim - 1], weight.shape[1]) ||
      (bias !== undefined && (bias.ndim !== 1 || !sameDim(bias.shape[0], weight.shape[0])))
    ) {
      throw new TensorError(
        `linear: ${this} needs a weight [out, ${this.shape[this.ndim - 1]}] and a bias [out], got ${weight}` +
          (bias === undefined ? "" : ` and ${bias}`),
      );
    }
    const dtype = contractionType("linear", this.self, weight);
    const product = contract(factor(this.self, dtype).unsqueeze(-2), factor(weight, dtype));
    return (bias === undefined ? product : product.add(bias.cast(product.dtype))).cast(dtype);
  }

  /**
   * this [.., in] x quantised weight [out, in] transposed: [.., out], where weight holds small integers and each run of
   * in / blocks of them has a scale, scales [out, blocks], by which they are multiplied; `zeroPoints` [out, blocks] are
   * taken off before. For a few rows the scales stand outside of the inner sum, for more they are multiplied into the
   * weights, once for all rows.
   */
  quantizedLinear(
    weight: Tensor,
    scales: Tensor,
    { zeroPoints, bias, name = "weight" }: QuantizedOptions = {},
  ): Tensor {
    const [outputs, width] = weight.ndim === 2 ? weight.sizes : [0, 0];
    const blocks = scales.ndim === 2 ? scales.sizeAt(1) : 0;
    const fits = width > 0 && this.ndim > 0 && sameDim(this.shape[this.ndim - 1], width);
    if (!fits || scales.shape[0] !== outputs || blocks === 0 || width % blocks !== 0) {
      throw new TensorError(
        `quantizedLinear: ${name} ${weight} of [out, in] must have the width of ${this}, and rows of ${width} that ` +
          `divide into the ${blocks} blocks of the scales ${scales} of [out, blocks]`,
      );
    }
    const dtype = this.toFloats().dtype;
    const wide = accumulationType(dtype);
    const inBlocks = (y: Tensor): Tensor => y.cast(wide).unflatten(-1, [blocks, width / blocks]);
    const rows = this.shape.slice(0, -1).reduce((count: number, d) => count * maxDim(d), 1);
    const scaled = (): Tensor => scaledWeight(inBlocks(weight), scales, zeroPoints).flatten(1);
    const result =
      rows >= SCALED_ROWS
        ? contract(factor(this.self, wide).unsqueeze(-2), factor(scaled(), wide))
        : inBlockSums(inBlocks(this.self).unsqueeze(-3), inBlocks(weight), scales, zeroPoints);
    return (bias === undefined ? result : result.add(bias.cast(wide))).cast(dtype);
  }

  /**
   * softmax(this x keys^T * scale) x values, of queries [.., l, e], keys [.., s, e] and values [.., s, v]: [.., l, v].
   * A query that may attend to no key gives NaN.
   *
   * @example
   * const [q, k, v] = [Tensor.ones([2, 4, 8]), Tensor.ones([2, 6, 8]), Tensor.ones([2, 6, 5])];
   * q.scaledDotProductAttention(k, v, { isCausal: true }).shape; // => [2, 4, 5]
   */
  scaledDotProductAttention(keys: Tensor, values: Tensor, options: AttentionOptions = {}): Tensor {
    const { mask, scale, softcap, enableGqa = false, dropout = 0 } = options;
    if (this.ndim < 2 || keys.ndim < 2 || values.ndim < 2) {
      throw new TensorError(
        `scaledDotProductAttention: ${this}, ${keys}, ${values} need at least two axes each`,
      );
    }
    const wide = accumulationType(contractionType("scaledDotProductAttention", this.self, keys));
    const [k, v] = enableGqa ? [keys, values].map((x) => shareHeads(x, this.self)) : [keys, values];
    const width = this.sizeAt(-1);
    let scores = this.cast(wide)
      .matmul(k.cast(wide).transpose())
      .mul(scale ?? 1 / Math.sqrt(width));
    if (softcap !== undefined) scores = scores.div(softcap).tanh().mul(softcap);
    const seen = this.seenKeys(scores.shape.slice(-2), options);
    if (seen !== undefined) scores = seen.where(scores, Number.NEGATIVE_INFINITY);
    if (mask?.dtype === "bool") scores = mask.where(scores, Number.NEGATIVE_INFINITY);
    else if (mask !== undefined) scores = scores.add(mask.cast(wide));
    const weights = scores.softmax(-1);
    return (dropout > 0 ? weights.dropout(dropout) : weights).matmul(v.cast(wide)).cast(this.dtype);
  }

  /** Which keys each query sees by its place, [queries, keys]; undefined if all. */
  private seenKeys(
    shape: Shape,
    { isCausal = false, offset = 0, window }: AttentionOptions,
  ): Tensor | undefined {
    if (!isCausal && window === undefined) return undefined;
    const key = this.wrap(iota(shape, 1));
    const query = this.wrap(iota(shape, 0)).add(offset);
    const [before, after] = typeof window === "number" ? [window, window] : (window ?? []);
    const limits: Tensor[] = [];
    if (isCausal) limits.push(key.le(query));
    else if (after !== undefined) limits.push(key.le(query.add(after)));
    if (before !== undefined) limits.push(key.ge(query.sub(before)));
    return limits.reduce((a, b) => a.logicalAnd(b));
  }
}

/** The dtype of a contraction's operands and result. */
export function contractionType(operation: string, x: Tensor, y: Tensor): DType {
  const dtype = promote(x.dtype, y.dtype);
  if (dtype === "bool")
    throw new TensorError(`${operation}: ${x} and ${y} are bools, which have no product; cast them first`);
  return dtype === "float32" ? (autocastType() ?? dtype) : dtype;
}

/** An operand of a contraction: rounded to `dtype`, or as `autocast` says, in the type in which products are summed. */
export function factor(x: Tensor, dtype: DType): Tensor {
  const same = x.cast(dtype);
  const small = dtype === "float32" ? autocastOperands() : undefined;
  if (small === undefined) return same.cast(accumulationType(dtype));
  return customGradient(rounded(same.detach(), small), [same], (g) => [g]);
}

/** Sums over axes of the product of two factors. */
export function contract(x: Tensor, y: Tensor, axes: number | readonly number[] = -1): Tensor {
  const total = x.mul(y).sum(axes);
  const small = total.dtype === "float32" ? autocastOperands() : undefined;
  // The gradient is a factor of the products that follow.
  return small === undefined ? total : customGradient(total.detach(), [total], (g) => [rounded(g, small)]);
}

const rounded = (x: Tensor, small: DType): Tensor => x.cast(small).cast(x.dtype);

/** Weights [out, blocks, size] as what they stand for. */
function scaledWeight(weight: Tensor, scales: Tensor, zeroPoints: Tensor | undefined): Tensor {
  const perBlock = (x: Tensor): Tensor => x.cast(weight.dtype).unsqueeze(-1);
  const plain = zeroPoints === undefined ? weight : weight.sub(perBlock(zeroPoints));
  return plain.mul(perBlock(scales));
}

/** Sums of products of x [.., 1, blocks, size] and weights [out, blocks, size], each block's scaled by itself: [.., out]. */
function inBlockSums(x: Tensor, weight: Tensor, scales: Tensor, zeroPoints: Tensor | undefined): Tensor {
  let total = x.mul(weight).sum(-1);
  if (zeroPoints !== undefined) total = total.sub(x.sum(-1).mul(zeroPoints.cast(x.dtype)));
  return total.mul(scales.cast(x.dtype)).sum(-1);
}

/** Each head of [.., heads, s, e] as often as there are query heads for it. */
function shareHeads(x: Tensor, queries: Tensor): Tensor {
  const [have, want] = [x, queries].map((t) => (t.ndim < 3 ? 1 : t.sizeAt(-3)));
  if (want % have !== 0) {
    throw new TensorError(
      `scaledDotProductAttention: ${want} heads of queries cannot share ${have} heads of ${x} evenly`,
    );
  }
  return want === have ? x : x.repeatInterleave(want / have, -3);
}
