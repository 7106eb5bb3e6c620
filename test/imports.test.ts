// The directions of imports between the folders of src/, which docs/architecture.md promises.

import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

it("imports point down the order of the folders, without cycles", () => {
  const { status, stderr } = spawnSync(process.execPath, ["scripts/check-imports.mjs"], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
});
