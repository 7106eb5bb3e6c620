// The least time of a piece of work: the kernels that move bytes move those asked for, and nothing is kept.

import { expect, it } from "vitest";
import { moving } from "../../src/engine/ceiling-kernels.js";
import { getDevice, openRoofline } from "../../src/index.js";
import { interpretKernel } from "../../src/kernel/interpret.js";
import { parseKernel } from "../../src/kernel/parse.js";

const cases = [
  { read: 1 << 18, written: 0, sources: 8, targets: 0 },
  { read: 1 << 18, written: 4096, sources: 8, targets: 0 },
  { read: 1 << 18, written: 1 << 16, sources: 4, targets: 1 },
  { read: 100_000, written: 100_000, sources: 1, targets: 1 },
  { read: 1 << 12, written: 1 << 18, sources: 0, targets: 4 },
];

for (const { read, written, sources, targets } of cases) {
  it(`reads ${read} bytes and writes ${written}`, () => {
    const { text, bytes, work } = moving(4, read, written, "store");
    expect(work / (read + written)).toBeCloseTo(1, 1);
    const [out, x] = bytes.map((n) => new Float32Array(n / 4).fill(1));
    const kernel = parseKernel(text);
    const memory = [out, x].map((array, i) => [kernel.params[i], new Uint8Array(array.buffer)] as const);
    interpretKernel(kernel, new Map(memory));
    // Each place got the sum of what was read for it: as much everywhere.
    expect(new Set(out)).toEqual(new Set([targets === 0 ? x.length / out.length : sources]));
    expect(work).toBe(4 * ((sources > 0 ? x.length : 0) + (targets > 0 ? out.length : 0)));
  });
}

it("measures operations and bytes, and gives its memory back", async () => {
  const device = await getDevice("wasm");
  const before = device.bytesInUse;
  const roofline = await openRoofline(device, { operations: 1e6, read: 1 << 20, written: 1 << 18 });
  const first = await roofline.measure(2);
  const second = await roofline.measure(2);
  roofline.close();
  for (const part of ["operations", "bytes"] as const) {
    expect(first[part]).toBeGreaterThan(0);
    expect(second[part]).toBeGreaterThan(0);
    expect(second[part]).toBeLessThanOrEqual(first[part]);
  }
  expect(device.bytesInUse).toBe(before);
});

it("has no time for what is not asked for", async () => {
  const roofline = await openRoofline(await getDevice("wasm"), { operations: 0, read: 4096, written: 0 });
  const { operations, bytes } = await roofline.measure(1);
  roofline.close();
  expect(operations).toBe(0);
  expect(bytes).toBeGreaterThan(0);
});
