// The workloads: plain descriptions that every library is given alike, and the numbers they start from.

/** Uniform in [low, high), the same on every machine. */
export function uniform(length, seed, low = 0, high = 1) {
  const out = new Float32Array(length);
  let state = Math.imul(seed + 1, 0x9e3779b9) >>> 0;
  const scale = (high - low) / 2 ** 32;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    out[i] = low + (state >>> 0) * scale;
  }
  return out;
}

const product = (shape) => shape.reduce((a, b) => a * b, 1);
const elements = (shapes) => shapes.reduce((sum, shape) => sum + product(shape), 0);

/** The inputs of a workload, in the order of `shapes`: floats, or where `indices` gives a limit, whole numbers below it. */
export const inputsOf = (workload) =>
  workload.shapes.map((shape, i) => {
    const limit = workload.indices?.[i];
    if (limit === undefined) return uniform(product(shape), i, workload.low ?? -1, 1);
    return Int32Array.from(uniform(product(shape), i, 0, limit), (x) => Math.min(Math.floor(x), limit - 1));
  });

/**
 * What a workload must do at least, for the machine's limit: its operations where its speed counts them, and its bytes, each
 * input read once and each output written once. Undefined for those that measure overhead alone.
 */
export function amountOf({ unit, work, shapes, read, written }) {
  if (unit === "us" || unit === "1/s") return undefined;
  return {
    operations: unit === "GFLOP/s" ? work : 0,
    read: read ?? 4 * elements(shapes),
    written,
  };
}

const matmul = (rows, depth = rows, columns = rows) => ({
  name: rows === columns && rows === depth ? `matmul ${rows}` : `matmul ${rows}x${depth}x${columns}`,
  kind: "matmul",
  shapes: [
    [rows, depth],
    [depth, columns],
  ],
  unit: "GFLOP/s",
  work: 2 * rows * depth * columns,
  written: 4 * rows * columns,
});

/** Square kernels, borders filled so that images keep their size. */
const conv = (name, { batch = 1, inputs, outputs = inputs, size, kernel, groups = 1 }) => ({
  name,
  kind: "conv",
  groups,
  padding: (kernel - 1) / 2,
  shapes: [
    [batch, inputs, size, size],
    [outputs, inputs / groups, kernel, kernel],
  ],
  unit: "GFLOP/s",
  work: (2 * batch * size ** 2 * outputs * inputs * kernel ** 2) / groups,
  written: 4 * batch * size ** 2 * outputs,
});

/** Something bound by memory: the bytes that must be read and written at least, in units of 2^20. */
const moving = (name, kind, shapes, [read, written], more = {}) => ({
  name,
  kind,
  shapes,
  unit: "GB/s",
  work: (read + written) * 2 ** 20,
  read: read * 2 ** 20,
  written: written * 2 ** 20,
  ...more,
});

/** The attention of one sequence. */
export const HEADS = [1, 8, 1024, 64];
/** Elements that a top-k takes of each row. */
export const TOP = 8;
/** Additions, one after the other, of the step that measures what a kernel costs beside its work. */
export const CHAIN = 20;

// Small networks whose training steps are measured; weights as in the MNIST network, plain descent.
export const MLP = { batch: 512, sizes: [784, 512, 10], lr: 0.01 };
export const TRANSFORMER = { batch: 16, tokens: 64, width: 128, heads: 4, hidden: 512, lr: 1e-3 };

// The network of the MNIST step: weights, then biases, layer by layer; images are [batch, 1, 28, 28].
export const MNIST_BATCH = 128;
export const MNIST_SHAPES = [
  [32, 1, 5, 5],
  [32],
  [32, 32, 5, 5],
  [32],
  [64, 32, 3, 3],
  [64],
  [64, 64, 3, 3],
  [64],
  [576, 10],
  [10],
];
const MNIST_MULTIPLY_ADDS =
  24 ** 2 * 25 * 32 + 20 ** 2 * 800 * 32 + 8 ** 2 * 288 * 64 + 6 ** 2 * 576 * 64 + 5760;
export const ADAM = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8 };

/** Weights uniform within +-1 / sqrt(fan in), images, and labels 0 to 9. */
export function mnistInputs() {
  const weights = MNIST_SHAPES.map((shape, i) => {
    const fanIn = shape.length === 4 ? product(shape.slice(1)) : shape.length === 2 ? shape[0] : 1;
    const bound = shape.length === 1 ? 0.05 : 1 / Math.sqrt(fanIn);
    return uniform(product(shape), 100 + i, -bound, bound);
  });
  const images = uniform(MNIST_BATCH * 784, 1);
  const labels = Int32Array.from({ length: MNIST_BATCH }, (_, i) => (i * 7) % 10);
  return { weights, images, labels };
}

export const WORKLOADS = [
  matmul(256),
  matmul(512),
  matmul(1024),
  matmul(2048),
  matmul(127),
  matmul(251),
  matmul(1000, 333, 1000),
  {
    name: "matvec 4096",
    kind: "matmul",
    shapes: [
      [4096, 4096],
      [4096, 1],
    ],
    unit: "GB/s",
    work: 4096 * 4096 * 4,
    written: 4096 * 4,
  },
  moving("relu(a*b+c)*d of 16M", "fused", [[1 << 24], [1 << 24], [1 << 24], [1 << 24]], [4 * 64, 64]),
  moving("softmax 4096x4096", "softmax", [[4096, 4096]], [64, 64]),
  moving("layerNorm 4096x1024", "layerNorm", [[4096, 1024], [1024], [1024]], [16, 16]),
  moving("sum of 64M", "sum", [[64 << 20]], [256, 0], { low: 0 }),
  moving("sum over axis 0 of 4096x4096", "sumRows", [[4096, 4096]], [64, 0]),
  conv("conv 3x3 64->64 56x56", { inputs: 64, size: 56, kernel: 3 }),
  conv("conv 3x3 64->64 56x56, batch 8", { batch: 8, inputs: 64, size: 56, kernel: 3 }),
  conv("conv 1x1 3->64 224x224", { inputs: 3, outputs: 64, size: 224, kernel: 1 }),
  conv("depthwise 3x3 128 56x56", { inputs: 128, size: 56, kernel: 3, groups: 128 }),
  {
    name: "attention 8x1024x64",
    kind: "attention",
    shapes: [HEADS, HEADS, HEADS],
    unit: "GFLOP/s",
    work: 4 * 8 * 1024 ** 2 * 64,
    written: 4 * 8 * 1024 * 64,
  },
  moving("transpose 4096x4096", "transpose", [[4096, 4096]], [64, 64]),
  moving("every other column of 4096x4096", "strided", [[4096, 4096]], [64, 32]),
  moving("rows of 50000x256 by 16384 places", "gather", [[50000, 256], [16384]], [16, 16], {
    indices: { 1: 50000 },
  }),
  moving("cumsum of 1M", "cumsum", [[1 << 20]], [4, 4]),
  moving("sort of 1M", "sort", [[1 << 20]], [4, 4]),
  moving("top 8 of 64 rows of 16384", "topk", [[64, 16384]], [4, 0]),
  {
    name: "MNIST step, batch 128",
    kind: "mnist",
    shapes: [],
    unit: "GFLOP/s",
    // Backward costs two more products the size of the forward one, but for the first layer's input.
    work: MNIST_BATCH * 2 * (3 * MNIST_MULTIPLY_ADDS - 24 ** 2 * 25 * 32),
    // Images; weights and their two moments, which change.
    read: 4 * (MNIST_BATCH * 784 + 3 * elements(MNIST_SHAPES)),
    written: 4 * 3 * elements(MNIST_SHAPES),
  },
  {
    name: "MLP 784-512-10 step, batch 512",
    kind: "mlp",
    shapes: [],
    unit: "GFLOP/s",
    work: 2 * MLP.batch * (2 * 784 * 512 + 3 * 512 * 10),
    read: 4 * (MLP.batch * 784 + 784 * 512 + 512 * 10),
    written: 4 * (784 * 512 + 512 * 10),
  },
  {
    name: "transformer layer step, 16x64x128",
    kind: "transformer",
    shapes: [],
    unit: "GFLOP/s",
    work: 6 * 16 * 64 * (4 * 128 * 128 + 2 * 128 * 512 + 2 * 64 * 128),
    read: 4 * (16 * 64 * 128 + 4 * 128 * 128 + 2 * 128 * 512),
    written: 4 * (4 * 128 * 128 + 2 * 128 * 512),
  },
  // So short that several together are timed.
  { name: "eager addition of 64 numbers", kind: "eager", shapes: [[64], [64]], unit: "us", repeat: 100 },
  {
    name: `step of ${CHAIN} additions of 64 numbers`,
    kind: "chain",
    shapes: [[64], [64]],
    unit: "us",
    repeat: 100,
  },
];

/** Measured apart: each run is a process. */
export const START_UP = { name: "first results a second, fresh process", unit: "1/s" };

/** Workloads whose results are the losses of training's first steps. */
export const trains = ({ kind }) => kind === "mnist" || kind === "mlp" || kind === "transformer";

/** Weights and data of the small networks: uniform, weights within +-1 / sqrt(fan in). */
export function mlpInputs() {
  const [inputs, hidden, outputs] = MLP.sizes;
  const weights = [
    [inputs, hidden],
    [hidden, outputs],
  ].map(([fanIn, n], i) => uniform(fanIn * n, 200 + i, -1 / Math.sqrt(fanIn), 1 / Math.sqrt(fanIn)));
  const x = uniform(MLP.batch * inputs, 1);
  return { weights, x, labels: Int32Array.from({ length: MLP.batch }, (_, i) => (i * 7) % outputs) };
}

/** Query, key, value, output, and the two of the network: [width, n] each, no biases, no norms. */
export function transformerInputs() {
  const { batch, tokens, width, hidden } = TRANSFORMER;
  const shapes = [
    [width, width],
    [width, width],
    [width, width],
    [width, width],
    [width, hidden],
    [hidden, width],
  ];
  const weights = shapes.map(([fanIn, n], i) =>
    uniform(fanIn * n, 300 + i, -1 / Math.sqrt(fanIn), 1 / Math.sqrt(fanIn)),
  );
  return { shapes, weights, x: uniform(batch * tokens * width, 1, -1, 1) };
}

/** Sixteen places spread over a result, by which results are compared. */
export const samplePlaces = (length) =>
  Array.from({ length: Math.min(16, length) }, (_, i) => (i * 7919 * 31) % length);
