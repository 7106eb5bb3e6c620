// `brisc cache`: how much compiled code is kept between processes, and its removal.

import { clearKeptCode, keptCode } from "../index.js";
import type { Command } from "./options.js";

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MB`;

export const cacheCommand: Command = {
  name: "cache",
  summary: "say how much compiled code is kept, or remove it",
  options: { clear: { type: "boolean", help: "remove all of it; what is needed is compiled again" } },
  async run({ clear }) {
    const { directory, files, bytes, limit } = await keptCode();
    if (clear === true) await clearKeptCode();
    const kept = `${files} file${files === 1 ? "" : "s"}, ${megabytes(bytes)}`;
    console.log(
      clear === true
        ? `${directory}: removed ${kept}`
        : `${directory}: ${kept} of at most ${megabytes(limit)} (BRISC_CACHE_MB)`,
    );
    return 0;
  },
};
