// Running sums and products.

import type { Tensor } from "../../tensor/tensor.js";
import type { Operator, Operators } from "../operator.js";

/** A running result along the axis in the second input, maybe from the end, maybe without each place's own element. */
const running =
  (scan: (x: Tensor, axis: number) => Tensor, neutral: number): Operator =>
  (call) => {
    const given = call.tensor(0);
    const axis = call.axis(call.number(1), given.ndim);
    const size = given.sizeAt(axis);
    const reverse = call.flag("reverse");
    const x = reverse ? given.flip(axis) : given;
    let result = scan(x, axis).cast(x.dtype);
    if (call.flag("exclusive") && size > 0) {
      const front = x.shape.map((_, i): [number, number] => (i === axis ? [1, 0] : [0, 0]));
      result = result.narrow(axis, 0, size - 1).pad(front, { value: neutral });
    }
    return reverse ? result.flip(axis) : result;
  };

export const scans: Operators = {
  CumSum: running((x, axis) => x.cumsum(axis), 0),
  CumProd: running((x, axis) => x.cumprod(axis), 1),
};
