// Where files are kept between processes.

import { homedir } from "node:os";
import { join } from "node:path";

/** BRISC_CACHE_DIR, else XDG_CACHE_HOME/brisc, else ~/.cache/brisc. */
export function cacheDirectory(): string {
  const { BRISC_CACHE_DIR, XDG_CACHE_HOME } = process.env;
  if (BRISC_CACHE_DIR) return BRISC_CACHE_DIR;
  return join(XDG_CACHE_HOME || join(homedir(), ".cache"), "brisc");
}
