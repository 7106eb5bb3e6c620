// Transformers (Vaswani and others, 2017): blocks of attention and a network of two layers, stacked.

import { Tensor } from "../tensor/tensor.js";
import { MultiheadAttention } from "./attention.js";
import { Dropout } from "./dropout.js";
import { Linear } from "./layers.js";
import { parameters } from "./module.js";
import { LayerNorm } from "./norms.js";
import type { LayerOptions } from "./weights.js";

export interface TransformerLayerOptions extends LayerOptions {
  /** Width of the network's hidden layer; default 2048. */
  readonly feedForward?: number;
  /** Default 0.1. */
  readonly dropout?: number;
  /** Of the network; default relu. */
  readonly activation?: (x: Tensor) => Tensor;
  /** Added to the variance by the norms; default 1e-5. */
  readonly eps?: number;
  /** Whether what a part gets is normalised, rather than the sum of that and what the part gives; default false. */
  readonly normFirst?: boolean;
  /** Whether tensors are [batch, length, width] (the default here) or, as PyTorch's default, [length, batch, width]. */
  readonly batchFirst?: boolean;
}

export interface EncoderMasks {
  /** What must not be seen of the source, [l, l]; see MultiheadAttention's attnMask. */
  readonly mask?: Tensor;
  /** Places of the source that nobody sees, [batch, l]. */
  readonly keyPaddingMask?: Tensor;
  /** Whether places see only themselves and those before. */
  readonly isCausal?: boolean;
}

export interface DecoderMasks {
  /** What must not be seen of the target, [l, l]. */
  readonly targetMask?: Tensor;
  /** What of the memory must not be seen from the target, [l, s]. */
  readonly memoryMask?: Tensor;
  /** Places of the target that nobody sees, [batch, l]. */
  readonly targetKeyPaddingMask?: Tensor;
  /** Places of the memory that nobody sees, [batch, s]. */
  readonly memoryKeyPaddingMask?: Tensor;
  /** Whether places of the target see only themselves and those before. */
  readonly targetIsCausal?: boolean;
  /** Whether places of the target see only as many of the memory. */
  readonly memoryIsCausal?: boolean;
}

/** What both kinds of layers have. */
abstract class TransformerLayer {
  selfAttn: MultiheadAttention;
  linear1: Linear;
  linear2: Linear;
  norm1: LayerNorm;
  norm2: LayerNorm;
  dropout: Dropout;
  dropout1: Dropout;
  dropout2: Dropout;
  protected readonly normFirst: boolean;
  private readonly activation: (x: Tensor) => Tensor;

  constructor(width: number, heads: number, options: TransformerLayerOptions) {
    const { feedForward = 2048, dropout = 0.1, eps = 1e-5, bias = true } = options;
    this.selfAttn = new MultiheadAttention(width, heads, { dropout, bias, batchFirst: options.batchFirst });
    this.linear1 = new Linear(width, feedForward, { bias });
    this.linear2 = new Linear(feedForward, width, { bias });
    this.norm1 = new LayerNorm(width, { eps, bias });
    this.norm2 = new LayerNorm(width, { eps, bias });
    this.dropout = new Dropout(dropout);
    this.dropout1 = new Dropout(dropout);
    this.dropout2 = new Dropout(dropout);
    this.normFirst = options.normFirst ?? false;
    this.activation = options.activation ?? ((x) => x.relu());
  }

  /** x with what a part gives added, and normalised after it or before. */
  protected around(x: Tensor, norm: LayerNorm, part: (x: Tensor) => Tensor): Tensor {
    return this.normFirst ? x.add(part(norm.forward(x))) : norm.forward(x.add(part(x)));
  }

  protected network(x: Tensor): Tensor {
    return this.linear2.forward(this.dropout.forward(this.activation(this.linear1.forward(x))));
  }
}

/**
 * A block of an encoder: x [batch, l, width] to the same shape.
 *
 * @example
 * new nn.TransformerEncoderLayer(16, 4).forward(Tensor.randn([2, 10, 16])).shape; // => [2, 10, 16]
 */
export class TransformerEncoderLayer extends TransformerLayer {
  constructor(width: number, heads: number, options: TransformerLayerOptions = {}) {
    super(width, heads, options);
  }

  forward(x: Tensor, { mask: attnMask, keyPaddingMask, isCausal }: EncoderMasks = {}): Tensor {
    const attended = this.around(x, this.norm1, (y) =>
      this.dropout1.forward(this.selfAttn.forward(y, y, y, { attnMask, keyPaddingMask, isCausal })),
    );
    return this.around(attended, this.norm2, (y) => this.dropout2.forward(this.network(y)));
  }
}

/** A block of a decoder: x [batch, l, width] and what the encoder gave, [batch, s, width], to [batch, l, width]. */
export class TransformerDecoderLayer extends TransformerLayer {
  multiheadAttn: MultiheadAttention;
  norm3: LayerNorm;
  dropout3: Dropout;

  constructor(width: number, heads: number, options: TransformerLayerOptions = {}) {
    super(width, heads, options);
    const { dropout = 0.1, eps = 1e-5, bias = true, batchFirst } = options;
    this.multiheadAttn = new MultiheadAttention(width, heads, { dropout, bias, batchFirst });
    this.norm3 = new LayerNorm(width, { eps, bias });
    this.dropout3 = new Dropout(dropout);
  }

  forward(x: Tensor, memory: Tensor, masks: DecoderMasks = {}): Tensor {
    const own = {
      attnMask: masks.targetMask,
      keyPaddingMask: masks.targetKeyPaddingMask,
      isCausal: masks.targetIsCausal,
    };
    const other = {
      attnMask: masks.memoryMask,
      keyPaddingMask: masks.memoryKeyPaddingMask,
      isCausal: masks.memoryIsCausal,
    };
    const first = this.around(x, this.norm1, (y) =>
      this.dropout1.forward(this.selfAttn.forward(y, y, y, own)),
    );
    const second = this.around(first, this.norm2, (y) =>
      this.dropout2.forward(this.multiheadAttn.forward(y, memory, memory, other)),
    );
    return this.around(second, this.norm3, (y) => this.dropout3.forward(this.network(y)));
  }
}

/**
 * Blocks one after the other, and maybe a norm at the end.
 *
 * @example new nn.TransformerEncoder(() => new nn.TransformerEncoderLayer(64, 4), 6)
 */
export class TransformerEncoder {
  readonly layers: readonly TransformerEncoderLayer[];

  constructor(
    makeLayer: () => TransformerEncoderLayer,
    count: number,
    readonly norm?: LayerNorm,
  ) {
    this.layers = Array.from({ length: count }, makeLayer);
  }

  forward(x: Tensor, masks: EncoderMasks = {}): Tensor {
    const result = this.layers.reduce((y, layer) => layer.forward(y, masks), x);
    return this.norm?.forward(result) ?? result;
  }
}

/** Blocks one after the other, all of which see the memory, and maybe a norm at the end. */
export class TransformerDecoder {
  readonly layers: readonly TransformerDecoderLayer[];

  constructor(
    makeLayer: () => TransformerDecoderLayer,
    count: number,
    readonly norm?: LayerNorm,
  ) {
    this.layers = Array.from({ length: count }, makeLayer);
  }

  forward(x: Tensor, memory: Tensor, masks: DecoderMasks = {}): Tensor {
    const result = this.layers.reduce((y, layer) => layer.forward(y, memory, masks), x);
    return this.norm?.forward(result) ?? result;
  }
}

export interface TransformerOptions extends TransformerLayerOptions {
  /** Blocks of the encoder; default 6. */
  readonly encoderLayers?: number;
  /** Blocks of the decoder; default 6. */
  readonly decoderLayers?: number;
}

export interface TransformerMasks extends DecoderMasks {
  readonly sourceMask?: Tensor;
  readonly sourceKeyPaddingMask?: Tensor;
  readonly sourceIsCausal?: boolean;
}

/**
 * An encoder and a decoder: source [batch, s, width] and target [batch, l, width] to [batch, l, width].
 *
 * @example
 * const model = new nn.Transformer(16, 4, { encoderLayers: 1, decoderLayers: 1 });
 * model.forward(Tensor.randn([2, 10, 16]), Tensor.randn([2, 7, 16])).shape; // => [2, 7, 16]
 */
export class Transformer {
  readonly encoder: TransformerEncoder;
  readonly decoder: TransformerDecoder;

  constructor(
    readonly width = 512,
    heads = 8,
    { encoderLayers = 6, decoderLayers = 6, ...options }: TransformerOptions = {},
  ) {
    const { eps = 1e-5, bias = true } = options;
    const norm = (): LayerNorm => new LayerNorm(width, { eps, bias });
    this.encoder = new TransformerEncoder(
      () => new TransformerEncoderLayer(width, heads, options),
      encoderLayers,
      norm(),
    );
    this.decoder = new TransformerDecoder(
      () => new TransformerDecoderLayer(width, heads, options),
      decoderLayers,
      norm(),
    );
    for (const x of parameters(this)) if (x.ndim > 1) x.assign(Tensor.glorotUniform(x.sizes));
  }

  forward(source: Tensor, target: Tensor, masks: TransformerMasks = {}): Tensor {
    const { sourceMask: mask, sourceKeyPaddingMask: keyPaddingMask, sourceIsCausal: isCausal } = masks;
    return this.decoder.forward(
      target,
      this.encoder.forward(source, { mask, keyPaddingMask, isCausal }),
      masks,
    );
  }
}
