// Layers and models: how tensors are found, named, saved and loaded; training mode; what a step changes.

import { beforeEach, describe, expect, it } from "vitest";
import {
  type BoundVariable,
  jit,
  manualSeed,
  nn,
  setDefaultDevice,
  Tensor,
  Variable,
} from "../../src/index.js";

beforeEach(() => {
  setDefaultDevice("interpreter");
  manualSeed(0);
});

const numbers = async (x: Tensor): Promise<number[]> => Array.from((await x.data()) as Float32Array);

class Network {
  readonly embedding = new nn.Embedding(5, 4);
  readonly blocks = [new nn.Linear(4, 4), new nn.Linear(4, 4, { bias: false })];
  readonly norm = { inner: new nn.BatchNorm1d(4) };
  readonly dropout = new nn.Dropout(0.5);
  readonly last: nn.Linear;
  readonly name = "network";
  readonly self: Network = this;

  constructor() {
    this.last = new nn.Linear(4, 5, { bias: false });
    this.last.weight = this.embedding.weight;
  }

  forward(x: Tensor): Tensor {
    const y = this.blocks.reduce((z, block) => block.forward(z).relu(), this.embedding.forward(x));
    return this.last.forward(this.dropout.forward(this.norm.inner.forward(y)));
  }
}

describe("a model", () => {
  it("names its tensors by their paths", () => {
    expect(Object.keys(nn.stateDict(new Network()))).toEqual([
      "embedding.weight",
      "blocks.0.weight",
      "blocks.0.bias",
      "blocks.1.weight",
      "norm.inner.weight",
      "norm.inner.bias",
      "norm.inner.runningMean",
      "norm.inner.runningVar",
      "norm.inner.numBatchesTracked",
      "last.weight",
    ]);
  });

  it("has each parameter once, and no statistics among them", () => {
    const network = new Network();
    const parameters = nn.parameters(network);
    expect(parameters.length).toBe(6);
    expect(parameters.filter((x) => x === network.last.weight).length).toBe(1);
    expect(parameters).not.toContain(network.norm.inner.runningMean);
  });

  it("takes over the state of another", async () => {
    const [from, to] = [new Network(), new Network()];
    nn.evaluate(from);
    nn.evaluate(to);
    nn.loadStateDict(to, nn.stateDict(from));
    const x = Tensor.from([0, 3, 1], { dtype: "int32" });
    expect(await numbers(to.forward(x))).toEqual(await numbers(from.forward(x)));
    expect(nn.parameters(to).every((p) => p.requiresGrad)).toBe(true);
  });

  it("refuses state that does not fit, and changes nothing then", async () => {
    const layer = new nn.Linear(2, 3);
    const before = await numbers(layer.weight);
    const { weight, bias } = nn.stateDict(new nn.Linear(2, 3));
    expect(() => nn.loadStateDict(layer, { weight })).toThrow("it lacks bias");
    expect(() => nn.loadStateDict(layer, { weight, bias, more: bias })).toThrow("the model has no more");
    expect(() => nn.loadStateDict(layer, { weight, bias: weight })).toThrow(
      "bias is float32[3], but float32[3, 2]",
    );
    expect(() => nn.loadStateDict(layer, { weight, bias: bias.int() })).toThrow("but int32[3] was given");
    expect(await numbers(layer.weight)).toEqual(before);
    nn.loadStateDict(layer, { bias: bias.half(), more: bias }, { strict: false });
    expect(await numbers(layer.bias!)).toEqual(await numbers(bias.half().float32()));
  });

  it("is in training until told otherwise", async () => {
    const network = new Network();
    nn.evaluate(network);
    expect([network.dropout.training, network.norm.inner.training]).toEqual([false, false]);
    nn.train(network);
    expect([network.dropout.training, network.norm.inner.training]).toEqual([true, true]);
  });

  it("starts with weights within PyTorch's bounds", async () => {
    const largest = async (x: Tensor) => (await x.abs().max().item()) as number;
    const { weight, bias } = new nn.Linear(25, 40);
    for (const x of [weight, bias!]) {
      expect(await largest(x)).toBeLessThanOrEqual(1 / 5);
      expect(await largest(x)).toBeGreaterThan(0.15);
    }
    const conv = new nn.Conv2d(8, 8, [3, 3], { groups: 2 });
    expect(conv.weight.shape).toEqual([8, 4, 3, 3]);
    expect(await largest(conv.weight)).toBeLessThanOrEqual(1 / 6);
    expect(await largest(conv.weight)).toBeGreaterThan(0.15);
  });
});

describe("layers", () => {
  it("have the shapes they should", () => {
    const shape = (layer: nn.Layer, ...given: number[]) =>
      new nn.Sequential(layer).forward(Tensor.zeros(given)).shape;
    expect(shape(new nn.Linear(3, 5), 2, 4, 3)).toEqual([2, 4, 5]);
    expect(shape(new nn.Conv1d(3, 5, 3, { padding: 1 }), 2, 3, 7)).toEqual([2, 5, 7]);
    expect(shape(new nn.Conv2d(4, 6, [3, 2], { stride: 2, groups: 2 }), 2, 4, 7, 8)).toEqual([2, 6, 3, 4]);
    expect(shape(new nn.BatchNorm2d(3), 2, 3, 4, 4)).toEqual([2, 3, 4, 4]);
    expect(shape(new nn.LayerNorm([3, 4]), 2, 3, 4)).toEqual([2, 3, 4]);
    expect(shape(new nn.RMSNorm(4), 2, 3, 4)).toEqual([2, 3, 4]);
    expect(shape(new nn.GroupNorm(2, 4), 2, 4, 3)).toEqual([2, 4, 3]);
    expect(shape(new nn.MultiheadAttention(8, 2), 2, 5, 8)).toEqual([2, 5, 8]);
    expect(shape((x) => x.flatten(1), 2, 5, 8)).toEqual([2, 40]);
    expect(() => new nn.BatchNorm2d(3).forward(Tensor.zeros([2, 3]))).toThrow("BatchNorm2d");
    expect(() => new nn.MultiheadAttention(8, 3)).toThrow("does not divide into 3 heads");
  });

  it("BatchNorm follows the batches in a captured step", async () => {
    const layer = new nn.BatchNorm1d(2);
    const step = jit((x: Tensor) => layer.forward(x));
    const x = Tensor.from([[1, 10], [3, 30]]); // biome-ignore format: rows
    for (let i = 0; i < 3; i++) await step(x);
    const kept = 0.9 ** 3;
    const expected = [2 * (1 - kept), 20 * (1 - kept), kept + 2 * (1 - kept), kept + 200 * (1 - kept)];
    const found = [...(await numbers(layer.runningMean!)), ...(await numbers(layer.runningVar!))];
    for (const [i, value] of found.entries()) expect(value).toBeCloseTo(expected[i], 4);
  });

  it("MultiheadAttention hides what the mask and causality hide", async () => {
    const layer = new nn.MultiheadAttention(4, 2);
    const x = Tensor.randn([1, 3, 4]);
    const changed = x.add(Tensor.from([0, 0, 1]).reshape([1, 3, 1]));
    const first = async (y: Tensor) => numbers(layer.forward(y, y, y, { isCausal: true }).narrow(1, 0, 2));
    expect(await first(changed)).toEqual(await first(x));
    const keyPaddingMask = Tensor.from([[false, false, true]]);
    const seen = async (keys: Tensor) => numbers(layer.forward(x, keys, keys, { keyPaddingMask }));
    expect(await seen(changed)).toEqual(await seen(x));
  });

  it("serve sequences of any length captured once", async () => {
    const length = new Variable("layerTestLength", 1, 6);
    const layers = new nn.Sequential(new nn.LayerNorm(4), new nn.RMSNorm(4), new nn.Linear(4, 4));
    const keys = Tensor.randn([2, 6, 4]);
    const queries = Tensor.randn([2, 1, 4]);
    const attend = (upTo: Tensor): Tensor => {
      const seen = layers.forward(upTo);
      return queries.scaledDotProductAttention(seen, seen);
    };
    const captured = jit((all: Tensor, n: BoundVariable) => attend(all.narrow(1, 0, n.variable.dim)));
    for (const n of [1, 4, 6]) {
      const expected = await numbers(attend(keys.narrow(1, 0, n)));
      const found = await numbers(await captured(keys, length.bind(n)));
      for (const [i, value] of found.entries()) expect(value).toBeCloseTo(expected[i], 5);
    }
  });
});
