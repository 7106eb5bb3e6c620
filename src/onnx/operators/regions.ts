// Regions of images, and images from columns.

import { Tensor } from "../../tensor/tensor.js";
import type { Call, Operators } from "../operator.js";

/** Windows as columns, added up to the image that they were taken from. */
function col2im(call: Call): Tensor {
  const [size, kernel] = [call.integers(1), call.integers(2)];
  const pads = call.ints("pads") ?? kernel.flatMap(() => [0, 0]);
  return call.tensor(0).col2im(size, kernel, {
    stride: call.ints("strides") ?? kernel.map(() => 1),
    dilation: call.ints("dilations") ?? kernel.map(() => 1),
    padding: kernel.map((_, i): [number, number] => [pads[i], pads[i + kernel.length]]),
  });
}

/** One element of an image, and its weight. */
type Corner = readonly [place: number, weight: number];

/** The four elements around a point, by their distance; nothing counts that lies further out than an element. */
function cornersAt(y: number, x: number, height: number, width: number): Corner[] {
  if (y < -1 || y > height || x < -1 || x > width) return Array<Corner>(4).fill([0, 0]);
  const along = (at: number, length: number): readonly [number, number, number] => {
    const low = Math.min(Math.floor(Math.max(at, 0)), length - 1);
    const part = low === length - 1 ? 0 : Math.max(at, 0) - low;
    return [low, Math.min(low + 1, length - 1), part];
  };
  const [top, bottom, v] = along(y, height);
  const [left, right, h] = along(x, width);
  return [
    [top * width + left, (1 - v) * (1 - h)],
    [top * width + right, (1 - v) * h],
    [bottom * width + left, v * (1 - h)],
    [bottom * width + right, v * h],
  ];
}

/**
 * The mean or the largest of points spread over each cell of a grid on each region (He and others, 2017). Regions decide how
 * many points there are, so that the host computes them.
 */
function roiAlign(call: Call): Tensor {
  const x = call.tensor(0);
  const regions = Array.from(call.known(1) as ArrayLike<number>);
  const images = call.integers(2);
  const [rows, columns] = [call.int("output_height", 1), call.int("output_width", 1)];
  const [scale, ratio] = [call.float("spatial_scale", 1), call.int("sampling_ratio", 0)];
  const half =
    call.version >= 16 && call.text("coordinate_transformation_mode", "half_pixel") === "half_pixel";
  const [, channels, height, width] = x.sizes;
  const cells = images.map((image, r) => {
    const [x1, y1, x2, y2] = regions.slice(4 * r, 4 * r + 4).map((at) => at * scale - (half ? 0.5 : 0));
    // Without half pixels a region is at least an element large.
    const size = (from: number, to: number): number => (half ? to - from : Math.max(1, to - from));
    const [cellHeight, cellWidth] = [size(y1, y2) / rows, size(x1, x2) / columns];
    const [down, across] = [cellHeight, cellWidth].map((length) => ratio || Math.max(1, Math.ceil(length)));
    return Array.from({ length: rows * columns }, (_, cell) => {
      const [row, column] = [Math.floor(cell / columns), cell % columns];
      return Array.from({ length: down * across }, (_, k) => {
        const y = y1 + (row + (Math.floor(k / across) + 0.5) / down) * cellHeight;
        const left = x1 + (column + ((k % across) + 0.5) / across) * cellWidth;
        return cornersAt(y, left, height, width).map(
          ([place, weight]): Corner => [image * height * width + place, weight],
        );
      });
    });
  });
  const average = call.text("mode", "avg") === "avg";
  const points = Math.max(1, ...cells.flat().map((list) => list.length));
  // Regions of fewer points repeat their first, which as part of a mean weighs nothing.
  const filled = cells
    .flat()
    .flatMap((list) =>
      Array.from({ length: points }, (_, k) =>
        (list[k] ?? list[0]).map(
          ([place, weight]): Corner => [
            place,
            average ? (k < list.length ? weight / list.length : 0) : weight,
          ],
        ),
      ),
    );
  const corners = filled.flat();
  const pixels = x.permute([0, 2, 3, 1]).reshape([-1, channels]);
  const taken = pixels.indexSelect(
    0,
    Int32Array.from(corners, ([place]) => place),
  );
  const weights = Tensor.from(Float64Array.from(corners, ([, weight]) => weight)).cast(x.dtype);
  const weighted = taken
    .mul(weights.unsqueeze(1))
    .reshape([images.length, rows, columns, points * 4, channels]);
  return (average ? weighted.sum(3) : weighted.max(3)).permute([0, 3, 1, 2]);
}

/** The largest of each cell of a grid on each region, in whole elements. */
function maxRoiPool(call: Call): Tensor {
  const x = call.tensor(0);
  const regions = Array.from(call.known(1) as ArrayLike<number>);
  const [rows, columns] = call.ints("pooled_shape") ?? call.fail("it needs the attribute pooled_shape");
  const scale = call.float("spatial_scale", 1);
  const [, channels, height, width] = x.sizes;
  const count = regions.length / 5;
  const pooled = Array.from({ length: count }, (_, r) => {
    const image = regions[5 * r];
    const [x1, y1, x2, y2] = regions.slice(5 * r + 1, 5 * r + 5).map((at) => Math.round(at * scale));
    const cell = (from: number, to: number, i: number, parts: number, length: number): [number, number] => {
      const size = Math.max(1, to - from + 1) / parts;
      const clamp = (at: number): number => Math.min(length, Math.max(0, at));
      return [clamp(from + Math.floor(i * size)), clamp(from + Math.ceil((i + 1) * size))];
    };
    const cells = Array.from({ length: rows * columns }, (_, i) => {
      const down = cell(y1, y2, Math.floor(i / columns), rows, height);
      const across = cell(x1, x2, i % columns, columns, width);
      if (down[0] >= down[1] || across[0] >= across[1]) return Tensor.zeros([channels], { dtype: x.dtype });
      return x
        .select(0, image)
        .shrink([[0, channels], down, across])
        .max([1, 2]);
    });
    return Tensor.stack(cells, 1).reshape([channels, rows, columns]);
  });
  return pooled.length === 0
    ? Tensor.zeros([0, channels, rows, columns], { dtype: x.dtype })
    : Tensor.stack(pooled);
}

export const regions: Operators = { Col2Im: col2im, RoiAlign: roiAlign, MaxRoiPool: maxRoiPool };
