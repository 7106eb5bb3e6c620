// Optimisers as state: captured steps equal eager ones, rates may change, nothing grows.

import { beforeEach, describe, expect, it } from "vitest";
import { topologicalNodes } from "../../src/graph/node.js";
import { jit, manualSeed, nn, setDefaultDevice, Tensor } from "../../src/index.js";

beforeEach(() => {
  setDefaultDevice("interpreter");
  manualSeed(0);
});

const numbers = async (x: Tensor): Promise<number[]> => Array.from((await x.data()) as Float32Array);

const MAKERS: readonly (readonly [string, (parameters: Tensor[]) => nn.Optimiser])[] = [
  ["SGD", (p) => new nn.SGD(p, { lr: 0.1 })],
  ["SGD with momentum", (p) => new nn.SGD(p, { lr: 0.1, momentum: 0.9, dampening: 0.5, weightDecay: 0.1 })],
  ["Adam", (p) => new nn.Adam(p, { lr: 0.1 })],
  ["AdamW", (p) => new nn.AdamW(p, { lr: 0.1, weightDecay: 0.2 })],
];

/** A layer that is to learn y = 3x - 1, and a step of it. */
function problem(make: (parameters: Tensor[]) => nn.Optimiser) {
  manualSeed(5);
  const x = Tensor.linspace(-1, 1, 8).reshape([8, 1]);
  const y = x.mul(3).sub(1);
  const layer = new nn.Linear(1, 1);
  const optimiser = make(nn.parameters(layer));
  const step = (rate?: Tensor): Tensor => {
    const loss = layer.forward(x).mseLoss(y);
    optimiser.zeroGrad();
    loss.backward();
    optimiser.step(rate === undefined ? {} : { lr: rate });
    return loss;
  };
  return { layer, optimiser, step };
}

for (const [name, make] of MAKERS) {
  describe(name, () => {
    it("does the same captured as not", async () => {
      const [eager, captured] = [problem(make), problem(make)];
      const step = jit(captured.step);
      for (let i = 0; i < 5; i++) {
        const [a, b] = [await eager.step().item(), await (await step()).item()];
        expect(b).toBeCloseTo(a as number, 5);
      }
      const [a, b] = [await numbers(eager.layer.weight), await numbers(captured.layer.weight)];
      expect(b[0]).toBeCloseTo(a[0], 5);
    });

    it("learns", async () => {
      const { layer, step } = problem(make);
      let loss = Number.NaN;
      for (let i = 0; i < 60; i++) loss = (await step().item()) as number;
      expect(loss).toBeLessThan(0.5);
      expect(layer.weight.requiresGrad).toBe(true);
    });
  });
}

it("a captured step takes another rate at each call", async () => {
  const { layer, step } = problem((p) => new nn.SGD(p));
  const captured = jit(step);
  await captured(Tensor.from([0.1]));
  const before = await numbers(layer.weight);
  await captured(Tensor.from([0]));
  expect(await numbers(layer.weight)).toEqual(before);
  await captured(Tensor.from([0.1]));
  expect(await numbers(layer.weight)).not.toEqual(before);
});

it("the rate may be a tensor that is assigned", async () => {
  const lr = Tensor.full([], 0.1);
  const { layer, step } = problem((p) => new nn.Adam(p, { lr }));
  const captured = jit(step);
  await captured();
  lr.assign(0);
  const before = await numbers(layer.weight);
  await captured();
  expect(await numbers(layer.weight)).toEqual(before);
});

it("a captured step sees a number given to lr", async () => {
  for (const [, make] of MAKERS) {
    const { layer, optimiser, step } = problem(make);
    const captured = jit(step);
    await captured();
    const before = await numbers(layer.weight);
    optimiser.lr = 0;
    await captured();
    expect(await numbers(layer.weight)).toEqual(before);
    expect(await optimiser.lr.item()).toBe(0);
    optimiser.lr = 0.1;
    await captured();
    expect(await numbers(layer.weight)).not.toEqual(before);
  }
});

it("moves float64 weights by a rate as exact as they are", async () => {
  const x = Tensor.zeros([1], { dtype: "float64" }).requiresGrad_();
  const optimiser = new nn.SGD([x], { lr: 0.1 });
  x.sum().backward();
  optimiser.step();
  expect(await x.item()).toBe(-0.1);
});

it("a loop that only reads the loss carries no history along", async () => {
  const { layer, step } = problem((p) => new nn.Adam(p));
  for (let i = 0; i < 3; i++) await step().item();
  expect(layer.weight.node.storage).toBeDefined();
  expect(topologicalNodes([layer.weight.node]).length).toBe(1);
});

it("leaves alone what has no gradient", async () => {
  const [used, unused] = [Tensor.ones([2]).requiresGrad_(), Tensor.ones([2]).requiresGrad_()];
  const optimiser = new nn.AdamW([used, unused], { lr: 0.5 });
  used.sum().backward();
  optimiser.step();
  expect(await numbers(unused)).toEqual([1, 1]);
  expect(await numbers(used)).not.toEqual([1, 1]);
});

it("keeps its state in float32 for small types", async () => {
  const x = Tensor.ones([2], { dtype: "float16" }).requiresGrad_();
  const optimiser = new nn.Adam([x], { lr: 0.25 });
  x.mul(2).sum().backward();
  optimiser.step();
  expect(x.dtype).toBe("float16");
  expect(await numbers(x)).toEqual([0.75, 0.75]);
});

it("goes on from saved state", async () => {
  const make = (p: Tensor[]) => new nn.Adam(p, { lr: 0.1 });
  const [first, second] = [problem(make), problem(make)];
  for (let i = 0; i < 3; i++) await first.step().item();
  nn.loadStateDict(second.layer, nn.stateDict(first.layer));
  nn.loadStateDict(second.optimiser, nn.stateDict(first.optimiser));
  expect(await second.step().item()).toBe(await first.step().item());
  expect(await numbers(second.layer.weight)).toEqual(await numbers(first.layer.weight));
});

it("moves weights that were computed before gradients of them were wanted", async () => {
  const x = (await Tensor.ones([2]).mul(3).realize()).requiresGrad_();
  const optimiser = new nn.SGD([x, Tensor.from([1], { requiresGrad: true })], { lr: 0.5 });
  x.square().sum().backward();
  optimiser.step();
  expect(await numbers(x)).toEqual([0, 0]);
});

it("refuses tensors that want no gradient", () => {
  expect(() => new nn.SGD([Tensor.ones([2])])).toThrow("wants no gradient");
  expect(() => new nn.SGD([Tensor.ones([2]).requiresGrad_()], { nesterov: true })).toThrow(
    "nesterov needs a momentum",
  );
});
