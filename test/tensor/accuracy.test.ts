// Errors of transcendental and special functions stay within a few units in the last place, as docs/accuracy.md says.

import { describe, expect, it } from "vitest";
import { availableDevices } from "../../src/index.js";
import { accuracyTable } from "./accuracy-table.js";

/** Units in the last place; 4 for all others. */
const BOUNDS: Readonly<Record<string, number>> = {
  // Sums that cancel near the root at 1.46.
  digamma: 100,
};

describe("largest errors", async () => {
  const path = new URL("../fixtures/accuracy.json", import.meta.url);
  for (const { name: device, available } of await availableDevices()) {
    it.skipIf(!available)(`on ${device}`, async () => {
      const table = await accuracyTable(path, device);
      const beyond = table.filter(({ name, ulp }) => !(ulp <= (BOUNDS[name] ?? 4)));
      expect(beyond).toEqual([]);
      expect(table.length).toBe(64);
    });
  }
});
