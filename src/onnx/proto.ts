// The messages of onnx.proto, read from their bytes (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). A table for
// each message says what its field numbers mean; unknown fields are skipped. Elements of tensors stay where they lie: raw
// data is a view of the file's bytes.

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** The bytes are no ONNX file, or a broken one. */
export class OnnxError extends Error {
  override name = "OnnxError";
}

export interface TensorProto {
  name: string;
  /** A code of `types.ts`. */
  type: number;
  readonly dims: number[];
  raw: Uint8Array | undefined;
  readonly floats: number[];
  readonly doubles: number[];
  /** For all types of 32 bits and fewer but float32: integers, or the bits of floats. */
  readonly int32s: number[];
  readonly int64s: bigint[];
  readonly uint64s: bigint[];
  readonly strings: Uint8Array[];
  /** Where the elements are if not here: location, offset, length. */
  readonly external: Map<string, string>;
  isExternal: boolean;
}

export interface SparseTensorProto {
  values: TensorProto | undefined;
  indices: TensorProto | undefined;
  readonly dims: number[];
}

export interface SequenceProto {
  readonly tensors: TensorProto[];
  readonly sequences: SequenceProto[];
  readonly optionals: OptionalProto[];
}

export interface OptionalProto {
  tensor: TensorProto | undefined;
  sequence: SequenceProto | undefined;
  optional: OptionalProto | undefined;
}

/** What kind of value something is; exactly one is set, or none where nothing is said. */
export interface TypeProto {
  tensor: { type: number; shape: readonly (number | string | undefined)[] | undefined } | undefined;
  sequence: TypeProto | undefined;
  optional: TypeProto | undefined;
  map: { key: number; value: TypeProto | undefined } | undefined;
}

export interface ValueInfoProto {
  name: string;
  type: TypeProto | undefined;
}

export interface AttributeProto {
  name: string;
  /** A code: 1 float, 2 int, 3 string, 4 tensor, 5 graph, 6 to 10 lists of them, 11 sparse tensor, 13 type; 0 in old files. */
  kind: number;
  /** In a function: the name of the function's attribute that gives the value. */
  reference: string;
  float: number | undefined;
  int: bigint | undefined;
  string: Uint8Array | undefined;
  tensor: TensorProto | undefined;
  graph: GraphProto | undefined;
  sparse: SparseTensorProto | undefined;
  type: TypeProto | undefined;
  readonly floats: number[];
  readonly ints: bigint[];
  readonly strings: Uint8Array[];
  readonly tensors: TensorProto[];
  readonly graphs: GraphProto[];
}

export interface NodeProto {
  readonly inputs: string[];
  readonly outputs: string[];
  name: string;
  operator: string;
  domain: string;
  overload: string;
  readonly attributes: AttributeProto[];
}

export interface GraphProto {
  name: string;
  readonly nodes: NodeProto[];
  readonly initializers: TensorProto[];
  readonly sparseInitializers: SparseTensorProto[];
  readonly inputs: ValueInfoProto[];
  readonly outputs: ValueInfoProto[];
  readonly values: ValueInfoProto[];
}

export interface FunctionProto {
  name: string;
  domain: string;
  overload: string;
  readonly inputs: string[];
  readonly outputs: string[];
  /** Names of attributes without a default. */
  readonly attributes: string[];
  readonly defaults: AttributeProto[];
  readonly nodes: NodeProto[];
  readonly opsets: OpsetProto[];
}

export interface OpsetProto {
  domain: string;
  version: number;
}

export interface ModelProto {
  irVersion: number;
  producer: string;
  producerVersion: string;
  domain: string;
  modelVersion: bigint;
  description: string;
  graph: GraphProto | undefined;
  readonly opsets: OpsetProto[];
  readonly metadata: Map<string, string>;
  readonly functions: FunctionProto[];
}

// --- reading fields ----------------------------------------------------------------------------------------------

type Field<M> = (message: M, reader: BinaryReader, wire: WireType) => void;
type Fields<M> = Readonly<Record<number, Field<M>>>;

/** Messages within messages deeper than this are no model but an attack on the stack. */
const MAX_DEPTH = 200;
let depth = 0;

function readFields<M>(reader: BinaryReader, end: number, fields: Fields<M>, message: M): M {
  if (end > reader.len)
    throw new OnnxError(`a message of the file ends ${end - reader.len} bytes behind the file`);
  if (++depth > MAX_DEPTH) throw new OnnxError(`messages lie more than ${MAX_DEPTH} deep`);
  try {
    while (reader.pos < end) {
      const [number, wire] = reader.tag();
      const field = fields[number];
      if (field === undefined) reader.skip(wire, number);
      else field(message, reader, wire);
    }
    if (reader.pos !== end) throw new OnnxError("a field of the file reaches beyond its message");
    return message;
  } finally {
    depth--;
  }
}

/** A message inside another, with its length before it. */
function inner<M>(reader: BinaryReader, fields: Fields<M>, message: M): M {
  const length = reader.uint32();
  return readFields(reader, reader.pos + length, fields, message);
}

/** Repeated numbers, which may come packed or each with its tag. */
function repeated<T>(reader: BinaryReader, wire: WireType, list: T[], read: () => T): void {
  if (wire !== WireType.LengthDelimited) {
    list.push(read());
    return;
  }
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len)
    throw new OnnxError(`a list of the file ends ${end - reader.len} bytes behind the file`);
  while (reader.pos < end) list.push(read());
}

const long = (reader: BinaryReader): bigint => BigInt(reader.int64());
const size = (reader: BinaryReader): number => Number(reader.int64());

// --- the messages ------------------------------------------------------------------------------------------------

const newTensor = (): TensorProto => ({
  name: "",
  type: 0,
  dims: [],
  raw: undefined,
  floats: [],
  doubles: [],
  int32s: [],
  int64s: [],
  uint64s: [],
  strings: [],
  external: new Map(),
  isExternal: false,
});

const ENTRY: Fields<{ key: string; value: string }> = {
  1: (m, r) => {
    m.key = r.string();
  },
  2: (m, r) => {
    m.value = r.string();
  },
};

function readEntry(reader: BinaryReader, map: Map<string, string>): void {
  const { key, value } = inner(reader, ENTRY, { key: "", value: "" });
  map.set(key, value);
}

const TENSOR: Fields<TensorProto> = {
  1: (m, r, wire) => repeated(r, wire, m.dims, () => size(r)),
  2: (m, r) => {
    m.type = r.int32();
  },
  4: (m, r, wire) => repeated(r, wire, m.floats, () => r.float()),
  5: (m, r, wire) => repeated(r, wire, m.int32s, () => r.int32()),
  6: (m, r) => m.strings.push(r.bytes()),
  7: (m, r, wire) => repeated(r, wire, m.int64s, () => long(r)),
  8: (m, r) => {
    m.name = r.string();
  },
  9: (m, r) => {
    m.raw = r.bytes();
  },
  10: (m, r, wire) => repeated(r, wire, m.doubles, () => r.double()),
  11: (m, r, wire) => repeated(r, wire, m.uint64s, () => BigInt(r.uint64())),
  13: (m, r) => readEntry(r, m.external),
  14: (m, r) => {
    m.isExternal = r.int32() === 1;
  },
};

const SPARSE: Fields<SparseTensorProto> = {
  1: (m, r) => {
    m.values = inner(r, TENSOR, newTensor());
  },
  2: (m, r) => {
    m.indices = inner(r, TENSOR, newTensor());
  },
  3: (m, r, wire) => repeated(r, wire, m.dims, () => size(r)),
};
const newSparse = (): SparseTensorProto => ({ values: undefined, indices: undefined, dims: [] });

const newSequence = (): SequenceProto => ({ tensors: [], sequences: [], optionals: [] });
const newOptional = (): OptionalProto => ({ tensor: undefined, sequence: undefined, optional: undefined });

const SEQUENCE: Fields<SequenceProto> = {
  3: (m, r) => m.tensors.push(inner(r, TENSOR, newTensor())),
  5: (m, r) => m.sequences.push(inner(r, SEQUENCE, newSequence())),
  7: (m, r) => m.optionals.push(inner(r, OPTIONAL, newOptional())),
};

const OPTIONAL: Fields<OptionalProto> = {
  3: (m, r) => {
    m.tensor = inner(r, TENSOR, newTensor());
  },
  5: (m, r) => {
    m.sequence = inner(r, SEQUENCE, newSequence());
  },
  7: (m, r) => {
    m.optional = inner(r, OPTIONAL, newOptional());
  },
};

const newType = (): TypeProto => ({
  tensor: undefined,
  sequence: undefined,
  optional: undefined,
  map: undefined,
});

interface DimensionProto {
  size: number | string | undefined;
}

const DIMENSION: Fields<DimensionProto> = {
  1: (m, r) => {
    m.size = size(r);
  },
  2: (m, r) => {
    m.size = r.string() || undefined;
  },
};

const SHAPE: Fields<DimensionProto["size"][]> = {
  1: (m, r) => m.push(inner(r, DIMENSION, { size: undefined }).size),
};

const TENSOR_TYPE: Fields<NonNullable<TypeProto["tensor"]>> = {
  1: (m, r) => {
    m.type = r.int32();
  },
  2: (m, r) => {
    m.shape = inner<DimensionProto["size"][]>(r, SHAPE, []);
  },
};

/** Of a sequence or an optional. */
const ELEMENT_TYPE: Fields<{ type: TypeProto }> = {
  1: (m, r) => {
    m.type = inner(r, TYPE, newType());
  },
};

const MAP_TYPE: Fields<NonNullable<TypeProto["map"]>> = {
  1: (m, r) => {
    m.key = r.int32();
  },
  2: (m, r) => {
    m.value = inner(r, TYPE, newType());
  },
};

const TYPE: Fields<TypeProto> = {
  1: (m, r) => {
    m.tensor = inner(r, TENSOR_TYPE, { type: 0, shape: undefined });
  },
  4: (m, r) => {
    m.sequence = inner(r, ELEMENT_TYPE, { type: newType() }).type;
  },
  5: (m, r) => {
    m.map = inner(r, MAP_TYPE, { key: 0, value: undefined });
  },
  9: (m, r) => {
    m.optional = inner(r, ELEMENT_TYPE, { type: newType() }).type;
  },
};

const VALUE_INFO: Fields<ValueInfoProto> = {
  1: (m, r) => {
    m.name = r.string();
  },
  2: (m, r) => {
    m.type = inner(r, TYPE, newType());
  },
};
const newValueInfo = (): ValueInfoProto => ({ name: "", type: undefined });

const newAttribute = (): AttributeProto => ({
  name: "",
  kind: 0,
  reference: "",
  float: undefined,
  int: undefined,
  string: undefined,
  tensor: undefined,
  graph: undefined,
  sparse: undefined,
  type: undefined,
  floats: [],
  ints: [],
  strings: [],
  tensors: [],
  graphs: [],
});

const ATTRIBUTE: Fields<AttributeProto> = {
  1: (m, r) => {
    m.name = r.string();
  },
  2: (m, r) => {
    m.float = r.float();
  },
  3: (m, r) => {
    m.int = long(r);
  },
  4: (m, r) => {
    m.string = r.bytes();
  },
  5: (m, r) => {
    m.tensor = inner(r, TENSOR, newTensor());
  },
  6: (m, r) => {
    m.graph = inner(r, GRAPH, newGraph());
  },
  7: (m, r, wire) => repeated(r, wire, m.floats, () => r.float()),
  8: (m, r, wire) => repeated(r, wire, m.ints, () => long(r)),
  9: (m, r) => m.strings.push(r.bytes()),
  10: (m, r) => m.tensors.push(inner(r, TENSOR, newTensor())),
  11: (m, r) => m.graphs.push(inner(r, GRAPH, newGraph())),
  14: (m, r) => {
    m.type = inner(r, TYPE, newType());
  },
  20: (m, r) => {
    m.kind = r.int32();
  },
  21: (m, r) => {
    m.reference = r.string();
  },
  22: (m, r) => {
    m.sparse = inner(r, SPARSE, newSparse());
  },
};

const NODE: Fields<NodeProto> = {
  1: (m, r) => m.inputs.push(r.string()),
  2: (m, r) => m.outputs.push(r.string()),
  3: (m, r) => {
    m.name = r.string();
  },
  4: (m, r) => {
    m.operator = r.string();
  },
  5: (m, r) => m.attributes.push(inner(r, ATTRIBUTE, newAttribute())),
  7: (m, r) => {
    m.domain = r.string();
  },
  8: (m, r) => {
    m.overload = r.string();
  },
};
const newNode = (): NodeProto => ({
  inputs: [],
  outputs: [],
  name: "",
  operator: "",
  domain: "",
  overload: "",
  attributes: [],
});

const newGraph = (): GraphProto => ({
  name: "",
  nodes: [],
  initializers: [],
  sparseInitializers: [],
  inputs: [],
  outputs: [],
  values: [],
});

const GRAPH: Fields<GraphProto> = {
  1: (m, r) => m.nodes.push(inner(r, NODE, newNode())),
  2: (m, r) => {
    m.name = r.string();
  },
  5: (m, r) => m.initializers.push(inner(r, TENSOR, newTensor())),
  11: (m, r) => m.inputs.push(inner(r, VALUE_INFO, newValueInfo())),
  12: (m, r) => m.outputs.push(inner(r, VALUE_INFO, newValueInfo())),
  13: (m, r) => m.values.push(inner(r, VALUE_INFO, newValueInfo())),
  15: (m, r) => m.sparseInitializers.push(inner(r, SPARSE, newSparse())),
};

const OPSET: Fields<OpsetProto> = {
  1: (m, r) => {
    m.domain = r.string();
  },
  2: (m, r) => {
    m.version = size(r);
  },
};

const FUNCTION: Fields<FunctionProto> = {
  1: (m, r) => {
    m.name = r.string();
  },
  4: (m, r) => m.inputs.push(r.string()),
  5: (m, r) => m.outputs.push(r.string()),
  6: (m, r) => m.attributes.push(r.string()),
  7: (m, r) => m.nodes.push(inner(r, NODE, newNode())),
  9: (m, r) => m.opsets.push(inner(r, OPSET, { domain: "", version: 1 })),
  10: (m, r) => {
    m.domain = r.string();
  },
  11: (m, r) => m.defaults.push(inner(r, ATTRIBUTE, newAttribute())),
  13: (m, r) => {
    m.overload = r.string();
  },
};

const MODEL: Fields<ModelProto> = {
  1: (m, r) => {
    m.irVersion = size(r);
  },
  2: (m, r) => {
    m.producer = r.string();
  },
  3: (m, r) => {
    m.producerVersion = r.string();
  },
  4: (m, r) => {
    m.domain = r.string();
  },
  5: (m, r) => {
    m.modelVersion = long(r);
  },
  6: (m, r) => {
    m.description = r.string();
  },
  7: (m, r) => {
    m.graph = inner(r, GRAPH, newGraph());
  },
  8: (m, r) => m.opsets.push(inner(r, OPSET, { domain: "", version: 1 })),
  14: (m, r) => readEntry(r, m.metadata),
  25: (m, r) =>
    m.functions.push(
      inner(r, FUNCTION, {
        name: "",
        domain: "",
        overload: "",
        inputs: [],
        outputs: [],
        attributes: [],
        defaults: [],
        nodes: [],
        opsets: [],
      }),
    ),
};

// --- whole files -------------------------------------------------------------------------------------------------

function readWhole<M>(bytes: Uint8Array, what: string, fields: Fields<M>, message: M): M {
  try {
    depth = 0;
    // Not a Buffer of Node, whose slices are no copies.
    const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    return readFields(new BinaryReader(plain), bytes.length, fields, message);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OnnxError(`not ${what}, or a damaged one: ${reason}`, { cause: error });
  }
}

/** A model from the bytes of its file. OnnxError if they are none. */
export function readModel(bytes: Uint8Array): ModelProto {
  return readWhole(bytes, "an ONNX model", MODEL, {
    irVersion: 0,
    producer: "",
    producerVersion: "",
    domain: "",
    modelVersion: 0n,
    description: "",
    graph: undefined,
    opsets: [],
    metadata: new Map(),
    functions: [],
  });
}

/** A tensor from a file of its own (`.pb`). */
export const readTensorProto = (bytes: Uint8Array): TensorProto =>
  readWhole(bytes, "an ONNX tensor", TENSOR, newTensor());

/** A sequence from a file of its own. */
export const readSequenceProto = (bytes: Uint8Array): SequenceProto =>
  readWhole(bytes, "an ONNX sequence", SEQUENCE, newSequence());

/** An optional value from a file of its own. */
export const readOptionalProto = (bytes: Uint8Array): OptionalProto =>
  readWhole(bytes, "an ONNX optional", OPTIONAL, newOptional());
