// Writes the few ONNX models that the benchmark needs: one node each. ONNX files are protocol buffers; a field is a key
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

function valueInfo(name, shape) {
  const dimensions = shape.flatMap((size) => bytes(1, number(1, size)));
  const tensor = [...number(1, FLOAT), ...bytes(2, dimensions)];
  return [...string(1, name), ...bytes(2, bytes(1, tensor))];
}

/** A model of one node over float tensors x0, x1, ... giving y. */
export function onnxModel(operator, attributes, inputShapes, outputShape) {
  const names = inputShapes.map((_, i) => `x${i}`);
  const node = [
    ...names.flatMap((name) => string(1, name)),
    ...string(2, "y"),
    ...string(4, operator),
    ...Object.entries(attributes).flatMap(([name, value]) => bytes(5, attribute(name, value))),
  ];
  const graph = [
    ...bytes(1, node),
    ...string(2, operator),
    ...inputShapes.flatMap((shape, i) => bytes(11, valueInfo(names[i], shape))),
    ...bytes(12, valueInfo("y", outputShape)),
  ];
  return Uint8Array.from([...number(1, 8), ...bytes(8, number(2, 17)), ...bytes(7, graph)]);
}
