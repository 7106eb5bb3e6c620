// The ceilings of a device: every figure is a number, threads add up to something, and measuring can be stopped.

import { expect, it } from "vitest";
import { availableDevices, type Ceiling, getDevice, measureCeilings } from "../../src/index.js";

const devices = (await availableDevices()).filter(({ name }) => name !== "interpreter");

for (const { name, available, reason } of devices) {
  it.skipIf(!available)(`figures of ${name}${available ? "" : ` (not here: ${reason})`}`, async () => {
    const device = await getDevice(name);
    const seen: Ceiling[] = [];
    const found = await measureCeilings(device, { milliseconds: 1, onCeiling: (c) => seen.push(c) });
    expect(seen).toEqual(found);
    const measured = found.filter(({ all }) => all !== undefined);
    expect(measured.length).toBeGreaterThan(5);
    for (const { one = 1, all = 0 } of measured) {
      expect(Number.isFinite(one) && one > 0).toBe(true);
      expect(Number.isFinite(all) && all > 0).toBe(true);
    }
    expect(device.bytesInUse).toBeLessThan(64 << 20);
  });
}

it("stops when it is told to", async () => {
  const stop = new AbortController();
  const found = await measureCeilings(await getDevice("wasm"), {
    milliseconds: 1,
    signal: stop.signal,
    onCeiling: () => stop.abort(),
  });
  expect(found).toHaveLength(1);
});
