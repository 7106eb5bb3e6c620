// One column of a CSV file: fields become numbers of a dtype as they come, or, where no type is given, when all are
// there and show what the column holds.

import { FileError } from "../formats/source.js";
import { type DType, integerLimits, isBigInteger, isFloat } from "../scalar/dtype.js";
import type { TypedArray } from "../tensor/core.js";
import type { Column } from "./table.js";

/** The dtype of a column of numbers, or that it keeps its fields as they are. */
export type ColumnType = DType | "string";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const SPECIAL = new Map([
  ["nan", Number.NaN],
  ["inf", Number.POSITIVE_INFINITY],
  ["infinity", Number.POSITIVE_INFINITY],
]);
const INTEGER = /^[+-]?\d+$/;
/** 007 is a code, not a number. */
const CODE = /^[+-]?0\d/;

/** Arrays of numbers; those of half and narrower floats hold float32, as `data()` gives them. */
const ARRAYS: Partial<Record<DType, new (length: number) => TypedArray>> = {
  bool: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  float64: Float64Array,
};

function numberOf(text: string): number | undefined {
  if (NUMBER.test(text)) return Number(text);
  const size = SPECIAL.get(text.replace(/^[+-]/, "").toLowerCase());
  return size !== undefined && text.startsWith("-") ? -size : size;
}

export class ColumnReader {
  private readonly texts: string[] = [];
  private readonly lines: number[] = [];
  private readonly numbers: NumberColumn | undefined;

  constructor(
    private readonly name: string,
    private readonly type: ColumnType | undefined,
    private readonly missing: ReadonlySet<string>,
    private readonly file: string,
  ) {
    if (type !== undefined && type !== "string") this.numbers = new NumberColumn(name, type, missing, file);
  }

  add(text: string, line: number): void {
    if (this.numbers !== undefined) return this.numbers.add(text, line);
    this.texts.push(text);
    if (this.type === undefined) this.lines.push(line);
  }

  finish(): Column {
    if (this.numbers !== undefined) return this.numbers.finish();
    const type = this.type ?? this.typeOfTexts();
    if (type === "string") return { name: this.name, dtype: "string", data: this.texts };
    const numbers = new NumberColumn(this.name, type, this.missing, this.file);
    for (const [row, text] of this.texts.entries()) numbers.add(text, this.lines[row]);
    return numbers.finish();
  }

  private typeOfTexts(): ColumnType {
    const present = this.texts.filter((text) => !this.missing.has(text)).map((text) => text.trim());
    if (present.length === 0) return "string";
    if (!present.every((text) => numberOf(text) !== undefined && !CODE.test(text))) return "string";
    if (present.length < this.texts.length || !present.every((text) => INTEGER.test(text))) return "float32";
    const fits = (dtype: DType): boolean => {
      const { min, max } = integerLimits(dtype);
      return present.every((text) => {
        // Digits beyond a double's need exact comparison.
        const value = text.length < 16 ? Number(text) : BigInt(text.replace(/^\+/, ""));
        return value >= min && value <= max;
      });
    };
    return fits("int32") ? "int32" : fits("int64") ? "int64" : "string";
  }
}

/** A growing array of numbers of a dtype. */
class NumberColumn {
  private data: TypedArray;
  private length = 0;
  private readonly limits: { readonly min: bigint; readonly max: bigint } | undefined;

  constructor(
    private readonly name: string,
    private readonly dtype: DType,
    private readonly missing: ReadonlySet<string>,
    private readonly file: string,
  ) {
    this.data = new (ARRAYS[dtype] ?? Float32Array)(64);
    this.limits = isFloat(dtype) ? undefined : integerLimits(dtype);
  }

  add(text: string, line: number): void {
    if (this.length === this.data.length) {
      const longer = new (this.data.constructor as new (length: number) => TypedArray)(2 * this.length);
      (longer as Uint8Array).set(this.data as Uint8Array);
      this.data = longer;
    }
    const value = this.valueOf(text);
    if (value === undefined) {
      const wanted = this.dtype === "bool" ? "true, false, 1 or 0" : `a number of dtype ${this.dtype}`;
      throw new FileError(
        `${this.file}, line ${line}: the column ${this.name} needs ${wanted}, got ${JSON.stringify(text)}`,
      );
    }
    this.data[this.length++] = value;
  }

  finish(): Column {
    return { name: this.name, dtype: this.dtype, data: this.data.slice(0, this.length) };
  }

  /** The number that a field stands for; undefined if the dtype has none. */
  private valueOf(field: string): number | bigint | undefined {
    const { dtype, limits } = this;
    if (limits === undefined) return this.missing.has(field) ? Number.NaN : numberOf(field.trim());
    const text = field.trim();
    if (dtype === "bool") return { true: 1, false: 0, "1": 1, "0": 0 }[text.toLowerCase()];
    if (!INTEGER.test(text)) return this.integral(text);
    const value = isBigInteger(dtype) ? BigInt(text.replace(/^\+/, "")) : Number(text);
    return value >= limits.min && value <= limits.max ? value : undefined;
  }

  /** 3.0 and 1e3 are integers too, as programs write them that know floats only. */
  private integral(text: string): number | bigint | undefined {
    const value = numberOf(text);
    if (value === undefined || !Number.isSafeInteger(value)) return undefined;
    const { min, max } = this.limits!;
    if (value < min || value > max) return undefined;
    return isBigInteger(this.dtype) ? BigInt(value) : value;
  }
}
