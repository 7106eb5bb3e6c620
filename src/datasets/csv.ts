// CSV files as tables: read by csv-parse, row by row, into typed columns. A row that does not fit is an error with its
// line; none is left out but empty lines.

import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { messageOf } from "../data/dataset.js";
import { FileError } from "../formats/source.js";
import type { DType } from "../scalar/dtype.js";
import { ColumnReader, type ColumnType } from "./csv-column.js";
import { Table } from "./table.js";

export interface CsvOptions {
  /** Whether the first row names the columns (default); without it they are "0", "1" and so on, or have these names. */
  readonly header?: boolean | readonly string[];
  /** Between fields; default ",". */
  readonly delimiter?: string;
  /** The columns to keep, in this order; default: all. */
  readonly columns?: readonly string[];
  /**
   * The type of all columns, or of some by name. By default a column is int32 if all its fields are integers (int64 if
   * they need it), float32 if all are numbers or missing, and strings else.
   */
  readonly dtype?: ColumnType | Readonly<Record<string, ColumnType>>;
  /** Fields that stand for a missing number, which is NaN in a float column and an error in others; default [""]. */
  readonly missing?: readonly string[];
}

/**
 * Reads a CSV file (also `.gz`), or text that has a line break in it, by the package csv-parse, which is to be installed.
 * Of large files give the dtype: the text of columns whose type is known is not kept.
 *
 * @example
 * const table = await readCsv("width,kind\n1.5,rose\n2,lily\n");
 * table.columns.width; // => [1.5, 2]
 * table.columns.kind; // => ["rose", "lily"]
 */
export async function readCsv(pathOrText: string | URL, options: CsvOptions = {}): Promise<Table> {
  const isText = typeof pathOrText === "string" && /[\r\n]/.test(pathOrText);
  const name = isText ? "the given text" : String(pathOrText);
  const { parse } = await parser();
  const reader = new TableReader(name, options);
  const input = isText ? Readable.from([pathOrText]) : createReadStream(pathOrText);
  const records = parse({
    bom: true,
    delimiter: options.delimiter ?? ",",
    info: true,
    // Rows of another length are refused by the reader, whose message is clearer.
    relax_column_count: true,
  });
  const read = async (rows: AsyncIterable<{ record: string[]; info: { lines: number } }>): Promise<void> => {
    for await (const { record, info } of rows) reader.add(record, info.lines);
  };
  try {
    if (name.endsWith(".gz")) await pipeline(input, createGunzip(), records, read);
    else await pipeline(input, records, read);
  } catch (cause) {
    if (cause instanceof FileError) throw cause;
    const { lines } = cause as { lines?: number };
    throw new FileError(`${name}${lines === undefined ? "" : `, line ${lines}`}: ${messageOf(cause)}`, {
      cause,
    });
  }
  return reader.finish();
}

async function parser(): Promise<typeof import("csv-parse")> {
  try {
    return await import("csv-parse");
  } catch (cause) {
    throw new FileError("readCsv needs the package csv-parse: `npm install csv-parse` brings it", { cause });
  }
}

/** Makes a table of records as they come. */
class TableReader {
  private names: readonly string[] | undefined;
  /** The columns to keep, and each one's place in a record. */
  private columns: { readonly place: number; readonly reader: ColumnReader }[] = [];
  private rows = 0;

  constructor(
    private readonly name: string,
    private readonly options: CsvOptions,
  ) {}

  add(record: readonly string[], line: number): void {
    const { header = true } = this.options;
    if (this.names === undefined) {
      if (record.length === 1 && record[0] === "") return;
      if (header === true) return this.start(record, line);
      this.start(header === false ? record.map((_, i) => String(i)) : header, line);
    }
    const width = this.names!.length;
    // An empty line is no row, unless there is one column, of which it is an empty field.
    if (record.length === 1 && record[0] === "" && width > 1) return;
    if (record.length !== width)
      throw new FileError(
        `${this.name}, line ${line}: ${fields(record.length)}, where there are ${width} columns`,
      );
    for (const { place, reader } of this.columns) reader.add(record[place], line);
    this.rows++;
  }

  finish(): Table {
    const { header = true } = this.options;
    if (this.names === undefined) {
      if (header === true)
        throw new FileError(`${this.name}: is empty; a line that names the columns was expected`);
      this.start(header === false ? [] : header, 1);
    }
    return new Table(
      this.rows,
      this.columns.map(({ reader }) => reader.finish()),
    );
  }

  private start(names: readonly string[], line: number): void {
    this.names = names;
    const fail = (what: string): never => {
      throw new FileError(`${this.name}, line ${line}: ${what}; the columns are ${names.join(", ")}`);
    };
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) fail(`two columns are named "${twice}"`);
    const { columns = names, dtype, missing = [""] } = this.options;
    const types = typeof dtype === "object" ? dtype : {};
    const unknown = [...columns, ...Object.keys(types)].find((name) => !names.includes(name));
    if (unknown !== undefined) fail(`there is no column "${unknown}"`);
    const typeOf = (column: string): DType | "string" | undefined =>
      typeof dtype === "string" ? dtype : types[column];
    this.columns = columns.map((column) => ({
      place: names.indexOf(column),
      reader: new ColumnReader(column, typeOf(column), new Set(missing), this.name),
    }));
  }
}

const fields = (count: number): string => (count === 1 ? "1 field" : `${count} fields`);
