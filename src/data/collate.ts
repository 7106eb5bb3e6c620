// Samples to batches: typed arrays and numbers of many samples are copied once, into one array a field, on this thread
// or in a worker; then each array becomes a tensor without another copy.

import { storeBytes } from "../engine/engine.js";
import type { DType } from "../scalar/dtype.js";
import type { TypedArray } from "../tensor/core.js";
import { arrayDtype } from "../tensor/creation.js";
import { Tensor } from "../tensor/tensor.js";
import { DataError } from "./dataset.js";

/** A batch as threads hand it to each other. */
export type HostBatch =
  /** Becomes a tensor; of the array's own dtype unless another is named. */
  | { kind: "array"; data: TypedArray; shape: readonly number[]; dtype?: string }
  | { kind: "tensors"; values: readonly unknown[] }
  /** Reaches the consumer as it is. */
  | { kind: "value"; value: unknown }
  | { kind: "list"; items: HostBatch[] }
  | { kind: "record"; fields: [string, HostBatch][] };

/**
 * Stacks samples on the host. `numbers` are the samples' numbers, for messages. Workers get the text of this function,
 * so that it names nothing outside of itself.
 */
export function stackSamples(samples: readonly unknown[], numbers?: ArrayLike<number>): HostBatch {
  const isTensor = (x: unknown): boolean =>
    typeof x === "object" && x !== null && "dtype" in x && "realize" in x;
  const kindOf = (x: unknown): string => {
    if (x === null || typeof x !== "object") return x === null ? "null" : typeof x;
    if (ArrayBuffer.isView(x)) return `${x.constructor.name} of ${(x as Uint8Array).length} elements`;
    if (isTensor(x)) return "tensor";
    if (Array.isArray(x)) return `array of ${x.length}`;
    const prototype: unknown = Object.getPrototypeOf(x);
    const plain = prototype === Object.prototype || prototype === null;
    return plain ? `object of ${Object.keys(x).sort().join(", ")}` : x.constructor.name;
  };

  function stack(values: readonly unknown[], field: string): HostBatch {
    const [first] = values;
    const kind = kindOf(first);
    const odd = values.findIndex((value) => kindOf(value) !== kind);
    const sample = (i: number): string =>
      `sample ${numbers?.[i] ?? i}${field === "" ? "" : ` has at ${field}`}`;
    if (odd >= 0) {
      throw new Error(
        `samples of a batch must be alike, but ${sample(odd)}: ${kindOf(values[odd])}, ` +
          `${sample(0)}: ${kind}; give a collate function to make them fit`,
      );
    }
    if (isTensor(first)) return { kind: "tensors", values };
    if (Array.isArray(first)) {
      const items = first.map((_, i) =>
        stack(
          values.map((value) => (value as unknown[])[i]),
          `${field}[${i}]`,
        ),
      );
      return { kind: "list", items };
    }
    if (ArrayBuffer.isView(first) && !(first instanceof DataView)) {
      const views = values as Float32Array[];
      const [{ length, constructor: own }] = views;
      const Kind = (own.name === "Buffer" ? Uint8Array : own) as Float32ArrayConstructor;
      const data = new Kind(length * views.length);
      for (let i = 0; i < views.length; i++) data.set(views[i], i * length);
      return { kind: "array", data, shape: [views.length, length] };
    }
    const shape = [values.length];
    switch (kind) {
      case "number":
        return { kind: "array", data: Float32Array.from(values as number[]), shape };
      case "bigint":
        return { kind: "array", data: BigInt64Array.from(values as bigint[]), shape };
      case "boolean":
        return { kind: "array", data: Uint8Array.from(values as number[]), shape, dtype: "bool" };
      case "string":
        return { kind: "value", value: values };
    }
    if (!kind.startsWith("object of ")) {
      throw new Error(
        `${sample(0)}: ${kind}; a sample is made of numbers, bigints, booleans, strings, typed arrays, tensors, ` +
          "arrays and plain objects",
      );
    }
    const names = Object.keys(first as object);
    const fields = names.map((name): [string, HostBatch] => [
      name,
      stack(
        values.map((value) => (value as Record<string, unknown>)[name]),
        field === "" ? name : `${field}.${name}`,
      ),
    ]);
    return { kind: "record", fields };
  }
  return stack(samples, "");
}

/** A tensor that takes an array over, which nobody may write to any more. */
export function adoptArray(data: TypedArray, shape: readonly number[], dtype?: DType): Tensor {
  const own = arrayDtype(data);
  const asIs = own === dtype || dtype === undefined || (dtype === "bool" && own === "uint8");
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const tensor = Tensor.ofNode(storeBytes(bytes, asIs ? (dtype ?? own) : own, shape));
  return asIs ? tensor : tensor.cast(dtype);
}

/** What the consumer gets of a batch. */
export function toBatch(batch: HostBatch): unknown {
  switch (batch.kind) {
    case "array":
      return adoptArray(batch.data, batch.shape, batch.dtype as DType | undefined);
    case "tensors":
      return Tensor.stack(batch.values as Tensor[]);
    case "value":
      return batch.value;
    case "list":
      return batch.items.map(toBatch);
    case "record":
      return Object.fromEntries(batch.fields.map(([name, field]) => [name, toBatch(field)]));
  }
}

/** The default way from samples to a batch. */
export function collateSamples(samples: readonly unknown[], numbers?: ArrayLike<number>): unknown {
  try {
    return toBatch(stackSamples(samples, numbers));
  } catch (cause) {
    throw new DataError((cause as Error).message, { cause });
  }
}

/** Rows of `width` elements each, at these places, in one new array. */
export function takeRows<T extends TypedArray>(data: T, width: number, places: ArrayLike<number>): T {
  const rows = new (data.constructor as new (length: number) => T)(places.length * width);
  const put = rows as Uint8Array;
  if (width === 1) for (let i = 0; i < places.length; i++) rows[i] = data[places[i]];
  else
    for (let i = 0; i < places.length; i++) {
      const start = places[i] * width;
      put.set(data.subarray(start, start + width) as Uint8Array, i * width);
    }
  return rows;
}
