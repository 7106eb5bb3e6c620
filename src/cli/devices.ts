// `brisc devices`: what this machine offers, and which device would be used.

import { availableDevices, defaultDevice } from "../index.js";
import type { Command } from "./options.js";

export const devicesCommand: Command = {
  name: "devices",
  summary: "list the devices, and why one cannot be used",
  options: {},
  async run() {
    const devices = await availableDevices();
    const chosen = await defaultDevice();
    const width = Math.max(...devices.map(({ name }) => name.length));
    for (const { name, available, reason } of devices) {
      const mark = name === chosen ? "*" : " ";
      console.log(`${mark} ${name.padEnd(width)}  ${available ? "available" : "not available"}: ${reason}`);
    }
    console.log("\nThe device marked * is used, unless --device or BRISC_DEVICE says otherwise.");
    return 0;
  },
};
