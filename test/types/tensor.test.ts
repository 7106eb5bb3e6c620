// Types as users meet them: checked when the tests are compiled. What must not compile stands behind @ts-expect-error.

import { expectTypeOf, it } from "vitest";
import {
  autocast,
  checkpoint,
  grad,
  jit,
  jvp,
  loadSafetensors,
  loadTorch,
  nn,
  type Scalar,
  Tensor,
  type TorchValue,
  type TypedArray,
  valueAndGrad,
  vjp,
  vmap,
} from "../../src/index.js";

declare const x: Tensor;
/** Compiled, never run: what it holds may not compile, or would need data. */
const compiled = (_: () => unknown): void => {};

it("reading gives host values", () => {
  compiled(() => {
    expectTypeOf(x.data()).resolves.toEqualTypeOf<TypedArray>();
    expectTypeOf(x.item()).resolves.toEqualTypeOf<Scalar>();
    expectTypeOf(x.sizes).toEqualTypeOf<readonly number[]>();
    expectTypeOf(x.nonzero()).resolves.toEqualTypeOf<Tensor>();
    expectTypeOf(x.equal(x)).resolves.toEqualTypeOf<boolean>();
    expectTypeOf(loadSafetensors("f")).resolves.toEqualTypeOf<Record<string, Tensor>>();
    expectTypeOf(loadTorch("f")).resolves.toEqualTypeOf<TorchValue>();
  });
});

it("slices", () => {
  compiled(() => [
    x.at(0, [1, 3], null, [null, null, -2], "...", "new", x, Int32Array.of(1), [[0, 1]]),
    x.slice([[1], [undefined, 2]]),
    x.setItem([[0, 2]], 5),
    x.setItem([x], x),
    // @ts-expect-error a range is a list, not a text
    x.at("1:3"),
    // @ts-expect-error a range has three parts at most
    x.at([1, 2, 3, 4]),
    // @ts-expect-error slice takes one list
    x.slice(1, 2),
  ]);
});

it("options", () => {
  compiled(() => [
    x.sum(0, { keepdim: true }),
    x.sum([0, 1]),
    x.sort({ axis: 1, descending: true }).values,
    Tensor.zeros([2], { dtype: "float16" }),
    x.conv2d(x, undefined, { padding: "same", stride: [1, 2] }),
    x.crossEntropy(x, { reduction: "none", labelSmoothing: 0.1 }),
    // @ts-expect-error axes are numbers
    x.sum("0"),
    // @ts-expect-error PyTorch's name of an option
    x.sum(0, { keepDim: true }),
    // @ts-expect-error no such dtype
    Tensor.zeros([2], { dtype: "float" }),
    // @ts-expect-error no such mode
    x.pad([[1, 1]], { mode: "mirror" }),
    // @ts-expect-error no such reduction
    x.mseLoss(x, { reduction: "average" }),
    // @ts-expect-error matrices are tensors
    x.matmul([[1, 2]]),
    // @ts-expect-error shapes are lists
    Tensor.zeros(2),
  ]);
});

it("captured functions keep the types of arguments and results", () => {
  compiled(() => {
    const step = jit((a: Tensor, options: { readonly factor: number }) => ({
      loss: a.mul(options.factor),
      list: [a, a] as const,
      n: 3,
    }));
    expectTypeOf(step).parameters.toEqualTypeOf<[Tensor, { readonly factor: number }]>();
    expectTypeOf(step(x, { factor: 2 })).resolves.toEqualTypeOf<{
      loss: Tensor;
      list: readonly [Tensor, Tensor];
      n: number;
    }>();
    // @ts-expect-error the second argument is missing
    step(x);
    expectTypeOf(autocast("float16", () => [x])).toEqualTypeOf<Tensor[]>();
    // @ts-expect-error contractions of float32 are rounded to halves only
    autocast("float32", () => x);
    const block = checkpoint((a: Tensor, n: number) => a.mul(n));
    expectTypeOf(block).toEqualTypeOf<(a: Tensor, n: number) => Tensor>();
  });
});

it("transformed functions keep the types of arguments", () => {
  compiled(() => {
    const loss = (w: Tensor, batch: { x: Tensor }, n: number): Tensor => w.mul(batch.x).mul(n).sum();
    expectTypeOf(grad(loss)(x, { x }, 2)).toEqualTypeOf<Tensor>();
    expectTypeOf(valueAndGrad(loss)(x, { x }, 2)).toEqualTypeOf<[Tensor, Tensor]>();
    expectTypeOf(grad(loss)).parameters.toEqualTypeOf<[w: Tensor, batch: { x: Tensor }, n: number]>();
    // @ts-expect-error the batch is a container
    grad(loss)(x, x, 2);
    expectTypeOf(vmap((a: Tensor, n: number) => [a, n] as const)).returns.toEqualTypeOf<
      readonly [Tensor, number]
    >();
    // @ts-expect-error no such option
    vmap((a: Tensor) => a, { axis: 0 });
    const [value, pullback] = vjp((a: Tensor) => a.exp(), x);
    expectTypeOf(value).toEqualTypeOf<Tensor>();
    expectTypeOf(pullback).toBeFunction();
    expectTypeOf(jvp((a: Tensor) => a.exp(), [x], [x])[0]).toEqualTypeOf<Tensor>();
  });
});

it("layers and optimisers", () => {
  compiled(() => {
    const layer = new nn.Sequential(new nn.Linear(2, 3), (h) => h.relu(), new nn.BatchNorm1d(3));
    expectTypeOf(layer.forward(x)).toEqualTypeOf<Tensor>();
    const groups = [{ parameters: [x], weightDecay: 0, lr: 0.1 }];
    new nn.AdamW(groups, { lr: 1e-3, betas: [0.9, 0.99] });
    expectTypeOf(nn.stateDict(layer)).toEqualTypeOf<Record<string, Tensor>>();
    expectTypeOf(nn.schedules.cosine(0.1, 10)).toEqualTypeOf<nn.Schedule>();
    // @ts-expect-error SGD has no betas
    new nn.SGD([x], { betas: [0.9, 0.99] });
    // @ts-expect-error two betas
    new nn.Adam([x], { betas: [0.9] });
    // @ts-expect-error a group's rate is a number
    new nn.SGD([{ parameters: [x], lr: x }], { lr: 0.1 });
    // @ts-expect-error layers map tensors to tensors
    new nn.Sequential((h: Tensor) => h.size);
    // @ts-expect-error sizes are numbers
    new nn.Linear("2", 3);
  });
});
