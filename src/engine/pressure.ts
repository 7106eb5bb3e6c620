// Gives memory of dropped tensors back in time. The collector does not see how much device memory hangs on a small
// object, and finalisers run only between macrotasks: a loop that only awaits would never give anything back. So when
// what is in use has grown enough, the engine asks for a collection, where the platform lets it, and lets the event
// loop turn once.

import type { Device } from "../device/device.js";

/** Growth after which dropped memory is looked for. */
const GROWTH_BYTES = 128 * 2 ** 20;
/** And so many small results, whose buffers cost more than their bytes. */
const GROWTH_RESULTS = 20_000;

interface Watch {
  bytes: number;
  results: number;
}

const watches = new WeakMap<Device, Watch>();

type Collector = () => void;
let collector: Collector | undefined;

/** V8's own collection, which Node gives to those who ask by flag; nothing elsewhere. */
function findCollector(): Collector {
  const known = (globalThis as { gc?: Collector }).gc;
  if (known !== undefined) return known;
  try {
    const v8 = process.getBuiltinModule("node:v8");
    const vm = process.getBuiltinModule("node:vm");
    v8.setFlagsFromString("--expose-gc");
    return vm.runInNewContext("gc") as Collector;
  } catch {
    return () => {};
  }
}

/** To be called after each submission, and awaited if it gives something to await. */
export function relievePressure(device: Device): Promise<void> | undefined {
  let watch = watches.get(device);
  if (watch === undefined) {
    watch = { bytes: device.bytesInUse, results: 0 };
    watches.set(device, watch);
  }
  watch.results++;
  const grown = device.bytesInUse - watch.bytes;
  if (grown < 0) watch.bytes = device.bytesInUse;
  const large = grown >= Math.max(GROWTH_BYTES, watch.bytes / 2);
  if (!large && watch.results < GROWTH_RESULTS) return undefined;
  return relieve(device, watch, large);
}

async function relieve(device: Device, watch: Watch, large: boolean): Promise<void> {
  watch.results = 0;
  if (large) {
    collector ??= findCollector();
    collector();
  }
  await turn();
  watch.bytes = device.bytesInUse;
}

/** Lets the event loop turn once. */
export const turn = (): Promise<void> =>
  new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
