// The types of transforms: functions keep the types of their arguments and results, containers too. Checked when the
// tests are compiled; the functions here are never called.

import { expectTypeOf, it } from "vitest";
import {
  autocast,
  type BoundVariable,
  checkpoint,
  customGradient,
  defineGradient,
  grad,
  gradientsFor,
  hessian,
  hvp,
  jacfwd,
  jit,
  jvp,
  type Tensor,
  valueAndGrad,
  Variable,
  vjp,
  vmap,
} from "../../src/index.js";

interface Weights {
  readonly w: Tensor;
  readonly layers: readonly [Tensor, Tensor];
}

declare const x: Tensor;
declare const weights: Weights;
const loss = (w: Weights, x: Tensor, scale: number): Tensor => w.w.mul(x).sum().mul(scale);
const never = (_: () => void): void => {};

it("jit keeps arguments and results, as a promise", () => {
  never(() => {
    const step = jit(loss);
    expectTypeOf(step).toEqualTypeOf<(w: Weights, x: Tensor, scale: number) => Promise<Tensor>>();
    const parts = jit((x: Tensor, n: BoundVariable) => ({
      all: x.shrink([[0, n.variable.dim]]),
      two: [x, x] as const,
    }));
    expectTypeOf<Awaited<ReturnType<typeof parts>>>().toEqualTypeOf<{
      all: Tensor;
      two: readonly [Tensor, Tensor];
    }>();
    parts(x, new Variable("n", 1, 8).bind(3));
    // @ts-expect-error: a variable must be bound.
    parts(x, new Variable("n", 1, 8));
    // @ts-expect-error: an argument is missing.
    step(weights, x);
    // @ts-expect-error: a number is no tensor.
    step(weights, 1, 1);
    // @ts-expect-error: the loss must be awaited.
    step(weights, x, 1).item();
  });
});

it("gradients have the types of the arguments they are of", () => {
  never(() => {
    expectTypeOf(grad(loss)(weights, x, 1)).toEqualTypeOf<Weights>();
    expectTypeOf(grad(loss, 1)(weights, x, 1)).toEqualTypeOf<Tensor>();
    expectTypeOf(grad(loss, [0, 1])(weights, x, 1)).toEqualTypeOf<[Weights, Tensor]>();
    expectTypeOf(valueAndGrad(loss)(weights, x, 1)).toEqualTypeOf<[Tensor, Weights]>();
    const withMore = (w: Weights): [Tensor, { count: number }] => [w.w.sum(), { count: 1 }];
    expectTypeOf(grad(withMore, 0, { hasAux: true })(weights)).toEqualTypeOf<[Weights, { count: number }]>();
    expectTypeOf(gradientsFor(x, weights)).toEqualTypeOf<Weights>();
    // @ts-expect-error: the function must give a tensor.
    grad((x: Tensor) => x.ndim);
    // @ts-expect-error: more than the loss needs hasAux.
    grad(withMore);
    // @ts-expect-error: the weights are a container.
    grad(loss)(x, x, 1);
    // @ts-expect-error: places are numbers.
    grad(loss, "w");
  });
});

it("derivatives along directions are like arguments and results", () => {
  never(() => {
    const fn = (w: Weights, x: Tensor) => ({ y: w.w.mul(x) });
    const [result, pullback] = vjp(fn, weights, x);
    expectTypeOf(result).toEqualTypeOf<{ y: Tensor }>();
    expectTypeOf(pullback({ y: x })).toEqualTypeOf<[w: Weights, x: Tensor]>();
    expectTypeOf(jvp(fn, [weights, x], [weights, x])[1]).toEqualTypeOf<{ y: Tensor }>();
    const scalar = (x: Tensor) => x.sum();
    expectTypeOf(hvp(scalar, [x], [x])).toEqualTypeOf<[x: Tensor]>();
    expectTypeOf(hessian(scalar)(x)).toEqualTypeOf<Tensor>();
    expectTypeOf(jacfwd(scalar)(x)).toEqualTypeOf<Tensor>();
    // @ts-expect-error: a tangent for each argument.
    jvp(fn, [weights, x], [weights]);
    // @ts-expect-error: the gradient is like the result.
    pullback(x);
  });
});

it("vmap, checkpoint and autocast keep the types of functions", () => {
  never(() => {
    expectTypeOf(vmap(loss, { inAxes: [null, 0, null] })).toEqualTypeOf<typeof loss>();
    expectTypeOf(vmap((x: Tensor) => [x, { y: x }] as const)(x)).toEqualTypeOf<
      readonly [Tensor, { readonly y: Tensor }]
    >();
    expectTypeOf(checkpoint(loss)).toEqualTypeOf<typeof loss>();
    expectTypeOf(autocast("bfloat16", () => weights)).toEqualTypeOf<Weights>();
    // @ts-expect-error: products are of half the bits, or not at all.
    autocast("float32", () => x);
    // @ts-expect-error: randomness is different, same, or an error.
    vmap(loss, { randomness: "none" });
    // @ts-expect-error: the option is called inAxes.
    vmap(loss, { inDims: 0 });
  });
});

it("gradients of one's own get and give tensors", () => {
  never(() => {
    const both = defineGradient(
      (x: Tensor, y: Tensor) => x.mul(y),
      (gradient, _result, x, y) => [gradient.mul(y), gradient.mul(x)],
    );
    expectTypeOf(both).parameters.toEqualTypeOf<[x: Tensor, y: Tensor]>();
    expectTypeOf(customGradient(x, [x], (gradient) => [gradient])).toEqualTypeOf<Tensor>();
    // @ts-expect-error: a gradient for each source, as a list.
    customGradient(x, [x], (gradient) => gradient);
  });
});
