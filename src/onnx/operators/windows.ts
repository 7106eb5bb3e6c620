// What convolutions and pools have in common: how windows lie on the axes behind batch and channels.

import type { Tensor } from "../../tensor/tensor.js";
import type { Call } from "../operator.js";

export interface Windows {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Places before and after each axis. */
  readonly padding: readonly (readonly [number, number])[];
  /** Places behind those that the last windows reach over, where sizes are rounded up. */
  readonly reach: readonly number[];
  readonly counts: readonly number[];
}

/** Windows of the sizes `kernel`, as strides, dilations, pads, auto_pad and ceil_mode say. */
export function windowsOf(call: Call, x: Tensor, kernel: readonly number[]): Windows {
  const lengths = x.sizes.slice(2);
  if (lengths.length !== kernel.length)
    call.fail(
      `windows of ${kernel.length} axes do not lie on ${x}, which has ${lengths.length} behind its channels`,
    );
  const strides = call.ints("strides") ?? kernel.map(() => 1);
  const dilations = call.ints("dilations") ?? kernel.map(() => 1);
  const spans = kernel.map((size, i) => dilations[i] * (size - 1) + 1);
  const padding = paddingOf(call, lengths, strides, spans);
  const up = call.flag("ceil_mode");
  const counts = lengths.map((length, i) => {
    const [before, after] = padding[i];
    const room = (length + before + after - spans[i]) / strides[i];
    const count = (up ? Math.ceil(room) : Math.floor(room)) + 1;
    // A window that would begin in what was only rounded up to is none.
    return up && (count - 1) * strides[i] >= length + before ? count - 1 : count;
  });
  const wrong = counts.findIndex((count) => !(count > 0));
  if (wrong >= 0) call.fail(`a window of ${spans[wrong]} places does not fit on axis ${wrong + 2} of ${x}`);
  const reach = counts.map((count, i) =>
    Math.max(0, (count - 1) * strides[i] + spans[i] - lengths[i] - padding[i][0] - padding[i][1]),
  );
  return { kernel, strides, dilations, padding, reach, counts };
}

/** SAME gives as many windows as strides fit; an odd place more goes behind, or with SAME_LOWER before. */
function paddingOf(
  call: Call,
  lengths: readonly number[],
  strides: readonly number[],
  spans: readonly number[],
): [number, number][] {
  const auto = call.text("auto_pad", "NOTSET");
  const pads = call.ints("pads");
  if (auto === "NOTSET") return lengths.map((_, i) => [pads?.[i] ?? 0, pads?.[i + lengths.length] ?? 0]);
  if (auto === "VALID") return lengths.map(() => [0, 0]);
  if (auto !== "SAME_UPPER" && auto !== "SAME_LOWER") call.fail(`there is no auto_pad "${auto}"`);
  return lengths.map((length, i) => {
    const count = Math.ceil(length / strides[i]);
    const total = Math.max(0, (count - 1) * strides[i] + spans[i] - length);
    const less = Math.floor(total / 2);
    return auto === "SAME_UPPER" ? [less, total - less] : [total - less, less];
  });
}

/** The windows' elements on axes of their own, behind all others; `fill` where there is nothing of the tensor. */
export function elementsOf(x: Tensor, windows: Windows, fill: number): Tensor {
  const { kernel, strides, dilations, padding, reach } = windows;
  const around = padding.map(([before, after], i): [number, number] => [before, after + reach[i]]);
  const padded = x.pad([[0, 0], [0, 0], ...around], { value: fill });
  return kernel.reduce((result, size, i) => result.unfold(i + 2, size, strides[i], dilations[i]), padded);
}

/** The axes that `elementsOf` has added. */
export const elementAxes = ({ kernel }: Windows): number[] => kernel.map((_, i) => 2 + kernel.length + i);

/** Of sizes: the number of elements. */
export const product = (sizes: readonly number[]): number => sizes.reduce((n, size) => n * size, 1);
