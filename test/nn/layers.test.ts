// Layers beyond PyTorch's reference values: errors that name the layer, what dropping does, positions, and what of a model
// is found where.

import { beforeEach, describe, expect, it } from "vitest";
import { jit, manualSeed, nn, setDefaultDevice, Tensor } from "../../src/index.js";

beforeEach(() => {
  setDefaultDevice("interpreter");
  manualSeed(0);
});

const numbers = async (x: Tensor): Promise<number[]> => Array.from((await x.data()) as Float32Array);
const zeros = (...shape: number[]): Tensor => Tensor.zeros(shape);

describe("errors name the layer", () => {
  const calls: readonly (readonly [string, () => unknown])[] = [
    ["Linear: .* 3 inputs", () => new nn.Linear(3, 5).forward(zeros(2, 4))],
    ["Linear: outputs must be a positive integer", () => new nn.Linear(3, 0)],
    ["Bilinear: .* 4 right inputs", () => new nn.Bilinear(3, 4, 2).forward(zeros(2, 3), zeros(2, 3))],
    [
      "Conv2d: .* should be \\[batch, 3, height, width\\]",
      () => new nn.Conv2d(3, 4, 2).forward(zeros(1, 2, 5, 5)),
    ],
    ["ConvTranspose1d: .* groups", () => new nn.ConvTranspose1d(3, 4, 2, { groups: 2 })],
    ["BatchNorm1d: .* 2 or 3 axes, and 3 channels", () => new nn.BatchNorm1d(3).forward(zeros(2, 4))],
    [
      "BatchNorm2d: training needs more than one value",
      () => new nn.BatchNorm2d(3).forward(zeros(1, 3, 1, 1)),
    ],
    [
      "InstanceNorm1d: training needs more than one place",
      () => new nn.InstanceNorm1d(3).forward(zeros(2, 3, 1)),
    ],
    ["GroupNorm: 5 channels do not divide into 2", () => new nn.GroupNorm(2, 5)],
    ["Embedding: .* should be integers", () => new nn.Embedding(3, 2).forward(zeros(2))],
    ["Embedding: paddingIdx 3", () => new nn.Embedding(3, 2, { paddingIdx: 3 })],
    ["EmbeddingBag: needs integers", () => new nn.EmbeddingBag(3, 2).forward(Tensor.arange(3))],
    [
      "EmbeddingBag: perSampleWeights are for sums",
      () =>
        new nn.EmbeddingBag(3, 2).forward(Tensor.arange(3).unsqueeze(0), { perSampleWeights: zeros(1, 3) }),
    ],
    ["dropout2d: needs channels and 2 more axes", () => new nn.Dropout2d().forward(zeros(2, 3))],
    ["AlphaDropout: the probability", () => new nn.AlphaDropout(1.5)],
    ["LSTM: .* should be \\[batch, length, 3\\]", () => new nn.LSTM(3, 4).forward(zeros(2, 5, 4))],
    ["LSTM: projSize", () => new nn.LSTM(3, 4, { projSize: 4 })],
    [
      "GRU: the initial state .* should be \\[1,2,4\\]",
      () => new nn.GRU(3, 4).forward(zeros(2, 5, 3), zeros(2, 4)),
    ],
    ["RNN: lengths", () => new nn.RNN(3, 4).forward(zeros(2, 5, 3), undefined, { lengths: [5, 6] })],
    ["GRUCell: .* 3 inputs", () => new nn.GRUCell(3, 4).forward(zeros(2, 4))],
    [
      "MultiheadAttention: .* 8 keys",
      () => new nn.MultiheadAttention(8, 2).forward(zeros(2, 3, 8), zeros(2, 3, 4)),
    ],
    ["RotaryEmbedding: 3 elements", () => new nn.RotaryEmbedding(4, { rotated: 3 })],
    [
      "weightNorm: the layer Linear has no tensor scale",
      () => nn.weightNorm(new nn.Linear(2, 2), { name: "scale" }),
    ],
  ];
  for (const [message, call] of calls) it(message, () => expect(call).toThrow(new RegExp(message)));
});

describe("dropping", () => {
  const share = async (x: Tensor, dropped: number): Promise<number> => {
    const values = await numbers(x);
    return values.filter((value) => Math.abs(value - dropped) < 1e-6).length / values.length;
  };

  it("takes as many elements as asked for, and scales the others", async () => {
    const y = new nn.Dropout(0.25).forward(Tensor.ones([40, 50]));
    expect(Math.abs((await share(y, 0)) - 0.25)).toBeLessThan(0.04);
    expect((await share(y, 0)) + (await share(y, 1 / 0.75))).toBe(1);
  });

  it("takes whole channels", async () => {
    const y = await numbers(new nn.Dropout2d(0.5).forward(Tensor.ones([20, 10, 2, 3])));
    const channels = Array.from({ length: 200 }, (_, i) => y.slice(6 * i, 6 * i + 6));
    expect(channels.every((channel) => channel.every((value) => value === channel[0]))).toBe(true);
    const dropped = channels.filter(([value]) => value === 0).length;
    expect(Math.abs(dropped / 200 - 0.5)).toBeLessThan(0.12);
    expect((await numbers(new nn.Dropout1d(1).forward(Tensor.ones([3, 4])))).every((x) => x === 0)).toBe(
      true,
    );
  });

  it("of selu keeps mean and variance", async () => {
    for (const layer of [new nn.AlphaDropout(0.3), new nn.FeatureAlphaDropout(0.3)]) {
      const y = await numbers(layer.forward(Tensor.randn([4000, 1])));
      const mean = y.reduce((sum, value) => sum + value, 0) / y.length;
      const variance = y.reduce((sum, value) => sum + (value - mean) ** 2, 0) / y.length;
      expect(Math.abs(mean)).toBeLessThan(0.1);
      expect(Math.abs(variance - 1)).toBeLessThan(0.15);
    }
  });

  it("happens in training only, and anew at each replay of a captured step", async () => {
    const layer = new nn.Dropout2d(0.5);
    nn.evaluate(layer);
    const x = Tensor.ones([4, 8, 1, 1]);
    expect(layer.forward(x)).toBe(x);
    nn.train(layer);
    const step = jit((y: Tensor) => layer.forward(y));
    const draws = [await numbers(await step(x)), await numbers(await step(x)), await numbers(await step(x))];
    expect(new Set(draws.map(String)).size).toBe(3);
  });
});

describe("positions", () => {
  it("ALiBi's slopes are the paper's", async () => {
    expect(await numbers(nn.alibiSlopes(8))).toEqual([1, 2, 3, 4, 5, 6, 7, 8].map((i) => 2 ** -i));
    // Of 3 heads: two of the slopes of 2, and the first of those of 4.
    expect(await numbers(nn.alibiSlopes(3))).toEqual([2 ** -4, 2 ** -8, 2 ** -2]);
    const distances = [
      [1, 0, 1],
      [2, 1, 0],
    ];
    const bias = await nn
      .alibiBias(1, 2, 3)
      .mul(-(2 ** 8))
      .abs()
      .tolist();
    expect(bias).toEqual([distances]);
  });

  it("rotations depend on the distance only", async () => {
    const rotary = new nn.RotaryEmbedding(4);
    const [q, k] = [Tensor.randn([1, 4]), Tensor.randn([1, 4])];
    const score = async (i: number, j: number): Promise<number> =>
      (await rotary
        .forward(q, { offset: i })
        .mul(rotary.forward(k, { offset: j }))
        .sum()
        .item()) as number;
    expect(await score(7, 3)).toBeCloseTo(await score(104, 100), 4);
    expect(await score(7, 3)).not.toBeCloseTo(await score(7, 4), 4);
  });
});

describe("a model", () => {
  it("may hold its layers in a Map or a Set", () => {
    const model = {
      heads: new Map([["left", new nn.Linear(2, 1)], ["right", new nn.Linear(2, 1, { bias: false })]]), // biome-ignore format: entries
      rest: new Set([new nn.PReLU()]),
    };
    const names = ["heads.left.weight", "heads.left.bias", "heads.right.weight", "rest.0.weight"];
    expect(Object.keys(nn.stateDict(model))).toEqual(names);
    expect(nn.parameters(model).length).toBe(4);
  });

  it("has PyTorch's names where they are asked for", () => {
    const model = { block: new nn.Sequential(new nn.MultiheadAttention(4, 2)), reader: new nn.LSTM(2, 3) };
    expect(Object.keys(nn.stateDict(model, { names: "torch" }))).toEqual([
      "block.0.in_proj_weight",
      "block.0.in_proj_bias",
      "block.0.out_proj.weight",
      "block.0.out_proj.bias",
      "reader.weight_ih_l0",
      "reader.weight_hh_l0",
      "reader.bias_ih_l0",
      "reader.bias_hh_l0",
    ]);
  });

  it("has no two tensors of one name", () => {
    const model = { someWeight: zeros(1), some_weight: zeros(2) };
    expect(() => nn.stateDict(model, { names: "torch" })).toThrow(
      "two tensors of the model have the name some_weight",
    );
  });

  it("learns a normed weight by its length and direction", async () => {
    const layer = nn.weightNorm(new nn.Linear(3, 2));
    expect(nn.parameters(layer).length).toBe(3);
    layer
      .forward(Tensor.ones([1, 3]))
      .sum()
      .backward();
    expect(Object.keys(nn.stateDict(layer)).sort()).toEqual(["bias", "weightG", "weightV"]);
    for (const x of nn.parameters(layer))
      expect((await numbers(x.grad!)).some((value) => value !== 0)).toBe(true);
  });

  it("trains a recurrent network in a captured step", async () => {
    const reader = new nn.GRU(2, 4);
    const head = new nn.Linear(4, 1);
    const optimiser = new nn.Adam(nn.parameters({ reader, head }), { lr: 0.05 });
    const x = Tensor.randn([6, 5, 2]);
    const target = x.select(2, 0).sum(1, { keepdim: true });
    await target.realize();
    const step = jit((inputs: Tensor, wanted: Tensor) => {
      optimiser.zeroGrad();
      const [, state] = reader.forward(inputs);
      const loss = head.forward(state.squeeze(0)).mseLoss(wanted);
      loss.backward();
      optimiser.step();
      return loss;
    });
    const first = (await (await step(x, target)).item()) as number;
    let last = first;
    for (let i = 0; i < 30; i++) last = (await (await step(x, target)).item()) as number;
    expect(last).toBeLessThan(first / 3);
  });
});
