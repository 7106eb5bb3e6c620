// Memory stays flat: in captured training steps, and in small eager operations that never wait for a macrotask.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { availableDevices, jit, setDefaultDevice, Tensor } from "../../src/index.js";

const devices = (await availableDevices()).filter((d) => d.name === "cpu" || d.name === "wasm");

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/**
 * Resident megabytes at nine points of a run, each after a collection. What is
 * not given back then is held by someone.
 */
async function residents(count: number, step: () => Promise<void>): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < count; i++) {
    await step();
    if (i % (count / 10) !== 0 || i === 0) continue;
    collect();
    await new Promise(setImmediate);
    found.push(process.memoryUsage.rss() / 2 ** 20);
  }
  return found;
}

/**
 * Growth of the end over the middle, once the heap has found its size: the heap breathes by some ten megabytes, so the
 * lowest of the last points is compared with the highest in the middle. What would show: 60 bytes an
 * operation in a million of them, 6 kilobytes a step in ten thousand.
 */
const growth = (found: readonly number[]): number =>
  Math.min(...found.slice(-2)) - Math.max(...found.slice(2, 4));

describe.each(devices.map((d) => [d.name, d] as const))("25. memory stays flat on %s", (name, device) => {
  if (!device.available) {
    test.skip(`not here: ${device.reason}`, () => {});
    return;
  }

  test("10,000 captured training steps", { timeout: 120_000 }, async () => {
    setDefaultDevice(name);
    const weights = Tensor.ones([256, 64]);
    const momentum = Tensor.zeros([256, 64]);
    const step = jit((x: Tensor) => {
      const error = x.unsqueeze(2).mul(weights.unsqueeze(0)).sum(1);
      // Towards values that are not zero: denormal numbers would take a hundred times as long.
      momentum.assign(momentum.mul(0.9).add(error.mean().add(0.1)));
      weights.assign(weights.mul(0.99).add(momentum.mul(1e-3)));
      return error.square().mean();
    });
    const x = Tensor.ones([32, 256]).mul(0.01);
    await x.realize();
    const found = await residents(10_000, async () => {
      await step(x);
    });
    expect(growth(found)).toBeLessThan(24);
  });

  test("a million small eager operations", { timeout: 180_000 }, async () => {
    setDefaultDevice(name);
    const one = Tensor.ones([16]);
    await one.realize();
    let x = Tensor.zeros([16]);
    const found = await residents(1_000_000, async () => {
      x = x.add(one);
      await x.realize();
    });
    expect(growth(found)).toBeLessThan(24);
    expect((await x.data())[0]).toBe(1_000_000);
  });
});
