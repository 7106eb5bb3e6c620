// The types of layers, optimisers and files. Checked when the tests are compiled; the functions here are never called.

import { expectTypeOf, it } from "vitest";
import {
  loadNpy,
  loadNpz,
  loadSafetensors,
  loadTorch,
  nn,
  type Tensor,
  type TorchValue,
} from "../../src/index.js";

declare const x: Tensor;
const never = (_: () => void): void => {};

it("layers take options by name and give tensors", () => {
  never(() => {
    expectTypeOf(new nn.Linear(3, 2, { bias: false }).forward(x)).toEqualTypeOf<Tensor>();
    expectTypeOf(new nn.Linear(3, 2).weight).toEqualTypeOf<Tensor>();
    expectTypeOf(new nn.Linear(3, 2).bias).toEqualTypeOf<Tensor | undefined>();
    expectTypeOf(new nn.GRU(3, 4).forward(x)).toEqualTypeOf<[outputs: Tensor, state: Tensor]>();
    const [, [h, c]] = new nn.LSTM(3, 4).forward(x);
    expectTypeOf([h, c]).toEqualTypeOf<Tensor[]>();
    expectTypeOf(new nn.Sequential(new nn.Linear(3, 2), (x) => x.relu()).forward(x)).toEqualTypeOf<Tensor>();
    // @ts-expect-error: bias is an option.
    new nn.Linear(3, 2, false);
    // @ts-expect-error: sizes are numbers.
    new nn.Linear([3], 2);
    // @ts-expect-error: there is no such padding.
    new nn.Conv2d(3, 8, 3, { padding: "full" });
    // @ts-expect-error: PyTorch's kernel_size is the third argument.
    new nn.Conv2d(3, 8, { kernelSize: 3 });
    // @ts-expect-error: PyTorch's num_layers is called layers.
    new nn.LSTM(3, 4, { numLayers: 2 });
    // @ts-expect-error: a number is no layer.
    new nn.Sequential(3);
    // @ts-expect-error: a layer of two results cannot stand in a row.
    new nn.Sequential(new nn.LSTM(3, 4));
    // @ts-expect-error: a function in a row gives a tensor.
    new nn.Sequential((x: Tensor) => x.size);
    // @ts-expect-error: a layer takes tensors.
    new nn.Linear(3, 2).forward([1, 2, 3]);
  });
});

it("optimisers take tensors or groups, and options of their own", () => {
  never(() => {
    const optimiser = new nn.AdamW([{ parameters: [x], weightDecay: 0 }, { parameters: [x] }], { lr: 1e-3 });
    expectTypeOf(optimiser.step()).toEqualTypeOf<void>();
    expectTypeOf(nn.parameters({ x })).toEqualTypeOf<Tensor[]>();
    expectTypeOf(nn.clipGradNorm([x], 1)).toEqualTypeOf<Tensor>();
    expectTypeOf(nn.schedules.cosine(0.1, 10)).toEqualTypeOf<nn.Schedule>();
    // @ts-expect-error: the option is called lr.
    new nn.SGD([x], { learningRate: 0.1 });
    // @ts-expect-error: Adam has no momentum, but betas.
    new nn.Adam([x], { momentum: 0.9 });
    // @ts-expect-error: parameters come as a list.
    new nn.SGD(x);
    // @ts-expect-error: a model is not its parameters.
    new nn.SGD(new nn.Linear(3, 2));
    // @ts-expect-error: groups have options of this optimiser.
    new nn.SGD([{ parameters: [x], betas: [0.9, 0.99] }]);
    // @ts-expect-error: a group's rate is a number.
    new nn.SGD([{ parameters: [x], lr: x }], { lr: 0.1 });
    // @ts-expect-error: there are two betas.
    new nn.Adam([x], { betas: [0.9] });
    // @ts-expect-error: a schedule is a function of the step.
    new nn.Scheduler(optimiser, 0.1);
  });
});

it("files give tensors by name", () => {
  never(() => {
    expectTypeOf(loadSafetensors("a")).toEqualTypeOf<Promise<Record<string, Tensor>>>();
    expectTypeOf(loadNpy(new Uint8Array())).toEqualTypeOf<Promise<Tensor>>();
    expectTypeOf(loadNpz(new Blob([]))).toEqualTypeOf<Promise<Record<string, Tensor>>>();
    expectTypeOf(loadTorch(new URL("file:///a.pt"))).resolves.toEqualTypeOf<TorchValue>();
    expectTypeOf(nn.stateDict({ x })).toEqualTypeOf<Record<string, Tensor>>();
    // @ts-expect-error: what a checkpoint holds must be looked at first.
    loadTorch("a").then((value) => nn.loadStateDict({ x }, value));
    // @ts-expect-error: a number is no file.
    loadNpy(3);
    // @ts-expect-error: names are paths or PyTorch's.
    nn.stateDict({ x }, { names: "keras" });
  });
});
