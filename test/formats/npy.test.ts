// NumPy's files: read as NumPy wrote them, and written so that they can be read.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadNpy, loadNpz, saveNpy, saveNpz, setDefaultDevice, Tensor } from "../../src/index.js";
import { DTYPES } from "../../src/scalar/dtype.js";

const file = (name: string): URL => new URL(`../fixtures/files/${name}`, import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "brisc-npy-"));
beforeAll(() => setDefaultDevice("interpreter"));
afterAll(() => rmSync(folder, { recursive: true }));
const rows = [
  [0, 1, 2],
  [3, 4, 5],
];

describe("NumPy's files", () => {
  it("by rows and by columns", async () => {
    expect(await (await loadNpy(file("rows.npy"))).tolist()).toEqual(rows);
    const columns = await loadNpy(file("columns.npy"));
    expect(await columns.tolist()).toEqual(rows);
    expect(await (await loadNpy(file("columns.npy"))).at(1, [1]).tolist()).toEqual([4, 5]);
  });
  it("scalars and bools", async () => {
    expect(await (await loadNpy(file("scalar.npy"))).item()).toBe(-5n);
    expect(await (await loadNpy(file("bools.npy"))).tolist()).toEqual([true, false, true]);
  });
  it("archives, stored and compressed", async () => {
    const stored = await loadNpz(file("stored.npz"));
    expect([stored.y.dtype, await stored.y.tolist()]).toEqual(["uint16", [0, 1, 2]]);
    const compressed = await loadNpz(readFileSync(file("compressed.npz")));
    expect(await compressed.x.tolist()).toEqual(rows);
    expect(await compressed.x.at(1).tolist()).toEqual(rows[1]);
    expect([compressed.y.dtype, compressed.y.shape]).toEqual(["float16", [1000]]);
  });
  it.each([
    ["swapped.npy", "NumPy's type >f4 are not supported"],
    ["text.npy", "NumPy's type <U1 are not supported"],
    ["stored.npz", "no .npy file"],
  ])("%s is refused: %s", async (name, reason) => {
    await expect(loadNpy(file(name))).rejects.toThrow(reason);
  });
  it("cut off or lengthened", async () => {
    const bytes = new Uint8Array(readFileSync(file("rows.npy")));
    await expect(loadNpy(bytes.subarray(0, 140))).rejects.toThrow("takes 24 bytes, but 12 follow");
    await expect(loadNpy(bytes.subarray(0, 40))).rejects.toThrow("header is cut off");
    await expect(loadNpy(bytes.subarray(0, 4))).rejects.toThrow("no .npy file");
    const archive = new Uint8Array(readFileSync(file("stored.npz")));
    for (const length of [0, 10, 200, archive.length - 30])
      await expect(loadNpz(archive.subarray(0, length))).rejects.toThrow("cut off or no zip archive");
  });
});

describe("files of ours", () => {
  it("keep every dtype that NumPy has", async () => {
    const known = DTYPES.filter((dtype) => !/bfloat|float8/.test(dtype));
    const tensors = Object.fromEntries(
      known.map((dtype) => [dtype, Tensor.from([0, 1, 1, 0, 1, 1], { dtype }).reshape([2, 3])]),
    );
    const path = join(folder, "all.npz");
    await saveNpz(path, { ...tensors, scalar: Tensor.from(2.5), none: Tensor.zeros([0, 2]) });
    const loaded = await loadNpz(path);
    expect(Object.keys(loaded)).toEqual([...known, "scalar", "none"]);
    for (const dtype of known) {
      expect(loaded[dtype].dtype).toBe(dtype);
      expect(await loaded[dtype].tolist()).toEqual(await tensors[dtype].tolist());
    }
    expect([loaded.scalar.shape, await loaded.scalar.item()]).toEqual([[], 2.5]);
    expect(loaded.none.shape).toEqual([0, 2]);
    // Equal contents make equal files.
    await saveNpz(join(folder, "again.npz"), loaded);
    expect(readFileSync(join(folder, "again.npz"))).toEqual(readFileSync(path));
  });
  it("are what NumPy writes, byte by byte", async () => {
    await saveNpy(join(folder, "rows.npy"), Tensor.from(rows));
    expect(readFileSync(join(folder, "rows.npy"))).toEqual(readFileSync(file("rows.npy")));
  });
  it("hold no bfloat16", async () => {
    await expect(saveNpy(join(folder, "x.npy"), Tensor.ones([2], { dtype: "bfloat16" }))).rejects.toThrow(
      "cast",
    );
  });
});
