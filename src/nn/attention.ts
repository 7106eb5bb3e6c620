// Attention with several heads.

import { Tensor } from "../tensor/tensor.js";
import { Linear, type LayerOptions } from "./layers.js";

export interface AttentionLayerOptions extends LayerOptions {
  /** Probability with which a weight is dropped in training. */
  readonly dropout?: number;
}

/** Queries [batch, l, width] look at keys and values [batch, s, width] through several heads: [batch, l, width]. */
export class MultiheadAttention {
  training = true;
  /** [3 * width, width]: of queries, keys and values. */
  inProjWeight: Tensor;
  /** [3 * width] */
  inProjBias: Tensor | undefined;
  outProj: Linear;
  private readonly dropout: number;

  constructor(
    readonly width: number,
    readonly heads: number,
    { bias = true, dropout = 0 }: AttentionLayerOptions = {},
  ) {
    if (width % heads !== 0)
      throw new Error(`MultiheadAttention: a width of ${width} does not divide into ${heads} heads`);
    this.dropout = dropout;
    this.inProjWeight = Tensor.glorotUniform([3 * width, width]).requiresGrad_();
    this.inProjBias = bias ? Tensor.zeros([3 * width]).requiresGrad_() : undefined;
    this.outProj = new Linear(width, width, { bias });
    this.outProj.bias?.assign(0);
  }

  /** Keys default to the queries, values to the keys; mask and isCausal as in scaledDotProductAttention. */
  forward(
    queries: Tensor,
    keys = queries,
    values = keys,
    { mask, isCausal }: { readonly mask?: Tensor; readonly isCausal?: boolean } = {},
  ): Tensor {
    const { width, heads } = this;
    const [q, k, v] = [queries, keys, values].map((x, i) => {
      const weight = this.inProjWeight.narrow(0, i * width, width);
      const projected = x.linear(weight, this.inProjBias?.narrow(0, i * width, width));
      return projected.unflatten(-1, [heads, width / heads]).transpose(-3, -2);
    });
    const dropout = this.training ? this.dropout : 0;
    const attended = q.scaledDotProductAttention(k, v, { mask, isCausal, dropout });
    return this.outProj.forward(attended.transpose(-3, -2).flatten(-2));
  }
}
