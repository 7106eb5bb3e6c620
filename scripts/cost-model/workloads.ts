// Computations whose kernels the cost model is trained on, and others, of other sizes and kinds, that it is tested on.

import { Tensor } from "../../src/index.js";

/** A tensor with elements, which a kernel loads. */
function input(...shape: number[]): Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return Tensor.from(Float32Array.from({ length: size }, (_, i) => 0.5 + (i % 64) / 64)).reshape(shape);
}

const index = (length: number, below: number): Tensor =>
  Tensor.from(Int32Array.from({ length }, (_, i) => (i * 7919) % below));

const matmul = (m: number, k: number, n: number) => () => input(m, k).matmul(input(k, n));
const transposed = (m: number, k: number, n: number) => () => input(m, k).matmul(input(n, k).transpose(0, 1));
const weightGradient = (m: number, k: number, n: number) => () =>
  input(k, m).transpose(0, 1).matmul(input(k, n));
const convolution =
  (batch: number, channels: number, size: number, filters: number, kernel: number, stride = 1, groups = 1) =>
  () =>
    input(batch, channels, size, size)
      .conv2d(input(filters, channels / groups, kernel, kernel), undefined, {
        padding: kernel >> 1,
        stride,
        groups,
      })
      .relu();

export type Workloads = Readonly<Record<string, () => Tensor>>;

export const TRAINING: Workloads = {
  "matmul 64": matmul(64, 64, 64),
  "matmul 128x256x64": matmul(128, 256, 64),
  "matmul 256": matmul(256, 256, 256),
  "matmul 384x512x128": matmul(384, 512, 128),
  "matmul 512": matmul(512, 512, 512),
  "matmul 251x127x333": matmul(251, 127, 333),
  "matmul 32x1024x512": matmul(32, 1024, 512),
  "matmul 4x768x768": matmul(4, 768, 768),
  "matmul 128x784x10": matmul(128, 784, 10),
  "matmul 128x4096x128": matmul(128, 4096, 128),
  "matmul transposed 256": transposed(256, 256, 256),
  "matmul transposed 100x300x500": transposed(100, 300, 500),
  "weight gradient 128x512x256": weightGradient(128, 512, 256),
  "matvec 1024": () => input(1024, 1024).matmul(input(1024, 1)),
  "vector times matrix 768": () => input(1, 768).matmul(input(768, 768)),
  "batched 12x64": () => input(12, 64, 64).matmul(input(12, 64, 64)),
  "convolution 32 at 28": convolution(1, 32, 28, 32, 3),
  "convolution 4x16 at 32": convolution(4, 16, 32, 32, 3),
  "convolution 3 at 64, stride 2": convolution(1, 3, 64, 16, 3, 2),
  "convolution 1x1 64 at 28": convolution(1, 64, 28, 128, 1),
  "convolution 5x5 8 at 24": convolution(8, 8, 24, 16, 5),
  "depthwise 64 at 28": convolution(1, 64, 28, 64, 3, 1, 64),
  "pool 32 at 56": () => input(1, 32, 56, 56).maxPool2d(2),
  "softmax 256x512": () => input(256, 512).softmax(1),
  "softmax 1024x128": () => input(1024, 128).softmax(1),
  "softmax 32x8192": () => input(32, 8192).softmax(1),
  "softmax of columns 512x256": () => input(512, 256).softmax(0),
  "logSoftmax 128x10": () => input(128, 10).logSoftmax(1),
  "layerNorm 256x768": () => input(256, 768).layerNorm([768]),
  "sum of 100k": () => input(100_000).sum(),
  "sum of 4M": () => input(4_000_000).sum(),
  "sum of rows 512x1000": () => input(512, 1000).sum(1),
  "sum of columns 1000x512": () => input(1000, 512).sum(0),
  "sum of columns 20000x16": () => input(20_000, 16).sum(0),
  "sum of middle 32x64x96": () => input(32, 64, 96).sum(1),
  "max of rows 2000x64": () => input(2000, 64).max(1),
  "variance 300x400": () => input(300, 400).var(1),
  "relu 1M": () => input(1_000_000).mul(2).relu(),
  "relu 30k": () => input(30_000).sub(1).relu(),
  "gelu 300k": () => input(300_000).gelu(),
  "exp 250x1000": () => input(250, 1000).exp().add(input(250, 1)),
  "bias 128x1024": () => input(128, 1024).add(input(1024)).tanh(),
  "transpose 512x768": () => input(512, 768).transpose(0, 1).contiguous(),
  "permute 32x16x24x20": () => input(32, 16, 24, 20).permute([0, 2, 1, 3]).contiguous(),
  "concat 100x200": () => Tensor.concat([input(100, 200), input(100, 100)], 1).mul(2),
  "gather 1000x256": () => input(5000, 256).indexSelect(0, index(1000, 5000)),
  "attention 4x128x64": () => attention(4, 128, 64),
};

export const HELD_OUT: Workloads = {
  "matmul 200x300x400": matmul(200, 300, 400),
  "matmul 700": matmul(700, 700, 700),
  "matmul transposed 64x1000x120": transposed(64, 1000, 120),
  "convolution 24 at 40": convolution(2, 24, 40, 48, 3),
  "convolution 1x1 96 at 14": convolution(1, 96, 14, 192, 1),
  "depthwise 128 at 56": convolution(1, 128, 56, 128, 3, 1, 128),
  "softmax 300x1000": () => input(300, 1000).softmax(1),
  "layerNorm 100x1536": () => input(100, 1536).layerNorm([1536]),
  "attention 8x200x32": () => attention(8, 200, 32),
  "sum of columns 3000x300": () => input(3000, 300).sum(0),
  "mean of 1M": () => input(1_000_000).mean(),
  "silu 777x333": () => input(777, 333).silu().mul(input(777, 333)),
};

function attention(heads: number, length: number, width: number): Tensor {
  const [q, k, v] = [input(heads, length, width), input(heads, length, width), input(heads, length, width)];
  return q
    .matmul(k.transpose(1, 2))
    .mul(1 / Math.sqrt(width))
    .softmax(2)
    .matmul(v);
}
