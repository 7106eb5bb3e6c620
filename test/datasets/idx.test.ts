// idx files of every element type, and bad ones.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { parseIdx, readIdx } from "../../src/datasets/index.js";
import { idxBytes } from "./idx-bytes.js";

it.each([
  Uint8Array.of(0, 1, 255),
  Int8Array.of(-128, 0, 127),
  Int16Array.of(-32768, 258, 32767),
  Int32Array.of(-(2 ** 31), 0x01020304, 2 ** 31 - 1),
  Float32Array.of(-1.5, Number.NaN, Number.POSITIVE_INFINITY),
  Float64Array.of(Math.PI, -0, 5e-324),
])("elements are read as they are: %o", (data) => {
  expect(parseIdx(idxBytes([3, 1], data))).toEqual({ shape: [3, 1], data });
  expect(parseIdx(gzipSync(idxBytes([3], data)))).toEqual({ shape: [3], data });
});

it("a file becomes a tensor, at any alignment", async () => {
  const folder = mkdtempSync(join(tmpdir(), "brisc-idx-"));
  const file = join(folder, "x.gz");
  writeFileSync(file, gzipSync(idxBytes([2, 2], Float64Array.of(1, 2, 3, 4))));
  const tensor = readIdx(file);
  rmSync(folder, { recursive: true });
  expect(`${tensor}`).toBe("Tensor(float64[2, 2])");
  expect(await tensor.tolist()).toEqual([
    [1, 2],
    [3, 4],
  ]);
  const odd = new Uint8Array(1000).subarray(3);
  odd.set(idxBytes([2], Int32Array.of(7, -7)));
  expect([...parseIdx(odd.subarray(0, 16)).data]).toEqual([7, -7]);
});

it("files that are cut short, too long or of another kind are refused", () => {
  const good = idxBytes([2, 3], Int16Array.of(1, 2, 3, 4, 5, 6));
  expect(() => parseIdx(good.subarray(0, 23), "x")).toThrow(
    "x: an array of 2 x 3 takes 24 bytes, the file has 23",
  );
  expect(() => parseIdx(Uint8Array.of(...good, 0), "x")).toThrow("the file has 25");
  expect(() => parseIdx(good.subarray(0, 7), "x")).toThrow("7 bytes are too few for an idx file with 2 axes");
  expect(() => parseIdx(Uint8Array.of(0, 0, 10, 1, 0, 0, 0, 0), "x")).toThrow("x: starts with 00 00 0a 01");
  expect(() => parseIdx(new Uint8Array(0), "x")).toThrow("an idx file starts with 00 00");
  expect(() => parseIdx(gzipSync(good).subarray(0, 20), "x")).toThrow(
    "x: cannot be unpacked: unexpected end of file",
  );
  expect(() => readIdx("/nowhere/x")).toThrow("/nowhere/x cannot be read: ENOENT");
});
