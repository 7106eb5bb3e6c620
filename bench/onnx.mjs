// Writes the few ONNX models that the benchmark needs: one node each, or a few in a row. ONNX files are protocol buffers; a field is a key
// (number and wire type) followed by a varint or by a length and bytes.

const text = new TextEncoder();

function varint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return bytes;
}

const number = (field, value) => [...varint(field << 3), ...varint(value)];
const bytes = (field, content) => [...varint((field << 3) | 2), ...varint(content.length), ...content];
const string = (field, value) => bytes(field, text.encode(value));

const FLOAT = 1;
const INT32 = 6;
const INT64 = 7;
const ATTRIBUTE_INT = 2;
const ATTRIBUTE_INTS = 7;
const ATTRIBUTE_FLOAT = 1;

function attribute(name, value) {
  if (Array.isArray(value)) {
    return [...string(1, name), ...value.flatMap((v) => number(8, v)), ...number(20, ATTRIBUTE_INTS)];
  }
  if (Number.isInteger(value)) return [...string(1, name), ...number(3, value), ...number(20, ATTRIBUTE_INT)];
  const float = new Uint8Array(Float32Array.of(value).buffer);
  return [...string(1, name), ...varint((2 << 3) | 5), ...float, ...number(20, ATTRIBUTE_FLOAT)];
}

function valueInfo(name, shape, type = FLOAT) {
  const dimensions = shape.flatMap((size) => bytes(1, number(1, size)));
  const tensor = [...number(1, type), ...bytes(2, dimensions)];
  return [...string(1, name), ...bytes(2, bytes(1, tensor))];
}

/** A tensor of int64 in the model itself. */
function constant(name, values) {
  const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  return [...number(1, values.length), ...number(2, INT64), ...string(8, name), ...bytes(9, data)];
}

/**
 * A model of these nodes, each `{ operator, attributes, inputs, outputs }`, over tensors x0, x1, ... giving y. `integers`
 * are the places of inputs of int32; `constants` are lists of int64 by name.
 */
export function onnxModel(nodes, inputShapes, outputShape, { integers = [], constants = {} } = {}) {
  const written = nodes.map(({ operator, attributes = {}, inputs, outputs = ["y"] }) => [
    ...inputs.flatMap((name) => string(1, name)),
    ...outputs.flatMap((name) => string(2, name)),
    ...string(4, operator),
    ...Object.entries(attributes).flatMap(([name, value]) => bytes(5, attribute(name, value))),
  ]);
  const graph = [
    ...written.flatMap((node) => bytes(1, node)),
    ...string(2, "benchmark"),
    ...Object.entries(constants).flatMap(([name, values]) => bytes(5, constant(name, values))),
    ...inputShapes.flatMap((shape, i) =>
      bytes(11, valueInfo(`x${i}`, shape, integers.includes(i) ? INT32 : FLOAT)),
    ),
    ...bytes(12, valueInfo("y", outputShape)),
  ];
  return Uint8Array.from([...number(1, 8), ...bytes(8, number(2, 17)), ...bytes(7, graph)]);
}
