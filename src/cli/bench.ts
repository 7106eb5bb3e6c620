// `brisc bench`: a quick measurement of each device, to see what to expect of it; bench/ holds the comparison with other
// libraries.

import type { Device } from "../device/device.js";
import { availableDevices, type Ceiling, getDevice, jit, setDefaultDevice, Tensor } from "../index.js";
import { type Command, textOption, UsageError } from "./options.js";

interface Workload {
  readonly name: string;
  readonly unit: "GFLOP/s" | "GB/s" | "us";
  /** Operations or bytes of one run; unused for times. */
  readonly work: number;
  make(): { readonly inputs: Tensor[]; readonly run: (...inputs: Tensor[]) => Tensor };
}

const matmul = (n: number): Workload => ({
  name: `matmul ${n} x ${n}`,
  unit: "GFLOP/s",
  work: 2 * n ** 3,
  make: () => ({ inputs: [Tensor.rand([n, n]), Tensor.rand([n, n])], run: (x, y) => x.matmul(y) }),
});

const ROWS = 2048;
const LENGTH = 1 << 24;
const WORKLOADS: readonly Workload[] = [
  matmul(256),
  matmul(1024),
  {
    name: "sum of 16M floats",
    unit: "GB/s",
    work: LENGTH * 4,
    make: () => ({ inputs: [Tensor.rand([LENGTH])], run: (x) => x.sum() }),
  },
  {
    name: `softmax ${ROWS} x ${ROWS}`,
    unit: "GB/s",
    work: ROWS * ROWS * 8,
    make: () => ({ inputs: [Tensor.rand([ROWS, ROWS])], run: (x) => x.softmax(-1) }),
  },
  {
    name: "one addition, replayed",
    unit: "us",
    work: 0,
    make: () => ({ inputs: [Tensor.rand([64])], run: (x) => x.add(1) }),
  },
];

const BUDGET_MILLISECONDS = 700;

/** The median time of a run in milliseconds. */
async function measure(workload: Workload, device: Device, signal: AbortSignal): Promise<number> {
  const { inputs, run } = workload.make();
  await Tensor.realize(inputs);
  const step = jit(run);
  // The first calls compile and capture.
  for (let i = 0; i < 3; i++) await step(...inputs);
  await device.idle();
  const times: number[] = [];
  const end = performance.now() + BUDGET_MILLISECONDS;
  while ((performance.now() < end || times.length < 3) && !signal.aborted) {
    const start = performance.now();
    await step(...inputs);
    await device.idle();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

export const benchCommand: Command = {
  name: "bench",
  summary: "measure the devices of this machine for a few seconds",
  options: {
    device: { type: "string", value: "NAME", help: "measure this device only" },
    limits: { type: "boolean", help: "measure what the machine gives at most, part by part" },
    json: { type: "boolean", help: "with --limits: print the figures as JSON" },
  },
  async run(values, signal) {
    const only = textOption(values, "device");
    const { limits, json } = values;
    if (json && !limits) throw new UsageError("--json is for --limits.");
    const devices = await availableDevices();
    if (only !== undefined && !devices.some(({ name }) => name === only)) {
      throw new UsageError(
        `There is no device "${only}"; there are ${devices.map((d) => d.name).join(", ")}.`,
      );
    }
    const ceilings: Record<string, readonly Ceiling[]> = {};
    const width = Math.max(...WORKLOADS.map(({ name }) => name.length));
    for (const device of devices) {
      if (only === undefined ? device.name === "interpreter" : device.name !== only) continue;
      if (!device.available) {
        if (!json) console.log(`${device.name}: not available: ${device.reason}`);
        continue;
      }
      if (!json) console.log(`${device.name}: ${device.reason}`);
      setDefaultDevice(device.name);
      if (limits) {
        const { printCeilings } = await import("./limits.js");
        ceilings[device.name] = await printCeilings(await getDevice(device.name), json === true, signal);
        if (signal.aborted) return 130;
        continue;
      }
      for (const workload of WORKLOADS) {
        if (signal.aborted) return 130;
        const milliseconds = await measure(workload, await getDevice(device.name), signal);
        const figure =
          workload.unit === "us"
            ? (milliseconds * 1000).toFixed(1)
            : (workload.work / milliseconds / 1e6).toFixed(1);
        console.log(`  ${workload.name.padEnd(width)}  ${figure.padStart(8)} ${workload.unit}`);
      }
    }
    if (json) console.log(JSON.stringify(ceilings, null, 2));
    return 0;
  },
};
