// Errors of functions against values of 40 digits (test/fixtures/accuracy.json, by scripts/accuracy.py), per float dtype.

import { readFileSync } from "node:fs";
import { Tensor } from "../../src/index.js";

interface Reference {
  readonly name: string;
  readonly dtype: "float32" | "float64";
  readonly range: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

export interface Accuracy {
  readonly name: string;
  readonly dtype: "float32" | "float64";
  readonly range: string;
  /** In units of the last place of the exact value. */
  readonly ulp: number;
  readonly absolute: number;
  /** The argument of the largest error in units of the last place. */
  readonly at: number;
}

const unitOf = (exact: number, dtype: Reference["dtype"]): number => {
  const [digits, least] = dtype === "float32" ? [23, -126] : [52, -1022];
  return 2 ** (Math.max(least, Math.floor(Math.log2(Math.abs(exact)))) - digits);
};

/** The largest errors of each function on a device. */
export async function accuracyTable(path: URL, device: string): Promise<Accuracy[]> {
  const references = JSON.parse(readFileSync(path, "utf8")) as readonly Reference[];
  const table: Accuracy[] = [];
  for (const { name, dtype, range, x, y } of references) {
    const argument = Tensor.from(x as number[], { dtype });
    const method = (argument as unknown as Record<string, () => Tensor>)[name];
    const values = (await method.call(argument).data({ device })) as Float64Array;
    const errors = y.map((exact, i) => Math.abs(values[i] - exact));
    const units = errors.map((error, i) => (y[i] === 0 ? error : error / unitOf(y[i], dtype)));
    const worst = units.reduce(
      (best, error, i) => (error > units[best] || Number.isNaN(error) ? i : best),
      0,
    );
    table.push({ name, dtype, range, ulp: units[worst], absolute: Math.max(...errors), at: x[worst] });
  }
  return table;
}
