// Products and convolutions of the domain com.microsoft: with what follows them in one, or of weights of few bits in blocks.

import type { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators } from "../operator.js";
import { convolve } from "./convolutions.js";
import { gemm } from "./products.js";
import { type Activation, ACTIVATIONS } from "./recurrent.js";

/** alpha A B, with axes moved before: the last two swapped, or the first brought behind the axes of batches. */
function matMul(call: Call): Tensor {
  const operand = (i: number, name: "A" | "B"): Tensor => {
    const x = call.flag(`transBatch${name}`) ? call.tensor(i).movedim(0, -2) : call.tensor(i);
    return call.flag(`trans${name}`) && x.ndim > 1 ? x.transpose(-2, -1) : x;
  };
  const product = operand(0, "A").matmul(operand(1, "B"));
  const alpha = call.float("alpha", 1);
  return alpha === 1 ? product : product.mul(alpha);
}

/** What the attribute `activation` names, with its numbers. */
function activationOf(call: Call, numbers: readonly (number | undefined)[]): Activation {
  const name = call.text("activation", "");
  if (name === "") return (x) => x;
  const [alpha, beta] = numbers;
  if (name === "Clip")
    return (x) => x.clamp(alpha ?? Number.NEGATIVE_INFINITY, beta ?? Number.POSITIVE_INFINITY);
  const make = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  return make?.(alpha, beta) ?? call.fail(`there is no activation "${name}"`);
}

/** A convolution, and a tensor that is added before the activation. */
function fusedConvolution(call: Call): Tensor {
  const result = convolve(call, call.tensor(0), call.tensor(1), call.optional(2));
  const added = call.optional(3);
  const activation = activationOf(call, call.floats("activation_params") ?? []);
  return activation(added === undefined ? result : result.add(added));
}

const fusedGemm = (call: Call): Tensor =>
  activationOf(call, [call.float("activation_alpha"), call.float("activation_beta")])(gemm(call));

// --- weights in blocks ---------------------------------------------------------------------------------------------------

function bitsOf(call: Call): number {
  const bits = call.int("bits", 4);
  return bits === 2 || bits === 4 || bits === 8 ? bits : call.fail(`its bits must be 2, 4 or 8, not ${bits}`);
}

/** Unsigned integers of a few bits, the first in a byte's low bits: [.., n] bytes give [.., n * 8 / bits]. */
function unpacked(bytes: Tensor, bits: number): Tensor {
  if (bits === 8) return bytes;
  const halves = bytes.unpackInt4({ signed: false });
  return bits === 4
    ? halves
    : halves.unsqueeze(-1).cat(-1, halves.shr(2).unsqueeze(-1)).flatten(-2).bitwiseAnd(3);
}

/** The same less half of their range, which is their zero where none is given. */
function centred(bytes: Tensor, bits: number): Tensor {
  if (bits === 4) return bytes.bitwiseXor(0x88).unpackInt4();
  return unpacked(bytes, bits)
    .cast("int16")
    .sub(2 ** (bits - 1))
    .cast("int8");
}

/** x times a matrix [out, blocks, bytes] transposed, whose blocks have a scale each. */
function matMulBits(call: Call): Tensor {
  const [x, weight, scales] = [0, 1, 2].map((i) => call.tensor(i));
  const zeros = call.optional(3);
  if (call.has(4)) call.fail("an order of the weight's groups is not supported");
  const bits = bitsOf(call);
  const size = call.int("block_size") ?? call.fail("it needs the attribute block_size");
  const [width, out] = [x.sizeAt(-1), call.int("N") ?? call.fail("it needs the attribute N")];
  const blocks = Math.ceil(width / size);
  const bytes = weight.reshape([out, (blocks * size * bits) / 8]);
  // The last block may be wider than what is left.
  const filled = x.pad(
    x.shape.map((_, i): [number, number] => [0, i === x.ndim - 1 ? blocks * size - width : 0]),
  );
  const options = { bias: call.optional(5), name: "weight" };
  const perBlock = scales.reshape([out, blocks]);
  if (zeros === undefined) return filled.quantizedLinear(centred(bytes, bits), perBlock, options);
  const zeroPoints =
    zeros.dtype === "uint8"
      ? unpacked(zeros.reshape([out, zeros.size / out]), bits).narrow(1, 0, blocks)
      : zeros.reshape([out, blocks]);
  return filled.quantizedLinear(unpacked(bytes, bits), perBlock, { ...options, zeroPoints });
}

/** Rows of a table of integers in blocks, each block with a scale, and perhaps a zero. */
function gatherBlocks(call: Call): Tensor {
  const { tensor: data, type } = call.typed(0);
  const [indices, scales] = [call.tensor(1), call.tensor(2)];
  const zeros = call.optional(3);
  const size = call.int("block_size", 128);
  const bits = bitsOf(call);
  const packed = type === "uint8";
  const axis = call.axis(call.int("quantize_axis", 1), data.ndim);
  const gatherAxis = call.axis(call.int("gather_axis", 0), data.ndim);
  if (axis === gatherAxis) call.fail("the axes to quantise and to gather along must differ");
  const places = indices.cast("int32").ravel();
  const taken = (x: Tensor): Tensor => x.indexSelect(gatherAxis, places);
  const values = packed && zeros === undefined ? centred(taken(data), bits) : taken(data);
  const integers = packed && zeros !== undefined ? unpacked(values, bits) : values;
  const length = integers.sizeAt(axis);
  const spread = (x: Tensor): Tensor =>
    taken(x).repeatInterleave(size, axis).narrow(axis, 0, length).cast(scales.dtype);
  const zeroPoints =
    zeros === undefined || !packed ? zeros : unpacked(zeros, bits).narrow(-1, 0, scales.sizeAt(-1));
  const wide = integers.cast(scales.dtype);
  const plain = zeroPoints === undefined ? wide : wide.sub(spread(zeroPoints));
  return plain.mul(spread(scales)).unflatten(gatherAxis, indices.sizes);
}

export const microsoftProducts: Operators = {
  FusedMatMul: matMul,
  TransposeMatMul: matMul,
  FusedGemm: fusedGemm,
  FusedConv: fusedConvolution,
  MatMulNBits: matMulBits,
  GatherBlockQuantized: gatherBlocks,
  Inverse: (call) => call.tensor(0).inverse(),
};
