// The MNIST digits as they come from the package, and what is said of files that are not right.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseIdx } from "../../src/datasets/idx.js";
import { loadMnist, type MnistSplit } from "../../src/datasets/mnist.js";

const idx = (shape: number[], data: number[]) => {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length);
  bytes.set([0, 0, 8, shape.length]);
  const view = new DataView(bytes.buffer);
  for (const [i, size] of shape.entries()) view.setUint32(4 + 4 * i, size);
  bytes.set(data, 4 + 4 * shape.length);
  return bytes;
};

describe("the digits of the package", () => {
  const mnist = loadMnist();
  const image = (split: MnistSplit, i: number) =>
    Buffer.from(split.images.buffer, split.images.byteOffset + i * 784, 784).toString("latin1");

  it("are 60,000 to train on and 10,000 to test with", () => {
    expect([mnist.train.count, mnist.test.count]).toEqual([60_000, 10_000]);
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
    for (let i = 0; i < mnist.train.count; i++) seen.add(image(mnist.train, i));
    let shared = 0;
    for (let i = 0; i < mnist.test.count; i++) if (seen.has(image(mnist.test, i))) shared++;
    expect(shared).toBe(0);
  });
});

describe("idx files", () => {
  it("give shape and data", () => {
    const { shape, data } = parseIdx(idx([2, 3], [1, 2, 3, 4, 5, 6]), 2, "x");
    expect(shape).toEqual([2, 3]);
    expect([...data]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("are refused if they are cut short, too long, of another kind or packed", () => {
    const good = idx([2, 3], [1, 2, 3, 4, 5, 6]);
    expect(() => parseIdx(good.subarray(0, 17), 2, "x")).toThrow(
      "x: an array of 2 x 3 takes 18 bytes, the file has 17",
    );
    expect(() => parseIdx(Uint8Array.of(...good, 0), 2, "x")).toThrow("the file has 19");
    expect(() => parseIdx(good.subarray(0, 7), 2, "x")).toThrow("too few");
    expect(() => parseIdx(good, 3, "x")).toThrow("starts with 00 00 08 02");
    expect(() => parseIdx(new Uint8Array(20).fill(0x1f, 0, 1).fill(0x8b, 1, 2), 1, "x")).toThrow("gzip");
  });
});

describe("a folder of idx files", () => {
  const folder = mkdtempSync(join(tmpdir(), "brisc-mnist-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const write = (name: string, bytes: Uint8Array) => writeFileSync(join(folder, name), bytes);

  it("is read without checksums, and refused with a reason", () => {
    expect(() => loadMnist({ folder })).toThrow("train-images-idx3-ubyte cannot be read");
    const images = idx([2, 28, 28], new Array<number>(2 * 784).fill(7));
    write("train-images-idx3-ubyte", images);
    write("train-labels-idx1-ubyte", idx([2], [3, 4]));
    write("t10k-images-idx3-ubyte", images);
    write("t10k-labels-idx1-ubyte", idx([3], [3, 4, 5]));
    expect(() => loadMnist({ folder })).toThrow("there are 2 test images, but 3 labels");
    write("t10k-labels-idx1-ubyte", idx([2], [3, 10]));
    expect(() => loadMnist({ folder })).toThrow("test label 1 is 10, not a digit");
    write("t10k-labels-idx1-ubyte", idx([2], [3, 9]));
    expect(loadMnist({ folder }).test.count).toBe(2);
  });
});
