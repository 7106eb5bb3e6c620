// Integers of four bits, two in a byte, as files of quantised weights hold them. They are unpacked where they are used:
// what is computed with them reads half a byte for each.

import { iota } from "../graph/node.js";
import { isInteger } from "../scalar/dtype.js";
import { TensorError } from "./core.js";
import { Movement } from "./movement.js";
import type { Tensor } from "./tensor.js";

export interface UnpackInt4Options {
  /** Whether four bits stand for -8 to 7, and not for 0 to 15; default true. */
  readonly signed?: boolean;
}

/** Elements in a byte, and the bits of each. */
const [IN_BYTE, BITS] = [2, 4];

export abstract class Packing extends Movement {
  /**
   * The four-bit integers of these bytes (uint8), as int8 or, unsigned, uint8: [.., n] gives [.., 2n], of each byte the one
   * in its low bits first, as ONNX has them. They are not stored: `quantizedLinear`, or any product with them, reads the
   * bytes. Another dtype, or no axis, is a TensorError.
   *
   * @example Tensor.from([0x21, 0xf8], { dtype: "uint8" }).unpackInt4(); // => [1, 2, -8, -1]
   * @example Tensor.from([0x21, 0xf8], { dtype: "uint8" }).unpackInt4({ signed: false }); // => [1, 2, 8, 15]
   */
  unpackInt4({ signed = true }: UnpackInt4Options = {}): Tensor {
    const x = this.self;
    if (x.dtype !== "uint8" || x.ndim === 0)
      throw new TensorError(`unpackInt4: packed integers are uint8 with an axis, got ${x.dtype}[${x.shape}]`);
    const outer = x.sizes.slice(0, -1);
    const bytes = x.sizes[x.ndim - 1];
    const pairs = x.unsqueeze(-1).expand([...x.sizes, IN_BYTE]);
    const which = this.wrap(iota(pairs.sizes, pairs.ndim - 1));
    const flat = (y: Tensor): Tensor => y.reshape([...outer, IN_BYTE * bytes]);
    if (!signed) return flat(pairs.shr(which.mul(BITS).cast("uint8")).bitwiseAnd(2 ** BITS - 1));
    // Up to the sign of a word, and back.
    const high = pairs.cast("int32").shl(which.mul(-BITS).add(32 - BITS));
    return flat(high.shr(32 - BITS).cast("int8"));
  }

  /**
   * Pairs of integers along the last axis as bytes (uint8), the first of a pair in the low bits: [.., 2n] gives [.., n],
   * which `unpackInt4` takes apart. Of each integer the low four bits are kept. Floats, or an odd last axis, are a
   * TensorError.
   *
   * @example Tensor.from([1, 2, -8, -1], { dtype: "int8" }).packInt4(); // => [0x21, 0xf8]
   */
  packInt4(): Tensor {
    const x = this.self;
    const last = x.ndim === 0 ? 0 : x.sizes[x.ndim - 1];
    if (!isInteger(x.dtype) || x.ndim === 0 || last % IN_BYTE !== 0)
      throw new TensorError(
        `packInt4: takes integers, an even number along the last axis, got ${x.dtype}[${x.shape}]`,
      );
    const nibbles = x.cast("uint8").bitwiseAnd(2 ** BITS - 1);
    const pairs = nibbles.reshape([...x.sizes.slice(0, -1), last / IN_BYTE, IN_BYTE]);
    return pairs.select(-1, 0).bitwiseOr(pairs.select(-1, 1).shl(BITS));
  }
}
