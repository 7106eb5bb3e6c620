// What runs in a worker. The text of these functions is sent there, so that no file of this library need be found by a
// thread: they may name nothing outside of themselves but what JavaScript itself has.

import type { parentPort } from "node:worker_threads";
import type { Tensor } from "../tensor/tensor.js";
import type { HostBatch, stackSamples } from "./collate.js";

export interface WorkerTask {
  /** The module's URL. */
  readonly module: string;
}

export interface ErrorText {
  readonly message: string;
  readonly stack?: string;
}

/** From the main thread. */
export interface Request {
  readonly id: number;
  readonly indices: Int32Array;
}

/** To the main thread. */
export type Reply =
  | { readonly kind: "ready"; readonly length: number }
  /** There is no dataset. */
  | { readonly kind: "failed"; readonly error: ErrorText }
  | { readonly kind: "batch"; readonly id: number; readonly batch: HostBatch }
  | { readonly kind: "error"; readonly id: number; readonly error: ErrorText };

type Module = { readonly default?: unknown; readonly collate?: (samples: unknown[]) => unknown };

/** Makes the module's dataset, then answers requests for batches. */
export async function serve(
  port: NonNullable<typeof parentPort>,
  task: WorkerTask,
  stack: typeof stackSamples,
  load: (url: string) => Promise<Module>,
): Promise<void> {
  type Dataset = {
    length: number;
    get?(index: number): unknown;
    batch?(indices: Int32Array): unknown;
  };
  const post = (reply: Reply, transfer: ArrayBuffer[] = []) => port.postMessage(reply, transfer);
  const textOf = (error: unknown): ErrorText =>
    error instanceof Error ? { message: error.message, stack: error.stack } : { message: String(error) };
  const isTensor = (x: object): boolean => "dtype" in x && "shape" in x && "realize" in x;

  /** What a dataset or collate gave, in a form that threads can hand over. */
  async function encode(x: unknown): Promise<HostBatch> {
    if (typeof x !== "object" || x === null) return { kind: "value", value: x };
    if (ArrayBuffer.isView(x)) {
      // A view would take the whole of its buffer along.
      const whole = x.byteLength === x.buffer.byteLength;
      return { kind: "value", value: whole ? x : (x as Uint8Array).slice() };
    }
    if (isTensor(x)) {
      const tensor = x as Tensor;
      return { kind: "array", data: await tensor.data(), shape: [...tensor.sizes], dtype: tensor.dtype };
    }
    if (Array.isArray(x)) return { kind: "list", items: await Promise.all(x.map(encode)) };
    const prototype: unknown = Object.getPrototypeOf(x);
    if (prototype !== Object.prototype && prototype !== null) return { kind: "value", value: x };
    const entries = Object.entries(x).map(
      async ([name, field]): Promise<[string, HostBatch]> => [name, await encode(field)],
    );
    return { kind: "record", fields: await Promise.all(entries) };
  }

  /** The memory of a batch's arrays, which goes to the main thread with it. */
  function memoryOf(batch: HostBatch): ArrayBuffer[] {
    if (batch.kind === "list") return batch.items.flatMap(memoryOf);
    if (batch.kind === "record") return batch.fields.flatMap(([, field]) => memoryOf(field));
    const data = batch.kind === "array" ? batch.data : batch.kind === "value" ? batch.value : undefined;
    return ArrayBuffer.isView(data) && data.buffer instanceof ArrayBuffer ? [data.buffer] : [];
  }

  async function sampleAt(dataset: Dataset, index: number): Promise<unknown> {
    try {
      const sample = await dataset.get!(index);
      if (typeof sample === "object" && sample !== null && isTensor(sample))
        throw new Error(
          "get gives a tensor, which stays in its thread; give typed arrays, or whole batches by batch",
        );
      return sample;
    } catch (error) {
      const { message, stack } = textOf(error);
      throw Object.assign(new Error(`sample ${index}: ${message}`), { stack });
    }
  }

  async function batchOf(dataset: Dataset, module: Module, indices: Int32Array): Promise<HostBatch> {
    if (dataset.batch !== undefined && module.collate === undefined)
      return encode(await dataset.batch(indices));
    const samples = await Promise.all(Array.from(indices, (index) => sampleAt(dataset, index)));
    return module.collate === undefined ? stack(samples, indices) : encode(await module.collate(samples));
  }

  try {
    const module = await load(task.module);
    const made: unknown = module.default;
    const dataset = (await (typeof made === "function" ? made() : made)) as Dataset | undefined | null;
    if (typeof dataset !== "object" || dataset === null || !(dataset.get ?? dataset.batch))
      throw new Error("its default export makes no dataset with a length and get or batch");
    post({ kind: "ready", length: dataset.length });
    port.on("message", async ({ id, indices }: Request) => {
      try {
        const batch = await batchOf(dataset, module, indices);
        post({ kind: "batch", id, batch }, [...new Set(memoryOf(batch))]);
      } catch (error) {
        post({ kind: "error", id, error: textOf(error) });
      }
    });
  } catch (error) {
    post({ kind: "failed", error: textOf(error) });
  }
}
