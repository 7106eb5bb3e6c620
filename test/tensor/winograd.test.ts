// Convolutions in tiles: the same sums from fewer products, with gradients, on every device.

import { describe, expect, it } from "vitest";
import { availableDevices, gradientsFor, manualSeed, nn, Tensor } from "../../src/index.js";
import type { ConvolutionOptions } from "../../src/tensor/convolution.js";
import { paysInTiles } from "../../src/tensor/winograd.js";

const devices = (await availableDevices())
  .filter(({ name, available }) => available && ["interpreter", "wasm", "cpu"].includes(name))
  .map(({ name }) => name);

/** The largest difference of two float32 tensors, as a part of the largest element. */
async function difference(x: Tensor, y: Tensor, device: string): Promise<number> {
  const [a, b] = [await x.data({ device }), await y.data({ device })].map((d) =>
    Array.from(d as Float32Array),
  );
  const largest = Math.max(...b.map(Math.abs));
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((v, i) => Math.abs(v - b[i]))) / largest;
}

interface Example {
  readonly image: readonly number[];
  readonly kernel: readonly number[];
  readonly options: ConvolutionOptions;
}
const examples: Record<string, Example> = {
  "rows that do not divide": { image: [1, 16, 23, 24], kernel: [16, 16, 3, 3], options: { padding: 1 } },
  "groups and a batch": { image: [3, 32, 15, 16], kernel: [32, 16, 3, 3], options: { groups: 2 } },
  "another width, dilated": {
    image: [1, 16, 22, 30],
    kernel: [17, 16, 3, 5],
    options: { padding: [1, 4], dilation: [1, 2] },
  },
  volumes: { image: [1, 16, 6, 9, 16], kernel: [16, 16, 3, 3, 1], options: { padding: [1, 1, 0] } },
};

describe.each(devices)("on %s", (device) => {
  it.each(Object.entries(examples))("%s", async (_, { image, kernel, options }) => {
    manualSeed(1);
    const [x, w, b] = [Tensor.randn(image), Tensor.randn(kernel), Tensor.randn([kernel[0]])];
    const convolve = (winograd: boolean): Tensor =>
      image.length === 4
        ? x.conv2d(w, b, { ...options, winograd })
        : x.conv3d(w, b, { ...options, winograd });
    const [tiled, direct] = [convolve(true), convolve(false)];
    expect(tiled.shape).toEqual(direct.shape);
    const off = await difference(tiled, direct, device);
    expect(off).toBeLessThan(3e-6);
    // The sums were taken otherwise.
    expect(off).toBeGreaterThan(0);
  });

  it("has the gradients of the sum", async () => {
    manualSeed(2);
    const [x, w, g] = [
      Tensor.randn([1, 16, 23, 24]),
      Tensor.randn([16, 16, 3, 3]),
      Tensor.randn([1, 16, 23, 24]),
    ];
    for (const leaf of [x, w]) leaf.requiresGrad_();
    const gradients = (winograd: boolean): Tensor[] =>
      gradientsFor(x.conv2d(w, undefined, { padding: 1, winograd }).mul(g).sum(), [x, w]);
    const [tiled, direct] = [gradients(true), gradients(false)];
    for (const i of [0, 1]) expect(await difference(tiled[i], direct[i], device)).toBeLessThan(5e-6);
  });
});

describe("tiles are taken", () => {
  const image = Tensor.zeros([1, 1, 32, 34, 34]);
  const filters = Tensor.zeros([1, 32, 32, 3, 3]);
  const tiled = { image, filters, strides: [1, 1], dilations: [1, 1] };
  it("for many channels and places", () => expect(paysInTiles(tiled)).toBe(true));
  it.each([
    ["steps", { ...tiled, strides: [1, 2] }],
    ["gaps between rows", { ...tiled, dilations: [2, 1] }],
    ["other kernels", { ...tiled, filters: Tensor.zeros([1, 32, 32, 5, 3]) }],
    [
      "one axis",
      {
        ...tiled,
        image: image.narrow(4, 0, 1).squeeze(4),
        filters: Tensor.zeros([1, 32, 32, 3]),
        strides: [1],
        dilations: [1],
      },
    ],
    ["few channels", { ...tiled, filters: Tensor.zeros([1, 8, 32, 3, 3]) }],
    ["few places", { ...tiled, image: Tensor.zeros([1, 1, 32, 9, 9]) }],
  ])("not for %s", (_, other) => expect(paysInTiles(other)).toBe(false));

  it("by layers that ask for them", async () => {
    const layer = new nn.Conv2d(16, 16, 3, { winograd: true, bias: false });
    const x = Tensor.randn([1, 16, 26, 26]);
    const [tiles, sums] = [layer.forward(x), x.conv2d(layer.weight)];
    const off = await difference(tiles, sums, "interpreter");
    expect(off).toBeGreaterThan(0);
    expect(off).toBeLessThan(3e-6);
  });
});
