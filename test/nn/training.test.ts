// Small models trained for twenty steps as PyTorch trains them, from the same weights and data
// (scripts/fixtures/trajectories.py): captured and not, and saved halfway. Then transforms and training mixed.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import {
  availableDevices,
  checkpoint,
  grad,
  hessian,
  jit,
  loadSafetensors,
  manualSeed,
  nn,
  saveSafetensors,
  setDefaultDevice,
  Tensor,
  vmap,
} from "../../src/index.js";
import { storeBytes } from "../../src/engine/engine.js";
import { difference, type FixtureCase, type FixtureTensor, readFixtures } from "../conformance/compare.js";

const STEPS = 20;
const folder = mkdtempSync(join(tmpdir(), "brisc-training-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A model and all that moves it. */
interface Training {
  readonly model: object;
  readonly optimisers: readonly nn.Optimiser[];
  readonly scheduler?: nn.Scheduler;
  readonly loss: (x: Tensor, y: Tensor) => Tensor;
  /** Between gradients and step. */
  readonly after?: () => void;
}

function perceptron(): Training {
  const model = new nn.Sequential(
    new nn.Linear(6, 16),
    (x) => x.gelu(),
    new nn.Linear(16, 12),
    (x) => x.tanh(),
    new nn.Linear(12, 3),
  );
  const optimiser = new nn.AdamW(nn.parameters(model), { lr: 0.02, weightDecay: 0.1 });
  return {
    model,
    optimisers: [optimiser],
    scheduler: new nn.Scheduler(optimiser, nn.schedules.cosine(0.02, STEPS, { min: 1e-3 })),
    loss: (x, y) => model.forward(x).crossEntropy(y),
    after: () => nn.clipGradNorm(optimiser.parameters, 0.5),
  };
}

function convolutional(): Training {
  const model = new nn.Sequential(
    new nn.Conv2d(1, 4, 3, { padding: 1, bias: false }),
    new nn.BatchNorm2d(4),
    (x) => x.relu(),
    new nn.MaxPool2d(2),
    new nn.Conv2d(4, 6, 3, { stride: 2 }),
    new nn.BatchNorm2d(6),
    (x) => x.relu(),
    new nn.Dropout(0),
    new nn.Flatten(),
    new nn.Linear(6, 3),
  );
  const options = { lr: 0.05, momentum: 0.9, nesterov: true, weightDecay: 1e-3 };
  return {
    model,
    optimisers: [new nn.SGD(nn.parameters(model), options)],
    loss: (x, y) => model.forward(x).crossEntropy(y),
  };
}

function recurrent(): Training {
  const model = { lstm: new nn.LSTM(3, 6, { layers: 2 }), head: new nn.Linear(6, 2) };
  return {
    model,
    optimisers: [new nn.RMSprop(nn.parameters(model), { lr: 0.01, momentum: 0.5 })],
    loss: (x, y) => model.head.forward(model.lstm.forward(x)[0].select(1, -1)).smoothL1Loss(y),
  };
}

function transformer(): Training {
  const makeBlock = (): nn.TransformerEncoderLayer =>
    new nn.TransformerEncoderLayer(8, 2, {
      feedForward: 12,
      dropout: 0,
      activation: (x) => x.gelu(),
      normFirst: true,
    });
  const model = {
    words: new nn.Embedding(11, 8),
    blocks: new nn.TransformerEncoder(makeBlock, 2),
    norm: new nn.LayerNorm(8),
  };
  const matrices = nn.parameters(model.blocks).filter((x) => x.ndim === 2);
  const vectors = nn.parameters(model).filter((x) => x.ndim === 1);
  const groups = [
    { parameters: [model.words.weight], weightDecay: 0.1 },
    { parameters: vectors, weightDecay: 0, lr: 0.005 },
  ];
  return {
    model,
    optimisers: [new nn.Muon(matrices, { lr: 0.02 }), new nn.AdamW(groups, { lr: 0.01, betas: [0.9, 0.95] })],
    loss(x, y) {
      const read = model.norm.forward(model.blocks.forward(model.words.forward(x), { isCausal: true }));
      return read.matmul(model.words.weight.T).flatten(0, 1).crossEntropy(y.flatten());
    },
  };
}

const MODELS: Readonly<Record<string, () => Training>> = {
  perceptron,
  convolutional,
  recurrent,
  transformer,
};

const asTensor = ({ dtype, shape, bytes }: FixtureTensor): Tensor =>
  Tensor.ofNode(storeBytes(bytes, dtype, shape));

/** The training of a case with the weights it starts from, and its batches. */
function begin(fixture: FixtureCase): {
  training: Training;
  batches: readonly (readonly [Tensor, Tensor])[];
} {
  const [x, y, ...tensors] = fixture.inputs.map(asTensor);
  const training = MODELS[fixture.name]();
  const names = fixture.args[0] as readonly string[];
  const state = Object.fromEntries(names.map((name, i) => [name, tensors[i]]));
  nn.loadStateDict(training.model, state, { names: "torch", strict: false });
  return { training, batches: [0, 1, 2, 3].map((i) => [x.select(0, i), y.select(0, i)] as const) };
}

function stepOf({ optimisers, loss, after }: Training): (x: Tensor, y: Tensor) => Tensor {
  return (x, y) => {
    for (const optimiser of optimisers) optimiser.zeroGrad();
    const value = loss(x, y);
    value.backward();
    after?.();
    for (const optimiser of optimisers) optimiser.step();
    return value.detach();
  };
}

/** Losses of the steps from one to another. */
async function train(
  training: Training,
  step: (x: Tensor, y: Tensor) => Tensor | Promise<Tensor>,
  batches: readonly (readonly [Tensor, Tensor])[],
  [from, to]: readonly [number, number],
): Promise<number[]> {
  const losses: number[] = [];
  for (let i = from; i < to; i++) {
    const loss = await step(...batches[i % 4]);
    // What an optimiser writes is computed with the loss, as a captured step does.
    await Tensor.realize([loss, ...Object.values(nn.stateDict([training.model, training.optimisers]))]);
    losses.push(Number(await loss.item()));
    training.scheduler?.step();
  }
  return losses;
}

const bytesOf = (losses: readonly number[]): Uint8Array => new Uint8Array(new Float32Array(losses).buffer);

const fixtures = readFixtures("trajectories");
for (const { name: device, available, reason } of await availableDevices()) {
  if (device !== "wasm" && device !== "cpu") continue;
  describe.skipIf(!available)(`${device}${available ? "" : ` (not available: ${reason})`}`, () => {
    beforeEach(() => {
      setDefaultDevice(device);
      manualSeed(0);
    });
    for (const fixture of fixtures) {
      const [expected, ...weights] = fixture.outputs;
      it(`${fixture.name}: a captured step trains as PyTorch does, saved and loaded on the way`, async () => {
        const { training, batches } = begin(fixture);
        const half = await train(training, jit(stepOf(training)), batches, [0, STEPS / 2]);
        const file = join(folder, `${device}-${fixture.name}.safetensors`);
        await saveSafetensors(file, nn.stateDict([training.model, training.optimisers]));
        const rest = await train(training, jit(stepOf(training)), batches, [STEPS / 2, STEPS]);
        expect(difference(bytesOf([...half, ...rest]), expected, fixture.tolerance)).toBeUndefined();
        const state = nn.stateDict(training.model, { names: "torch" });
        for (const [i, name] of (fixture.args[0] as string[]).entries()) {
          // The gradients of the keys' biases are 0 but for rounding, of which Adam makes whole steps.
          if (name.endsWith("in_proj_bias")) continue;
          const bytes = new Uint8Array(((await state[name].data()) as Float32Array).slice().buffer);
          expect([name, difference(bytes, weights[i], fixture.tolerance)]).toEqual([name, undefined]);
        }
        const other = MODELS[fixture.name]();
        nn.loadStateDict([other.model, other.optimisers], await loadSafetensors(file));
        if (other.scheduler !== undefined) other.scheduler.steps = STEPS / 2;
        expect(await train(other, jit(stepOf(other)), batches, [STEPS / 2, STEPS])).toEqual(rest);
      });
    }
    it("perceptron: a step that is not captured trains alike", async () => {
      const [fixture] = fixtures;
      const { training, batches } = begin(fixture);
      const losses = await train(training, stepOf(training), batches, [0, STEPS]);
      expect(difference(bytesOf(losses), fixture.outputs[0], fixture.tolerance)).toBeUndefined();
    });
  });
}

beforeEach(() => {
  setDefaultDevice("interpreter");
  manualSeed(0);
});

const numbers = async (x: Tensor): Promise<number[]> => Array.from((await x.data()) as Float32Array);

function expectClose(actual: readonly number[], expected: readonly number[], digits = 5): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, digits);
}

/** A small network as a function of its weights, and these. */
function network(): { weights: Tensor[]; forward: (x: Tensor, ...weights: Tensor[]) => Tensor } {
  const weights = [Tensor.randn([5, 3]), Tensor.randn([5]), Tensor.randn([2, 5])];
  return { weights, forward: (x, w, b, v) => x.linear(w, b).tanh().linear(v) };
}

it("gradients of each example by vmap are those of a loop", async () => {
  const { weights, forward } = network();
  const [w, v, u] = weights;
  const [x, y] = [Tensor.randn([4, 3]), Tensor.randn([4, 2])];
  await Tensor.realize([x, y, ...weights]);
  const loss = (a: Tensor, b: Tensor, w: Tensor, v: Tensor, u: Tensor): Tensor =>
    forward(a, w, v, u).mseLoss(b);
  const each = vmap(grad(loss, [2, 3, 4]), { inAxes: [0, 0, null, null, null] });
  const together = await jit((a: Tensor, b: Tensor) => each(a, b, w, v, u))(x, y);
  for (let i = 0; i < 4; i++) {
    const alone = grad(loss, [2, 3, 4])(x.select(0, i), y.select(0, i), w, v, u);
    for (const [k, g] of alone.entries())
      expectClose(await numbers(together[k].select(0, i)), await numbers(g));
  }
});

it("the Hessian of a small network is symmetric and gives the slopes of its gradient", async () => {
  const { weights, forward } = network();
  const [w, b, v] = weights.map((t) => t.cast("float64"));
  const x = Tensor.randn([4, 3], { dtype: "float64" });
  await Tensor.realize([w, b, v, x]);
  const loss = (flat: Tensor): Tensor =>
    forward(x, flat.reshape([5, 3]), b, v)
      .square()
      .mean();
  const at = w.flatten();
  const h = await numbers(await jit((p: Tensor) => hessian(loss)(p))(at));
  const step = 1e-5;
  for (const i of [0, 7, 14]) {
    const moved = (by: number): Promise<number[]> =>
      numbers(grad(loss)(at.add(Tensor.arange(15).eq(i).cast("float64").mul(by))));
    const [up, down] = [await moved(step), await moved(-step)];
    for (let j = 0; j < 15; j++) {
      expect(h[i * 15 + j]).toBeCloseTo((up[j] - down[j]) / (2 * step), 7);
      expect(h[i * 15 + j]).toBeCloseTo(h[j * 15 + i], 12);
    }
  }
});

it("a checkpointed transformer block gives the gradients of the block", async () => {
  const block = new nn.TransformerEncoderLayer(8, 2, { feedForward: 12, dropout: 0 });
  const x = Tensor.randn([2, 4, 8]).requiresGrad_();
  const all = [x, ...nn.parameters(block)];
  await Tensor.realize(all);
  const gradients = async (f: (y: Tensor) => Tensor): Promise<number[][]> => {
    for (const p of all) p.grad = undefined;
    f(x).sin().sum().backward();
    return Promise.all(all.map((p) => numbers(p.grad!)));
  };
  const plain = await gradients((y) => block.forward(y));
  const kept = await gradients(checkpoint((y: Tensor) => block.forward(y)));
  for (const [i, values] of plain.entries()) expectClose(kept[i], values);
});

it("a captured step carries a scaler, an average of the weights and a step left out", async () => {
  const train = async (captured: boolean): Promise<number[][]> => {
    manualSeed(1);
    const model = new nn.Linear(3, 2);
    const optimiser = new nn.AdamW(nn.parameters(model), { lr: 0.05 });
    const scaler = new nn.GradScaler({ scale: 1024, growthInterval: 2 });
    const average = new nn.ExponentialMovingAverage(model, { decay: 0.9, warmup: true });
    const plain = (x: Tensor): void => {
      optimiser.zeroGrad();
      scaler.scale(model.forward(x.half().float32()).square().mean()).backward();
      scaler.unscale(optimiser);
      nn.clipGradNorm(optimiser.parameters, 1);
      scaler.step(optimiser);
      scaler.update();
      average.update();
    };
    const step = captured ? jit(plain) : plain;
    const state = [...Object.values(nn.stateDict([model, average.averages])), scaler.factor];
    // The second input is infinite in float16: its step is left out, and the scale falls.
    for (const size of [1, 1e6, 2, 3, 4]) {
      const x = Tensor.arange(6).add(1).mul(size).reshape([2, 3]).float32();
      await step(x);
      await Tensor.realize([...state, ...Object.values(nn.stateDict(optimiser))]);
    }
    return Promise.all(state.map(numbers));
  };
  const [eager, captured] = [await train(false), await train(true)];
  for (const [i, values] of eager.entries()) expectClose(captured[i], values);
  expect(captured[captured.length - 1]).toEqual([1024]);
});
