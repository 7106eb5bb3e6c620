// npm run cost-model -- collect|train|evaluate|search: the cost model of the search for schedules, from measurements to the table
// in docs/search.md. Bundles and runs scripts/cost-model/main.ts, which needs more of brisc than its public names.

import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { install, root } from "./setup.mjs";

install();
// Beside the packages, so that koffi is found.
const bundle = join(root, "node_modules", `.cost-model-${process.pid}.mjs`);
await build({
  absWorkingDir: root,
  entryPoints: ["scripts/cost-model/main.ts"],
  outfile: bundle,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external: ["koffi"],
  logLevel: "warning",
});
const { status } = spawnSync(process.execPath, [bundle, ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
rmSync(bundle, { force: true });
process.exit(status ?? 1);
