// CIFAR-10 and CIFAR-100 from folders and archives of a few records, and bad ones.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { loadCifar10, loadCifar100 } from "../../src/datasets/index.js";
import { DataLoader } from "../../src/index.js";

const root = mkdtempSync(join(tmpdir(), "brisc-cifar-"));
afterAll(() => rmSync(root, { recursive: true }));

/** Records of these labels; all bytes of image i are `first + i`. */
function records(labels: number[][], first = 0): Uint8Array {
  return Uint8Array.from(
    labels.flatMap((label, i) => [...label, ...new Array<number>(3072).fill(first + i)]),
  );
}
const ten: Record<string, Uint8Array> = {
  "test_batch.bin": records([[9], [0]], 100),
  "batches.meta.txt": new TextEncoder().encode(`${"abcdefghij".split("").join("\n")}\n\n`),
};
for (let i = 1; i <= 5; i++) ten[`data_batch_${i}.bin`] = records(i === 5 ? [[1], [2]] : [[i]], 10 * i);

/** A tar archive of ustar headers. */
function tar(files: Record<string, Uint8Array>): Uint8Array {
  const blocks = Object.entries(files).flatMap(([name, bytes]) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write("0000644\0", 100);
    header.write(`${bytes.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write("        ", 148);
    header.write("0ustar\x0000", 156);
    const sum = header.reduce((a, b) => a + b, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

let folder = "";
let count = 0;
const write = (files: Record<string, Uint8Array>) => {
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
};
beforeEach(() => {
  folder = join(root, `${count++}`);
  mkdirSync(folder);
});

describe("CIFAR-10", () => {
  it("is read from a folder, its files in order", async () => {
    write(ten);
    const { train, test } = loadCifar10(folder);
    expect([...train.labels]).toEqual([1, 2, 3, 4, 1, 2]);
    expect([...test.labels]).toEqual([9, 0]);
    expect([train, test].map((split) => split.classes.join(""))).toEqual(["abcdefghij", "abcdefghij"]);
    for await (const { images, labels } of new DataLoader(train, { batchSize: 6 })) {
      expect(`${images} ${labels}`).toBe("Tensor(uint8[6, 3, 32, 32]) Tensor(uint8[6])");
      expect(await images.amin([1, 2, 3]).tolist()).toEqual([10, 20, 30, 40, 50, 51]);
      expect(await images.amax([1, 2, 3]).tolist()).toEqual([10, 20, 30, 40, 50, 51]);
    }
  });

  it("is read from the archive", () => {
    const inside = Object.fromEntries(
      Object.entries(ten).map(([name, bytes]) => [`cifar-10-batches-bin/${name}`, bytes]),
    );
    write({
      "cifar.tar.gz": gzipSync(tar(inside)),
      "cifar.tar": tar(inside),
      "cut.tar": tar(inside).subarray(0, 3000),
    });
    for (const name of ["cifar.tar.gz", "cifar.tar"])
      expect([...loadCifar10(join(folder, name)).train.labels]).toEqual([1, 2, 3, 4, 1, 2]);
    expect(() => loadCifar10(join(folder, "cut.tar"))).toThrow("the archive is cut off");
    write({ "other.tar": new Uint8Array(2048).fill(1) });
    expect(() => loadCifar10(join(folder, "other.tar"))).toThrow("no header of a tar archive at byte 0");
  });

  it("that is not whole is refused", () => {
    expect(() => loadCifar10(join(folder, "none"))).toThrow("none does not exist");
    write(ten);
    rmSync(join(folder, "data_batch_3.bin"));
    expect(() => loadCifar10(folder)).toThrow("holds no file data_batch_3.bin");
    write({ "data_batch_3.bin": ten["data_batch_3.bin"].subarray(1) });
    expect(() => loadCifar10(folder)).toThrow(
      "data_batch_3.bin: 3072 bytes are no whole number of records of 3073 bytes",
    );
    write({ "data_batch_3.bin": records([[9], [10]]) });
    expect(() => loadCifar10(folder)).toThrow("data_batch_3.bin: the label of record 1 is 10, not below 10");
    write({ ...ten, "batches.meta.txt": new TextEncoder().encode("plane\n") });
    expect(() => loadCifar10(folder)).toThrow("names 1 classes, there are 10");
  });
});

it("CIFAR-100 has a fine and a coarse label", () => {
  write({
    "train.bin": records([
      [1, 50],
      [19, 99],
    ]),
    "test.bin": gzipSync(records([[0, 20]])),
  });
  expect([...loadCifar100(folder).train.labels]).toEqual([50, 99]);
  expect([...loadCifar100(folder, { labels: "coarse" }).train.labels]).toEqual([1, 19]);
  expect([...loadCifar100(folder).test.labels]).toEqual([20]);
  write({ "test.bin": records([[20, 0]]) });
  expect(() => loadCifar100(folder, { labels: "coarse" })).toThrow(
    "the label of record 0 is 20, not below 20",
  );
});
