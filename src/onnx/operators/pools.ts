// Pools: the largest, the mean, the norm of windows, or of all of a channel.

import { Tensor } from "../../tensor/tensor.js";
import { reduceIdentity } from "../../scalar/evaluate.js";
import { isFloat } from "../../scalar/dtype.js";
import type { Call, Operators, Result } from "../operator.js";
import { TensorValue } from "../value.js";
import { elementAxes, elementsOf, product, type Windows, windowsOf } from "./windows.js";

const poolWindows = (call: Call, x: Tensor): Windows =>
  windowsOf(call, x, call.ints("kernel_shape") ?? call.fail("it needs the attribute kernel_shape"));

const behindChannels = (x: Tensor): number[] => x.shape.map((_, axis) => axis).slice(2);

/** The largest of each window, and if anybody asks its place among all elements of the tensor. */
function maxPool(call: Call): Result[] {
  const x = call.tensor(0);
  const windows = poolWindows(call, x);
  const elements = elementsOf(x, windows, Number(reduceIdentity("max", x.dtype)));
  const largest = TensorValue.of(elements.max(elementAxes(windows)), call.typed(0).type);
  if (!call.wants(1)) return [largest];
  return [largest, TensorValue.of(placesOf(call, x, elements, windows).cast("int64"))];
}

/** Where the first largest element of each window lies. */
function placesOf(call: Call, x: Tensor, elements: Tensor, windows: Windows): Tensor {
  const { kernel, strides, dilations, padding, counts } = windows;
  const first = elements
    .flatten(2 + kernel.length)
    .argmax(-1)
    .cast("int32");
  const range = (n: number, axis: number): Tensor =>
    Tensor.arange(n, undefined, 1, { dtype: "int32" }).reshape(
      first.shape.map((_, i) => (i === axis ? n : 1)),
    );
  const lengths = x.sizes.slice(2);
  // By columns the first of the spatial axes is the one whose neighbours lie next to each other.
  const byColumns = call.flag("storage_order");
  const within = kernel.map((size, i) => {
    const part = first.idiv(product(kernel.slice(i + 1))).remainder(size);
    const place = part
      .mul(dilations[i])
      .add(range(counts[i], i + 2).mul(strides[i]))
      .sub(padding[i][0]);
    return place.mul(byColumns ? product(lengths.slice(0, i)) : product(lengths.slice(i + 1)));
  });
  const channel = range(x.sizeAt(0), 0)
    .mul(x.sizeAt(1))
    .add(range(x.sizeAt(1), 1));
  return within.reduce((sum, part) => sum.add(part), channel.mul(product(lengths)));
}

/** Elements put back to the places that MaxPool gave, zeros around them. */
function maxUnpool(call: Call): Tensor {
  const [x, places] = [call.tensor(0), call.tensor(1)];
  const kernel = call.ints("kernel_shape") ?? call.fail("it needs the attribute kernel_shape");
  const strides = call.ints("strides") ?? kernel.map(() => 1);
  const pads = call.ints("pads") ?? kernel.flatMap(() => [0, 0]);
  const plain = kernel.map(
    (size, i) => (x.sizeAt(i + 2) - 1) * strides[i] + size - pads[i] - pads[i + kernel.length],
  );
  const inner = [...x.sizes.slice(0, 2), ...plain];
  const shape = call.has(2) ? call.integers(2) : inner;
  // Places count in the tensor that was pooled, which may be smaller than the one asked for.
  const flat = Tensor.zeros([product(inner)], { dtype: x.dtype });
  const filled = flat.scatter(0, places.cast("int32").ravel(), x.ravel()).reshape(inner);
  return filled.pad(shape.map((size, axis): [number, number] => [0, size - inner[axis]]));
}

/** How many elements each window of an axis has; with `padding` places around the axis count, too. */
function countsAlong(
  { kernel, strides, dilations, padding, counts }: Windows,
  axis: number,
  length: number,
  all: boolean,
): number[] {
  const [before, after] = padding[axis];
  const [low, high] = all ? [-before, length + after] : [0, length];
  return Array.from({ length: counts[axis] }, (_, i) => {
    const start = i * strides[axis] - before;
    const places = Array.from({ length: kernel[axis] }, (_, k) => start + k * dilations[axis]);
    return places.filter((place) => place >= low && place < high).length;
  });
}

export function averagePool(call: Call, x: Tensor): Tensor {
  const windows = poolWindows(call, x);
  const sums = elementsOf(x, windows, 0).sum(elementAxes(windows));
  const lengths = x.sizes.slice(2);
  const counts = lengths.map((length, i) => countsAlong(windows, i, length, call.flag("count_include_pad")));
  if (counts.every((list) => list.every((count) => count === list[0])))
    return sums.div(counts.reduce((n, [count]) => n * count, 1));
  const each = counts.map((list, i) =>
    Tensor.from(Float32Array.from(list), { shape: lengths.map((_, k) => (k === i ? list.length : 1)) }),
  );
  return sums.div(each.reduce((product, list) => product.mul(list)).cast(sums.dtype));
}

/** The p-th root of the sum of p-th powers. */
const norm = (x: Tensor, p: number, axes: number[], keepdim: boolean): Tensor =>
  p === 1
    ? x.abs().sum(axes, { keepdim })
    : p === 2
      ? x.square().sum(axes, { keepdim }).sqrt()
      : x
          .abs()
          .pow(p)
          .sum(axes, { keepdim })
          .pow(1 / p);

const exponent = (call: Call): number => (call.version < 2 ? call.float("p", 2) : call.int("p", 2));

function lpPool(call: Call): Tensor {
  const x = call.tensor(0);
  const windows = poolWindows(call, x);
  return norm(elementsOf(x, windows, 0), exponent(call), elementAxes(windows), false);
}

export const pools: Operators = {
  MaxPool: maxPool,
  MaxUnpool: maxUnpool,
  AveragePool: (call) => averagePool(call, call.tensor(0)),
  LpPool: lpPool,
  GlobalAveragePool: (call) => {
    const x = call.tensor(0);
    if (!isFloat(x.dtype)) return call.fail(`a mean is taken of floats, not of ${x}`);
    return x.mean(behindChannels(x), { keepdim: true });
  },
  GlobalMaxPool: (call) => call.tensor(0).max(behindChannels(call.tensor(0)), { keepdim: true }),
  GlobalLpPool: (call) => norm(call.tensor(0), exponent(call), behindChannels(call.tensor(0)), true),
};
