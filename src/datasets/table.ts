// A table: named columns of equal length, of numbers or strings, which is a dataset of its rows.

import { adoptArray, takeRows } from "../data/collate.js";
import { type BatchDataset, DataError, type MapDataset } from "../data/dataset.js";
import type { DType, Scalar } from "../scalar/dtype.js";
import type { TypedArray } from "../tensor/core.js";
import { Tensor } from "../tensor/tensor.js";

export type Column =
  | { readonly name: string; readonly dtype: DType; readonly data: TypedArray }
  | { readonly name: string; readonly dtype: "string"; readonly data: readonly string[] };

/** A row by the names of its columns. */
export type TableRow = Record<string, Scalar | string>;
/** Rows by the names of their columns: tensors [rows], lists of strings. */
export type TableBatch = Record<string, Tensor | string[]>;

export class Table implements MapDataset<TableRow>, BatchDataset<TableBatch> {
  constructor(
    /** How many rows there are. */
    readonly length: number,
    private readonly parts: readonly Column[],
  ) {}

  /** The columns' names, in their order. */
  get names(): string[] {
    return this.parts.map(({ name }) => name);
  }

  /** The columns as tensors [length], those of strings as lists. */
  get columns(): TableBatch {
    const columns = this.parts.map(({ name, dtype, data }) => [
      name,
      dtype === "string" ? [...data] : Tensor.from(data, { dtype }),
    ]);
    return Object.fromEntries(columns);
  }

  /** The columns as typed arrays (bool as bytes, half floats as float32), those of strings as lists. */
  get arrays(): Record<string, TypedArray | readonly string[]> {
    return Object.fromEntries(this.parts.map(({ name, data }) => [name, data]));
  }

  get(index: number): TableRow {
    if (!Number.isInteger(index) || index < 0 || index >= this.length)
      throw new RangeError(`${index} is none of ${this.length} rows`);
    const row = this.parts.map(({ name, dtype, data }) => [
      name,
      dtype === "bool" ? data[index] !== 0 : data[index],
    ]);
    return Object.fromEntries(row);
  }

  batch(indices: ArrayLike<number>): TableBatch {
    const fields = this.parts.map(({ name, dtype, data }) => [
      name,
      dtype === "string"
        ? Array.from(indices, (index) => data[index])
        : adoptArray(takeRows(data, 1, indices), [indices.length], dtype),
    ]);
    return Object.fromEntries(fields);
  }

  /** Columns of numbers (default: all) side by side: [length, columns]. */
  matrix(names: readonly string[] = this.names, { dtype = "float32" }: { dtype?: DType } = {}): Tensor {
    if (names.length === 0) throw new DataError("matrix: needs at least one column");
    const columns = names.map((name) => {
      const column = this.parts.find((part) => part.name === name);
      if (column === undefined)
        throw new DataError(`matrix: there is no column ${name} in ${this.names.join(", ")}`);
      if (column.dtype === "string") throw new DataError(`matrix: the column ${name} holds strings`);
      return Tensor.from(column.data, { dtype: column.dtype }).cast(dtype);
    });
    return Tensor.stack(columns, 1);
  }
}
