// Measures operations of the library beyond matrix products on brisc's own devices: the first call in a process, which
// compiles, and later calls of the captured function. Run after `npm run build`: node bench/library.mjs [--device NAME].

import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { getDevice, grad, jit, nn, setDefaultDevice, Tensor } from "../dist/index.js";

const { values } = parseArgs({ options: { device: { type: "string", default: "cpu,wasm" } } });

const random = (...shape) => Tensor.rand(shape);
const symmetric = (n) => random(n, n).add(random(n, n).T);
const definite = (n) => {
  const x = random(n, n);
  return x.matmul(x.T).add(Tensor.eye(n));
};
const lstm = new nn.LSTM(64, 64);

/** [what, arguments, function] */
const OPERATIONS = [
  ["sort of 1,000,000", () => [random(1_000_000)], (x) => x.sort().values],
  ["sort of 100,000 rows of 16", () => [random(100_000, 16)], (x) => x.sort().values],
  ["cumsum of 1,000,000", () => [random(1_000_000)], (x) => x.cumsum(0)],
  ["fft of 64 x 4096", () => [random(64, 4096, 2)], (x) => x.fft()],
  ["fft of 64 x 1009 (prime)", () => [random(64, 1009, 2)], (x) => x.fft()],
  ["stft of 16,000", () => [random(16_000)], (x) => x.stft(512, { window: Tensor.hannWindow(512) })],
  [
    "einsum bhqd,bhkd->bhqk, 2 8 256 64",
    () => [random(2, 8, 256, 64), random(2, 8, 256, 64)],
    (x, y) => Tensor.einsum("bhqd,bhkd->bhqk", x, y),
  ],
  ["cholesky 64", () => [definite(64)], (x) => x.cholesky()],
  ["solve 64", () => [definite(64), random(64, 8)], (x, y) => x.solve(y)],
  ["svd 32", () => [random(32, 32)], (x) => x.svdvals()],
  ["eigh 32", () => [symmetric(32)], (x) => x.eigh().eigenvalues],
  ["LSTM 64 steps, batch 16, 64 wide", () => [random(16, 64, 64)], (x) => lstm.forward(x)[0]],
  [
    "transposed conv 64 28x28, 4x4 stride 2",
    () => [random(1, 64, 28, 28), random(64, 64, 4, 4)],
    (x, w) => x.convTranspose2d(w, undefined, { stride: 2, padding: 1 }),
  ],
  [
    "bicubic 3 256x256 to 512x512",
    () => [random(1, 3, 256, 256)],
    (x) => x.interpolate({ scaleFactor: 2, mode: "bicubic" }),
  ],
  [
    "gradient of grid sampling 3 256x256",
    () => [random(1, 3, 256, 256), random(1, 256, 256, 2)],
    (x, grid) => grad((y) => y.gridSample(grid).sum())(x),
  ],
];

async function measure(device, make, operation) {
  const args = make();
  await Tensor.realize(args);
  const captured = jit(operation);
  const call = async () => {
    const start = performance.now();
    const result = await captured(...args);
    if (!(result instanceof Tensor)) throw new Error("an operation gives no tensor");
    await device.idle();
    return performance.now() - start;
  };
  const first = await call();
  const later = [];
  const until = performance.now() + 1500;
  while (later.length < 5 || (later.length < 50 && performance.now() < until)) later.push(await call());
  return { first, later: later.sort((a, b) => a - b)[later.length >> 1] };
}

console.log(`load average ${loadavg()[0].toFixed(2)}; milliseconds, first call and median of later ones`);
for (const name of values.device.split(",")) {
  setDefaultDevice(name);
  const device = await getDevice(name);
  for (const [what, make, operation] of OPERATIONS) {
    const { first, later } = await measure(device, make, operation);
    console.log(
      `${name.padEnd(5)} ${what.padEnd(40)} ${first.toFixed(0).padStart(6)} ${later.toFixed(2).padStart(9)}`,
    );
  }
}
process.exit(0);
