// Checkpoints: the same gradients, to the bit, in less memory.

import { expect, it } from "vitest";
import { getDevice } from "../../src/engine/devices.js";
import { planFor } from "../../src/engine/plan.js";
import { normalise } from "../../src/graph/normalise.js";
import { checkpoint, grad, jit, manualSeed, Tensor, vmap } from "../../src/index.js";

const device = "interpreter";
const numbers = async (x: Tensor): Promise<number[]> => Array.from(await x.data({ device }), Number);
const tensor = (shape: readonly number[], seed = 1): Tensor =>
  Tensor.from(
    Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) =>
      Math.sin((i + 1) * 12.9898 + seed * 78.233),
    ),
    { shape },
  );

const WIDTH = 8;
const BLOCKS = 4;
const weights = Array.from({ length: BLOCKS }, (_, i) =>
  [0, 1, 2].map((k) => tensor([WIDTH, WIDTH], 3 * i + k).mul(0.4)),
);
type Block = (x: Tensor, w: readonly Tensor[]) => Tensor;
const block: Block = (x, w) => w.reduce((h, v) => h.matmul(v).tanh(), x);
const loss =
  (f: Block) =>
  (x: Tensor, ws: readonly (readonly Tensor[])[]): Tensor =>
    ws
      .reduce<Tensor>((h, w) => f(h, w), x)
      .square()
      .sum();
const x = tensor([32, WIDTH], 99);

const temporaries = async (tensors: readonly Tensor[]): Promise<number> => {
  const graph = normalise(tensors.map(({ node }) => node));
  const plan = await planFor(graph, await getDevice(device));
  return plan.temporaryBytes.reduce((sum, bytes) => sum + bytes, 0);
};

it("gives the same bits in less memory", async () => {
  await Tensor.realize(weights.flat(), { device });
  const plain = grad(loss(block), [0, 1])(x, weights);
  const kept = grad(loss(checkpoint(block)), [0, 1])(x, weights);
  const [a, b] = [plain, kept].map(([dx, dw]) => [dx, ...dw.flat()]);
  for (const [i, found] of b.entries()) expect(await numbers(found)).toEqual(await numbers(a[i]));
  const [all, less] = [
    await temporaries(grad(loss(block), [0, 1])(x, weights)[1].flat()),
    await temporaries(grad(loss(checkpoint(block)), [0, 1])(x, weights)[1].flat()),
  ];
  // 12 activations against one a block and those of one block.
  expect(less).toBeLessThan(0.75 * all);
});

it("passes gradients on to tensors found outside", async () => {
  const w = tensor([WIDTH, WIDTH]).requiresGrad_();
  const f = (h: Tensor): Tensor => h.matmul(w).tanh().mul(h);
  f(x).square().sum().backward();
  const expected = await numbers(w.grad!);
  w.grad = undefined;
  checkpoint(f)(x).square().sum().backward();
  expect(await numbers(w.grad!)).toEqual(expected);
});

it("has gradients of second order, works nested, under jit and vmap", async () => {
  const f = (h: Tensor): Tensor => h.sin().mul(h);
  const y = Tensor.from([0.5, -1, 2]);
  const second = (g: (h: Tensor) => Tensor) =>
    grad((h: Tensor) =>
      grad((z: Tensor) => g(z).square().sum())(h)
        .square()
        .sum(),
    );
  const expected = await numbers(second(f)(y));
  // Here sums come out in another order.
  for (const [i, found] of (await numbers(second(checkpoint(f))(y))).entries())
    expect(found).toBeCloseTo(expected[i], 4);
  const nested = checkpoint((h: Tensor) => checkpoint(f)(h.exp()).tanh());
  const plain = (h: Tensor): Tensor => f(h.exp()).tanh();
  const slope = (g: (h: Tensor) => Tensor) => grad((h: Tensor) => g(h).square().sum());
  const wanted = await numbers(slope(plain)(y));
  expect(await numbers(slope(nested)(y))).toEqual(wanted);
  expect(await numbers(await jit(slope(nested), { device })(y))).toEqual(wanted);
  expect(await numbers(vmap(slope(nested))(y))).toEqual(wanted);
  expect(await numbers(slope((h) => vmap(nested)(h))(y))).toEqual(wanted);
});

it("draws the same random numbers again", async () => {
  const f = (h: Tensor): Tensor => h.dropout(0.5).square();
  manualSeed(3);
  const expected = await numbers(grad((h: Tensor) => f(h).square().sum())(x));
  manualSeed(3);
  expect(await numbers(grad((h: Tensor) => checkpoint(f)(h).square().sum())(x))).toEqual(expected);
});

it("takes and gives containers, and leaves what has no gradient alone", async () => {
  const f = (d: { h: Tensor; places: Tensor }, by: number) => ({
    y: d.h.gather(0, d.places).mul(by),
    places: d.places,
  });
  const d = { h: Tensor.from([1, 2, 3]), places: Tensor.from(Int32Array.from([2, 0])) };
  const total =
    (g: typeof f) =>
    (h: Tensor): Tensor =>
      g({ h, places: d.places }, 2).y.square().sum();
  expect(await numbers(grad(total(checkpoint(f)))(d.h))).toEqual(await numbers(grad(total(f))(d.h)));
  expect(checkpoint(f)(d, 2).places.dtype).toBe("int32");
});
