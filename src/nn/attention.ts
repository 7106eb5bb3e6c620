// Attention with several heads.

import { Tensor } from "../tensor/tensor.js";
import { Linear } from "./layers.js";
import { checkAxisSize, checkSizes, type LayerOptions, zeros } from "./weights.js";

export interface AttentionLayerOptions extends LayerOptions {
  /** Probability with which a weight is dropped in training. */
  readonly dropout?: number;
  /** Width of the keys; default that of the queries. */
  readonly kdim?: number;
  /** Width of the values; default that of the queries. */
  readonly vdim?: number;
  /** Whether tensors are [batch, length, width] (the default here) or, as PyTorch's default, [length, batch, width]. */
  readonly batchFirst?: boolean;
}

export interface AttendOptions {
  /**
   * What queries must not see: bools that are true there, or floats that are added to the scores; [queries, keys],
   * [batch * heads, queries, keys] or what broadcasts to [batch, heads, queries, keys].
   */
  readonly attnMask?: Tensor;
  /** Keys that nobody sees: bools that are true there, or floats that are added; [batch, keys]. */
  readonly keyPaddingMask?: Tensor;
  /** Query i sees keys 0 to i only. */
  readonly isCausal?: boolean;
}

/**
 * Queries [batch, l, width] look at keys and values [batch, s, width] through several heads: [batch, l, width]. The
 * batch may be missing. Masks are as in PyTorch's layer: true hides.
 *
 * @example
 * const attention = new nn.MultiheadAttention(16, 4);
 * attention.forward(Tensor.randn([2, 10, 16])).shape; // => [2, 10, 16]
 */
export class MultiheadAttention {
  training = true;
  /** Of queries, keys and values, [3 * width, width]; there if all have one width. */
  inProjWeight: Tensor | undefined;
  /** [width, width]; this and the next two are there if keys or values have a width of their own. */
  qProjWeight: Tensor | undefined;
  /** [width, kdim] */
  kProjWeight: Tensor | undefined;
  /** [width, vdim] */
  vProjWeight: Tensor | undefined;
  /** [3 * width] */
  inProjBias: Tensor | undefined;
  outProj: Linear;
  private readonly dropout: number;
  private readonly batchFirst: boolean;
  private readonly widths: readonly [number, number, number];

  constructor(
    readonly width: number,
    readonly heads: number,
    { bias = true, dropout = 0, kdim = width, vdim = width, batchFirst = true }: AttentionLayerOptions = {},
  ) {
    checkSizes("MultiheadAttention", { width, heads, kdim, vdim });
    if (width % heads !== 0)
      throw new Error(`MultiheadAttention: a width of ${width} does not divide into ${heads} heads`);
    this.dropout = dropout;
    this.batchFirst = batchFirst;
    this.widths = [width, kdim, vdim];
    const start = (shape: readonly number[]): Tensor => Tensor.glorotUniform(shape).requiresGrad_();
    if (kdim === width && vdim === width) this.inProjWeight = start([3 * width, width]);
    else {
      this.qProjWeight = start([width, width]);
      this.kProjWeight = start([width, kdim]);
      this.vProjWeight = start([width, vdim]);
    }
    this.inProjBias = bias ? zeros([3 * width]) : undefined;
    this.outProj = new Linear(width, width, { bias });
    this.outProj.bias?.assign(0);
  }

  /** Keys default to the queries, values to the keys. */
  forward(queries: Tensor, keys = queries, values = keys, options: AttendOptions = {}): Tensor {
    const [q, k, v] = this.projected(queries, keys, values);
    const { isCausal } = options;
    const mask = this.seen(q, k, options);
    const dropout = this.training ? this.dropout : 0;
    return this.joined(q.scaledDotProductAttention(k, v, { mask, isCausal, dropout }));
  }

  /**
   * As forward, with the weights by which keys were looked at: [batch, l, s], the mean of the heads, or of each head,
   * [batch, heads, l, s].
   */
  forwardWithWeights(
    queries: Tensor,
    keys = queries,
    values = keys,
    { averageWeights = true, ...options }: AttendOptions & { readonly averageWeights?: boolean } = {},
  ): [output: Tensor, weights: Tensor] {
    const [q, k, v] = this.projected(queries, keys, values);
    const scores = q.mul(1 / Math.sqrt(this.width / this.heads)).matmul(k.transpose());
    const mask = this.seen(q, k, options);
    const causal =
      options.isCausal === true ? Tensor.ones(scores.shape.slice(-2), { dtype: "bool" }).tril() : undefined;
    const hidden = [mask, causal].reduce<Tensor>((x, m) => (m === undefined ? x : masked(x, m)), scores);
    const weights = hidden.softmax(-1).dropout(this.dropout, { training: this.training });
    return [this.joined(weights.matmul(v)), averageWeights ? weights.mean(-3) : weights];
  }

  /** Queries, keys and values of each head: [batch, heads, length, width / heads]. */
  private projected(...given: [Tensor, Tensor, Tensor]): [Tensor, Tensor, Tensor] {
    const { width, heads, widths } = this;
    const own = [this.qProjWeight, this.kProjWeight, this.vProjWeight];
    return given.map((x, i) => {
      checkAxisSize("MultiheadAttention", x, -1, widths[i], ["queries", "keys", "values"][i]);
      if (x.ndim !== given[0].ndim || x.ndim < 2 || x.ndim > 3)
        throw new Error(`MultiheadAttention: ${given.join(", ")} should be [batch, length, width] each`);
      const ordered = x.ndim === 3 && !this.batchFirst ? x.transpose(0, 1) : x;
      const weight = this.inProjWeight?.narrow(0, i * width, width) ?? own[i]!;
      const projected = ordered.linear(weight, this.inProjBias?.narrow(0, i * width, width));
      return projected.unflatten(-1, [heads, width / heads]).transpose(-3, -2);
    }) as [Tensor, Tensor, Tensor];
  }

  private joined(x: Tensor): Tensor {
    const result = this.outProj.forward(x.transpose(-3, -2).flatten(-2));
    return result.ndim === 3 && !this.batchFirst ? result.transpose(0, 1) : result;
  }

  /** One mask as scaledDotProductAttention takes it: true where a query may look, or floats to add. */
  private seen(q: Tensor, k: Tensor, { attnMask, keyPaddingMask }: AttendOptions): Tensor | undefined {
    const [queries, keys] = [q.shape[q.ndim - 2], k.shape[k.ndim - 2]];
    const split = attnMask?.ndim === 3 && q.ndim === 4;
    const hidden = split ? attnMask.reshape([q.shape[0], this.heads, queries, keys]) : attnMask;
    // [batch, 1, 1, keys]
    const padding = keyPaddingMask?.reshape([...keyPaddingMask.shape.slice(0, -1), 1, 1, keys]);
    const all = [hidden, padding].filter((mask) => mask !== undefined);
    if (all.length === 0) return undefined;
    if (all.every((mask) => mask.dtype === "bool")) return all.reduce((x, y) => x.logicalOr(y)).logicalNot();
    const added = all.map((mask) =>
      mask.dtype === "bool" ? masked(Tensor.zeros(mask.shape, { dtype: q.dtype }), mask.logicalNot()) : mask,
    );
    return added.reduce((x, y) => x.add(y));
  }
}

/** Scores with a mask as scaledDotProductAttention takes it. */
function masked(scores: Tensor, mask: Tensor): Tensor {
  return mask.dtype === "bool" ? mask.where(scores, Number.NEGATIVE_INFINITY) : scores.add(mask);
}
