// Convolutions and their transposes.

import type { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators } from "../operator.js";
import { windowsOf } from "./windows.js";

/** The operation for a number of axes behind batch and channels. */
function ofRank<T>(call: Call, rank: number, ...choices: readonly T[]): T {
  return (
    choices[rank - 1] ?? call.fail(`tensors of ${rank} axes behind batch and channels are not supported`)
  );
}

export function convolve(call: Call, x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const { strides, dilations, padding } = windowsOf(
    call,
    x,
    call.ints("kernel_shape") ?? weight.sizes.slice(2),
  );
  const options = { stride: strides, dilation: dilations, padding, groups: call.int("group", 1) };
  return ofRank(
    call,
    x.ndim - 2,
    () => x.conv1d(weight, bias, options),
    () => x.conv2d(weight, bias, options),
    () => x.conv3d(weight, bias, options),
  )();
}

/** The adjoint of a convolution, cut or filled up to the size that pads, output_shape or auto_pad ask for. */
function convTranspose(call: Call): Tensor {
  const [x, weight] = [call.tensor(0), call.tensor(1)];
  const bias = call.optional(2);
  const kernel = weight.sizes.slice(2);
  const stride = call.ints("strides") ?? kernel.map(() => 1);
  const dilation = call.ints("dilations") ?? kernel.map(() => 1);
  const extra = call.ints("output_padding") ?? kernel.map(() => 0);
  const options = { stride, dilation, groups: call.int("group", 1) };
  const whole = ofRank(
    call,
    x.ndim - 2,
    () => x.convTranspose1d(weight, undefined, options),
    () => x.convTranspose2d(weight, undefined, options),
    () => x.convTranspose3d(weight, undefined, options),
  )();
  const auto = call.text("auto_pad", "NOTSET");
  const asked = call.ints("output_shape")?.slice(-kernel.length);
  const pads = call.ints("pads");
  const around = kernel.map((_, i): [number, number] => {
    const same = auto === "SAME_UPPER" || auto === "SAME_LOWER";
    const wanted = asked?.[i] ?? (same ? x.sizeAt(i + 2) * stride[i] : undefined);
    if (wanted === undefined) return [-(pads?.[i] ?? 0), extra[i] - (pads?.[i + kernel.length] ?? 0)];
    const total = whole.sizeAt(i + 2) + extra[i] - wanted;
    const less = Math.floor(total / 2);
    const before = auto === "SAME_UPPER" ? less : total - less;
    return [-before, extra[i] - (total - before)];
  });
  const result = whole.pad([[0, 0], [0, 0], ...around]);
  return bias === undefined ? result : result.add(bias.reshape([-1, ...kernel.map(() => 1)]));
}

export const convolutions: Operators = {
  Conv: (call) => convolve(call, call.tensor(0), call.tensor(1), call.optional(2)),
  ConvTranspose: convTranspose,
};
