// A device is chosen by default only if it computes: a small sum with a known result, through the whole compiler.

import type { Device } from "../device/device.js";
import { binary, constNode, iota, reduceNode } from "../graph/node.js";
import { normalise } from "../graph/normalise.js";
import { planFor } from "./plan.js";

const SIZE = 40;

/** Rejects, in plain words, if the device does not give the right result. */
export async function selfTest(device: Device): Promise<void> {
  const numbers = binary("mul", iota([SIZE], 0, "float32"), constNode(0.5, "float32", [SIZE]));
  const plan = await planFor(normalise([reduceNode(numbers, "add", [0])]), device);
  const buffers = [...plan.outputBytes, ...plan.temporaryBytes].map((bytes) => device.allocate(bytes));
  device.submit(plan.list, buffers, []);
  const bytes = await device.read(buffers[0], 0, 4);
  await device.idle();
  for (const buffer of buffers) device.release(buffer);
  const result = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
  const expected = (SIZE * (SIZE - 1)) / 4;
  if (result !== expected) {
    throw new Error(`the ${device.name} device failed its self-test: it computed ${result}, not ${expected}`);
  }
}
