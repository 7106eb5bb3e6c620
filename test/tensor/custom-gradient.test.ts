// Gradients given in closed form: values, gradients of both orders, captured steps, and what they do not keep alive.

import { expect, it } from "vitest";
import { normalise } from "../../src/graph/normalise.js";
import { customGradient, defineGradient, grad, jit, Tensor } from "../../src/index.js";

const device = "interpreter";
const numbers = async (x: Tensor): Promise<number[]> => Array.from(await x.data({ device }), Number);
const x = (): Tensor => Tensor.from(Float64Array.from([-1.5, 0.5, 2]));

/** x^3, with a gradient that is 10 times too large, so that it can be told from the true one. */
const cube = (y: Tensor): Tensor =>
  customGradient(y.mul(y).mul(y), [y], (g, _, source) => [g.mul(source.mul(source).mul(30))]);

it("has the value's elements and the rule's gradient", async () => {
  expect(await numbers(cube(x()))).toEqual([-3.375, 0.125, 8]);
  expect(await numbers(grad((y: Tensor) => cube(y).sum())(x()))).toEqual([67.5, 7.5, 120]);
});

it("has second-order gradients through the rule", async () => {
  const first = grad((y: Tensor) => cube(y).sum());
  expect(await numbers(grad((y: Tensor) => first(y).sum())(x()))).toEqual([-90, 30, 120]);
});

it("goes on through the result, where the rule refers to it", async () => {
  const exponential = defineGradient(
    (y: Tensor) => y.exp(),
    (g, result) => [g.mul(result)],
  );
  const first = grad((y: Tensor) => exponential(y).sum());
  const second = grad((y: Tensor) => first(y).sum());
  const expected = [-1.5, 0.5, 2].map(Math.exp);
  for (const [i, found] of (await numbers(second(x()))).entries()) expect(found).toBeCloseTo(expected[i], 12);
});

it("adds up with other ways to a source, and goes to tensors that want gradients", async () => {
  const y = x().requiresGrad_();
  cube(y).add(y).sum().backward();
  expect(await numbers(y.grad!)).toEqual([68.5, 8.5, 121]);
});

it("works inside captured functions", async () => {
  const step = jit((y: Tensor) => grad((z: Tensor) => cube(z).sum())(y), { device });
  expect(await numbers(await step(x()))).toEqual([67.5, 7.5, 120]);
  expect(await numbers(await step(x().mul(2)))).toEqual([270, 30, 480]);
});

it("does not compute sources for the value's sake", async () => {
  const value = x();
  const result = customGradient(value, [x().exp()], (g) => [g]);
  const plain = normalise([value.mul(2).node]);
  const graph = normalise([result.mul(2).node]);
  expect(graph.key).toBe(plain.key);
  expect(graph.leaves).toHaveLength(1);
});

it("says what is wrong", () => {
  expect(() => customGradient(x(), [Tensor.from([1n])], (g) => [g])).toThrow(/needs float tensors/);
  const wrong = (y: Tensor): Tensor => customGradient(y.sum(), [y], (g) => [g]);
  expect(() => grad(wrong)(x())).toThrow(/gradient of source 0, .* came out as/);
});
