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
  ["NAdam", (p) => new nn.NAdam(p, { lr: 0.1 })],
  ["RAdam", (p) => new nn.RAdam(p, { lr: 0.1, betas: [0.9, 0.99] })],
  ["Adamax", (p) => new nn.Adamax(p, { lr: 0.1 })],
  ["LAMB", (p) => new nn.LAMB(p, { lr: 0.1 })],
  ["Adagrad", (p) => new nn.Adagrad(p, { lr: 0.5, lrDecay: 0.01 })],
  ["Adadelta", (p) => new nn.Adadelta(p, { lr: 10, eps: 1e-3 })],
  ["RMSprop", (p) => new nn.RMSprop(p, { lr: 0.1, centered: true })],
  ["Adafactor", (p) => new nn.Adafactor(p, { lr: 0.5 })],
  ["LARS", (p) => new nn.LARS(p, { lr: 1, trust: 0.05 })],
  ["Lion", (p) => new nn.Lion(p, { lr: 0.1 })],
  ["Rprop", (p) => new nn.Rprop(p, { lr: 0.1 })],
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

    it("lowers the loss", async () => {
      const { layer, step } = problem(make);
      const losses: number[] = [];
      for (let i = 0; i < 60; i++) losses.push((await step().item()) as number);
      // Steps in proportion to a single weight never bring it past 0.
      expect(Math.min(...losses)).toBeLessThan((/LAMB|Adafactor/.test(name) ? 0.85 : 0.2) * losses[0]);
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
  // To Rprop a rate is the first step's length only; in LARS's momentum earlier rates go on.
  for (const [, make] of MAKERS.filter(([name]) => !["Rprop", "LARS"].includes(name))) {
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

it.each([
  "SGD",
  "LARS",
  "Lion",
  "Rprop",
  "Adam",
  "AdamW",
  "NAdam",
  "RAdam",
  "Adamax",
  "LAMB",
  "Adagrad",
  "Adadelta",
  "RMSprop",
  "Adafactor",
  "Muon",
] as const)("%s moves weights of several dtypes together", async (kind) => {
  const weights = (["float64", "float32", "float16"] as const).map((dtype) =>
    Tensor.from(
      [
        [1, 2],
        [3, 4],
      ],
      { dtype },
    ).requiresGrad_(),
  );
  const Kind = nn[kind] as new (parameters: Tensor[], options: { lr: number }) => nn.Optimiser;
  const optimiser = new Kind(weights, { lr: 0.125 });
  for (const x of weights) x.square().sum().backward();
  optimiser.step();
  const [wide, ...others] = await Promise.all(weights.map(numbers));
  for (const values of others)
    for (const [i, x] of values.entries()) expect(Math.abs(x - wide[i])).toBeLessThan(4e-3);
  expect(wide[3]).toBeLessThan(4);
});

it("corrects the means of float64 gradients as exactly as they are", async () => {
  const x = Tensor.zeros([1], { dtype: "float64" }).requiresGrad_();
  const optimiser = new nn.Adam([x], { lr: 0.5, eps: 0 });
  for (let i = 0; i < 3; i++) {
    optimiser.zeroGrad();
    x.sum().backward();
    optimiser.step();
  }
  expect((await numbers(x))[0]).toBeCloseTo(-1.5, 13);
});

it("refuses a rate of a group beside a rate of 0, to which it has no ratio", () => {
  const parameters = [Tensor.zeros([1]).requiresGrad_()];
  expect(() => new nn.SGD([{ parameters, lr: 0.1 }], { lr: 0 })).toThrow("not 0");
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

it("groups have options and rates of their own", async () => {
  const [x, y] = [Tensor.ones([1]).requiresGrad_(), Tensor.ones([1]).requiresGrad_()];
  const groups = [{ parameters: [x] }, { parameters: [y], lr: 0.25, weightDecay: 1 }];
  const optimiser = new nn.SGD(groups, { lr: 0.5 });
  const move = async (): Promise<number[]> => {
    optimiser.zeroGrad();
    x.add(y).sum().backward();
    optimiser.step();
    return [await numbers(x), await numbers(y)].flat();
  };
  expect(await move()).toEqual([0.5, 0.5]);
  // The ratio of the rates stays.
  optimiser.lr = 0.25;
  expect(await move()).toEqual([0.25, 0.3125]);
  expect(() => new nn.SGD([x, y, x])).toThrow("given twice");
});

it("gradients add up over several batches", async () => {
  const x = Tensor.ones([1]).requiresGrad_();
  const optimiser = new nn.SGD([x], { lr: 1 });
  for (const share of [0.125, 0.25]) x.mul(share).sum().backward();
  optimiser.step();
  expect(await numbers(x)).toEqual([0.625]);
});

describe("loss scaling", () => {
  const setup = () => {
    const x = Tensor.ones([2]).requiresGrad_();
    const optimiser = new nn.Adam([x], { lr: 0.5 });
    const scaler = new nn.GradScaler({ scale: 8, growthInterval: 2 });
    const step = jit((factor: Tensor) => {
      optimiser.zeroGrad();
      scaler.scale(x.mul(factor).sum()).backward();
      scaler.unscale(optimiser);
      const norm = nn.clipGradNorm([x], 100);
      scaler.step(optimiser);
      scaler.update();
      return norm;
    });
    return { x, optimiser, scaler, step };
  };

  it("gives the steps that there would be without it, and leaves out those that are not finite", async () => {
    const { x, optimiser, scaler, step } = setup();
    const plain = Tensor.ones([2]).requiresGrad_();
    const other = new nn.Adam([plain], { lr: 0.5 });
    for (const factor of [3, Number.POSITIVE_INFINITY, 4, Number.NaN, 5]) {
      const norm = (await (await step(Tensor.from(factor))).item()) as number;
      if (Number.isFinite(factor)) {
        expect(norm).toBeCloseTo(factor * Math.SQRT2, 4);
        other.zeroGrad();
        plain.mul(factor).sum().backward();
        other.step();
      }
      expect(await numbers(x)).toEqual(await numbers(plain));
    }
    const [a, b] = [nn.stateDict(optimiser), nn.stateDict(other)];
    expect(await numbers(a.steps)).toEqual([3]);
    for (const name of Object.keys(a)) expect(await numbers(a[name])).toEqual(await numbers(b[name]));
    expect(await scaler.factor.item()).toBe(2);
  });

  it("grows after good steps and falls after bad ones", async () => {
    const { scaler, step } = setup();
    const scales: unknown[] = [];
    for (const factor of [1, 1, 1, Number.NaN, 1, 1]) {
      await step(Tensor.from(factor));
      scales.push(await scaler.factor.item());
    }
    expect(scales).toEqual([8, 16, 16, 8, 8, 16]);
  });

  it("saves gradients that half types would lose", async () => {
    const x = Tensor.ones([1], { dtype: "float16" }).requiresGrad_();
    const optimiser = new nn.SGD([x.float32().clone().requiresGrad_()], { lr: 1 });
    const loss = (scaler?: nn.GradScaler): Tensor => {
      x.grad = undefined;
      const value = x
        .mul(2 ** -14)
        .mul(2 ** -12)
        .sum();
      (scaler === undefined ? value : scaler.scale(value)).backward();
      return x.grad!;
    };
    expect(await numbers(loss())).toEqual([0]);
    expect((await numbers(loss(new nn.GradScaler({ scale: 2 ** 10 }))))[0]).toBe(2 ** -16);
    expect(() => new nn.GradScaler().update()).toThrow("without a step");
    const scaler = new nn.GradScaler();
    scaler.unscale(optimiser);
    expect(() => scaler.unscale(optimiser)).toThrow("already");
  });
});

describe("averaged weights", () => {
  it("follow, and change places with the model's", async () => {
    const layer = new nn.Linear(1, 1);
    layer.weight.assign(0);
    const ema = new nn.ExponentialMovingAverage(layer, { decay: 0.75 });
    layer.weight.assign(8);
    ema.update();
    ema.update();
    ema.swap();
    expect(await numbers(layer.weight)).toEqual([3.5]);
    ema.swap();
    expect(await numbers(layer.weight)).toEqual([8]);
    expect(layer.weight.requiresGrad).toBe(true);
  });
  it("have one place for a tensor of two names, and change with it once", async () => {
    const x = Tensor.from([1]);
    const ema = new nn.ExponentialMovingAverage({ x, tied: x }, { decay: 0.5 });
    x.assign(3);
    ema.update();
    ema.swap();
    expect(await numbers(x)).toEqual([2]);
    ema.swap();
    expect(await numbers(x)).toEqual([3]);
  });
  it("follow at their own pace in captured steps too", async () => {
    const model = { x: Tensor.from([10]) };
    const ema = new nn.ExponentialMovingAverage(model, { warmup: true });
    const [x] = [model.x];
    ema.averages.x.assign(0);
    const step = jit(() => ema.update());
    await step();
    await step();
    // 0.1 of the old average, then 2 / 11.
    expect(await numbers(x)).toEqual([10]);
    expect((await numbers(ema.averages.x))[0]).toBeCloseTo(10 - (2 / 11) * 1, 5);
  });
  it("follow faster at first, if asked", async () => {
    const model = { x: Tensor.zeros([1]) };
    const ema = new nn.ExponentialMovingAverage(model, { warmup: true });
    model.x.assign(10);
    ema.update();
    expect((await numbers(ema.averages.x))[0]).toBeCloseTo(9, 5);
  });
});

describe("schedulers", () => {
  it("set the rate that captured steps see", async () => {
    const x = Tensor.zeros([1]).requiresGrad_();
    const optimiser = new nn.SGD([x], { lr: 100 });
    const scheduler = new nn.Scheduler(optimiser, nn.schedules.multiStep(1, [2], 0.5));
    const step = jit(() => {
      optimiser.zeroGrad();
      x.sum().backward();
      optimiser.step();
      return x.sum();
    });
    const values: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      values.push(await (await step()).item());
      scheduler.step();
    }
    expect(values).toEqual([-1, -2, -2.5, -3]);
  });
  it("join schedules", () => {
    const { constant, linear, sequential, warmup, inverseSquareRoot, oneCycle } = nn.schedules;
    const rate = sequential([warmup(constant(1), 4), linear(2, 4)], [6]);
    expect([0, 1, 2, 4, 5, 6, 8, 20].map(rate)).toEqual([0, 0.25, 0.5, 1, 1, 2, 1, 0]);
    expect([0, 3, 15].map(inverseSquareRoot(1, 4))).toEqual([0.25, 1, 0.5]);
    expect(() => sequential([constant(1)], [3])).toThrow("0 milestones");
    expect(() => oneCycle(1, 5)(5)).toThrow("step 5 is not one of its 5 steps");
  });
  it("need a number to start a plateau from", () => {
    const optimiser = new nn.SGD([Tensor.zeros([1]).requiresGrad_()], { lr: Tensor.from(1) });
    expect(() => new nn.PlateauScheduler(optimiser)).toThrow("give it as a number");
  });
});

it("Muon takes matrices only", () => {
  expect(() => new nn.Muon([Tensor.zeros([2]).requiresGrad_()])).toThrow("give it to AdamW");
});

it("refuses tensors that want no gradient", () => {
  expect(() => new nn.SGD([Tensor.ones([2])])).toThrow("wants no gradient");
  expect(() => new nn.SGD([Tensor.ones([2]).requiresGrad_()], { nesterov: true })).toThrow(
    "nesterov needs a momentum",
  );
});
