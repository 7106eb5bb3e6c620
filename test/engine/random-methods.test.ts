// Random chains of Tensor methods: every device gives the interpreter's bits, and its gradients.

import { expect, it } from "vitest";
import { registerDevice } from "../../src/engine/engine.js";
import { availableDevices, Tensor } from "../../src/index.js";
import { LimitedDevice } from "../devices/limited.js";
import { randomChain } from "./random-methods.js";

registerDevice("limited", async () => new LimitedDevice());
const others = (await availableDevices()).filter(({ name }) => name !== "interpreter");
const count = Number(process.env.BRISC_CHAINS ?? 25);
const first = Number(process.env.BRISC_CHAINS_FROM ?? 1);

const numbers = (x: ArrayLike<number | bigint>): number[] => Array.from(x, Number);

async function results(seed: number, device: string) {
  const { names, value, gradient } = randomChain(seed);
  await Tensor.realize([value, gradient], { device });
  const [values, slopes] = [await value.data({ device }), await gradient.data({ device })];
  return { what: `${seed}: ${names.join(", ")}`, values: numbers(values), slopes: numbers(slopes) };
}

for (const { name: device, available, reason } of others) {
  const title = `${device}${available ? "" : ` (skipped: ${reason})`}`;
  it.skipIf(!available)(title, { timeout: 600_000 }, async () => {
    for (let seed = first; seed < first + count; seed++) {
      const wanted = await results(seed, "interpreter");
      const found = await results(seed, device);
      expect({ what: found.what, values: found.values }).toEqual({
        what: wanted.what,
        values: wanted.values,
      });
      const wrong = found.slopes.findIndex(
        (g, i) => !(Math.abs(g - wanted.slopes[i]) <= 1e-4 * (1 + Math.abs(g))),
      );
      expect({ what: found.what, wrong, slopes: wrong < 0 || found.slopes }).toEqual({
        what: wanted.what,
        wrong: -1,
        slopes: true,
      });
    }
  });
}
