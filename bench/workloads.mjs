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

/** The inputs of a workload, as arrays of floats in the order of `shapes`. */
export const inputsOf = (workload) =>
  workload.shapes.map((shape, i) => uniform(product(shape), i, workload.low ?? -1, 1));

const matmul = (n) => ({
  name: `matmul ${n}`,
  kind: "matmul",
  shapes: [
    [n, n],
    [n, n],
  ],
  unit: "GFLOP/s",
  work: 2 * n ** 3,
});

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
  {
    name: "matvec 4096",
    kind: "matmul",
    shapes: [
      [4096, 4096],
      [4096, 1],
    ],
    unit: "GB/s",
    work: 4096 * 4096 * 4,
  },
  { name: "softmax 4096x4096", kind: "softmax", shapes: [[4096, 4096]], unit: "GB/s", work: 4096 * 4096 * 8 },
  {
    name: "layerNorm 4096x1024",
    kind: "layerNorm",
    shapes: [[4096, 1024], [1024], [1024]],
    unit: "GB/s",
    work: 4096 * 1024 * 8,
  },
  { name: "sum of 64M", kind: "sum", shapes: [[64 << 20]], low: 0, unit: "GB/s", work: (64 << 20) * 4 },
  {
    name: "conv 3x3 64->64 56x56",
    kind: "conv",
    shapes: [
      [1, 64, 56, 56],
      [64, 64, 3, 3],
    ],
    unit: "GFLOP/s",
    work: 2 * 56 * 56 * 64 * 576,
  },
  {
    name: "MNIST step, batch 128",
    kind: "mnist",
    shapes: [],
    unit: "GFLOP/s",
    // Backward costs two more products the size of the forward one, but for the first layer's input.
    work: MNIST_BATCH * 2 * (3 * MNIST_MULTIPLY_ADDS - 24 ** 2 * 25 * 32),
  },
];

/** Sixteen places spread over a result, by which results are compared. */
export const samplePlaces = (length) =>
  Array.from({ length: Math.min(16, length) }, (_, i) => (i * 7919 * 31) % length);
