// Operators that arrange elements otherwise: other shapes, other orders, repeated.

import type { Tensor } from "../../tensor/tensor.js";
import { moved } from "../moving.js";
import type { Call, Operators } from "../operator.js";

/** The shape in the second input, before version 5 in an attribute; 0 is the input's size, -1 what is left. */
function reshape(call: Call, x: Tensor): Tensor {
  const wanted = call.version >= 5 ? call.integers(1) : (call.ints("shape") ?? []);
  const zeroIsSize = !call.flag("allowzero");
  const sizes = wanted.map((size, axis) => {
    if (size !== 0 || !zeroIsSize) return size;
    return axis < x.ndim
      ? x.sizeAt(axis)
      : call.fail(`the shape [${wanted}] takes axis ${axis} of ${x}, which has none`);
  });
  return x.reshape(sizes);
}

/** All axes before `axis` are one, and all from it on. */
function flatten(call: Call, x: Tensor): Tensor {
  const given = call.int("axis", 1);
  const axis = given < 0 ? given + x.ndim : given;
  if (axis < 0 || axis > x.ndim) call.fail(`axis ${given} does not lie among the ${x.ndim} axes of ${x}`);
  const size = (part: readonly number[]): number => part.reduce((n, d) => n * d, 1);
  return x.reshape([size(x.sizes.slice(0, axis)), size(x.sizes.slice(axis))]);
}

/** Axes from the second input, before version 13 from an attribute. */
const axesOf = (call: Call): number[] | undefined =>
  call.version >= 13 ? (call.has(1) ? call.integers(1) : undefined) : call.ints("axes");

function squeeze(call: Call, x: Tensor): Tensor {
  const axes = axesOf(call)?.map((axis) => call.axis(axis, x.ndim));
  const wide = axes?.find((axis) => x.sizeAt(axis) !== 1);
  if (wide !== undefined) call.fail(`axis ${wide} of ${x} has ${x.sizeAt(wide)} elements, and cannot go`);
  return x.reshape(x.sizes.filter((size, axis) => (axes === undefined ? size !== 1 : !axes.includes(axis))));
}

function unsqueeze(call: Call, x: Tensor): Tensor {
  const given = axesOf(call) ?? call.fail("it needs axes");
  const rank = x.ndim + given.length;
  const axes = new Set(given.map((axis) => call.axis(axis, rank)));
  if (axes.size < given.length) call.fail(`the axes [${given}] name one twice`);
  const sizes = [...x.sizes];
  return x.reshape(Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 1 : sizes.shift()!)));
}

/** Repeated along each axis; in version 1 along one axis, both given by scalars. */
function tile(call: Call, x: Tensor): Tensor {
  if (call.version >= 6) return x.repeat(call.integers(1));
  const [times, axis] = [call.number(1), call.axis(call.number(2), x.ndim)];
  return x.repeat(x.shape.map((_, i) => (i === axis ? times : 1)));
}

/** Both shapes are broadcast to each other. */
function expand(call: Call, x: Tensor): Tensor {
  const wanted = call.integers(1);
  const rank = Math.max(wanted.length, x.ndim);
  const sizes = Array.from({ length: rank }, (_, i) => {
    const [own, other] = [x.sizes[i - rank + x.ndim] ?? 1, wanted[i - rank + wanted.length] ?? 1];
    return other === 1 ? own : other;
  });
  return x.expand(sizes);
}

/** Blocks of channels become blocks of pixels; DCR takes the block's place first among channels, CRD last. */
function depthToSpace(call: Call, x: Tensor): Tensor {
  const block = call.int("blocksize") ?? call.fail("it needs the attribute blocksize");
  const [batch, channels, rows, columns] = x.sizes;
  const rest = channels / block ** 2;
  const blocks =
    call.text("mode", "DCR") === "DCR"
      ? x.reshape([batch, block, block, rest, rows, columns]).permute([0, 3, 4, 1, 5, 2])
      : x.reshape([batch, rest, block, block, rows, columns]).permute([0, 1, 4, 2, 5, 3]);
  return blocks.reshape([batch, rest, rows * block, columns * block]);
}

function spaceToDepth(call: Call, x: Tensor): Tensor {
  const block = call.int("blocksize") ?? call.fail("it needs the attribute blocksize");
  const [batch, channels, rows, columns] = x.sizes;
  return x
    .reshape([batch, channels, rows / block, block, columns / block, block])
    .permute([0, 3, 5, 1, 2, 4])
    .reshape([batch, channels * block ** 2, rows / block, columns / block]);
}

export const movement: Operators = {
  Reshape: moved(reshape),
  Flatten: moved(flatten),
  Squeeze: moved(squeeze),
  Unsqueeze: moved(unsqueeze),
  Transpose: moved((call, x) => x.permute(call.ints("perm") ?? x.shape.map((_, axis) => x.ndim - 1 - axis))),
  Tile: moved(tile),
  Expand: moved(expand),
  DepthToSpace: moved(depthToSpace),
  SpaceToDepth: moved(spaceToDepth),
};
