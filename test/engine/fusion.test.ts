// How many kernels well-known computations take: reductions and what uses them again share one where they fit.

import { describe, expect, it } from "vitest";
import { availableDevices } from "../../src/engine/engine.js";
import { countKernels } from "../../src/engine/inspect.js";
import { grad, Tensor } from "../../src/index.js";

/** A tensor with elements in memory. */
const given = (...shape: number[]): Tensor => {
  const size = shape.reduce((n, d) => n * d, 1);
  return Tensor.from(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i)),
    { shape },
  );
};

interface Computation {
  readonly name: string;
  /** The most kernels it may take. */
  readonly kernels: number;
  results(): readonly Tensor[];
}

const one = (name: string, kernels: number, result: () => Tensor): Computation => ({
  name,
  kernels,
  results: () => [result()],
});

const attention = (...shape: number[]) => {
  const [q, k, v] = [given(...shape), given(...shape), given(...shape)];
  return () => q.scaledDotProductAttention(k, v);
};

function convolved(padding: number): Tensor {
  const x = given(2, 8, 10, 10);
  const result = x
    .conv2d(given(8, 8, 3, 3), undefined, { padding })
    .batchNorm(given(8), given(8).square(), { weight: given(8), bias: given(8) })
    .relu();
  return result.add(given(...result.sizes));
}

/** One step of Adam with bias correction; gives all new values. */
function adam(count: number): Tensor[] {
  const step = given(1);
  return Array.from({ length: count }, (_, i) => {
    const shape = i % 2 === 0 ? [64, 32] : [32];
    const [parameter, gradient, mean, square] = [
      given(...shape),
      given(...shape),
      given(...shape),
      given(...shape),
    ];
    const next = step.add(1);
    mean.assign(mean.mul(0.9).add(gradient.mul(0.1)));
    square.assign(square.mul(0.999).add(gradient.square().mul(0.001)));
    const direction = mean.div(Tensor.ones([1]).sub(next.mul(Math.log(0.9)).exp())).div(
      square
        .div(Tensor.ones([1]).sub(next.mul(Math.log(0.999)).exp()))
        .sqrt()
        .add(1e-8),
    );
    parameter.assign(parameter.sub(direction.mul(1e-3)));
    return [parameter, mean, square];
  }).flat();
}

const COMPUTATIONS: readonly Computation[] = [
  one("elementwise chain", 1, () => given(64, 64).exp().add(1).log().mul(given(64, 1))),
  one("softmax", 1, () => given(32, 100).softmax(-1)),
  one("softmax over a long row", 1, () => given(4, 5000).softmax(-1)),
  one("softmax of a softmax", 1, () => given(32, 100).softmax(-1).softmax(-1)),
  one("log-softmax", 1, () => given(32, 100).logSoftmax(-1)),
  one("layer norm", 1, () => given(32, 100).layerNorm([100], { weight: given(100), bias: given(100) })),
  one("RMS norm", 1, () => given(32, 100).rmsNorm([100], { weight: given(100) })),
  one("variance", 1, () => given(32, 100).var(1)),
  one("argmax", 1, () => given(32, 100).argmax(1)),
  one("argmax of all", 1, () => given(32, 100).argmax()),
  one("matrix product", 1, () => given(64, 32).matmul(given(32, 48))),
  one("linear and gelu", 1, () => given(16, 64).linear(given(128, 64), given(128)).gelu()),
  one("convolution, batch norm, relu, residual", 1, () => convolved(0)),
  // The padded input is filled once in the same kernel, so that no window meets a border.
  one("padded convolution, batch norm, relu, residual", 1, () => convolved(1)),
  one("attention of one head", 1, () =>
    given(16, 64).scaledDotProductAttention(given(128, 64), given(128, 64)),
  ),
  one("attention of many heads", 2, attention(2, 4, 64, 32)),
  one("attention over a long sequence", 2, attention(1, 8, 512, 64)),
  one("causal attention", 2, () =>
    given(2, 4, 64, 32).scaledDotProductAttention(given(2, 4, 64, 32), given(2, 4, 64, 32), {
      isCausal: true,
    }),
  ),
  one("embedding", 1, () => Tensor.from(Int32Array.from([1, 2, 3])).embedding(given(10, 16))),
  one("log-softmax, gathered, as in a cross entropy", 1, () =>
    given(32, 10)
      .logSoftmax(1)
      .gather(1, Tensor.from(new Int32Array(32), { shape: [32, 1] })),
  ),
  one("gradient of a sum of squares", 1, () => grad((x: Tensor) => x.square().sum())(given(100))),
  { name: "Adam over 50 parameters", kernels: 10, results: () => adam(50) },
  {
    name: "two results of one reduction",
    kernels: 1,
    results: () => {
      const x = given(32, 100);
      const top = x.max(1, { keepdim: true });
      return [x.sub(top).exp(), top];
    },
  },
];

it("two large products that are added are a kernel each: a tile's registers hold one", async () => {
  const sum = () =>
    given(256, 256)
      .matmul(given(256, 256))
      .add(given(256, 256).matmul(given(256, 256)));
  for (const { name, available } of await availableDevices())
    if (available) expect(await countKernels([sum().node], name), name).toBe(2);
});

for (const { name: device, available, reason } of await availableDevices()) {
  describe.skipIf(!available)(`${device}${available ? "" : ` (not available: ${reason})`}`, () => {
    for (const { name, kernels, results } of COMPUTATIONS) {
      it(`${name}: ${kernels === 1 ? "one kernel" : `at most ${kernels} kernels`}`, async () => {
        const nodes = results().map((x) => x.node);
        expect(await countKernels(nodes, device)).toBeLessThanOrEqual(kernels);
      });
    }
  });
}
