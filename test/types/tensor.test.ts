// The types of tensors: what methods take and give, and what must not compile. Checked when the tests are compiled; the
// functions here are never called.

import { expectTypeOf, it } from "vitest";
import {
  type DType,
  type NestedArray,
  type Scalar,
  type SlicePart,
  Tensor,
  type TypedArray,
} from "../../src/index.js";

declare const x: Tensor;
declare const index: Tensor;
const never = (_: () => void): void => {};

it("reading gives promises of what the elements are", () => {
  never(() => {
    expectTypeOf(x.data()).toEqualTypeOf<Promise<TypedArray>>();
    expectTypeOf(x.item()).toEqualTypeOf<Promise<Scalar>>();
    expectTypeOf(x.tolist()).toEqualTypeOf<Promise<NestedArray>>();
    expectTypeOf(x.realize()).toEqualTypeOf<Promise<Tensor>>();
    expectTypeOf(x.equal(x)).toEqualTypeOf<Promise<boolean>>();
    expectTypeOf(x.dtype).toEqualTypeOf<DType>();
    expectTypeOf(x.sizes).toEqualTypeOf<readonly number[]>();
    expectTypeOf(x.grad).toEqualTypeOf<Tensor | undefined>();
    expectTypeOf(x.dispose()).toEqualTypeOf<void>();
  });
});

it("shapes that depend on data are awaited", () => {
  never(() => {
    expectTypeOf(x.nonzero()).toEqualTypeOf<Promise<Tensor>>();
    expectTypeOf(x.nonzero({ asTuple: true })).toEqualTypeOf<Promise<Tensor[]>>();
    expectTypeOf(x.maskedSelect(x.gt(0))).toEqualTypeOf<Promise<Tensor>>();
    expectTypeOf(x.unique()).resolves.toHaveProperty("inverse").toEqualTypeOf<Tensor>();
    expectTypeOf(x.bincount()).toEqualTypeOf<Promise<Tensor>>();
    expectTypeOf(x.bincount({ length: 4 })).toEqualTypeOf<Tensor>();
    expectTypeOf(x.repeatInterleave(2)).toEqualTypeOf<Tensor>();
    // @ts-expect-error: the elements must be awaited first.
    x.maskedSelect(x.gt(0)).sum();
  });
});

it("values and places come together", () => {
  never(() => {
    expectTypeOf(x.max()).toEqualTypeOf<Tensor>();
    expectTypeOf(x.maxWithIndices(0).indices).toEqualTypeOf<Tensor>();
    expectTypeOf(x.sort().values).toEqualTypeOf<Tensor>();
    expectTypeOf(x.topk(3).indices).toEqualTypeOf<Tensor>();
    expectTypeOf(x.median()).toEqualTypeOf<Tensor>();
    expectTypeOf(x.median(0).indices).toEqualTypeOf<Tensor>();
    expectTypeOf(x.varMean()).toEqualTypeOf<[Tensor, Tensor]>();
    expectTypeOf(x.svd()).toEqualTypeOf<{ U: Tensor; S: Tensor; Vh: Tensor }>();
    expectTypeOf(x.split(2)).toEqualTypeOf<Tensor[]>();
    // @ts-expect-error: of all elements there is one value, and no places.
    x.median().indices;
    // @ts-expect-error: places have a method of their own.
    x.max(0).indices;
  });
});

it("slices take places, ranges, tensors, and words for axes", () => {
  never(() => {
    const parts = [
      0,
      [1, 3],
      [null, null, -1],
      null,
      "...",
      "new",
      index,
      Int32Array.of(1),
      [[0, 2]],
    ] as const;
    expectTypeOf(parts).toExtend<readonly SlicePart[]>();
    expectTypeOf(x.at(...parts)).toEqualTypeOf<Tensor>();
    expectTypeOf(x.setItem(parts, 1)).toEqualTypeOf<Tensor>();
    x.setItem([x.gt(0)], x);
    // @ts-expect-error: a range has at most three parts.
    x.at([1, 2, 3, 4]);
    // @ts-expect-error: ":" is written null.
    x.at(":");
    // @ts-expect-error: a bool alone takes nothing.
    x.at(true);
    // @ts-expect-error: the parts come as one list.
    x.slice(0, 1);
  });
});

it("axes are numbers, and options are named", () => {
  never(() => {
    x.sum([0, 1], { keepdim: true, dtype: "int64" });
    x.sum(undefined, { keepdim: true });
    x.sort({ axis: 1, descending: true });
    x.conv2d(x, undefined, { padding: "same", stride: [1, 2] });
    x.crossEntropy(x, { reduction: "none", labelSmoothing: 0.1 });
    // @ts-expect-error: an axis has no name.
    x.sum("rows");
    // @ts-expect-error: keepdim is an option.
    x.sum(0, true);
    // @ts-expect-error: numpy's keepdims is called keepdim.
    x.sum(0, { keepdims: true });
    // @ts-expect-error: there is no such dtype.
    x.sum(0, { dtype: "float" });
    // @ts-expect-error: a tensor is no axis.
    x.softmax(index);
    // @ts-expect-error: softmax asks for an axis.
    x.softmax();
    // @ts-expect-error: there is no such dtype.
    x.cast("complex64");
    // @ts-expect-error: a shape is a list.
    x.reshape(2, 3);
    // @ts-expect-error: the order of axes is a list.
    x.permute(1, 0);
    // @ts-expect-error: there is no such mode.
    x.pad([[1, 1]], { mode: "mirror" });
    // @ts-expect-error: there is no such mode.
    x.interpolate({ scaleFactor: 2, mode: "cubic" });
    // @ts-expect-error: the approximation has a name.
    x.gelu({ approximate: true });
    // @ts-expect-error: there is no such reduction.
    x.scatterReduce(0, index, x, "sum of squares");
    // @ts-expect-error: the rounding mode has another name.
    x.div(2, { roundingMode: "round" });
    // @ts-expect-error: there is no such reduction.
    x.mseLoss(x, { reduction: "average" });
    // @ts-expect-error: isCausal is no option of a product.
    x.matmul(x, { isCausal: true });
    // @ts-expect-error: a string is no operand.
    x.add("1");
    // @ts-expect-error: an array is no operand; Tensor.from makes a tensor of it.
    x.add([1, 2]);
    // @ts-expect-error: a product needs a tensor.
    x.matmul(2);
    // @ts-expect-error: gradients belong to their tensor; there is no other way to ask for one.
    x.requiresGrad = true;
    // @ts-expect-error: the shape is not to be written.
    x.shape = [1];
  });
});

it("creation takes shapes, values and options", () => {
  never(() => {
    expectTypeOf(Tensor.zeros([2, 3], { dtype: "float16" })).toEqualTypeOf<Tensor>();
    expectTypeOf(Tensor.from([[1, 2], new Float32Array(2), new Set([1, 2])])).toEqualTypeOf<Tensor>();
    expectTypeOf(Tensor.fromAsync([Promise.resolve(1)])).toEqualTypeOf<Promise<Tensor>>();
    expectTypeOf(Tensor.meshgrid([x, x], { indexing: "xy" })).toEqualTypeOf<Tensor[]>();
    expectTypeOf(Tensor.realize([x])).toEqualTypeOf<Promise<void>>();
    // @ts-expect-error: a shape is a list.
    Tensor.zeros(2, 3);
    // @ts-expect-error: the dtype is an option.
    Tensor.zeros([2], "int32");
    // @ts-expect-error: nothing is made of objects.
    Tensor.from({ length: 3 });
    // @ts-expect-error: undefined is no element.
    Tensor.from([1, undefined]);
    // @ts-expect-error: there is no such convention.
    Tensor.meshgrid([x], { indexing: "rows" });
    // @ts-expect-error: tensors to join come as a list.
    Tensor.stack(x, x);
    // @ts-expect-error: the seed is a number.
    Tensor.rand([2], { seed: "one" });
    // @ts-expect-error: tensors are made by functions of Tensor.
    new Tensor([1, 2]);
  });
});
