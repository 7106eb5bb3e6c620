// Safetensors files: what is written can be read, and broken files are refused with a reason.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import {
  loadSafetensors,
  loadSafetensorsMetadata,
  saveSafetensors,
  setDefaultDevice,
  Tensor,
} from "../../src/index.js";
import { DTYPES } from "../../src/scalar/dtype.js";

const folder = mkdtempSync(join(tmpdir(), "brisc-safetensors-"));
const path = join(folder, "file.safetensors");
beforeEach(() => setDefaultDevice("interpreter"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file with this header and so many bytes behind it. */
function write(header: string, bytes: number, length = Buffer.byteLength(header)): void {
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(length));
  writeFileSync(path, Buffer.concat([prefix, Buffer.from(header), Buffer.alloc(bytes)]));
}

describe("saving and loading", () => {
  it("keeps values of every dtype", async () => {
    const tensors = Object.fromEntries(
      DTYPES.map((dtype) => [
        dtype,
        Tensor.from([0, 1, 1, 0, 1, 1], { dtype: "int32" }).cast(dtype).reshape([2, 3]),
      ]),
    );
    await saveSafetensors(path, tensors);
    const loaded = await loadSafetensors(path);
    expect(new Set(Object.keys(loaded))).toEqual(new Set(DTYPES));
    for (const dtype of DTYPES) {
      expect(loaded[dtype].dtype).toBe(dtype);
      expect(loaded[dtype].shape).toEqual([2, 3]);
      expect(await loaded[dtype].tolist()).toEqual(await tensors[dtype].tolist());
    }
  });

  it("keeps scalars, empty tensors, views, odd names and metadata", async () => {
    const tensors = {
      'a "quoted" {name}': Tensor.full([], 2.5),
      empty: Tensor.zeros([0, 3]),
      transposed: Tensor.from([[1, 2, 3], [4, 5, 6]]).T, // biome-ignore format: rows
      "7": Tensor.from([true, false, true]),
    };
    await saveSafetensors(path, tensors, { metadata: { format: "pt", "": "{" } });
    const loaded = await loadSafetensors(path);
    expect(await loaded['a "quoted" {name}'].item()).toBe(2.5);
    expect(loaded.empty.shape).toEqual([0, 3]);
    expect(await loaded.transposed.tolist()).toEqual([[1, 4], [2, 5], [3, 6]]); // biome-ignore format: rows
    expect(await loaded["7"].tolist()).toEqual([true, false, true]);
    expect(await loadSafetensorsMetadata(path)).toEqual({ format: "pt", "": "{" });
  });

  it("aligns each tensor to its items", async () => {
    await saveSafetensors(path, {
      odd: Tensor.zeros([3], { dtype: "uint8" }),
      wide: Tensor.zeros([2], { dtype: "float64" }),
    });
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.toString("utf8", 8, 8 + length));
    expect(length % 8).toBe(0);
    expect(header.wide.data_offsets).toEqual([0, 16]);
    expect(header.odd.data_offsets).toEqual([16, 19]);
  });

  it("leaves the file that was there, and no other, when it fails", async () => {
    await saveSafetensors(path, { x: Tensor.from([1, 2]) });
    const gone = Tensor.from([1, 2]);
    gone.dispose();
    await expect(saveSafetensors(path, { y: gone })).rejects.toThrow("disposed");
    expect(Object.keys(await loadSafetensors(path))).toEqual(["x"]);
    expect(readdirSync(folder)).toEqual(["file.safetensors"]);
  });

  it("reads true from any byte but 0", async () => {
    const header = '{"x":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}';
    write(header, 0);
    writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from([0, 7])]));
    const { x } = await loadSafetensors(path);
    expect(await x.data()).toEqual(Uint8Array.from([0, 1]));
  });
});

describe("broken files", () => {
  const entry = (fields: object): string =>
    JSON.stringify({ x: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...fields } });
  const cases: readonly (readonly [string, string, number, RegExp])[] = [
    ["cut off in the elements", entry({}), 7, /take 8 bytes, but 7 follow the header; the file is cut off/],
    ["too long", entry({}), 9, /there is something behind them/],
    ["no JSON", "{x", 0, /the header is not JSON/],
    ["a list", "[1]", 0, /not a JSON object/],
    ["an unknown dtype", entry({ dtype: "F4" }), 8, /tensor x has the unknown dtype "F4"/],
    ["no dtype", entry({ dtype: undefined }), 8, /unknown dtype undefined/],
    ["a negative size", entry({ shape: [-2] }), 8, /shape \[-2\]/],
    ["a fractional size", entry({ shape: [1.5] }), 8, /shape \[1.5\]/],
    ["no shape", entry({ shape: 2 }), 8, /shape 2/],
    [
      "a size beyond counting",
      entry({ shape: [2 ** 40, 2 ** 40] }),
      8,
      /takes .* bytes, but its offsets span 8/,
    ],
    ["offsets the wrong way", entry({ data_offsets: [8, 0] }), 8, /offsets \[8,0\]/],
    ["offsets beyond the file", entry({ data_offsets: [8, 16] }), 8, /leaves a gap after the header/],
    ["offsets that do not fit", entry({ data_offsets: [0, 4] }), 8, /takes 8 bytes, but its offsets span 4/],
    ["metadata that is no text", '{"__metadata__":{"a":1}}', 0, /__metadata__ must hold texts/],
    ["a tensor that is no object", '{"x":3}', 0, /tensor x has no description/],
    [
      "overlapping tensors",
      JSON.stringify({
        x: { dtype: "U8", shape: [4], data_offsets: [0, 4] },
        y: { dtype: "U8", shape: [4], data_offsets: [2, 6] },
      }),
      6,
      /tensor y overlaps x/,
    ],
    [
      "a name twice",
      `{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0078":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`,
      2,
      /the name x is there twice/,
    ],
  ];
  for (const [name, header, bytes, message] of cases) {
    it(`refuses ${name}`, async () => {
      write(header, bytes);
      await expect(loadSafetensors(path)).rejects.toThrow(message);
    });
  }

  it("refuses a header longer than the file, and no header at all", async () => {
    write("{}", 0, 2 ** 40);
    await expect(loadSafetensors(path)).rejects.toThrow(/cut off or no .safetensors file/);
    writeFileSync(path, "1234567");
    await expect(loadSafetensors(path)).rejects.toThrow(/at least 8 bytes, this has 7/);
  });

  it("names the file that is not there", async () => {
    await expect(loadSafetensors(join(folder, "none"))).rejects.toThrow(/none/);
  });
});
