// vjp, jvp, Jacobians, Hessians and gradients of containers: closed forms, one another, and finite differences.

import { describe, expect, it } from "vitest";
import {
  grad,
  gradientsFor,
  hessian,
  hvp,
  jacfwd,
  jacobian,
  jacrev,
  jit,
  jvp,
  linearize,
  nn,
  Tensor,
  valueAndGrad,
  vjp,
} from "../../src/index.js";

const device = "interpreter";
const numbers = async (x: Tensor): Promise<number[]> => Array.from(await x.data({ device }), Number);
const doubles = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  Tensor.from(Float64Array.from(values), { shape });

async function expectClose(found: Tensor, expected: Tensor | readonly number[]): Promise<void> {
  const wanted = expected instanceof Tensor ? await numbers(expected) : expected;
  const given = await numbers(found);
  expect(given).toHaveLength(wanted.length);
  for (const [i, x] of given.entries()) expect(x).toBeCloseTo(wanted[i], 10);
}

const x = doubles([0.5, -1, 2]);
const v = doubles([1, 2, -0.5]);
/** From three numbers to two. */
const f = (y: Tensor): Tensor => Tensor.stack([y.prod(), y.sin().sum()]);
/** The Jacobian of f at x. */
const slopes = [-2, 1, -0.5, ...[0.5, -1, 2].map(Math.cos)];

describe("vjp and jvp", () => {
  it("give the value, and products with the Jacobian from both sides", async () => {
    const [value, pullback] = vjp(f, x);
    await expectClose(value, f(x));
    await expectClose(
      pullback(doubles([1, 10]))[0],
      [0, 1, 2].map((i) => slopes[i] + 10 * slopes[3 + i]),
    );
    const [same, tangent] = jvp(f, [x], [v]);
    await expectClose(same, f(x));
    const dot = (row: number): number => [1, 2, -0.5].reduce((sum, d, i) => sum + d * slopes[3 * row + i], 0);
    await expectClose(tangent, [dot(0), dot(1)]);
  });
  it("take several arguments and containers; what is undefined is zero", async () => {
    const g = (p: { a: Tensor; rest: Tensor[] }, by: Tensor) => ({
      product: p.a.mul(by),
      sum: p.rest[0].add(p.a),
    });
    const p = { a: x, rest: [v] };
    const [, pullback] = vjp(g, p, v);
    const [dp, dby] = pullback({ product: v, sum: undefined as unknown as Tensor });
    await expectClose(dp.a, v.square());
    await expectClose(dp.rest[0], [0, 0, 0]);
    await expectClose(dby, x.mul(v));
    const [, tangents] = jvp(g, [p, v], [{ a: v, rest: [x] }, undefined as unknown as Tensor]);
    await expectClose(tangents.product, v.square());
    await expectClose(tangents.sum, x.add(v));
  });
  it("linearize pushes many tangents forward", async () => {
    const [, push] = linearize((y: Tensor) => y.exp(), [x]);
    await expectClose(push([v]), x.exp().mul(v));
    await expectClose(push([x]), x.exp().mul(x));
  });
  it("have gradients of their own", async () => {
    const along = (y: Tensor): Tensor => jvp((z: Tensor) => z.pow(3), [y], [v])[1].sum();
    await expectClose(grad(along)(x), x.mul(6).mul(v));
  });
  it("say which tangent does not fit", () => {
    expect(() => jvp(f, [x], [doubles([1])])).toThrow(/jvp: the tangent of .* must have its shape/);
    expect(() => vjp(f, x)[1](doubles([1]))).toThrow(/vjp: the gradient of .* must have its shape/);
    expect(() => vjp(f, Tensor.from([1n]))).toThrow(/must be a float tensor or hold one/);
  });
});

describe("Jacobians and Hessians", () => {
  it("agree in both modes", async () => {
    expect(jacobian(f)(x).sizes).toEqual([2, 3]);
    await expectClose(jacrev(f)(x), slopes);
    await expectClose(jacfwd(f)(x), slopes);
  });
  it("have the axes of the result, then those of the argument", async () => {
    const w = doubles([1, 2, 3, 4, 5, 6], [3, 2]);
    const g = (y: Tensor, m: Tensor): Tensor => y.matmul(m);
    expect(jacrev(g, 1)(x, w).sizes).toEqual([2, 3, 2]);
    await expectClose(jacfwd(g, 1)(x, w), jacrev(g, 1)(x, w));
  });
  it("come for containers as containers", async () => {
    const g = (p: { a: Tensor; b: Tensor }): Tensor => p.a.mul(p.b.sum());
    const p = { a: x, b: v };
    const [rev, fwd] = [jacrev(g)(p), jacfwd(g)(p)];
    await expectClose(rev.a, [2.5, 0, 0, 0, 2.5, 0, 0, 0, 2.5]);
    await expectClose(fwd.a, rev.a);
    await expectClose(rev.b, [0.5, 0.5, 0.5, -1, -1, -1, 2, 2, 2]);
    await expectClose(fwd.b, rev.b);
  });
  it("hessian and its products", async () => {
    const g = (y: Tensor): Tensor => y.prod().add(y.pow(3).sum());
    const expected = [3, 2, -1, 2, -6, 0.5, -1, 0.5, 12];
    await expectClose(hessian(g)(x), expected);
    await expectClose(hvp(g, [x], [v])[0], doubles(expected, [3, 3]).matmul(v));
    const captured = jit((y: Tensor) => hessian(g)(y), { device });
    await expectClose(await captured(x), expected);
  });
});

describe("grad", () => {
  it("gives containers for containers, and nothing for what is no float tensor", async () => {
    const loss = (p: { w: Tensor; layers: Tensor[]; places: Tensor; name: string }): Tensor =>
      p.w.mul(p.layers[1]).gather(0, p.places).sum();
    const p = { w: x, layers: [v, v], places: Tensor.from(Int32Array.from([0, 2, 2])), name: "net" };
    const [value, g] = valueAndGrad(loss)(p);
    await expectClose(value, [-1.5]);
    await expectClose(g.w, [1, 0, -1]);
    await expectClose(g.layers[0], [0, 0, 0]);
    await expectClose(g.layers[1], [0.5, 0, 4]);
    expect([g.places, g.name]).toEqual([undefined, undefined]);
  });
  it("gives more beside the value, if asked", async () => {
    const loss = (y: Tensor): [Tensor, { size: Tensor }] => [y.square().sum(), { size: y.abs().sum() }];
    const [g, more] = grad(loss, 0, { hasAux: true })(x);
    await expectClose(g, x.mul(2));
    await expectClose(more.size, [3.5]);
    const [[value, same]] = valueAndGrad(loss, 0, { hasAux: true })(x);
    await expectClose(value, [5.25]);
    await expectClose(same.size, [3.5]);
  });
  it("says what to do with values that are no scalars", () => {
    expect(() => grad((y: Tensor) => y)(x)).toThrow(/reduce it \(sum, mean\), or use vjp or jacobian/);
  });
  it("gradientsFor gives those of a model's parameters, and adds nothing to them", async () => {
    const model = new nn.Linear(3, 2);
    const input = Tensor.from([[1, 2, 3]]);
    const found = gradientsFor(model.forward(input).square().sum(), { ...model });
    model.forward(input).square().sum().backward();
    expect(await numbers(found.weight)).toEqual(await numbers(model.weight.grad!));
    model.weight.grad = undefined;
    gradientsFor(model.forward(input).sum(), nn.parameters(model));
    expect(model.weight.grad).toBeUndefined();
    expect(() => gradientsFor(x.sum(), [x])).toThrow(/requires no gradient/);
  });
});
