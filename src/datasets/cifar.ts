// CIFAR-10 and CIFAR-100 (A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009) in their binary
// version: records of one or two labels and 3 x 32 x 32 bytes, from the archive as it is published or its folder.

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { FileError } from "../formats/source.js";
import { readFile } from "./files.js";
import { LabelledImages } from "./images.js";
import { filesOfTar } from "./tar.js";

const SHAPE = [3, 32, 32];
const PIXELS = 3 * 32 * 32;

export interface Cifar {
  /** images: [length, 3, 32, 32] bytes, red, green, blue. */
  readonly train: LabelledImages;
  readonly test: LabelledImages;
}

export interface Cifar100Options {
  /** Which of the two labels to take: of 100 classes (the default), or of the 20 that they belong to. */
  readonly labels?: "fine" | "coarse";
}

/** How a version's files are named and its records made. */
interface Version {
  /** The folder in the archive. */
  readonly folder: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
  /** Labels before each image; the one to take, how many classes it has and which file names them. */
  readonly labels: number;
  readonly label: number;
  readonly count: number;
  readonly names: string;
}

/** Reads CIFAR-10: `path` is cifar-10-binary.tar.gz or the folder that holds data_batch_1.bin and the others. */
export function loadCifar10(path: string): Cifar {
  return load(path, {
    folder: "cifar-10-batches-bin",
    train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
    test: ["test_batch.bin"],
    labels: 1,
    label: 0,
    count: 10,
    names: "batches.meta.txt",
  });
}

/** Reads CIFAR-100: `path` is cifar-100-binary.tar.gz or the folder that holds train.bin and test.bin. */
export function loadCifar100(path: string, { labels = "fine" }: Cifar100Options = {}): Cifar {
  return load(path, {
    folder: "cifar-100-binary",
    train: ["train.bin"],
    test: ["test.bin"],
    labels: 2,
    label: labels === "fine" ? 1 : 0,
    count: labels === "fine" ? 100 : 20,
    names: `${labels}_label_names.txt`,
  });
}

interface NamedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Gives a file of the dataset by its name; undefined if it is not there. */
type Files = (name: string) => NamedFile | undefined;

function load(path: string, version: Version): Cifar {
  const files = filesIn(path, version.folder);
  const names = files(version.names);
  const classes = names === undefined ? [] : linesOf(names.bytes);
  if (names !== undefined && classes.length !== version.count)
    throw new FileError(`${names.name}: names ${classes.length} classes, there are ${version.count}`);
  const split = (parts: readonly string[]) => {
    const found = parts.map((name) => {
      const file = files(name);
      if (file === undefined) throw new FileError(`${path} holds no file ${name}`);
      return file;
    });
    return readRecords(found, version, classes.length > 0 ? classes : numbered(version.count));
  };
  return { train: split(version.train), test: split(version.test) };
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));

const linesOf = (bytes: Uint8Array): string[] =>
  new TextDecoder()
    .decode(bytes)
    .split(/\r?\n/)
    .filter((line) => line !== "");

function filesIn(path: string, inner: string): Files {
  if (!existsSync(path)) throw new FileError(`${path} does not exist`);
  if (!statSync(path).isDirectory()) {
    const files = filesOfTar(readFile(path), path);
    return (name) => {
      const bytes = files.get(`${inner}/${name}`) ?? files.get(name) ?? files.get(`./${inner}/${name}`);
      return bytes && { name: `${path}: ${name}`, bytes };
    };
  }
  const folder = existsSync(join(path, inner)) ? join(path, inner) : path;
  return (name) => {
    const file = [name, `${name}.gz`].map((form) => join(folder, form)).find((form) => existsSync(form));
    return file === undefined ? undefined : { name: file, bytes: readFile(file) };
  };
}

function readRecords(
  files: readonly NamedFile[],
  version: Version,
  classes: readonly string[],
): LabelledImages {
  const record = version.labels + PIXELS;
  for (const { name, bytes } of files) {
    if (bytes.length === 0 || bytes.length % record !== 0)
      throw new FileError(`${name}: ${bytes.length} bytes are no whole number of records of ${record} bytes`);
  }
  const count = files.reduce((sum, { bytes }) => sum + bytes.length / record, 0);
  const images = new Uint8Array(count * PIXELS);
  const labels = new Uint8Array(count);
  let row = 0;
  for (const { name, bytes } of files) {
    for (let start = 0; start < bytes.length; start += record, row++) {
      const label = bytes[start + version.label];
      if (label >= version.count)
        throw new FileError(
          `${name}: the label of record ${start / record} is ${label}, not below ${version.count}`,
        );
      labels[row] = label;
      images.set(bytes.subarray(start + version.labels, start + record), row * PIXELS);
    }
  }
  return new LabelledImages(images, labels, SHAPE, classes);
}
