// PyTorch's checkpoints (torch.save since 1.6): a zip archive with a pickled description, in which tensors are places in
// storages, and an entry of bytes for each storage. Read as data: no code in a file is run.

import { type ByteSource, sourceNode } from "../engine/engine.js";
import { bytesOf, type DType } from "../scalar/dtype.js";
import { Tensor } from "../tensor/tensor.js";
import { type Constructor, PickleError, unpickle } from "./pickle.js";
import { asBools, FileError, type FileInput, type FileSource, openSource } from "./source.js";
import { openZip } from "./zip.js";

/** What a checkpoint holds: dicts as objects, lists and tuples as arrays. */
export type TorchValue =
  | Tensor
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | TorchValue[]
  | { [key: string]: TorchValue };

const STORAGES: Readonly<Record<string, DType>> = {
  FloatStorage: "float32",
  DoubleStorage: "float64",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
};

const DTYPES: Readonly<Record<string, DType>> = {
  ...Object.fromEntries(
    (["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"] as const).map((d) => [
      d,
      d,
    ]),
  ),
  float16: "float16",
  half: "float16",
  bfloat16: "bfloat16",
  float32: "float32",
  float64: "float64",
  float8_e4m3fn: "float8e4m3",
  float8_e5m2: "float8e5m2",
};

interface TorchStorage {
  readonly key: string;
  /** Undefined for storages that are bytes only. */
  readonly dtype: DType | undefined;
  readonly source: FileSource;
}

/** A name that stands for a type: nothing is made of it. */
interface TypeName {
  readonly dtype: DType | undefined;
}
const typeNames = new WeakMap<Constructor, TypeName>();

function typeName(what: string, dtype: DType | undefined): Constructor {
  const refuse: Constructor = () => {
    throw new PickleError(`${what} is called, which only tensors may be`);
  };
  typeNames.set(refuse, { dtype });
  return refuse;
}

/**
 * What torch.save wrote: tensors, and dicts, lists, numbers and texts that hold them; usually the dict of tensors of
 * model.state_dict(). Elements are read when they are first used. Files that hold other objects of Python, whole models
 * among them, are refused, as are those of PyTorch before 1.6.
 *
 * @example
 * const { rest } = (await loadTorch(`${folder}/checkpoint.pt`)) as { rest: { step: number } };
 * rest.step; // => 7
 */
export async function loadTorch(file: FileInput): Promise<TorchValue> {
  const source = await openSource(file);
  const { name } = source;
  const start = await source.read(0, Math.min(2, source.size));
  if (start[0] !== 0x50 || start[1] !== 0x4b) {
    throw new FileError(
      `${name}: no zip archive; checkpoints of PyTorch before 1.6 must be loaded and saved anew with PyTorch`,
    );
  }
  const entries = await openZip(source);
  const description = [...entries.keys()].find((entry) => /^[^/]+\/data\.pkl$/.test(entry));
  if (description === undefined) throw new FileError(`${name}: no checkpoint of PyTorch: it has no data.pkl`);
  const root = description.slice(0, -"data.pkl".length);
  const order = entries.get(`${root}byteorder`);
  if (order !== undefined && new TextDecoder().decode(await order.read(0, order.size)) !== "little")
    throw new FileError(`${name}: its numbers are big-endian, which is not supported`);
  const pickled = entries.get(description)!;
  const tensors = new Map<string, Tensor>();
  try {
    return unpickle(await pickled.read(0, pickled.size), {
      global: (module, known) => globalOf(module, known, tensors),
      persistent: (id) => storageOf(id, root, entries),
    }) as TorchValue;
  } catch (cause) {
    if (!(cause instanceof PickleError)) throw cause;
    throw new FileError(`${name}: ${cause.message}`, { cause });
  }
}

function storageOf(id: unknown, root: string, entries: ReadonlyMap<string, FileSource>): TorchStorage {
  const [kind, type, key] = Array.isArray(id) ? id : [];
  const named = typeof type === "function" ? typeNames.get(type as Constructor) : undefined;
  if (kind !== "storage" || named === undefined || typeof key !== "string")
    throw new PickleError("a storage is not described as PyTorch does");
  const source = entries.get(`${root}data/${key}`);
  if (source === undefined) throw new PickleError(`the storage ${key} is missing`);
  return { key, dtype: named.dtype, source };
}

function globalOf(module: string, name: string, tensors: Map<string, Tensor>): Constructor {
  const full = `${module}.${name}`;
  if (module === "torch" && Object.hasOwn(STORAGES, name)) return typeName(full, STORAGES[name]);
  if (module === "torch" && Object.hasOwn(DTYPES, name)) return typeName(full, DTYPES[name]);
  switch (full) {
    case "torch.storage.UntypedStorage":
    case "torch.nn.parameter.Parameter":
    case "torch.Tensor":
      return typeName(full, undefined);
    case "torch._utils._rebuild_tensor_v2":
      return ([storage, offset, size, stride]) => rebuild(storage, undefined, offset, size, stride, tensors);
    case "torch._utils._rebuild_tensor_v3":
      return ([storage, offset, size, stride, , , dtype]) =>
        rebuild(storage, typeNames.get(dtype as Constructor)?.dtype, offset, size, stride, tensors);
    case "torch._utils._rebuild_parameter":
    case "torch._utils._rebuild_parameter_with_state":
      return ([tensor]) => tensor;
    case "torch._tensor._rebuild_from_type_v2":
      return ([rebuilt, , args]) => (rebuilt as Constructor)(args as readonly unknown[]);
    case "collections.OrderedDict":
      return ([items = []]) => Object.fromEntries(items as [string, unknown][]);
    case "torch.Size":
      return ([sizes]) => sizes;
    case "torch.device":
      return (args) => args.join(":");
    case "builtins.set":
    case "__builtin__.set":
      return ([items = []]) => items;
  }
  throw new PickleError(
    `it holds ${full}, an object of Python; only tensors and plain data can be read: save model.state_dict()`,
  );
}

const isSizes = (x: unknown): x is number[] =>
  Array.isArray(x) && x.every((d) => Number.isSafeInteger(d) && (d as number) >= 0);

/** The tensor of a storage's elements from `offset` on, with these strides. One place in the file is one tensor. */
function rebuild(
  storage: unknown,
  given: DType | undefined,
  offset: unknown,
  size: unknown,
  stride: unknown,
  tensors: Map<string, Tensor>,
): Tensor {
  const { key, dtype: own, source } = (storage ?? {}) as Partial<TorchStorage>;
  const dtype = given ?? own;
  const sound = isSizes(size) && isSizes(stride) && size.length === stride.length && isSizes([offset]);
  if (source === undefined || dtype === undefined || !sound)
    throw new PickleError("a tensor is not described as PyTorch does");
  const place = `${key} ${dtype} ${offset} ${size} ${stride}`;
  let tensor = tensors.get(place);
  if (tensor === undefined) {
    tensor = strided(source, dtype, offset as number, size, stride);
    tensors.set(place, tensor);
  }
  return tensor;
}

function strided(
  source: FileSource,
  dtype: DType,
  offset: number,
  size: readonly number[],
  stride: readonly number[],
): Tensor {
  const count = size.reduce((n, d) => n * d, 1);
  // How far the last element lies behind the first.
  const span = count === 0 ? 0 : size.reduce((n, d, i) => n + (d - 1) * stride[i], 1);
  const item = bytesOf(dtype);
  if ((offset + span) * item > source.size)
    throw new PickleError(`a tensor [${size}] lies beyond the ${source.size} bytes of its storage`);
  const bytes: ByteSource = dtype === "bool" ? asBools(source) : source;
  const leaf = (shape: readonly number[]): Tensor =>
    Tensor.ofNode(sourceNode(bytes, offset * item, dtype, shape));
  // Most tensors lie row by row, or so in another order of their axes.
  const axes = size.map((_, axis) => axis);
  const order = [...axes].sort((a, b) => stride[b] - stride[a] || size[b] - size[a] || a - b);
  let expected = 1;
  const dense = [...order].reverse().every((axis) => {
    const fits = size[axis] === 1 || stride[axis] === expected;
    expected *= size[axis];
    return fits;
  });
  if (dense || count === 0)
    return leaf(order.map((axis) => size[axis])).permute(axes.map((axis) => order.indexOf(axis)));
  const places = axes.map((axis) =>
    Tensor.arange(size[axis])
      .mul(stride[axis])
      .reshape(axes.map((i) => (i === axis ? size[axis] : 1))),
  );
  const index = places.reduce((sum, x) => sum.add(x)).expand(size);
  return leaf([span]).take(index);
}
