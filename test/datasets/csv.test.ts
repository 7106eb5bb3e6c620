// CSV: what columns become, what is said of rows that do not fit, and tables as datasets.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it, vi } from "vitest";
import { type CsvOptions, readCsv, type Table } from "../../src/datasets/index.js";
import { DataLoader, type Tensor } from "../../src/index.js";

const folder = mkdtempSync(join(tmpdir(), "brisc-csv-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Columns as dtype and values. */
async function shown(table: Table): Promise<Record<string, unknown>> {
  const entries = Object.entries(table.columns).map(async ([name, column]) => [
    name,
    Array.isArray(column) ? column : [column.dtype, await column.tolist()],
  ]);
  return Object.fromEntries(await Promise.all(entries));
}
const read = async (text: string, options?: CsvOptions) => shown(await readCsv(text, options));

describe("columns", () => {
  it("are int32, int64, float32 or strings by what they hold", async () => {
    const text = "i,big,f,gap,s,code\n1,3000000000,1.5,,x,007\n-2,9223372036854775807,1e3,2,,01\n";
    expect(await read(text)).toEqual({
      i: ["int32", [1, -2]],
      big: ["int64", [3000000000n, 9223372036854775807n]],
      f: ["float32", [1.5, 1000]],
      gap: ["float32", [Number.NaN, 2]],
      s: ["x", ""],
      code: ["007", "01"],
    });
    expect(await read("a,b\n99999999999999999999,nan\n1,-inf\n")).toEqual({
      a: ["99999999999999999999", "1"],
      b: ["float32", [Number.NaN, Number.NEGATIVE_INFINITY]],
    });
  });

  it("have the dtype that is asked for", async () => {
    const text = "a,b,c,d\n1,true,3.0,4\n0, 0 ,250,5\n";
    expect(await read(text, { dtype: { a: "string", b: "bool", c: "uint8", d: "float16" } })).toEqual({
      a: ["1", "0"],
      b: ["bool", [true, false]],
      c: ["uint8", [3, 250]],
      d: ["float16", [4, 5]],
    });
    expect(await read("a,b\n1,2\n,4\n", { dtype: "float64" })).toEqual({
      a: ["float64", [1, Number.NaN]],
      b: ["float64", [2, 4]],
    });
    expect(await read("a\n-1\n2\n", { dtype: "int64" })).toEqual({ a: ["int64", [-1n, 2n]] });
    expect(await read("a\nNA\n2\n", { missing: ["NA"] })).toEqual({ a: ["float32", [Number.NaN, 2]] });
  });

  it("are chosen, named and told apart as the options say", async () => {
    expect(await read("a;b;c\n1;2;3\n", { delimiter: ";", columns: ["c", "a"] })).toEqual({
      c: ["int32", [3]],
      a: ["int32", [1]],
    });
    expect((await readCsv("a;b;c\n1;2;3\n", { delimiter: ";", columns: ["c", "a"] })).names).toEqual([
      "c",
      "a",
    ]);
    expect(await read("1,x\n2,y\n", { header: false })).toEqual({ 0: ["int32", [1, 2]], 1: ["x", "y"] });
    expect(await read("1,x\n", { header: ["n", "t"] })).toEqual({ n: ["int32", [1]], t: ["x"] });
  });

  it("keep quoted fields, and rows without a line break at the end; only empty lines are no rows", async () => {
    expect(await read('\ufeffa,b\r\n"x, ""y""",1\r\n\r\n"two\nlines",2')).toEqual({
      a: ['x, "y"', "two\nlines"],
      b: ["int32", [1, 2]],
    });
    expect(await read("a\nx\n\ny\n")).toEqual({ a: ["x", "", "y"] });
    expect(await read("a,b\n")).toEqual({ a: [], b: [] });
  });

  it("are read from files, packed or not", async () => {
    const rows = Array.from({ length: 10_000 }, (_, i) => `${i},${i / 4}`).join("\n");
    const [plain, packed] = [join(folder, "x.csv"), join(folder, "x.csv.gz")];
    writeFileSync(plain, `i,x\n${rows}\n`);
    writeFileSync(packed, gzipSync(`i,x\n${rows}\n`));
    for (const path of [plain, packed, pathToFileURL(plain)]) {
      const { arrays, length } = await readCsv(path);
      expect(length).toBe(10_000);
      expect(arrays.i).toEqual(Int32Array.from({ length }, (_, i) => i));
      expect(arrays.x).toEqual(Float32Array.from({ length }, (_, i) => i / 4));
    }
  });
});

describe("what is not right is an error with its line", () => {
  const refused = (text: string, options: CsvOptions | undefined, message: string) =>
    expect(readCsv(text, options)).rejects.toThrow(message);

  it("of rows of another length", async () => {
    await refused("a,b\n1,2\n3\n", undefined, "the given text, line 3: 1 field, where there are 2 columns");
    await refused("a,b\n1,2,3\n", undefined, "line 2: 3 fields, where there are 2 columns");
    const file = join(folder, "bad.csv");
    writeFileSync(file, "a,b\n1,2\n3\n");
    await refused(file, undefined, `${file}, line 3: 1 field`);
  });

  it("of fields that the dtype does not hold", async () => {
    await refused(
      "a\n1\nx\n",
      { dtype: "float32" },
      'line 3: the column a needs a number of dtype float32, got "x"',
    );
    await refused("a\n256\n", { dtype: "uint8" }, 'a number of dtype uint8, got "256"');
    await refused("a\n1.5\n", { dtype: "int32" }, 'got "1.5"');
    await refused("a,b\n,1\n", { dtype: "int32" }, 'got ""');
    await refused("a\nyes\n", { dtype: "bool" }, 'needs true, false, 1 or 0, got "yes"');
    await refused("a\n9223372036854775808\n", { dtype: "int64" }, "int64");
    await refused('a,b\n"x\ny",1\nz,w\n', { dtype: { b: "int8" } }, "line 4: the column b needs");
  });

  it("of quotes that do not close, and of headers", async () => {
    await refused('a,b\n"1,2\n', undefined, "Quote Not Closed");
    await refused('a,b\n1,2"3"\n', undefined, "line 2: Invalid Opening Quote");
    await refused("a,a\n1,2\n", undefined, 'line 1: two columns are named "a"');
    await refused("a,b\n1,2\n", { columns: ["c"] }, 'there is no column "c"; the columns are a, b');
    await refused("a,b\n1,2\n", { dtype: { d: "int8" } }, 'there is no column "d"');
    await refused("\n", undefined, "is empty; a line that names the columns was expected");
  });

  it("of files that cannot be read", async () => {
    await expect(readCsv("/nowhere/x.csv")).rejects.toThrow("/nowhere/x.csv: ENOENT");
    const file = join(folder, "no.csv.gz");
    writeFileSync(file, "a,b\n");
    await expect(readCsv(file)).rejects.toThrow("no.csv.gz: incorrect header check");
  });

  it("of a parser that is not installed", async () => {
    vi.doMock("csv-parse", () => {
      throw new Error("not there");
    });
    await expect(readCsv("a\n1\n")).rejects.toThrow("`npm install csv-parse`");
    vi.doUnmock("csv-parse");
  });
});

describe("a table is a dataset of its rows", () => {
  const text = "x,ok,id,name\n1.5,true,9007199254740993,a\n2.5,false,2,b\n3.5,true,3,c\n";
  const table = readCsv(text, { dtype: { ok: "bool", id: "int64" } });

  it("one by one and in batches", async () => {
    const rows = await table;
    expect(rows.get(1)).toEqual({ x: 2.5, ok: false, id: 2n, name: "b" });
    expect(() => rows.get(3)).toThrow("3 is none of 3 rows");
    for await (const batch of new DataLoader(rows, { sampler: [2, 0] })) {
      expect(await (batch.x as Tensor).tolist()).toEqual([3.5, 1.5]);
      expect(await (batch.ok as Tensor).tolist()).toEqual([true, true]);
      expect(await (batch.id as Tensor).tolist()).toEqual([3n, 9007199254740993n]);
      expect(batch.name).toEqual(["c", "a"]);
    }
  });

  it("with columns side by side", async () => {
    const matrix = (await table).matrix(["id", "x"], { dtype: "float64" });
    expect(`${matrix}`).toBe("Tensor(float64[3, 2])");
    expect(await matrix.slice([[1, 3]]).tolist()).toEqual([
      [2, 2.5],
      [3, 3.5],
    ]);
    const rows = await table;
    expect(() => rows.matrix()).toThrow("the column name holds strings");
    expect(() => rows.matrix(["y"])).toThrow("there is no column y in x, ok, id, name");
  });
});
