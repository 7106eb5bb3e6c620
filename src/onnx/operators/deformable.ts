// Convolutions whose places are moved by what the model computed (Dai and others, 2017; Zhu and others, 2018).

import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators } from "../operator.js";
import { product, windowsOf } from "./windows.js";

function deformable(call: Call): Tensor {
  const [x, weight, offset] = [0, 1, 2].map((i) => call.tensor(i));
  const [bias, mask] = [call.optional(3), call.optional(4)];
  const windows = windowsOf(call, x, call.ints("kernel_shape") ?? weight.sizes.slice(2));
  const { kernel, strides, dilations, padding, counts } = windows;
  const rank = kernel.length;
  if (rank !== 2 && rank !== 3) call.fail(`it needs images [b, c, h, w] or [b, c, d, h, w], not ${x}`);
  const [batch, channels] = x.sizes;
  const lengths = x.sizes.slice(2);
  const [groups, offsetGroups] = [call.int("group", 1), call.int("offset_group", 1)];
  const size = product(kernel);
  // [batch * offset groups, kernel.., axis, windows..]
  const moves = offset.reshape([batch * offsetGroups, ...kernel, rank, ...counts]);
  const places = lengths.map((length, axis) => {
    const along = (n: number, step: number, at: number): Tensor =>
      Tensor.arange(n, undefined, 1, { dtype: "int32" })
        .mul(step)
        .reshape(Array.from({ length: 2 * rank + 1 }, (_, i) => (i === at ? n : 1)));
    const still = along(kernel[axis], dilations[axis], 1 + axis)
      .add(along(counts[axis], strides[axis], 1 + rank + axis))
      .sub(padding[axis][0]);
    // From -1 to 1 between the outer edges, which is how images are read at places.
    return moves
      .select(1 + rank, axis)
      .add(still)
      .mul(2 / length)
      .add(1 / length - 1);
  });
  const grid = Tensor.stack(places.reverse(), -1)
    .flatten(1, rank)
    .reshape([batch * offsetGroups, size * counts[0], ...counts.slice(1), rank]);
  const read = x.reshape([batch * offsetGroups, channels / offsetGroups, ...lengths]).gridSample(grid);
  const windowCount = product(counts);
  const seen = read.reshape([batch, offsetGroups, channels / offsetGroups, size, windowCount]);
  const counted =
    mask === undefined ? seen : seen.mul(mask.reshape([batch, offsetGroups, 1, size, windowCount]));
  const columns = counted.reshape([batch, groups, (channels / groups) * size, windowCount]);
  const rows = weight.reshape([groups, weight.sizeAt(0) / groups, (channels / groups) * size]);
  const result = rows.matmul(columns).reshape([batch, weight.sizeAt(0), ...counts]);
  return bias === undefined ? result : result.add(bias.reshape([-1, ...kernel.map(() => 1)]));
}

export const deformables: Operators = { DeformConv: deformable };
