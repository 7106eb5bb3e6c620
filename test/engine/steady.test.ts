// What depends on a captured function's own weights alone is laid out once, and anew when they are replaced.

import { expect, it, vi } from "vitest";
import { getDevice, jit, Tensor } from "../../src/index.js";

const filled = (shape: number[], seed: number): Tensor => {
  const size = shape.reduce((product, d) => product * d, 1);
  return Tensor.from(
    Float32Array.from({ length: size }, (_, i) => ((i * 37 + seed) % 19) - 9),
    { shape },
  );
};

it("weights are packed at the first call, and again after they were replaced", async () => {
  const device = await getDevice("wasm");
  const options = { device: "wasm" };
  const weight = filled([128, 256], 1);
  await weight.realize(options);
  const own = jit((x: Tensor) => x.matmul(weight.T), options);
  const given = jit((x: Tensor, w: Tensor) => x.matmul(w.T), options);
  const x = filled([300, 256], 2);
  const expected = await (await given(x, weight)).data();
  const submit = vi.spyOn(device, "submit");
  const lists = (): number => {
    const count = submit.mock.calls.length;
    submit.mockClear();
    return count;
  };
  expect(await (await own(x)).data()).toEqual(expected);
  expect(lists()).toBe(2);
  expect(await (await own(x)).data()).toEqual(expected);
  expect(lists()).toBe(1);
  weight.assign(filled([128, 256], 3));
  const replaced = await (await own(x)).data();
  expect(lists()).toBeGreaterThan(1);
  expect(replaced).toEqual(await (await given(x, weight)).data());
  submit.mockRestore();
});

it("a step that assigns its weights lays them out at each call", async () => {
  const options = { device: "wasm" };
  const weight = filled([128, 128], 1);
  await weight.realize(options);
  const step = jit((x: Tensor) => {
    const y = x.matmul(weight.T);
    weight.assign(weight.mul(0.5));
    return y;
  }, options);
  const x = filled([64, 128], 2);
  const first = await (await step(x)).data();
  const second = await (await step(x)).data();
  expect([...second]).toEqual([...first].map((v) => Number(v) / 2));
});
