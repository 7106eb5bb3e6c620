// The package's version, read from its package.json.

import { readFileSync } from "node:fs";

/** package.json lies one folder above the bundle (dist/) and two above this source. */
function readVersion(): string {
  for (const path of ["../package.json", "../../package.json"]) {
    try {
      const found = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as {
        name?: string;
        version?: string;
      };
      if (found.name === "brisc" && found.version !== undefined) return found.version;
    } catch {
      // Not there: the next one.
    }
  }
  throw new Error("package.json was not found beside the program");
}

export const VERSION = readVersion();
