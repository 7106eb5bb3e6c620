// Reads the fixtures of scripts/fixtures, and compares elements with reference values.

import { readFileSync } from "node:fs";
import { decodeElements } from "../../src/scalar/convert.js";
import type { DType, Scalar } from "../../src/scalar/dtype.js";

export type ToleranceClass = "exact" | "close" | "loose";

export interface FixtureTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export interface FixtureCase {
  readonly name: string;
  readonly call: string;
  readonly inputs: readonly FixtureTensor[];
  readonly args: readonly unknown[];
  readonly outputs: readonly FixtureTensor[];
  /** By input; undefined where there is none. Undefined as a whole if gradients are not compared. */
  readonly gradients: readonly (FixtureTensor | undefined)[] | undefined;
  readonly order: number;
  readonly tolerance: ToleranceClass;
}

interface FixtureFile {
  readonly tensors: readonly (readonly [DType, readonly number[], string])[];
  readonly cases: readonly {
    readonly name: string;
    readonly call: string;
    readonly inputs: readonly number[];
    readonly args?: readonly unknown[];
    readonly outputs: readonly number[];
    readonly gradients?: readonly (number | null)[];
    readonly order?: number;
    readonly tolerance: ToleranceClass;
  }[];
}

/** The cases of a family, as scripts/fixtures/FAMILY.py makes them. */
export function readFixtures(family: string): FixtureCase[] {
  const path = new URL(`../fixtures/torch/${family}.json`, import.meta.url);
  const file = JSON.parse(readFileSync(path, "utf8")) as FixtureFile;
  const tensors = file.tensors.map(([dtype, shape, data]) => {
    // A copy of its own: Buffer's pool is not aligned as typed arrays want it.
    return { dtype, shape, bytes: new Uint8Array(Buffer.from(data, "base64")) };
  });
  const at = (places: readonly number[]) => places.map((place) => tensors[place]);
  return file.cases.map((entry) => ({
    name: entry.name,
    call: entry.call,
    inputs: at(entry.inputs),
    args: entry.args ?? [],
    outputs: at(entry.outputs),
    gradients: entry.gradients?.map((place) => (place === null ? undefined : tensors[place])),
    order: entry.order ?? 1,
    tolerance: entry.tolerance,
  }));
}

/** Allowed difference: `relative` of the reference plus `absolute`. */
interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

/**
 * `close` is a few units in the last place, relative to the value or to 1; `loose` is what long sums and several
 * roundings in a row leave. Integers are always exact.
 */
const TOLERANCES: Partial<Record<DType, Record<"close" | "loose", Tolerance>>> = {
  float64: {
    close: { relative: 1e-14, absolute: 1e-15 },
    loose: { relative: 1e-12, absolute: 1e-13 },
  },
  float32: {
    close: { relative: 2e-6, absolute: 5e-7 },
    loose: { relative: 5e-5, absolute: 1e-5 },
  },
  float16: {
    close: { relative: 4e-3, absolute: 1e-3 },
    loose: { relative: 1e-2, absolute: 5e-3 },
  },
  bfloat16: {
    close: { relative: 3e-2, absolute: 8e-3 },
    loose: { relative: 8e-2, absolute: 4e-2 },
  },
};

function agrees(actual: Scalar, expected: Scalar, tolerance: Tolerance | undefined): boolean {
  if (Object.is(actual, expected)) return true;
  if (tolerance === undefined || typeof actual !== "number" || typeof expected !== "number") return false;
  if (!Number.isFinite(actual) || !Number.isFinite(expected)) return false;
  return Math.abs(actual - expected) <= tolerance.absolute + tolerance.relative * Math.abs(expected);
}

/** Says where elements first differ from the reference; undefined if they agree. */
export function difference(
  bytes: Uint8Array,
  expected: FixtureTensor,
  toleranceClass: ToleranceClass,
): string | undefined {
  const actual = decodeElements(bytes, expected.dtype);
  const reference = decodeElements(expected.bytes, expected.dtype);
  if (actual.length !== reference.length) {
    return `there are ${actual.length} elements, there should be ${reference.length}`;
  }
  const tolerance = toleranceClass === "exact" ? undefined : TOLERANCES[expected.dtype]?.[toleranceClass];
  const wrong = reference.map((_, i) => i).filter((i) => !agrees(actual[i], reference[i], tolerance));
  if (wrong.length === 0) return undefined;
  const shown = wrong.slice(0, 4).map((i) => `[${i}] is ${show(actual[i])}, should be ${show(reference[i])}`);
  return `${wrong.length} of ${reference.length} elements differ: ${shown.join("; ")}`;
}

const show = (x: Scalar): string => (Object.is(x, -0) ? "-0" : String(x));

/** The elements of the fixed cotangent: -1.25 to 1.25 in quarters, as scripts/fixtures/fixtures.py makes it. */
export const cotangentOf = (length: number): number[] =>
  Array.from({ length }, (_, i) => (((i * 7 + 3) % 11) - 5) / 4);
